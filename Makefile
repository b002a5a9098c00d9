# Two commands need nothing but Python 3.11 or newer: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-faults results pictures docs lint setup clean

demo: setup
	$(BIN)/python -m dull_jax.main --config=configs/digits_t2h.py --workdir=runs/digits_t2h

test: setup lint
	JAX_PLATFORMS=cpu $(BIN)/python -m pytest -q -n 2 --dist loadgroup

# Kills, signals, damaged files and full disks, about a quarter of an hour; its counts are a result file.
test-faults: setup
	JAX_PLATFORMS=cpu $(BIN)/python -m pytest -q -m faults tests/faults \
	  --faults-json=benchmarks/results/faults.json

# The measured tables of README and docs, from the committed result files.
results: setup
	$(BIN)/python -m benchmarks.docs.render

# The documentation as a site, below site/, with the pages of the demo. A warning is an error.
docs: demo
	JAX_PLATFORMS=cpu $(BIN)/dull-jax audit --run=runs/digits_t2h
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 JAX_PLATFORMS=cpu $(BIN)/python -m mkdocs build --strict
	@echo "site/index.html"

# The lower end of every range: `PIP_CONSTRAINT=oldest.txt make test`, in a fresh clone.
oldest.txt: requirements.txt
	sed -nE 's/^([A-Za-z0-9_-]+)[>=]=([0-9.]+).*/\1==\2/p' $< > $@

# The pictures of README and docs, from runs that are made for them, or on PHOTOS of your own.
pictures: setup
	$(BIN)/python -m benchmarks.docs.pictures $(if $(PHOTOS),--photos=$(PHOTOS))

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

setup: .venv/ready

.venv/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "dull_jax needs Python 3.11 or newer; this is $$($(PYTHON) -V). Try: make PYTHON=python3.12 …" >&2; exit 2; }
	@echo "setting up .venv (once, about a minute)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

clean:
	rm -rf .venv runs build site *.egg-info .pytest_cache .ruff_cache .mypy_cache

"""A benchmark's command line and its result file: JSON, beginning with the machine it ran on."""

import argparse
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from dull_jax.machine import environment

RESULTS = pathlib.Path(__file__).parent / "results"


def parser(doc: str, out: str = "the result file") -> argparse.ArgumentParser:
    """A command line with --out, whose --help shows the benchmark's docstring."""
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--out", type=pathlib.Path, help=f"{out}; see above")
    return made


def save(path: pathlib.Path | None, measured: Mapping[str, Any]) -> None:
    """Writes what was measured, below `environment`: command, versions, hardware, date."""
    if path is not None:
        write_json(path, {"environment": environment()} | dict(measured))


def write_json(path: pathlib.Path, content: Mapping[str, Any], indent: int | None = 1) -> None:
    """Writes a JSON file; its folder is made where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=indent) + "\n")


def read(name: str) -> Any:
    """A committed result, by its path below `results/`: read('speed/cost.json')."""
    return json.loads((RESULTS / name).read_text())

"""Counts what was tried and what came of it: `pytest -m faults --faults-json=FILE tests/faults`.

Of a file that is there the lines are replaced that were tried again.
"""

import json
import pathlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import processes
import pytest


class Tally:
    """Trials, line by line of the table in docs/reliability.md."""

    def __init__(self) -> None:
        self.lines: dict[str, dict[str, Any]] = {}

    @contextmanager
    def trial(self, line: str, count: int = 1) -> Iterator[dict[str, Any]]:
        """Counts as survived unless an exception leaves it; yields the line, to note more on."""
        fresh = {"date": time.strftime("%Y-%m-%d"), "tried": 0, "survived": 0, "lost": 0}
        row = self.lines.setdefault(line, fresh | {"seconds": 0})
        began, row["tried"] = time.monotonic(), row["tried"] + count
        try:
            yield row
        except (KeyboardInterrupt, pytest.skip.Exception):
            row["tried"] -= count
            raise
        except BaseException:
            row["lost"] += count
            raise
        else:
            row["survived"] += count
        finally:
            row["seconds"] = round(row["seconds"] + time.monotonic() - began, 1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults-json", type=pathlib.Path, help="where the counts are written")


def pytest_configure(config: pytest.Config) -> None:
    config.fault_tally = Tally()


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    return request.config.fault_tally


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("one") / "whole"
    processes.end(processes.start(*processes.flags(folder)))
    return folder


@pytest.fixture(scope="session")
def undisturbed_two(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The same on two hosts."""
    folder = tmp_path_factory.mktemp("two") / "whole"
    processes.end(processes.start_two(*processes.flags(folder)))
    return folder


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = session.config.getoption("--faults-json", None)
    if path is None:
        return
    from dull_jax.machine import environment

    here = environment()
    before = json.loads(path.read_text())["lines"] if path.exists() else {}
    found = {key: here[key] for key in ("cpu", "python", "versions")}
    tried = {line: row for line, row in session.config.fault_tally.lines.items() if row["tried"]}
    found["lines"] = dict(sorted((before | tried).items()))
    path.write_text(json.dumps(found, indent=1) + "\n")

import pytest

from dull_jax.data.own import scan as scans
from dull_jax.data.sources import csv, folder
from pictures import save


@pytest.fixture
def scan(tmp_path):
    """Writes files, reads them as a folder or by a CSV file, scans; `act.said` was told."""

    def act(files, table=""):
        save(tmp_path / "data", files)
        act.said = []
        if table:
            save(tmp_path, {"data/labels.csv": table.encode()})
            index = csv.read(tmp_path / "data" / "labels.csv")
        else:
            index = folder.read(tmp_path / "data")
        return scans.scan(index, act.said.append, cache=tmp_path / "cache")

    return act

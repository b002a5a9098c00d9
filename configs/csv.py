"""DULL on your own photographs, listed with their labels in a table.

The table has the columns path and label, optional ones are id and split (train, test); commas,
semicolons, tabs or bars between them, whatever the file's suffix. Paths are relative to the table's
folder, or to --config.data.dir. Everything else as in configs/folder.py.

    python -m dull_jax.main --config=configs/csv.py --config.data.file=labels.csv --workdir=RUN
"""

from ml_collections import ConfigDict

from configs import folder


def get_config(arg: str | None = None) -> ConfigDict:
    """Recipe arguments: method, seed."""
    config = folder.get_config(arg)
    config.data.name = "csv"
    return config

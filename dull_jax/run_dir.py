"""What belongs to a run in its folder: nothing else writes over it."""

import pathlib

FILES = (
    ".lock",
    "config.json",
    "data.json",
    "env.json",
    "labels.npz",
    "manifest.csv",
    "metrics.jsonl",
    "outputs.npz",
    "result.json",
)
FOLDERS = ("audit", "checkpoints", "compare", "digests", "events", "report")
_SIGNS = ("config.json", "labels.npz")  # of a folder that is a run's


def owner(path: pathlib.Path) -> pathlib.Path | None:
    """The folder of the run that `path`, absolute, is a file of; None where it is of none."""
    for folder in path.parents:
        if path.relative_to(folder).parts[0] in (*FILES, *FOLDERS) and is_run(folder):
            return folder
    return None


def is_run(folder: pathlib.Path) -> bool:
    """Whether a run was begun in this folder."""
    return all((folder / name).is_file() for name in _SIGNS)

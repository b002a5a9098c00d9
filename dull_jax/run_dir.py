"""Files that belong to a run or to an audit: no other output is written over them."""

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
FOLDERS = ("checkpoints", "compare", "digests", "events", "report", "unreadable")
AUDIT_FILES = ("applied.json", "audit.html", "audit.json", "audit.npz", "suspects.csv")
_SIGNS = ("config.json", "labels.npz")  # of a folder that is a run's


def owner(path: pathlib.Path) -> pathlib.Path | None:
    """The folder of the run or audit that `path`, absolute, is a file of; None if of none."""
    if path.name in AUDIT_FILES and is_audit(path.parent):
        return path.parent
    for folder in path.parents:
        if path.relative_to(folder).parts[0] in (*FILES, *FOLDERS) and is_run(folder):
            return folder
    return None


def is_run(folder: pathlib.Path) -> bool:
    """Whether a run was begun in this folder."""
    return all((folder / name).is_file() for name in _SIGNS)


def is_audit(folder: pathlib.Path) -> bool:
    """Whether an audit was written to this folder."""
    return (folder / "audit.json").is_file()

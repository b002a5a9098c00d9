"""The names of all files and folders of a run and of an audit."""

import os
import pathlib

from dull_jax.files import Path

LOCK = ".lock"
CONFIG = "config.json"  # the recipe, resolved
DATA = "data.json"  # what the data set is: classes, counts, noise, digests
ENV = "env.json"  # the machine that the run was last started on
LABELS = "labels.npz"  # ids, given and true labels
MANIFEST = "manifest.csv"  # of your own images: which were used, which left out, and why
METRICS = "metrics.jsonl"  # a line an epoch
OUTPUTS = "outputs.npz"  # arrays of the last evaluation
RESULT = "result.json"  # the run is finished
FILES = (LOCK, CONFIG, DATA, ENV, LABELS, MANIFEST, METRICS, OUTPUTS, RESULT)

CHECKPOINTS = "checkpoints"  # a folder a step, Orbax's
COMPARE = "compare"  # a run a folder, of each compared method
EMBEDDINGS = "embeddings"  # vectors of the images, where the backbone is frozen
DIGESTS = "digests"  # a file a step: the step is finished
EVENTS = "events"  # TensorBoard's
REPORT = "report"
UNREADABLE = "unreadable"  # steps that could not be read, and may be whole
FOLDERS = (CHECKPOINTS, COMPARE, DIGESTS, EMBEDDINGS, EVENTS, REPORT, UNREADABLE)
REPORT_PAGE = "index.html"  # in `REPORT`

AUDIT = "audit"  # in a run's folder, unless --output names another
APPLIED = "applied.json"  # digests of the corrected tables that the audit wrote
AUDIT_PAGE = "audit.html"
AUDIT_SUMMARY = "audit.json"
AUDIT_ARRAYS = "audit.npz"
AUDIT_PICTURES = "pictures.npy"  # where images have no files
DECISIONS = "decisions.csv"  # of a review, which an audit reads and never writes
SUSPECTS = "suspects.csv"
AUDIT_FILES = (APPLIED, AUDIT_PAGE, AUDIT_SUMMARY, AUDIT_ARRAYS, AUDIT_PICTURES, SUSPECTS)


def step_folder(folder: Path, step: int) -> Path:
    """Where Orbax keeps a step.

    >>> step_folder(pathlib.Path("runs/x"), 30).as_posix()
    'runs/x/checkpoints/30'
    """
    return folder / CHECKPOINTS / str(step)


def step_digests(folder: Path, step: int) -> Path:
    """The digests of a step's files: with them the step is finished."""
    return folder / DIGESTS / f"{step}.json"


def fold(folder: Path, number: int, key: str) -> Path:
    """What an audit keeps of a fold; `key` is another for other settings, data or folds.

    >>> fold(pathlib.Path("runs/x"), 2, "ab12").as_posix()
    'runs/x/fold_2_ab12.npy'
    """
    return folder / f"fold_{number}_{key}.npy"


def owner(path: pathlib.Path) -> pathlib.Path | None:
    """The folder of the run or audit that `path`, absolute, is a file of; None if of none."""
    if path.name in AUDIT_FILES and is_audit(path.parent):
        return path.parent
    for folder in path.parents:
        if path.relative_to(folder).parts[0] in (*FILES, *FOLDERS) and is_run(folder):
            return folder
    return None


def has_no_other_folders(folder: str) -> bool:
    """Whether a local folder is a run or an audit, and has no folders but theirs in it.

    False where it cannot be read. Files of other kinds may be there: a corrected table, or images.
    """
    try:
        with os.scandir(folder) as entries:
            names = {entry.name: entry.is_dir() for entry in entries}
    except OSError:
        return False
    begun = {CONFIG, LABELS} <= names.keys() or {AUDIT_SUMMARY, AUDIT_ARRAYS} <= names.keys()
    return begun and {name for name, is_folder in names.items() if is_folder} <= {*FOLDERS, AUDIT}


def is_run(folder: Path) -> bool:
    """Whether a run was begun in this folder."""
    return (folder / CONFIG).is_file() and (folder / LABELS).is_file()


def is_audit(folder: Path) -> bool:
    """Whether an audit was written to this folder."""
    return (folder / AUDIT_SUMMARY).is_file()

"""The report of a run: one HTML file without scripts and without anything to load.

A function of the files in the run's folder (`run.py`); it can be written again at any time:

    python -c "from dull_jax.report import html; print(html.write('runs/digits'))"
"""

import os

from dull_jax import files
from dull_jax.report.document import document
from dull_jax.report.markup import tag
from dull_jax.report.run import Run, read
from dull_jax.report.sections import (
    channels,
    data,
    headline,
    learning,
    predictions,
    settings,
    suspects,
)
from dull_jax.run_dir import layout

_CHAPTERS = (
    ("result", "Result", headline.section),
    ("data", "The data", data.section),
    ("learning", "Learning", learning.section),
    ("accuracy", "Groups and classes", learning.accuracy),
    ("confusion", "Confusion and calibration", predictions.section),
    ("inside", "Inside the method", channels.section),
    ("suspects", "Suspicious labels", suspects.section),
    ("settings", "Settings", settings.section),
)


def write(workdir: str | os.PathLike) -> files.Path:
    """Writes the report from the files of the run and returns its path.

    Raises:
      UserError: no run in the folder, or one of its files is unreadable.
    """
    path = files.path_of(workdir) / layout.REPORT / layout.REPORT_PAGE
    text = page(read(workdir))
    path.parent.mkdir(parents=True, exist_ok=True)
    # A lone surrogate, as in an undecodable file name, has no UTF-8; it becomes a '?'.
    with files.whole(path) as file:
        file.write(text.encode("utf-8", "replace"))
    return path


def page(run: Run) -> str:
    """The whole document; chapters whose files are missing are left out."""
    chapters = [(key, name, make(run)) for key, name, make in _CHAPTERS]
    chapters = [chapter for chapter in chapters if chapter[2] is not None]
    links = [tag("a", name, href=f"#{key}") for key, name, _ in chapters[1:]]
    return document(
        f"{run.name}: report of a run",
        headline.header(run),
        tag("main", tag("nav", links, aria_label="Chapters"), [made for _, _, made in chapters]),
        tag("footer", "Written by dull_jax from the files of this run's folder."),
    )

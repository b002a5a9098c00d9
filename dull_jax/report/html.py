"""The report of a run: one HTML file without scripts and without anything to load.

A function of the files in the run's folder (`run.py`); it can be written again at any time:

    python -c "from dull_jax.report import html; print(html.write('runs/digits'))"
"""

import os

from dull_jax import files
from dull_jax.data.noise import title
from dull_jax.report import blocks, sections
from dull_jax.report.numbers import number, percent
from dull_jax.report.run import Run, read
from dull_jax.run_dir import layout


def write(workdir: str | os.PathLike) -> files.Path:
    """Writes the report from the files of the run and returns its path.

    Raises:
      UserError: no run in the folder, or one of its files is unreadable.
    """
    path = files.path_of(workdir) / layout.REPORT / layout.REPORT_PAGE
    text = page(read(workdir))
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.whole(path) as file:
        file.write(text.encode())
    return path


def page(run: Run) -> str:
    """The whole document; sections whose files are missing are left out."""
    shown, links = sections.of(run)
    dataset = _dataset(run)
    return blocks.page(
        title=f"{run.name}: report of a run",
        eyebrow="Report of a run",
        heading=f"{run.name} on {dataset}",
        lead=[blocks.text(_about(run), "soft")],
        body=shown,
        footer="Written by dull_jax from the files of this run's folder.",
        nav=dict(list(links.items())[1:]),  # the first is in sight
    )


def _dataset(run: Run) -> str:
    """What it was trained on: the name of a data set, or of one's own folder."""
    own = os.path.basename(os.path.normpath(run.data_folder)) if run.paths else ""
    name = run.data.get("dataset") or run.result.get("dataset") or "unknown data"
    return own if own.strip("./") else str(name)


def _about(run: Run) -> str:
    """The run in one line."""
    data, noise = run.data, run.data.get("noise") or {}
    size, factor = data.get("num_train"), data.get("imbalance_factor")
    parts = [
        f"{number(size, 0)} training images" if size is not None else None,
        f"{run.num_classes} classes" if run.num_classes else None,
        f"imbalance factor {factor:g}" if isinstance(factor, int | float) else None,
        _noise(run, noise) if noise else None,
        f"{run.result['epochs']} epochs" if run.result.get("epochs") else None,
        f"seed {run.result['seed']}" if run.result.get("seed") is not None else None,
        str(run.result["network"]) if run.result.get("network") else None,
    ]
    return " · ".join(part for part in parts if part)


def _noise(run: Run, noise: dict) -> str:
    if run.in_doubt:
        return "labels in doubt"
    name = str(noise.get("name") or "unknown")
    if name == "none":
        return "no noise added"
    return f"{title(name)} noise: {percent(noise.get('realised'))} of labels wrong"

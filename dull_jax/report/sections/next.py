"""What to do after training, as commands that name this run.

Its paths are absolute: the page may be read in another folder than training was started in.
"""

import shlex

from dull_jax import files, invocation
from dull_jax.report import blocks
from dull_jax.report.run import Run
from dull_jax.report.sections import Place
from dull_jax.run_dir import layout

TITLE, LINK, ORDER = "What to do next", "Next", 75
OWN = Place(40, link="Next")

_TABLE, _PREDICTIONS, _MODEL = "corrected.csv", "predictions.csv", "model.stablehlo"

Step = tuple[str, str, list[str]]  # what for, explanation, arguments of the command
_WHERE = "In a shell in which dull_jax is installed."


def content(run: Run) -> list | None:
    if not run.config:
        return None  # nothing that a command could take up
    steps = [*_labels(run), *_again(run), *_use(run)]
    return [blocks.text(_WHERE, "soft"), blocks.steps(steps)]


def _labels(run: Run) -> list[Step]:
    audit, here = run.path / layout.AUDIT, files.absolute(run.path)
    decisions = files.absolute(audit / layout.DECISIONS)
    return [
        (
            "Find the wrong labels",
            "Judges each label by networks that have not seen it, which finds more than this page. "
            f"The result is {files.absolute(audit / layout.AUDIT_PAGE)}, with pictures.",
            _command("audit", run=here),
        ),
        (
            "Decide about them",
            "Opens a page that shows one doubtful label at a time; each decision takes one key.",
            [*_command("review", run=here), "--open"],
        ),
        (
            "Write the corrected labels",
            "Takes what you decided; without the file of decisions, what the audit suggests.",
            _command("audit", run=here, decisions=decisions, apply=_TABLE),
        ),
    ]


def _again(run: Run) -> list[Step]:
    """Training on the corrected table, where images come from files of one's own."""
    if not run.paths:
        return []
    options = {"config": "csv", "config.data.file": _TABLE}
    options |= {"config.data.dir": files.absolute(run.data_folder)}
    if (cache := run.path / layout.EMBEDDINGS).exists():  # no image is embedded again
        options |= {"config.model.cache": files.absolute(cache)}
    options |= {"workdir": f"{files.absolute(run.path)}-corrected"}
    said = "A corrected set is another run, so its folder is another one."
    return [("Train again", said, _command("main", **options))]


def _use(run: Run) -> list[Step]:
    here = files.absolute(run.path)
    if run.takes_vectors:
        new, source = "VECTORS is a file of vectors, made as those of this run were.", "VECTORS"
    else:
        new = "FOLDER is a folder of images; a table of paths or one image will do as well."
        source = "FOLDER"
    return [
        (
            "Name new images",
            new,
            _command("predict", run=here, input=source, output=_PREDICTIONS),
        ),
        (
            "Use it elsewhere",
            "One file with the classifier, its preprocessing and its class names; it needs only "
            "JAX.",
            _command("export", run=here, output=_MODEL),
        ),
    ]


def _command(name: str, **options: str) -> list[str]:
    """Quoted for a shell: folders of people have blanks in their names."""
    quoted = (f"--{key}={shlex.quote(value)}" for key, value in options.items())
    return [invocation.named(name), *quoted]

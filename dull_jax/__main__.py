"""The command `dull-jax`, or `python -m dull_jax`: one word says what is to be done.

Each subcommand is a module that can be run by itself, and it is run as `python -m` does. So their
flags, messages and exit codes are the same, and nothing heavy is imported before one is chosen.
"""

import difflib
import runpy
import sys
from typing import NamedTuple, TextIO

from dull_jax import invocation


class Subcommand(NamedTuple):
    """A module to run.

    does: in a few words.  example: what follows `dull-jax`.  before: flags that it has where the
    user gives no others.
    """

    module: str
    does: str
    example: str
    before: tuple[str, ...] = ()


SUBCOMMANDS = {
    "demo": Subcommand(
        "main",
        "trains on real digits with wrong labels, two minutes",
        "demo",
        ("--config=digits_t2h", "--workdir=runs/digits_t2h"),
    ),
    "train": Subcommand(
        "main",
        "trains a recipe, or continues it, and writes a report",
        "train --config=folder --config.data.dir=PHOTOS --workdir=runs/mine",
    ),
    "audit": Subcommand(
        "audit", "lists the labels that are wrong, with pictures", "audit --run=runs/mine"
    ),
    "review": Subcommand(
        "review",
        "opens a page on which a person decides about them",
        "review --run=runs/mine --open",
    ),
    "embed": Subcommand(
        "embed",
        "turns images into vectors, once and for all",
        "embed --input=PHOTOS --output=emb.parquet",
    ),
    "predict": Subcommand(
        "predict",
        "names what is on new images",
        "predict --run=runs/mine --input=NEW --output=preds.csv",
    ),
    "export": Subcommand(
        "export",
        "writes a run as one file that runs without dull_jax",
        "export --run=runs/mine --output=model.stablehlo",
    ),
    "prepare": Subcommand("prepare", "downloads and checks CIFAR", "prepare cifar100"),
    "report": Subcommand("report", "writes the report of a run again", "report --run=runs/mine"),
    "table": Subcommand("report.table", "sets the results of many runs side by side", "table runs"),
}


def main() -> None:
    """Runs the subcommand that the command line names; it exits as that does.

    Exit codes: 0 done, 2 a mistake of the user in one line, 75 stopped after saving, 1 a bug.
    """
    invocation.end_on_interrupt()
    word, *rest = sys.argv[1:] or [""]
    if word in invocation.HELP:
        _leave(overview(), 0)
    if word in ("--version", "version"):
        _leave(f"dull_jax {invocation.version()}", 0)
    if word not in SUBCOMMANDS:
        _leave(f"dull-jax: {_unknown(word)}", 2)
    wanted = SUBCOMMANDS[word]
    if any(flag in invocation.HELP for flag in rest):
        _say(f"Example: dull-jax {wanted.example}\n", sys.stdout)
    given = {flag.partition("=")[0] for flag in rest}
    before = [flag for flag in wanted.before if flag.partition("=")[0] not in given]
    sys.argv[1:] = [*before, *rest]
    runpy.run_module(f"dull_jax.{wanted.module}", run_name="__main__", alter_sys=True)


def overview() -> str:
    """What `dull-jax --help` says: one screen of 24 lines and 80 columns."""
    first, *_ = SUBCOMMANDS["train"].example.split(" --workdir")
    lines = [f"  {name:8} {wanted.does}" for name, wanted in SUBCOMMANDS.items()]
    return "\n".join(
        (
            "Image classifiers from long-tailed, wrongly labelled data, and its wrong labels.",
            "",
            f"  dull-jax {first} --workdir=RUN",
            "  dull-jax audit --run=RUN",
            "",
            "Subcommands:",
            *lines,
            "",
            "dull-jax SUBCOMMAND --help  an example, and every flag",
            "dull-jax --version          the version that is installed",
        )
    )


def _unknown(word: str) -> str:
    if not word:
        return f"name a subcommand: {', '.join(SUBCOMMANDS)}; see dull-jax --help"
    near = difflib.get_close_matches(word, SUBCOMMANDS, 1)
    meant = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(SUBCOMMANDS)}"
    return f"unknown subcommand {' '.join(word.split())!r}; {meant}"


def _leave(text: str, code: int) -> None:
    _say(text, sys.stderr if code else sys.stdout)
    sys.exit(code)


def _say(text: str, stream: TextIO) -> None:
    """Prints it, whatever happens to who listens (`dull-jax --help | head -1`)."""
    try:
        print(text, file=stream, flush=True)
    except OSError:
        sys.stdout = None  # or its buffer would fail once more when Python ends


if __name__ == "__main__":
    main()

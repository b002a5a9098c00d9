"""How this process was started, and so how other commands are to be named to its user."""

import os
import shlex
import signal
import sys

COMMAND = "dull-jax"
HELP = ("--help", "-help", "-h", "--h", "-?")
_SUBCOMMANDS = {"main": "train", "report.table": "table"}  # of those that are not called as modules


def is_module() -> bool:
    """Whether `python -m dull_jax…` is what was typed, rather than a program that imports it."""
    words = sys.orig_argv
    module = words[words.index("-m") + 1 :][:1] if "-m" in words else []
    return [name.partition(".")[0] for name in module] == [__package__]


def end_on_interrupt() -> None:
    """Until a command handles signals (`cli.run`), Ctrl-C ends it as it ends any other program.

    An exception would be a traceback from inside a library that is imported, or be lost there.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def named(module: str) -> str:
    """'python -m dull_jax.audit' for "audit", or 'dull-jax audit' where that was used."""
    if not _by_name():
        return f"python -m dull_jax.{module}"
    return f"{COMMAND} {_SUBCOMMANDS.get(module, module)}"


def command_line() -> str:
    """What was typed to start this process, without the folders of Python and of scripts."""
    if _by_name():
        return shlex.join([COMMAND, *sys.orig_argv[2:]])
    return shlex.join([os.path.basename(sys.executable), *sys.orig_argv[1:]])


def version() -> str:
    """Of the installed package; "unknown" where its source is used without being installed."""
    from importlib import metadata  # takes longer than all else of `dull-jax --help`

    try:
        return metadata.version("dull_jax")
    except metadata.PackageNotFoundError:
        return "unknown"


def _by_name() -> bool:
    return len(sys.orig_argv) > 1 and os.path.basename(sys.orig_argv[1]) == COMMAND

"""How a command starts and ends. It leaves with 0 (done), 2 (the user can fix it: one line),
75 (stopped by a signal after saving) or 1 (our bug: a traceback).

What the environment says of JAX's numbers is not used: the same command computes the same.

One of several processes leaves at once when something is wrong: an orderly end would wait for the
others, which may be waiting for this one.
"""

import ast
import logging
import os
import re
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import jax
from absl import app, flags

from dull_jax import files, invocation, jax_settings, machine, recipe_files, streams
from dull_jax.errors import SaveError, Stopped, UserError
from dull_jax.train import cluster_init, interrupt

_LOST = (
    "another process of this run has failed or is out of reach, and its own output may say why; "
    "the same command goes on from the last good checkpoint"
)


def run(
    main: Callable[[Sequence[str]], None], more_help: Callable[[], str] | None = None
) -> NoReturn:
    """Parses the flags, calls `main` with what is left of the command line, and exits.

    Args:
      more_help: what `--help` says beside the flags; it may look at their values.
    """
    streams.guard(announced=not any(word in invocation.HELP for word in sys.argv))
    _quieten_libraries()
    _pin_numbers()
    _keep_compiled_programs()

    def guarded(argv: Sequence[str]) -> None:
        interrupt.raise_once()
        try:
            _run(main, argv)
        except KeyboardInterrupt:
            _leave_alone("interrupted; the same command goes on from what is saved", 75)

    app.run(guarded, flags_parser=lambda argv: _parse(argv, more_help))


def _run(main: Callable[[Sequence[str]], None], argv: Sequence[str]) -> None:
    try:
        main(argv)
        sys.stdout.flush()
        interrupt.ignore_all()  # all is done
    except SaveError as error:
        _leave_at_once(error, 2)  # or wait for the writer's threads, or crash in them
    except UserError as error:
        _leave_alone(error, 2)
    except Stopped as stopped:
        _leave(stopped, 75)
    except Exception as error:
        if lacking := machine.lacking(error):
            _leave_at_once(lacking, 2)
        if not jax.distributed.is_initialized():
            raise
        _leave_others(error)


def _pin_numbers() -> None:
    for name, actual in jax_settings.pin().items():
        sys.stderr.write(f"note: {name.upper()}={actual} of the environment is not used\n")


def _quieten_libraries() -> None:
    """What Orbax's threads print of an error is what it raises to us too, where it is one line.

    And where nothing can be written, joblib and JAX's cache do without; nobody can act on that.
    """
    for text in ("joblib will operate in serial mode", "persistent compilation cache"):
        warnings.filterwarnings("ignore", message=f".*{text}")
    logging.getLogger("absl").addFilter(lambda record: "orbax" not in record.pathname)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    show = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if str(unraisable.exc_value) != "Event loop is closed":  # TensorStore, after a failed save
            show(unraisable)

    sys.unraisablehook = hook


def _keep_compiled_programs() -> None:
    """A program that was compiled once is there at the next start."""
    folder = files.cache_folder()
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ and folder:
        jax.config.update("jax_compilation_cache_dir", str(folder / "xla"))


def define_distributed() -> None:
    """The flags of a command that may be one of several processes; see `join_others`."""
    flags.DEFINE_string(
        "distributed",
        "auto",
        "HOST:PORT,N,I: this is process I of N, the first of which listens at HOST:PORT. "
        "auto: as Slurm or Cloud TPU say, else alone. off: alone.",
    )
    flags.DEFINE_float(
        "distributed_timeout", 120, "Seconds to wait for the other processes.", lower_bound=1
    )


def join_others() -> None:
    """Before anything else of JAX. Raises UserError: see `cluster_init.initialize`."""
    cluster_init.initialize(flags.FLAGS.distributed, flags.FLAGS.distributed_timeout)


def path_flag(name: str, local: bool = False) -> files.Path | None:
    """The path that a flag names, by `files.path_of`; None where it is not given.

    Args:
      local: one in a store is refused.

    Raises:
      UserError: it is given and empty; see `files.path_of`.
    """
    value = flags.FLAGS[name].value
    if value is None:
        return None
    if local:
        files.check_local(f"--{name}", value)
    return files.path_of(value, f"--{name}")


def needed_path(name: str, command: str, local: bool = False) -> files.Path:
    """`path_flag` of a flag that the command cannot do without. Raises UserError."""
    path = path_flag(name, local)
    if path is None:
        raise UserError(f"--{name} is needed; see {invocation.named(command)} --help")
    return path


def check_flags_only(argv: Sequence[str], command: str) -> None:
    """Raises UserError for a word of the command line that belongs to no flag."""
    if len(argv) > 1:
        raise UserError(f"unexpected argument {argv[1]!r}; see {invocation.named(command)} --help")


def _parse(argv: Sequence[str], more_help: Callable[[], str] | None) -> list[str]:
    others = [word for word in argv if word not in invocation.HELP]
    try:
        if more_help and len(others) < len(argv):
            _help(others, more_help)
        rest = _read(argv)
        verbosity = flags.FLAGS["verbosity"]
        if verbosity.using_default_value:
            # Warnings: app.run raises a default to INFO, and prints what TFDS and Orbax say.
            verbosity.value, verbosity.using_default_value = -1, False
        for name in flags.FLAGS:  # a missing config file shows only when its value is touched
            getattr(flags.FLAGS[name].value, "lock", None)
        return rest
    except SystemExit:  # --help; absl would leave with 1
        sys.exit(0)
    except Exception as error:  # a config is a program: it can raise anything
        _leave(_explain(error), 2)


def _help(argv: Sequence[str], more_help: Callable[[], str]) -> NoReturn:
    """Whoever asks for help has perhaps mistyped the rest: that is said, and no error."""
    try:
        _read(argv)
        more = more_help()
    except Exception as error:
        more = f"\n{_explain(error)}"
    app.usage(shorthelp=True, writeto_stdout=True)
    print(more)
    sys.exit(0)


def _read(argv: Sequence[str]) -> list[str]:
    """Gives the flags their values; what is left. The recipe, which is a program, is run."""
    argv, recipe = _with_recipe(argv)
    with recipe_files.importable(recipe):
        return flags.FLAGS(argv)


def _with_recipe(argv: Sequence[str]) -> tuple[list[str], str]:
    """(the command line with the recipe's path behind `--config`, that path or "")."""
    argv, recipe = list(argv), ""
    for n, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name in ("--config", "-config") and (equals or n + 1 < len(argv)):
            recipe = recipe_files.located(value if equals else argv[n + 1])
            argv[n if equals else n + 1] = f"{name}={recipe}" if equals else recipe
    return argv, recipe


def _explain(error: Exception) -> str:
    text = str(error.args[0]) if error.args else repr(error)
    if "Traceback (most recent call last)" in text:  # ml_collections quotes what a config raised
        return f"{text.split(': ')[0]}: {text.strip().splitlines()[-1]}"
    if isinstance(error, flags.Error | UserError):
        return text
    if isinstance(error, AttributeError) and text[:1] in ("'", '"'):  # a KeyError, quoted
        return f"the config has no key {ast.literal_eval(text)}"
    if isinstance(error, OSError | SyntaxError):
        return f"--config: {str(error.__cause__ or error).splitlines()[-1]}"
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"--config: {type(error).__name__}: {error} ({place.filename}:{place.lineno})"


def _leave_others(error: Exception) -> NoReturn:
    """After a failure that is ours, or that of a process with which this one was computing."""
    text = str(error)
    # What XLA says comes as either type, with the name of a status in front.
    if isinstance(error, jax.errors.JaxRuntimeError | ValueError) and re.match("[A-Z_]+: ", text):
        _leave_at_once(f"{_LOST} ({text.splitlines()[0]})", 1)
    traceback.print_exception(error)
    _leave_at_once("this process has failed; the others of the run end with it", 1)


def _leave_alone(message: object, code: int) -> NoReturn:
    """For what the other processes of the run, if there are any, may not come to."""
    (_leave_at_once if jax.distributed.is_initialized() else _leave)(message, code)


def _leave_at_once(message: object, code: int) -> NoReturn:
    interrupt.ignore_all()  # or a signal would make it an orderly end
    # A thread of the writer may be in the middle of a line.
    _say(message, before="\n" if isinstance(message, SaveError) else "")
    sys.stdout.flush()
    if jax.distributed.is_initialized():
        time.sleep(1)  # whose end ends the others, before they have said the same
    os._exit(code)


def _leave(message: object, code: int) -> NoReturn:
    interrupt.ignore_all()
    _say(message)
    sys.exit(code)


def _say(message: object, before: str = "") -> None:
    """In one write: `print` makes several, and what another thread says would come between."""
    sys.stderr.write(f"{before}dull_jax: {' '.join(str(message).split())}\n")
    sys.stderr.flush()

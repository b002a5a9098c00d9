"""How a command starts and ends. It leaves with 0 (done), 2 (the user can mend it: one line),
75 (stopped by a signal after saving) or 1 (our bug: a traceback).

One of several processes leaves at once when something is wrong: an orderly end would wait for the
others, which may be waiting for this one.
"""

import ast
import os
import pathlib
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

import jax
from absl import app, flags

from dull_jax.errors import SaveError, Stopped, UserError

_LOST = (
    "another process of this run has failed or is out of reach, and its own output may say why; "
    "the same command goes on from the last good checkpoint"
)


def run(main: Callable[[Sequence[str]], None]) -> NoReturn:
    """Parses the flags, calls `main` with what is left of the command line, and exits."""

    def guarded(argv: Sequence[str]) -> None:
        _keep_compiled_programs()
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # where no training takes it
        try:
            main(argv)
            sys.stdout.flush()  # here, where a reader that has gone is caught
        except BrokenPipeError:  # python -m dull_jax.predict … | head
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            _leave("the output was cut off (a pipe to head?); write it to a file instead", 2)
        except SaveError as error:
            _leave_at_once(error, 2)  # or wait for the writer's threads, or crash in them
        except UserError as error:
            _leave_alone(error, 2)
        except Stopped as stopped:
            _leave(stopped, 75)
        except KeyboardInterrupt:
            _leave_alone("interrupted; the same command goes on from what is saved", 75)
        except Exception as error:
            if not jax.distributed.is_initialized():
                raise
            _leave_others(error)

    app.run(guarded, flags_parser=_parse)


def _keep_compiled_programs() -> None:
    """A program that was compiled once is there at the next start."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        cache = pathlib.Path.home() / ".cache" / "dull_jax" / "xla"
        jax.config.update("jax_compilation_cache_dir", str(cache))


def _parse(argv: Sequence[str]) -> list[str]:
    try:
        rest = flags.FLAGS(argv)
        if flags.FLAGS["verbosity"].using_default_value:
            flags.FLAGS.verbosity = -1  # warnings; absl would print what TFDS and Orbax have to say
        for name in flags.FLAGS:  # a missing config file shows only when its value is touched
            getattr(flags.FLAGS[name].value, "lock", None)
        return rest
    except SystemExit:  # --help; absl would leave with 1
        sys.exit(0)
    except Exception as error:  # a config is a program: it can raise anything
        _leave(_explain(error), 2)


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
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # or it would become an orderly end
    # A thread of the writer may be in the middle of a line.
    _say(message, before="\n" if isinstance(message, SaveError) else "")
    sys.stdout.flush()
    if jax.distributed.is_initialized():
        time.sleep(1)  # whose end ends the others, before they have said the same
    os._exit(code)


def _leave(message: object, code: int) -> NoReturn:
    _say(message)
    sys.exit(code)


def _say(message: object, before: str = "") -> None:
    """In one write: `print` makes several, and what another thread says would come between."""
    sys.stderr.write(f"{before}dull_jax: {' '.join(str(message).split())}\n")
    sys.stderr.flush()

"""How a command starts and ends. It leaves with 0 (done), 2 (the user can mend it: one line),
75 (stopped by a signal after saving) or 1 (our bug: a traceback)."""

import ast
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

from absl import app, flags

from dull_jax.errors import SaveError, Stopped, UserError


def run(main: Callable[[Sequence[str]], None]) -> NoReturn:
    """Parses the flags, calls `main` with what is left of the command line, and exits."""

    def guarded(argv: Sequence[str]) -> None:
        try:
            main(argv)
        except SaveError as error:
            _say(error)
            sys.stdout.flush()
            os._exit(2)  # an orderly end would wait for the writer's threads, or crash in them
        except UserError as error:
            _leave(error, 2)
        except Stopped as stopped:
            _leave(stopped, 75)
        except KeyboardInterrupt:
            _leave("interrupted; the same command goes on from what is saved", 75)

    app.run(guarded, flags_parser=_parse)


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


def _leave(message: object, code: int) -> NoReturn:
    _say(message)
    sys.exit(code)


def _say(message: object) -> None:
    print("dull_jax:", " ".join(str(message).split()), file=sys.stderr, flush=True)

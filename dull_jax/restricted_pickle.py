"""Reading of pickles that came from elsewhere: plain values and the named callables, nothing else.

A pickle can run any program. So every file is known by its digest before it comes here; this is
what a mistake there would meet.
"""

import io
import pickle
import pickletools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from dull_jax.errors import UserError
from dull_jax.names import quoted

# What writers of protocol 2 put into a file. Later codes can ask for any amount of memory; those
# that are left out make objects of classes, or are of text that nobody writes.
_CODES = """
    PROTO STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE BINSTRING
    SHORT_BINSTRING EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS EMPTY_DICT
    SETITEM SETITEMS BINGET LONG_BINGET BINPUT LONG_BINPUT GLOBAL REDUCE BUILD BINPERSID
""".split()
_KNOWN = {ord(code.code) for code in pickletools.opcodes if code.name in _CODES}


class Unpickler(pickle._Unpickler):
    """Reads pickles one after the other from `file`, with `load`.

    The one in Python: that in C sets aside 64 GB for a memo that a few bytes ask for.

    Args:
      allowed: (module, name) -> what the pickle gets in its place.
      encoding: of the strings of Python 2; "bytes" leaves them as they are.

    Raises (by `load`):
      UserError: it asks for another name.
      Exception: it is damaged; of nearly any type.
    """

    dispatch: ClassVar = {c: do for c, do in pickle._Unpickler.dispatch.items() if c in _KNOWN}

    def __init__(
        self,
        file: io.BytesIO,
        allowed: Mapping[tuple[str, str], Callable | str],
        encoding: str = "ASCII",
    ):
        super().__init__(file, fix_imports=False, encoding=encoding)
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._allowed[module, name]
        except KeyError:
            raise UserError(
                f"refused a pickle that asks for {quoted(f'{module}.{name}')}"
            ) from None

    def _set_item(self) -> None:
        self._check_keys([self.stack[-2]])
        self.load_setitem()

    def _set_items(self) -> None:
        self._check_keys(self.stack[::2])
        self.load_setitems()

    def _check_keys(self, keys: list[Any]) -> None:
        """A key that is a deep tuple would end the process when it is hashed."""
        if not all(type(key) in (str, bytes) for key in keys):
            raise pickle.UnpicklingError("a key that is no text")

    def attach(self) -> None:
        """What is on top of the stack becomes the state of what is below it."""
        self.load_build()

    dispatch[pickle.BUILD[0]] = lambda self: self.attach()
    dispatch[pickle.SETITEM[0]] = _set_item
    dispatch[pickle.SETITEMS[0]] = _set_items

"""What the processes of one run say to each other; a process alone talks to nobody.

Every process runs the same program on its own devices (`parallel`), and the first one writes.
Each function here is called by all of them, in the same order, with no training step under way.
"""

import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from flax import serialization
from jax.experimental import multihost_utils

from dull_jax.errors import SaveError, UserError

_KINDS = {kind.__name__: kind for kind in (SaveError, UserError)}
_PIECE = 1 << 28  # bytes sent at once; so the length need not fit into an int32


def several() -> bool:
    """Whether the run has more than one process."""
    return jax.process_count() > 1


def is_first() -> bool:
    """Whether this is the process that writes."""
    return jax.process_index() == 0


def from_first(function: Callable[[], Any]) -> Any:
    """What `function()` returns on the first process; there alone it is called.

    Args:
      function: returns what msgpack holds: None, numbers, texts, arrays, and lists and
        dictionaries of these.

    Raises:
      UserError, SaveError: what it raised there, on all processes: they end together.
      RuntimeError: it failed there in another way.
    """
    if not several():
        return function()
    if not is_first():
        return _opened(_broadcast(b""))
    try:
        value = function()
    except Exception as error:
        _broadcast(_packed({"kind": type(error).__name__, "error": str(error)}))
        raise
    _broadcast(_packed({"value": value}))
    return value


def _packed(message: Mapping[str, Any]) -> bytes:
    return serialization.msgpack_serialize(message)


def _opened(data: bytes) -> Any:
    """The value of a message; its arrays can be written to, as those of the first process."""
    message = serialization.msgpack_restore(data)
    if "error" in message:
        raise _KINDS.get(message["kind"], RuntimeError)(message["error"])
    return jax.tree.map(
        lambda leaf: np.array(leaf) if isinstance(leaf, np.ndarray) else leaf, message["value"]
    )


def _broadcast(data: bytes) -> bytes:
    """The first process's bytes, everywhere."""
    sizes = np.array(divmod(len(data), _PIECE), np.int32)
    pieces, rest = map(int, multihost_utils.broadcast_one_to_all(sizes))
    starts = range(0, pieces * _PIECE, _PIECE)
    parts = [_broadcast_piece(data[start : start + _PIECE], _PIECE) for start in starts]
    return b"".join([*parts, _broadcast_piece(data[pieces * _PIECE :], rest)])


def _broadcast_piece(data: bytes, size: int) -> bytes:
    """`size` bytes; the lengths sent are powers of two, to compile for few."""
    buffer = np.zeros(1 << max(10, (size - 1).bit_length()), np.uint8)
    buffer[: len(data)] = np.frombuffer(data, np.uint8)
    return np.asarray(multihost_utils.broadcast_one_to_all(buffer))[:size].tobytes()


def gathered(array: np.ndarray) -> np.ndarray:
    """`[n, …]` of each process -> `[processes, n, …]`, on all of them."""
    return np.asarray(multihost_utils.process_allgather(array)) if several() else array[None]


def gathered_bytes(data: bytes) -> list[bytes]:
    """What each process has, in their order, on all of them."""
    sizes = gathered(np.asarray([len(data)], np.int32))[:, 0]
    buffer = np.zeros(max(sizes), np.uint8)
    buffer[: len(data)] = np.frombuffer(data, np.uint8)
    return [row[:size].tobytes() for row, size in zip(gathered(buffer), sizes, strict=True)]


def where(condition: bool) -> list[int]:
    """The processes on which a condition holds, on all of them."""
    return np.flatnonzero(gathered(np.asarray([condition]))).tolist()


def stop_signal(own: int) -> int:
    """The greatest signal number of all processes: one that came to one has come to all."""
    return int(gathered(np.asarray([own])).max())


def signal_name(number: int) -> str:
    """'SIGTERM'."""
    return signal.Signals(number).name


def check_seen_by_all(folder: Any, seen: bool) -> None:
    """Raises UserError on all processes unless each says that it sees the first one's folder."""
    if blind := where(not seen):
        raise UserError(
            f"workdir {folder} is not seen by {named(blind)}: it must lie where all hosts see it"
        )


def named(processes: Sequence[int]) -> str:
    """'process 2', 'processes 2, 3'.

    >>> named([2, 3])
    'processes 2, 3'
    """
    return f"process{'es' * (len(processes) > 1)} {', '.join(map(str, processes))}"

"""What a run writes while it trains: a line of metrics an epoch, and TensorBoard events."""

import contextlib
import json
import math
import pathlib
import tempfile
import time
from collections.abc import Mapping, Sequence

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from dull_jax.errors import UserError
from dull_jax.files import Path, is_remote, whole, write_text
from dull_jax.run_dir import layout
from dull_jax.train import hosts
from dull_jax.train.anchor import Anchor
from dull_jax.train.run_lock import check_held

Row = Mapping[str, float]


class Writer:
    """One line of metrics.jsonl and one set of scalars an epoch; every process calls, one writes.

    A run that goes on writes the lines of the epochs before anew, from `rows`, which came with its
    checkpoint: no line is missing or double, whatever became of the file.
    """

    def __init__(self, workdir: Path, rows: Sequence[Row], epochs_done: int):
        self.rows = [*rows]
        self._workdir = workdir
        hosts.from_first(lambda: self._open(workdir, epochs_done))

    def _open(self, workdir: Path, epochs_done: int) -> None:
        check_held(workdir)
        lines = _LinesInStore if is_remote(workdir) else _Lines
        events = _EventsInStore if is_remote(workdir) else _Events
        self._lines = lines(workdir / layout.METRICS, "".join(map(_line, self.rows)))
        # Events have a folder of their own; TensorBoard drops what a session log outdates.
        self._events = events(workdir / layout.EVENTS)
        start = SessionLog(status=SessionLog.START)
        self._events.add(Event(session_log=start, step=epochs_done + 1))

    def write(self, epoch: int, values: Mapping[str, float]) -> None:
        """Writes an epoch's numbers (counted from 1); undefined ones are left out."""
        defined = {k: float(v) for k, v in values.items() if math.isfinite(v)}
        hosts.from_first(lambda: self._write(epoch, defined))
        self.rows.append({"epoch": epoch, **defined})

    def _write(self, epoch: int, defined: Mapping[str, float]) -> None:
        check_held(self._workdir)
        self._lines.add(_line({"epoch": epoch, **defined}))
        scalars = [Summary.Value(tag=k, simple_value=v) for k, v in defined.items()]
        self._events.add(Event(summary=Summary(value=scalars), step=epoch))

    def close(self) -> None:
        if not hosts.is_first():
            return
        self._lines.close()
        with contextlib.suppress(OSError):  # a full disk: metrics.jsonl has said so, or has it all
            self._events.close()


def _line(row: Row) -> str:
    return json.dumps(row) + "\n"


class _Lines:
    """A text file that grows by lines."""

    def __init__(self, path: Path, text: str):
        self._path = path
        write_text(path, text)
        self._file = path.open("ab", buffering=0)  # a line is there, or its write fails

    def add(self, line: str) -> None:
        try:
            self._file.write(line.encode())
        except OSError as error:
            raise UserError(f"{self._path} cannot be written: {error.strerror}") from None

    def close(self) -> None:
        self._file.close()


class _LinesInStore:
    """The same where nothing can be appended to: it is written anew for every line."""

    def __init__(self, path: Path, text: str):
        self._path, self._text = path, text
        write_text(path, text)

    def add(self, line: str) -> None:
        self._text += line
        write_text(self._path, self._text)

    def close(self) -> None:
        pass


class _Events:
    """TensorBoard's file of events; its writer needs a local folder."""

    def __init__(self, folder: pathlib.Path):
        self._anchor = Anchor(folder)
        self._writer = EventFileWriter(str(self._anchor.path))

    def add(self, event: Event) -> None:
        event.wall_time = time.time()
        self._writer.add_event(event)

    def close(self) -> None:
        self._writer.close()
        self._anchor.close()


class _EventsInStore(_Events):
    """The same, written locally and copied with every event."""

    def __init__(self, folder: Path):
        self._temporary = tempfile.TemporaryDirectory(prefix="dull_jax_")
        self._folder = folder
        super().__init__(pathlib.Path(self._temporary.name))

    def add(self, event: Event) -> None:
        super().add(event)
        self._writer.flush()
        for path in pathlib.Path(self._temporary.name).iterdir():
            with whole(self._folder / path.name) as copy:
                copy.write(path.read_bytes())

    def close(self) -> None:
        super().close()
        self._temporary.cleanup()

"""What a run writes while it goes: metrics.jsonl and TensorBoard events."""

import contextlib
import json
import math
import pathlib
import time
from collections.abc import Mapping

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from dull_jax.errors import UserError
from dull_jax.files import write_text


class Writer:
    """One line of metrics.jsonl and one set of scalars an epoch.

    A run continued from an epoch drops the lines after it first: no line is missing or double.
    """

    def __init__(self, workdir: pathlib.Path, epochs_done: int):
        self._path = workdir / "metrics.jsonl"
        kept = [row for row in read(workdir) if row["epoch"] <= epochs_done]
        write_text(self._path, "".join(json.dumps(row) + "\n" for row in kept))
        self._file = self._path.open("ab", buffering=0)  # a line is there, or its write fails
        # Events have a folder of their own; TensorBoard drops what a session log outdates.
        self._events = EventFileWriter(str(workdir / "events"))
        start = SessionLog(status=SessionLog.START)
        self._add(Event(session_log=start, step=epochs_done + 1))

    def write(self, epoch: int, values: Mapping[str, float]) -> None:
        """Writes an epoch's numbers (counted from 1); undefined ones are left out."""
        defined = {k: v for k, v in values.items() if math.isfinite(v)}
        try:
            self._file.write((json.dumps({"epoch": epoch, **defined}) + "\n").encode())
        except OSError as error:
            raise UserError(f"{self._path} cannot be written: {error.strerror}") from None
        scalars = [Summary.Value(tag=k, simple_value=v) for k, v in defined.items()]
        self._add(Event(summary=Summary(value=scalars), step=epoch))

    def close(self) -> None:
        self._file.close()
        with contextlib.suppress(OSError):  # a full disk: metrics.jsonl has said so, or has it all
            self._events.close()

    def _add(self, event: Event) -> None:
        event.wall_time = time.time()
        self._events.add_event(event)


def read(workdir: pathlib.Path) -> list[dict[str, float]]:
    """The rows of metrics.jsonl; a last line cut short by a kill is passed over."""
    path, rows = workdir / "metrics.jsonl", []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows

"""Label Studio's JSON export as decisions: of tasks that `write_back/label_studio.py` wrote."""

import json
from typing import Any

from dull_jax.audit.decision_table import COLUMNS, SKIP, SPECIAL
from dull_jax.data.tables import csv_io
from dull_jax.errors import UserError
from dull_jax.names import shown

CHOICE = "label"  # the set-up's control with the classes
_ODD = (KeyError, TypeError, AttributeError, IndexError)


def read(name: str, data: bytes) -> tuple[csv_io.Table, tuple[str, ...]]:
    """A row for each annotation, as `decision_table.read` has them of a table; and no notes.

    Several people may have decided: the last row counts, and who differs is named as in a table.
    So an annotation that is called the ground truth comes last, and of the others the latest. One
    that was cancelled is a skipped sample, if nobody else has decided it.

    Args:
      name: of the file, for messages.

    Raises:
      UserError: it is no such export; names the task.
    """
    try:
        tasks = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name}: not JSON ({error})") from None
    if not isinstance(tasks, list):
        raise UserError(f"{name}: a list of tasks is expected, as Label Studio's JSON export has")
    rows = []
    for number, task in enumerate(tasks, 1):
        try:
            rows += _rows(f"{name}, task {number}", task)
        except _ODD:
            raise UserError(
                f"{name}, task {number}: not as Label Studio's JSON export has it; export as JSON, "
                "not JSON-MIN, of tasks that have data.id"
            ) from None
    columns = zip(*rows, strict=True) if rows else [()] * len(COLUMNS)
    found = {column: list(cells) for column, cells in zip(COLUMNS, columns, strict=True)}
    return csv_io.Table(found, [0] * len(rows)), ()  # a task is found by its id, not by a row


def _rows(where: str, task: dict[str, Any]) -> list[tuple[str, ...]]:
    """Cells of `COLUMNS` of each annotation, the one that counts last."""
    key, given = str(task["data"]["id"]), str(task["data"].get("given", ""))
    rows: list[tuple[str, ...]] = []
    for annotation in sorted(task.get("annotations") or (), key=_weight):
        choice = SKIP if annotation.get("was_cancelled") else _choice(where, annotation["result"])
        if choice and (choice != SKIP or not rows):
            rows.append((key, given, choice, _updated(annotation), ""))
    if len(rows) > 1 and rows[0][2] == SKIP:
        del rows[0]
    return rows


def _weight(annotation: dict[str, Any]) -> tuple[bool, bool, str]:
    cancelled = bool(annotation.get("was_cancelled"))
    return not cancelled, bool(annotation.get("ground_truth")), _updated(annotation)


def _updated(annotation: dict[str, Any]) -> str:
    return str(annotation.get("updated_at") or annotation.get("created_at") or "")


def _choice(where: str, result: list[dict[str, Any]]) -> str:
    """The class that was chosen; "" where nothing was."""
    parts = [part for part in result if part.get("type") == "choices"]
    ours = [part for part in parts if part.get("from_name") == CHOICE] or parts
    chosen = [str(choice).strip() for part in ours for choice in part["value"]["choices"]]
    if len(set(chosen)) > 1:
        raise UserError(f"{where}: {shown(' and '.join(chosen[:2]))} are both chosen; keep one")
    if not chosen:
        return ""
    return chosen[0] if chosen[0].lower() in SPECIAL else csv_io.Text(chosen[0])

"""What the page is told of the audit and of its items, as JSON values."""

from typing import Any

import numpy as np

from dull_jax.audit.decisions import NO_CLASS, OPEN, REMOVED
from dull_jax.audit.saved import ABSENT, SavedAudit
from dull_jax.audit.verdicts import DUPLICATE, LEAK
from dull_jax.report.blocks import clean
from dull_jax.review.items import Items, View, seek
from dull_jax.review.pictures import Pictures
from dull_jax.review.session import SKIPPED, State

AHEAD = 3  # rows whose pictures the page loads before they are asked for
_KINDS = {NO_CLASS: "none", REMOVED: "remove", SKIPPED: "skip"}


def decision(label: int) -> dict[str, Any] | None:
    """What is decided, as the page has it; None where it is open."""
    if label == OPEN:
        return None
    return {"kind": _KINDS[label]} if label in _KINDS else {"kind": "class", "class": label}


def label(value: Any, num_classes: int) -> int:
    """What `decision` said. Raises ValueError for anything else."""
    if isinstance(value, dict):
        kind, number = value.get("kind"), value.get("class")
        for known, name in _KINDS.items():
            if kind == name:
                return known
        if kind == "class" and type(number) is int and 0 <= number < num_classes:
            return number
    raise ValueError("a decision is none, remove, skip, or one of the classes")


def before(asked: dict[str, Any], num_classes: int) -> int | None:
    """What the page takes to be decided so far, None where it does not say. Raises ValueError."""
    if "before" not in asked:
        return None
    return OPEN if asked["before"] is None else label(asked["before"], num_classes)


def overview(items: Items, view: View, state: State, name: str, command: str) -> dict[str, Any]:
    """How far the view is, and what filters would leave of the list."""
    rows = items.rows(view)
    labels = state.labels[rows]
    still, pace = int((labels == OPEN).sum()), state.history.pace()
    return {
        "total": len(rows),
        "decided": len(rows) - still,
        "skipped": int((labels == SKIPPED).sum()),
        "seconds_left": None if pace is None else round(pace * still),
        "counts": items.counts(view)._asdict(),
        **_precision(items.audit, state),
        "undo": len(state.history),
        "audit": items.audit.digest,
        "name": clean(name),
        "command": clean(command),
        "notes": [clean(note) for note in state.notes],
    }


def _precision(audit: SavedAudit, state: State) -> dict[str, Any]:
    """Of the flagged labels: what the audit expects, and what was counted so far."""
    expected = audit.summary.get("estimated", {}).get("all", {}).get("precision")
    judged = audit.flagged & ~np.isin(state.labels, (OPEN, REMOVED, SKIPPED))
    wrong = judged & (state.labels != audit.given)
    counted = {"decided": int(judged.sum()), "wrong": int(wrong.sum())}
    return {"estimated_precision": expected, "counted": counted}


def item(
    items: Items, view: View, row: int, position: int | None, state: State, pictures: Pictures
) -> dict[str, Any]:
    """All that the page shows of a row; it may be in no place of the view."""
    audit, place = items.audit, int(items.place[row])
    return {
        "position": position,
        "row": row,
        "id": clean(audit.ids[row]),
        "path": clean(audit.paths[row]),
        "given": int(audit.given[row]),
        "suggested": int(audit.suggested[row]),
        "p_wrong": float(audit.p_wrong[row]),
        "verdict": "" if place == ABSENT else str(audit.verdicts[place]),
        "group": str(audit.groups[row]),
        "candidates": [k for k in audit.candidates[row].tolist() if k != ABSENT],
        "has_image": pictures.has(row),
        "decision": decision(int(state.labels[row])),
        "twin": None if place == ABSENT else _twin(audit, place, pictures),
        "neighbours": [_neighbour(audit, n, state) for n in audit.neighbours[row].tolist()],
        "ahead": _ahead(items.rows(view), position, state),
    }


def _ahead(rows: np.ndarray, position: int | None, state: State) -> list[int]:
    """Rows of the open items that come next."""
    start = 0 if position is None else position + 1
    places = seek(rows, state.labels, start, most=AHEAD + 1)
    return [int(rows[place]) for place in places if place != position][:AHEAD]


def _twin(audit: SavedAudit, place: int, pictures: Pictures) -> dict[str, Any] | None:
    """The copy that a listed sample has; row -1 is a test image, of which no label is known."""
    row, file = int(audit.twins[place]), str(audit.twin_files[place])
    if row == ABSENT and not file and audit.verdicts[place] not in (LEAK, DUPLICATE):
        return None
    known = row != ABSENT
    return {
        "row": row,
        "label": clean(audit.class_names[audit.given[row]]) if known else "",
        "image": f"image/twin/{place}" if file or (known and pictures.has(row)) else "",
    }


def _neighbour(audit: SavedAudit, row: int, state: State) -> dict[str, Any]:
    decided = int(state.labels[row])
    return {
        "row": row,
        "given": int(audit.given[row]),
        "id": clean(audit.ids[row]),
        "decided": decided if decided >= 0 else None,
    }

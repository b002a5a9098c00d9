"""Files of decisions: what people edit, and what Label Studio exports."""

import json
import pathlib

from dull_jax.audit import decision_table, decisions
from dull_jax.audit.decisions import Decision

IDS, NAMES = ("a", "b c", "é", "7"), ("cat", "ü;", "3", "nan")

CSV = (
    b"id,given,decision,when,audit\na,cat,3,2026-01-01T00:00Z,5d\nb c,cat,[undo],,\na,,[skip],,\n",
    '\ufeffdecision;note;id\r\nü";";x;a\r\n[None of the Classes];;e\u0301\r\n'.encode(),
    b"sep=|\nid|decision\n7|3.0\na|'nan\nb c|",
    b"id\tdecision\na\tcat\nb c\tca\0\0\0\0",
    b"id,given,decision,when,audit\na,cat,cat,,\nb c,ca",
)


def _task(key: object, *annotations: dict) -> dict:
    return {"data": {"id": key, "given": "cat", "image": "x"}, "annotations": list(annotations)}


def _made(*choices: str, **more: object) -> dict:
    part = {"type": "choices", "from_name": "label", "value": {"choices": list(choices)}}
    return {"result": [part], "updated_at": "2026-01-01T00:00:00Z"} | more


JSON = (
    json.dumps([_task("a", _made("cat"), _made("3", ground_truth=True)), _task(7)]).encode(),
    json.dumps([_task("é", _made("[skip]", was_cancelled=True)), _task("a", _made())]).encode(),
)


def table(folder: pathlib.Path) -> None:
    """What is accepted can be added to, and says then what it said, and what was added."""
    path = folder / "decisions.csv"
    before = _read(path)
    data, row = path.read_bytes(), Decision("a", "", "cat")
    size, more = decision_table.added(str(path), data, [row._asdict()])
    found, notes = decision_table.read(str(path), data[:size] + more)
    cells = zip(found.columns["id"], found.columns["decision"], strict=True)
    rows = [tuple(map(decision_table.text_of, pair)) for pair in cells]
    rows = [pair for pair in rows if pair[1]]
    assert rows == [*((row.id, row.decision) for row in before), ("a", "cat")] and not notes


def export(folder: pathlib.Path) -> None:
    _read(folder / "export.json")


def _read(path: pathlib.Path) -> list[Decision]:
    file = decisions.opened(path)
    assert all(note.isprintable() for note in file.notes)
    known = file.of_samples(IDS, NAMES)
    assert known.label.shape == (4,) and all(note.isprintable() for note in known.notes)
    assert -2 <= known.label.min() and known.label.max() < 4
    return file.rows

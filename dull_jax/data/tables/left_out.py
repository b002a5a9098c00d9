"""Rows without a label in tables of ours: they name what is not trained on."""

from dull_jax.data.tables import class_labels, csv_io

# In manifest.csv and corrected tables: a file that is no usable image; what a person has decided.
NONE, REMOVED = "none of the classes", "removed"
STATUSES = ("left out", NONE, REMOVED)


def statuses(table: csv_io.Table) -> list[str]:
    """The status of each such row, "" of the others; a label that was given since counts."""
    status, labels = table.columns.get("status"), table.columns.get("label")
    if status is None or labels is None:
        return [""] * len(table.lines)
    return [
        what.strip() if what.strip() in STATUSES and not label.strip() else ""
        for what, label in zip(status, labels, strict=True)
    ]


def divided(table: csv_io.Table) -> tuple[csv_io.Table, csv_io.Table]:
    """(these rows, the others)."""
    out = [bool(status) for status in statuses(table)]
    return _where(table, out, True), _where(table, out, False)


def _where(table: csv_io.Table, out: list[bool], wanted: bool) -> csv_io.Table:
    kept = [n for n, is_out in enumerate(out) if is_out == wanted]
    columns = {key: [cells[n] for n in kept] for key, cells in table.columns.items()}
    return csv_io.Table(columns, [table.lines[n] for n in kept])


def labels(name: str, table: csv_io.Table) -> list[str]:
    """As `class_labels.read`, with "" for these rows. Raises UserError."""
    _, others = divided(table)
    found = iter(class_labels.read(name, others))
    return ["" if status else next(found) for status in statuses(table)]

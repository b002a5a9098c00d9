"""Rows without a label in tables of ours: they name what is not trained on."""

from dull_jax.data.tables import class_labels, csv_io

# In manifest.csv and corrected tables: a file that is no usable image; what a person has decided.
NONE, REMOVED = "none of the classes", "removed"
STATUSES = ("left out", NONE, REMOVED)


def rows(table: csv_io.Table) -> list[bool]:
    """Whether each row is one, by its columns `status` and `label`; a label given since counts."""
    status, labels = table.columns.get("status"), table.columns.get("label")
    if status is None or labels is None:
        return [False] * len(table.lines)
    return [
        what.strip() in STATUSES and not label.strip()
        for what, label in zip(status, labels, strict=True)
    ]


def without(table: csv_io.Table) -> csv_io.Table:
    """The other rows."""
    kept = [n for n, out in enumerate(rows(table)) if not out]
    columns = {key: [cells[n] for n in kept] for key, cells in table.columns.items()}
    return csv_io.Table(columns, [table.lines[n] for n in kept])


def labels(name: str, table: csv_io.Table) -> list[str]:
    """As `class_labels.read`, with "" for these rows. Raises UserError."""
    found = iter(class_labels.read(name, without(table)))
    return ["" if out else next(found) for out in rows(table)]

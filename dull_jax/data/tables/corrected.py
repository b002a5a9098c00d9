"""Rows of our corrected tables whose label an audit has changed: nothing is tested against them."""

from dull_jax.data.tables import csv_io

CORRECTED = "corrected"


def rows(table: csv_io.Table) -> list[bool]:
    """Whether each row is one, by its column `status`, if there is one."""
    status = table.columns.get("status", [""] * len(table.lines))
    return [cell.strip() == CORRECTED for cell in status]

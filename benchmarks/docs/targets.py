"""What was aimed at, in how many cells it was reached, and the cell that is furthest from it."""

from collections.abc import Mapping
from typing import NamedTuple


class Target(NamedTuple):
    """short: cell -> by how much the target is missed there; 0 or less where it is reached."""

    name: str
    short: Mapping[str, float]


def table(cells: str, *targets: Target) -> str:
    """A row for each target.

    >>> print(table("sets", Target("at most 3 %", {"a": -1.0, "b": 0.5}), Target("any", {})))
    | target | sets | reached in | missed by, at most | where |
    |---|--:|--:|--:|---|
    | at most 3 % | 2 | 1 | 0.5 | b |
    | any | 0 | 0 |  |  |
    """
    lines = [f"| target | {cells} | reached in | missed by, at most | where |"]
    lines.append("|---|--:|--:|--:|---|")
    for name, short in targets:
        reached = sum(value <= 0 for value in short.values())
        furthest = max(short, key=lambda cell: short[cell], default="")
        missed = f"{short[furthest]:.1f} | {furthest}" if reached < len(short) else " | "
        lines.append(f"| {name} | {len(short)} | {reached} | {missed} |")
    return "\n".join(lines)

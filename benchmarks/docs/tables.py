"""Writes measured tables and figures of README and docs from the result files: `make results`.

    python -m benchmarks.documents [--check]

A table stands between `<!-- results: NAME -->` and `<!-- end -->`; NAME is one of `TABLES`. With
--check nothing is written, and the exit code is 1 where a document differs from its results.
"""

import argparse
import json
import pathlib
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import dull_tables, figures, own_photos, scaling_model, speed
from dull_jax.report import table

ROOT = pathlib.Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_SCALING = "scaling/cpu-2-cores.json"
_BLOCK = re.compile(r"(<!-- results: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rendered(text: str) -> str:
    """A document with its tables made anew.

    Raises:
      KeyError: a table that nobody makes.
    """
    return _BLOCK.sub(lambda m: f"{m[1]}\n{TABLES[m[2]]()}\n\n{m[3]}", text)


def _runs(folder: str, overview: bool = False) -> str:
    results = table.load([RESULTS / folder])
    made = (table.overview if overview else table.markdown)(results)
    if overview or folder.startswith("digits"):
        made = made.split("\n", 2)[2].strip()  # one table: its heading stands in the document
    return _with_source(made, results)


def _with_source(made: str, results: Sequence[Mapping[str, Any]]) -> str:
    """A table, and below it what it was made of: runs, seeds, hardware, versions."""
    machines = sorted({result["hardware"]["cpu"] for result in results})
    versions = sorted({f"jax {result['versions']['jax']}" for result in results})
    seeds = sorted({result["seed"] for result in results})
    return (
        f"{made}\n\n{len(results)} runs, seeds {', '.join(map(str, seeds))}; "
        f"{'; '.join(machines)}; {', '.join(versions)}. n: runs, mean ± sample standard deviation."
    )


def _fused() -> str:
    files = [_json(f"speed/fused_{name}.json")["cases"] for name in ("1_device", "2_devices")]
    lines = ["| network, batch | one device | two devices |", "|---|--:|--:|"]
    for rows in zip(*files, strict=True):
        ratios = " | ".join(f"{row['separate'] / row['fused']:.2f}" for row in rows)
        lines.append(f"| {rows[0]['case']}, {rows[0]['batch_size']} | {ratios} |")
    return "\n".join(lines)


def _audit() -> str:
    lines = [
        "| noise | audit | precision | recall | clean tail flagged | medium | head | AUROC | ECE |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    found = _json("audit/gaussian.json")
    for noise, seen in found["mean"].items():
        for name, key in (("dull_jax", "ours"), ("cleanlab, defaults", "cleanlab")):
            lines.append(_audit_line(noise, name, seen[key]))
        for name, row in seen["at_cleanlab_precision"].items():
            lines.append(_audit_line(noise, f"{name}, at cleanlab's precision", row))
    seeds = ", ".join(map(str, found["seeds"]))
    return (
        "\n".join(lines) + f"\n\nPercent; means over seeds {seeds}; cleanlab {found['cleanlab']}."
    )


def _audit_line(noise: str, name: str, row: Mapping[str, float]) -> str:
    keys = ("precision", "recall", *(f"clean_{g}_flagged" for g in ("tail", "medium", "head")))
    cells = [f"{row[key]:.1f}" if key in row else "" for key in (*keys, "auroc", "ece")]
    return f"| {noise} | {name} | {' | '.join(cells)} |"


def _quoted(world: str, part: str) -> str:
    """What a door printed, as code."""
    return "\n".join(f"    {line}".rstrip() for line in _json("own/photos.json")[world][part])


def _scale() -> str:
    scan, again = (_json("own/scan.json")[name] for name in ("first", "again"))
    lines = [
        "| what | seconds | memory |",
        "|---|--:|--:|",
        f"| scan of {scan['files']:,} small JPEGs, {scan['files_per_second']:,} a second "
        f"| {scan['seconds']:.0f} | |",
        f"| a second start, nothing changed | {again['seconds']:.1f} | |",
    ]
    for name in ("t2h", "symmetric"):
        found = _json(f"audit/scale_{name}.json")
        lines.append(
            f"| audit of {found['samples']:,} labels of {found['classes']:,} classes, "
            f"{found['file_gb']:.0f} GB of predictions; found: {found['found']} "
            f"| {found['seconds']:.0f} | {found['peak_gb']:.1f} GB |"
        )
    return "\n".join(lines)


def _faults() -> str:
    """What was done to runs, and what came of it."""
    found = _json("faults.json")
    rows, keys = found["lines"], ("tried", "survived", "lost")
    lines = ["| fault | tried | survived | lost | ended within, s |", "|---|--:|--:|--:|--:|"]
    for name, row in rows.items():
        counts = " | ".join(str(row[key]) for key in keys)
        lines.append(f"| {name} | {counts} | {row.get('slowest_end', '')} |")
    sums = " | ".join(str(sum(row[key] for row in rows.values())) for key in keys)
    kills = ", ".join(f"{count} {when}" for when, count in rows["SIGKILL of a run"]["at"].items())
    minutes = sum(row["seconds"] for row in rows.values()) / 60
    return "\n".join([*lines, f"| all | {sums} | |"]) + (
        f"\n\nThe kills of one run: {kills}. Last run {max(r['date'] for r in rows.values())}, "
        f"{minutes:.0f} minutes on a busy machine; {found['cpu']}; Python {found['python']}, jax "
        f"{found['versions']['jax']}, orbax-checkpoint {found['versions']['orbax-checkpoint']}."
    )


def _json(name: str) -> Any:
    return json.loads((RESULTS / name).read_text())


TABLES = {
    "digits": lambda: _runs("digits"),
    "digits-extreme": lambda: _runs("digits_extreme"),
    "mini": lambda: _runs("mini"),
    "mini-overview": lambda: _runs("mini", overview=True),
    "mini-strong": lambda: _runs("mini_strong", overview=True),
    "whole-tail": lambda: _runs("whole_tail"),
    "speed": lambda: speed.markdown(_json("speed/cpu-2-cores.json")["cases"]),
    "ablation": lambda: _with_source(*dull_tables.ablation(dull_tables.DIGITS)),
    "ablation-mini": lambda: _with_source(*dull_tables.ablation(dull_tables.MINI)),
    "stress": lambda: _with_source(*dull_tables.stress()),
    "ceiling": lambda: _with_source(*dull_tables.ceiling()),
    "fused": _fused,
    "audit": _audit,
    "own-scan": lambda: _quoted("ten", "scan"),
    "own-audit": lambda: _quoted("three", "console"),
    "own-truth": lambda: own_photos.markdown(_json("own/photos.json")),
    "scale": _scale,
    "scaling-measured": lambda: scaling_model.measured_table(_json(_SCALING)),
    "scaling-predicted": lambda: scaling_model.predicted_table(_json(_SCALING)),
    "scaling-methods": lambda: scaling_model.methods_table(_json(_SCALING)),
    "faults": _faults,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs")
    args, stale = parser.parse_args(), []
    for path in DOCUMENTS:
        text = path.read_text()
        new = rendered(text)
        if new == text:
            continue
        stale.append(path.name)
        if not args.check:
            path.write_text(new)
    for name, text in figures.drawn().items():
        path = figures.FIGURES / name
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if not args.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    print(f"{'differ' if args.check else 'written'}: {', '.join(stale) or 'none'}")
    sys.exit(bool(stale and args.check))


if __name__ == "__main__":
    main()

"""Result files to tables: Markdown for many runs, plain text for the end of one.

    python -m dull_jax.report.table [--overview] DIR [DIR ...]

`--overview` sets the noises side by side, a row for a method. A DIR is a folder of runs, or of
collected result files. Absent means unknown, never 0: a mean is over the runs that state the
number, and says how many those are where some do not.
"""

import json
import os
import pathlib
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scipy.special import stdtrit

from dull_jax import invocation, streams
from dull_jax.errors import UserError
from dull_jax.report.numbers import NA
from dull_jax.report.run import lookup, title
from dull_jax.run_dir import layout
from dull_jax.run_dir.read import read_json

_KEYS: dict[str, tuple[str, ...]] = {
    "last": ("accuracy", "last"),
    "mean of last 10": ("accuracy", "mean_last_10"),
    "head": ("accuracy", "head"),
    "medium": ("accuracy", "medium"),
    "tail": ("accuracy", "tail"),
    "ECE": ("calibration", "ece"),
    "wrong: precision": ("wrong_labels", "precision"),
    "wrong: recall": ("wrong_labels", "recall"),
    "wrong: AUROC": ("wrong_labels", "auroc"),
    "seconds": ("seconds",),
}
_DIGITS = {"wrong: precision": 3, "wrong: recall": 3, "wrong: AUROC": 3, "seconds": 0}
Result = Mapping[str, Any]


def load(folders: Iterable[str | os.PathLike]) -> list[dict[str, Any]]:
    """Every result below the folders: those of runs, and *.json files outside of runs.

    JSON objects without 'method' and 'accuracy' are something else and are left out; a copy of a
    result that is there already (same content) does not count as another run.

    Raises:
      UserError: no such folder, an unreadable JSON file, or no result at all.
    """
    results: dict[str, dict[str, Any]] = {}
    for folder in map(pathlib.Path, folders):
        if not folder.exists():
            raise UserError(f"{folder}: no such file or folder")
        for path in _files(folder):
            result = read_json(path) or {}
            if "method" in result and "accuracy" in result:
                results.setdefault(json.dumps(result, sort_keys=True), result)
    if not results:
        raise UserError(f"no results in {', '.join(map(str, folders))}")
    return list(results.values())


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    """A run's folder holds other JSON files too: only its result counts."""
    if not folder.is_dir():
        return [folder]
    paths = sorted(folder.rglob("*.json"))
    runs = {path.parent for path in paths if path.name == layout.RESULT}
    loose = [p for p in paths if p.name != layout.RESULT and runs.isdisjoint(p.parents)]
    return sorted(path for path in paths if path.name == layout.RESULT) + loose


def markdown(results: Sequence[Result]) -> str:
    """One table for each (dataset, imbalance factor, noise, rate), methods by falling accuracy.

    Beside the last epoch stands the paired difference to the best row of another method.
    """
    groups = _groups(results)
    return "\n\n".join(_section(key, groups[key]) for key in sorted(groups))


def overview(results: Sequence[Result]) -> str:
    """One table for each (dataset, imbalance factor): methods down, noises across.

    A cell is the last epoch's accuracy, mean ± sample deviation, and that of the tail classes;
    (n=…) where a method has other runs than the most of them. Methods with the most noises come
    first, those with the same number by the mean over theirs.
    """
    groups = _groups(results)
    sets = sorted({key[:2] for key in groups})
    return "\n\n".join(
        _across(head, {key[2:]: scores for key, scores in groups.items() if key[:2] == head})
        for head in sets
    )


def _groups(results: Sequence[Result]) -> dict[tuple, list[Result]]:
    """Results by (dataset, imbalance factor, noise, rate)."""
    groups: dict[tuple, list[Result]] = defaultdict(list)
    for result in results:
        noise = result.get("noise") or {}
        factor, rate = lookup(result, "imbalance_factor"), lookup(noise, "rate")
        groups[str(result.get("dataset")), factor or 0, str(noise.get("name")), rate or 0].append(
            result
        )
    return groups


def _across(head: tuple, groups: Mapping[tuple, Sequence[Result]]) -> str:
    rows: dict[str, dict[tuple, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for noise, results in groups.items():
        for result in results:
            rows[title(dict(result))][noise].append(result)
    noises = sorted(groups)
    usual = Counter(len(cell) for row in rows.values() for cell in row.values()).most_common(1)[0][
        0
    ]

    def mean_over_noises(name: str) -> float:
        means = [_mean(results, _KEYS["last"]) for results in rows[name].values()]
        return statistics.fmean([m for m in means if m is not None] or [0])

    def cells(results: Sequence[Result]) -> str:
        if not results:
            return f"{NA} | {NA}"
        number = "" if len(results) == usual else f" (n={len(results)})"
        tail = _mean(results, _KEYS["tail"])
        last = mean_std(results, _KEYS["last"], 1)
        return f"{last}{number} | {NA if tail is None else f'{tail:.1f}'}"

    lines = [
        f"{_cell(head[0])}, IF {head[1]:g}: last epoch, mean ± sample deviation, n = {usual}",
        "",
        "| method | " + " | ".join(f"{_cell(n)} {rate:g} | tail" for n, rate in noises) + " |",
        "|---|" + "--:|--:|" * len(noises),
    ]
    for name in sorted(rows, key=lambda name: (-len(rows[name]), -mean_over_noises(name))):
        numbers = " | ".join(cells(rows[name].get(noise, [])) for noise in noises)
        lines.append(f"| {_cell(name)} | {numbers} |")
    remarks = {
        r for name, row in rows.items() for cell in row.values() for r in _remarks(name, cell)
    }
    return "\n".join(lines + [f"\n- {_cell(remark)}" for remark in sorted(remarks)])


def _section(key: tuple, results: Sequence[Result]) -> str:
    dataset, factor, noise, rate = key
    rows: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        rows[title(dict(result))].append(result)
    names = sorted(rows, key=lambda name: -(_mean(rows[name], _KEYS["last"]) or 0))
    first, *others = _KEYS
    lines = [
        f"### {_cell(dataset)}, IF {factor:g}, {_cell(noise)} {rate:g}",
        "",
        f"| method | n | {first} | to the best other | {' | '.join(others)} |",
        "|---|--:|" + "--:|" * (len(_KEYS) + 1),
    ]
    for name in names:
        lead, *numbers = (
            mean_std(rows[name], keys, _DIGITS.get(column, 2)) for column, keys in _KEYS.items()
        )
        method = rows[name][0]["method"]
        best = next((other for other in names if rows[other][0]["method"] != method), None)
        difference = paired_difference(rows[name], rows[best]) if best else ""
        cells = " | ".join([lead, difference, *numbers])
        lines.append(f"| {_cell(name)} | {len(rows[name])} | {cells} |")
    remarks = [remark for name in names for remark in _remarks(name, rows[name])]
    return "\n".join(
        lines + ([""] if remarks else []) + [f"- {_cell(remark)}" for remark in remarks]
    )


def paired_difference(results: Sequence[Result], others: Sequence[Result]) -> str:
    """'+3.1 [1.9, 4.3]': mean of last-epoch differences of equal seeds, its 95 % t-interval.

    The interval is of the mean over seeds (draws of noise and weights), n - 1 degrees of freedom;
    without a pair 'n/a', and of a single one the difference alone.
    """
    last = [{r.get("seed"): lookup(r, *_KEYS["last"]) for r in side} for side in (results, others)]
    seeds = [s for s in last[0] if None not in (last[0][s], last[1].get(s))]
    gaps = [last[0][seed] - last[1][seed] for seed in seeds]
    if len(gaps) < 2:
        return f"{gaps[0]:+z.1f}" if gaps else NA
    mean, error = statistics.fmean(gaps), statistics.stdev(gaps) / len(gaps) ** 0.5
    reach = float(stdtrit(len(gaps) - 1, 0.975)) * error
    return f"{mean:+z.1f} [{mean - reach:z.1f}, {mean + reach:z.1f}]"  # z: no -0.0


def mean_std(results: Sequence[Result], keys: Sequence[str], digits: int = 2) -> str:
    """'89.10 ± 1.10', the sample standard deviation (n - 1); 'n/a' where it is unknown."""
    values = [v for v in (lookup(r, *keys) for r in results) if v is not None]
    if not values:
        return NA
    spread = f"{statistics.stdev(values):.{digits}f}" if len(values) > 1 else NA
    fewer = f" (n={len(values)})" if len(values) < len(results) else ""
    return f"{statistics.fmean(values):.{digits}f} ± {spread}{fewer}"


def _mean(results: Sequence[Result], keys: Sequence[str]) -> float | None:
    values = [v for v in (lookup(r, *keys) for r in results) if v is not None]
    return statistics.fmean(values) if values else None


def _remarks(name: str, results: Sequence[Result]) -> list[str]:
    """A mean over different recipes, or over one seed twice, is not what it looks like."""
    remarks = []
    for key in ("epochs", "network", "num_train"):
        seen = {str(result[key]) for result in results if result.get(key) is not None}
        if len(seen) > 1:
            remarks.append(f"{name} mixes {key.replace('_', ' ')} {', '.join(sorted(seen))}")
    seeds = Counter(str(result["seed"]) for result in results if result.get("seed") is not None)
    twice = [seed for seed, times in seeds.items() if times > 1]
    return remarks + ([f"{name} has seed {', '.join(twice)} more than once"] if twice else [])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def console(results: Sequence[Result]) -> str:
    """The table at the end of a run: the method first, then the compared ones; <= 100 columns.

    Accuracies in percent on the test set after the last epoch, wrong labels in percent where they
    are known.
    """
    found = [[lookup(r, "wrong_labels", key) for key in ("precision", "recall")] for r in results]
    known = any(share is not None for shares in found for share in shares)
    lines = [("", "overall", "head", "medium", "tail", *("precision", "recall") * known)]
    for result, shares in zip(results, found, strict=True):
        accuracy = [lookup(result, "accuracy", key) for key in ("last", "head", "medium", "tail")]
        values = [*accuracy, *(None if v is None else 100 * v for v in shares if known)]
        name = title(dict(result))
        name = name if len(name) <= 34 else name[:33] + "…"
        lines.append((name, *(NA if v is None else f"{v:.1f}" for v in values)))
    width = max(len(line[0]) for line in lines)
    rows = [_row(line, width) for line in lines]
    test, wrong = "test accuracy, %".center(36, "-"), "wrong labels found, %".center(21, "-")
    return "\n".join([f"{'':{width}}  {test}  {wrong if known else ''}".rstrip(), *rows])


def _row(cells: Sequence[str], width: int) -> str:
    name, *numbers = cells
    sizes = (9, 9, 9, 9, 11, 10)
    return f"{name:{width}}  " + "".join(
        f"{number:>{size}}" for number, size in zip(numbers, sizes, strict=False)
    )


def main(arguments: Sequence[str]) -> int:
    folders = [a for a in arguments if a != "--overview"]
    usage = f"usage: {invocation.named('report.table')} [--overview] DIR [DIR ...]"
    if "--help" in folders:
        print(f"{usage}\n\n{__doc__}")
        return 0
    if not folders:
        print(usage, file=sys.stderr)
        return 2
    write = markdown if folders == list(arguments) else overview
    try:
        print(write(load(folders)))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    streams.guard()
    sys.exit(main(sys.argv[1:]))

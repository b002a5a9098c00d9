"""The measured tables of README and docs, from the files of benchmarks/results.

`TABLES` names each one as `<!-- results: NAME -->` does. Those of DULL are in `dull_tables`, those
of frozen features in `feature_tables`, of audits in `audit_tables` and `verdict_tables`, those of
docs/scaling.md in `scaling_model`.
"""

import textwrap
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from benchmarks.docs import (
    audit_tables,
    best_other,
    dull_tables,
    feature_tables,
    scaling_model,
    verdict_tables,
)
from benchmarks.result_file import RESULTS, read
from dull_jax.report import table
from dull_jax.report.run import title

_SCALING = "scaling/cpu-2-cores.json"


# Accuracy ----------------------------------------------------------------------------------------


def _runs(folder: str) -> str:
    results = table.load([RESULTS / folder])
    text = table.markdown(results)
    if text.count("### ") == 1:  # of one table the heading stands in the document
        text = text.split("\n", 2)[2].strip()
    return _with_source(text, results)


_SETS = {  # of the README's table: folder, dataset, imbalance, noise's rate
    "digits, T2H 0.3": ("digits_unseen", "digits", 20, 0.3),
    "CIFAR-10, T2H 0.3": ("features", "cifar10", 100, 0.3),
    "CIFAR-10, T2H 0.4": ("features", "cifar10", 100, 0.4),
    "CIFAR-100, T2H 0.3": ("features", "cifar100", 100, 0.3),
}
_HEADLINE = ("dull", "two_stage", "la", "ce")


def _headline() -> str:
    """Four methods on four sets, and DULL's lead over the best other one that was run there."""
    columns, used = [], []
    for folder, *wanted, rate in _SETS.values():
        runs = defaultdict(list)
        for result in table.load([RESULTS / folder]):
            noise = [result["noise"]["name"], result["noise"].get("rate")]
            shown = [result["dataset"], result["imbalance_factor"], *noise]
            if shown == [*wanted, "t2h", rate] and not result["variant"]:
                runs[result["method"]].append(result)
                used.append(result)
        columns.append([*(_last(runs[method]) for method in _HEADLINE), best_other.lead(runs)])
    names = [*(title({"method": method}) for method in _HEADLINE), "DULL's lead"]
    lines = [f"| method | {' | '.join(_SETS)} |", "|---|" + "--:|" * len(_SETS)]
    for name, *cells in zip(names, *columns, strict=True):
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return _with_source("\n".join(lines), used)


def _last(runs: Sequence[Mapping[str, Any]]) -> str:
    dull_tables.check_one_setting(runs)
    return f"{table.mean_std(runs, ('accuracy', 'last'), 1)} (n = {len(runs)})" if runs else "n/a"


def _with_source(text: str, results: Sequence[Mapping[str, Any]]) -> str:
    """A table, and below it what it was made of: runs, seeds, hardware, versions."""
    machines = sorted({result["hardware"]["cpu"] for result in results})
    versions = sorted({f"jax {result['versions']['jax']}" for result in results})
    seeds = _ranges(sorted({result["seed"] for result in results}))
    runs = f"{len(results)} runs, seeds {seeds}; {'; '.join(machines)}; {', '.join(versions)}."
    return f"{text}\n\n{textwrap.fill(runs, 100)}"


def _ranges(numbers: Sequence[int]) -> str:
    """Whole numbers in order, where three or more follow each other as a range.

    >>> _ranges([0, 1, 2, 5, 100, 101])
    '0 to 2, 5, 100, 101'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [[f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run) for run in runs]
    return ", ".join(part for run in parts for part in run)


# Speed -------------------------------------------------------------------------------------------


def _speed() -> str:
    head = "method|network|batch|images/s|of the floor|first step|pass, 1000 images|of PyTorch"
    lines = [head, "---|---|--:|--:|--:|--:|--:|--:"]
    for c in read("speed/cpu-2-cores.json")["cases"]:
        torch_ratio = f"{c['ratio_to_torch']:.2f}" if "ratio_to_torch" in c else ""
        lines.append(
            f"{c['method']}|{c['network']}|{c['batch_size']}|{c['images_per_second']:,.0f}|"
            f"{100 * c['ratio_to_floor']:.0f} %|{c['first_step_seconds']:.1f} s|"
            f"{c['epoch_pass_seconds_per_1000_images']:.2f} s|{torch_ratio}"
        )
    return "\n".join("| " + line.replace("|", " | ") + " |" for line in lines)


def _embedding() -> str:
    """Images a second of the frozen EfficientNet-Lite0, and ratios to PyTorch."""
    lines = [
        "| devices | pixels | images/s | of PyTorch | of PyTorch, folded | of the floor |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for file in ("embedding_1_core", "embedding"):
        for c in read(f"speed/{file}.json")["cases"]:
            lines.append(
                f"| {c['devices']} | {c['side']} | {c['images_per_second']:,.0f} "
                f"| {c['ratio_to_torch']:.2f} | {c['ratio_to_torch_folded']:.2f} "
                f"| {100 * c['ratio_to_floor']:.0f} % |"
            )
    return "\n".join(lines)


def _fused() -> str:
    """Both networks' steps as two programs over one: not adopted, its benchmark is gone."""
    files = [read(f"speed/fused_{name}.json")["cases"] for name in ("1_device", "2_devices")]
    lines = ["| network, batch | one device | two devices |", "|---|--:|--:|"]
    for rows in zip(*files, strict=True):
        ratios = " | ".join(f"{row['separate'] / row['fused']:.2f}" for row in rows)
        lines.append(f"| {rows[0]['case']}, {rows[0]['batch_size']} | {ratios} |")
    return "\n".join(lines)


def _photo_methods() -> str:
    """Ways to learn from photographs, best first: last epoch, mean ± sd over seeds."""
    arms = read("own/methods.json")["arms"]
    runs = {  # in the order of their seeds
        name: [{"seed": n, "accuracy": {"last": run["accuracy"]}} for n, run in enumerate(arm)]
        for name, arm in arms.items()
    }
    lines = ["| what is trained | n | accuracy, % | to DULL | seconds |", "|---|--:|--:|--:|--:|"]
    for name, arm in sorted(arms.items(), key=lambda arm: -_mean(arm[1], "accuracy")):
        last = table.mean_std(runs[name], ("accuracy", "last"), 1)
        to_dull = table.paired_difference(runs[name], runs["DULL"]) if name != "DULL" else ""
        seconds = f"{_mean(arm, 'seconds'):,.0f}"
        lines.append(f"| {name} | {len(arm)} | {last} | {to_dull} | {seconds} |")
    return "\n".join(lines)


def _mean(runs: Sequence[Mapping[str, float]], key: str) -> float:
    return mean(run[key] for run in runs)


def _neighbours() -> str:
    """Seconds and memory of the graph of nearest neighbours, of all pairs and searched."""
    exact, found = (read(f"speed/neighbours_{part}.json") for part in ("exact", "searched"))
    head = "| samples | features | how | seconds | recall | peak memory | load before |"
    lines = [head, "|--:|--:|---|--:|--:|--:|--:|"]
    for how, c in (("all pairs", exact), ("faiss", found)):
        recall = c.get(f"recall_at_{c['neighbours']}", 1)
        lines.append(
            f"| {c['samples']:,} | {c['features']:,} | {how} | {c['seconds']:,.0f} "
            f"| {recall:.3f} | {c['peak_gb']:.1f} GB | {c['load_before']} |"
        )
    text = (
        f"Two cores, shared with other work. All pairs took {exact['cpu_seconds']:.0f} CPU "
        f"seconds. Their products alone, run again, took {exact['seconds_of_products']:.0f} "
        f"seconds. EM of 100 classes on that graph took {exact['seconds_of_em']:.1f} seconds."
    )
    return "\n".join([*lines, "", textwrap.fill(text, 100)])


# Faults ------------------------------------------------------------------------------------------


def _faults() -> str:
    """What was done to runs, and what came of it."""
    measured = read("faults.json")
    rows, keys = measured["lines"], ("tried", "survived", "lost")
    lines = ["| fault | tried | survived | lost | ended within, s |", "|---|--:|--:|--:|--:|"]
    for name, row in rows.items():
        counts = " | ".join(str(row[key]) for key in keys)
        lines.append(f"| {name} | {counts} | {row.get('slowest_end', '')} |")
    sums = " | ".join(str(sum(row[key] for row in rows.values())) for key in keys)
    kills = ", ".join(f"{count} {when}" for when, count in rows["SIGKILL of a run"]["at"].items())
    minutes = sum(row["seconds"] for row in rows.values()) / 60
    versions = measured["versions"]
    text = (
        f"When a run was killed: {kills} (one kill may count twice). Last run "
        f"{max(r['date'] for r in rows.values())}, {minutes:.0f} minutes on a busy machine. "
        f"{measured['cpu']}; Python {measured['python']}, jax {versions['jax']}, "
        f"orbax-checkpoint {versions['orbax-checkpoint']}."
    )
    return "\n".join([*lines, f"| all | {sums} | |", "", textwrap.fill(text, 100)])


TABLES = {
    "headline": _headline,
    "digits": lambda: _runs("digits"),
    "digits-unseen": lambda: _runs("digits_unseen"),
    "digits-extreme": lambda: _runs("digits_extreme"),
    "mini": lambda: _runs("mini"),
    "mini-strong": lambda: _runs("mini_strong"),
    "whole-tail": lambda: _runs("whole_tail"),
    "resnet": lambda: _runs("resnet"),
    "features": lambda: _with_source(*feature_tables.features()),
    "features-others": lambda: _with_source(*feature_tables.others()),
    "features-rate": lambda: _with_source(*feature_tables.rates()),
    "features-h2t": lambda: _with_source(*feature_tables.without_h2t()),
    "features-targets": feature_tables.targets_reached,
    "features-tuning": lambda: feature_tables.tuning("lr"),
    "features-tuning-again": lambda: feature_tables.tuning("lr", "again"),
    "features-probe": lambda: feature_tables.tuning("probe", "probe"),
    "features-warmup": lambda: feature_tables.tuning("warmup", "warmup"),
    "speed": _speed,
    "embedding": _embedding,
    "ablation": lambda: _with_source(*dull_tables.ablation(dull_tables.DIGITS, "all parts")),
    "ablation-unseen": lambda: _with_source(*dull_tables.ablation(dull_tables.UNSEEN)),
    "ablation-features": lambda: _with_source(*dull_tables.ablation(dull_tables.FEATURES)),
    "ablation-mlp": lambda: _with_source(*dull_tables.ablation(dull_tables.MLP, "MLP")),
    "ablation-mlp-two": lambda: _with_source(
        *dull_tables.ablation(dull_tables.MLP_TWO_LAYERS, "MLP-two-layers")
    ),
    "ablation-mini": lambda: _with_source(*dull_tables.ablation(dull_tables.MINI, "all parts")),
    "stress": lambda: _with_source(*dull_tables.stress()),
    "ceiling": lambda: _with_source(*dull_tables.ceiling()),
    "fused": _fused,
    "audit": audit_tables.gaussian,
    "audit-reliability": audit_tables.gaussian_reliability,
    "audit-trust": audit_tables.trust,
    "audit-targets": audit_tables.targets,
    "audit-real": audit_tables.real,
    "audit-real-trust": audit_tables.real_trust,
    "audit-tail-bound": audit_tables.tail_bound,
    "audit-review": audit_tables.review,
    "audit-verdicts": verdict_tables.flagged,
    "audit-copies": verdict_tables.copies,
    "audit-strangers": verdict_tables.strangers,
    "review-page": audit_tables.review_page,
    "walk": audit_tables.walk,
    "own-scan": lambda: audit_tables.quoted("ten", "scan"),
    "own-audit": lambda: audit_tables.quoted("three", "console"),
    "own-truth": audit_tables.photos,
    "own-methods": _photo_methods,
    "own-flags": audit_tables.photo_flags,
    "scale": audit_tables.scale,
    "scaling-measured": lambda: scaling_model.measured_table(read(_SCALING)),
    "scaling-predicted": lambda: scaling_model.predicted_table(read(_SCALING)),
    "scaling-methods": lambda: scaling_model.methods_table(read(_SCALING)),
    "neighbours": _neighbours,
    "faults": _faults,
}

"""The measured tables of docs/own_data.md: what audits find, and what they promise."""

import textwrap
from collections.abc import Iterator, Mapping
from statistics import mean, stdev

from benchmarks.result_file import read
from dull_jax.report.numbers import percent

PHOTOS = ("three", "ten")  # how many classes; see benchmarks/audit/photos.py
AUDITS = ("ours", "cleanlab", "confident", "disagreement", "neighbours")  # see audit/real.py
ORDERS = {  # see audit/review_effort.py
    "ours, audited again": "audited again",
    "ours": "first list",
    "cleanlab": "cleanlab",
    "margin": "disagreement",
    "chance": "chance",
}
ALONE = ("ours, predictions alone", "ours, features alone")


def gaussian() -> str:
    lines = [
        "| noise | audit | precision | recall | clean tail flagged | medium | head | AUROC | ECE |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    measured = read("audit/gaussian.json")
    for noise, audits in measured["mean"].items():
        for name, key in (("dull_jax", "ours"), ("cleanlab, defaults", "cleanlab")):
            lines.append(_audit_line(noise, name, audits[key]))
        for name, row in audits["at_cleanlab_precision"].items():
            lines.append(_audit_line(noise, f"{name}, at cleanlab's precision", row))
    seeds = ", ".join(map(str, measured["seeds"]))
    return (
        "\n".join(lines)
        + f"\n\nPercent; means over seeds {seeds}; cleanlab {measured['cleanlab']}."
    )


def _audit_line(noise: str, name: str, row: Mapping[str, float]) -> str:
    keys = ("precision", "recall", *(f"clean_{g}_flagged" for g in ("tail", "medium", "head")))
    cells = [f"{row[key]:.1f}" if key in row else "" for key in (*keys, "auroc", "ece")]
    return f"| {noise} | {name} | {' | '.join(cells)} |"


def quoted(task: str, part: str) -> str:
    """What a command printed, as code."""
    return "\n".join(f"    {line}".rstrip() for line in read("own/photos.json")[task][part])


def photos() -> str:
    """What the audit estimated beside what is true, by group."""
    measured = read("own/photos.json")
    pairs = {"precision": "precision", "false_alarm": "false alarms", "recall": "recall"}
    head = " | ".join(f"{name}, estimated | counted" for name in pairs.values())
    lines = [f"| classes | group | labels | {head} |", "|---|---|" + "--:|" * 7]
    for task in PHOTOS:
        for group, estimated in measured[task]["estimated"].items():
            true = measured[task]["counted"][group]
            cells = [percent(side.get(key)) for key in pairs for side in (estimated, true)]
            lines.append(f"| {task} | {group} | {estimated['labels']:,} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(_photos_line(measured[task], task) for task in PHOTOS)])


def _photos_line(measured: dict, task: str) -> str:
    true = measured["counted"]["all"]
    return textwrap.fill(
        f"Of the {task} classes' labels {percent(true['wrong'] / true['labels'])} are wrong; the "
        f"predictions name {percent(measured['named'])} of the labels; of what is suggested for "
        f"wrong ones {percent(true['suggestions_right'])} is right.",
        100,
    )


def scale() -> str:
    scan, again = (read("own/scan.json")[name] for name in ("first", "again"))
    lines = [
        "| what | seconds | memory |",
        "|---|--:|--:|",
        f"| scan of {scan['files']:,} small JPEGs, {scan['files_per_second']:,} a second "
        f"| {scan['seconds']:.0f} | |",
        f"| a second start, nothing changed | {again['seconds']:.1f} | |",
    ]
    for name in ("t2h", "symmetric", "features"):
        measured = read(f"audit/scale_{name}.json")
        width = measured.get("features")
        vectors = f" and vectors of {width} numbers" if width else ""
        lines.append(
            f"| audit of {measured['samples']:,} labels of {measured['classes']:,} classes, "
            f"{measured['file_gb']:.0f} GB of predictions{vectors}; found: {measured['found']} "
            f"| {measured['seconds']:.0f} | {measured['peak_gb']:.1f} GB |"
        )
    return "\n".join(lines)


def real() -> str:
    """F1 of the flags at the defaults, and the share of wrong labels in as long a list."""
    names = ("dull_jax", "cleanlab", "confident joint", "disagreement", "10 neighbours")
    head = " | ".join((*names, "predictions alone", "features alone", "budget", "best other"))
    lines = [f"| labels | n | {head} |", "|---|--:|" + "--:|" * 9]
    for cell, runs in _cells():
        scores = [_spread(run[name]["f1"] for run in runs) for name in AUDITS]
        scores += [_average(run[name]["f1"] for run in runs) for name in ALONE]
        scores.append(_average(run["ours"]["budget"] for run in runs))
        scores.append(_average(max(run[name]["budget"] for name in AUDITS[1:]) for run in runs))
        lines.append(f"| {cell} | {len(runs)} | {' | '.join(scores)} |")
    return "\n".join(lines) + f"\n\nPercent. cleanlab {read('audit/real.json')['cleanlab']}."


def real_trust() -> str:
    """What the audit says of itself beside what is true, and the tail."""
    names = ("wrong", "estimated", "ECE", "precision", "estimated", "recall", "estimated")
    tail = ("clean tail flagged", "cleanlab", "recall", "cleanlab")
    lines = [f"| labels | {' | '.join(names + tail)} |", "|---|" + "--:|" * 11]
    for cell, runs in _cells(wrong_only=False):
        ours, cleanlab = [run["ours"] for run in runs], [run["cleanlab"] for run in runs]
        estimates = [run["estimates"]["all"] for run in ours]
        pairs = [(e["counted"][k], e["estimated"][k]) for k in (0, 2) for e in estimates]
        count = len(runs)
        precision, recall = pairs[:count], pairs[count:]
        cells = [
            *(_average(run[key] for run in ours) for key in ("rate_true", "rate_estimated", "ece")),
            *(_average(pair[k] for pair in precision) for k in (0, 1)),
            *(_average(pair[k] for pair in recall) for k in (0, 1)),
            *(_average(run["clean_tail_flagged"] for run in side) for side in (ours, cleanlab)),
            *(_average(run["recall"] for run in side) for side in (ours, cleanlab)),
        ]
        lines.append(f"| {cell} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\nPercent, means over the seeds; tail: of the true class."


def tail_bound() -> str:
    """What thresholds that know the truth reach in the tail; see audit/tail_bound.py."""
    bounds = {"ours": "our order", "oracle": "oracle"}
    columns = {"recall": "recall", "clean_tail_flagged": "clean tail", "at any precision": "most"}
    heads = ["cleanlab: recall", "clean tail"]
    heads += [f"{name}: {column}" for name in bounds.values() for column in columns.values()]
    lines = [f"| labels | n | {' | '.join(heads)} |", "|---|--:|" + "--:|" * len(heads)]
    for cell, seeds in read("audit/tail_bound.json")["cells"].items():
        runs, keys = list(seeds.values()), [("cleanlab", key) for key in list(columns)[:2]]
        keys += [(name, key) for name in bounds for key in columns]
        cells = [_average(run[arm][key] for run in runs) for arm, key in keys]
        lines.append(f"| {_named(cell)} | {len(runs)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\nPercent, means over the seeds."


def reviews(cell: str) -> list[dict]:
    """What was measured of a cell of `audit/review_effort.py`, a seed each."""
    return list(read("audit/review_effort.json")["cells"][cell].values())


def review() -> str:
    """Labels looked at until so many of the wrong ones are fixed."""
    lines = [
        f"| labels | n | wrong | fixed | {' | '.join(ORDERS.values())} |",
        "|---|--:|--:|--:|" + "--:|" * len(ORDERS),
    ]
    for cell in read("audit/review_effort.json")["cells"]:
        runs = reviews(cell)
        head = f"{_named(cell)} | {len(runs)} | {mean(run['wrong'] for run in runs):,.0f}"
        for share in runs[0]["looked_at"]["chance"]:
            looks = [mean(run["looked_at"][key][share] for run in runs) for key in ORDERS]
            cells = " | ".join(f"{look:,.0f}" for look in looks)
            lines.append(f"| {head} | {100 * float(share):.0f} % | {cells} |")
    return "\n".join(lines)


def review_page() -> str:
    """How fast the page of a review is."""
    found = read("audit/review_page.json")
    return textwrap.fill(
        f"Of {found['suspects']:,} suspects among {found['labels']:,} labels, the server starts in "
        f"{found['seconds_to_start']:.1f} s. First paint takes {found['first_paint_ms']} ms, and "
        f"the first photograph of six megapixels is seen after {found['suspect_seen_ms']} ms. From "
        f"a decision to the next photograph it takes {found['decision_ms']} ms "
        "(`python -m benchmarks.audit.review_page`).",
        100,
    )


def walk() -> str:
    """Accuracy on the labels as given, as the audit and as a review correct them."""
    found = read("own/walk.json")
    arms = {"as given": "as given", "audit": "audit alone", "review": "review"}
    wrong = {"as given": found["wrong"]["audit"]["given"]}
    wrong |= {name: found["wrong"][name]["label"] for name in ("audit", "review")}
    lines = [
        f"| trained on labels | wrong | {' | '.join(map(str.upper, found['runs']))} |",
        "|---|--:|" + "--:|" * len(found["runs"]),
    ]
    for arm, title in arms.items():
        scores = [_spread(run["last"] for run in runs[arm]) for runs in found["runs"].values()]
        lines.append(f"| {title} | {wrong[arm]} | {' | '.join(scores)} |")
    first, second = found["reviews"]
    said = textwrap.fill(
        f"{found['photographs']:,} photographs. {first['wrong']} of the first "
        f"{first['looked_at']} labels that were looked at were wrong, and {second['wrong']} of "
        f"{second['looked_at']} after another audit. Accuracy in %, last epoch, mean ± sd of "
        f"{len(found['runs']['ce']['review'])} seeds of training.",
        100,
    )
    return "\n".join([*lines, "", said])


def photo_flags() -> str:
    """What is flagged of the photographs' labels, from the same regression."""
    head = "flagged | precision | recall | clean tail flagged | accuracy without them"
    lines = [f"| flags | n | {head} |", "|---|--:|" + "--:|" * 5]
    for name, runs in read("own/methods.json")["arms"].items():
        if "flagged" not in runs[0]:
            continue
        keys = ("flagged", "precision", "recall", "clean_tail_flagged", "accuracy")
        cells = [_average(run[key] for run in runs) for key in keys]
        lines.append(f"| {name.split('without ')[1]} | {len(runs)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cells(wrong_only: bool = True) -> Iterator[tuple[str, list[dict]]]:
    for cell, seeds in read("audit/real.json")["cells"].items():
        if not (wrong_only and cell.endswith("none")):
            yield _named(cell), list(seeds.values())


def _named(cell: str) -> str:
    cell = cell.replace("random_label1", "human, 17 % wrong")
    cell = cell.replace("people 0.4", "people, 40 % wrong")
    cell = cell.replace("worst of three", "worst of three labels, 43 % wrong")
    return cell.replace("aggre_label", "human, 9 % wrong")


def _average(values: Iterator[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{mean(known):.1f}" if known else "n/a"


def _spread(values: Iterator[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "n/a"
    return f"{mean(known):.1f} ± {stdev(known):.1f}" if len(known) > 1 else f"{known[0]:.1f}"

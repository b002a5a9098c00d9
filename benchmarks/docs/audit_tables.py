"""The measured tables of docs/audit.md and docs/own_data.md: what audits find and promise."""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from statistics import mean, stdev

from benchmarks.docs.targets import Target, table
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
PRECISION, FALSE_ALARMS, RECALL = range(3)  # the estimates of audit/real.py
ALONE = ("ours, predictions alone", "ours, features alone")
FAMILIES = {  # labels of audit/real.py
    "human": ("random_label1", "aggre_label"),
    "worst of three": ("worst of three",),
    "simulated people": ("simulated people 0.4",),
    "tail-to-head": ("t2h 0.3", "t2h 0.4, cap 0.9"),
    "the same, towards look-alikes": ("t2h 0.3, similar", "t2h 0.15, similar, even"),
    "asymmetric": ("asymmetric 0.4", "asymmetric 0.2"),
    "symmetric": ("symmetric 0.4", "symmetric 0.2"),
    "joint": ("joint 0.3",),
}


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


def gaussian_reliability() -> str:
    """How often labels are wrong of which P(wrong) is said to be about so much."""
    lines = ["| noise | labels | P(wrong), mean | wrong |", "|---|--:|--:|--:|"]
    for noise, audits in read("audit/gaussian.json")["mean"].items():
        for row in audits["reliability"]:
            shares = " | ".join(percent(row[key]) for key in ("mean", "wrong"))
            lines.append(f"| {noise} | {row['labels']:,.0f} | {shares} |")
    return "\n".join(lines) + "\n\nLabels of one seed, on average."


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
        "| what | wrong | found | precision | recall | seconds | memory |",
        "|---|--:|---|--:|--:|--:|--:|",
        f"| scan of {scan['files']:,} small JPEGs, {scan['files_per_second']:,} a second "
        f"| | | | | {scan['seconds']:.0f} | |",
        f"| a second start, nothing changed | | | | | {again['seconds']:.1f} | |",
    ]
    for name in ("t2h", "symmetric", "features", "image_features"):
        found = read(f"audit/scale_{name}.json")
        width = found.get("features")
        vectors = f", vectors of {width} numbers" if width else ""
        wrong = found["flagged"] * found["precision"] / found["recall"] / found["samples"]
        lines.append(
            f"| audit of {found['samples']:,} labels of {found['classes']:,} classes, "
            f"{found['file_gb']:.0f} GB of predictions{vectors} | {percent(wrong)} "
            f"| {found['found']} | {percent(found['precision'])} | {percent(found['recall'])} "
            f"| {found['seconds']:.0f} | {found['peak_gb']:.1f} GB |"
        )
    return "\n".join(lines)


def real() -> str:
    """F1 of the flags at the defaults, and the share of wrong labels in as long a list."""
    names = ("dull_jax", "cleanlab", "confident joint", "disagreement", "10 neighbours")
    head = " | ".join((*names, "predictions alone", "features alone", "budget", "best other's"))
    lines = [f"| labels | n | {head} |", "|---|--:|" + "--:|" * 9]
    for cell, runs in _cells():
        scores = [_spread(run[name]["f1"] for run in runs) for name in AUDITS]
        scores += [_average(run[name]["f1"] for run in runs) for name in ALONE]
        scores.append(_average(run["ours"]["budget"] for run in runs))
        scores.append(_average(max(run[name]["budget"] for name in AUDITS[1:]) for run in runs))
        lines.append(f"| {cell} | {len(runs)} | {' | '.join(scores)} |")
    return "\n".join(lines) + f"\n\nPercent. cleanlab {read('audit/real.json')['cleanlab']}."


def trust() -> str:
    """By families of labels: the least and the most of all sets' means."""
    columns = {
        "F1": lambda runs: _mean(runs, "ours", "f1"),
        "F1 over the best other": _lead,
        "rate error": _rate_error,
        "precision error": _error,
        "in a group, up to": lambda runs: max(map(abs, _errors_of_groups(runs))),
        "recall error": lambda runs: _error(runs, of=RECALL),
        "right tail flagged": lambda runs: _tail_flagged(runs, "ours"),
        "by cleanlab": lambda runs: _tail_flagged(runs, "cleanlab"),
    }
    lines = [f"| labels | sets | {' | '.join(columns)} |", "|---|--:|" + "--:|" * len(columns)]
    for family in FAMILIES:
        found = [runs for _, runs in _of_families(family)]
        cells = [
            _range(map(of, found), signed=name.endswith(("error", "other")))
            for name, of in columns.items()
        ]
        lines.append(f"| {family} | {len(found)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\nPercent; errors and leads in points, of the rate relative to it."


def targets() -> str:
    """What was aimed at, on the sets with wrong labels; tails of those that have one."""
    within = {"precision": PRECISION, "false alarms": FALSE_ALARMS, "recall": RECALL}
    by_class = ("tail-to-head", "the same, towards look-alikes", "symmetric", "joint")
    by_people = ("human", "worst of three", "simulated people")

    def short(of: Callable[[list[dict]], float | None], *families: str) -> dict[str, float]:
        found = {named(cell): of(runs) for cell, runs in _of_families(*families or FAMILIES)}
        return {cell: points for cell, points in found.items() if points is not None}

    def tail_over(runs: list[dict], share: Callable[[float], float]) -> float | None:
        ours, cleanlab = (_tail_flagged(runs, arm) for arm in ("ours", "cleanlab"))
        return None if ours is None or cleanlab is None else ours - share(cleanlab)

    def beyond(points: float | None, most: float) -> float | None:
        return None if points is None else abs(points) - most

    def off_in_groups(runs: list[dict]) -> float:
        return max(abs(points) for of in within.values() for points in _errors_of_groups(runs, of))

    return table(
        "sets",
        Target("F1 at most a point below the best other's", short(lambda r: -1 - _lead(r))),
        Target(
            "more wrong labels than any other list of the right length",
            short(lambda r: -_lead(r, "budget")),
        ),
        Target(
            "at most 3 % of the right tail flagged, noise by class",
            short(lambda r: tail_over(r, lambda _: 3), *by_class),
        ),
        Target(
            "at most a third of cleanlab's, labels of people",
            short(lambda r: tail_over(r, lambda cleanlabs: cleanlabs / 3), *by_people),
        ),
        Target(
            "recall no less than cleanlab's",
            short(lambda r: _mean(r, "cleanlab", "recall") - _mean(r, "ours", "recall")),
        ),
        Target("rate within 15 %, relative", short(lambda r: beyond(_rate_error(r), 15))),
        *(
            Target(
                f"{name} as estimated, within 5 points",
                short(lambda r, of=of: beyond(_error(r, of=of), 5)),
            )
            for name, of in within.items()
        ),
        Target("the three in every group", short(lambda r: off_in_groups(r) - 5)),
        Target("ECE at most 4 points", short(lambda r: _mean(r, "ours", "ece") - 4)),
    )


def _of_families(*families: str) -> Iterator[tuple[str, list[dict]]]:
    labels = [name for family in families for name in FAMILIES[family]]
    for cell, seeds in read("audit/real.json")["cells"].items():
        if cell.split(", ", 2)[2] in labels:
            yield cell, list(seeds.values())


def _lead(runs: list[dict], key: str = "f1") -> float:
    return _mean(runs, "ours", key) - max(_mean(runs, name, key) for name in AUDITS[1:])


def _mean(runs: list[dict], arm: str, key: str) -> float:
    return mean(run[arm][key] for run in runs)


def _rate_error(runs: list[dict]) -> float:
    pairs = [(run["ours"]["rate_estimated"], run["ours"]["rate_true"]) for run in runs]
    return 100 * (mean(pair[0] for pair in pairs) / mean(pair[1] for pair in pairs) - 1)


def _error(runs: list[dict], group: str = "all", of: int = PRECISION) -> float | None:
    """By how many points an estimate is too high; None where nothing is flagged."""
    found = [groups[group] for run in runs if group in (groups := run["ours"]["estimates"])]
    pairs = [(sides["estimated"][of], sides["counted"][of]) for sides in found]
    known = [
        estimated - counted for estimated, counted in pairs if None not in (estimated, counted)
    ]
    return mean(known) if known else None


def _errors_of_groups(runs: list[dict], of: int = PRECISION) -> list[float]:
    found = [_error(runs, group, of) for group in ("head", "medium", "tail")]
    return [points for points in found if points is not None]


def _tail_flagged(runs: list[dict], arm: str) -> float | None:
    """None of balanced sets."""
    known = [run[arm]["clean_tail_flagged"] for run in runs]
    return None if None in known else mean(known)


def _range(values: Iterable[float | None], signed: bool) -> str:
    """The least and the most, of those that there are.

    >>> _range([3.2, None, 9.0], signed=False), _range([-1.4, 2.0], signed=True)
    ('3.2 to 9.0', '-1.4 to +2.0')
    """
    known = [value for value in values if value is not None]
    ends = sorted({f"{value:+.1f}" if signed else f"{value:.1f}" for value in known}, key=float)
    return " to ".join(ends[:: max(len(ends) - 1, 1)]) if ends else "n/a"


def real_trust() -> str:
    """What the audit says of itself beside what is true, and the tail."""
    names = ("wrong", "estimated", "ECE", "precision", "estimated", "recall", "estimated")
    tail = ("right labels flagged", "cleanlab", "of the tail", "cleanlab", "recall", "cleanlab")
    lines = [f"| labels | {' | '.join(names + tail)} |", "|---|" + "--:|" * 13]
    for cell, runs in _cells(wrong_only=False):
        ours, cleanlab = [run["ours"] for run in runs], [run["cleanlab"] for run in runs]
        estimates = [run["estimates"]["all"] for run in ours]
        pairs = [
            (e["counted"][k], e["estimated"][k]) for k in (PRECISION, RECALL) for e in estimates
        ]
        count = len(runs)
        precision, recall = pairs[:count], pairs[count:]
        cells = [
            *(_average(run[key] for run in ours) for key in ("rate_true", "rate_estimated", "ece")),
            *(_average(pair[k] for pair in precision) for k in (0, 1)),
            *(_average(pair[k] for pair in recall) for k in (0, 1)),
            *(
                _average(run[key] for run in side)
                for key in ("clean_flagged", "clean_tail_flagged", "recall")
                for side in (ours, cleanlab)
            ),
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
        lines.append(f"| {named(cell)} | {len(runs)} | {' | '.join(cells)} |")
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
        head = f"{named(cell)} | {len(runs)} | {mean(run['wrong'] for run in runs):,.0f}"
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
            yield named(cell), list(seeds.values())


def named(cell: str) -> str:
    """A cell of audit/real.py, for people."""
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

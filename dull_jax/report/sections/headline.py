"""The numbers first: tiles, what they mean, and the methods beside each other."""

from collections.abc import Sequence

from dull_jax.report.markup import NA, Markup, number, percent, table, tag
from dull_jax.report.run import Run
from dull_jax.report.summary import THRESHOLD, summary

# (heading, keys in result.json, higher is better, is a share in [0, 1])
_COLUMNS = (
    ("Overall", ("accuracy", "last"), True, False),
    ("Mean of last 10", ("accuracy", "mean_last_10"), True, False),
    ("Head", ("accuracy", "head"), True, False),
    ("Medium", ("accuracy", "medium"), True, False),
    ("Tail", ("accuracy", "tail"), True, False),
    ("ECE", ("calibration", "ece"), False, False),
    ("Precision", ("wrong_labels", "precision"), True, True),
    ("Recall", ("wrong_labels", "recall"), True, True),
    ("AUROC", ("wrong_labels", "auroc"), True, True),
    ("Seconds", ("seconds",), None, False),
)


def header(run: Run) -> Markup:
    """Title and the one-line description of the run."""
    about = tag("p", _about(run), class_="soft")
    name = f"{run.name} on {run.data.get('dataset') or run.result.get('dataset') or 'unknown data'}"
    return tag("header", tag("p", "Report of a run", class_="eyebrow"), tag("h1", name), about)


def _about(run: Run) -> str:
    data, noise = run.data, run.data.get("noise") or {}
    size, factor = data.get("num_train"), data.get("imbalance_factor")
    parts = [
        f"{number(size, 0)} training images" if size is not None else None,
        f"{run.num_classes} classes" if run.num_classes else None,
        f"imbalance factor {factor:g}" if isinstance(factor, int | float) else None,
        _noise(run, noise) if noise else None,
        f"{run.result['epochs']} epochs" if run.result.get("epochs") else None,
        f"seed {run.result['seed']}" if run.result.get("seed") is not None else None,
        str(run.result["network"]) if run.result.get("network") else None,
    ]
    return " · ".join(part for part in parts if part)


def _noise(run: Run, noise: dict) -> str:
    if run.in_doubt:
        return "labels in doubt"
    name = str(noise.get("name") or "unknown")
    if name == "none":
        return "no noise added"
    name = {"t2h": "tail-to-head"}.get(name, name)
    return f"{name} noise: {percent(noise.get('realised'))} of labels wrong"


def section(run: Run) -> Markup:
    tiles = [
        ("Test accuracy", number(run.value("accuracy", "last"), 1, "%")),
        ("Head classes", number(run.value("accuracy", "head"), 1, "%")),
        ("Medium classes", number(run.value("accuracy", "medium"), 1, "%")),
        ("Tail classes", number(run.value("accuracy", "tail"), 1, "%")),
        *_labels(run),
    ]
    boxes = [
        tag("div", tag("b", value), tag("span", name), class_="tile first" if i == 0 else "tile")
        for i, (name, value) in enumerate(tiles)
    ]
    said = [tag("div", tag("h3", topic), tag("p", text)) for topic, text in summary(run)]
    return tag(
        "section",
        tag("h2", "Result"),
        tag("p", _measured(run), class_="soft"),
        tag("div", boxes, class_="tiles"),
        tag("div", said, class_="said") if said else None,
        comparison(run),
        id="result",
    )


def _labels(run: Run) -> list[tuple[str, str]]:
    """Tiles on the wrong labels; where nobody knows them, how many look wrong."""
    if run.in_doubt:
        score = run.outputs.get("wrongness")
        count = None if score is None else int((score > THRESHOLD).sum())
        return [("Training labels that look wrong", number(count, 0))]
    return [
        ("Labels called wrong that are wrong (precision)", _wrong(run, "precision")),
        ("Wrong labels that were found (recall)", _wrong(run, "recall")),
        ("Wrong above right (AUROC)", _wrong(run, "auroc")),
    ]


def _measured(run: Run) -> str:
    if run.in_doubt:
        size = number(run.data.get("num_test"), 0)
        return (
            f"After the last epoch, on {size} test images. Their labels are your own as well: "
            "where they are wrong, a right answer counts as an error."
        )
    return "After the last epoch, on the test set."


def _wrong(run: Run, key: str) -> str:
    return percent(run.value("wrong_labels", key))


def comparison(run: Run) -> Markup:
    """One line a method; the best of each column is marked when methods differ in it."""
    cells = {column[0]: _column(run.all, column) for column in _COLUMNS}
    rows = [
        [
            {"class_": "own" if i == 0 and run.compared else None},
            each.name,
            *(column[i] for column in cells.values()),
        ]
        for i, each in enumerate(run.all)
    ]
    caption = "All but the seconds in percent; precision, recall and AUROC: finding wrong labels."
    if run.compared:
        caption += " ▲ is the best of a column."
    # Under the table, not its <caption>: that would be cut where the table scrolls sideways.
    return tag(
        "div", table(["Method", *cells], rows), tag("p", caption, class_="soft note"), class_="full"
    )


def _column(runs: Sequence[Run], column: tuple) -> list[Markup]:
    """Best is judged on the digits shown: equal-looking numbers share the mark."""
    _, keys, higher, share = column
    values = [run.value(*keys) for run in runs]
    shown = [None if v is None else round(100 * v if share else v, 1) for v in values]
    known = [v for v in shown if v is not None]
    best = None
    if higher is not None and len(known) > 1 and len(set(known)) > 1:
        best = max(known) if higher else min(known)
    return [
        tag("td", NA if v is None else number(v, 0 if keys == ("seconds",) else 1),
            class_="best" if v is not None and v == best else None)
        for v in shown
    ]  # fmt: skip

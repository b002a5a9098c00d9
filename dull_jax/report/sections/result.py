"""The numbers first: tiles, what they mean, and the methods beside each other."""

from collections.abc import Sequence

from markupsafe import Markup

from dull_jax.report import blocks
from dull_jax.report.numbers import NA, number, percent
from dull_jax.report.run import Run
from dull_jax.report.sections import Place
from dull_jax.report.summary import summary

TITLE, ORDER = "Result", 10
OWN = Place(10, "What the classifier can do")

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


def content(run: Run) -> list:
    kinds = (("Test accuracy", "last"), ("Head classes", "head"), ("Medium classes", "medium"),
             ("Tail classes", "tail"))  # fmt: skip
    accuracy = [(number(run.value("accuracy", key), 1, "%"), name) for name, key in kinds]
    tiles = [(value, name) for value, name in accuracy + _labels(run) if value != NA]
    said = summary(run)
    return [
        blocks.text(_measured(run), "soft"),
        blocks.tiles(tiles) if tiles else None,
        blocks.topics(said) if said else None,
        None if run.in_doubt and not run.compared else comparison(run),
    ]


def _measured(run: Run) -> str:
    if run.in_doubt:
        size = number(run.data.get("num_test"), 0)
        return (
            f"After the last epoch, on {size} test images. Their labels are your own as well: "
            "where they are wrong, a right answer counts as an error."
        )
    return "After the last epoch, on the test set."


def _labels(run: Run) -> list[tuple[str, str]]:
    """Tiles on the wrong labels, where they are known."""
    names = {
        "precision": "Labels called wrong that are wrong (precision)",
        "recall": "Wrong labels that were found (recall)",
        "auroc": "Wrong above right (AUROC)",
    }
    return [(percent(run.value("wrong_labels", key)), name) for key, name in names.items()]


def comparison(run: Run) -> Markup:
    """One line a method; the best of each column is marked when methods differ in it.

    A column that is undefined for every method is left out.
    """
    columns = {column[0]: _column(run.all, *column[1:]) for column in _COLUMNS}
    columns = {
        name: cells for name, cells in columns.items() if any(c["text"] != NA for c in cells)
    }
    rows = list(zip([each.name for each in run.all], *columns.values(), strict=True))
    note = "All but the seconds in percent."
    if "AUROC" in columns:
        note = note[:-1] + "; precision, recall and AUROC: finding wrong labels."
    if run.compared:
        note += " ▲ is the best of a column."
    head = ["Method", *columns]
    return blocks.table(head, rows, look="full", own=0 if run.compared else None, note=note)


def _column(
    runs: Sequence[Run], keys: tuple[str, ...], higher: bool | None, share: bool
) -> list[dict[str, str]]:
    """Best is judged on the digits shown: equal-looking numbers share the mark."""
    values = [run.value(*keys) for run in runs]
    shown = [None if v is None else round(100 * v if share else v, 1) for v in values]
    known = [v for v in shown if v is not None]
    best = None
    if higher is not None and len(set(known)) > 1:
        best = max(known) if higher else min(known)
    digits = 0 if keys == ("seconds",) else 1
    return [
        {
            "text": NA if v is None else number(v, digits),
            "look": "best" if v is not None and v == best else "",
        }
        for v in shown
    ]

"""What the numbers say, in sentences derived from them; an unknown number writes no sentence."""

import math

import numpy as np

from dull_jax.report.numbers import finite, number, percent
from dull_jax.report.run import Run

# A label is called wrong when its score exceeds this, as in stats.metrics.wrong_labels.
THRESHOLD = 0.5


def summary(run: Run) -> list[tuple[str, str]]:
    """(topic, plain sentences), the most important first; topics without numbers are left out."""
    topics = (
        ("Accuracy", _overall(run)),
        ("Rare classes", _rare(run)),
        ("Wrong labels", _wrong_labels(run)),
        ("Confidence", _confidence(run)),
    )
    return [(topic, " ".join(filter(None, said))) for topic, said in topics if any(said)]


def best_peer(run: Run, key: str = "last") -> Run | None:
    """The compared run with the highest accuracy of that kind."""
    known = [peer for peer in run.compared if peer.value("accuracy", key) is not None]
    return max(known, key=lambda peer: peer.value("accuracy", key), default=None)


def _overall(run: Run) -> list[str | None]:
    own = number(run.value("accuracy", "last"), 1, "%")
    said = f"{run.name} names the right class for {own} of all test images"
    return [_beside_peer(run, "last", said), _chance(run)]


def _rare(run: Run) -> list[str | None]:
    own = number(run.value("accuracy", "tail"), 1, "%")
    said = f"Of the test images of the rarest (tail) classes, it gets {own} right"
    return [_beside_peer(run, "tail", said), _head_tail_gap(run)]


def _beside_peer(run: Run, key: str, said: str) -> str | None:
    """`said`, and how that stands against the best of the compared methods in the same number."""
    own, peer = run.value("accuracy", key), best_peer(run, key)
    if own is None:
        return None
    if peer is None:
        return said + "."
    other = peer.value("accuracy", key)
    gap = round(own - other, 1)
    verdict = (
        f"{abs(gap):.1f} points {'more' if gap > 0 else 'fewer'} than" if gap else "as many as"
    )
    among = "the compared method" if len(run.compared) == 1 else "the best compared method"
    return f"{said}, {verdict} {among}, {peer.name} ({number(other, 1, '%')})."


def _chance(run: Run) -> str | None:
    """95 % of the differences of two equally good networks, by the draw of the test set alone."""
    accuracy, size = run.value("accuracy", "last"), finite(run.data.get("num_test"))
    if accuracy is None or not size or not run.compared:
        return None
    share = min(max(accuracy / 100, 0.01), 0.99)
    points = 100 * 1.96 * math.sqrt(2 * share * (1 - share) / size)
    return (
        f"One run with one seed is weak evidence: with {size:,.0f} test images, differences below "
        f"about {points:.1f} points may be chance, in a group of classes even larger ones."
    )


def _head_tail_gap(run: Run) -> str | None:
    head, tail = run.value("accuracy", "head"), run.value("accuracy", "tail")
    if head is None or tail is None:
        return None
    gap = round(head - tail, 1)
    where = f"{abs(gap):.1f} points {'below' if gap > 0 else 'above'}" if gap else "level with"
    return f"The tail lies {where} the head ({number(head, 1, '%')})."


def _wrong_labels(run: Run) -> list[str | None]:
    if run.in_doubt:
        return []  # they cannot be counted
    precision, recall, auroc = (
        run.value("wrong_labels", key) for key in ("precision", "recall", "auroc")
    )
    rate = finite((run.data.get("noise") or {}).get("realised"))
    base = f" (of all training labels: {percent(rate)})" if rate is not None else ""
    return [
        _say(
            f"Of the {_flagged(run)}training labels it calls wrong, {{}} truly are{base}.",
            precision,
        ),
        _say("It finds {} of all wrong labels.", recall),
        _say("A wrong label gets a higher score than a right one in {} of pairs (AUROC).", auroc),
        _false_alarms(run),
    ]


def _flagged(run: Run) -> str:
    """How many labels the precision is a share of: 100 % of four is not 100 % of four hundred."""
    if not run.has("wrongness"):
        return ""
    return f"{int((run.outputs['wrongness'] > THRESHOLD).sum()):,} "


def _say(sentence: str, share: float | None) -> str | None:
    return None if share is None else sentence.format(percent(share))


def _false_alarms(run: Run) -> str | None:
    head, tail = (run.value("wrong_labels", "false_alarm", group) for group in ("head", "tail"))
    if head is None or tail is None:
        return None
    return (
        f"It wrongly accuses {percent(tail)} of the rightly labelled tail images and "
        f"{percent(head)} of those of the head."
    )


def _confidence(run: Run) -> list[str | None]:
    if not run.has("test_probs", "test_labels") or not len(run.outputs["test_labels"]):
        return []
    probs, labels = run.outputs["test_probs"], run.outputs["test_labels"]
    stated = 100 * float(np.mean(probs.max(1)))
    gap = round(stated - 100 * float(np.mean(probs.argmax(1) == labels)), 1)
    if not math.isfinite(gap):
        return []
    kind = "overconfident" if gap > 0 else "underconfident"
    side = f"{abs(gap):.1f} points {'above' if gap > 0 else 'below'} its accuracy: it is {kind}"
    return [
        f"Its average confidence is {number(stated, 1, '%')}, {side if gap else 'its accuracy'}."
    ]

"""What the numbers say, in sentences derived from them; none is written when its number is unknown."""

import math

import numpy as np

from dull_jax.report.folder import Run
from dull_jax.report.markup import finite, number, percent


def findings(run: Run) -> list[str]:
    """Plain sentences, the most important first."""
    said = [
        *_against_peer(run, "last", "names the right class for", "of all test images"),
        _chance(run),
        *_against_peer(
            run, "tail", "is right for", "of the test images of the rarest (tail) classes"
        ),
        _head_tail_gap(run),
        *_wrong_labels(run),
        _false_alarms(run),
        _confidence(run),
    ]
    return [sentence for sentence in said if sentence]


def best_peer(run: Run, key: str = "last") -> Run | None:
    """The compared run with the highest accuracy of that kind."""
    known = [peer for peer in run.compared if peer.value("accuracy", key) is not None]
    return max(known, key=lambda peer: peer.value("accuracy", key), default=None)


def _against_peer(run: Run, key: str, does: str, what: str) -> list[str]:
    own = run.value("accuracy", key)
    if own is None:
        return []
    said = f"{run.name} {does} {number(own, 1, '%')} {what}"
    peer = best_peer(run, key)
    if peer is None:
        return [said + "."]
    other = peer.value("accuracy", key)
    gap = own - other
    if abs(gap) < 0.05:
        verdict = "the same as"
    else:
        verdict = f"{abs(gap):.1f} points {'more' if gap > 0 else 'fewer'} than"
    among = "the compared method" if len(run.compared) == 1 else "the best compared method"
    return [f"{said}: {verdict} {among} there, {peer.name} ({number(other, 1, '%')})."]


def _chance(run: Run) -> str | None:
    """95 % of the difference of two independent runs that are equally good; test draw only."""
    accuracy, size = run.value("accuracy", "last"), finite(run.data.get("num_test"))
    if accuracy is None or not size or not run.compared:
        return None
    share = min(max(accuracy / 100, 0.01), 0.99)
    points = 100 * 1.96 * math.sqrt(2 * share * (1 - share) / size)
    return (
        f"This is one run with one seed: with {size:,.0f} test images, overall differences below "
        f"about {points:.1f} points may be chance, and those of a group need to be larger still."
    )


def _head_tail_gap(run: Run) -> str | None:
    head, tail = run.value("accuracy", "head"), run.value("accuracy", "tail")
    if head is None or tail is None:
        return None
    side = "below" if tail < head else "above"
    return f"The tail lies {abs(head - tail):.1f} points {side} the head ({number(head, 1, '%')})."


def _wrong_labels(run: Run) -> list[str]:
    precision, recall, auroc = (
        run.value("wrong_labels", k) for k in ("precision", "recall", "auroc")
    )
    if run.data.get("truth_known") is False:
        return [
            "The true labels of the training images are not known, so how many of the wrong ones "
            "were found cannot be counted; the most suspicious are shown below."
        ]
    said = []
    if precision is not None:
        rate = finite(run.data.get("noise", {}).get("realised"))
        chance = f" (any label: {percent(rate)})" if rate is not None else ""
        said.append(
            f"Of the training labels it calls wrong, {percent(precision)} are wrong{chance}"
        )
    if recall is not None:
        said.append(f"{'it' if said else 'It'} finds {percent(recall)} of all wrong labels")
    text = [", and ".join(said) + "."] if said else []
    if auroc is not None:
        text.append(
            f"Of a wrong and a right label, it gives the wrong one the higher score in {percent(auroc)} "
            "of cases (AUROC; 50 % is a coin)."
        )
    return text


def _false_alarms(run: Run) -> str | None:
    alarms = {g: run.value("wrong_labels", "false_alarm", g) for g in ("head", "tail")}
    if alarms["head"] is None or alarms["tail"] is None:
        return None
    return (
        f"It accuses {percent(alarms['tail'])} of the rightly labelled tail images and "
        f"{percent(alarms['head'])} of those of the head."
    )


def _confidence(run: Run) -> str | None:
    if not run.has("test_probs", "test_labels") or not len(run.outputs["test_labels"]):
        return None
    probs, labels = run.outputs["test_probs"], run.outputs["test_labels"]
    gap = 100 * float(np.mean(probs.max(1)) - np.mean(probs.argmax(1) == labels))
    if not math.isfinite(gap):
        return None
    side = "higher than its accuracy (overconfident)" if gap > 0 else "lower than its accuracy"
    return f"Its stated confidence is on average {abs(gap):.1f} points {side}."

"""Measures what the tail's guard could reach at best: flags of our ranking, cut with the truth.

    python -m benchmarks.audit.tail_bound [--human=cifar10n.npz] [--seeds=0,1,2] [--only=TEXT]
        [--cache=DIR] [--out=FILE]

Takes about ten minutes on two cores where the cache of `audit/real.py` is at hand.
Writes benchmarks/results/audit/tail_bound.json, which docs/own_data.md shows. Goes on where it was.

The sets are the long-tailed ones of `audit/real.py`. Two thresholds are chosen with the true
labels: for labels of tail classes the lowest at which no more right ones are flagged than allowed
(3 %, of human labels a third of cleanlab's share), for all others the lowest at which precision is
still cleanlab's. So no guard of the same ranking, one threshold for each of the two groups, has
more recall at that precision.
"""

import numpy as np

from benchmarks import result_file
from benchmarks.audit import real
from dull_jax.data.groups import class_groups
from dull_jax.stats.label_audit import audit_labels

ALLOWED = 0.03


def cut(drawn: real.Drawn, ranking: np.ndarray, precision: float, allowed: float) -> np.ndarray:
    """Flags `[N]` of the two thresholds. precision, allowed: shares, in [0, 1]."""
    counts = np.bincount(drawn.true, minlength=drawn.num_classes)
    tail = np.isin(drawn.given, class_groups(counts)[0]["tail"])
    right = np.sort(ranking[tail & ~drawn.wrong])[::-1]
    flagged = tail & (ranking > right[int(allowed * len(right))])
    rest = np.flatnonzero(~tail)
    rest = rest[np.argsort(-ranking[rest], kind="stable")]
    caught = (flagged & drawn.wrong).sum() + drawn.wrong[rest].cumsum()
    enough = caught >= precision * (flagged.sum() + 1 + np.arange(len(rest)))
    flagged[rest[: 1 + np.flatnonzero(enough).max(initial=-1)]] = True
    return flagged


def measure(drawn: real.Drawn, human: bool) -> dict[str, dict[str, float | None]]:
    """Scores of cleanlab, of our defaults, and of the cut."""
    names = [str(k) for k in range(drawn.num_classes)]
    audit = audit_labels(drawn.probs, drawn.given, features=drawn.features, class_names=names)
    theirs = real.score(drawn, *real.others_flags(drawn)["cleanlab"])
    allowed = theirs["clean_tail_flagged"] / 300 if human else ALLOWED
    best = cut(drawn, audit.wrong, theirs["precision"] / 100, allowed)
    found = {"cleanlab": theirs, "ours": real.score(drawn, audit.flagged, audit.wrong)}
    return found | {"best cut": real.score(drawn, best, audit.wrong)}


def main() -> None:
    args = real.arguments(__doc__)
    tails = [cell for cell in real.CELLS if cell[1] != "none" and cell[2] > 1]
    for cell, seed, drawn in real.missing(args, tails):
        found = measure(drawn, human=cell.endswith(real.HUMAN))
        args.cells.setdefault(cell, {})[seed] = found
        shown = {arm: round(scores["recall"], 1) for arm, scores in found.items()}
        print(cell, seed, shown, flush=True)
        result_file.save(args.out, {"cells": args.cells})


if __name__ == "__main__":
    main()

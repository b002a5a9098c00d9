"""Measures what the tail's guard could reach at best under symmetric noise, with the truth at hand.

    python -m benchmarks.audit.tail_bound [--seeds=0,1,2] [--only=TEXT] [--cache=DIR] [--out=FILE]

Takes about ten minutes on two cores where the cache of `audit/real.py` is at hand.
Writes benchmarks/results/audit/tail_bound.json, which docs/audit.md shows. Goes on where it was.

The sets are those of `audit/real.py`. Rankings: our audit's, and that of an oracle, whose opinions
(predictions, neighbours, Gaussian classes, all cross-validated) learnt from the true labels, and
who knows how much noise there is. Of each ranking two measures, both by the truth:

  at cleanlab's precision: of labels of tail classes as many are flagged as put no more than 3 % of
    the right ones among them, of all others as many as keep the precision of cleanlab's flags.
  at any precision: all labels of other classes are flagged.
"""

import numpy as np

from benchmarks import result_file
from benchmarks.audit import real
from dull_jax.data.groups import class_groups
from dull_jax.stats import label_evidence
from dull_jax.stats.label_audit import audit_labels

ALLOWED = 0.03


def in_tail(drawn: real.Drawn) -> np.ndarray:
    """`[N]`, whether the given class is of the tail."""
    counts = np.bincount(drawn.true, minlength=drawn.num_classes)
    return np.isin(drawn.given, class_groups(counts)[0]["tail"])


def cut(drawn: real.Drawn, ranking: np.ndarray, precision: float) -> np.ndarray:
    """Flags `[N]` of the two thresholds. precision: in [0, 1]."""
    tail = in_tail(drawn)
    right = np.sort(ranking[tail & ~drawn.wrong])[::-1]
    flagged = tail & (ranking > right[int(ALLOWED * len(right))])
    rest = np.flatnonzero(~tail)
    rest = rest[np.argsort(-ranking[rest], kind="stable")]
    caught = (flagged & drawn.wrong).sum() + drawn.wrong[rest].cumsum()
    enough = caught >= precision * (flagged.sum() + 1 + np.arange(len(rest)))
    flagged[rest[: 1 + np.flatnonzero(enough).max(initial=-1)]] = True
    return flagged


def oracle(drawn: real.Drawn, rate: float, seed: int) -> np.ndarray:
    """P(wrong) `[N]` of symmetric noise of a known rate, by who has learnt from true labels."""
    names = [str(k) for k in range(drawn.num_classes)]
    probs = real.cross_validated(drawn.features, drawn.true, seed)
    evidence, _ = label_evidence.gathered(probs, drawn.true, drawn.features, names, None)
    true = np.asarray(evidence.at(np.arange(len(drawn.true))), np.float64)
    own = true[np.arange(len(true)), drawn.given]
    away = rate / (drawn.num_classes - 1)
    return 1 - own * (1 - rate) / (own * (1 - rate) + (1 - own) * away)


def bounds(drawn: real.Drawn, ranking: np.ndarray, precision: float) -> dict[str, float | None]:
    """Percent, by the two thresholds; and the most recall there is at any precision."""
    flagged = cut(drawn, ranking, precision)
    scores = real.score(drawn, flagged, ranking)
    kept = {name: scores[name] for name in ("recall", "clean_tail_flagged")}
    everything = flagged | ~in_tail(drawn)
    return kept | {"at any precision": real.score(drawn, everything, ranking)["recall"]}


def measure(drawn: real.Drawn, rate: float, seed: int) -> dict[str, dict[str, float | None]]:
    """Scores of cleanlab, and the bounds of both rankings."""
    names = [str(k) for k in range(drawn.num_classes)]
    audit = audit_labels(drawn.probs, drawn.given, features=drawn.features, class_names=names)
    theirs = real.score(drawn, *real.others_flags(drawn)["cleanlab"])
    rankings = {"ours": audit.wrong, "oracle": oracle(drawn, rate, seed)}
    precision = theirs["precision"] / 100
    return {"cleanlab": theirs} | {
        name: bounds(drawn, ranking, precision) for name, ranking in rankings.items()
    }


def main() -> None:
    args = real.arguments(__doc__)
    cells = [cell for cell in real.CELLS if cell[1].startswith("symmetric")]
    for cell, seed, drawn in real.missing(args, cells):
        rate = real.DRAWN[cell.split(", ")[-1]]["rate"]
        args.cells.setdefault(cell, {})[seed] = found = measure(drawn, rate, int(seed))
        shown = {arm: round(scores["recall"], 1) for arm, scores in found.items()}
        print(cell, seed, shown, flush=True)
        result_file.save(args.out, {"cells": args.cells})


if __name__ == "__main__":
    main()

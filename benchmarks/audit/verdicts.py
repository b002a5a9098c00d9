"""Measures an audit's verdicts: on labels of people, on planted copies and on planted strangers.

    python -m benchmarks.audit.verdicts --human=cifar10n.npz [--seeds=0,1,2] [--cache=DIR]
        [--out=FILE]

Takes twenty minutes of one core, and six to embed CIFAR-10 and CIFAR-100 once.
Writes benchmarks/results/audit/verdicts.json, which docs/audit.md shows. It goes on where it was.

Data sets and predictions are those of `real.py`, with people's labels of CIFAR-10.

  flagged: of what is `wrong` and what is `ambiguous`, how much is wrong, and how often the class
    suggested, or one of the two that are named, is right.
  copies: one image in two hundred is there again, changed in one of the ways of `CHANGES`, half of
    them with another label. Found: the copy or its source is named, with the other as its twin.
    Set beside it: the pairs that are named where nothing was planted (CIFAR has some of its own).
  strangers: one image in a hundred is of CIFAR-100, of all its classes or of a single one; or five
    are of scikit-learn's digits. As labels they get the class that a classifier of true labels
    takes them for. The class that both sets share in part, pickup trucks, is left out.
"""

import io
import json
import pathlib
import tempfile
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from benchmarks import result_file
from benchmarks.audit import components, real
from dull_jax.audit import verdicts
from dull_jax.audit.inputs import AuditInput
from dull_jax.stats.label_audit import LabelAudit, audit_labels

SET, OTHER = "cifar10", "cifar100"
PEOPLE, FACTORS = real.HUMAN[:2], (20, 100)
PLANTED_IN = (PEOPLE[0], 20)  # labels, imbalance factor
COPIES, STRANGERS = 1 / 200, 1 / 100  # of the set
KINDS = ("CIFAR-100, all classes", ONE_CLASS := "CIFAR-100, one class", DIGITS := "digits")
FEW = 5  # digits
SEEN = (verdicts.OUTSIDE, verdicts.WRONG, verdicts.AMBIGUOUS)
SHARED = 58  # CIFAR-100's pickup trucks
SIDE = 32


def _each(change: Callable[[Image.Image], Image.Image]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda pixels: np.stack([np.asarray(change(Image.fromarray(one))) for one in pixels])


def _again(image: Image.Image) -> Image.Image:
    """As a JPEG of low quality."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=50)
    return Image.open(file)


CHANGES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "the same": lambda pixels: pixels,
    "mirrored": lambda pixels: pixels[:, :, ::-1],
    "brighter by a quarter": lambda pixels: np.clip(pixels * 1.25, 0, 255).astype(np.uint8),
    "darker by a quarter": lambda pixels: (pixels * 0.75).astype(np.uint8),
    "JPEG, quality 50": _each(_again),
    "24 pixels wide, and enlarged": _each(lambda i: i.resize((24, 24)).resize((SIDE, SIDE))),
    "cropped to 28 pixels": _each(lambda i: i.crop((2, 2, 30, 30)).resize((SIDE, SIDE))),
    "turned by 5 degrees": _each(lambda i: i.rotate(5, Image.Resampling.BICUBIC)),
}


def judged(drawn: real.Drawn) -> tuple[LabelAudit, verdicts.Listed]:
    names = tuple(str(k) for k in range(drawn.num_classes))
    features = drawn.features
    audit = audit_labels(drawn.probs, drawn.given, features=features, class_names=names)
    ids = np.arange(len(drawn.given)).astype(str)
    samples = AuditInput(ids, ids.astype(object), drawn.given, drawn.probs, names)
    return audit, verdicts.listed(samples, audit, features)


def flagged(drawn: real.Drawn) -> dict:
    """Verdict -> how many, how many are wrong, and of how many the right class is named."""
    audit, found = judged(drawn)
    counts = {}
    for verdict in (verdicts.WRONG, verdicts.AMBIGUOUS):
        rows = found.of(verdict)
        named = audit.suggested[rows] == drawn.true[rows]
        if verdict == verdicts.AMBIGUOUS:  # names the given class, too
            named |= drawn.given[rows] == drawn.true[rows]
        counts[verdict] = {
            "labels": len(rows),
            "wrong": int(drawn.wrong[rows].sum()),
            "right_class_named": int(named.sum()),
        }
    return counts


def with_more(
    drawn: real.Drawn, features: np.ndarray, true: np.ndarray, given: np.ndarray, seed: int
) -> real.Drawn:
    """A data set to which samples are added at its end."""
    features = np.concatenate([drawn.features, features])
    features, given = features - features.mean(0), np.concatenate([drawn.given, given])
    probs = real.cross_validated(features, given, seed)
    return real.Drawn(features, np.concatenate([drawn.true, true]), given, probs)


def copies(
    images: real.Images, drawn: real.Drawn, rows: np.ndarray, seed: int, cache: pathlib.Path
) -> dict:
    """Change -> how many copies there are, how many are found; and how many other pairs are named.

    Args:
      rows: `[N]`, the images of `drawn` in `images`.
    """
    rng, size, found = np.random.default_rng(seed), len(rows), {}
    count = round(COPIES * size)
    sources = rng.choice(size, (len(CHANGES), count), replace=False)
    pixels = [
        change(images.pixels[rows[s]]) for change, s in zip(CHANGES.values(), sources, strict=True)
    ]
    vectors = real.embed(np.concatenate(pixels), cache)
    sources = sources.ravel()
    given = drawn.given[sources].copy()
    given[::2] = (given[::2] + rng.integers(1, drawn.num_classes, len(given[::2]))) % (
        drawn.num_classes
    )
    mean = images.features[rows].mean(0)
    _, listed = judged(with_more(drawn, vectors - mean, drawn.true[sources], given, seed))
    pairs = {frozenset((row, twin.row)) for row, twin in listed.twins.items()}
    planted = [frozenset((size + n, int(source))) for n, source in enumerate(sources)]
    for n, change in enumerate(CHANGES):
        own = planted[n * count : (n + 1) * count]
        found[change] = {"planted": count, "found": len(pairs.intersection(own))}
    _, before = judged(drawn)
    return {
        "changes": found,
        "other_pairs": len(pairs.difference(planted)),
        "pairs_without_copies": len(before.twins),
        "samples": size,
    }


def strangers(drawn: real.Drawn, vectors: np.ndarray, seed: int) -> dict:
    """How many are planted, and how many of them and of the others have each verdict.

    Args:
      vectors: `[n, D]` of the strangers, less the mean that those of `drawn` lack.
    """
    size, count = len(drawn.true), len(vectors)
    both = components.scaled(np.concatenate([drawn.features, vectors]), real.COMPONENTS)
    given = LogisticRegression(max_iter=150).fit(both[:size], drawn.true).predict(both[size:])
    none = np.full(count, drawn.num_classes)
    _, listed = judged(with_more(drawn, vectors, none, given, seed))
    named = {verdict: listed.of(verdict) for verdict in SEEN}
    found = {
        verdict: {"strangers": int((rows >= size).sum()), "others": int((rows < size).sum())}
        for verdict, rows in named.items()
    }
    return {"planted": count, "samples": size, "verdicts": found}


def of_kind(kind: str, other: real.Images, count: int, cache: pathlib.Path, seed: int):
    """Vectors `[n, D]` of strangers of one of `KINDS`."""
    rng = np.random.default_rng(seed)
    if kind == DIGITS:
        small = load_digits().images[rng.choice(1797, FEW, replace=False)]
        pixels = (small * (255 / 16)).astype(np.uint8).repeat(4, 1).repeat(4, 2)
        return real.embed(pixels[..., None].repeat(3, -1), cache)
    classes = np.setdiff1d(np.unique(other.true), [SHARED])
    chosen = np.isin(other.true, rng.choice(classes, 1) if kind == ONE_CLASS else classes)
    return other.features[rng.choice(np.flatnonzero(chosen), count, replace=False)]


def measure(images: real.Images, other: real.Images, seed: int, cache: pathlib.Path) -> dict:
    """All of one seed."""
    found: dict = {"flagged": {}, "strangers": {}}
    for labels in PEOPLE:
        for factor in FACTORS:
            drawn = real.draw(images, labels, factor, seed)
            found["flagged"][real.named((SET, labels, factor))] = flagged(drawn)
            if (labels, factor) == PLANTED_IN:
                rows = real.long_tail(images.true, factor, seed)
                mean = images.features[rows].mean(0)
                found["copies"] = copies(images, drawn, rows, seed, cache)
                count = round(STRANGERS * len(rows))
                for kind in KINDS:
                    vectors = of_kind(kind, other, count, cache, seed) - mean
                    found["strangers"][kind] = strangers(drawn, vectors, seed)
    return found


def main() -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--human", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--cache", type=pathlib.Path, help="a folder for embeddings")
    args = parser.parse_args()
    known = json.loads(args.out.read_text()) if args.out and args.out.exists() else {}
    seeds = known.get("seeds", {})
    cache = args.cache or pathlib.Path(tempfile.mkdtemp())
    images, other = (real.load(name, cache, args.human) for name in (SET, OTHER))
    for seed in args.seeds.split(","):
        if seed not in seeds:
            seeds[seed] = measure(images, other, int(seed), cache)
            print(seed, json.dumps(seeds[seed]), flush=True)
            result_file.save(args.out, {"seeds": seeds})


if __name__ == "__main__":
    main()

"""Measures seconds and memory of an audit whose probabilities hardly fit into memory.

    python -m benchmarks.audit.scale [--n=1000000] [--k=1000] [--noise=t2h|image|…] [--features=0]
        [--dir=DIR] [--out=FILE]

Takes about seven minutes on two cores (symmetric: three), and 4 GB below DIR. With --features=384
also ten minutes to find neighbours (faiss), and the memory of three copies of the features; ten
more where noise depends on the image.
Writes benchmarks/results/audit/scale_NOISE.json, or with features scale_features.json (symmetric)
and scale_image_features.json, which docs/audit.md shows.

What it must cost, for N = 1,000,000 and K = 1,000 in float32:
  bytes: the file is 4 N K = 4.0 GB, read twice (checked, judged), four times where noise depends
    on the image, five with features: 8, 16 or 20 GB.
  memory: 9 bytes a sample for the answer, 4 K^2 = 4 MB for the transition, a few blocks of 1 MB;
    the search holds 2,000,000 predictions, 8 MB, in about ten arrays at a time, and the pool is
    fitted to 20,000,000, 80 MB, in about six. About 1 GB.
  operations: judging undoes the noise in 60 steps, each two products with T, a division and three
    multiplications for every number: N K 60 = 6e10 number-steps. Of 8 operations (a diagonal and an
    outer product: symmetric, joint) about 0.5e12, or of 8 and two running sums by small triangular
    products, 2 (40 + 25) more (tail-to-head): 8e12. The dense T would take 4 K = 4,000: 2.4e14.
    The search solves about 60 trials on 2,000 rows, with 22 temperatures each: a seventh more.
  seconds: at the 1e11 operations/s of two cores about 10 (symmetric) and 80 (tail-to-head), more
    in practice, since the steps move 4 to 20 bytes through the cache for each number.

The file is made block by block: a sample's scores are noise plus a clear lead of its true class,
mixed by the transition, so that they are p(given | x); or (`--noise=image`) a second class nearly
as likely, and the label is drawn from what is then p(given | x). Easy to audit, since what is
measured is time and memory. It is deleted afterwards.
"""

import json
import pathlib
import resource
import tempfile
import threading

import numpy as np
from scipy.special import softmax

from benchmarks import result_file, timing
from dull_jax.data.longtail import class_counts
from dull_jax.stats import metrics, noise_kinds
from dull_jax.stats.label_audit import audit_labels

NOISES = {
    "t2h": lambda n: noise_kinds.t2h(n, 0.3, 0.6),
    "symmetric": lambda n: noise_kinds.symmetric(n, 0.3),
    "joint": lambda n: noise_kinds.joint(n, 0.3),
}
IMAGE = "image"  # noise that depends on the image
LEAD, GAP = 10.0, 3.0  # of the true class in log p(true | x); to the other class, on average
ROWS = 4096  # made at a time


class PeakMemory(threading.Thread):
    """The most memory held at once, in GB, without pages of files (which the system can drop)."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self.done = 0.0, threading.Event()

    def run(self):
        while not self.done.wait(0.02):
            self.peak = max(self.peak, self.now())

    @staticmethod
    def now() -> float:
        status = pathlib.Path("/proc/self/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return sum(int(fields[name].split()[0]) for name in ("RssAnon", "RssShmem")) / 1e6


def class_shares(num_classes: int) -> np.ndarray:
    """`[K]` of a long tail, imbalance 100."""
    shape = class_counts("exponential", 1_000_000, 100, num_classes).astype(np.float64)
    return shape / shape.sum()


def noisy_scores(rng: np.random.Generator, prior: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """float32 `[n, K]`, log p(true | x) but for a constant: noise, and the label's clear lead."""
    log_prior = np.log(prior).astype(np.float32)
    scores = 1.5 * rng.standard_normal((len(labels), len(prior)), np.float32) + log_prior
    scores[np.arange(len(labels)), labels] += LEAD
    return scores


def by_class(
    rng: np.random.Generator, probs: np.ndarray, clean: np.ndarray, prior: np.ndarray, kind: str
) -> np.ndarray:
    """Fills `probs` `[N, K]` with p(given | x) under a kind of `NOISES`; returns given labels."""
    noise = NOISES[kind](prior)
    table = np.cumsum(noise_kinds.table(noise), axis=1)
    draws = rng.random(len(clean))
    given = np.array(
        [np.searchsorted(table[k], u) for k, u in zip(clean, draws, strict=True)], np.int32
    ).clip(0, len(prior) - 1)
    for start in range(0, len(clean), ROWS):
        scores = noisy_scores(rng, prior, clean[start : start + ROWS])
        mixed = noise.forward(noise.sorted(softmax(scores, axis=1)))
        probs[start : start + ROWS] = noise.named(mixed)
    return given


def by_image(
    rng: np.random.Generator,
    probs: np.ndarray,
    clean: np.ndarray,
    prior: np.ndarray,
    other: np.ndarray,
    gap: np.ndarray,
) -> np.ndarray:
    """The same where each image also looks like an `other` class `[N]`, less so by `gap` `[N]`."""
    given = np.empty_like(clean)
    for start in range(0, len(clean), ROWS):
        here = slice(start, start + ROWS)
        scores = noisy_scores(rng, prior, clean[here])
        rows = np.arange(len(scores))
        scores[rows, other[here]] = scores[rows, clean[here]] - gap[here]
        probs[here] = part = softmax(scores, axis=1)
        below = np.cumsum(part, axis=1) < rng.random((len(part), 1))
        given[here] = below.sum(1).clip(0, len(prior) - 1)
    return given


def make_features(
    clean: np.ndarray, other: np.ndarray, share: np.ndarray, width: int
) -> np.ndarray:
    """float32 `[N, width]`: classes overlap, so that neighbours are of several.

    An image lies between two classes; `share` `[N]` is that of the `other` `[N]`.
    """
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((int(max(clean.max(), other.max())) + 1, width), np.float32)
    features = 1.5 * rng.standard_normal((len(clean), width), np.float32)
    for start in range(0, len(clean), ROWS):
        here = slice(start, start + ROWS)
        part = share[here, None].astype(np.float32)
        features[here] += (1 - part) * centres[clean[here]] + part * centres[other[here]]
    return features


def measure(
    path: pathlib.Path, size: int, num_classes: int, noise: str, width: int
) -> dict[str, object]:
    """Writes the probabilities to `path` and audits them."""
    rng, prior = np.random.default_rng(0), class_shares(num_classes)
    clean = rng.choice(num_classes, size, p=prior).astype(np.int32)
    probs = np.lib.format.open_memmap(path, "w+", np.float32, (size, num_classes))
    if noise == IMAGE:
        other = rng.choice(num_classes, size, p=prior).astype(np.int32)
        other = np.where(other == clean, (clean + 1) % num_classes, other)
        gap = rng.exponential(GAP, size).astype(np.float32)
        given, share = by_image(rng, probs, clean, prior, other, gap), 1 / (1 + np.exp(gap))
    else:
        given = by_class(rng, probs, clean, prior, noise)
        other, share = clean, np.zeros(size, np.float32)
    probs.flush()
    features = make_features(clean, other, share, width) if width else None
    before, memory = PeakMemory.now(), PeakMemory()
    memory.start()
    probs = np.load(path, mmap_mode="r", allow_pickle=False)
    audit, seconds = timing.once(lambda: audit_labels(probs, given, features=features))
    memory.done.set()
    memory.join()
    most_resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {
        "samples": size,
        "classes": num_classes,
        "noise": noise,
        "features": width,
        "seconds": round(seconds, 1),
        "peak_gb": round(memory.peak, 3),
        "gb_before": round(before, 3),
        "peak_gb_with_pages_of_files": round(most_resident, 3),
        "file_gb": size * num_classes * 4 / 1e9,
        "found": audit.noise,
        "flagged": int(audit.flagged.sum()),
        **metrics.wrong_labels(audit.wrong, given, clean, {}),
    }


def main() -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--k", type=int, default=1_000)
    parser.add_argument("--noise", choices=[*sorted(NOISES), IMAGE], default="t2h")
    parser.add_argument("--features", type=int, default=0, help="numbers of each; 0: none")
    parser.add_argument("--dir", type=pathlib.Path, help="a folder for the probabilities")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        path = pathlib.Path(folder) / "probs.npy"
        measured = measure(path, args.n, args.k, args.noise, args.features)
    print(json.dumps(measured, indent=1))
    result_file.save(args.out, measured)


if __name__ == "__main__":
    main()

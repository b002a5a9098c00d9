"""Measures seconds and memory of an audit whose probabilities hardly fit into memory.

    python -m benchmarks.audit.scale [--n=1000000] [--k=1000] [--noise=t2h] [--features=0]
        [--dir=DIR] [--out=FILE]

Takes about seven minutes on two cores (symmetric: three), and 4 GB below DIR. With --features=384
also ten minutes to find neighbours (faiss), and the memory of three copies of the features.
Writes benchmarks/results/audit/scale_NOISE.json, or scale_features.json, which docs/audit.md
shows.

What it must cost, for N = 1,000,000 and K = 1,000 in float32:
  bytes: the file is 4 N K = 4.0 GB, read twice (checked, judged), four times where noise depends
    on the image: 8 or 16 GB.
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
mixed by the transition, so that they are p(given | x); easy to audit, since what is measured is
time and memory. It is deleted afterwards.
"""

import json
import pathlib
import resource
import tempfile
import threading

import numpy as np

from benchmarks import result_file, timing
from dull_jax.data.longtail import class_counts
from dull_jax.stats import metrics, noise_kinds
from dull_jax.stats.label_audit import audit_labels

NOISES = {
    "t2h": lambda n: noise_kinds.t2h(n, 0.3, 0.6),
    "symmetric": lambda n: noise_kinds.symmetric(n, 0.3),
    "joint": lambda n: noise_kinds.joint(n, 0.3),
}
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


def write_probs(path: pathlib.Path, size: int, num_classes: int, kind: str, seed: int = 0):
    """Writes p(given | x) `[N, K]` to `path`; returns (clean labels, given labels)."""
    rng = np.random.default_rng(seed)
    shape = class_counts("exponential", 1_000_000, 100, num_classes).astype(np.float64)
    prior = shape / shape.sum()
    noise = NOISES[kind](shape)
    table = np.cumsum(noise_kinds.table(noise), axis=1)
    clean = rng.choice(num_classes, size, p=prior).astype(np.int32)
    draws = rng.random(size)
    given = np.array(
        [np.searchsorted(table[k], u) for k, u in zip(clean, draws, strict=True)], np.int32
    ).clip(0, num_classes - 1)
    probs = np.lib.format.open_memmap(path, "w+", np.float32, (size, num_classes))
    log_prior = np.log(prior).astype(np.float32)
    for start in range(0, size, ROWS):
        labels = clean[start : start + ROWS]
        scores = 1.5 * rng.standard_normal((len(labels), num_classes), np.float32) + log_prior
        scores[np.arange(len(labels)), labels] += 10.0
        scores = np.exp(scores - scores.max(1, keepdims=True))
        mixed = noise.forward(noise.sorted(scores / scores.sum(1, keepdims=True)))
        probs[start : start + ROWS] = noise.named(mixed)
    probs.flush()
    return clean, given


def make_features(clean: np.ndarray, width: int, seed: int = 1) -> np.ndarray | None:
    """float32 `[N, width]`: classes overlap, so that neighbours are of several; None of width 0."""
    if not width:
        return None
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((int(clean.max()) + 1, width), np.float32)
    features = 1.5 * rng.standard_normal((len(clean), width), np.float32)
    for start in range(0, len(clean), ROWS):
        features[start : start + ROWS] += centres[clean[start : start + ROWS]]
    return features


def measure(
    path: pathlib.Path, size: int, num_classes: int, noise: str, width: int
) -> dict[str, object]:
    """Writes the probabilities to `path` and audits them."""
    clean, given = write_probs(path, size, num_classes, noise)
    features = make_features(clean, width)
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
    parser.add_argument("--noise", choices=sorted(NOISES), default="t2h")
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

"""Measures seconds, memory and recall of the graph of nearest neighbours, exact and searched.

    python -m benchmarks.speed.neighbours exact [--samples=50000] [--out=FILE]
    python -m benchmarks.speed.neighbours searched [--samples=1000000] [--out=FILE]

Takes two minutes (exact) and up to half an hour (searched) on two busy cores.
Writes benchmarks/results/speed/neighbours_exact.json and neighbours_searched.json beside it.

The rows are made: a random network of two layers maps a class centre and noise, 24 numbers
together, to the features. So they lie near a surface of few dimensions, as embeddings do. (Among
independent normal numbers all distances are alike, and nothing but comparing all pairs finds the
nearest.) Exact: 1,280 features; beside it the products of the same blocks alone, the least that
comparing all pairs can take. CPU seconds are those of all cores together: where other work takes
a part of them, half is what two idle cores would need at best. Searched: 384 features; recall is
the share of the exact nearest among those found, for a sample of the queries. Peak memory is that
of the process, rows included.
"""

import json
import os
import resource
import time
from typing import Any

import jax
import numpy as np

from benchmarks import result_file, timing
from dull_jax.stats import neighbour_graph, neighbour_posterior
from dull_jax.stats.transition import LabelModel

CLASSES, LATENT, HIDDEN, CHUNK = 1000, 24, 256, 50_000
SAMPLE = 1000  # queries whose exact neighbours are sought for the recall
K = neighbour_posterior.NEAREST


def embeddings(size: int, width: int) -> np.ndarray:
    """float32 `[N, C]`, not negative, near a surface of `LATENT` dimensions."""
    rng = np.random.default_rng(0)
    first = rng.standard_normal((LATENT, HIDDEN), np.float32) / LATENT**0.5
    second = rng.standard_normal((HIDDEN, width), np.float32) / HIDDEN**0.5
    centres = rng.standard_normal((CLASSES, LATENT), np.float32)
    rows = np.empty((size, width), np.float32)
    for start in range(0, size, CHUNK):
        part = rows[start : start + CHUNK]
        latent = centres[rng.integers(0, CLASSES, len(part))]
        latent += 0.7 * rng.standard_normal(latent.shape, np.float32)
        noise = 0.1 * rng.standard_normal(part.shape, np.float32)
        part[:] = np.maximum(np.maximum(latent @ first, 0) @ second + noise, 0)
    return rows


def exact(size: int, width: int = 1280) -> dict[str, Any]:
    """Of all pairs, and of their products alone."""
    features = embeddings(size, width)
    began = time.process_time()
    graph, seconds = timing.once(lambda: neighbour_graph.nearest(features, K))
    cpu_seconds = time.process_time() - began
    _, products = timing.once(lambda: multiply_all(features))
    return {
        "samples": size,
        "features": width,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "seconds_of_em": round(em_seconds(graph), 2),
        "seconds_of_products": round(products, 1),
        "gflops_of_products": round(2e-9 * size**2 * width / products),
        "peak_gb": peak_gb(),
    }


def em_seconds(graph: neighbour_graph.Graph, classes: int = 100) -> float:
    """Of EM on the graph, which is what an epoch costs whose features have not changed."""
    size = len(graph.indices)
    given = np.random.default_rng(0).integers(0, classes, size).astype(np.int32)
    table = np.full((classes, classes), 0.3 / classes, np.float32) + 0.7 * np.eye(classes)
    model = LabelModel(np.float32(table), np.full(classes, 1 / classes, np.float32))

    def estimate() -> None:
        jax.block_until_ready(
            neighbour_posterior.estimate(graph.indices.T, graph.cosine.T, given, model)
        )

    return timing.best(estimate, repetitions=2)


def multiply_all(features: np.ndarray) -> None:
    """The products of `neighbour_graph.nearest`, block by block; nothing is selected."""
    unit = neighbour_graph.unit_rows(features)
    for block in neighbour_graph.cosines(unit, np.arange(len(unit))):
        block.block_until_ready()


def searched(size: int, width: int = 384) -> dict[str, Any]:
    """Of a set with too many pairs to compare them all; recall against comparing them."""
    features = embeddings(size, width)
    asked = np.random.default_rng(1).choice(size, min(size, SAMPLE), replace=False)
    sample = neighbour_graph.nearest(features, K, asked)
    graph, seconds = timing.once(lambda: neighbour_graph.nearest(features, K))
    pairs = list(zip(sample.indices, graph.indices[asked], strict=True))
    return {
        "samples": size,
        "features": width,
        "is_searched": neighbour_graph.is_searched(size, size),
        "seconds": round(seconds, 1),
        f"recall_at_{K}": round(recall(pairs, K), 4),
        "recall_at_10": round(recall(pairs, 10), 4),
        "peak_gb": peak_gb(),
    }


def recall(pairs: list[tuple[np.ndarray, np.ndarray]], first: int) -> float:
    """Share of the exact `first` nearest that are anywhere among those found."""
    return float(np.mean([np.isin(exact[:first], found).mean() for exact, found in pairs]))


def peak_gb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)


def main() -> None:
    parts = {"exact": (exact, 50_000), "searched": (searched, 1_000_000)}
    parser = result_file.parser(__doc__)
    parser.add_argument("part", choices=parts)
    parser.add_argument("--samples", type=int)
    args = parser.parse_args()
    measure, samples = parts[args.part]
    load = round(os.getloadavg()[0], 1)
    measured = {"load_before": load, "neighbours": K} | measure(args.samples or samples)
    print(json.dumps(measured, indent=1))
    result_file.save(args.out, measured)


if __name__ == "__main__":
    main()

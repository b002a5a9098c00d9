"""A data set that small networks learn in seconds."""

import numpy as np

from dull_jax.data import sources


def make_source(counts, size=8, seed=0, test_each=4):
    """A data set that can be learnt: each class a random pattern, plus noise."""
    rng = np.random.default_rng(seed)
    patterns = rng.integers(0, 256, (len(counts), size, size, 1))

    def split(name, numbers):
        labels = np.repeat(np.arange(len(counts)), numbers).astype(np.int32)
        images = patterns[labels] + rng.normal(0, 40, (len(labels), size, size, 1))
        ids = np.array([f"{name}_{i:05d}" for i in range(len(labels))])
        return sources.Split(np.clip(images, 0, 255).astype(np.uint8), labels, ids)

    names = tuple(f"class {k}" for k in range(len(counts)))
    return sources.Source("toy", names, split("train", counts), split("test", test_each), True)


def make_vectors(counts, views=2, size=12, seed=0, test_each=4):
    """The same of vectors `[N, V, D]`: each class a random centre; the test part has one view."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 1, (len(counts), size))

    def split(name, numbers, views):
        labels = np.repeat(np.arange(len(counts)), numbers).astype(np.int32)
        plain = centres[labels] + rng.normal(0, 0.6, (len(labels), size))
        vectors = plain[:, None] + rng.normal(0, 0.1, (len(labels), views, size))
        ids = np.array([f"{name}_{i:05d}" for i in range(len(labels))])
        return sources.Split(vectors.astype(np.float16), labels, ids)

    names = tuple(f"class {k}" for k in range(len(counts)))
    train, test = split("train", counts, views), split("test", test_each, 1)
    return sources.Source("toy", names, train, test, True)

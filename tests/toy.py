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

"""Every test runs on the CPU, and compiled programs are kept between runs."""

import os
import pathlib
import tempfile

os.environ.setdefault("JAX_PLATFORMS", "cpu")
cache = pathlib.Path(tempfile.gettempdir()) / f"dull_jax_test_cache_{os.getuid()}"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")


import numpy as np  # noqa: E402
import pytest  # noqa: E402


@pytest.fixture
def small_recipe():
    """The digits recipe, shrunk in place: `small_recipe(method, epochs=4, …)`; seconds to train."""
    from configs import digits_t2h

    def make(method="ce", **fields):
        config = digits_t2h.get_config(f"method={method}")
        config.compare = ()
        config.model.width = 8
        config.train.epochs, config.train.batch_size = 4, 64
        config.train.eval_every = config.train.checkpoint_every = 2
        config.train.view = "weak"  # the strong one takes seconds to compile
        config.dull.warmup = 0.5
        config.update_from_flattened_dict(fields)
        return config

    return make


def make_source(counts, size=8, seed=0, test_each=4):
    """A data set that can be learnt: each class a random pattern, plus noise."""
    from dull_jax.data import sources

    rng = np.random.default_rng(seed)
    patterns = rng.integers(0, 256, (len(counts), size, size, 1))

    def split(name, numbers):
        labels = np.repeat(np.arange(len(counts)), numbers).astype(np.int32)
        images = patterns[labels] + rng.normal(0, 40, (len(labels), size, size, 1))
        ids = np.array([f"{name}_{i:05d}" for i in range(len(labels))])
        return sources.Split(np.clip(images, 0, 255).astype(np.uint8), labels, ids)

    names = tuple(f"class {k}" for k in range(len(counts)))
    return sources.Source("toy", names, split("train", counts), split("test", test_each))


@pytest.fixture
def toy_source(monkeypatch):
    """Makes every recipe train on a toy data set with these class counts: `toy_source([9, 3])`."""
    from dull_jax.data import sources

    def install(counts, **options):
        source = make_source(counts, **options)
        monkeypatch.setattr(sources, "load", lambda name, data_dir="": source)
        return source

    return install

"""Requests that cannot end well are refused before work begins; all others are not."""

import time

import numpy as np
import pytest

from dull_jax import memory
from dull_jax.data import dataset as data
from dull_jax.errors import UserError
from dull_jax.train import feasible, parallel


@pytest.fixture
def case(small_recipe, toy_source):
    """(recipe, its data set, one device) of 70 images of 8 x 8."""
    toy_source([40, 20, 10])

    def make(**fields):
        known = {"data.profile": "none", "noise.name": "none", "train.batch_size": 16}
        config = small_recipe("ce", **known | fields)
        return config, data.build(config), parallel.Devices(1)

    return make


def test_a_batch_many_times_the_data(case):
    feasible.check(*case(**{"train.batch_size": 700}))
    with pytest.raises(UserError, match="batch_size = 701 is more than 10 times the 70 train"):
        feasible.check(*case(**{"train.batch_size": 701}))


def test_what_a_step_needs_is_counted(case):
    config, dataset, _ = case(**{"optim.ema": 0.9})
    height, width, channels = dataset.train.images.shape[1:]
    found = feasible.least(config, dataset, devices=2)
    assert found.images == 8 * height * width * channels * 4
    # The first convolution keeps height and width, and has `model.width` channels.
    assert found.activations == 8 * height * width * config.model.width * 4
    assert found.state % (4 * 4) == 0  # weights, gradients, momentum, average; float32
    assert found.resident == dataset.train.images.nbytes + dataset.test.images.nbytes
    assert found.total == sum(found)


def test_memory_that_is_not_there(case, monkeypatch):
    monkeypatch.setattr(memory, "free", lambda: 10_000)
    with pytest.raises(UserError, match=r"needs .* of memory or more .*lower config\.train") as no:
        feasible.check(*case())
    assert "\n" not in str(no.value)


def test_a_step_of_a_hundred_gigabytes_is_refused_at_once(case, monkeypatch):
    """Nothing is computed or compiled for it."""
    config, dataset, devices = case(**{"model.name": "resnet50", "model.width": 0})
    config.train.batch_size = 700
    wide = np.broadcast_to(np.uint8(0), (70, 1024, 1024, 3))
    dataset.train.__dict__["images"] = wide  # frozen, and a view of one byte
    monkeypatch.setattr(memory, "free", lambda: 24 * 10**9)
    began = time.monotonic()
    with pytest.raises(UserError, match="a step needs"):
        feasible.check(config, dataset, devices)
    assert time.monotonic() - began < 10


def test_memory_of_this_machine():
    assert 10**6 < memory.free() <= memory.UNKNOWN
    assert memory.shown(1_500_000_000) == "1.5 GB"

"""A shared bound on memory: never passed, always given back."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dull_jax.data.own.byte_budget import ByteBudget


def test_never_more_than_the_bound_is_held():
    budget, lock, held, most = ByteBudget(100), threading.Lock(), [0], [0]

    def act(size):
        with budget.held(size):
            with lock:
                held[0] += size
                most[0] = max(most[0], held[0])
            with lock:
                held[0] -= size

    sizes = [random.Random(n).choice([1, 10, 60, 100]) for n in range(2000)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(act, sizes))
    assert 60 <= most[0] <= 100


def test_what_can_never_be_had_is_refused_and_an_error_gives_back():
    budget = ByteBudget(100)
    with pytest.raises(ValueError, match="101 bytes of 100"), budget.held(101):
        pass
    with pytest.raises(KeyError), budget.held(100):
        raise KeyError
    with budget.held(100):
        pass

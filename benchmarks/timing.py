"""Seconds of a function: once, the best of several repetitions, or the median in turn with others.

A function returns when its work is done: whoever times JAX blocks until the result is ready.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple


class Timed(NamedTuple):
    value: Any  # what the function returned
    seconds: float


def once(function: Callable[[], Any]) -> Timed:
    """One call, compilation and cold caches included."""
    began = time.perf_counter()
    value = function()
    return Timed(value, time.perf_counter() - began)


def best(function: Callable[[], Any], repetitions: int, warm_up: int = 1) -> float:
    """The least seconds of a call: whatever else the machine does can only add to them."""
    for _ in range(warm_up):
        function()
    return min(once(function).seconds for _ in range(repetitions))


def medians_in_turn(*functions: Callable[[], Any], rounds: int = 5) -> list[float]:
    """Median seconds of each function after one call of each to warm up.

    They run in turn, so that a machine whose speed drifts does so for all of them.
    """
    for function in functions:
        function()
    times = [[once(function).seconds for function in functions] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*times, strict=True)]

"""The pieces that methods are made of, and the rule by which a file of `methods/` is a method."""

import pathlib

import numpy as np
from co_training import train_set
from test_every_method import recipe

from dull_jax import methods
from dull_jax.methods import base, ce


def test_the_ordinary_phase_is_all_of_the_train_set_once():
    method = ce.Method(recipe("ce"), None, train_set(5))
    train, columns = method.config.train, {"target": np.zeros((5, 2))}
    phase = base.whole_set_phase(method, "ce")
    assert (phase.loss, phase.network, dict(phase.constants), phase.frozen) == ("ce", 0, {}, ())
    (stream,) = phase.streams.values()
    assert stream.indices.tolist() == [0, 1, 2, 3, 4] and not stream.columns
    assert (stream.views, stream.batch_size) == ((train.view,), train.batch_size)
    phase = base.whole_set_phase(
        method, "x", 1, views=("a", "b"), columns=columns, constants={"c": 1}, frozen=("head",)
    )
    assert phase.network == 1 and phase.constants == {"c": 1} and phase.frozen == ("head",)
    assert phase.streams["main"].views == ("a", "b")
    assert phase.streams["main"].columns is columns


def test_a_method_is_a_file_with_a_title_and_no_helper_has_one():
    folder = pathlib.Path(methods.__path__[0])
    with_a_method = [p.stem for p in folder.glob("*.py") if "\nclass Method(" in p.read_text()]
    assert sorted(with_a_method) == list(methods.names())
    for name in methods.names():
        module = methods.module(name)
        assert issubclass(module.Method, base.Method) and isinstance(module.COST, base.Cost)

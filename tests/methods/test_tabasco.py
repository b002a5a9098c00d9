"""TABASCO: what its split is asked of, and what is made of the answer."""

import numpy as np
from co_training import Recorder, softmax64, train_set
from test_every_method import recipe

from dull_jax.methods import tabasco
from dull_jax.stats import tabasco_split


def method_of(size, classes=2):
    return tabasco.Method(recipe("tabasco"), None, train_set(size, classes))


def test_the_heap_decides_and_dimensions_are_logged(monkeypatch):
    """The posterior of a heap may be below 1/2: the sample is labelled all the same."""
    method, asked = method_of(4, classes=3), []
    answer = tabasco_split.Split(
        clean=np.array([True, False, True, False]),
        probability=np.array([0.3, 0.8, 0.9, 0.1], np.float32),
        dimension=np.array([tabasco_split.WJSD, tabasco_split.ACD_LOW, tabasco_split.WJSD]),
        wjsd=None,
        acd=None,
    )
    monkeypatch.setattr(tabasco_split, "split", lambda *a: asked.append(a) or answer)
    rng = np.random.default_rng(0)
    seen = {
        "logits": 50 * rng.normal(size=(4, 3)).astype(np.float32),
        "features": rng.random((4, 5)),
    }
    run = Recorder(2, method.init_memory(), seen)
    split = method.split(run, 1)
    assert split.clean is answer.clean and split.probability is answer.probability
    assert run.logged == {"split/classes_by_wjsd_1": 2 / 3}
    ((probs, features, given, classes),) = asked
    assert probs.dtype == np.float64, "small probabilities are divided by"
    np.testing.assert_allclose(probs, softmax64(seen["logits"]), rtol=1e-12)
    assert features is seen["features"] and given is method.train.given and classes == 3


def test_planted_wrong_labels_are_not_labelled():
    """In a class that the predictions and the features agree on, both dimensions see them."""
    method, rng = method_of(90, classes=3), np.random.default_rng(0)
    given = method.train.given
    true = np.where(np.arange(90) % 10 == 0, (given + 1) % 3, given)
    near = np.eye(3)[true]
    seen = {
        "logits": 4 * near + 0.3 * rng.normal(size=(90, 3)),
        "features": np.maximum(near + 0.1 * rng.normal(size=(90, 3)), 0),
    }
    split = method.split(Recorder(2, method.init_memory(), seen), 0)
    np.testing.assert_array_equal(split.clean, true == given)


def test_it_trains_as_dividemix_does():
    method = method_of(8)
    assert set(method.losses) == {"warmup", "mixmatch"}
    run = Recorder(tabasco.semisup.warmup_epochs(method.config), method.init_memory())
    method.split = lambda run, n: tabasco.semisup.Split(np.arange(8) > n, np.ones(8, np.float32))
    first, second = method.epoch(run)
    assert first.loss == second.loss == "mixmatch" and first.constants == second.constants
    assert first.streams["unlabelled"].indices.tolist() == [0, 1], "network 1 doubted two"

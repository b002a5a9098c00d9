"""DivideMix: the heap of small losses, averaged over splits, and the penalty of the warm-up."""

import jax.numpy as jnp
import numpy as np
import pytest
from co_training import B, Recorder, batch, built, cross_entropy64, on_one_device, train_set
from sklearn.mixture import GaussianMixture
from test_every_method import recipe

from dull_jax.methods import dividemix


def method_of(size, classes=2, **fields):
    return dividemix.Method(recipe("dividemix", **fields), None, train_set(size, classes))


def test_given_label_loss_and_entropy():
    rng = np.random.default_rng(0)
    logits, given = 30 * rng.normal(size=(6, 4)), rng.integers(0, 4, 6)
    probs = np.exp(logits - logits.max(1)[:, None])
    probs /= probs.sum(1)[:, None]
    expected = [-np.log(probs[i, given[i]]) for i in range(6)]
    # Near 0 the logarithm of a rounded probability keeps few digits: there 1e-14 is enough.
    loss = dividemix.given_label_loss(logits, given)
    np.testing.assert_allclose(loss, expected, rtol=1e-9, atol=1e-14)
    expected = [-sum(p * np.log(p) for p in row if p > 0) for row in probs]
    np.testing.assert_allclose(dividemix.entropy(jnp.asarray(logits)), expected, atol=1e-4)


@pytest.mark.parametrize("penalty", [False, True])
def test_the_warm_up_may_be_fined_for_confidence(penalty):
    method, net = built(dividemix, **{"dividemix.penalty": penalty})
    examples = batch((method.config.train.view,), streams=("main",))

    def step(net, batch):
        logits = method.network.apply(
            {"params": net.params, "batch_stats": net.batch_stats},
            batch["main"].views[method.config.train.view],
            train=True,
            mutable=["batch_stats"],
        )[0]["logits"]
        total, aux = method.losses["warmup"](net.params, net, (), batch, {}, None)
        return total, aux.per_example, logits

    total, losses, logits = on_one_device(step, net, examples)
    expected = cross_entropy64(logits, np.arange(B) % 2)
    expected -= penalty * np.asarray(dividemix.entropy(jnp.asarray(logits)))
    np.testing.assert_allclose(losses, expected, rtol=1e-4, atol=1e-5)
    assert total == pytest.approx(expected.mean(), rel=1e-4)


def test_losses_are_averaged_over_splits():
    method = method_of(40, **{"dividemix.history": 3})
    rng, memory, seen = np.random.default_rng(0), method.init_memory(), []
    for epoch in range(5):
        logits = rng.normal(size=(40, 2))
        loss = dividemix.given_label_loss(logits, method.train.given)
        seen.append((loss - loss.min()) / (loss.max() - loss.min()))
        method.split(Recorder(epoch, memory, {"logits": logits}), 1)
        kept = seen[-3:][::-1]
        np.testing.assert_allclose(memory["history"][1][: len(kept)], kept, atol=1e-6)
        assert memory["splits"].tolist() == [0, epoch + 1]
    assert not memory["history"][0].any(), "the other network's"


def test_one_mixture_serves_all_classes():
    """The posterior is scikit-learn's on all losses: a class that is hard as a whole is doubted."""
    method = method_of(120, classes=3)
    rng = np.random.default_rng(1)
    margin = np.where(method.train.given == 2, -2.0, 3.0) + 0.3 * rng.normal(size=120)
    logits = margin[:, None] * np.eye(3)[method.train.given]
    split = method.split(Recorder(2, method.init_memory(), {"logits": logits}), 0)
    np.testing.assert_array_equal(split.clean, method.train.given != 2)

    loss = cross_entropy64(logits, method.train.given)
    unit = (loss - loss.min()) / (loss.max() - loss.min())
    fitted = GaussianMixture(2, reg_covar=5e-4, max_iter=200, tol=1e-7, random_state=0)
    posterior = fitted.fit(unit[:, None]).predict_proba(unit[:, None])
    expected = posterior[:, fitted.means_.argmin()]
    np.testing.assert_allclose(split.probability, expected, atol=1e-3)

"""SFA: centroids that persist over epochs, centres drawn from them, the two losses of warm-up."""

import jax.numpy as jnp
import numpy as np
import pytest
from co_training import B, Recorder, batch, built, cross_entropy64, on_one_device

from dull_jax.methods import sfa


def observed(method, epoch, far=()):
    """Features around a centre each class, but for those `far` which lie at another class's."""
    rng, given = np.random.default_rng(epoch), method.train.given
    size, channels = len(given), method.network.num_features
    lies_at = np.array(given)
    lies_at[list(far)] = 1 - lies_at[list(far)]
    features = np.eye(channels)[lies_at] + 0.05 * rng.normal(size=(size, channels))
    return {"balanced_logits": rng.normal(size=(size, 2)).astype(np.float32), "features": features}


def centroids64(seen, given, epoch, phi):
    """Means of the confident samples' centred unit features, class by class; all if none is."""
    centred = seen["features"] - seen["features"].mean(0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    probs = np.exp(np.float64(seen["balanced_logits"]))
    own = probs[np.arange(len(given)), given] / probs.sum(1)
    means = []
    for label in (0, 1):
        confident = (given == label) & (own > phi**epoch / 2)
        means.append(unit[confident if confident.any() else given == label].mean(0))
    return np.array(means)


@pytest.mark.parametrize("persist", [True, False], ids=["paper", "released code"])
def test_moments_of_the_centroids_over_epochs(persist):
    method, _ = built(sfa, **{"sfa.ema_persist": persist, "sfa.beta": 0.8, "sfa.phi": 1.1})
    memory, first, second = method.init_memory(), None, None
    for epoch in (2, 3, 4):
        seen = observed(method, epoch)
        method.split(Recorder(epoch, memory, seen), 1)
        fresh = centroids64(seen, method.train.given, epoch, 1.1)
        kept = 0.8 if persist else 0.0
        first = fresh if first is None else kept * first + 0.2 * fresh
        second = fresh**2 if second is None else kept * second + 0.2 * fresh**2
        np.testing.assert_allclose(memory["first"][1], first, atol=1e-5)
        np.testing.assert_allclose(memory["second"][1], second, atol=1e-5)
    assert memory["epochs"].tolist() == [0, 3]
    assert not memory["first"][0].any(), "the other network's"


def test_what_lies_at_another_class_is_not_labelled():
    method, _ = built(sfa)
    wrong = [0, 3]
    run = Recorder(2, method.init_memory(), observed(method, 2, far=wrong))
    split = method.split(run, 0)
    assert np.flatnonzero(~split.clean).tolist() == wrong
    assert 0 <= run.logged["split/confident_0"] <= 1


def test_centres_are_drawn_where_confident_samples_are_many():
    """From the run's generator, so that a run that goes on draws the same."""

    def probability(sample_above, epoch_seed):
        method, _ = built(sfa, **{"sfa.sample_above": sample_above, "sfa.phi": 0.5})
        memory = method.init_memory()
        for epoch in (2, 3):  # after one epoch the variance is zero
            run = Recorder(epoch, memory, observed(method, 10 * epoch))
            run.rng = np.random.default_rng(epoch_seed)
            split = method.split(run, 0)
        return split.probability.tolist()

    assert probability(0, 1) == probability(0, 1) != probability(0, 2)
    assert probability(100, 1) == probability(100, 2)


def test_the_warm_up_trains_both_classifiers_by_the_given_counts():
    method, net = built(sfa)
    view = method.config.train.view
    (phase, _) = method.epoch(Recorder(0, method.init_memory()))
    np.testing.assert_allclose(phase.constants["log_prior"], np.log([0.5, 0.5]), rtol=1e-6)
    log_prior = np.log(np.array([0.8, 0.2], np.float32))

    def step(net, batch, log_prior):
        variables = {"params": net.params, "batch_stats": net.batch_stats}
        images = batch["main"].views[view]
        outputs, _ = method.network.apply(variables, images, train=True, mutable=["batch_stats"])
        constants = {"log_prior": log_prior}
        total, aux = method.losses["warmup"](net.params, net, (), batch, constants, None)
        return total, aux.per_example, outputs["logits"], outputs["balanced_logits"]

    examples = batch((view,), streams=("main",))
    total, losses, logits, balanced = on_one_device(step, net, examples, jnp.asarray(log_prior))
    given = np.arange(B) % 2
    plain, raised = cross_entropy64(logits, given), cross_entropy64(balanced + log_prior, given)
    np.testing.assert_allclose(losses, plain, rtol=1e-4)
    assert total == pytest.approx((plain + raised).mean(), rel=1e-4)


def test_the_balanced_classifier_learns_with_the_prior_of_the_labelled():
    method, _ = built(sfa)
    split = sfa.semisup.Split(np.array([1, 1, 1, 0, 1, 0, 0, 0], bool), np.ones(8, np.float32))
    phase = method.training_phase(Recorder(3), 1, split)
    assert phase.loss == "sfa" and phase.network == 1
    np.testing.assert_allclose(np.exp(phase.constants["log_prior"]), [0.75, 0.25], rtol=1e-5)

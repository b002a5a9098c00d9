"""DaSC: banks, the third view's guesses, and which samples the contrastive losses take."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from co_training import B, Recorder, batch, built, net_of, on_one_device, softmax64

from dull_jax.methods import dasc, semisup

VIEWS = ("weak", "weak2", dasc.WEAK)


def test_banks_change_owners_and_the_released_weights_go_by_position():
    method, _ = built(dasc)
    assert method.exchange(("bank of 0", "bank of 1")) == ("bank of 1", "bank of 0")
    probability = np.linspace(0.2, 0.9, 8).astype(np.float32)
    split = semisup.Split(probability > 0.5, probability)
    aligned = method.training_phase(Recorder(3), 0, split).streams["labelled"]
    assert aligned.views == VIEWS
    np.testing.assert_array_equal(aligned.columns["trust"], probability)
    method.config.dasc.weights = "released"
    released = method.training_phase(Recorder(3), 0, split).streams["labelled"]
    trust = released.columns["trust"][released.indices]
    np.testing.assert_array_equal(trust, probability[: len(trust)])


def test_the_contrast_of_the_warm_up_begins_at_its_epoch():
    method, _ = built(dasc, **{"dasc.sbcl_from": 0.5, "semisup.warmup": 0.02, "train.epochs": 100})
    for epoch, contrast in ((0, 0.0), (1, 1.0)):
        for phase in method.epoch(Recorder(epoch, method.init_memory())):
            assert phase.constants["contrast"] == contrast
            assert phase.streams["main"].views == VIEWS[:2]


@pytest.mark.parametrize(
    ("view", "views"), [("recipe", ("strong", "strong2")), ("weak", ("weak", "weak2"))]
)
def test_the_warm_up_has_the_views_of_the_recipe_or_of_the_released_code(view, views):
    method, _ = built(dasc, **{"train.view": "strong", "dasc.warmup_view": view})
    for phase in method.epoch(Recorder(0, method.init_memory())):
        assert phase.streams["main"].views == views


@pytest.mark.parametrize("contrast", [0.0, 1.0])
def test_the_warm_up_leaves_projector_and_bank_alone_until_then(contrast):
    method, net = built(dasc)
    constants = {"log_prior": jnp.zeros(2), "contrast": jnp.float32(contrast)}

    def step(net, batch):
        loss = method.losses["warmup"]
        gradients, aux = jax.grad(loss, has_aux=True)(net.params, net, (), batch, constants, None)
        return gradients, aux.extra

    examples = batch(VIEWS[:2], streams=("main",))
    gradients, extra = on_one_device(step, net, examples)
    paths = jax.tree_util.tree_leaves_with_path(gradients)
    steep = {jax.tree_util.keystr(path) for path, leaf in paths if np.any(leaf)}
    assert any("['projector']" in path for path in steep) == bool(contrast)
    assert any("prototype_projector" in path for path in steep) == bool(contrast)
    assert extra["count"] == contrast * B
    assert np.count_nonzero(extra["bank"].any(1)) == contrast * B


def outputs64(method, net, images):
    variables = {"params": net.params, "batch_stats": net.batch_stats}
    return method.network.apply(variables, images, train=False)


def test_targets_are_guessed_on_the_weak_view_by_both_networks():
    """Labelled: both classifiers, blended with the label; unlabelled: the conventional one's.

    Batch normalisation sees either stream by itself.
    """
    method, own = built(dasc, **{"semisup.temperature": 0.5})
    peer, examples = net_of(method, seed=5), batch(VIEWS)

    def step(own, peer, batch):
        seen = {}
        for name, side in batch.items():
            weak = side.views[dasc.WEAK]
            mine = semisup.own_outputs(method.network, own.params, own, weak)[0]
            seen[name] = mine, semisup.peer_outputs(method.network, peer, weak)
        return method._targets(own.params, own, peer, batch), seen

    (target_x, target_u), seen = on_one_device(step, own, peer, examples)

    def mean(side, classifier):
        return sum(softmax64(outputs[classifier]) for outputs in seen[side]) / 2

    guess = (mean("labelled", "logits") + mean("labelled", "balanced_logits")) / 2
    blended = (0.5 * np.eye(2)[np.arange(B) % 2] + 0.5 * guess) ** 2  # trust 0.5
    np.testing.assert_allclose(target_x, blended / blended.sum(1, keepdims=True), rtol=1e-4)
    sharp = mean("unlabelled", "logits") ** 2
    np.testing.assert_allclose(target_u, sharp / sharp.sum(1, keepdims=True), rtol=1e-4)


@pytest.mark.parametrize("confidence", [0.0, 1.1], ids=["all confident", "none"])
def test_a_step_divides_samples_between_sbcl_and_midl_and_fills_the_bank(confidence):
    """What takes no part has no weight: its coefficient does not change the gradient."""
    fields = {"dasc.confidence": confidence, "dasc.bank": 64}
    constants = {"lambda_u": jnp.float32(1), "log_prior": jnp.zeros(2)}

    def gradients(**weights):
        method, net = built(dasc, **fields, **{f"dasc.{k}": w for k, w in weights.items()})
        shape = net.extra["bank"].shape
        bank = jax.random.normal(jax.random.key(7), shape)  # MIDL needs somebody to tell apart
        net = net.replace(extra={"bank": bank, "count": jnp.int32(shape[0])})

        def step(net, batch, key):
            loss = method.losses["dasc"]
            return jax.grad(loss, has_aux=True)(net.params, net, (net,), batch, constants, key)

        tree, aux = on_one_device(step, net, batch(VIEWS), jax.random.key(3))
        assert aux.extra["count"] == 64 + 2 * B, "the second view of either stream"
        np.testing.assert_allclose(aux.metrics["confident"][0], 4 * B * (confidence < 1))
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])

    both, idle = gradients(sbcl=0.5, midl=0.3), ("midl", "sbcl")[confidence > 1]
    busy = ("midl", "sbcl")[confidence < 1]
    without_idle = gradients(**{"sbcl": 0.5, "midl": 0.3, idle: 0.0})
    without_busy = gradients(**{"sbcl": 0.5, "midl": 0.3, busy: 0.0})
    np.testing.assert_allclose(without_idle, both, atol=1e-6)
    assert np.abs(without_busy - both).max() > 1e-4


def test_what_looks_like_another_class_is_not_labelled():
    """Centroids come from predictions, not from given labels: a wrong label does not bend them."""
    method, _ = built(dasc)
    given = method.train.given
    true = np.where(np.arange(8) < 2, 1 - given, given)
    logits, near = 6 * np.eye(2)[true], np.eye(4)[true] + 0.01 * np.arange(32).reshape(8, 4) / 32
    seen = {"logits": logits, "balanced_logits": logits, "projection": near}
    split = method.split(Recorder(2, method.init_memory(), seen), 0)
    np.testing.assert_array_equal(split.clean, true == given)


def test_rows_of_the_global_batch():
    assert on_one_device(lambda _: dasc.global_rows(3), np.zeros(1)).tolist() == list(range(6))

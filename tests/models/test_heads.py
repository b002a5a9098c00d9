"""Heads, and the channel-class matrix against float64 NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dull_jax.models import heads


def feature_map(channels=6, seed=0):
    return jax.random.uniform(jax.random.key(seed), (5, 3, 2, channels))


def run(head, maps):
    def forward(head, maps):
        z = head.embed(maps)
        return z, head(z)

    variables = head.init(jax.random.key(1), maps, method=forward)
    return variables["params"], *head.apply(variables, maps, method=forward)


def test_linear_head_averages_and_classifies():
    maps = feature_map()
    params, z, outputs = run(heads.LinearHead(6, 4), maps)
    maps, kernel = np.asarray(maps, np.float64), np.asarray(params["classifier"]["kernel"])
    np.testing.assert_allclose(z, maps.mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(outputs["logits"], maps.mean((1, 2)) @ kernel, atol=1e-5)


def test_balanced_head_has_two_classifiers_of_its_own():
    params, z, outputs = run(heads.BalancedHead(6, 4), feature_map())
    assert set(outputs) == {"logits", "balanced_logits"}
    kernel = params["balanced_classifier"]["kernel"]
    np.testing.assert_allclose(outputs["balanced_logits"], z @ kernel, atol=1e-5)
    assert not np.allclose(outputs["logits"], outputs["balanced_logits"])


@pytest.mark.parametrize(("num_classes", "width"), [(2, 8), (3, 9), (2, 6)])
def test_disentangled_head_gives_every_class_its_channels(num_classes, width):
    per_class = width // num_classes
    head = heads.DisentangledHead(6, num_classes, per_class)
    maps = feature_map()
    params, z, outputs = run(head, maps)
    assert z.shape == (5, head.num_features) == (5, width)
    assert params["gate"].shape == (width, num_classes)
    assert (params["gate"] == 0.5).all() and (z >= 0).all()
    assert outputs["logits"].shape == (5, num_classes)
    assert ("expansion" in params) == (width > 6)
    if width > 6:
        dense = np.asarray(maps, np.float64) @ np.asarray(params["expansion"]["kernel"])
        np.testing.assert_allclose(z, np.maximum(dense, 0).mean((1, 2)), atol=1e-5)


@pytest.mark.parametrize("per_class", [1, 4])
def test_expanded_head_is_the_disentangled_one_without_its_gate(per_class):
    maps = feature_map()
    params, z, outputs = run(heads.ExpandedHead(6, 3, per_class), maps)
    other, *same = run(heads.DisentangledHead(6, 3, per_class), maps)
    assert set(params) == set(other) - {"gate"} and ("expansion" in params) == (per_class == 4)
    np.testing.assert_array_equal(z, same[0])
    np.testing.assert_array_equal(outputs["logits"], same[1]["logits"])


def test_first_gradient_of_the_gate_differs_between_channels_and_classes():
    head = heads.DisentangledHead(6, 3, 2)
    params, z, _ = run(head, feature_map())
    target = jax.nn.one_hot(jnp.array([0, 1, 2, 0, 1]), 3)

    def loss(gate):
        gated = z * heads.gate_for(gate, target)
        logits = head.apply({"params": params}, gated, method="classify")
        return -jnp.sum(target * jax.nn.log_softmax(logits))

    gradient = np.asarray(jax.grad(loss)(params["gate"]))
    assert len(np.unique(gradient)) == gradient.size


def test_unit_rows_have_length_one_and_a_finite_gradient_at_zero():
    z = jnp.concatenate([jax.random.uniform(jax.random.key(0), (3, 6)), jnp.zeros((1, 6))])
    np.testing.assert_allclose(jnp.linalg.norm(heads.unit_rows(z), axis=-1)[:3], 1, rtol=1e-4)
    gradient = jax.grad(lambda z: (heads.unit_rows(z) ** 2).sum())(z)
    assert jnp.isfinite(gradient).all()


def test_cosine_logits_do_not_depend_on_lengths():
    head = heads.CosineHead(6, 4)
    z = jax.random.uniform(jax.random.key(0), (3, 6))
    variables = head.init(jax.random.key(1), z)
    logits = head.apply(variables, z)["logits"]
    longer = jax.tree.map(lambda w: 7 * w, variables)
    np.testing.assert_allclose(head.apply(longer, 5 * z)["logits"], logits, rtol=1e-4)
    assert float(jnp.abs(logits).max()) <= 1


def test_project_gate_restores_a_maximum_of_one():
    gate = np.array([[0.2, 0.4, -0.1], [2.0, 1.0, 0.5], [-3.0, -1.0, -2.0], [0.0, 0.0, 0.0]])
    expected = np.array([[0.5, 1.0, 0.0], [1.0, 0.5, 0.25], [0, 0, 0], [0, 0, 0]])
    projected = heads.project_gate(jnp.asarray(gate, jnp.float32))
    np.testing.assert_allclose(projected, expected, rtol=1e-6)
    np.testing.assert_allclose(heads.project_gate(projected), projected)


def test_sinkhorn_gate_fills_the_quota_where_softmax_would_not():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(30, 5)) + np.array([3.0, 1.0, 0, 0, -1.0])
    expected = np.exp(scores)
    for _ in range(2000):
        expected *= 6 / expected.sum(0)
        expected /= expected.sum(1, keepdims=True)
    gate = heads.sinkhorn_gate(jnp.asarray(scores, jnp.float32), 6.0, iterations=200)
    np.testing.assert_allclose(gate, expected, atol=1e-5)
    np.testing.assert_allclose(gate.sum(0), np.full(5, 6.0), rtol=1e-4)
    np.testing.assert_allclose(gate.sum(1), np.ones(30), rtol=1e-5)


def test_sinkhorn_quota_is_known_up_to_a_factor():
    scores = jax.random.normal(jax.random.key(0), (12, 3))
    gate = heads.sinkhorn_gate(scores, jnp.array([1.0, 2.0, 3.0]), iterations=100)
    np.testing.assert_allclose(gate.sum(0), [2, 4, 6], rtol=1e-4)


def test_gate_for_mixes_columns_by_the_target():
    rng = np.random.default_rng(0)
    gate, target = rng.random((7, 3)), rng.dirichlet(np.ones(3), size=4)
    expected = np.stack([sum(t[k] * gate[:, k] for k in range(3)) for t in target])
    np.testing.assert_allclose(heads.gate_for(jnp.asarray(gate), target), expected, rtol=1e-5)


def test_specificity_and_ownership():
    gate = jnp.array([[1.0, 0, 0], [0, 1.0, 0], [0.5, 0.5, 0.5], [0.0, 1.0, 1.0]])
    expected = (1 + 1 + 1 / 3 + 1 / 2) / 4
    assert float(heads.class_specificity(gate)) == pytest.approx(expected)
    owned = heads.channels_owned(gate)
    np.testing.assert_allclose(owned, [1 + 1 / 3, 1 + 1 / 3 + 1 / 2, 1 / 3 + 1 / 2], rtol=1e-6)
    assert float(heads.class_specificity(jnp.zeros((2, 3)))) == 0

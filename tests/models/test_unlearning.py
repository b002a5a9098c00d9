"""IFPU's mask: the three properties that make it partial, and its formula in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dull_jax.losses import cross_entropy
from dull_jax.models import unlearning

B, C, K = 6, 20, 5


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    gate = rng.uniform(0, 1, (C, K))
    return {
        "z": rng.uniform(0, 2, (B, C)),
        "gate": gate / gate.max(1, keepdims=True),
        "given": rng.integers(0, K, B),
        "target": rng.dirichlet(np.ones(K) * 0.3, B),
        "label_error_prob": rng.uniform(0.3, 1, B),
        "w": rng.normal(size=(C, K)),
        "b": rng.normal(size=K),
    }


def softmax64(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def region64(case):
    r = np.zeros((B, C))
    for i in range(B):
        for c in range(C):
            kept = sum(case["target"][i, k] * case["gate"][c, k] for k in range(K))
            r[i, c] = case["label_error_prob"][i] * case["gate"][c, case["given"][i]] * (1 - kept)
    return r


def feature_gradient(case, label_error_prob, strength):
    """Gradient in z of the mean target loss, with partial unlearning."""

    def classify(z):
        return z @ jnp.array(case["w"]) + jnp.array(case["b"])

    def loss(z):
        region = unlearning.wrong_region(
            jnp.array(case["gate"]),
            jnp.array(case["given"]),
            jnp.array(case["target"]),
            jnp.array(label_error_prob),
        )
        ascent = unlearning.ascent_direction(z, classify, jnp.array(case["given"]), K, strength / B)
        masked = unlearning.partial_unlearn(z, region, ascent)
        return cross_entropy(classify(masked), jnp.array(case["target"])).mean()

    return jax.grad(loss)(jnp.array(case["z"]))


def test_region_is_the_formula(case):
    found = unlearning.wrong_region(
        *(jnp.array(case[k]) for k in ("gate", "given", "target", "label_error_prob"))
    )
    np.testing.assert_allclose(found, region64(case), rtol=1e-5, atol=1e-6)
    assert (found >= 0).all() and (found <= 1).all()


def test_gradient_is_the_formula(case):
    region, u = region64(case), 1.5
    masked = case["z"] * (1 - region)
    learn = (softmax64(masked @ case["w"] + case["b"]) - case["target"]) @ case["w"].T / B
    learn = learn * (1 - region)
    p = softmax64(case["z"] @ case["w"] + case["b"])
    excess = np.maximum(p[np.arange(B), case["given"]] - 1 / K, 0)[:, None]
    climb = u * excess * ((p - np.eye(K)[case["given"]]) @ case["w"].T) / B * region
    norms = np.linalg.norm(climb, axis=1, keepdims=True)
    limit = np.minimum(1, np.linalg.norm(learn, axis=1, keepdims=True) / np.maximum(norms, 1e-12))
    found = feature_gradient(case, case["label_error_prob"], u)
    np.testing.assert_allclose(found, learn - limit * climb, rtol=1e-4, atol=1e-6)


def test_no_label_error_prob_gives_exactly_the_ordinary_gradient(case):
    def plain(z):
        logits = z @ jnp.array(case["w"]) + jnp.array(case["b"])
        return cross_entropy(logits, jnp.array(case["target"])).mean()

    ordinary = jax.grad(plain)(jnp.array(case["z"]))
    found = feature_gradient(case, np.zeros(B), 5.0)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(ordinary))


def test_channels_outside_the_region_learn_as_ever(case):
    case["gate"][: C // 2] = 0  # these channels belong to no class that could be wrong
    with_u = feature_gradient(case, case["label_error_prob"], 3.0)
    without = feature_gradient(case, case["label_error_prob"], 0.0)
    np.testing.assert_array_equal(with_u[:, : C // 2], without[:, : C // 2])
    assert not np.allclose(with_u[:, C // 2 :], without[:, C // 2 :])


def test_an_update_lowers_the_wrong_class_while_it_is_above_chance(case):
    """The unlearning term alone, as a step in z, lowers p(given) where p(given) > 1/K."""
    given, w, b = case["given"], jnp.array(case["w"]), jnp.array(case["b"])
    region = region64(case)

    def believed(z):
        return jax.nn.softmax(z @ w + b)[jnp.arange(B), jnp.array(given)]

    z = jnp.array(case["z"])
    step = feature_gradient(case, case["label_error_prob"], 1.0) - feature_gradient(
        case, case["label_error_prob"], 0.0
    )
    slope = jax.jvp(believed, (z,), (-step,))[1]
    above = np.asarray(believed(z)) > 1 / K
    assert above.any() and (~above).any(), "the case must have both"
    moved = np.abs(step).sum(1) > 0
    assert (np.asarray(slope)[above & moved] < 0).all() and moved[above].all()
    assert not moved[~above].any(), "at or below chance nothing is unlearned"
    assert region.max() <= 1


def test_unlearning_never_outweighs_learning(case):
    huge = feature_gradient(case, case["label_error_prob"], 1e6)
    none = feature_gradient(case, case["label_error_prob"], 0.0)
    term = np.linalg.norm(huge - none, axis=1)
    assert (term <= np.linalg.norm(none, axis=1) * (1 + 1e-4)).all()

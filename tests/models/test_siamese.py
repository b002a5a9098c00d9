"""The siamese head: shapes, what is normalised, and a probe that only reads."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from dull_jax.models.layers import Norm
from dull_jax.models.siamese import SiameseHead

Z = jax.random.uniform(jax.random.key(0), (32, 6))
HEAD = SiameseHead(6, 4, partial(Norm, "batch", None), 16)
VARIABLES = HEAD.init(jax.random.key(1), Z)


def outputs(params, z, train=True):
    variables = VARIABLES | {"params": params}
    return HEAD.apply(variables, z, train, mutable=["batch_stats"])[0]


def test_outputs():
    found = outputs(VARIABLES["params"], Z)
    assert {k: v.shape for k, v in found.items()} == {
        "logits": (32, 4),
        "projection": (32, 16),
        "prediction": (32, 16),
    }
    assert HEAD.num_features == 6
    np.testing.assert_allclose(found["projection"].mean(0), 0, atol=1e-5)
    # Not quite 1: eps 1e-5 of the normalisation beside a small variance.
    np.testing.assert_allclose(found["projection"].var(0), 1, atol=0.02)


def test_the_probe_reads_the_feature_and_changes_nothing_of_it():
    def logits(params, z):
        return jnp.sum(outputs(params, z)["logits"] ** 2)

    of_params, of_z = jax.grad(logits, (0, 1))(VARIABLES["params"], Z)
    assert not of_z.any()
    moved = {
        name for name, part in of_params.items() if any(x.any() for x in jax.tree.leaves(part))
    }
    assert moved == {"classifier"}


def test_the_rest_does_reach_the_feature():
    def prediction(z):
        return jnp.sum(outputs(VARIABLES["params"], z)["prediction"] ** 2)

    assert jax.grad(prediction)(Z).any()

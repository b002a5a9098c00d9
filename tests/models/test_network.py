"""Networks as built from a config: sizes, shapes, types, and that they can learn."""

from functools import partial

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
import pytest

from dull_jax import models
from dull_jax.errors import UserError
from dull_jax.models import layers
from dull_jax.models.network import gathered

NAMES = ("preact_resnet18", "resnet18", "resnet50", "resnet_small", "small_cnn")


def config(**changes):
    defaults = {name: field.default for name, field in gathered().items()}
    return ml_collections.ConfigDict({**defaults, "projector": 16, **changes})


def images_of(count, side, seed=0):
    return jax.random.normal(jax.random.key(seed), (count, side, side, 3))


def shapes_of(network, side):
    images = jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32)
    return jax.eval_shape(lambda x: network.init(jax.random.key(0), x, train=False), images)


def drawn(network, side):
    """Variables as `init` draws them, by NumPy: compiling `init` takes longer than all the rest."""
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        if path[-1].key == "kernel":
            return rng.normal(size=leaf.shape) * np.sqrt(2 / np.prod(leaf.shape[:-1]))
        return np.full(leaf.shape, path[-1].key in ("scale", "var"))

    variables = jax.tree_util.tree_map_with_path(draw, shapes_of(network, side))
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), variables)


@pytest.mark.parametrize(
    ("name", "stem", "num_classes", "side", "expected"),
    [
        ("preact_resnet18", "cifar", 10, 32, 11_172_170),
        ("resnet18", "cifar", 10, 32, 11_173_962),
        ("resnet18", "imagenet", 1000, 224, 11_689_512),
        ("resnet50", "imagenet", 1000, 224, 25_557_032),
    ],
)
def test_parameter_counts_are_the_published_ones(name, stem, num_classes, side, expected):
    variables = shapes_of(models.build(config(name=name, stem=stem), num_classes), side)
    assert sum(p.size for p in jax.tree.leaves(variables["params"])) == expected


@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
@pytest.mark.parametrize("name", NAMES[:3])
def test_stem_sets_the_size_of_the_feature_map(name, stem):
    network = models.build(config(name=name, stem=stem), 10)
    variables = shapes_of(network, 64)
    feature_map = jax.eval_shape(
        lambda v, x: network.apply(v, x, method=lambda net, x: net.backbone(x, False)),
        variables,
        jax.ShapeDtypeStruct((2, 64, 64, 3), jnp.float32),
    )
    side = 64 // (8 if stem == "cifar" else 32)
    assert feature_map.shape == (2, side, side, 2048 if name == "resnet50" else 512)


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("name", NAMES)
def test_outputs_and_state_are_float32_where_compute_is_bfloat16(name, norm):
    network = models.build(config(name=name, norm=norm, dtype="bfloat16"), 10, head="contrastive")
    variables = shapes_of(network, 16)
    outputs = jax.eval_shape(
        lambda v, x: network.apply(v, x, train=True, mutable=["batch_stats"]),
        variables,
        jax.ShapeDtypeStruct((4, 16, 16, 3), jnp.float32),
    )
    leaves = jax.tree.leaves((variables, outputs))
    assert {leaf.dtype for leaf in leaves} == {jnp.dtype("float32")}
    assert ("batch_stats" in variables) == (norm == "batch")
    assert outputs[0]["features"].shape == (4, network.num_features)
    assert outputs[0]["projection"].shape == (4, 16)


@pytest.mark.parametrize("name", ["preact_resnet18", "resnet18", "resnet_small", "small_cnn"])
def test_features_are_not_negative(name):
    network = models.build(config(name=name, width=4), 10)
    z = jax.jit(partial(network.apply, method="embed"))(drawn(network, 16), images_of(4, 16))
    assert float(z.min()) >= 0 < float(z.max())


def test_bfloat16_is_used_by_the_backbone():
    images = images_of(4, 16)
    exact, rounded = (models.build(config(dtype=dtype), 10) for dtype in ("float32", "bfloat16"))
    variables = drawn(exact, 16)
    difference = jnp.abs(
        exact.apply(variables, images)["features"] - rounded.apply(variables, images)["features"]
    )
    assert 1e-5 < float(difference.max()) < 0.1


@pytest.mark.parametrize(("side", "expected"), [(4, 1), (8, 2), (28, 7), (30, 7), (32, 8)])
@pytest.mark.parametrize("name", ["resnet_small", "small_cnn"])
def test_small_networks_take_digits_and_cifar(name, side, expected):
    network = models.build(config(name=name), 10)
    feature_map = jax.eval_shape(
        lambda v, x: network.apply(v, x, method=lambda net, x: net.backbone(x, False)),
        shapes_of(network, side),
        jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32),
    )
    assert feature_map.shape == (2, expected, expected, {"resnet_small": 64}.get(name, 128))


def test_stages_halve_and_double():
    network = models.build(config(width=8, stages=5), 10)
    z = jax.eval_shape(network.apply, shapes_of(network, 16), images_of(2, 16))["features"]
    assert z.shape == (2, 8 * 2**4)
    with pytest.raises(UserError, match=r"8 pixels cannot be halved 4 times"):
        shapes_of(network, 8)
    with pytest.raises(UserError, match=r"model\.stages is of small_cnn"):
        models.build(config(name="resnet18", stages=4), 10)


def test_embed_and_classify_are_the_parts_of_call():
    network = models.build(config(), 100, head="disentangled")
    images = images_of(3, 8)
    variables = drawn(network, 8)
    outputs = network.apply(variables, images)
    z = network.apply(variables, images, method="embed")
    np.testing.assert_array_equal(z, outputs["features"])
    logits = network.apply(variables, z, method="classify")
    np.testing.assert_allclose(logits, outputs["logits"], rtol=1e-6)
    assert set(outputs) == {"features", "logits"}


def test_convolutions_start_he_normal_with_fan_out():
    variables = layers.Conv(256).init(jax.random.key(0), jnp.zeros((1, 4, 4, 128)))
    kernel = variables["params"]["kernel"]
    assert kernel.shape == (3, 3, 128, 256)
    assert float(kernel.std()) == pytest.approx(np.sqrt(2 / (9 * 256)), rel=0.01)


def test_one_init_draws_all_parameters():
    network = models.build(config(width=2), 4, head="disentangled")
    variables = shapes_of(network, 8)
    assert variables["params"]["head"]["gate"].shape == (16, 4)
    assert set(variables) == {"params", "batch_stats"}
    assert set(variables["params"]) == {"backbone", "head"}


def test_running_statistics_move_by_a_tenth():
    network = models.build(config(), 10)
    images = 3 + images_of(8, 8)
    variables = drawn(network, 8)
    _, state = network.apply(variables, images, train=True, mutable=["batch_stats"])
    kernel = np.asarray(variables["params"]["backbone"]["Conv_0"]["kernel"], np.float64)
    padded = np.pad(np.asarray(images, np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    maps = np.einsum("bhwcij,ijco->bhwo", windows, kernel)
    running = state["batch_stats"]["backbone"]["Norm_0"]["BatchNorm_0"]
    np.testing.assert_allclose(running["mean"], 0.1 * maps.mean((0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(running["var"], 0.9 + 0.1 * maps.var((0, 1, 2)), rtol=1e-4)


@pytest.mark.parametrize("name", ["resnet_small", "small_cnn"])
def test_a_network_learns_32_random_images_by_heart(name):
    network = models.build(config(name=name, width=8), 10)
    images, labels = images_of(32, 8), jnp.arange(32) % 10
    variables = drawn(network, 8)
    optimiser = optax.adam(1e-2)

    @jax.jit
    def step(params, stats, state):
        def loss(params):
            outputs, new = network.apply(
                {"params": params, "batch_stats": stats}, images, True, mutable=["batch_stats"]
            )
            ce = optax.softmax_cross_entropy_with_integer_labels(outputs["logits"], labels)
            return ce.mean(), (new["batch_stats"], outputs["logits"])

        (value, (stats_, logits)), grads = jax.value_and_grad(loss, has_aux=True)(params)
        updates, state = optimiser.update(grads, state)
        return optax.apply_updates(params, updates), stats_, state, value, logits

    params, stats = variables["params"], variables["batch_stats"]
    state = optimiser.init(params)
    for _ in range(50):
        params, stats, state, value, logits = step(params, stats, state)
    assert float(value) < 0.1
    assert (logits.argmax(-1) == labels).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "preact_resnet_18"}, "did you mean 'preact_resnet18'"),
        ({"name": "transformer"}, "one of"),
        ({"norm": "layer"}, "model.norm"),
        ({"dtype": "bf16"}, "did you mean 'bfloat16'"),
        ({"stem": "imagenet"}, "model.stem='cifar'"),
    ],
)
def test_unknown_values_are_named_with_a_way_out(change, words):
    with pytest.raises(UserError, match=words) as error:
        models.build(config(**change), 10)
    assert "\n" not in str(error.value)

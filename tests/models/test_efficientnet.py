"""EfficientNet-Lite: a float64 forward from the definition agrees; both depthwise ways are one."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dull_jax.errors import UserError
from dull_jax.models.backbones import (
    efficientnet,
    efficientnet_lite0,
    efficientnet_lite1,
    efficientnet_lite2,
)
from dull_jax.models.layers import Conv, Norm
from dull_jax.models.weights import efficientnet_lite

# (kernel, stride, channels in, inner, out) of the blocks of Lite0, written out.
BLOCKS = (
    (3, 1, 32, 32, 16),
    *((3, 2, 16, 96, 24), (3, 1, 24, 144, 24)),
    *((5, 2, 24, 144, 40), (5, 1, 40, 240, 40)),
    *((3, 2, 40, 240, 80), (3, 1, 80, 480, 80), (3, 1, 80, 480, 80)),
    *((5, 1, 80, 480, 112), (5, 1, 112, 672, 112), (5, 1, 112, 672, 112)),
    (5, 2, 112, 672, 192),
    *((5, 1, 192, 1152, 192),) * 3,
    (3, 1, 192, 1152, 320),
)


def random_weights(classes=5):
    """{tensor: array} as PyTorch names those of Lite0; activations keep their size."""
    rng, tensors = np.random.default_rng(0), {}

    def conv(key, features, channels, size):
        scale = np.sqrt(2 / (channels * size * size))
        tensors[f"{key}.weight"] = rng.normal(0, scale, (features, channels, size, size))

    def norm(key, features):
        tensors[f"{key}.weight"] = rng.uniform(0.5, 1.5, features)
        tensors[f"{key}.bias"] = rng.normal(0, 0.3, features)
        tensors[f"{key}.running_mean"] = rng.normal(0, 0.3, features)
        tensors[f"{key}.running_var"] = rng.uniform(1, 4, features)
        tensors[f"{key}.num_batches_tracked"] = np.array(3)

    conv("_conv_stem", 32, 3, 3)
    norm("_bn0", 32)
    for number, (size, _, channels, inner, out) in enumerate(BLOCKS):
        key = f"_blocks.{number}"
        if inner != channels:
            conv(f"{key}._expand_conv", inner, channels, 1)
            norm(f"{key}._bn0", inner)
        conv(f"{key}._depthwise_conv", inner, 1, size)
        norm(f"{key}._bn1", inner)
        conv(f"{key}._project_conv", out, inner, 1)
        norm(f"{key}._bn2", out)
    conv("_conv_head", 1280, 320, 1)
    norm("_bn1", 1280)
    tensors["_fc.weight"], tensors["_fc.bias"] = np.ones((classes, 1280)), np.ones(classes)
    return {k: np.asarray(a, np.int64 if a.ndim == 0 else np.float32) for k, a in tensors.items()}


class Reference:
    """Lite0 in evaluation mode on float64 [C, H, W], from the definition."""

    def __init__(self, tensors):
        self.tensors = {key: array.astype(np.float64) for key, array in tensors.items()}

    def conv(self, key, x, stride):
        kernel = self.tensors[f"{key}.weight"]
        size, channels = kernel.shape[2], kernel.shape[1]
        missing = [max((-(-n // stride) - 1) * stride + size - n, 0) for n in x.shape[1:]]
        padded = np.pad(x, [(0, 0)] + [(n // 2, n - n // 2) for n in missing])
        windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (1, 2))
        windows = windows[:, ::stride, ::stride]
        if channels == 1 and len(x) > 1:
            return np.einsum("cij,chwij->chw", kernel[:, 0], windows)
        return np.tensordot(kernel, windows, ((1, 2, 3), (0, 3, 4)))

    def norm(self, key, x):
        scale, bias, mean, var = (
            self.tensors[f"{key}.{part}"][:, None, None]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(var + 1e-3) * scale + bias

    def active(self, norm, conv, x, stride=1):
        return np.clip(self.norm(norm, self.conv(conv, x, stride)), 0, 6)

    def __call__(self, x):
        x = self.active("_bn0", "_conv_stem", x, 2)
        for number, (_, stride, channels, inner, out) in enumerate(BLOCKS):
            key, y = f"_blocks.{number}", x
            if inner != channels:
                y = self.active(f"{key}._bn0", f"{key}._expand_conv", y)
            y = self.active(f"{key}._bn1", f"{key}._depthwise_conv", y, stride)
            y = self.norm(f"{key}._bn2", self.conv(f"{key}._project_conv", y, 1))
            x = x + y if stride == 1 and channels == out else y
        return self.active("_bn1", "_conv_head", x)


def nested(leaves):
    """{'params/backbone/a/b': array} as variables of the backbone alone."""
    tree = {}
    for name, leaf in leaves.items():
        *parents, last = [part for part in name.split("/") if part != "backbone"]
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = leaf
    return tree


def test_parity_with_the_definition():
    """At an odd and an even side: their padding differs."""
    tensors = random_weights()
    variables = nested(efficientnet_lite.leaves(tensors, "efficientnet_lite0", "w.pth"))
    images = np.random.default_rng(1).normal(size=(2, 45, 64, 3))
    network = efficientnet_lite0.Backbone(conv=partial(Conv), norm=Norm)
    forward = jax.jit(partial(network.apply, train=False))
    found = np.asarray(forward(variables, jnp.asarray(images, jnp.float32)))
    reference = Reference(tensors)
    wanted = np.stack([reference(image.transpose(2, 0, 1)) for image in images])
    wanted = wanted.transpose(0, 2, 3, 1)
    assert found.shape == wanted.shape == (2, 2, 2, 1280)
    assert 0.3 < wanted.std() < 3 and 0.05 < (wanted == 6).mean() + (wanted == 0).mean() < 0.95
    np.testing.assert_allclose(found, wanted, atol=1e-4)


KINDS = {"1": efficientnet_lite1, "2": efficientnet_lite2, "0": efficientnet_lite0}


@pytest.mark.parametrize("number,blocks,parameters", [
    ("0", 16, 3_371_008), ("1", 21, 4_135_680), ("2", 21, 4_811_072),
])  # fmt: skip
def test_sizes_are_the_published_ones(number, blocks, parameters):
    network = KINDS[number].Backbone(conv=partial(Conv), norm=Norm)
    images = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    shapes = jax.eval_shape(lambda x: network.init(jax.random.key(0), x, train=False), images)
    assert len(network.blocks()) == blocks
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == parameters


def test_it_has_its_own_width():
    network = efficientnet_lite0.Backbone(conv=partial(Conv), norm=Norm, width=16)
    with pytest.raises(UserError, match=r"model\.width=16: EfficientNet-Lite has its own"):
        jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)


@pytest.mark.parametrize("size,stride,height,width", [
    (3, 1, 7, 6), (3, 2, 7, 6), (5, 1, 6, 7), (5, 2, 6, 7), (5, 2, 1, 2), (3, 2, 8, 8),
])  # fmt: skip
def test_shifted_products_are_the_grouped_convolution(size, stride, height, width):
    """And so are their gradients, and those of what is chosen by platform."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(2, height, width, 4)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(size, size, 1, 4)), jnp.float32)
    sides = (-(-height // stride), -(-width // stride))
    weights = jnp.asarray(rng.normal(size=(2, *sides, 4)), jnp.float32)

    def weighted(way, x, kernel):
        y = way(x, kernel, stride)
        return (y * weights).sum(), y

    @jax.jit
    def of_each(x, kernel):
        ways = (efficientnet.grouped, efficientnet.shifted_products, efficientnet.depthwise)
        both = partial(jax.grad, argnums=(0, 1), has_aux=True)
        return [both(partial(weighted, way))(x, kernel) for way in ways]

    wanted, *others = of_each(x, kernel)
    for found in others:
        jax.tree.map(partial(np.testing.assert_allclose, atol=1e-5), found, wanted)


@pytest.mark.parametrize("platform,grouped", [("cpu", False), ("cuda", True), ("tpu", True)])
def test_the_platform_of_the_program_chooses(platform, grouped):
    shapes = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((1, 8, 8, 6), (3, 3, 1, 6))]
    function = jax.jit(lambda x, kernel: efficientnet.depthwise(x, kernel, 1))
    program = jax.export.export(function, platforms=[platform])(*shapes).mlir_module()
    assert ("feature_group_count = 6" in program) == grouped

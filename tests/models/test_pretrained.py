"""Which weights a backbone starts from: named, of a package, or none."""

import hashlib

import numpy as np
import pytest
from ml_collections import ConfigDict
from safetensors.numpy import save_file

from dull_jax.errors import UserError
from dull_jax.models import pretrained
from dull_jax.models.weights import efficientnet_lite, timm_resnet
from models.weights.test_timm_resnet import random_weights


def model(name, weights):
    return ConfigDict({"name": name, "pretrained": weights})


@pytest.mark.parametrize("name,weights,wanted", [
    ("efficientnet_lite0", "", True), ("efficientnet_lite0", "none", False),
    ("efficientnet_lite0", "w.pth", True),
    ("resnet18", "", False), ("resnet18", "none", False), ("resnet18", "w.safetensors", True),
    ("small_cnn", "", False), ("small_cnn", "none", False), ("identity", "", False),
])  # fmt: skip
def test_what_is_wanted(name, weights, wanted):
    assert pretrained.is_wanted(model(name, weights)) == wanted


def test_the_file():
    packaged = pretrained.source(model("efficientnet_lite0", ""))
    assert packaged == efficientnet_lite.packaged("efficientnet_lite0") and packaged.is_file()
    for name in ("resnet18", "efficientnet_lite0"):
        assert pretrained.source(model(name, "w.pth")) == "w.pth"


@pytest.mark.parametrize("name,weights,said", [
    ("resnet18", "", "must name a file of weights for 'resnet18'"),
    ("efficientnet_lite0", "none", "must name a file of weights for 'efficientnet_lite0'"),
    ("small_cnn", "w.pth", "config.model.pretrained is for .*resnet50.*, not for 'small_cnn'"),
    ("resnet_18", "w.pth", "not for 'resnet_18'"),
])  # fmt: skip
def test_no_file(name, weights, said):
    with pytest.raises(UserError, match=said):
        pretrained.load(model(name, weights))


def test_the_layout_reads_it(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file(random_weights("resnet18"), path)
    found = pretrained.load(model("resnet18", str(path)))
    wanted = timm_resnet.load(path, "resnet18")
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)
    with pytest.raises(UserError, match=r"w\.safetensors is damaged or another file"):
        pretrained.load(model("efficientnet_lite0", str(path)))


def test_pixels_are_as_in_their_training():
    imagenet = (timm_resnet.MEAN, timm_resnet.STD)
    assert pretrained.normalisation(model("resnet50", "w")) == imagenet
    mean, std = pretrained.normalisation(model("efficientnet_lite0", ""))
    pixels = np.array([0, 127, 255]) / 255
    np.testing.assert_allclose((pixels - mean[0]) / std[0], [-127 / 128, 0, 1])


def test_the_digest_is_of_the_file_as_it_is(tmp_path):
    path = tmp_path / "w"
    for content in (b"one", b"another"):
        path.write_bytes(content)
        assert (
            pretrained.digest(model("resnet18", str(path))) == hashlib.sha256(content).hexdigest()
        )
    with pytest.raises(UserError, match="nowhere: No such file"):
        pretrained.digest(model("resnet18", str(tmp_path / "nowhere")))

"""An exported network makes the vectors of its definition; others are refused by one line."""

import sys

import numpy as np
import pytest

import onnx_file
from dull_jax.data.views.augment import AugmentSpec
from dull_jax.embed import onnx
from dull_jax.embed.onnx import OnnxEncoder
from dull_jax.errors import UserError
from dull_jax.train.parallel import Devices
from onnx_file import model, node, tensor, value

RNG = np.random.default_rng(0)
KERNEL = RNG.normal(0, 0.5, (5, 3, 2, 2)).astype(np.float32)
IMAGES = RNG.integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)


def network(shape=("B", 3, 8, 8), last=False, kind=onnx_file.FLOAT, file=""):
    """A convolution of 2 x 2 with stride 2 and a ReLU; outputs: mean, tokens, the map, a scalar."""
    first = [node("Transpose", ["images"], "x", perm=[0, 3, 1, 2])] if last else []
    nodes = [
        *first,
        node("Conv", ["x" if last else "images", "kernel"], "linear", strides=[2, 2]),
        node("Relu", ["linear"], "map"),
        node("GlobalAveragePool", ["map"], "pooled"),
        node("Flatten", ["pooled"], "mean"),
        node("Reshape", ["map", "flat"], "flattened"),
        node("Transpose", ["flattened"], "tokens", perm=[0, 2, 1]),
        node("Transpose", ["map"], "map_last", perm=[0, 2, 3, 1]),
        node("ReduceMean", ["mean"], "one", keepdims=0),
    ]
    kernel = KERNEL.astype(np.float16 if kind == onnx_file.FLOAT16 else np.float32)
    tensors = [tensor("kernel", kernel, file), tensor("flat", np.array([0, 5, -1]))]
    outputs = {
        "mean": ("B", 5),
        "tokens": ("B", "T", 5),
        "map": ("B", 5, "h", "w"),
        "map_last": ("B", "h", "w", 5),
        "one": (),
    }
    made = [value(name, sides, kind) for name, sides in outputs.items()]
    return model(nodes, tensors, [value("images", shape, kind)], made)


def wanted(images, mean=onnx.MEAN, std=onnx.STD):
    """Of the map [b, h * w, 5], in float64."""
    x = (images / 255 - np.array(mean)) / np.array(std)
    b, height, width, _ = x.shape
    patches = x.reshape(b, height // 2, 2, width // 2, 2, 3)
    found = np.einsum("bhiwjc,dcij->bhwd", patches, KERNEL.astype(np.float64))
    return np.maximum(found, 0).reshape(b, -1, 5)


def written(tmp_path, data):
    path = tmp_path / "network.onnx"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("shape", [("B", 3, 8, 8), (1, 3, 8, 8), ("B", 3, "H", "W"), ("B",) * 4])
def test_a_network_of_channels_first(shape, tmp_path):
    path = written(tmp_path, network(shape))
    encoder = OnnxEncoder(path, 0 if 8 in shape else 8)
    assert (encoder.size, encoder.channels, len(encoder.digest)) == (8, 5, 64)
    found = encoder(IMAGES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted(IMAGES).mean(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(encoder(IMAGES), found)


@pytest.mark.parametrize(
    ("output", "reduced"),
    [("tokens", lambda x: x[:, 0]), ("map", lambda x: x.mean(1)), ("", lambda x: x.mean(1))],
)
def test_what_a_vector_is(output, reduced, tmp_path):
    encoder = OnnxEncoder(written(tmp_path, network()), output=output)
    np.testing.assert_allclose(encoder(IMAGES), reduced(wanted(IMAGES)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("output", ["mean", "map_last"])
@pytest.mark.parametrize("shape", [("B", 8, 8, 3), (1, "H", "W", 3)])
def test_a_network_of_channels_last(shape, output, tmp_path):
    encoder = OnnxEncoder(written(tmp_path, network(shape, last=True)), 8, output=output)
    np.testing.assert_allclose(encoder(IMAGES), wanted(IMAGES).mean(1), rtol=1e-5, atol=1e-6)


def test_pixels_as_the_network_was_trained(tmp_path):
    mean, std = (0.5, 0.4, 0.3), (0.5, 0.6, 0.7)
    encoder = OnnxEncoder(written(tmp_path, network()), mean=mean, std=std)
    found = wanted(IMAGES, mean, std).mean(1)
    np.testing.assert_allclose(encoder(IMAGES), found, rtol=1e-5, atol=1e-6)


def test_half_precision(tmp_path):
    encoder = OnnxEncoder(written(tmp_path, network(kind=onnx_file.FLOAT16)))
    found = encoder(IMAGES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted(IMAGES).mean(1), rtol=5e-3, atol=5e-3)


def test_weights_in_a_file_beside_it(tmp_path):
    """They are part of the digest; without them the file is refused."""
    path = written(tmp_path, network(file="weights.bin"))
    (tmp_path / "weights.bin").write_bytes(KERNEL.tobytes())
    encoder = OnnxEncoder(path)
    np.testing.assert_allclose(encoder(IMAGES), wanted(IMAGES).mean(1), rtol=1e-5, atol=1e-6)
    (tmp_path / "weights.bin").write_bytes((2 * KERNEL).tobytes())
    assert OnnxEncoder(path).digest != encoder.digest
    (tmp_path / "weights.bin").unlink()
    refused(path, "its weights are in 'weights.bin', which is not beside it")


def refused(path, *said, **options):
    with pytest.raises(UserError) as caught:
        OnnxEncoder(path, **options)
    line = str(caught.value)
    assert line.isprintable() and str(path) in line
    for part in said:
        assert part in line, line


@pytest.mark.parametrize(
    ("shape", "options", "said"),
    [
        (("B", 1, 8, 8), {}, "['B', 1, 8, 8]; wanted are images of 3 channels"),
        (("B", 8, 8, 4), {}, "wanted are images of 3 channels"),
        ((4, 3, 8, 8), {}, "made for just 4 images at a time"),
        (("B", 3, 8, 6), {}, "images of 8 x 6 pixels; wanted are square ones"),
        (("B", 3, "H", "W"), {}, "images of any size fit; name one (--size)"),
        (("B", 3, 8, 8), {"size": 16}, "takes images of 8 pixels, not of 16"),
        (
            ("B", 3, 8, 8),
            {"output": "means"},
            "output 'means': did you mean 'mean'? one of mean, to",
        ),
        (("B", 3, 8, 8), {"output": "one"}, "output 'one' is [] for 1 images"),
    ],
)
def test_networks_that_do_not_fit(shape, options, said, tmp_path):
    refused(written(tmp_path, network(shape)), said, **options)


def test_a_network_of_two_inputs(tmp_path):
    nodes = [node("Add", ["images", "mask"], "sum"), node("Flatten", ["sum"], "out")]
    inputs = [value(name, ("B", 3, 8, 8)) for name in ("images", "mask")]
    data = model(nodes, [], inputs, [value("out", ("B", 192))])
    refused(written(tmp_path, data), "2 inputs (images, mask); wanted is one")


def test_a_network_of_integers(tmp_path):
    data = model(
        [node("Flatten", ["images"], "out")],
        [],
        [value("images", ("B", 3, 8, 8), onnx_file.INT64)],
        [value("out", ("B", 192), onnx_file.INT64)],
    )
    refused(written(tmp_path, data), "input images is tensor(int64)")


def roots(tmp_path, shape=("B", 3, 8, 8)):
    nodes = [node("Sqrt", ["images"], "roots"), node("Flatten", ["roots"], "out")]
    data = model(nodes, [], [value("images", shape)], [value("out", ("B", 192))])
    return written(tmp_path, data)


def test_a_network_of_vectors(tmp_path):
    said = "input images is ['B', 192]; wanted are images of 3 channels, [B, 3, H, W] or"
    refused(roots(tmp_path, ("B", 192)), said)


def test_vectors_that_are_not_finite(tmp_path):
    refused(roots(tmp_path), "output 'out' is not finite for 1 of 1 images")
    encoder = OnnxEncoder(roots(tmp_path), mean=(0, 0, 0))
    encoder.augment = AugmentSpec((0.5,) * 3, (1,) * 3)  # dark pixels have no root from here on
    images = np.full((3, 8, 8, 3), 200, np.uint8)
    images[1, 2, 2] = 0
    with pytest.raises(UserError, match="not finite for 1 of 3 images"):
        encoder(images)
    with pytest.raises(UserError, match=r"network.onnx: 1 of 3 vectors are not finite in float16"):
        encoder.on(Devices(1))(images, np.zeros((3, 32), np.uint8), 0)


@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 64, b"\xff" * 64, b"not a network", None], ids=repr
)
def test_no_onnx_file(data, tmp_path):
    path = tmp_path / "network.onnx"
    if data is None:
        path.mkdir()
        refused(path, "cannot be read")
    else:
        refused(written(tmp_path, data), "onnxruntime does not open it")


def test_no_file(tmp_path):
    refused(tmp_path / "nowhere.onnx", "cannot be read: No such file")


def test_cut_files(tmp_path):
    data = network()
    for size in range(1, len(data), 37):
        path = written(tmp_path, data[:size])
        with pytest.raises(UserError):
            OnnxEncoder(path)


def test_without_onnxruntime(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    refused(written(tmp_path, network()), 'needs onnxruntime; run: pip install "dull_jax[onnx]"')

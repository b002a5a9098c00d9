"""The exported file, read by the loader of docs/deploy.md, says what the checkpoint says."""

import json
import pathlib
import re
import subprocess
import sys
import zipfile

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

import commands
from configs import base
from dull_jax import export, inference
from dull_jax.data.own import decode
from dull_jax.data.views.augment import AugmentSpec
from dull_jax.errors import UserError
from dull_jax.train.state import NetState
from test_inference import TEST, trained

DOCS = pathlib.Path(__file__).parent.parent / "docs" / "deploy.md"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("ce") / "run", "ce", **{"train.epochs": 1})


@pytest.fixture(scope="module")
def classifier(run):
    return inference.load(run)


@pytest.fixture(scope="module")
def model(classifier, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "model.stablehlo"
    export.write(classifier, path)
    return path


def examples():
    return re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)


def test_the_loader_of_the_docs_needs_jax_alone(classifier, model):
    """In a process that cannot import dull_jax, Flax or Orbax; batches of 1, 3 and 7."""
    images = TEST[:7]
    np.save(model.parent / "images.npy", images)
    program = (
        "import sys\n"
        "for name in ('dull_jax', 'flax', 'ml_collections', 'safetensors', 'orbax'):\n"
        "    sys.modules[name] = None\n"
        f"{examples()[0]}\n"
        "import numpy as np\n"
        "images = np.load('images.npy')\n"
        "found = {str(n): np.asarray(predict(images[:n])) for n in (1, 3, 7)}\n"
        "np.savez('found.npz', **found)\n"
        "print(json.dumps(about))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=model.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    wanted = classifier.probs(images)
    with np.load(model.parent / "found.npz") as found:
        for n in (1, 3, 7):
            np.testing.assert_allclose(found[str(n)], wanted[:n], atol=1e-5)
    about = json.loads(done.stdout)
    assert about["class_names"] == ["class 0", "class 1", "class 2"]
    assert about["image_shape"] == [8, 8, 1] and about["fit"] == "crop" and about["method"] == "ce"
    assert about["versions"]["jax"] == jax.__version__


def test_the_loader_has_about_ten_lines():
    lines = [line for line in examples()[0].splitlines() if line.strip()]
    assert len(lines) <= 12 and not any("dull_jax" in line for line in lines)


@pytest.mark.parametrize("channels,dtype", [
    ((), np.uint8), ((), np.uint16), ((3,), np.uint8), ((4,), np.uint8),
])  # fmt: skip
def test_the_reader_of_the_docs_crops_as_training_does(tmp_path, channels, dtype):
    """Of grey with 8 and 16 bits, colours, and colours with transparency."""
    most, path = np.iinfo(dtype).max + 1, tmp_path / "photo.png"
    photo = np.random.default_rng(0).integers(0, most, (40, 60, *channels)).astype(dtype)
    Image.fromarray(photo).save(path)
    names: dict = {}
    exec(examples()[1], names)
    found = names["read"](path, {"image_shape": [16, 12, 3]})
    np.testing.assert_array_equal(found, decode.read(path, (16, 12), "crop"))


def test_what_is_in_the_file(model):
    with zipfile.ZipFile(model) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["about.json", "model.bin"]
        content = archive.read("model.bin")
    exported = jax.export.deserialize(bytearray(content))
    assert exported.platforms == ("cpu", "cuda", "tpu")
    (images,) = exported.in_avals
    assert images.dtype == np.uint8 and images.shape[1:] == (8, 8, 1)
    here = str(pathlib.Path(export.__file__).parent).encode()
    assert here not in content, "no folder of this machine is named"


@pytest.mark.parametrize("name", ["resnet_small", "resnet18"])
def test_any_batch_of_larger_networks(name):
    """A convolution on CPU chooses its form by the batch, which must not meet the symbolic one."""
    config = base.get_config()
    config.method, config.model.name, config.model.width = "ce", name, 8
    classifier = untrained(config, (32, 24, 3))
    exported = export.exported(classifier)
    images = np.random.default_rng(0).integers(0, 256, (7, 32, 24, 3)).astype(np.uint8)
    wanted = classifier.probs(images, batch_size=8)
    assert wanted.max() < 0.9 and wanted.std(0).max() > 1e-3
    for n in (1, 7):
        found = np.asarray(jax.jit(exported.call)(images[:n]))
        np.testing.assert_allclose(found, wanted[:n], atol=1e-5)


def untrained(config, shape):
    """A classifier with weights drawn by NumPy."""
    names, rng = ("a", "b", "c", "d"), np.random.default_rng(0)
    method = inference._method(config, names, shape)

    def init():
        return method.network.init(jax.random.key(0), jnp.zeros((2, *shape)), train=False)

    def draw(path, leaf):
        if path[-1].key != "kernel":
            return np.full(leaf.shape, path[-1].key in ("scale", "var"), np.float32)
        return rng.normal(0, np.prod(leaf.shape[:-1]) ** -0.5, leaf.shape).astype(np.float32)

    leaves = jax.tree_util.tree_map_with_path(draw, jax.eval_shape(init))
    net = NetState(0, leaves["params"], leaves["batch_stats"], (), {}, {}, {})
    augment = AugmentSpec((0.5,) * 3, (0.25,) * 3)
    return inference.Classifier(method, (net,), augment, names, shape, "crop", 1, True)


def test_weights_alone(classifier, tmp_path):
    export.write_parameters(classifier, tmp_path / "params.safetensors")
    (net,) = classifier.nets
    with safe_open(tmp_path / "params.safetensors", "np") as file:
        kernel = file.get_tensor("nets.0.params.backbone.Conv_0.kernel")
        np.testing.assert_array_equal(kernel, net.params["backbone"]["Conv_0"]["kernel"])
        assert len(file.keys()) == len(jax.tree.leaves((net.params, net.batch_stats)))
        assert json.loads(file.metadata()["class_names"]) == ["class 0", "class 1", "class 2"]


def test_a_file_that_cannot_be_written(classifier, tmp_path):
    for write in (export.write, export.write_parameters):
        with pytest.raises(UserError, match="cannot be written"):
            write(classifier, tmp_path / "none" / "model")
        assert not list(tmp_path.iterdir())


def command(*flags):
    return commands.run("dull_jax.export", *flags)


def test_the_command(run, model, tmp_path):
    output = tmp_path / "model.stablehlo"
    found = command(f"--run={run}", f"--output={output}", f"--safetensors={tmp_path}/p.safetensors")
    assert found.returncode == 0, found.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.stablehlo", "p.safetensors"]
    assert "ce, 3 classes" in found.stdout and "cpu, cuda, tpu" in found.stdout
    found = command(f"--run={tmp_path}", f"--output={output}")
    assert found.returncode == 2 and "there is no run in this folder" in found.stderr
    assert found.stderr.count("\n") == 1
    assert "--output is needed" in command(f"--run={run}").stderr
    found = command(f"--run={run}", "--output=.")
    assert found.returncode == 2 and "name a file" in found.stderr

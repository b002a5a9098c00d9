"""`python -m dull_jax.embed`: image files become a table of vectors that is trained on."""

import json
import signal

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import commands
import photos
from configs import embeddings as recipe
from dull_jax.data.own import decode
from dull_jax.data.sources import embeddings
from dull_jax.data.vectors import formats
from dull_jax.data.views.augment import AugmentSpec
from dull_jax.embed import __main__ as command
from dull_jax.embed import embedding, inputs, shards
from dull_jax.embed.job import Job
from dull_jax.embed.views import ImageEncoder
from dull_jax.errors import Stopped, UserError
from dull_jax.train import trainer
from dull_jax.train.interrupt import Interrupt
from dull_jax.train.parallel import Devices
from onnx_file import model, node, value
from outside import our_line

SIZE = 16


class Means(ImageEncoder):
    """Vectors of 6 numbers: means of the upper and the lower half. Counts its images."""

    name, digest, channels, input_size = "means", "0" * 64, 6, 0
    augment = AugmentSpec((0,) * 3, (1,) * 3)

    def __init__(self):
        self.seen = 0

    def network(self, devices):
        def halves(x):
            self.seen += len(x)
            return x.reshape(len(x), 2, -1, 3).mean(2).reshape(len(x), 6)

        return halves, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photographs in class folders, one of them twice, beside files that are none."""
    root = tmp_path_factory.mktemp("embed") / "photos"
    photos.make(root)
    (root / "train/leaf/broken.png").write_bytes(b"no image")
    (root / "train/leaf/notes.txt").write_text("notes")
    copied = (root / "train/leaf/leaf_020.png").read_bytes()
    (root / "train/leaf/copy.png").write_bytes(copied)
    return root


def job(source, output, encoder=None, **options):
    return Job(source, output, encoder or Means(), SIZE, **options)


def embed(*args, **options):
    made, said = job(*args, **options), []
    made.run(Devices(1), said.append)
    return formats.read(made.output), made, said


def wanted(path):
    """In float64, of an image whose sides differ: the centre of its short side's square."""
    with Image.open(path) as image:
        side, pixels = min(image.size), None
        left, top = ((n - side) // 2 for n in image.size)
        box = (left, top, left + side, top + side)
        pixels = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC, box)
    return (np.asarray(pixels, float) / 255).reshape(2, -1, 3).mean(1).ravel()


def test_class_folders(folder, tmp_path):
    found, made, _ = embed(folder, tmp_path / "emb.parquet")
    table = pq.read_table(made.output)
    assert table.column_names == ["id", "path", "label", "split", "vector"]
    assert len(found) == len(set(found.ids)) == 102 + 18
    assert set(found.labels) == set(photos.COUNTS) and set(found.splits) == {"train", "test"}
    (vectors,), paths = found.parts, table["path"].to_pylist()
    assert vectors.shape == (120, 1, 6) and vectors.dtype == np.float16
    for row in (0, 50, 119):
        assert paths[row].split("/")[:2] == [found.splits[row], found.labels[row]]
        np.testing.assert_allclose(vectors[row, 0], wanted(folder / paths[row]), atol=5e-3)
    about = {k.decode(): v.decode() for k, v in table.schema.metadata.items()}
    assert about.items() >= {
        "model": "means", "weights_sha256": "0" * 64, "size": "16", "fit": "crop", "views": "1",
    }.items()  # fmt: skip
    assert not list(tmp_path.glob("*.cache"))


def test_what_is_there_is_not_made_again(folder, tmp_path):
    _, made, _ = embed(folder, tmp_path / "emb.parquet")
    before, encoder = made.output.read_bytes(), Means()
    _, _, said = embed(folder, made.output, encoder)
    assert encoder.seen == 0 and said[-1].endswith(
        "is there already, of the same images and network"
    )
    for other in ({"views": 2}, {"fit": "pad"}):
        encoder = Means()
        embed(folder, made.output, encoder, **other)
        assert encoder.seen
    made.output.write_bytes(before[:-9])
    embed(folder, made.output)
    assert made.output.read_bytes() == before


def test_npz_and_views(folder, tmp_path):
    parquet, _, _ = embed(folder, tmp_path / "emb.parquet", views=3)
    npz, made, _ = embed(folder, tmp_path / "emb.npz", views=3)
    assert (npz.ids, npz.labels, npz.splits) == (parquet.ids, parquet.labels, parquet.splits)
    np.testing.assert_array_equal(npz.parts[0], parquet.parts[0])
    assert npz.parts[0].shape == (120, 3, 6) and npz.parts[0][:, 0].std() > 0
    assert json.loads(str(np.load(made.output)["about"]))["views"] == "3"
    _, _, said = embed(folder, made.output, views=3)
    assert "is there already" in said[-1]


def test_a_cache_is_kept(folder, tmp_path):
    cache = tmp_path / "cache"
    one, _, _ = embed(folder, tmp_path / "one.parquet", cache=cache)
    encoder = Means()
    two, _, _ = embed(folder, tmp_path / "two.npz", encoder, cache=cache)
    assert encoder.seen == 0
    np.testing.assert_array_equal(one.parts[0], two.parts[0])


@pytest.mark.parametrize("file", ["emb.parquet", "emb.npz"])
@pytest.mark.parametrize(
    "names", [("0", "1", "none"), ("1.0", "1.5", "2.0"), ("-1", "0", "1"), ("0", "1", "nan")]
)
def test_class_names_that_look_like_numbers_or_missing_labels(names, file, tmp_path):
    for number, name in enumerate(names):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for n in range(3):
            image = Image.new("RGB", (8, 8), (80 * number, 100, 10 * n))
            image.save(tmp_path / "photos" / name / f"{n}.png")
    embed(tmp_path / "photos", tmp_path / file)
    source = embeddings.read(tmp_path / file)
    assert source.class_names == names
    for key, label in zip(source.train.ids, source.train.labels, strict=True):
        assert source.paths[str(key)].split("/")[0] == names[label]


def test_images_without_labels(folder, tmp_path):
    """A flat folder, a folder of one folder, a list of paths, a table with ids and splits."""
    flat, names = tmp_path / "flat", sorted((folder / "train/sky").iterdir())
    (flat / "deep").mkdir(parents=True)
    for path in names:
        (flat / "deep" / path.name).write_bytes(path.read_bytes())
    (flat / "first.png").write_bytes((folder / "test/sky/0.png").read_bytes())
    found, made, _ = embed(flat, tmp_path / "flat.parquet")
    assert found.labels is None and found.splits is None and len(found) == len(names) + 1
    assert pq.read_table(made.output)["path"][0].as_py() == f"deep/{names[0].name}"
    (flat / "list.txt").write_text("first.png\ndeep/" + names[0].name)
    assert embed(flat / "list.txt", tmp_path / "list.parquet")[0].ids == [
        found.ids[-1],
        found.ids[0],
    ]
    (flat / "t.csv").write_text(f"id,path,split\na,first.png,test\nb,deep/{names[1].name},train\n")
    found, _, _ = embed(flat / "t.csv", tmp_path / "t.parquet")
    assert (found.ids, found.labels, found.splits) == (["a", "b"], None, ["test", "train"])


def test_a_table_with_labels_elsewhere(folder, tmp_path):
    table = tmp_path / "labels.csv"
    rows = [f"{kind}/{n}.png;{kind}" for kind in photos.COUNTS for n in range(4)]
    table.write_text("\n".join(["path;label", *rows]))
    found, _, _ = embed(table, tmp_path / "emb.parquet", root=folder / "test")
    assert found.labels == [row.split(";")[1] for row in rows] and found.splits is None
    table.write_text(f"path\n{folder}/test/sky/0.png\n")
    with pytest.raises(UserError, match=r"row 2: path .* is outside of .*; --data_dir="):
        inputs.index(table)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere", "--input: there is no "),
        ("empty", "holds no images; left out: 1 x not an image file"),
        ("broken", "none of the 2 images can be read; the first, a.png: not an image"),
        ("one.png", "neither a folder nor a table (.csv, .tsv, .tab, .txt)"),
    ],
)
def test_bad_input(source, said, tmp_path):
    for name, file in (("empty", "a.md"), ("broken", "a.png"), ("broken", "b.png")):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / file).write_bytes(b"no image")
    (tmp_path / "one.png").touch()
    with pytest.raises(UserError) as caught:
        embed(tmp_path / source, tmp_path / "emb.parquet")
    assert said in str(caught.value) and not (tmp_path / "emb.parquet").exists()


def test_bad_output(folder, tmp_path):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "part-00000-of-00002.parquet").touch()
    for output, said in (
        ("emb.csv", "name a .parquet or .npz file"),
        ("nowhere/emb.npz", "there is no folder .*nowhere; make it first"),
        ("shards", "holds part-00000-of-00002.parquet, which is no shard of 1"),
    ):
        with pytest.raises(UserError, match=said):
            shards.prepare(tmp_path / output, 1, [folder])
    with pytest.raises(UserError, match="is the input, or a file of it"):
        shards.prepare(folder / "train" / "x.npz", 1, [folder]) or (folder / "train/x.npz").touch()
        shards.prepare(folder / "train" / "x.npz", 1, [folder])
    (folder / "train/x.npz").unlink()
    with pytest.raises(UserError, match="shards are written to a folder"):
        shards.prepare(tmp_path / "emb.npz", 2, [])


@pytest.mark.parametrize(
    ("name", "weights", "said"),
    [
        ("efficientnet_lite", "", "did you mean 'efficientnet_lite"),
        ("resnet50", "", "--weights is needed: a safetensors file of resnet50"),
        ("a.onnx", "w.safetensors", "an .onnx file has its own"),
    ],
)
def test_bad_networks(name, weights, said):
    with pytest.raises(UserError, match=said):
        command.encoder_of(name, weights)


@pytest.fixture
def network(tmp_path):
    """An .onnx file: the mean of each channel, of images whose size it fixes."""
    nodes = [node("GlobalAveragePool", ["images"], "pooled"), node("Flatten", ["pooled"], "out")]
    data = model(nodes, [], [value("images", ("B", 3, 8, 8))], [value("out", ("B", 3))])
    (tmp_path / "mean.onnx").write_bytes(data)
    return tmp_path / "mean.onnx"


def test_an_onnx_file(folder, network, tmp_path):
    encoder = command.encoder_of(str(network), mean=(0, 0, 0), std=(1, 1, 1))
    assert encoder.input_size == 8
    output = tmp_path / "emb.parquet"
    Job(folder, output, encoder, 8, views=2).run(Devices(1), lambda text: None)
    found, paths = formats.read(output).parts[0], pq.read_table(output)["path"].to_pylist()
    assert found.shape == (120, 2, 3)
    np.testing.assert_allclose(found[7, 0], decoded(folder / paths[7]).mean((0, 1)), atol=2e-3)


def decoded(path):
    return decode.read(path, 8) / 255


def run(*words):
    return commands.run("dull_jax.embed", *words)


def test_the_program(folder, network, tmp_path):
    words = (f"--input={folder}", f"--output={tmp_path / 'e.npz'}", f"--model={network}")
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert "leaf/broken.png: not an image" in done.stderr
    assert "passed over: 1 x not an image file (.txt)" in done.stderr
    assert "120 images embedded, 1 cannot be read, 1 are copies of others: " in done.stdout
    assert formats.read(tmp_path / "e.npz").parts[0].shape == (120, 1, 3)
    done = run(*words, "--mean=1,2")
    assert done.returncode == 2
    assert our_line(done.stderr).endswith("--mean must be three numbers, of red, green and blue")


def test_a_signal_keeps_what_is_done(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(embedding, "_DECODED", 16)
    output, encoder, enter = tmp_path / "emb.parquet", Means(), Interrupt.__enter__

    def signalled(interrupt):
        interrupt.signal = signal.SIGTERM
        return enter(interrupt)

    with monkeypatch.context() as patch:
        patch.setattr(Interrupt, "__enter__", signalled)
        with pytest.raises(Stopped, match="stopped by SIGTERM while images were embedded"):
            embed(folder, output, encoder)
    assert encoder.seen == 16 and not output.exists()
    assert embed(folder, output, encoder)[2][0].endswith("104 images with means, 16 are known")
    assert encoder.seen == 120 and not list(tmp_path.glob("*.cache"))


def test_it_is_trained_on(folder, tmp_path):
    embed(folder, tmp_path / "emb.parquet")
    config = recipe.get_config("method=ce")
    config.data.file, config.train.epochs = str(tmp_path / "emb.parquet"), 2
    result = trainer.train(config, tmp_path / "run", lambda text: None)
    assert "accuracy" in str(result)

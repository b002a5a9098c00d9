"""Predictions of folders, lists and arrays: what the rows say, and what bad input does to them."""

import csv
import functools
import io
import os

import numpy as np
import pytest
from PIL import Image

import commands
from dull_jax import inference, predict
from dull_jax.errors import UserError
from dull_jax.progress import ProgressMeter
from test_inference import TEST, measured, trained


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("ce") / "run", "ce", **{"train.epochs": 1})


@pytest.fixture
def photos(tmp_path):
    """Four images with odd names among broken ones, and other files."""
    folder = tmp_path / "photos"
    (folder / "sub" / "deep").mkdir(parents=True)
    for number, name in enumerate(("b.png", "sub/=SUM(A1).png", "sub/deep/ä\nb.png", "z.PNG")):
        Image.fromarray(TEST[3 * number, ..., 0]).save(folder / name, "png")
    (folder / "empty.png").write_bytes(b"")
    (folder / "sub" / "truncated.png").write_bytes((folder / "b.png").read_bytes()[:50])
    (folder / "notes.txt").write_text("no image")
    (folder / "sub" / "loop").symlink_to(folder)
    return folder


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"), newline="")))


def test_a_folder(run, photos, tmp_path, capsys):
    output = tmp_path / "preds.csv"
    found = predict.predict(run, photos, output, top_k=2, batch_size=4)
    rows = rows_of(output)
    names = "b.png empty.png sub/=SUM(A1).png sub/deep/ä\nb.png sub/truncated.png z.PNG".split(" ")
    assert [row["id"] for row in rows] == names == [one.id for one in found]
    assert list(rows[0]) == "id predicted probability predicted_2 probability_2 error".split()
    wanted = measured(run)[[0, 3, 6, 9]]
    good = [row for row in rows if not row["error"]]
    for row, probs in zip(good, wanted, strict=True):
        order = np.argsort(-probs)
        assert row["predicted"] == f"class {order[0]}" and row["predicted_2"] == f"class {order[1]}"
        assert float(row["probability"]) == pytest.approx(probs[order[0]], abs=1e-5)
    broken = [row for row in rows if row["error"]]
    assert [row["id"] for row in broken] == ["empty.png", "sub/truncated.png"]
    assert all(row["predicted"] == row["probability_2"] == "" for row in broken)
    said = capsys.readouterr()
    assert "empty.png: empty file" in said.err and "sub/truncated.png: " in said.err
    assert "not an image file (.txt)" in said.err and "4 of 6 images predicted" in said.out


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_order_and_numbers_do_not_depend_on_the_batch_size(run, photos, batch_size):
    classifier, wanted = inference.load(run), predict.items(photos)
    found = list(predict.predictions(classifier, wanted, 3, batch_size))
    assert [one.id for one in found] == [item.id for item in wanted]
    probs = [dict(one.top)["class 1"] for one in found if one.top]
    np.testing.assert_allclose(probs, measured(run)[[0, 3, 6, 9], 1], atol=1e-5)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_list(run, photos, tmp_path, mark):
    """Relative to the CSV's folder, or absolute; repeated, in its own order; with a BOM, CRLF."""
    lines = [f"no{mark}Path", f"1{mark}photos/z.PNG", f"2{mark}{photos}/b.png"]
    lines += [f"3{mark}photos/none.png", f"4{mark}photos/z.PNG", ""]
    table = tmp_path / "list.csv"
    table.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    predict.predict(run, table, tmp_path / "preds.csv")
    rows = rows_of(tmp_path / "preds.csv")
    ids = ["photos/z.PNG", f"{photos}/b.png", "photos/none.png", "photos/z.PNG"]
    assert [row["id"] for row in rows] == ids
    assert rows[0] == rows[3] and "No such file" in rows[2]["error"]


FORMS = {
    "a.tsv": "path\tlabel\nphotos/z.PNG\tx\nphotos/sub/a b.png\ty\n",
    "b.tab": "\ufeffno\tPath\t\r\n1\tphotos/z.PNG\t\r\n\t\t\r\n2\t photos\\sub\\a b.png\r\n",
    "c.txt": "path\nphotos/z.PNG\nphotos/sub/a b.png\n",
    "d.txt": "\ufeffphotos/z.PNG\r\n\r\n  photos\\sub/a b.png \r\n",
    "e.TXT": "sep=;\nlabel;path\nx;photos/z.PNG\ny;photos/sub/a b.png;\n",
    "f.csv": "photos/z.PNG,x\nphotos/sub/a b.png,y\n",
    "g.csv": "photos/z.PNG\nphotos/sub/a b.png\n",
    "h.csv": 'label, path\nx, "photos/z.PNG"\ny, "photos/sub/a b.png"\n,\n',
}


@pytest.mark.parametrize("name", FORMS)
def test_tables_and_lists(photos, tmp_path, name):
    (photos / "b.png").rename(photos / "sub" / "a b.png")
    (tmp_path / name).write_text(FORMS[name], newline="")
    found = predict.items(tmp_path / name)
    assert [item.source for item in found] == [photos / "z.PNG", photos / "sub" / "a b.png"]
    assert [item.id.strip().replace("\\", "/") for item in found] == [
        "photos/z.PNG",
        "photos/sub/a b.png",
    ]


def test_names_in_a_list_may_have_separators(tmp_path):
    (tmp_path / "list.txt").write_text('a,b.png\nc;d.png\n"e".png\n')
    assert [item.id for item in predict.items(tmp_path / "list.txt")] == [
        "a,b.png",
        "c;d.png",
        '"e".png',
    ]


def test_the_root_of_a_table(run, photos, tmp_path):
    """What a run or an audit writes has paths relative to the folder of the data."""
    table = tmp_path / "lists" / "corrected.csv"
    table.parent.mkdir()
    table.write_text(f"path,label\nz.PNG,x\n{photos}/b.png,x\n")
    assert [item.source for item in predict.items(table, photos)] == [
        photos / "z.PNG",
        photos / "b.png",
    ]
    table.write_text("path,label\nz.PNG,x\nb.png,x\n")
    with pytest.raises(
        UserError, match=r"none of its first images is .*; --data_dir names the fold"
    ):
        predict.predict(run, table, tmp_path / "preds.csv")
    found = predict.predict(run, table, tmp_path / "preds.csv", data_dir=photos)
    assert [one.id for one in found] == ["z.PNG", "b.png"] and not any(one.error for one in found)
    with pytest.raises(UserError, match=r"--data_dir: there is no '.*none'"):
        predict.items(table, tmp_path / "none")
    for source in (photos, photos / "z.PNG"):
        with pytest.raises(UserError, match="--data_dir is for a table's paths, and --input is no"):
            predict.items(source, photos)


def test_accents_in_either_form(tmp_path):
    (tmp_path / "e\u0301").mkdir()
    (tmp_path / "e\u0301" / "u\u0308.png").write_bytes(b"")
    there = tmp_path / "e\u0301" / "u\u0308.png"
    assert [item.source for item in predict.items(tmp_path / "\xe9" / "\xfc.png")] == [there]
    assert [item.source for item in predict.items(tmp_path / "\xe9")] == [there]
    (tmp_path / "list.txt").write_text("\xe9/\xfc.png\n")
    assert [item.source for item in predict.items(tmp_path / "list.txt")] == [there]
    (tmp_path / "list.txt").write_text("\xfc.png\n")
    assert [item.source for item in predict.items(tmp_path / "list.txt", tmp_path / "\xe9")] == [
        there
    ]


def test_one_image_and_an_array(run, photos, tmp_path):
    np.save(tmp_path / "x.npy", TEST)
    (one,) = predict.predict(run, photos / "z.PNG", tmp_path / "one.csv")
    many = predict.predict(run, tmp_path / "x.npy", tmp_path / "many.csv", top_k=1)
    assert [found.id for found in many] == [str(n) for n in range(len(TEST))]
    assert many[9].top[0] == pytest.approx(one.top[0]) and one.id == str(photos / "z.PNG")


def test_hostile_cells(photos, tmp_path):
    """Class names come from whoever made the run, file names from anybody."""
    found = [
        predict.Prediction("=1+1.png", (("@evil", 0.9), ("-2", 0.1))),
        predict.Prediction("+x\udcff.png", error="=cmd"),
    ]
    predict.write(tmp_path / "out.csv", found)
    first, second = rows_of(tmp_path / "out.csv")
    assert (first["id"], first["predicted"], first["predicted_2"]) == ("'=1+1.png", "'@evil", "'-2")
    assert (second["id"], second["error"]) == ("'+x\\udcff.png", "'=cmd")


BAD_TABLES = {
    "no column": (b"file,label\na.png,cat\n", "row 1: the header needs the column path"),
    "twice": (b"path,path\na.png,b.png\n", "row 1: the header has column 'path' twice"),
    "fields": (b"path,x\na.png,1\nb.png\n", "row 3: 1 fields instead of 2"),
    "empty path": (b"path,x\n ,1\n", "row 2: the path is empty"),
    "no rows": (b"path\n", "holds no images"),
    "nothing": (b"", "row 1: the header needs the column path"),
    "Windows": (b"path\na.png\nC:\\b.png\n", "row 3: path .* Windows .* name that by --data_dir"),
    "no list": (b"notes on photos\na.png\n", "row 1: the header needs the column path"),
    "text": (b"path\n\xff\xfe.png\n", "row 2: not UTF-8"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt"])
def test_bad_tables(case, suffix, tmp_path):
    content, said = BAD_TABLES[case]
    (tmp_path / f"list{suffix}").write_bytes(content)
    with pytest.raises(UserError, match=said):
        predict.items(tmp_path / f"list{suffix}")


def test_bad_input(run, tmp_path):
    (tmp_path / "void").mkdir()
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    np.save(tmp_path / "float.npy", TEST / 255)
    np.save(tmp_path / "small.npy", TEST[:, :4])
    np.save(tmp_path / "object.npy", np.array([print], object), allow_pickle=True)
    (tmp_path / "header.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{((((" + b" " * 113)
    np.save(tmp_path / "none.npy", np.zeros((10**12, 0, 8, 1), np.uint8))
    np.savez(tmp_path / "some.npz", TEST)
    (tmp_path / "some.npz").rename(tmp_path / "archive.npy")
    os.mkfifo(tmp_path / "pipe.png")
    cases = {
        "none.npy": r"no images in an array \[1000000000000, 0, 8, 1\]",
        "header.npy": r"not a plain \.npy array",
        "archive.npy": "this is an archive",
        "pipe.png": "not a regular file",
        "nowhere": "there is no",
        "void": "holds no images",
        "broken.jpg": "none of the 1 images can be read",
        "float.npy": "images must be uint8",
        "small.npy": r"is \(4, 8, 1\), must be \(8, 8, 1\)",
        "object.npy": r"not a plain \.npy array",
    }
    for name, said in cases.items():
        with pytest.raises(UserError, match=said):
            predict.predict(run, tmp_path / name, tmp_path / "preds.csv")
        assert not (tmp_path / "preds.csv").exists()


def test_output_is_looked_at_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "list.csv").write_text("path\na.png\n")
    for output, said in (
        (tmp_path, "cannot be written"),
        (tmp_path / "none" / "x.csv", "there is no folder .*none; make it first"),
        (tmp_path / "file" / "x.csv", "cannot be written"),
    ):
        with pytest.raises(UserError, match=said):
            predict.predict(tmp_path / "no run", tmp_path / "list.csv", output)
    with pytest.raises(UserError, match="is the input"):
        predict.predict(tmp_path / "no run", tmp_path / "list.csv", tmp_path / "list.csv")


def test_progress_of_long_lists(monkeypatch):
    monkeypatch.setattr(predict, "ProgressMeter", functools.partial(ProgressMeter, every=-1.0))
    said = []
    predicted = iter([predict.Prediction(str(n)) for n in range(5)])
    found = predict._watched(predicted, 5, 2, said.append)
    assert len(list(found)) == 5 and len(said) == 2, "a line a batch, and none at the end"
    assert said[0].startswith("2 of 5 images, ") and said[0].endswith(" left")


def command(*flags):
    return commands.run("dull_jax.predict", *flags)


def test_the_command(run, photos, tmp_path):
    output = tmp_path / "preds.csv"
    found = command(f"--run={run}", f"--input={photos}", f"--output={output}", "--top_k=9")
    assert found.returncode == 0, found.stderr
    assert len(rows_of(output)) == 6 and "predicted_3" in output.read_text()  # K = 3
    assert "ce, 3 classes" in found.stdout and os.listdir(tmp_path).count("preds.csv.part") == 0


def test_the_command_refuses(run, photos, tmp_path):
    found = command(f"--run={tmp_path}", f"--input={photos}", f"--output={tmp_path}/x.csv")
    assert found.returncode == 2 and "there is no run in this folder" in found.stderr
    assert found.stderr.startswith("passed over") and "Traceback" not in found.stderr
    found = command(f"--run={run}", f"--input={photos}")
    assert found.returncode == 2 and "--output is needed" in found.stderr
    found = command(f"--run={run}", "--top_k=0")
    assert found.returncode == 2 and "top_k" in found.stderr

"""The label that each file gets, and the formats in which labels leave."""

import csv
import dataclasses
import json
import os
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

import commands
from configs import csv as csv_recipe
from configs import folder as folder_recipe
from dull_jax.audit import (
    corrections,
    decisions,
    image_paths,
    saved,
    verdicts,
    write_back,
    written_folder,
)
from dull_jax.audit.decisions import NO_CLASS, OPEN, REMOVED, Decided
from dull_jax.audit.inputs import AuditInput, Other
from dull_jax.audit.write_back import folders, table
from dull_jax.data.prepare import prepare
from dull_jax.errors import UserError
from dull_jax.stats.label_audit import audit_labels

NAMES = ("cat", "a/b", "=1")
SIZE = 60
WRONG = (0, 10, 20, 30, 40)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Sixty pictures, two of which have one name."""
    root = tmp_path_factory.mktemp("photos")
    for n in range(SIZE):
        folder = root / f"part{n % 2}"
        folder.mkdir(exist_ok=True)
        Image.new("RGB", (6, 5), (4 * n, 0, 0)).save(folder / f"img {n // 2}.png")
    return root


@pytest.fixture(scope="module")
def samples(photos):
    """Five wrong labels, which the predictions know; the last of them is of a test image."""
    true = np.arange(SIZE) % 3
    given = true.astype(np.int32)
    given[list(WRONG)] = (true[list(WRONG)] + 1) % 3
    splits = np.full(SIZE, "train", object)
    splits[40:] = "test"
    paths = np.array([f"part{n % 2}/img {n // 2}.png" for n in range(SIZE)], object)
    bare = AuditInput(
        ids=np.array([f"id{n}" for n in range(SIZE)]),
        paths=paths,
        given=given,
        probs=0.9 * np.eye(3)[true] + 0.1 / 3,
        class_names=NAMES,
        splits=splits,
        others=(
            Other("copy", "part1/img 0.png", NAMES[int(given[10])], "train", "duplicate", 10),
            Other("bad", "broken.png", "", "train", "left out"),
        ),
    )
    return image_paths.joined(bare, photos)


def of(samples, known=None, accept_above=None):
    if known is not None:
        label = np.full(SIZE, OPEN, np.int32)
        label[list(known)] = list(known.values())
        samples = dataclasses.replace(samples, decided=Decided(label))
    known = None if samples.decided is None else samples.decided.label
    audit = audit_labels(samples.probs, samples.given, known=known, candidates=saved.CANDIDATES)
    listed = verdicts.listed(samples, audit)
    found = corrections.of(samples, audit, listed, accept_above)
    return found, {row.id: row for row in found.rows}


def test_without_decisions_what_is_flagged_is_corrected(samples):
    found, row = of(samples)
    changed = {key for key, r in row.items() if r.status == corrections.CORRECTED}
    assert changed == {"id0", "id10", "id20", "id30"}  # the fifth is a test image
    assert row["id10"].label == NAMES[1] and row["id10"].given == NAMES[2]
    assert row["copy"].label == NAMES[1] and row["copy"].status == "duplicate"
    assert row["id40"].status == row["id1"].status == corrections.KEPT
    assert row["id0"].listed and not row["id1"].listed and row["id0"].suggested == "cat"
    assert len(found.rows) == 62 and len(found.usable()) == 61


def test_a_threshold_takes_what_is_surer(samples):
    _, row = of(samples, accept_above=1.0)
    assert all(r.status != corrections.CORRECTED for r in row.values())
    _, row = of(samples, accept_above=0.5)
    assert row["id0"].status == corrections.CORRECTED


def test_a_file_without_a_decision_is_no_leave_to_correct(samples):
    _, row = of(samples, {})
    assert all(r.status != corrections.CORRECTED for r in row.values())
    _, row = of(samples, {}, accept_above=0.5)
    assert row["id20"].status == corrections.CORRECTED


def test_files_that_are_not_there_are_not_named(samples):
    gone = Other("gone", "part1/gone.png", NAMES[0], "val")
    there = Other("there", "part1/img 3.png", NAMES[0], "val")
    found, row = of(dataclasses.replace(samples, others=(gone, there)))
    assert row["gone"].file == "" and os.path.isfile(row["there"].file)
    rows, notes = found.with_files("out")
    assert len(rows) == SIZE + 1 and notes == ("1 labels have no image file, and are not in out",)


def test_decisions_come_first_and_suggestions_only_when_told(samples):
    known = {0: 1, 1: 2, 10: NO_CLASS, 40: 1}  # id0 as it was given; id1 against the audit
    _, row = of(samples, known)
    status = {key: r.status for key, r in row.items() if r.status != corrections.KEPT}
    assert status == {
        "id0": "decided", "id1": "decided", "id10": corrections.NONE, "id40": "decided",
        "copy": corrections.NONE, "bad": "left out",
    }  # fmt: skip
    assert row["id0"].label == row["id0"].given == NAMES[1] and row["id1"].label == NAMES[2]
    assert row["id40"].label == NAMES[1] and row["id10"].label == row["copy"].label == ""
    assert row["id20"].label == row["id20"].given
    _, row = of(samples, known, accept_above=0.5)
    assert row["id20"].status == corrections.CORRECTED and row["id0"].label == NAMES[1]


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_a_table_is_read_back_without_what_shows_no_class(samples, photos, tmp_path, suffix):
    found, row = of(samples, {10: NO_CLASS, 20: 2})
    path = tmp_path / f"t.{suffix}"
    table.write(path, found, copy=False)
    assert ("\t" in path.read_text()) == (suffix == "tsv")
    config = csv_recipe.get_config()
    config.data.file, config.data.dir = str(path), str(photos)
    config.model.pretrained = "none"
    built = prepare(config, lambda text: None)[1]
    names = built.train.class_names
    labels = {
        key: names[k]
        for part in (built.train, built.test)
        for key, k in zip(
            part.ids, getattr(part, "given", getattr(part, "labels", None)), strict=True
        )
    }
    assert "id10" not in labels and labels["id20"] == NAMES[2] == row["id20"].label
    assert len(labels) >= SIZE - 3 and set(names) == set(NAMES)


def test_parquet_has_the_same_columns(samples, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    found, row = of(samples)
    table.write(tmp_path / "t.parquet", found, copy=False)
    columns = parquet.read_table(tmp_path / "t.parquet").to_pydict()
    assert tuple(columns) == table.COLUMNS and len(columns["id"]) == 62
    assert columns["label"][10] == row["id10"].label


@pytest.mark.parametrize("copy", [False, True])
def test_class_folders_are_links_or_copies(samples, photos, tmp_path, copy):
    found, _ = of(samples, {10: NO_CLASS})
    notes = write_back.chosen("auto", tmp_path / "out").write(tmp_path / "out", found, copy)
    assert notes == ("classes whose names are no folders' names everywhere: a/b in a_b",)
    files = list((tmp_path / "out").rglob("*.png"))
    assert len(files) == SIZE - 1 and all(path.is_symlink() != copy for path in files)
    assert {path.name for path in (tmp_path / "out" / "train").iterdir()} == {"cat", "a_b", "=1"}
    assert len(list(photos.rglob("*.png"))) == SIZE  # nothing was moved
    config = folder_recipe.get_config()
    config.data.dir, config.model.pretrained = str(tmp_path / "out"), "none"
    built = prepare(config, lambda text: None)[1]
    assert len(built.train.ids) + len(built.test.ids) == SIZE - 1
    assert not built.manifest.problems


def test_files_of_one_name_are_kept_apart(samples, tmp_path):
    found, _ = of(samples)
    one = dataclasses.replace(samples, given=np.zeros(SIZE, np.int32), decided=None)
    found = corrections.Corrections(
        [row._replace(label="cat", split="train") for row in found.rows], one.class_names
    )
    folders.write(tmp_path / "out", found, copy=False)
    names = sorted(path.name for path in (tmp_path / "out/train/cat").iterdir())
    assert len(names) == 61 and "img 0.png" in names and "img 0-id1.png" in names


def test_imagefolder(samples, tmp_path):
    found, row = of(samples)
    write_back.chosen("imagefolder", tmp_path / "hf").write(tmp_path / "hf", found, False)
    lines = (tmp_path / "hf/train/metadata.jsonl").read_text().splitlines()  # a class is =1
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 41 and {r["id"]: r["label"] for r in rows}["id10"] == row["id10"].label
    assert all((tmp_path / "hf/train" / r["file_name"]).is_file() for r in rows)
    assert len({r["file_name"] for r in rows}) == 41


@pytest.mark.parametrize("field, text", [
    ("file", "=p.png"), ("file", "@p.png"), ("label", '=HYPERLINK("http://x","y")'),
    ("given", "@SUM(1)"), ("id", "+1-2"), ("id", "-x"), ("id", "\uff1dx"), ("id", "a\x1b[2J"),
    ("id", "a\rb"), ("id", "a\udcff"), ("id", "plain"),
])  # fmt: skip
def test_an_imagefolder_has_no_formula_in_a_csv(tmp_path, field, text):
    rows = []
    for n in range(4):
        image = tmp_path / (text if (field, n) == ("file", 3) else f"p{n}.png")
        Image.new("RGB", (6, 5)).save(image)
        label = ("cat", "dog")[n % 2]
        row = corrections.Correction(
            f"id {n}", image.name, str(image), label, label, "train", "kept", 0.1
        )
        rows.append(row._replace(**{field: text}) if n == 3 and field != "file" else row)
    found = corrections.Corrections(rows, ("cat", "dog"))
    write_back.chosen("imagefolder", tmp_path / "hf").write(tmp_path / "hf", found, False)
    (path,) = (tmp_path / "hf/train").glob("metadata.*")
    assert path.suffix == (".csv" if text == "plain" else ".jsonl")
    if path.suffix == ".jsonl":
        last = json.loads(path.read_text().splitlines()[-1])
        wanted = text.encode("utf-8", "backslashreplace").decode()
        assert last["file_name" if field == "file" else field] == wanted


@pytest.mark.parametrize("copy", [False, True])
def test_fiftyone(samples, tmp_path, copy):
    found, row = of(samples)
    write_back.chosen("fiftyone", tmp_path / "fo").write(tmp_path / "fo", found, copy)
    labels = json.loads((tmp_path / "fo/labels.json").read_text())["labels"]
    images = list((tmp_path / "fo/data").iterdir())
    assert {path.stem for path in images} == labels.keys() and len(images) == 61
    assert all(path.is_file() and path.is_symlink() != copy for path in images)
    by_id = {label["attributes"]["source_id"]: label for label in labels.values()}
    assert by_id["id10"]["label"] == row["id10"].label


def test_what_is_removed_has_no_label_nor_has_its_copy(samples, tmp_path):
    found, row = of(samples, {1: REMOVED, 10: REMOVED})
    gone = {key for key, r in row.items() if r.status == "removed"}
    assert gone == {"id1", "id10", "copy"}
    assert all(row[key].label == "" and not row[key].listed for key in gone)
    assert len(found.usable()) == 62 - 3 - 1  # the broken one
    assert row["id20"].label == row["id20"].given  # nothing else is changed by it


def test_label_studio_and_back(samples, tmp_path):
    found, _ = of(samples, {0: 1, 10: NO_CLASS, 3: REMOVED})
    path = tmp_path / "tasks.json"
    write_back.chosen("label_studio", path).write(path, found, False)
    tasks = {task["data"]["id"]: task for task in json.loads(path.read_text())}
    assert set(tasks) == {"id0", "id3", "id10", "id20", "id30", "id40"}
    assert not tasks["id0"]["annotations"][0]["ground_truth"]
    assert tasks["id20"]["predictions"][0]["result"][0]["value"]["choices"] == [NAMES[2]]
    assert 0.5 < tasks["id20"]["predictions"][0]["score"] <= 1
    assert tasks["id20"]["data"]["image"].endswith("part0/img%2010.png")
    setup = ET.parse(tmp_path / "tasks.xml")
    assert [c.get("value") for c in setup.iter("Choice")] == [
        *NAMES,
        decisions.NONE,
        decisions.REMOVE,
    ]
    rows = decisions.read(path)
    known = decisions.of_samples("x", rows, samples.ids, NAMES)
    assert {n: int(k) for n, k in enumerate(known.label) if k != OPEN} == {
        0: 1,
        3: REMOVED,
        10: NO_CLASS,
    }


@pytest.mark.parametrize("name", ["folders", "imagefolder", "fiftyone", "label_studio"])
def test_formats_of_images_need_images(samples, tmp_path, name):
    bare = dataclasses.replace(samples, images=None)
    found, _ = of(bare)
    target = tmp_path / ("x.json" if name == "label_studio" else "x")
    with pytest.raises(UserError, match="no image files are known"):
        write_back.chosen(name, target).write(target, found, False)
    assert not target.exists()


def test_the_command(samples, photos, tmp_path):
    np.save(tmp_path / "probs.npy", samples.probs)
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "path", "label"])
        cells = [NAMES[k].replace("=", "'=") for k in samples.given]
        writer.writerows(zip(samples.ids, samples.paths, cells, strict=True))
    (tmp_path / "classes.txt").write_text("\n".join(NAMES))

    def command(*flags):
        words = ["--probs=probs.npy", "--labels=labels.csv", "--classes=classes.txt"]
        return commands.run("dull_jax.audit", *words, *flags, cwd=tmp_path)

    refused = command("--accept_above=0.9")
    assert refused.returncode == 2 and "give --apply" in refused.stderr
    found = command(f"--images={photos}", "--apply=out", "--apply_files=copy")
    assert found.returncode == 0, found.stderr
    assert "corrected labels: out (5 corrected, 55 kept)" in found.stdout
    (tmp_path / "out/train/mine.txt").write_text("")
    with pytest.raises(UserError, match="was changed since an audit wrote it"):
        written_folder.check(tmp_path / "out")


@pytest.mark.parametrize("name, target, words", [
    ("auto", "x.txt", "name a .csv, .tsv or .parquet file"),
    ("label_studio", "x.csv", "name a .json file"),
    ("table", "folder", "name a .csv, .tsv or .parquet file"),
])  # fmt: skip
def test_a_target_of_another_kind(name, target, words, tmp_path):
    with pytest.raises(UserError, match=words):
        write_back.chosen(name, tmp_path / target)


@pytest.mark.parametrize("form", ["folders", "imagefolder"])
def test_a_split_of_a_table_is_no_path(samples, tmp_path, form):
    mine = tmp_path / "mine/metadata.csv"
    mine.parent.mkdir()
    mine.write_text("mine")
    splits = samples.splits.copy()
    splits[1:4] = "../mine", str(tmp_path / "mine"), "Testing"
    found, _ = of(dataclasses.replace(samples, splits=splits))
    write_back.chosen(form, tmp_path / "out").write(tmp_path / "out", found, False)
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == {
        "train",
        "test",
    }
    assert mine.read_text() == "mine" and len(list(mine.parent.iterdir())) == 1
    assert len(list((tmp_path / "out/test").rglob("*.png"))) == 21


def test_a_folder_of_something_else(photos, tmp_path):
    with pytest.raises(UserError, match="lies in the input"):
        written_folder.check(photos / "new", [photos])
    with pytest.raises(UserError, match="gets the results"):
        written_folder.check(tmp_path / "new", output=tmp_path / "new/audit")
    (tmp_path / "config.json").touch()
    (tmp_path / "labels.npz").touch()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        written_folder.check(tmp_path / "file/new")
    with pytest.raises(UserError, match="belongs to"):
        written_folder.check(tmp_path / "checkpoints/new")
    with pytest.raises(UserError, match="is no folder"):
        written_folder.check(photos / "part0/img 0.png")

"""What is written, read by the libraries that it is for (extra `interop`).

FiftyOne's data sets live in MongoDB, so its importer is asked, which needs no database.
"""

import json

import numpy as np
import pytest
from PIL import Image

from dull_jax.audit import decisions, write_back
from dull_jax.audit.corrections import CORRECTED, DECIDED, KEPT, NONE, Correction, Corrections

ODD = ["[x]*?.png", "ü é.png", ".hidden.png", "a#b%20.png", "x" * 230 + ".png", "con.png"]
CLASSES = [("cat", "a/b", "=1"), ("NA", "3", "007"), ("True", "False", "test")]
SIZE, NOT_AUDITED = 30, 24


@pytest.fixture(params=CLASSES, ids=lambda names: names[0])
def corrections(request, tmp_path):
    """Thirty pictures; the value of a picture's pixels is its row."""
    names = request.param
    root = tmp_path / "photos"
    root.mkdir()
    rows = []
    for n in range(SIZE):
        path = root / (ODD[n] if n < len(ODD) else f"img{n}.png")
        Image.new("RGB", (6, 5), (n, n, n)).save(path)
        audited = n < NOT_AUDITED
        status = {0: DECIDED, 1: NONE, 2: CORRECTED}.get(n, KEPT if audited else "not audited")
        split = "train" if n < 20 else "test" if audited else "val"
        rows.append(Correction(
            id=f"{n:03d}", path=path.name, file=str(path), label="" if n == 1 else names[n % 3],
            given=names[(n + (n < 4)) % 3], split=split,
            status=status, p_wrong=0.9 if audited else float("nan"), suggested=names[n % 3],
            listed=n < 4,
        ))  # fmt: skip
    return Corrections(rows, names)


def written(form, target, corrections, copy=False):
    write_back.chosen(form, target).write(target, corrections, copy)
    return target


def wanted(corrections):
    """row -> label, of what has one."""
    return {n: row.label for n, row in enumerate(corrections.rows) if row.label}


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    library = pytest.importorskip("datasets")
    monkeypatch.setattr(library.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return library


def load(datasets, tmp_path, kind, **where):
    return datasets.load_dataset(kind, cache_dir=str(tmp_path / "cache"), **where)


def pixel(image):
    return int(np.asarray(image)[0, 0, 0])


@pytest.mark.parametrize("copy", [False, True])
def test_datasets_reads_imagefolder(corrections, tmp_path, datasets, copy):
    out = written("imagefolder", tmp_path / "hf", corrections, copy)
    parts = load(datasets, tmp_path, "imagefolder", data_dir=str(out))
    assert set(parts) == {"train", "test", "validation"}
    found = {pixel(row["image"]): row for part in parts.values() for row in part}
    assert {n: row["label"] for n, row in found.items()} == wanted(corrections)
    assert all(row["id"] == f"{n:03d}" for n, row in found.items())
    assert len(parts["test"]) == NOT_AUDITED - 20
    labels = parts["train"].class_encode_column("label").features["label"]
    assert set(labels.names) == set(corrections.class_names)


def test_datasets_reads_class_folders(corrections, tmp_path, datasets):
    if "test" in corrections.class_names:
        pytest.skip("the library takes a class of this name for a split")
    out = written("folders", tmp_path / "out", corrections)
    parts = load(datasets, tmp_path, "imagefolder", data_dir=str(out))
    names = parts["train"].features["label"].names
    found = {pixel(r["image"]): names[r["label"]] for part in parts.values() for r in part}
    assert found == {n: label.replace("/", "_") for n, label in wanted(corrections).items()}


def test_datasets_reads_parquet(corrections, tmp_path, datasets):
    path = written("table", tmp_path / "t.parquet", corrections)
    part = load(datasets, tmp_path, "parquet", data_files=str(path))["train"]
    rows = {int(row["id"]): row["label"] for row in part}
    assert {n: label for n, label in rows.items() if label} == wanted(corrections)
    assert all(feature.dtype == "string" for feature in part.features.values())


def test_fiftyone_imports(corrections, tmp_path, monkeypatch):
    monkeypatch.setenv("FIFTYONE_DO_NOT_TRACK", "true")
    importers = pytest.importorskip("fiftyone.utils.data.importers")
    out = written("fiftyone", tmp_path / "fo", corrections)
    importer = importers.FiftyOneImageClassificationDatasetImporter(dataset_dir=str(out))
    importer.setup()
    found = {pixel(Image.open(path)): label for path, _, label in importer}
    assert {n: label.label for n, label in found.items()} == wanted(corrections)
    assert found[2].source_id == "002" and found[2].p_wrong == 0.9 and found[2].status == CORRECTED


def test_label_studio_validates_and_exports(corrections, tmp_path):
    interface = pytest.importorskip("label_studio_sdk.label_interface")
    converter = pytest.importorskip("label_studio_sdk.converter")
    path = written("label_studio", tmp_path / "tasks.json", corrections)
    setup, tasks = path.with_suffix(".xml").read_text(), json.loads(path.read_text())
    labels = interface.LabelInterface(setup)
    labels.validate()
    assert len(tasks) == 4 and all(labels.validate_task({"data": t["data"]}) for t in tasks)
    for task in tasks:
        for prediction in task.get("predictions", []):
            assert labels.validate_prediction(prediction, return_errors=True) == []
        for annotation in task.get("annotations", []):
            assert labels.validate_annotation(annotation)
    answered = [_answered(n, task) for n, task in enumerate(tasks)]
    (tmp_path / "raw.json").write_text(json.dumps(answered))
    export = converter.Converter(setup, project_dir=None, download_resources=False)
    export.convert_to_json(str(tmp_path / "raw.json"), str(tmp_path / "export"), is_dir=False)
    file = decisions.opened(tmp_path / "export" / "result.json")
    ids = [row.id for row in corrections.rows]
    names = corrections.class_names
    found = file.of_samples(ids, names)
    assert (
        found.label[:4].tolist() == [0, decisions.NO_CLASS, 2, 0]
        and (found.label != decisions.OPEN).sum() == 4
    )


def _answered(number, task):
    """As a person who accepts the prediction."""
    made = task.get("annotations") or [{"result": task["predictions"][0]["result"]}]
    more = {"was_cancelled": False, "updated_at": "2026-11-28T10:00:00Z", "completed_by": 1}
    annotations = [{"id": number, **annotation, **more} for annotation in made]
    return {"id": number, "data": task["data"], "annotations": annotations}

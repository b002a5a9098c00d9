"""A run on somebody's vectors: the same from memory and from the file, to its report and audit."""

import csv
import shutil

import numpy as np
import pytest
from jax import export as jax_export
from PIL import Image

import runs
from configs import embeddings as recipe
from dull_jax import export, inference, predict
from dull_jax.audit import corrections, embeddings, inputs, outputs, page, verdicts
from dull_jax.audit.write_back.table import write as write_table
from dull_jax.data.vectors import formats, parquet_writer
from dull_jax.errors import Stopped, UserError
from dull_jax.report import html
from dull_jax.stats.label_audit import audit_labels
from dull_jax.train import trainer

COUNTS, WRONG = (120, 60, 30), 0.15
LABELS = np.repeat(["cat", "dog", "fox"], COUNTS)
IDS = np.array([f"{n:04}" for n in range(len(LABELS))])


def quiet(text):
    pass


def vectors(seed=0, views=2):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(3, 1, 12))[np.unique(LABELS, return_inverse=True)[1]]
    return (centres + 0.4 * rng.normal(size=(len(LABELS), views, 12))).astype(np.float16)


def given():
    wrong = np.random.default_rng(7).random(len(LABELS)) < WRONG
    return np.where(wrong, "cat", LABELS)


def config_of(path, method="ce", **fields):
    config = recipe.get_config(f"method={method}")
    config.data.file = str(path)
    config.train.epochs, config.train.batch_size, config.train.eval_every = 6, 32, 3
    config.update_from_flattened_dict(fields)
    return config


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(folder, file, run on it)."""
    folder = tmp_path_factory.mktemp("embeddings")
    parquet_writer.write(folder / "x.parquet", IDS, vectors(), given())
    trainer.train(config_of(folder / "x.parquet"), folder / "run", quiet)
    return folder, folder / "x.parquet", folder / "run"


def test_a_run_is_the_same_from_the_file_and_from_memory(made):
    folder, file, _ = made
    for name, memory in (("held", 1.0), ("mapped", 0.0)):
        config = config_of(file, **{"data.resident_gb": memory})
        trainer.train(config, folder / name, quiet)
    runs.assert_same_run(folder / "held", folder / "mapped")


def test_other_vectors_do_not_continue_a_run(made, tmp_path, monkeypatch):
    file = tmp_path / "x.npz"
    np.savez(file, vectors=vectors(), ids=IDS, labels=given())
    with monkeypatch.context() as patch:
        runs.stopping_at(8, patch)
        with pytest.raises(Stopped):
            trainer.train(config_of(file), tmp_path / "run", quiet)
    np.savez(file, vectors=vectors(seed=1), ids=IDS, labels=given())
    with pytest.raises(UserError, match=r"x\.npz holds other vectors, or others to test on, than"):
        trainer.train(config_of(file), tmp_path / "run", quiet)
    np.savez(file, vectors=vectors(), ids=IDS, labels=given())
    shutil.move(file, tmp_path / "moved.npz")  # it is known by what is in it
    trainer.train(config_of(tmp_path / "moved.npz"), tmp_path / "run", quiet)
    trainer.train(config_of(tmp_path / "moved.npz"), tmp_path / "whole", quiet)
    runs.assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_the_report_does_without_pictures(made):
    text = html.write(made[2]).read_text()
    assert "Labels that look wrong" in text and "data:image/png" not in text
    with np.load(made[2] / "outputs.npz") as arrays:
        assert "thumbnails" not in arrays.files


def test_the_audit_finds_labels_and_its_table_is_trained_on(made, tmp_path):
    _folder, file, run = made
    samples = inputs.of_run(run, 3, 60, tmp_path / "audit", quiet)
    verdict = audit_labels(samples.probs, samples.given, class_names=samples.class_names)
    listed = verdicts.listed(samples, verdict, embeddings.features(samples.vectors, quiet))
    outputs.write(tmp_path / "audit", samples, verdict, listed)
    text = page.page(samples, verdict, listed)
    assert "<img" not in text and str(samples.ids[listed.rows[0]]) in text
    flagged = set(samples.ids[verdict.flagged])
    wrong = set(IDS[given() != LABELS]) & set(samples.ids)
    assert len(flagged & wrong) > 0.7 * len(wrong) and len(flagged - wrong) < 0.2 * len(flagged)

    table, said = tmp_path / "corrected.csv", []
    write_table(table, corrections.of(samples, verdict, listed), copy=False)
    with table.open(newline="") as rows:
        assert {row["id"] for row in csv.DictReader(rows)} == set(IDS)
    config = config_of(file, **{"data.labels": str(table)})
    result = trainer.train(config, tmp_path / "again", said.append)
    assert any("labels are those of" in line for line in said)
    assert result["num_train"] == (~samples.held_out).sum()


def test_an_audit_finds_a_file_that_moved(made, tmp_path):
    _folder, file, run = made
    moved = tmp_path / "there.parquet"
    shutil.copytree(run, tmp_path / "run")
    shutil.move(file, moved)
    try:
        with pytest.raises(UserError, match="--data_file=NEW"):
            inputs.of_run(tmp_path / "run", 2, 1, tmp_path / "audit", quiet)
        found = inputs.of_run(
            tmp_path / "run", 2, 1, tmp_path / "audit", quiet, data_file=str(moved)
        )
        assert len(found.ids) > 100
    finally:
        shutil.move(moved, file)


def test_copies_of_a_vector_are_of_one_content():
    x = vectors()
    x[5, 0] = x[9, 0]
    contents = inputs._contents(x)
    assert contents[5] == contents[9] and len(set(contents)) == len(x) - 1


def test_the_head_predicts_vectors_and_is_exported_alone(made, tmp_path):
    _, file, run = made
    classifier = inference.load(run)
    assert "vectors of" in str(classifier)
    told = predict.predict(run, file, tmp_path / "preds.csv", say=quiet)
    found = formats.read(file)
    plain = np.concatenate([part[:, 0] for part in found.parts]).astype(np.float32)
    probs = classifier.probs(plain)
    assert [one.id for one in told] == list(found.ids)
    assert [one.top[0][0] for one in told] == [classifier.class_names[k] for k in probs.argmax(1)]
    exported = jax_export.deserialize(export.exported(classifier).serialize())
    np.testing.assert_allclose(exported.call(plain[:3]), probs[:3], atol=1e-5)
    assert export.about(classifier)["vector_size"] == plain.shape[1]


@pytest.mark.filterwarnings("error")
def test_vectors_that_are_not_finite_get_a_reason_and_no_class(made, tmp_path):
    """Also those that are not once they are float32; the others are predicted as without them."""
    classifier = inference.load(made[2])
    plain = vectors()[:6, 0].astype(np.float64)
    wanted = classifier.predict(plain.astype(np.float32)).tolist()
    plain[1, 3], plain[2, :], plain[4, 0] = np.nan, -np.inf, 1e300
    np.save(tmp_path / "x.npy", plain)
    predict.predict(made[2], tmp_path / "x.npy", tmp_path / "preds.csv", batch_size=4, say=quiet)
    rows = list(csv.DictReader((tmp_path / "preds.csv").read_text().splitlines()))
    for n, row in enumerate(rows):
        bad = n in (1, 2, 4)
        assert row["predicted"] == ("" if bad else wanted[n])
        assert row["error"] == (inference.NOT_FINITE if bad else "")
    np.save(tmp_path / "x.npy", plain[1:3])
    with pytest.raises(UserError, match=r"none of the 2 .*; the first, 0: is not finite"):
        predict.predict(made[2], tmp_path / "x.npy", tmp_path / "none.csv", say=quiet)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "logits"])
def test_from_python_a_vector_that_is_not_finite_is_refused_by_its_row(made, method):
    classifier = inference.load(made[2])
    plain = vectors()[:100, 0].astype(np.float32)
    plain[[70, 90], 2] = np.nan, np.inf
    with pytest.raises(UserError, match=r"vectors: row 70 \(counted from 0\) .*\(1 more\)"):
        getattr(classifier, method)(plain)


def test_images_are_not_for_the_head_of_vectors(made, tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "one.png")
    with pytest.raises(UserError, match="is an image; this run takes vectors of"):
        predict.predict(made[2], tmp_path / "one.png", tmp_path / "preds.csv", say=quiet)

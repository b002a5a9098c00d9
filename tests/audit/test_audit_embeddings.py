"""Embeddings as an audit's input: alone, beside probabilities, and what is refused."""

import csv
import unicodedata

import numpy as np
import pytest

import commands
from dull_jax.audit import embeddings, image_paths, outputs, prediction_files
from dull_jax.errors import UserError
from dull_jax.stats import neighbour_graph

NAMES = np.array(["cat", "cow", "dog"])
COUNTS = np.array([60, 40, 20])


def quiet(text):
    pass


@pytest.fixture
def made():
    """Ids, vectors of three classes, true and given labels; every tenth is wrong."""
    rng = np.random.default_rng(0)
    true = rng.permutation(np.repeat(np.arange(3), COUNTS))
    vectors = 3 * np.eye(3, 16)[true] + rng.normal(size=(len(true), 16)) + 5  # far from the origin
    given = true.copy()
    given[::10] = (true[::10] + 1) % 3
    ids = np.array([f"image {n}" for n in range(len(true))])
    return ids, vectors.astype(np.float32), true, given


def command(*arguments):
    return commands.run("dull_jax.audit", *arguments)


def table(path, **columns):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def test_labels_and_vectors_are_enough(made, tmp_path):
    ids, vectors, true, given = made
    np.savez(tmp_path / "emb.npz", vectors=vectors, ids=ids)
    order = np.random.default_rng(1).permutation(len(ids))  # joined by id
    labels = table(tmp_path / "labels.csv", id=ids[order], label=NAMES[given[order]])
    found = command(
        f"--embeddings={tmp_path / 'emb.npz'}", f"--labels={labels}", f"--output={tmp_path / 'a'}"
    )
    assert found.returncode == 0, found.stderr
    assert "all 120 samples are audited" in found.stdout and "fold 5/5" in found.stdout
    with (tmp_path / "a" / "suspects.csv").open(newline="") as file:
        accused = {row["id"]: row["suggested"] for row in csv.DictReader(file)}
    wrong = set(ids[true != given])
    assert len(wrong & set(accused)) >= 9 and len(set(accused) - wrong) <= 4
    right = sum(accused.get(key) == NAMES[k] for key, k in zip(ids, true, strict=True))
    assert right >= 8


def test_a_test_part_that_was_named_is_left_alone(made, tmp_path):
    ids, vectors, _, given = made
    np.savez(tmp_path / "emb.npz", vectors=vectors, ids=ids, labels=NAMES[given])
    splits = np.where(np.arange(len(ids)) % 4 == 0, "test", "train")
    labels = table(tmp_path / "labels.csv", id=ids, label=NAMES[given], split=splits)
    path = str(tmp_path / "emb.npz")
    samples = embeddings.of_files(path, str(labels), 2, 1, tmp_path / "a", quiet)
    assert sorted(samples.ids) == sorted(ids[splits == "train"])
    assert {other.id for other in samples.others} == set(ids[splits == "test"])
    few, all_of_them = (splits == "test").sum(), len(ids)
    assert outputs.coverage(samples) == (
        f"{all_of_them - few} of {all_of_them} samples are audited; the others: {few} of the test "
        "part, which was set apart"
    )
    assert set(samples.splits) == {"train"}
    whole = embeddings.of_files(path, "", 2, 1, tmp_path / "b", quiet)
    assert whole.ids.tolist() == ids.tolist() and not whole.others
    assert not whole.held_out.any(), "where nobody named a test part there is none"
    np.testing.assert_array_equal(whole.given, given)
    np.testing.assert_array_equal(np.asarray(whole.vectors[:])[:, 0], vectors)


def test_the_corrected_table_of_vectors_without_ids_is_read_again(made, tmp_path):
    """By the numbers of the rows, in whatever order they are."""
    ids, vectors, true, given = made
    path, out = tmp_path / "emb.npy", tmp_path / "corrected.csv"
    np.save(path, vectors)
    labels = table(tmp_path / "labels.csv", label=NAMES[given])
    flags = (f"--embeddings={path}", "--folds=2", "--epochs=3")
    found = command(
        *(*flags, f"--labels={labels}", f"--output={tmp_path / 'a'}", f"--apply={out}"),
    )
    assert found.returncode == 0, found.stderr
    rows = list(csv.DictReader(out.open(newline="")))
    assert [row["id"] for row in rows] == list(map(str, range(len(ids))))
    assert {row["split"] for row in rows} == {"train"}
    order = np.random.default_rng(4).permutation(len(rows))
    columns = {name: [rows[n][name] for n in order] for name in ("id", "label")}
    samples = embeddings.of_files(
        str(path), str(table(out, **columns)), 2, 1, tmp_path / "b", quiet
    )
    assert [samples.class_names[k] for k in samples.given] == [row["label"] for row in rows]
    assert np.mean(NAMES[true] == [row["label"] for row in rows]) > np.mean(true == given)


def predictions(made, folder, **columns):
    _, _, true, given = made
    probs = np.random.default_rng(2).dirichlet(np.ones(3), len(true)) / 2 + np.eye(3)[true] / 2
    np.save(folder / "probs.npy", probs)
    labels = table(folder / "labels.csv", label=NAMES[given], **columns)
    return prediction_files.of_files(str(folder / "probs.npy"), str(labels))


def test_vectors_join_probabilities_by_id(made, tmp_path):
    ids, vectors, _, _ = made
    samples = predictions(made, tmp_path, id=ids)
    order = np.random.default_rng(3).permutation(len(ids))
    np.savez(tmp_path / "emb.npz", vectors=vectors[order], ids=ids[order])
    both = embeddings.joined(samples, str(tmp_path / "emb.npz"))
    np.testing.assert_array_equal(both.vectors[:][:, 0], vectors)
    found = command(
        *(f"--probs={tmp_path / 'probs.npy'}", f"--labels={tmp_path / 'labels.csv'}"),
        *(f"--embeddings={tmp_path / 'emb.npz'}", f"--output={tmp_path / 'a'}"),
    )
    assert found.returncode == 0 and "all 120 samples" in found.stdout, found.stderr


def test_ids_that_are_the_numbers_of_rows_are_ids(made, tmp_path):
    _, vectors, _, _ = made
    ids = np.arange(len(vectors)).astype(str)
    samples = predictions(made, tmp_path, id=ids)
    order = np.random.default_rng(4).permutation(len(ids))
    np.savez(tmp_path / "emb.npz", vectors=vectors[order], ids=ids[order])
    both = embeddings.joined(samples, str(tmp_path / "emb.npz"))
    np.testing.assert_array_equal(both.vectors[:][:, 0], vectors)
    assert not both.notes


def test_vectors_join_probabilities_by_row_where_nobody_has_ids(made, tmp_path):
    _, vectors, _, _ = made
    samples = predictions(made, tmp_path)
    np.save(tmp_path / "emb.npy", vectors)
    both = embeddings.joined(samples, str(tmp_path / "emb.npy"))
    assert "joined by row" in both.notes[-1]
    np.save(tmp_path / "short.npy", vectors[:-1])
    with pytest.raises(UserError, match=r"short.npy: 119 vectors for 120 labels"):
        embeddings.joined(samples, str(tmp_path / "short.npy"))


def test_a_label_without_a_vector_is_named(made, tmp_path):
    ids, vectors, _, _ = made
    samples = predictions(made, tmp_path, id=ids)
    np.savez(tmp_path / "emb.npz", vectors=vectors[1:], ids=ids[1:])
    with pytest.raises(UserError, match=r"no vector has the id image 0 \(1 labels without\)"):
        embeddings.joined(samples, str(tmp_path / "emb.npz"))


def test_ids_are_joined_whatever_the_form_of_their_accents(made, tmp_path):
    """macOS decomposes the names of files, which are often ids; tables are typed composed."""
    ids, vectors, _, _ = made
    ids = np.array([f"caf\u00e9 {n}" for n in range(len(ids))])
    apart = np.array([unicodedata.normalize("NFD", key) for key in ids])
    for one, other in ((ids, apart), (apart, ids)):
        samples = predictions(made, tmp_path, id=[f" {key}" for key in one])
        np.savez(tmp_path / "emb.npz", vectors=vectors[::-1], ids=other[::-1])
        both = embeddings.joined(samples, str(tmp_path / "emb.npz"))
        np.testing.assert_array_equal(both.vectors[:][:, 0], vectors)


def test_two_vectors_of_one_id_are_refused(made, tmp_path):
    ids, vectors, _, _ = made
    samples = predictions(made, tmp_path, id=ids)
    np.savez(tmp_path / "emb.npz", vectors=vectors, ids=[*ids[:-1], ids[0]])
    with pytest.raises(UserError, match="row 119: id 'image 0' is there twice"):
        embeddings.joined(samples, str(tmp_path / "emb.npz"))


def test_what_is_wrong_is_refused_before_anything_is_written(made, tmp_path):
    ids, vectors, _, given = made
    paths = np.array([f"{n}.png" for n in range(len(ids))])
    np.savez(tmp_path / "emb.npz", vectors=vectors, ids=ids, labels=NAMES[given], paths=paths)
    (tmp_path / "decisions.csv").write_text("id,decision\nimage 1,lynx\n")
    for flag, words in (
        (f"--images={tmp_path}", "120 of 120 images are not there, "),
        (f"--decisions={tmp_path / 'decisions.csv'}", "'lynx' for 'image 1' is no class"),
        ("--max_tail_false_alarms=nan", "--max_tail_false_alarms=nan is no number"),
    ):
        found = command(
            f"--embeddings={tmp_path / 'emb.npz'}", f"--output={tmp_path / 'a'}", "--epochs=1", flag
        )
        assert found.returncode == 2 and words in found.stderr and "fold" not in found.stdout
        assert not (tmp_path / "a").exists()


def test_images_of_a_test_part_may_be_missing(made, tmp_path):
    """They are not audited."""
    ids, vectors, _, given = made
    splits = np.where(np.arange(len(ids)) % 4 == 0, "test", "train")
    paths = np.array([f"{part}\\{n}.png" for n, part in enumerate(splits)])
    file, photos = tmp_path / "emb.npz", tmp_path / "photos"
    np.savez(file, vectors=vectors, ids=ids, labels=NAMES[given], paths=paths, splits=splits)
    (photos / "train").mkdir(parents=True)
    for n in np.flatnonzero(splits == "train").tolist():
        (photos / "train" / f"{n}.png").write_bytes(b"")
    image_paths.check_embeddings(str(file), "", photos)
    (photos / "train/1.png").unlink()
    with pytest.raises(UserError, match="1 of 90 images are not there"):
        image_paths.check_embeddings(str(file), "", photos)


def test_folds_of_earlier_decisions_do_not_pile_up(made, tmp_path):
    ids, vectors, _, given = made
    np.savez(tmp_path / "emb.npz", vectors=vectors, ids=ids, labels=NAMES[given])
    decided, out, kept = tmp_path / "decisions.csv", tmp_path / "a", set()
    for n in range(2):
        other = NAMES[(given[n] + 1) % 3]
        decided.write_text(f"id,decision\nimage {n},{other}\n")
        found = command(
            *(f"--embeddings={tmp_path / 'emb.npz'}", f"--decisions={decided}", f"--output={out}"),
            *("--folds=2", "--epochs=1"),
        )
        assert found.returncode == 0, found.stderr
        before, kept = kept, {path.name for path in out.glob("fold_*.npy")}
        assert len(kept) == 2 and not kept & before


def test_features_are_plain_and_centred(made, monkeypatch):
    _, vectors, _, _ = made
    views = np.stack([vectors, np.zeros_like(vectors)], axis=1).astype(np.float16)
    found = embeddings.features(views, quiet)
    expected = views[:, 0].astype(np.float64)
    np.testing.assert_allclose(found, expected - expected.mean(0), atol=1e-3)
    assert embeddings.features(None, quiet) is None

    def missing(size):
        raise UserError("no faiss")

    said = []
    monkeypatch.setattr(neighbour_graph, "check", missing)
    assert embeddings.features(views, said.append) is None and "faiss-cpu" in said[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--embeddings=a.npy", "--run=r"], "--run cannot be combined with"),
        (["--probs=p.npy", "--embeddings=a.npy"], "give --run, or --embeddings, or --probs"),
        (["--labels=l.csv"], "give --run, or --embeddings, or --probs"),
        (["--embeddings=a.npy", "--classes=c.txt"], "--classes names the columns of --probs"),
        (["--embeddings=a.npy", "--data_dir=d"], "images lie below --images=FOLDER"),
    ],
)
def test_flags_that_do_not_fit(arguments, said):
    found = command(*arguments)
    assert found.returncode == 2 and said in found.stderr
    assert found.stderr.strip().count("\n") == 0

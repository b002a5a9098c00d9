"""Vectors with ids and labels, from their file or from a table: joined, split, described."""

import numpy as np
import pytest

from configs import embeddings as recipe
from dull_jax.data.prepare import prepare
from dull_jax.data.sources import embeddings
from dull_jax.data.vectors import parquet_writer
from dull_jax.data.vectors.vector_files import VectorFiles
from dull_jax.errors import UserError

COUNTS = (40, 20, 10)
LABELS = np.repeat(["cat", "dog", "fox"], COUNTS)
IDS = np.array([f"{label}/{n}.png" for n, label in enumerate(LABELS)])
X = np.random.default_rng(0).normal(size=(70, 2, 5)).astype(np.float16)


@pytest.fixture
def save(tmp_path):
    def write(name="x.npz", **arrays):
        np.savez(tmp_path / name, vectors=X, **arrays)
        return tmp_path / name

    return write


@pytest.fixture
def table(tmp_path):
    def write(text, name="labels.csv"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def rows(ids=IDS, labels=LABELS, header="id;label"):
    return "\n".join([header, *(f"{i};{k}" for i, k in zip(ids, labels, strict=True))])


def both(source):
    """{id: (class, plain vector)} of both parts."""
    return {
        str(key): (source.class_names[label], tuple(vector))
        for part in (source.train, source.test)
        for key, label, vector in zip(part.ids, part.labels, part.images[:][:, 0], strict=True)
    }


WANTED = {key: (str(label), tuple(x[0])) for key, label, x in zip(IDS, LABELS, X, strict=True)}


def test_ids_and_labels_of_the_file(save):
    source = embeddings.read(save(ids=IDS, labels=LABELS))
    assert source.class_names == ("cat", "dog", "fox") and not source.truth_known
    assert isinstance(source.train.images, VectorFiles) and source.notices == ()
    assert both(source) == WANTED
    assert 5 < len(source.test.ids) < 30 and set(source.test.labels) == {0, 1, 2}


def test_the_held_out_part_is_that_of_own_images(save):
    path = save(ids=IDS, labels=LABELS)
    first, again, other = (embeddings.read(path, seed=seed) for seed in (0, 0, 1))
    assert first.test.ids.tolist() == again.test.ids.tolist() != other.test.ids.tolist()
    large = embeddings.read(path, share=0.6)
    assert set(first.test.ids) < set(large.test.ids)


def test_whole_numbers_are_class_names_in_order_of_value(save):
    numbers = np.array([10, 9, 100])[np.unique(LABELS, return_inverse=True)[1]]
    source = embeddings.read(save(ids=IDS, label=numbers))
    assert source.class_names == ("9", "10", "100")


def test_labels_of_a_table_in_another_order(save, table):
    order = np.random.default_rng(1).permutation(70)
    path = table(rows(IDS[order], LABELS[order]))
    assert both(embeddings.read(save(ids=IDS), path)) == WANTED


def test_a_table_wins_over_the_file_and_that_is_said(save, table):
    source = embeddings.read(save(ids=IDS, labels=LABELS[::-1]), table(rows()))
    assert both(source) == WANTED
    (told,) = source.notices
    assert "labels are those of" in told


def test_ids_of_a_table_without_a_vector_are_told(save, table):
    path = table(rows([*IDS, "new/1.png"], [*LABELS, "cat"]))
    (told,) = embeddings.read(save(ids=IDS), path).notices
    assert told.endswith("(new/1.png)") and "1 ids have no vector" in told


def test_by_position_where_nobody_has_ids(save, table):
    source = embeddings.read(save(), table("label\n" + "\n".join(LABELS)))
    wanted = {str(n): WANTED[key] for n, key in enumerate(IDS)}
    assert both(source) == wanted
    assert "row n of" in source.notices[0]


def test_by_the_numbers_of_rows_which_an_audit_writes(save, table):
    order = np.random.default_rng(1).permutation(70)
    numbers = list(map(str, range(70)))
    source = embeddings.read(save(), table(rows(order, LABELS[order])))
    assert both(source) == {n: WANTED[key] for n, key in zip(numbers, IDS, strict=True)}
    (told,) = source.notices
    assert "has no ids: row n, from 0, is joined to the id n of" in told


def test_by_paths_where_the_table_has_no_ids(save, table):
    numbers = np.array([f"n{n}" for n in range(70)])
    order = np.random.default_rng(1).permutation(70)
    text = rows(IDS[order], LABELS[order], header="path;label")
    source = embeddings.read(save(ids=numbers, paths=IDS), table(text))
    assert both(source) == {n: WANTED[key] for n, key in zip(numbers, IDS, strict=True)}
    assert source.paths == dict(zip(numbers.tolist(), IDS.tolist(), strict=True))
    typed = [rf" .\{path}".replace("/", "\\") for path in IDS]
    text = rows(typed, LABELS, header="path;label")
    assert both(embeddings.read(save(ids=numbers, paths=IDS), table(text))) == both(source)
    for paths, said in (
        (IDS[1:], r"1 of 70 vectors of .* have no label in it \(their paths: cat/0.png\)"),
        (np.r_[IDS, IDS[:1]], "path 'cat/0.png' is there twice"),
        (["", *IDS[1:]], "row 2: the path is empty"),
    ):
        bad = table(rows(paths, ["cat"] * len(paths), header="path;label"))
        with pytest.raises(UserError, match=said):
            embeddings.read(save(ids=numbers, paths=IDS), bad)
    with pytest.raises(UserError, match=r"has no column id, and .* has ids"):
        embeddings.read(save(ids=numbers, paths=np.repeat("x.png", 70)), table(text))


def test_what_an_audit_has_corrected_is_not_tested_against(save, table):
    """Else a model would be scored by what a model thinks of the labels."""
    changed = np.arange(70) % 3 == 0
    status = np.where(changed, "corrected", "kept")
    text = "\n".join(["id,label,status", *map(",".join, zip(IDS, LABELS, status, strict=True))])
    plain, source = (embeddings.read(save(ids=IDS), table(x)) for x in (rows(), text))
    assert set(plain.test.ids) & set(IDS[changed]), "they would have been"
    assert not set(source.test.ids) & set(IDS[changed]) and set(source.test.labels) == {0, 1, 2}


def test_nothing_is_held_out_where_nothing_is_to_be(save):
    source = embeddings.read(save(ids=IDS, labels=LABELS), share=0)
    assert source.train.ids.tolist() == IDS.tolist()
    assert not len(source.test.ids) and not source.test_drawn
    named = embeddings.read(save(ids=IDS, labels=LABELS, split=["train", "test"] * 35), share=0)
    assert named.test.ids.tolist() == IDS[1::2].tolist() and not named.test_drawn


def test_parts_of_the_file_and_of_the_table(save, table):
    parts = np.array(["Training", "val-set", "test", "train"])[np.arange(70) % 4]
    source = embeddings.read(save(ids=IDS, labels=LABELS, split=parts))
    assert set(source.test.ids) == set(IDS[parts == "test"])
    assert set(source.train.ids) == set(IDS[np.arange(70) % 4 % 3 == 0])
    assert source.notices == ("18 samples of split val are not used: there is test",)
    assert {(one.split, one.status) for one in source.unused} == {("val", "not used")}
    text = "\n".join(["id,label,split", *(
        f"{i},{k},{'valid' if n % 5 == 0 else 'train'}"
        for n, (i, k) in enumerate(zip(IDS, LABELS, strict=True))
    )])  # fmt: skip
    source = embeddings.read(save(ids=IDS, split=parts), table(text))
    assert set(source.test.ids) == set(IDS[::5])


def test_a_class_of_the_test_part_alone_is_left_out(save):
    parts = np.where((LABELS == "fox") | (np.arange(70) % 4 == 0), "test", "train")
    source = embeddings.read(save(ids=IDS, labels=LABELS, split=parts))
    assert source.class_names == ("cat", "dog")
    told = "classes only in the test part: fox (10); their samples are skipped"
    assert source.notices == (told,)
    assert len(source.unused) == 10


BAD = {
    "no labels": ({"ids": IDS}, None, r"has no labels; name a table .* of an audit --labels="),
    "an id twice": (
        {"ids": np.r_[IDS[:-1], IDS[:1]], "labels": LABELS},
        None,
        r"\(rows counted from 0\), row 69: id 'cat/0.png' is there twice",
    ),
    "an empty id": ({"ids": np.r_[[""], IDS[1:]], "labels": LABELS}, None, "0: the id is empty"),
    "an empty label": ({"labels": np.r_[LABELS[:-1], [" "]]}, None, "row 69: the label is empty"),
    "nan as a label": ({"labels": np.r_[LABELS[:-1], ["nan"]]}, None, "row 69: label 'nan' stands"),
    "a negative number": ({"labels": np.arange(70) - 1}, None, "row 0: label '-1' is no class"),
    "one class": ({"labels": np.full(70, "cat")}, None, "only class 'cat' has samples to train on"),
    "classes of one": ({"labels": np.arange(70)}, None, "no sample can be held out to test on"),
    "no train part": (
        {"labels": LABELS, "split": np.full(70, "test")},
        None,
        "no class has samples to train on",
    ),
    "an unknown part": (
        {"labels": LABELS, "split": np.full(70, "other")},
        None,
        r"split 'other' is none of train, test, val",
    ),
    "labels that do not meet": (
        {"ids": IDS},
        rows(IDS[:60], LABELS[:60]),
        r"10 of 70 vectors of .* have no label in it \(their ids: fox/60.png, fox/61.png, fox/62.p",
    ),
    "an id twice in the table": ({"ids": IDS}, rows() + "\ncat/3.png;dog", "72: id 'cat/3.png'"),
    "ids of the table only": ({}, rows(), "has no ids for those of .* to be joined to; add ids to"),
    "ids of the file only": ({"ids": IDS}, "label\n" + "\n".join(LABELS), "has no column id"),
    "another length": ({}, "label\ncat\ndog\n", "2 labels for the 70 vectors"),
    "no label column": ({"ids": IDS}, "id,class\na,b\n", "the header needs the column label"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_said(case, save, table):
    arrays, text, message = BAD[case]
    with pytest.raises(UserError, match=message) as raised:
        embeddings.read(save(**arrays), "" if text is None else table(text))
    assert "\n" not in str(raised.value)


# The way through the recipe -----------------------------------------------------------------------


def built_of(path, said=None, **fields):
    config = recipe.get_config()
    config.data.file = str(path)
    config.update_from_flattened_dict(fields)
    return prepare(config, (lambda text: None) if said is None else said.append)[1]


def test_held_in_memory_or_not_the_data_is_the_same(save):
    path = save(ids=IDS, labels=LABELS)
    held, mapped = (built_of(path, **{"data.resident_gb": gb}) for gb in (1.0, 0.0))
    assert isinstance(held.train.images, np.ndarray) and isinstance(held.test.images, np.ndarray)
    assert isinstance(mapped.train.images, VectorFiles)
    assert held.description == mapped.description
    np.testing.assert_array_equal(held.train.images, mapped.train.images[:])
    assert held.train.images.dtype == np.float16 and held.train.vector_size == 5
    assert not held.truth_known and held.pictures is None


def test_other_vectors_have_another_digest(tmp_path):
    digests = set()
    for change in (0, 1):
        x = X.copy()
        x[69, 1, 4] += change
        parquet_writer.write(tmp_path / "x.parquet", IDS, x, LABELS)
        digests.add(built_of(tmp_path / "x.parquet").description["data_digest"])
    assert len(digests) == 2


def test_noise_may_follow_what_vectors_show(save):
    path = save(ids=IDS, labels=LABELS)
    fields = {"noise.name": "t2h", "noise.rate": 0.2, "noise.destination": "similar"}
    built = built_of(path, **fields)
    assert built.truth_known and 0.1 < np.mean(built.train.given != built.clean) < 0.3


def test_what_was_made_of_the_files_is_said(save, table):
    said = []
    built_of(save(), said, **{"data.labels": str(table("label\n" + "\n".join(LABELS)))})
    joined, chosen = said
    assert joined.startswith("there are no ids: row n of")
    assert chosen == "chosen for vectors of 5 numbers: optim.lr = 0.016"


def test_a_file_is_needed_and_lies_here():
    for file, message in (
        ("", "config.data.file is needed"),
        ("gs://b/x.npy", "read locally only"),
    ):
        with pytest.raises(UserError, match=message):
            built_of(file)


def test_what_a_corrected_table_leaves_out_is_not_trained_on(save, table):
    """By id and by position; a label that was given since counts."""
    labels, status = LABELS.astype(object), np.full(len(IDS), "kept", object)
    labels[[3, 50]], status[[3, 50, 60]] = "", "none of the classes"
    lines = zip(IDS, labels, status, strict=True)
    text = "\n".join(["id,label,status", *map(",".join, lines)])
    without_ids = "\n".join(line.split(",", 1)[1] for line in text.splitlines())
    for path, words in ((save(ids=IDS), text), (save("y.npz"), without_ids)):
        source = embeddings.read(path, table(words))
        found = set(map(str, (*source.train.ids, *source.test.ids)))
        names = list(map(str, IDS if words is text else range(len(IDS))))
        assert found == set(names) - {names[3], names[50]}
        assert {(file.id, file.status) for file in source.unused} == {
            (names[3], "none of the classes"), (names[50], "none of the classes"),
        }  # fmt: skip
        assert source.notices[-1] == "2 samples without a label: left out before"
    with pytest.raises(UserError, match="row 5: the label is empty"):
        embeddings.read(save(ids=IDS), table(text.replace("none of the classes", "kept")))


def test_what_a_person_decided_stays_with_vectors_and_without(save, table):
    """A blank split is no mistake there, and images that were not embedded are not forgotten."""
    lines = ["id,label,split,status,given"]
    lines += [f"{key},{label},train,kept,{label}" for key, label in zip(IDS, LABELS, strict=True)]
    lines[1 + 3] = f"{IDS[3]},,,removed,cat"
    lines.append("away,,test,none of the classes,dog")
    source = embeddings.read(save(ids=IDS), table("\n".join(lines)))
    assert [(file.id, file.split, file.status, file.given) for file in source.unused] == [
        (IDS[3], "train", "removed", "cat"), ("away", "test", "none of the classes", "dog"),
    ]  # fmt: skip
    lines[1 + 4] = f"{IDS[4]},cat,,kept,cat"
    with pytest.raises(UserError, match=f"id {IDS[4]}: split '' is none of train, test"):
        embeddings.read(save(ids=IDS), table("\n".join(lines)))

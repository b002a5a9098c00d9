"""Label files: the forms that are read, and every way in which one can be wrong."""

import io
import json
import pickle

import numpy as np
import pytest

from dull_jax.data.tables import given_labels
from dull_jax.errors import UserError

IDS = np.array(["a", "b", "c", "d"])
NAMES = ("cat", "dog", "fish, dried")
LABELS = [2, 0, 1, 0]


@pytest.fixture
def write(tmp_path):
    def save(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return save


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("numbers.csv", "id,label\na,2\nb,0\nc,1\nd,0\n"),
        ("other_order.csv", "label,note,id\n0,x,d\n1,,c\n0,,b\n2,y,a"),
        ("names.csv", 'id,label\na,"fish, dried"\nb,cat\nc,dog\nd,0\n'),
        ("bom_crlf.csv", "\ufeffID, Label\r\na,2\r\nb,0\r\nc,1\r\nd,0\r\n\r\n"),
        ("semicolon.csv", "id;label\na;fish, dried\nb;0\nc;1\nd;0\n"),
        ("tab.csv", "label\tid\n2\ta\n0\tb\n1\tc\n0\td\n"),
        ("tab.tsv", "id\tlabel\na\t2\nb\t0\nc\t1\nd\t0\t\n\t\n"),
        ("commas.TAB", "sep=,\nid,label\na,2\nb,0\n,\nc,1\nd,0,\n"),
        ("UPPER.CSV", "id,label\na,2\nb, 0 \nc,01\nd,0\n"),
        ("numbers.json", json.dumps({"d": 0, "a": 2, "b": 0, "c": 1})),
        ("names.json", json.dumps({"a": "fish, dried", "b": "cat", "c": "1", "d": 0})),
    ],
)
def test_joined_by_id(write, name, content):
    labels = given_labels.read(write(name, content), IDS, NAMES)
    assert labels.dtype == np.int32 and labels.tolist() == LABELS


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.csv", "label\n2\ncat\n1\n0\n"),
        ("with_id.csv", "id,label\nz,2\ny,0\nx,1\nw,0\n"),
        ("labels.json", json.dumps([2, "cat", 1, 0])),
        ("labels.npy", npy(np.array(LABELS, np.uint8))),
        ("big_endian.npy", npy(np.array(LABELS, ">i8"))),
    ],
)
def test_joined_by_position_when_asked(write, name, content):
    labels = given_labels.read(write(name, content), IDS, NAMES, by="position")
    assert labels.dtype == np.int32 and labels.tolist() == LABELS


def test_class_names_that_are_numbers_are_names(write):
    path = write("l.csv", "id,label\na,3\nb,1\nc,2\nd,1\n")
    assert given_labels.read(path, IDS, ("1", "2", "3")).tolist() == LABELS
    with pytest.raises(UserError, match="row 2: label '0' is none of the classes \\("):
        given_labels.read(write("z.csv", "id,label\na,0\n"), IDS, ("1", "2", "3"))


BAD_BY_ID = [
    ("range.csv", "id,label\na,2\nb,3\nc,1\nd,0\n", r"row 3: label 3 is outside 0\.\.2"),
    ("negative.csv", "id,label\na,-1\n", r"row 2: label -1 is outside"),
    ("float.csv", "id,label\na,2.5\nb,0\n", r"row 2: label '2\.5' is no class beside whole"),
    ("spelled.csv", "id,label\na,2\nb,2.0\n", r"row 3: label '2\.0' is another spelling"),
    ("nan.csv", "id,label\na,nan\n", "row 2: label 'nan' stands for a label that is missing"),
    ("empty.csv", "id,label\na,2\nb,\n", "row 3: the label is empty"),
    ("blank.csv", "id,label\na,  \n", "row 2: the label is empty"),
    ("huge.csv", f"id,label\na,{'9' * 5000}\n", "row 2: label '999"),
    ("unknown.csv", "id,label\na,bird\n", "row 2: label 'bird'"),
    ("twice.csv", "id,label\na,2\nb,0\na,2\n", "row 4: id 'a' is there twice"),
    ("extra.csv", "id,label\na,2\nz,0\n", "row 3: id 'z' is not in the data set"),
    ("missing.csv", "id,label\na,2\nc,0\n", "2 of 4 samples have no label, the first is id 'b'"),
    ("fields.csv", "id,label\na,2\nb,fish, dried\n", "row 3: 3 fields instead of 2"),
    ("multi.csv", 'id,label\n"a\nb",2\n', r"row 3: id 'a\\nb' is not"),
    ("quote.csv", 'id,label\n"a,2\nb,0\n', "row 3: not valid CSV"),
    ("noid.csv", "label\n2\n", "row 1: the header needs the columns id and label"),
    ("twocolumns.csv", "id,label,label\na,2,2\n", "header has column 'label' twice"),
    ("nothing.csv", "", "row 1: the header needs the columns id and label"),
    ("nul.csv", "id,label\na,2\nb\0,0\n", "row 3: a NUL byte"),
    ("latin.csv", b"id,label\na,2\n\xe9,0\n", "row 3: not UTF-8"),
    ("utf16.csv", "id,label\na,2\n".encode("utf-16"), "row 1: not UTF-8"),
    ("range.json", '{"a": 3}', r"id 'a': label 3 is outside 0\.\.2"),
    ("negative.json", '{"a": -1}', "id 'a': label -1"),
    ("float.json", '{"a": 2.5}', r"id 'a': label 2\.5 must be"),
    ("nan.json", '{"a": NaN}', "id 'a': label nan must be"),
    ("bool.json", '{"a": true}', "id 'a': label True must be"),
    ("null.json", '{"a": null}', "id 'a': label None must be"),
    ("nested.json", '{"a": {"b": 1}}', "id 'a': label"),
    ("twice.json", '{"a": 2, "b": 0, "a": 2}', "id 'a' is there twice"),
    ("extra.json", '{"a": 2, "z": 0}', "id 'z' is not in the data set"),
    ("missing.json", '{"a": 2}', "3 of 4 samples have no label"),
    ("list.json", "[2, 0, 1, 0]", "must be one object"),
    ("cut.json", '{"a": 2', "not valid JSON"),
    ("deep.json", "[" * 200000, "not valid JSON"),
    ("labels.npy", npy(np.array(LABELS)), "an array has no ids"),
    ("labels.txt", "2 0 1 0", r"read from \.csv"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD_BY_ID, ids=[b[0] for b in BAD_BY_ID])
def test_bad_files_joined_by_id(write, name, content, message):
    path = write(name, content)
    with pytest.raises(UserError, match=message) as raised:
        given_labels.read(path, IDS, NAMES)
    assert name in str(raised.value)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 400


NESTED = '{"a":' * 700 + "1" + "}" * 700  # deeper than Python writes it out
BAD_BY_POSITION = [
    ("nested.json", f"[1, {NESTED}, 0, 0]", r"label \[…\] must be"),
    ("float.npy", npy(np.array([2.5, 0, 1, 0])), r"entry 0: label 2\.5 is no whole number"),
    ("nan.npy", npy(np.array([2.0, np.nan, 1, 0])), "entry 1: label nan is no whole number"),
    ("inf.npy", npy(np.array([2.0, 0, 1, np.inf])), "entry 3: label inf is outside"),
    ("complex.npy", npy(np.array([2j, 0, 1, 0])), r"must be integers \[N\], this is complex128"),
    ("bool.npy", npy(np.array([True] * 4)), "must be integers"),
    ("text.npy", npy(np.array(["a"] * 4)), "must be integers"),
    ("shape.npy", npy(np.zeros((4, 1), int)), "must be integers"),
    ("range.npy", npy(np.array([2, 0, 3, 0])), "entry 2: label 3 is outside"),
    ("negative.npy", npy(np.array([2, 0, 1, -1])), "entry 3: label -1 is outside"),
    ("wide.npy", npy(np.array([2, 0, 1, 2**63], np.uint64)), "entry 3: label 9223372036854775808"),
    ("short.npy", npy(np.array([2, 0, 1])), "3 labels for 4 samples"),
    ("cut.npy", npy(np.array(LABELS))[:-3], "not a plain .npy array"),
    ("empty.npy", b"", "not a plain .npy array"),
    ("zip.npy", b"PK\x03\x04 and so on", "not a plain .npy array"),
    ("long.csv", "label\n2\n0\n1\n0\n0\n", "5 labels for 4 samples"),
    ("noheader.csv", "2\n0\n1\n0\n", "header needs the column label, has"),
    ("object.json", '{"a": 2}', "must be a list"),
    ("float.json", "[2, 0, 1.5, 0]", r"entry 2: label 1\.5 must be"),
]


@pytest.mark.parametrize(
    ("name", "content", "message"), BAD_BY_POSITION, ids=[b[0] for b in BAD_BY_POSITION]
)
def test_bad_files_joined_by_position(write, name, content, message):
    path = write(name, content)
    with pytest.raises(UserError, match=message) as raised:
        given_labels.read(path, IDS, NAMES, by="position")
    assert "\n" not in str(raised.value)


class Trap:
    """Calls `sprung` when unpickled."""

    def __reduce__(self):
        return sprung.append, ("loaded",)


sprung: list[str] = []


def test_a_pickle_in_an_array_is_not_loaded(write):
    contents = {
        npy(np.array([Trap()] * 4), allow_pickle=True): "an array of objects, which is not read",
        pickle.dumps(Trap()): "not a plain",
    }
    for content, said in contents.items():
        with pytest.raises(UserError, match=said):
            given_labels.read(write("trap.npy", content), IDS, NAMES, by="position")
    assert sprung == []


def test_missing_file_folder_and_unknown_join(write, tmp_path):
    with pytest.raises(UserError, match=r"absent\.csv: cannot be read"):
        given_labels.read(str(tmp_path / "absent.csv"), IDS, NAMES)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UserError, match=r"folder\.csv: cannot be read"):
        given_labels.read(str(tmp_path / "folder.csv"), IDS, NAMES)
    with pytest.raises(UserError, match="by 'id' or by 'position', not by 'name'"):
        given_labels.read(write("l.csv", ""), IDS, NAMES, by="name")


def test_many_rows_and_the_number_of_a_late_one(write):
    ids = np.array([f"train_{n:06d}" for n in range(100_000)])
    want = np.random.default_rng(0).integers(0, 3, len(ids))
    order = np.random.default_rng(1).permutation(len(ids))
    rows = [f"{ids[n]},{want[n]}" for n in order]
    path = write("many.csv", "id,label\n" + "\n".join(rows))
    assert (given_labels.read(path, ids, NAMES) == want).all()
    rows[77_777] = f"{ids[order[77_777]]},7"
    path = write("late.csv", "id,label\n" + "\n".join(rows))
    with pytest.raises(UserError, match="row 77779: label 7"):
        given_labels.read(path, ids, NAMES)


def test_overlap_is_measured_and_chance_is_refused():
    rng = np.random.default_rng(0)
    clean = rng.choice(10, 5000, p=np.arange(1, 11) / 55)
    noisy = np.where(rng.random(5000) < 0.6, rng.integers(0, 10, 5000), clean)
    assert given_labels.check_overlap(noisy, clean) == np.mean(noisy == clean)
    with pytest.raises(UserError, match="probably in another order"):
        given_labels.check_overlap(rng.permutation(clean), clean)
    with pytest.raises(UserError, match=r"least accepted: 90\.0%"):
        given_labels.check_overlap(noisy, clean, minimum=0.9)
    # On a long tail chance is high: 83 % agreement of shuffled labels means nothing.
    clean = np.repeat([0, 1], [910, 90])
    with pytest.raises(UserError, match="chance"):
        given_labels.check_overlap(rng.permutation(clean), clean)


def test_overlap_of_small_or_equal_sets():
    assert given_labels.check_overlap(np.array([0, 0]), np.array([0, 0])) == 1.0
    assert given_labels.check_overlap(np.array([1]), np.array([1])) == 1.0
    with pytest.raises(UserError, match="cannot be compared"):
        given_labels.check_overlap(np.array([], int), np.array([], int))
    with pytest.raises(UserError, match="cannot be compared"):
        given_labels.check_overlap(np.array([1, 2]), np.array([1]))

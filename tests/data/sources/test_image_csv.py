"""CSV files of paths and labels: the forms that are read, and every way in which one is wrong."""

import csv
import io
import time

import pytest

from dull_jax.data.sources import csv as image_csv
from dull_jax.errors import UserError


@pytest.fixture
def read(tmp_path):
    def act(content, **options):
        path = tmp_path / "labels.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return image_csv.read(path, **options)

    return act


@pytest.mark.parametrize(
    "content",
    [
        "path,label\na.jpg,dog\nb c.jpg,cat\n",
        "a.jpg,dog\nb c.jpg,cat\n",
        "label;note;path\ndog;x;a.jpg\ncat;;b c.jpg",
        "path\tlabel\na.jpg\tdog\nb c.jpg\tcat\n",
        "path|label\r\na.jpg|dog\r\nb c.jpg|cat\r\n",
        "\ufeffPath, Label\r\na.jpg,dog\r\n\r\n./b c.jpg, cat \r\n",
        '"path","label"\n"a.jpg","dog"\n"x/../b c.jpg","cat"\n',
        "label, path\ndog, a.jpg\ncat, b c.jpg \n",
        "path,label,\na.jpg,dog,\n.\\b c.jpg,cat,\n,,\n",
        "sep=;\npath;label\na.jpg;dog\n;\nx\\..\\b c.jpg;cat\n",
        "sep=;\na.jpg;dog\nb c.jpg;cat\n",
        "\n,,\na.jpg,dog,\nb c.jpg,cat\n",
    ],
)
def test_forms(read, tmp_path, content):
    found = read(content)
    assert list(found.paths) == ["a.jpg", "b c.jpg"] and found.root == tmp_path
    assert found.class_names == ("cat", "dog") and found.labels.tolist() == [1, 0]
    assert set(found.splits) == {""} and found.ids is None and found.problems == ()


def test_which_labels_an_audit_has_corrected(read):
    status = "path,label,status\na.jpg,dog,corrected\nb.jpg,cat,kept\nc.jpg,cat, corrected \n"
    assert read(status).corrected == {"a.jpg", "c.jpg"}
    assert read("path,label\na.jpg,dog\nb.jpg,cat\n").corrected == frozenset()


def test_quoted_delimiters_and_newlines_and_rows(read):
    found = read('path,label\n"a,1.jpg","fish, dried"\n"b\n2.jpg","c ""x"""\nc.jpg,z\u2028z\n')
    assert list(found.paths) == ["a,1.jpg", "b\n2.jpg", "c.jpg"]
    assert found.class_names == ('c "x"', "fish, dried", "z\\u2028z")
    assert [found.where(n) for n in range(3)] == [" (row 2)", " (row 4)", " (row 5)"]


def test_what_a_spreadsheet_was_kept_from_running(read):
    """The tables that this package writes have an apostrophe there, and are read again."""
    found = read("path,label,id\n'=a/1.jpg,'=a,'-1\n''=b/2.jpg,''=b,'2'\n")
    assert list(found.paths) == ["=a/1.jpg", "'=b/2.jpg"] and found.ids == ["-1", "'2'"]
    assert found.class_names == ("'=b", "=a")


def test_whole_numbers_are_class_names_in_order_of_value(read):
    found = read("path,label\na.jpg,10\nb.jpg,9\nc.jpg,100\n")
    assert found.class_names == ("9", "10", "100") and found.labels.tolist() == [1, 0, 2]


def test_ids_and_splits(read):
    rows = ["u1,a.jpg,x,Train", "u2,b.jpg,y,train", "u3,c.jpg,x,TEST", "u4,d.jpg,x,val"]
    found = read("\n".join(["id,path,label,split", *rows]))
    assert found.ids == ["u1", "u2", "u3"] and found.splits.tolist() == ["train", "train", "test"]
    assert found.notices == ("1 images in a second held-out part are not used",)
    assert [(file.id, file.path, file.label) for file in found.aside] == [("u4", "d.jpg", "x")]
    found = read("path,label,split\na.jpg,x,train\nb.jpg,y,train\nc.jpg,y,validation\n")
    assert found.splits.tolist() == ["train", "train", "test"] and found.problems == ()


def test_another_root(read, tmp_path):
    found = read(f"path,label\n{tmp_path}/in/a.jpg,x\nb.jpg,y\n", root=tmp_path / "in")
    assert list(found.paths) == ["a.jpg", "b.jpg"] and found.root == tmp_path / "in"


@pytest.mark.parametrize("name", ["labels.tsv", "labels.TXT", "labels.tab", "labels", "x.jpg"])
def test_the_suffix_is_free(tmp_path, name):
    (tmp_path / name).write_text("path\tlabel\na.jpg\tx\nb.jpg\ty\n")
    assert list(image_csv.read(tmp_path / name).paths) == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(("paths", "way_out"), [
    (["{d}/cat/1.jpg", "{d}/dog/2.jpg"], "--config.data.dir={d} names the folder that holds them"),
    (["{d}/1.jpg", "{d}/2.jpg"], "--config.data.dir={d} names"),
    (["/{d}/x/../my photos/1.jpg"], "--config.data.dir='{d}/my photos' names"),
    (["/of/another/machine/1.jpg", "/of/another/machine/2.jpg"], "write all paths relative to one"),
    (["/d/1.jpg", "2.jpg"], "write all paths relative to one folder above the images; --config"),
    (["../1.jpg", "2.jpg"], "write all paths relative to one folder above the images; --config"),
    (["..\\1.jpg"], "write all paths relative"),
])  # fmt: skip
def test_a_way_out_is_named(read, tmp_path_factory, paths, way_out):
    photos = tmp_path_factory.mktemp("photos")
    (photos / "my photos").mkdir()
    paths = [path.format(d=photos) for path in paths]
    way_out = way_out.format(d=photos).replace("='/", "='/+")
    with pytest.raises(UserError, match=f"row 2: path .* is outside of /.*; {way_out}"):
        read("path,label\n" + "".join(f"{path},x\n" for path in paths))


def test_a_root_behind_a_link(read, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for here, there in (("real", "link"), ("link", "real")):
        rows = f"path,label\n{tmp_path}/{here}/a.jpg,x\nb.jpg,y\n"
        assert list(read(rows, root=tmp_path / there).paths) == ["a.jpg", "b.jpg"]


def test_one_file_in_two_forms_is_one_path(read, tmp_path):
    (tmp_path / "e\u0301.jpg").write_bytes(b"")
    found = read("path,label\n\xe9.jpg,x\ne\u0301.jpg,y\n./\xe9.jpg ,x\n")
    assert list(found.paths) == ["e\u0301.jpg"] * 3


def test_one_path_under_two_labels_stays_for_the_manifest_to_judge(read):
    assert list(read("path,label\na.jpg,x\na.jpg,y\na.jpg,x\n").paths) == ["a.jpg"] * 3


BAD = [
    ("path,label\na.jpg,x\nb.jpg,\n", "row 3: the label is empty"),
    ("path,label\na.jpg,x\n ,y\n", "row 3: the path is empty"),
    ("path,label\na.jpg,x\nb.jpg,y,z\n", "row 3: 3 fields instead of 2"),
    ("path,label\na.jpg\n", "row 2: 1 fields instead of 2"),
    ("path,label,id\na.jpg,x,1\nb.jpg,y,1\n", "row 3: id '1' is there twice"),
    ("path,label,id\na.jpg,x,1\nb.jpg,y,\n", "row 3: the id is empty"),
    ("path,label\na.jpg,x\n../b.jpg,y\n", r"row 3: path '../b.jpg' is outside of /"),
    ("path,label\na/../../b.jpg,y\n", "row 2: path 'a/../../b.jpg' is outside"),
    ("path,label\n/etc/passwd,y\n", "row 2: path '/etc/passwd' is outside"),
    ("path,label,split\na.jpg,x,train\nb.jpg,y,devil\n", "row 3: split 'devil' is none of train"),
    ("path,label,split\na.jpg,x,train\nb.jpg,y,\n", "row 3: split '' is none of"),
    ("path,label\n", "no rows"),
    ("", "row 1: the header needs the columns path and label"),
    ("file,class\na.jpg,x\n", r"row 1: the header needs .* has \['file', 'class'\]"),
    ("a,x\nb,y\n", "row 1: the header needs"),
    ("path,label\na.jpg,x\nC:\\p\\b.jpg,y\n", "row 3: path .* Windows .* --config.data.dir"),
    ("path,label,path\na.jpg,x,b\n", "row 1: the header has column 'path' twice"),
    (b"path,label\na.jpg,x\n\xe9.jpg,y\n", "row 3: not UTF-8"),
    ("path,label\na.jpg,x\n".encode("utf-16"), "row 1: not UTF-8"),
    ("path,label\na.jpg,x\nb\0.jpg,y\n", "row 3: a NUL byte"),
    ('path,label\na.jpg,x\n"b.jpg,y\n', "row 3: not valid CSV"),
    (f"path,label\na.jpg,{'x' * 200_000}\n", "row 2: not valid CSV"),
    (
        "path,label\na.jpg,0\nb.jpg,1\nc.jpg,-1\n",
        "row 4: label '-1' is no class beside whole numbers",
    ),
    ("path,label\na.jpg,0\nb.jpg,1\nc.jpg,2.5\n", "row 4: label '2.5' is no class"),
    ("path,label\na.jpg,0\nb.jpg,1\nc.jpg,1.0\n", "row 4: label '1.0' is another spelling"),
    ("path,label\na.jpg,0\nb.jpg,1\nc.jpg,01\n", "row 4: label '01' is another spelling"),
    ("path,label\na.jpg,0\nb.jpg,<NA>\n", "row 3: label '<NA>' stands for"),
    ("path,label\na.jpg,0\nb.jpg,nan\n", "row 3: label 'nan' stands for a label that is missing"),
    ("path,label\na.jpg,cat\nb.jpg,NaN\n", "row 3: label 'NaN' stands for .* called otherwise"),
    ("path,label\na.jpg,x\nb.jpg,x\n", "only class 'x' has images"),
]


@pytest.mark.parametrize(("content", "message"), BAD)
def test_errors_name_file_and_row(read, content, message):
    with pytest.raises(UserError, match=message) as caught:
        read(content)
    text = str(caught.value)
    assert "\n" not in text and ("labels.csv" in text or "only class" in text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.csv: cannot be read \(No such file"):
        image_csv.read(tmp_path / "none.csv")


def test_a_hundred_thousand_rows_take_a_second_or_so(read):
    """Five at most, where Python's own reader alone takes 0.07: other machines differ."""
    rows = "\n".join(f"folder/{n:07}.jpg,class {n % 97}" for n in range(100_000))
    began = time.process_time()
    assert len(list(csv.reader(io.StringIO(rows)))) == 100_000
    alone, began = time.process_time() - began, time.process_time()
    found = read("path,label\n" + rows)
    assert len(found.paths) == 100_000 and len(found.class_names) == 97
    assert time.process_time() - began < 5 * max(1, alone / 0.07)

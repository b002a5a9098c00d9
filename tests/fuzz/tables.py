"""Readers of tables and lists: valid files of each, and what must hold of anything they accept."""

import io
import os
import pathlib

import numpy as np

from dull_jax import predict
from dull_jax.audit import outputs, prediction_files
from dull_jax.data.own.image_index import ImageIndex
from dull_jax.data.sources import csv as image_csv
from dull_jax.data.tables import given_labels
from dull_jax.data.tables import published_list as lists
from dull_jax.stats import check_probs as checks

IDS = np.array([f"s{n}" for n in range(6)])
NAMES = ("cat", "dog", "fox")
_PROBS = np.random.default_rng(0).dirichlet(np.ones(3), 6)


def npy(array: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


CSV = (
    b"path,label\na.jpg,cat\nb/c.png,dog\n",
    b"id,path,label,split\n1,a.jpg,cat,train\n2,b.jpg,dog,val\n3,c.jpg,dog,train\n",
    b'\xef\xbb\xbfpath;label\r\n"a;b.jpg";0\r\n\'=c.jpg;10\r\n',
    b"a.jpg|x\nb.jpg|y\n",
    b"id,path,label,split,width,height,status,reason\n0f,a.png,cat,train,8,8,used,\n"
    b"1e,b.png,dog,train,8,8,used,animated: first frame used\n,c.png,dog,,,,left out,empty file\n",
    b'sep=;\r\nlabel; path;;\r\ncat; "a, b.jpg"\r\n;;\r\ndog;x\\b.jpg;note;\r\n',
    "sep=|\nä.jpg |cat|\n|\nC:/b.jpg|dog\n".encode(),
    b"path,label\n/d/a.jpg,cat\n\\\\server\\b.jpg,dog\n",
    b"a.jpg\n\n x\\b.jpg \nhttp://c.jpg\n",
)


def image_table(folder: pathlib.Path) -> None:
    found = image_csv.read(folder / "file.csv")
    _sound(found)
    assert str(found.root) == str(folder)


def _sound(found: ImageIndex) -> None:
    names, size = found.class_names, len(found.paths)
    assert len(names) >= 2 and len(set(names)) == len(names) and all(map(str.isprintable, names))
    assert found.labels.dtype == np.int32 and found.labels.shape == found.splits.shape == (size,)
    assert 0 <= found.labels.min() and found.labels.max() < len(names)
    assert set(found.splits.tolist()) <= {"", "train", "test"}
    for path in found.paths:
        assert not os.path.isabs(path) and ".." not in path.split("/")
        os.fsencode(path)
    if found.ids is not None:
        assert all(found.ids) and len(set(found.ids)) == size


def wanted_images(folder: pathlib.Path) -> None:
    assert all(item.id and item.source.parent for item in predict.items(folder / "file.csv"))


ARRAYS = (
    npy(np.full((3, 4, 4, 1), 7, np.uint8)),
    npy(np.zeros((10**12, 0, 4, 1), np.uint8)),
    npy(np.zeros((2, 4, 4, 3), ">f4")),
)


def wanted_array(folder: pathlib.Path) -> None:
    for item in predict.items(folder / "file.npy"):
        assert item.id.isdigit() and item.source.dtype == np.uint8 and item.source.ndim == 3


LISTS = (b"images/0/1.jpg 7\nimages/1/2.jpg 13\n\nimages/1/3 x.jpg 0\n",)


def published_list(folder: pathlib.Path) -> None:
    for key, (label, row) in lists.labelled(folder / "file.txt", 14).items():
        assert key and not key.startswith("/") and 0 <= label < 14 and row > 0


LABEL_CSV = (
    b"id,label\ns0,cat\ns1,dog\ns2,0\ns3,1\ns4,2\ns5,fox\n",
    b"\xef\xbb\xbflabel,id,note\r\ncat,s5,\r\ncat,s4,\r\ndog,s3,\r\n1,s2,x\r\n2,s1,\r\nfox,s0,\r\n",
)
LABEL_JSON = (
    b'{"s0": "cat", "s1": 1, "s2": "2", "s3": "dog", "s4": 0, "s5": "fox"}',
    b'["cat", 1, "2", "dog", 0, "fox"]',
    b'{"s0": {"a": {"b": [1, {"c": 2.5}]}}, "s1": [[]]}',
    b'{"s0": ' + b'{"a":' * 700 + b"1" + b"}" * 701,
)


LABEL_NPY = (
    npy(np.array([0, 1, 2, 0, 1, 2])),
    npy(np.array([0, 1, 2, 0, 1, 2], ">u2"), version=(2, 0)),
    npy(np.array([0, "a", None, 3, 4, 5], object)),
)


def labels_by_both(folder: pathlib.Path) -> None:
    """By id; where that is refused, by position."""
    path = next(map(str, folder.glob("file.*")))
    try:
        found = given_labels.read(path, IDS, NAMES, by="id")
    except given_labels.UserError as error:
        assert one_line(error)
        found = given_labels.read(path, IDS, NAMES, by="position")
    assert found.dtype == np.int32 and found.shape == (6,) and 0 <= found.min() <= found.max() < 3


def one_line(error: Exception) -> bool:
    text = str(error)
    return 0 < len(text) < 2000 and text.isprintable()


PROBS = (npy(_PROBS), npy(_PROBS.astype(">f4")), npy(_PROBS.astype("f2"), version=(3, 0)))
AUDIT_LABELS = (
    b"label\ncat\ndog\nfox\ncat\ndog\ncat\n",
    b"id,path,label\na,a.jpg,0\nb,b.jpg,1\nc,c.jpg,2\nd,d.jpg,0\ne,e.jpg,0\nf,,1\n",
)
CLASSES = (b"cat\ndog\nfox\n", b"\xef\xbb\xbffox\r\ncat\r\n\r\ndog")


def audit_input(folder: pathlib.Path) -> None:
    probs, labels, classes = (str(folder / name) for name in ("p.npy", "l.csv", "c.txt"))
    found = prediction_files.of_files(probs, labels, classes if os.path.exists(classes) else "")
    size, width = found.probs.shape
    assert size and width and found.given.shape == (size,) == found.paths.shape == found.ids.shape
    assert len(set(found.class_names)) == width and all(map(str.isprintable, found.class_names))
    assert 0 <= found.given.min() and found.given.max() < width
    assert len(set(found.ids.tolist())) == size
    outputs.caution(found)
    probs = checks.matrix(found.probs)
    checks.labels(found.given, probs.shape, checks.names(found.class_names, width))
    checks.rows_sum_to_one(probs, 0)


def prepare_audit(folder: pathlib.Path) -> None:
    (folder / "p.npy").write_bytes(PROBS[0])
    (folder / "l.csv").write_bytes(AUDIT_LABELS[0])


def prepare_audit_with_classes(folder: pathlib.Path) -> None:
    prepare_audit(folder)
    (folder / "c.txt").write_bytes(CLASSES[0])

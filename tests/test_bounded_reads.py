"""What is read as a whole is a regular file below a stated size; what is mapped, a regular file."""

import os

import numpy as np
import pytest

from dull_jax import files, predict
from dull_jax.audit.prediction_files import of_files
from dull_jax.data.sources import csv as image_csv
from dull_jax.data.tables import csv_io, given_labels, published_list
from dull_jax.errors import UserError

IDS, NAMES = np.array(["a", "b"]), ("x", "y")


def labels(path):
    return given_labels.read(str(path), IDS, NAMES)


def audit(**wanted):
    def read(path):
        place = path.parent
        np.save(place / "right.npy", np.full((2, 2), 0.5))
        (place / "right.csv").write_text("label\nx\ny\n")
        given = {"probs": place / "right.npy", "labels": place / "right.csv"}
        return of_files(**{k: str(v) for k, v in given.items()} | {wanted["of"]: str(path)})

    return read


WHOLE = {
    "table of images": ("x.csv", image_csv.read),
    "a table": ("x.csv", lambda path: csv_io.read(path, ("id",))),
    "table to predict": ("x.tsv", predict.items),
    "list to predict": ("x.txt", predict.items),
    "published list": ("x.txt", published_list.lines),
    "labels .csv": ("x.csv", labels),
    "labels .tsv": ("x.tsv", labels),
    "labels .json": ("x.json", labels),
    "labels of an audit": ("x.csv", audit(of="labels")),
    "its class names": ("x.txt", audit(of="classes")),
}
MAPPED = {
    "array to predict": ("x.npy", predict.items),
    "probabilities of an audit": ("x.npy", audit(of="probs")),
}


@pytest.mark.parametrize("case", WHOLE)
def test_what_is_too_large_is_refused(case, tmp_path):
    name, read = WHOLE[case]
    (tmp_path / name).write_bytes(b"")
    os.truncate(tmp_path / name, 300 << 30)  # sparse: no disk is needed
    with pytest.raises(UserError, match=rf"{name}: 322,122,547,200 bytes; at most 1,073,741,824"):
        read(tmp_path / name)


@pytest.mark.parametrize("case", WHOLE | MAPPED)
def test_a_pipe_is_refused(case, tmp_path):
    """To open it would wait for whoever writes."""
    name, read = (WHOLE | MAPPED)[case]
    os.mkfifo(tmp_path / name)
    with pytest.raises(UserError, match=f"{name}: a pipe or device, not a regular file$"):
        read(tmp_path / name)


@pytest.mark.parametrize("case", MAPPED)
def test_what_is_mapped_may_be_of_any_size(case, tmp_path):
    """A hundred GB of zeros: the first rows are looked at, not all."""
    name, read = MAPPED[case]
    shape, kind = ((2, 2), "f4") if "prob" in case else ((3, 1 << 18, 1 << 17, 1), "u1")
    np.lib.format.open_memmap(tmp_path / name, "w+", kind, shape).flush()
    os.truncate(tmp_path / name, 300 << 30)
    assert (tmp_path / name).stat().st_size > files.MAX_BYTES
    assert read(tmp_path / name)

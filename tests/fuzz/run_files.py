"""Readers of what a run leaves in its folder, and of what a scan remembers: as `tables`."""

import functools
import io
import json
import pathlib
import tempfile
from contextlib import suppress

import numpy as np
import pytest
import tables
from watch import unwatched

import pictures
from dull_jax import inference
from dull_jax.audit import crossval
from dull_jax.data import labels_file
from dull_jax.data.own.decode_workers import FileInfo
from dull_jax.data.own.scan_cache import ScanCache
from dull_jax.errors import UserError
from dull_jax.run_dir import checkpoints, read
from dull_jax.train.checkpoint import Checkpoints

JSON = (
    b'{"method": "dull", "accuracy": {"last": 85.2, "head": null}, "groups": {"head": [0, 1]}}',
    b'{"epoch": 1, "train/loss": 0.5}\n{"epoch": 2, "train/loss": NaN}\n{"epoch": 2.5, "x": 1}\n',
    b"{}",
)


def run_json(folder: pathlib.Path) -> None:
    assert isinstance(read.read_json(folder / "file.json"), dict)


def metrics(folder: pathlib.Path) -> None:
    """Lines that are broken are passed over, and counted."""
    epochs, broken = read.read_metrics(folder)
    assert all(isinstance(line, dict) for line in epochs)
    if broken:
        raise UserError("lines are passed over")


def recipe_or_result(folder: pathlib.Path) -> None:
    assert isinstance(read.read_json(folder / "file.json", read.RESTART), dict)


def _npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


_COLUMNS = {"ids": np.array(["a", "b"]), "given": np.array([0, 1], np.int32)}
_COLUMNS["clean"] = _COLUMNS["given"]
_LABELS = _COLUMNS | {f"holdout_{name}": column[:0] for name, column in _COLUMNS.items()}
LABELS_NPZ = (
    _npz(**_LABELS),
    _npz(**(_LABELS | {"given": np.array([0, 1, 2], np.int32)})),
    _npz(**(_LABELS | {"clean": np.array([0.5, 1])})),
    _npz(**(_LABELS | {"given": np.array([0, None], object)})),
    _npz(ids=_LABELS["ids"]),
    _npz(**_LABELS, class_names=_LABELS["ids"], train_ids=_LABELS["ids"], test_ids=np.array(["c"])),
    _npz(**_LABELS, class_names=_LABELS["given"], train_ids=np.array([]), test_ids=_LABELS["ids"]),
)


def labels_npz(folder: pathlib.Path) -> None:
    assert isinstance(read.read_arrays(folder / "file.npz"), dict)
    found = labels_file.load(folder / "file.npz")
    for part in ("", "holdout_"):
        size = found[f"{part}ids"].shape
        assert len(size) == 1 and found[f"{part}ids"].dtype.kind == "U"
        for name in ("given", "clean"):
            assert found[part + name].shape == size and found[part + name].dtype.kind in "iu"


_KEPT = tables.npy(np.full((6, 3), 1 / 3, np.float32))
FOLDS = (_KEPT, tables.npy(np.full((6, 3), "a")), tables.npy(np.full((6, 3), None)))


def fold(folder: pathlib.Path) -> None:
    """A damaged one is computed again."""
    found = crossval._kept(folder / "file.npy", (6, 3))
    if found is None:
        raise UserError("computed again")
    assert found.shape == (6, 3) and found.dtype == np.float32


_ROOT = pathlib.Path("/data")
SCAN = ScanCache(pathlib.Path(), _ROOT)._path.name


@functools.cache
def cached_scan() -> tuple[bytes, ...]:
    good = FileInfo("ab" * 32, 20, 10, "", "")
    with tempfile.TemporaryDirectory() as folder:
        cache = ScanCache(pathlib.Path(folder), _ROOT)
        cache.put("a.jpg", (10, 20), good)
        cache.put("b.jpg", (11, 21), good._replace(reason="truncated"))
        cache.save()
        return (cache._path.read_bytes(),)


def scan(folder: pathlib.Path) -> None:
    """What is damaged is looked for again."""
    found = ScanCache(folder, _ROOT).get("a.jpg", (10, 20))
    if found is None:
        raise UserError("scanned again")
    assert all(type(side) is int and 0 < side < 2**31 for side in (found.width, found.height))


@functools.cache
def recipes() -> tuple[bytes, ...]:
    from configs import digits_t2h

    methods = ("ce", "dull", "dividemix", "dasc")
    return tuple(
        digits_t2h.get_config(f"method={method}").to_json(indent=1).encode() for method in methods
    )


ABOUT = (
    json.dumps({
        "class_names": ["cat", "dog", "fox"], "image_shape": [8, 8, 1], "channel_mean": [0.5],
        "channel_std": [0.2], "num_train": 6,
    }, indent=1).encode(),
)  # fmt: skip


class _Constructed(Exception):
    """The recipe was accepted; its weights are another reader's."""


def recipe(folder: pathlib.Path) -> None:
    """config.json and data.json of a run that is to predict."""

    def newest(workdir: pathlib.Path) -> None:
        raise _Constructed

    with pytest.MonkeyPatch.context() as patch, suppress(_Constructed):
        patch.setattr(checkpoints, "newest", newest)
        inference.load(folder)


def prepare_recipe(folder: pathlib.Path) -> None:
    (folder / "config.json").write_bytes(recipes()[0])
    (folder / "data.json").write_bytes(ABOUT[0])


# Checkpoints -------------------------------------------------------------------------------------

_TREE = {"nets": ({"params": {"a": np.ones((2, 2), np.float32)}},)}


@functools.cache
def _saved() -> dict[str, bytes]:
    """{path: content} of a run's checkpoint and its digests."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        saved = Checkpoints(folder, keep=2)
        saved.save(1, _TREE, {"epoch": 1})
        saved.close()
        paths = [path for path in folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def prepare_checkpoint(folder: pathlib.Path) -> None:
    pictures.save(folder, _saved())


def digests() -> tuple[bytes, ...]:
    return (_saved()["digests/1.json"], b"{}")


def sealed_files() -> tuple[bytes, ...]:
    return (_saved()["checkpoints/1/state/_METADATA"],)


def checkpoint_digests(folder: pathlib.Path) -> None:
    """Both readers of the list of digests."""
    leaves, step = checkpoints.newest(folder)
    assert step == 1 and leaves["nets/0/params/a"].shape == (2, 2)


def checkpoint_fault(folder: pathlib.Path) -> None:
    found = checkpoints.read_good(folder, 1, lambda: None)
    if found is not None:
        raise UserError(found.reason)


def resealed(folder: pathlib.Path) -> None:
    """Damage that the digests do not tell of: it was there before they were written."""
    found = checkpoints.digest_files(folder / "checkpoints" / "1")
    with unwatched():
        (folder / "digests" / "1.json").write_text(json.dumps(found))
    checkpoint_digests(folder)

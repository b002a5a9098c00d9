"""Damage is found, named, and gives way to the step before."""

import errno
import json
import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from dull_jax.errors import SaveError, UserError
from dull_jax.run_dir import checkpoints as run_checkpoints
from dull_jax.run_dir.checkpoints import digest_files
from dull_jax.train import run_lock
from dull_jax.train.checkpoint import Checkpoints
from dull_jax.train.identity import Owner


def tree(scale=1.0):
    rng = np.random.default_rng(0)
    return {
        "nets": ({"kernel": scale * rng.normal(size=(40, 30)).astype(np.float32)},),
        "memory": {"probs": np.full((5, 2), scale, np.float32), "none": np.zeros((0, 3))},
    }


def saved(folder, steps=(1, 2)):
    checkpoints = Checkpoints(folder, keep=3)
    for step in steps:
        checkpoints.save(step, tree(step), {"epoch": step})
    checkpoints.close()


def restore(folder, target=None):
    checkpoints = Checkpoints(folder, keep=3)
    try:
        return checkpoints.restore(tree() if target is None else target)
    finally:
        checkpoints.close()


def assert_is_step(found, step):
    state, meta, number = found
    assert (number, meta) == (step, {"epoch": step})
    np.testing.assert_array_equal(state["nets"][0]["kernel"], tree(step)["nets"][0]["kernel"])
    np.testing.assert_array_equal(state["memory"]["probs"], tree(step)["memory"]["probs"])
    assert state["memory"]["none"].shape == (0, 3)


def test_round_trip_and_keep(tmp_path):
    saved(tmp_path, steps=(1, 2, 3, 4, 5))
    assert_is_step(restore(tmp_path), 5)
    names = {p.name for p in (tmp_path / "checkpoints").iterdir() if p.name.isdigit()}
    assert names == {"2", "3", "4", "5"} == {p.stem for p in (tmp_path / "digests").iterdir()}


def test_fresh_folder(tmp_path):
    assert restore(tmp_path) is None


def test_a_journal_of_unknown_shape_comes_back(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    seen = {"logits": np.arange(6.0).reshape(3, 2)}
    checkpoints.save(7, tree() | {"journal": {"0": seen}}, {})
    checkpoints.close()
    state, _, _ = restore(tmp_path)
    np.testing.assert_array_equal(state["journal"]["0"]["logits"], seen["logits"])


def test_the_leaves_are_copied_before_save_returns(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    state = tree(1)
    checkpoints.save(1, state, {"epoch": 1})
    state["nets"][0]["kernel"][:] = np.nan
    checkpoints.close()
    assert_is_step(restore(tmp_path), 1)


DAMAGE = {
    "bit": lambda p: p.write_bytes(bytes([p.read_bytes()[0] ^ 1]) + p.read_bytes()[1:]),
    "truncated": lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]),
    "emptied": lambda p: p.write_bytes(b""),
    "deleted": lambda p: p.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_every_damaged_file_is_found_and_named(tmp_path, damage, caplog):
    saved(tmp_path / "original")
    newest = tmp_path / "original" / "checkpoints" / "2"
    files = [p.relative_to(newest) for p in newest.rglob("*") if p.is_file() and p.stat().st_size]
    assert len(files) >= 4
    for number, file in enumerate(files):
        folder = tmp_path / f"copy{number}"
        shutil.copytree(tmp_path / "original", folder)
        DAMAGE[damage](folder / "checkpoints" / "2" / file)
        caplog.clear()
        assert_is_step(restore(folder), 1)
        assert str(file) in caplog.text
        assert not (folder / "checkpoints" / "2").exists(), "its number can be written again"


def test_none_good_is_an_error_and_deletes_nothing(tmp_path):
    saved(tmp_path)
    for step in (1, 2):
        path = next(p for p in (tmp_path / "checkpoints" / str(step)).rglob("*") if p.is_file())
        path.write_bytes(b"x")
    with pytest.raises(UserError, match="no good checkpoint"):
        restore(tmp_path)
    assert (tmp_path / "checkpoints" / "1").exists()


def test_a_step_without_a_seal_was_not_finished(tmp_path):
    saved(tmp_path)
    (tmp_path / "digests" / "2.json").unlink()
    assert_is_step(restore(tmp_path), 1)


def test_only_the_newest_may_lack_its_seal(tmp_path):
    saved(tmp_path)
    for step in (1, 2):
        (tmp_path / "digests" / f"{step}.json").unlink()
    with pytest.raises(UserError, match="its list of digests is missing"):
        restore(tmp_path)
    assert (tmp_path / "checkpoints" / "1").exists(), "nothing is deleted"


def test_the_first_save_of_all_was_cut_off(tmp_path):
    saved(tmp_path, steps=(1,))
    (tmp_path / "digests" / "1.json").unlink()
    assert restore(tmp_path) is None


@pytest.mark.parametrize("seal", ['{"state/a": "12', "[1]", "null", "[" * 100_000])
def test_a_damaged_seal(tmp_path, seal):
    saved(tmp_path)
    (tmp_path / "digests" / "2.json").write_text(seal)
    (tmp_path / "checkpoints" / "²").mkdir()
    assert_is_step(restore(tmp_path), 1)
    json.loads((tmp_path / "digests" / "1.json").read_text())


@pytest.mark.parametrize("change", ["shape", "name", "dtype"])
def test_another_model_is_refused(tmp_path, change):
    saved(tmp_path)
    target = tree()
    if change == "shape":
        target["nets"][0]["kernel"] = np.zeros((40, 31), np.float32)
    elif change == "dtype":
        target["nets"][0]["kernel"] = jnp.zeros((40, 30), jnp.bfloat16)
    else:
        target["nets"][0]["bias"] = np.zeros(3, np.float32)
    with pytest.raises(UserError, match="of another model: nets/0/"):
        restore(tmp_path, target)
    assert (tmp_path / "checkpoints" / "2").exists()


# What cannot be read just now is not damaged ------------------------------------------------------


def unreadable(monkeypatch, *steps, error=None):
    """To read a file of these steps fails as a disk or a permission does."""

    def fails(folder):
        if int(folder.name) in steps:
            raise error or PermissionError(errno.EACCES, "Permission denied", str(folder))
        return digest_files(folder)

    monkeypatch.setattr(run_checkpoints, "digest_files", fails)


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied"),
        OSError(errno.EIO, "Input/output error"),
        OSError(errno.EMFILE, "Too many open files"),
    ],
)
def test_an_unreadable_step_is_put_aside_whole(tmp_path, monkeypatch, caplog, error):
    saved(tmp_path)
    wanted = digest_files(tmp_path / "checkpoints" / "2")
    with monkeypatch.context() as patch:
        unreadable(patch, 2, error=error)
        assert_is_step(restore(tmp_path), 1)
    assert error.strerror in caplog.text and "damaged" not in caplog.text
    assert digest_files(tmp_path / "unreadable" / "0" / "2") == wanted
    assert json.loads((tmp_path / "unreadable" / "0" / "2.json").read_text()) == wanted
    saved(tmp_path, steps=(2,))  # its number can be written again
    assert_is_step(restore(tmp_path), 2)
    with monkeypatch.context() as patch:  # and be put aside again
        unreadable(patch, 2, error=error)
        assert_is_step(restore(tmp_path), 1)
    assert digest_files(tmp_path / "unreadable" / "1" / "2")


def test_no_step_can_be_read(tmp_path, monkeypatch):
    saved(tmp_path)
    before = digest_files(tmp_path)
    with monkeypatch.context() as patch:
        unreadable(patch, 1, 2)
        with pytest.raises(UserError, match="Permission denied") as refused:
            restore(tmp_path)
    assert "damaged" not in str(refused.value)
    assert digest_files(tmp_path) == before


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ENOMEM, "Cannot allocate memory")])
def test_too_little_memory_to_read_it(tmp_path, monkeypatch, error):
    saved(tmp_path)

    def fails(self, step, target):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "_read", fails)
        with pytest.raises(UserError, match="memory"):
            restore(tmp_path)
    assert_is_step(restore(tmp_path), 2)


# Whose a checkpoint is ----------------------------------------------------------------------------


def owned(folder, owner):
    checkpoints = Checkpoints(folder, keep=3, owner=owner)
    try:
        if not (folder / "digests").exists() or not list((folder / "digests").iterdir()):
            checkpoints.save(1, tree(1), {"epoch": 1})
            checkpoints.seal(wait=True)
        return checkpoints.restore(tree())
    finally:
        checkpoints.close()


def test_a_checkpoint_says_whose_it_is(tmp_path, small_recipe):
    one = Owner.of(small_recipe("ce"), "a" * 64)
    assert_is_step(owned(tmp_path, one), 1)
    faster = small_recipe("ce", **{"train.keep": 9, "data.dir": "/elsewhere"})
    assert_is_step(owned(tmp_path, Owner.of(faster, "a" * 64)), 1)
    with pytest.raises(UserError, match=r"another run.*digest of the labels: aaaaaaaaaaaa -> bbbb"):
        owned(tmp_path, Owner.of(small_recipe("ce"), "b" * 64))
    with pytest.raises(UserError, match=r"checkpoint 1 .*another run .*seed: 0 -> 1"):
        owned(tmp_path, Owner.of(small_recipe("ce", seed=1), "a" * 64))
    assert_is_step(owned(tmp_path, one), 1)  # nothing was deleted


def test_one_of_an_older_version_does_not_say(tmp_path, small_recipe):
    saved(tmp_path)
    assert_is_step(owned(tmp_path, Owner.of(small_recipe("ce"), "a" * 64)), 2)


def test_a_folder_that_is_another_one_now_is_left_alone(tmp_path, small_recipe):
    """The workdir was moved, and another run's took its place while a save was under way."""
    folder, config = tmp_path / "run", small_recipe("ce")
    saved(tmp_path / "other")
    (tmp_path / "other" / ".lock").touch()
    before = digest_files(tmp_path / "other")
    with run_lock.locked(folder, config):
        checkpoints = Checkpoints(folder, keep=3)
        checkpoints.save(7, tree(7), {"epoch": 7})
        checkpoints.seal(wait=True)
        folder.rename(tmp_path / "moved")
        (tmp_path / "other").rename(folder)
        with pytest.MonkeyPatch.context() as patch:  # as if it were replaced after the look at it
            patch.setattr(checkpoints, "_check_held", lambda: None)
            checkpoints.save(8, tree(8), {"epoch": 8})
            checkpoints.seal(wait=True)
        for step in (9, 10):
            with pytest.raises(SaveError, match="was moved, deleted or replaced"):
                checkpoints.save(step, tree(step), {"epoch": step})
        checkpoints.close()
    assert digest_files(folder) == before
    _, meta, number = restore(tmp_path / "moved")
    assert (number, meta) == (8, {"epoch": 8})

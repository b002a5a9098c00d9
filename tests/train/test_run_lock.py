"""One run at a time in a workdir, which is still the same one when something is written."""

import pytest

from configs import base
from dull_jax.errors import SaveError
from dull_jax.train import run_lock


@pytest.mark.parametrize("how", ["moved", "deleted", "replaced"])
def test_a_workdir_that_is_another_one_now(tmp_path, how):
    folder = tmp_path / "run"
    with run_lock.locked(folder, base.get_config()):
        run_lock.check_held(folder)
        folder.rename(tmp_path / "moved") if how != "deleted" else (folder / ".lock").unlink()
        if how == "replaced":
            folder.mkdir()
            (folder / ".lock").touch()
        with pytest.raises(SaveError, match="was moved, deleted or replaced"):
            run_lock.check_held(folder)
    run_lock.check_held(folder)  # nobody holds it now


def test_drafts_of_a_killed_process_go(tmp_path):
    (tmp_path / ".dull_jax-0123.part").touch()
    with run_lock.locked(tmp_path, base.get_config()):
        assert [p.name for p in tmp_path.iterdir()] == [".lock"]


def test_a_lock_that_is_a_link_cuts_nothing(tmp_path):
    (tmp_path / "notes.txt").write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").symlink_to(tmp_path / "notes.txt")
    with run_lock.locked(tmp_path / "run", base.get_config()):
        pass
    assert (tmp_path / "notes.txt").read_text() == "precious"

"""Each file of a run's newest checkpoint, damaged: it is named, and the one before it serves."""

import ast
import pathlib
import re
import shutil
import signal

import jax
import processes
import pytest

import runs
from configs import digits_t2h
from dull_jax.train import trainer
from dull_jax.train.checkpoint import Checkpoints

pytestmark = pytest.mark.faults
METHOD, EPOCHS = "ce", 8


def size(path: pathlib.Path) -> int:
    return path.stat().st_size


def flip(path: pathlib.Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "one bit flipped": flip,
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "emptied": lambda path: path.write_bytes(b""),
    "deleted": lambda path: path.unlink(),
}


def command(folder):
    return processes.flags(folder, method=METHOD, epochs=EPOCHS)


def recipe():
    """What `command` asks for."""
    config = digits_t2h.get_config(f"method={METHOD}")
    for flag in command(".")[1:-1]:
        name, _, value = flag.removeprefix("--config.").partition("=")
        plain = value[0].isdigit() or value[0] == "("
        config.update_from_flattened_dict({name: ast.literal_eval(value) if plain else value})
    return config


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """`whole`, and `stopped` in the middle of it."""
    folder = tmp_path_factory.mktemp("damage")
    processes.end(processes.start(*command(folder / "whole")))
    process = processes.start(*command(folder / "stopped"))
    processes.reach(process, folder / "stopped", 3)
    process.send_signal(signal.SIGTERM)
    processes.end(process, code=75)
    return folder


def newest_good(folder):
    """(leaves of the state, step) that a run in this folder goes on from."""
    checkpoints = Checkpoints(folder, keep=3)
    state, _, step = checkpoints.restore({})
    checkpoints.close()
    return [leaf.tobytes() for leaf in jax.tree.leaves(state)], step


@pytest.mark.parametrize("damage", DAMAGE)
def test_each_file(damage, folder, tmp_path, tally, caplog):
    """The largest one all the way to the end of the run."""
    before, newest = processes.sealed(folder / "stopped")[-2:]
    root = pathlib.Path("checkpoints") / str(newest)
    shutil.copytree(folder / "stopped", tmp_path / "older")
    shutil.rmtree(tmp_path / "older" / root)
    (tmp_path / f"older/digests/{newest}.json").unlink()
    wanted = newest_good(tmp_path / "older")
    assert len(wanted[0]) > 3 and wanted[1] == before
    files = sorted((p for p in (folder / "stopped" / root).rglob("*") if p.is_file()), key=size)
    assert len(files) >= 10 and all(map(size, files))
    for path in files:
        copy = tmp_path / "copy"
        shutil.copytree(folder / "stopped", copy)
        DAMAGE[damage](copy / path.relative_to(folder / "stopped"))
        caplog.clear()
        with tally.trial(f"a file of the newest checkpoint {damage}"):
            if path == files[-1]:
                trainer.train(recipe(), copy, lambda text: None)
                runs.assert_same_run(folder / "whole", copy)
            else:
                assert newest_good(copy) == wanted
            assert f"{path.relative_to(folder / 'stopped' / root)} is " in caplog.text
        shutil.rmtree(copy)


@pytest.mark.parametrize("damage", DAMAGE)
def test_its_list_of_digests(damage, folder, tmp_path, tally):
    shutil.copytree(folder / "stopped", tmp_path, dirs_exist_ok=True)
    newest = processes.sealed(tmp_path)[-1]
    with tally.trial(f"the digests of the newest checkpoint {damage}"):
        DAMAGE[damage](tmp_path / f"digests/{newest}.json")
        said = processes.end(processes.start(*command(tmp_path)))
        assert f"checkpoint {newest}" in said or damage == "deleted"  # as if it were unfinished
        runs.assert_same_run(folder / "whole", tmp_path)


def test_no_checkpoint_is_good(folder, tmp_path, tally):
    shutil.copytree(folder / "stopped", tmp_path, dirs_exist_ok=True)
    with tally.trial("every checkpoint damaged"):
        for step in processes.sealed(tmp_path):
            flip(max((tmp_path / f"checkpoints/{step}").rglob("*"), key=size))
        before = {p: p.stat().st_mtime_ns for p in (tmp_path / "checkpoints").rglob("*")}
        said = processes.end(processes.start(*command(tmp_path)), code=2)
        line = re.findall(r"^dull_jax: no good checkpoint in .* is damaged.*$", said, re.M)
        assert len(line) == 1 and "Traceback" not in said
        assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "checkpoints").rglob("*")}

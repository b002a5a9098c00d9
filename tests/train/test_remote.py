"""A run in a store is a run in a folder: the same numbers, the same faults survived."""

import importlib.util
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from etils import epath
from test_checkpoint import DAMAGE, assert_is_step, restore, saved, tree

import bucket
import mini_cifar
import runs
from dull_jax import export, files, inference, predict
from dull_jax.audit import inputs
from dull_jax.data.sources import tfds as source_of_tfds
from dull_jax.data.tfds import cifar
from dull_jax.errors import SaveError, Stopped, UserError
from dull_jax.report import html
from dull_jax.run_dir import checkpoints as run_checkpoints
from dull_jax.run_dir.read import read_metrics
from dull_jax.train import initial, run_lock, trainer, writer
from dull_jax.train.checkpoint import Checkpoints
from dull_jax.train.train_phase import PhaseRunner

RECIPE = (
    "--config=configs/digits_t2h.py:method=ce --config.compare=() --config.model.width=8 "
    "--config.train.epochs=6 --config.train.batch_size=64 --config.train.eval_every=3 "
    "--config.train.checkpoint_every=1 --config.train.view=weak"
).split()
RUN = epath.Path("gs://bucket/runs/x")


def quiet(text):
    pass


@pytest.fixture
def store(tmp_path):
    """The folder in which the objects of gs://bucket/runs/x lie."""
    bucket.install(tmp_path / "store")
    return tmp_path / "store" / "bucket" / "runs" / "x"


# A run -----------------------------------------------------------------------------------------


def command(root, *flags):
    """main, at a store that is kept below `root`, or (None) without one."""
    start = [bucket.__file__, str(root), "dull_jax.main"] if root else ["-m", "dull_jax.main"]
    return [sys.executable, *start, *RECIPE, *flags]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """(root of a store with gs://bucket/run, killed and continued; a local run never stopped)."""
    local = tmp_path_factory.mktemp("local") / "run"
    for _ in range(5):  # it may be done before the blow
        root = tmp_path_factory.mktemp("store")
        begun = subprocess.Popen(command(root, "--workdir=gs://bucket/run"))
        while len(read_metrics(root / "bucket" / "run")[0]) < 3 and begun.poll() is None:
            time.sleep(0.02)
        begun.kill()
        if begun.wait() and not (root / "bucket" / "run" / "result.json").exists():
            break
    more = command(root, "--workdir=gs://bucket/run")
    again = subprocess.run(more, check=True, capture_output=True, text=True)
    assert "continuing after epoch" in again.stdout
    assert "report: gs://bucket/run/report/index.html" in again.stdout
    subprocess.run(command(None, f"--workdir={local}"), check=True, capture_output=True)
    return root, local


def test_killed_and_continued_in_a_store_it_equals_a_local_run(pair):
    root, local = pair
    there = root / "bucket" / "run"
    runs.assert_same_run(local, there)
    assert [row["epoch"] for row in runs.metrics(there)] == list(range(1, 7))
    names = {str(p.relative_to(local)) for p in local.rglob("*") if p.is_file()}
    kept = {str(p.relative_to(there)) for p in there.rglob("*") if p.is_file()}
    unlike = ("events/", "checkpoints/", ".lock")  # hosts, times and numbers in their names
    assert {n for n in names ^ kept if not n.startswith(unlike)} == set()
    assert len(list((there / "events").iterdir())) == 2, "of both starts"


def test_whatever_reads_a_run_reads_it_there(pair, tmp_path):
    root, local = pair
    bucket.install(root)
    run = "gs://bucket/run"
    assert str(html.write(run)) == f"{run}/report/index.html"
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    for name in (run, local):
        out = "gs://bucket/out" if name == run else tmp_path
        predict.predict(name, tmp_path / "images.npy", f"{out}/found.csv", say=quiet)
        export.write(inference.load(name), files.path_of(f"{out}/model"))
    for name in ("found.csv", "model"):
        there = root / "bucket" / "out" / name
        assert there.read_bytes()[:1000] == (tmp_path / name).read_bytes()[:1000], name
    ours, theirs = initial.backbone(local), initial.backbone(run)
    assert ours[1] == theirs[1] and ours[0].keys() == theirs[0].keys()
    for name, leaf in ours[0].items():
        np.testing.assert_array_equal(leaf, theirs[0][name])


def test_an_audit_keeps_its_folds_there(pair):
    root, _ = pair
    bucket.install(root)
    run, said = files.path_of("gs://bucket/run"), []
    first = inputs.of_run(run, 2, 1, run / "audit", quiet)
    again = inputs.of_run(run, 2, 1, run / "audit", said.append)
    np.testing.assert_array_equal(first.probs, again.probs)
    assert len(list((root / "bucket" / "run" / "audit").glob("fold_*.npy"))) == 2


def test_an_upload_that_fails_ends_the_run_which_then_goes_on(
    small_recipe, store, tmp_path, monkeypatch
):
    config = small_recipe(**{"train.checkpoint_every": 1})
    with monkeypatch.context() as patch, pytest.raises(SaveError, match=r"checkpoint .* gs://"):
        save = Checkpoints.save

        def breaking(self, step, *rest):
            bucket.Bucket.breaks_after = bucket.Bucket.uploads + 4 if step > 10 else None
            save(self, step, *rest)

        patch.setattr(Checkpoints, "save", breaking)
        patch.setattr(writer.Writer, "write", lambda *rest: None)  # else it fails first
        trainer.train(config, RUN, quiet)
    bucket.Bucket.breaks_after = None
    trainer.train(config, RUN, quiet)
    trainer.train(config, tmp_path / "local", quiet)
    a, b = (runs.last_state(folder) for folder in (store, tmp_path / "local"))
    assert all(a[name].tobytes() == b[name].tobytes() for name in a)


def test_the_newest_start_goes_on_and_the_one_before_it_ends(small_recipe, store, monkeypatch):
    config, write = small_recipe(**{"train.checkpoint_every": 1}), writer.Writer.write

    def started_elsewhere(self, epoch, values):
        if epoch == 2:
            monkeypatch.setattr(run_lock, "_TOKEN", "of another process")
            with run_lock.locked(RUN, config):
                pass
            monkeypatch.undo()
        write(self, epoch, values)

    monkeypatch.setattr(writer.Writer, "write", started_elsewhere)
    with pytest.raises(UserError, match=r"taken over by a newer start of this run \(.+, process"):
        trainer.train(config, RUN, quiet)
    assert [row["epoch"] for row in read_metrics(store)[0]] == [1], "it writes no more"
    assert trainer.train(config, RUN, quiet)["epochs"] == 4, "a third start waits for nobody"


def test_a_signal_inside_an_epoch(small_recipe, store, tmp_path, monkeypatch):
    config, dispatch, left = small_recipe(), PhaseRunner._dispatch, iter(range(10))

    def stopping(self, *args):
        if next(left, None) == 9:
            signal.raise_signal(signal.SIGTERM)
        return dispatch(self, *args)

    monkeypatch.setattr(PhaseRunner, "_dispatch", stopping)
    with pytest.raises(Stopped, match="in epoch 2, saved"):
        trainer.train(config, RUN, quiet)
    trainer.train(config, RUN, quiet)
    trainer.train(config, tmp_path / "local", quiet)
    runs.assert_same_run(store, tmp_path / "local")


# Checkpoints -----------------------------------------------------------------------------------


def objects(store, step):
    return [p for p in (store / "checkpoints" / str(step)).rglob("*") if p.is_file()]


def test_a_save_cut_off_after_any_number_of_objects(store):
    saved(RUN)
    count = len(objects(store, 2)) + 1  # the digests are the last
    assert count > 5
    for number in range(count):
        checkpoints = Checkpoints(RUN, keep=3)
        bucket.Bucket.breaks_after = bucket.Bucket.uploads + number
        checkpoints.save(3, tree(3), {"epoch": 3})
        cut_off = bucket.Bucket.breaks_after
        try:
            checkpoints.seal(wait=True)
        except SaveError as error:
            assert "checkpoint 3 " in str(error) and "gs://bucket/runs/x/checkpoints" in str(error)
        else:  # Orbax writes an object more or less from save to save: this one needed fewer
            assert bucket.Bucket.uploads <= cut_off and number > 5
            checkpoints.close()
            bucket.Bucket.breaks_after = None
            assert_is_step(restore(RUN), 3)
            return
        checkpoints.close()
        bucket.Bucket.breaks_after = None
        assert len(objects(store, 3)) == number
        assert_is_step(initial_step(), 2)
        assert_is_step(restore(RUN), 2)
        assert not objects(store, 3), "what there was of it is removed"
    saved(RUN, steps=(3,))
    assert_is_step(restore(RUN), 3)


def initial_step():
    """What prediction and `config.init` take, in the form of `restore`."""
    leaves, step = run_checkpoints.newest(RUN)
    state = {
        "nets": [{"kernel": leaves["nets/0/kernel"]}],
        "memory": {"probs": leaves["memory/probs"], "none": np.zeros((0, 3))},
    }
    return state, {"epoch": step}, step


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_named_and_gives_way(store, damage, caplog):
    saved(RUN)
    for file in objects(store, 2)[:3]:
        shutil.copytree(store, store.parent / "kept", dirs_exist_ok=True)
        DAMAGE[damage](file)
        caplog.clear()
        assert_is_step(restore(RUN), 1)
        assert f"{file.name} is " in caplog.text and not objects(store, 2)
        shutil.copytree(store.parent / "kept", store, dirs_exist_ok=True)


def test_none_good_is_an_error_and_deletes_nothing(store):
    saved(RUN)
    for step in (1, 2):
        objects(store, step)[0].write_bytes(b"x")
    with pytest.raises(UserError, match=r"no good checkpoint in gs://bucket/runs/x/checkpoints"):
        restore(RUN)
    assert objects(store, 1) and objects(store, 2)


def test_so_many_are_kept_also_of_earlier_starts(store):
    saved(RUN, steps=(1, 2, 3))
    checkpoints = Checkpoints(RUN, keep=2)
    assert_is_step(checkpoints.restore(tree()), 3)
    checkpoints.save(4, tree(4), {"epoch": 4})
    checkpoints.close()
    assert {p.stem for p in (store / "digests").iterdir()} == {"2", "3", "4"}
    assert [bool(objects(store, step)) for step in (1, 2, 3, 4)] == [False, True, True, True]


def test_an_unreachable_store_is_not_taken_for_damage(store, monkeypatch):
    saved(RUN)

    def lost(self, path, *rest, **more):
        raise ConnectionError("the connection is lost")

    with monkeypatch.context() as patch:
        patch.setattr(bucket.Bucket, "_open", lost)
        with pytest.raises(UserError, match=r"cannot be reached \(the connection is lost\)"):
            restore(RUN)
        with pytest.raises(UserError, match="cannot be reached"):
            run_checkpoints.newest(RUN)
    assert_is_step(restore(RUN), 2)


# Files and paths -------------------------------------------------------------------------------


def test_an_object_is_written_whole_or_not_at_all(store):
    files.write_text(RUN / "x.json", "{}")
    with pytest.raises(ZeroDivisionError), files.whole(RUN / "x.json") as file:
        file.write(b"half")
        1 / 0  # noqa: B018
    assert (store / "x.json").read_text() == "{}"
    assert [p.name for p in store.iterdir()] == ["x.json"]
    bucket.Bucket.breaks_after = 0
    with pytest.raises(UserError, match=r"gs://bucket/runs/x/x.json cannot be written: the conn"):
        files.write_text(RUN / "x.json", "[]")
    assert json.loads((RUN / "x.json").read_text()) == {}


def test_an_upload_that_is_killed_leaves_no_object(store, monkeypatch):
    def killed(self, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(pathlib.Path, "replace", killed)
        files.write_text(RUN / "x.json", "{}")
    assert not RUN.exists()
    files.write_text(RUN / "x.json", "{}")
    assert [p.name for p in store.iterdir()] == ["x.json"]


def test_paths(tmp_path):
    assert files.path_of(str(tmp_path)) == tmp_path and files.path_of(tmp_path) == tmp_path
    assert files.path_of(RUN) is RUN
    with pytest.raises(UserError, match="foo://x/y: neither a local path nor one in a store"):
        files.path_of("foo://x/y")
    with pytest.raises(UserError, match="images = gs://b/x: it is read locally only"):
        files.check_local("images", "gs://b/x")


@pytest.mark.skipif(importlib.util.find_spec("s3fs") is not None, reason="it is installed")
def test_without_the_package_it_is_one_line():
    """s3:// stands for gs:// too; neither package is among the requirements."""
    flags = ["--config=configs/digits_t2h.py", "--workdir=s3://bucket/run"]
    start = [sys.executable, "-m", "dull_jax.main", *flags]
    found = subprocess.run(start, capture_output=True, text=True)
    assert found.returncode == 2 and found.stdout == ""
    said = "dull_jax: s3://bucket/run cannot be reached (Install s3fs to access S3)"
    assert found.stderr.strip() == said


def test_a_prepared_set_is_read_out_of_a_store(tmp_path, store):
    content = mini_cifar.files("cifar10")
    archive = mini_cifar.facts("cifar10", content)
    source = mini_cifar.write_tar(tmp_path / "a.tar.gz", "cifar10", content)
    local = tmp_path / "store" / "bucket" / "tfds"
    cifar.prepare("cifar10", source, epath.Path(local), archive)
    here, there = (source_of_tfds.read("cifar10", str(d)) for d in (local, "gs://bucket/tfds"))
    np.testing.assert_array_equal(here.train.images, there.train.images)
    np.testing.assert_array_equal(here.test.ids, there.test.ids)
    (file,) = local.rglob("*train.array_record*")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UserError, match=r"gs://bucket/tfds/cifar10/.* is half-written or damaged"):
        source_of_tfds.read("cifar10", "gs://bucket/tfds")

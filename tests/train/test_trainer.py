"""The loop as a user meets it: killed, stopped, continued, refused."""

import json
import random
import re
import shutil
import signal
import time
import types

import jax
import numpy as np
import pytest

import commands
import runs
from dull_jax.errors import SaveError, Stopped, UserError
from dull_jax.progress import duration
from dull_jax.run_dir.checkpoints import digest_files
from dull_jax.train import epoch_lines, loop, trainer
from dull_jax.train.train_phase import MetricAccumulator, PhaseRunner
from faults import processes
from outside import LONG, cpu_as, our_line


def quiet(text):
    pass


def flags(workdir, *fields):
    return processes.flags(workdir, "dull.transition=free", *fields, method="dull")


def start(workdir):
    return processes.start(*flags(workdir))


def run(workdir, *fields, code=0, env=None):
    """The same from its beginning to its end, which is this exit code."""
    done = commands.run("dull_jax.main", *flags(workdir, *fields), env=env)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def stopped(folder):
    """What a run says that SIGTERM stops within an epoch; anew where it was done before that."""
    for _ in range(5):
        process = start(folder)
        processes.reach(process, folder, 2)
        process.send_signal(signal.SIGTERM)
        output = process.communicate(timeout=LONG)[0]
        if not (folder / "result.json").exists():
            assert process.returncode == 75, output
            return output
        shutil.rmtree(folder)
    raise AssertionError("it does not stop")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    run(folder)
    return folder


def test_killed_at_a_random_moment(undisturbed, tmp_path):
    """SIGKILL, perhaps inside a save: the end equals the undisturbed run bit for bit."""
    process = start(tmp_path)
    processes.reach(process, tmp_path, 6)
    time.sleep(random.Random(0).uniform(0, 0.3))
    process.kill()
    process.communicate()
    run(tmp_path)
    runs.assert_same_run(undisturbed, tmp_path)
    assert [row["epoch"] for row in runs.metrics(tmp_path)] == list(range(1, 13))


def test_sigterm_saves_and_leaves_with_75(undisturbed, tmp_path):
    folder = tmp_path / "run"
    output = stopped(folder)
    assert "stopped by SIGTERM" in output and "Traceback" not in output
    finished = run(folder)
    assert "continuing after epoch" in finished.stdout
    runs.assert_same_run(undisturbed, folder)


def test_a_finished_run_is_not_trained_again(undisturbed):
    before = {p: p.stat().st_mtime_ns for p in (undisturbed / "checkpoints").rglob("*")}
    again = run(undisturbed)
    assert "already trained" in again.stdout and "report:" in again.stdout
    assert before == {p: p.stat().st_mtime_ns for p in (undisturbed / "checkpoints").rglob("*")}


def test_another_recipe_is_refused_with_the_difference(undisturbed):
    found = run(undisturbed, "optim.lr=0.01", code=2)
    assert found.stderr.count("\n") == 1
    assert "optim.lr: 0.05 -> 0.01" in found.stderr


def test_what_a_run_leaves(undisturbed):
    result = json.loads((undisturbed / "result.json").read_text())
    assert {"last", "mean_last_10", "head", "medium", "tail"} <= result["accuracy"].keys()
    assert 0 < result["host_share"] < 1 and result["images_per_second"] > 0
    for name in ("config.json", "env.json", "data.json"):
        assert json.loads((undisturbed / name).read_text())
    about = json.loads((undisturbed / "data.json").read_text())
    with np.load(undisturbed / "labels.npz") as labels:
        assert np.mean(labels["given"] != labels["clean"]) == about["noise"]["realised"]
        assert np.bincount(labels["given"]).tolist() == about["counts_given"]
    assert list((undisturbed / "events").iterdir()), "TensorBoard events"
    assert (undisturbed / "report" / "index.html").exists()


def test_a_loss_that_is_not_finite_stops_the_run(small_recipe, tmp_path, monkeypatch):
    """In epoch 3: the checkpoint of epoch 2 is kept, and the run goes on from it."""
    plain = loop.learning_rate
    monkeypatch.setattr(
        loop, "learning_rate", lambda c, epoch: np.nan if epoch == 2 else plain(c, epoch)
    )
    config = small_recipe("ce", **{"train.checkpoint_every": 1})
    with pytest.raises(UserError, match=r"not finite in epoch 3, step 1, samples digits_"):
        trainer.train(config, tmp_path, quiet)
    assert [row["epoch"] for row in runs.metrics(tmp_path)] == [1, 2]
    assert all(np.isfinite(leaf).all() for leaf in runs.last_state(tmp_path).values())
    monkeypatch.undo()
    said = []
    trainer.train(config, tmp_path, said.append)
    assert any("continuing after epoch 2" in line for line in said)
    assert [row["epoch"] for row in runs.metrics(tmp_path)] == [1, 2, 3, 4]


def test_an_epoch_that_was_stopped_inside_takes_the_time_of_both_starts(
    small_recipe, tmp_path, monkeypatch
):
    """Of it alone the second start's part would promise too early an end."""
    clock, said, config = [0.0], [], small_recipe("ce", **{"train.steps_per_call": 1})
    now = types.SimpleNamespace(perf_counter=lambda: clock[0], monotonic=lambda: clock[0])
    monkeypatch.setattr(loop, "time", now)
    monkeypatch.setattr(epoch_lines, "time", now)
    dispatch = PhaseRunner._dispatch

    def ten_seconds_later(self, *args):
        clock[0] += 10.0
        return dispatch(self, *args)

    monkeypatch.setattr(PhaseRunner, "_dispatch", ten_seconds_later)
    with monkeypatch.context() as patch:
        runs.stopping_at(3, patch)
        with pytest.raises(Stopped, match="in epoch 1, saved"):
            trainer.train(config, tmp_path, quiet)
    clock[0] += 1e6  # until somebody starts it again
    trainer.train(config, tmp_path, said.append)
    rows = list(map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines()))
    assert len({row["time/seconds"] for row in rows}) == 1, "all epochs have as many steps"
    assert len({row["time/images_per_second"] for row in rows}) == 1
    left = 3 * rows[0]["time/seconds"]
    assert left > 3 * 30 and any(f"at most {duration(left)} left" in line for line in said)


def test_no_compilation_after_the_first_epoch_of_a_kind(small_recipe, tmp_path, monkeypatch):
    """Compilations are counted per epoch: once warm-up and main phase are known, there are none."""
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, seconds, **_: compiled.append(name) if "backend_compile" in name else None
    )
    counts, plain = [], loop.Loop._epoch

    def counted(self):
        before = len(compiled)
        values = plain(self)
        counts.append(len(compiled) - before)
        return values

    monkeypatch.setattr(loop.Loop, "_epoch", counted)
    config = small_recipe("dull", **{"train.epochs": 8, "train.eval_every": 1})
    trainer.train(config, tmp_path, quiet)
    assert counts[0] > 0 and counts[4] > 0, "the first of each kind compiles"
    assert sum(counts[1:4]) <= 2, "the teacher's pass begins in warm-up"
    assert counts[5:] == [0, 0, 0]


def test_several_steps_in_one_dispatch(small_recipe, toy_source, tmp_path):
    """A scan of 3 steps, the rest singly: the numbers of single steps, to rounding."""
    toy_source([40, 20, 10], test_each=10)
    noise = {"noise.name": "symmetric", "noise.rate": 0.1, "data.profile": "none"}
    for size in (1, 3):
        config = small_recipe("la", **noise, **{"train.batch_size": 16})
        config.train.steps_per_dispatch, config.train.epochs = size, 2
        trainer.train(config, tmp_path / str(size), quiet)
    one, three = (runs.last_state(tmp_path / str(size)) for size in (1, 3))
    for name in one:
        np.testing.assert_allclose(three[name], one[name], rtol=2e-3, atol=2e-4, err_msg=name)


def test_a_workdir_has_one_run_at_a_time(small_recipe, tmp_path):
    from dull_jax.train import run_lock

    config = small_recipe("ce")
    with run_lock.locked(tmp_path, config), pytest.raises(UserError, match="in use by another run"):
        trainer.train(config, tmp_path, quiet)


def test_moving_to_two_devices_goes_on(undisturbed, tmp_path):
    """A run begun on one device is continued on two."""
    folder = tmp_path / "run"
    stopped(folder)
    run(folder, env=cpu_as(2))
    rows, wanted = runs.metrics(folder), runs.metrics(undisturbed)
    assert [row["epoch"] for row in rows] == list(range(1, 13))
    assert rows[-1]["train/loss"] == pytest.approx(wanted[-1]["train/loss"], rel=0.1)
    assert rows[-1]["test/accuracy"] == pytest.approx(wanted[-1]["test/accuracy"], abs=8)


def test_a_read_only_disk(disk):
    folder = disk("ro")
    found = run(folder / "run", code=2)
    assert "cannot be written: Read-only file system" in our_line(found.stderr)


# What is lost or exchanged between two starts ----------------------------------------------------


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A finished run of four epochs of CE, saved in the second and the last."""
    from configs import digits_t2h

    config = digits_t2h.get_config("method=ce")
    config.compare, config.model.width = (), 8
    config.train.epochs, config.train.batch_size, config.train.view = 4, 64, "weak"
    config.train.checkpoint_every = 2
    folder = tmp_path_factory.mktemp("short") / "run"
    trainer.train(config, folder, quiet)
    return config, folder


@pytest.mark.parametrize("name", ["metrics.jsonl", "result.json", "outputs.npz"])
@pytest.mark.parametrize("damage", ["gone", "cut", "flipped", "emptied"])
def test_the_end_of_a_run_is_restored(short, tmp_path, name, damage):
    """From the last checkpoint, with the numbers it had; and said in a line."""
    config, original = short
    folder, said = tmp_path / "run", []
    shutil.copytree(original, folder)
    path = folder / name
    data = path.read_bytes()
    middle = len(data) // 2
    if damage == "gone":
        path.unlink()
    else:
        flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        path.write_bytes({"cut": data[:middle], "flipped": flipped, "emptied": b""}[damage])
    found = trainer.train(config, folder, said.append)
    text = "\n".join(said)
    if (name, damage) != ("result.json", "gone"):
        assert re.search(rf"/{name} is damaged( or gone)?: restored from the last checkpoint", text)
    runs.assert_same_run(original, folder)
    wanted = json.loads((original / "result.json").read_text())
    for key in ("accuracy", "calibration", "wrong_labels", "seconds", "config_fingerprint"):
        assert found[key] == wanted[key], key
    assert (folder / "metrics.jsonl").read_bytes() == (original / "metrics.jsonl").read_bytes()
    said.clear()
    trainer.train(config, folder, said.append)
    assert ["already trained" in line for line in said] == [True]


def test_an_end_that_cannot_be_restored(short, tmp_path):
    config, original = short
    shutil.copytree(original, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    (tmp_path / "run" / "metrics.jsonl").write_text("")
    with pytest.raises(UserError, match=r"metrics\.jsonl is damaged or gone, and no checkpoint"):
        trainer.train(config, tmp_path / "run", quiet)


@pytest.mark.parametrize("lost", ["gone", "emptied", "a line flipped", "a line dropped"])
def test_lines_of_a_run_that_goes_on_come_from_its_checkpoint(short, tmp_path, lost):
    """No epoch is missing or wrong, whatever became of metrics.jsonl in between."""
    config, original = short
    folder = tmp_path / "run"
    shutil.copytree(original, folder)
    (folder / "result.json").unlink()
    path = folder / "metrics.jsonl"
    lines = path.read_bytes().splitlines(True)
    if lost == "gone":
        path.unlink()
    else:
        flipped = lines[1].replace(b"loss", b"lose")
        path.write_bytes(
            {
                "emptied": b"",
                "a line flipped": lines[0] + flipped + b"".join(lines[2:]),
                "a line dropped": lines[0] + b"".join(lines[2:]),
            }[lost]
        )
    trainer.train(config, folder, quiet)
    assert path.read_bytes() == b"".join(lines)


def test_labels_of_another_seed_are_refused(short, small_recipe, tmp_path):
    config, original = short
    other = small_recipe("ce", seed=1)
    trainer.train(other, tmp_path / "other", quiet)
    folder = tmp_path / "run"
    shutil.copytree(original, folder)
    (folder / "result.json").unlink()
    shutil.copy(tmp_path / "other" / "labels.npz", folder / "labels.npz")
    with pytest.raises(UserError, match="holds other labels than this run began with"):
        trainer.train(config, folder, quiet)
    (folder / "data.json").unlink()  # then the checkpoint says so
    with pytest.raises(UserError, match=r"belongs to another run.*digest of the labels"):
        trainer.train(config, folder, quiet)


def test_checkpoints_of_another_run_are_refused(short, small_recipe, tmp_path):
    config, original = short
    trainer.train(small_recipe("ce", **{"optim.lr": 0.01}), tmp_path / "other", quiet)
    folder = tmp_path / "run"
    shutil.copytree(original, folder)
    (folder / "result.json").unlink()
    for name in ("checkpoints", "digests"):
        shutil.rmtree(folder / name)
        shutil.copytree(tmp_path / "other" / name, folder / name)
    with pytest.raises(UserError, match=r"another run \(optim\.lr: 0\.01 -> 0\.05"):
        trainer.train(config, folder, quiet)


@pytest.mark.parametrize("how", ["moved", "replaced"])
def test_a_workdir_that_moves_under_a_run_ends_it(short, tmp_path, monkeypatch, how):
    """With one line; what was saved goes on from where it is now, the other run is intact."""
    config, original = short
    folder, other = tmp_path / "run", tmp_path / "other"
    shutil.copytree(original, other)
    before = digest_files(other)
    plain = loop.Loop._epoch

    def moving(self):
        if self.at.epoch == 3:
            self.checkpoints.seal(wait=True)
            folder.rename(tmp_path / "moved")
            if how == "replaced":
                other.rename(folder)
        return plain(self)

    monkeypatch.setattr(loop.Loop, "_epoch", moving)
    with pytest.raises(SaveError, match="was moved, deleted or replaced"):
        trainer.train(config, folder, quiet)
    monkeypatch.undo()
    if how == "replaced":
        assert digest_files(folder) == before
    else:
        assert not folder.exists()
    said = []
    trainer.train(config, tmp_path / "moved", said.append)
    assert any("continuing after epoch 2" in line for line in said)
    runs.assert_same_run(original, tmp_path / "moved")


def test_another_number_of_cores_is_said(short, tmp_path):
    config, original = short
    folder, said = tmp_path / "run", []
    shutil.copytree(original, folder)
    (folder / "result.json").unlink()
    env = json.loads((folder / "env.json").read_text())
    (folder / "env.json").write_text(json.dumps(env | {"cores": 64}))
    trainer.train(config, folder, said.append)
    assert any("before on 64 of" in line and "the last bits" in line for line in said)


def test_paths_hold_wherever_a_run_goes_on(short, small_recipe, tmp_path, monkeypatch):
    """config.init relative to one folder, then absolute, from another folder."""
    _, original = short
    monkeypatch.chdir(original.parent)
    config = small_recipe("ce", init=original.name)
    trainer.train(config, tmp_path / "run", quiet)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["init"] == str(original)
    monkeypatch.chdir(tmp_path)
    said = []
    trainer.train(small_recipe("ce", init=str(original)), tmp_path / "run", said.append)
    assert "already trained" in said[0]
    with pytest.raises(UserError, match=r"another recipe .*init: "):
        trainer.train(config, tmp_path / "run", quiet)  # now another folder is meant


def test_metrics_are_counted_then_divided():
    metrics = MetricAccumulator()
    metrics.add({"loss": (np.array([1.0, 3.0]), np.array([2.0, 2.0]))})
    metrics.add({"loss": (np.array(2.0), np.array(4.0)), "none": (np.array(0.0), np.array(0.0))})
    assert metrics.means() == {"loss": 0.75}

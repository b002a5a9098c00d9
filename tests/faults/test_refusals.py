"""What cannot go on says why and spoils nothing: a loss of NaN, another model, other classes."""

import signal

import numpy as np
import processes
import pytest

import runs
from dull_jax.errors import UserError
from dull_jax.train import trainer
from outside import cpu_as, our_line

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("method", ["ce", "dull", "dividemix"])
def test_a_run_that_diverges(method, tmp_path, tally):
    """Weight decay times learning rate above 2 doubles the weights in each step, for real."""
    fields = ("optim.lr=1000", "optim.weight_decay=0.01")
    words = processes.flags(tmp_path, *fields, method=method)
    with tally.trial("a loss that is not finite"):
        line = our_line(processes.end(processes.start(*words), code=2))
        epoch = len(processes.epochs(tmp_path)) + 1
        assert f"the loss is not finite in epoch {epoch}, step " in line
        assert "samples digits_" in line and "the last good checkpoint is kept" in line
        assert "NaN" not in (tmp_path / "metrics.jsonl").read_text()
        if processes.sealed(tmp_path):
            state = runs.last_state(tmp_path)
            assert not any(np.isnan(leaf).any() for leaf in state.values())
            assert all(np.isfinite(leaf).all() for n, leaf in state.items() if "/params/" in n)


@pytest.fixture
def stopped(tmp_path):
    process = processes.start(*processes.flags(tmp_path))
    processes.reach(process, tmp_path, 3)
    process.send_signal(signal.SIGTERM)
    processes.end(process, code=75)
    return tmp_path


def test_another_model(undisturbed, stopped, tally):
    """Refused by its recipe, and where that was lost, by its checkpoint; the right one goes on."""
    steps, told = processes.sealed(stopped), (stopped / "config.json").read_text()
    with tally.trial("a checkpoint of another model", count=2):
        other = processes.flags(stopped, "model.width=12")
        line = our_line(processes.end(processes.start(*other), code=2))
        assert "holds a run of another recipe (model.width: 8 -> 12)" in line
        (stopped / "config.json").unlink()
        line = our_line(processes.end(processes.start(*other), code=2))
        assert "belongs to another run (model.width: 8 -> 12)" in line
        assert processes.sealed(stopped) == steps
        (stopped / "config.json").write_text(told)
        processes.end(processes.start(*processes.flags(stopped)))
        runs.assert_same_run(undisturbed, stopped)


def test_another_number_of_classes(small_recipe, toy_source, tmp_path, tally):
    """The same recipe and folder, and a data set that has lost a class."""
    fields = {"data.profile": "none", "noise.rate": 0.1, "noise.name": "symmetric"}
    config = small_recipe("ce", **fields)
    toy_source([40, 20, 10])
    with tally.trial("a checkpoint of another number of classes", count=3):
        trainer.train(config, tmp_path, lambda text: None)
        (tmp_path / "result.json").unlink()
        before = {p: p.read_bytes() for p in (tmp_path / "checkpoints").rglob("*") if p.is_file()}
        toy_source([40, 30])
        with pytest.raises(UserError):  # the labels it was begun with
            trainer.train(config, tmp_path, lambda text: None)
        (tmp_path / "labels.npz").unlink()
        with pytest.raises(UserError, match="holds other labels than this run began with"):
            trainer.train(config, tmp_path, lambda text: None)
        (tmp_path / "data.json").unlink()
        with pytest.raises(UserError, match=r"belongs to another run .*digest of the labels"):
            trainer.train(config, tmp_path, lambda text: None)
        after = {p: p.read_bytes() for p in (tmp_path / "checkpoints").rglob("*") if p.is_file()}
        assert before == after


def test_another_number_of_devices(undisturbed, stopped, tally):
    """From one device to two and back: to the rounding that training amplifies."""
    words = processes.flags(stopped)
    with tally.trial("a checkpoint of one device on two, and back"):
        process = processes.start(*words, XLA_FLAGS=cpu_as(2)["XLA_FLAGS"])
        processes.reach(process, stopped, max(5, len(processes.epochs(stopped)) + 1))
        process.send_signal(signal.SIGTERM)
        assert "on 2 cpu" in processes.end(process, code=75)
        assert "on 1 cpu" in processes.end(processes.start(*words))
        rows, wanted = runs.metrics(stopped), runs.metrics(undisturbed)
        assert [row["epoch"] for row in rows] == [row["epoch"] for row in wanted]
        assert rows[-1]["train/loss"] == pytest.approx(wanted[-1]["train/loss"], rel=0.1)
        assert rows[-1]["test/accuracy"] == pytest.approx(wanted[-1]["test/accuracy"], abs=8)

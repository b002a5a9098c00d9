"""Stage 1: what labels cannot reach, the queue, the key encoder, the monitor."""

import sys

import jax.numpy as jnp
import numpy as np
import pytest
from test_every_method import COUNTS, quiet, recipe, source_of

import commands
import runs
from dull_jax import contrastive_losses
from dull_jax.data import dataset as data
from dull_jax.data import sources
from dull_jax.errors import UserError
from dull_jax.methods import self_supervised
from dull_jax.train import trainer
from dull_jax.train.train_phase import PhaseRunner
from outside import cpu_as


@pytest.fixture
def toy(monkeypatch):
    source = source_of("images")
    monkeypatch.setattr(sources, "load", lambda *args, **options: source)


MOCO = {"self_supervised.variant": "moco", "self_supervised.queue": 80}


@pytest.mark.parametrize("fields", [{}, MOCO], ids=["simsiam", "moco"])
def test_labels_never_reach_what_is_learnt(fields, toy, tmp_path, monkeypatch):
    """Other labels: everything is the same bit for bit but the probe and what reads it."""
    config = recipe("self_supervised", epochs=2, **fields)
    trainer.train(config, tmp_path / "given", quiet)
    build = data.build

    def garbled(*args):
        built = build(*args)
        built.train.given[:] = np.random.default_rng(0).permutation(built.train.given)
        return built

    monkeypatch.setattr(data, "build", garbled)
    trainer.train(config, tmp_path / "other", quiet)
    one, other = runs.last_state(tmp_path / "given"), runs.last_state(tmp_path / "other")
    differ = {name for name in one if one[name].tobytes() != other[name].tobytes()}
    assert differ and all("head/classifier" in name for name in differ)
    assert any("params/backbone" in name for name in one)


def test_clipping_would_let_labels_through(toy, tmp_path):
    with pytest.raises(UserError, match=r"config\.optim\.clip_norm"):
        trainer.train(recipe("self_supervised", **{"optim.clip_norm": 1.0}), tmp_path, quiet)


@pytest.mark.parametrize("counts", [COUNTS, [3, 1]], ids=["many", "few"])
def test_moco_fills_its_queue_with_unit_keys(counts, toy_source, tmp_path):
    """Also where the queue is shorter than a batch: it holds fewer keys than there are images."""
    toy_source(counts, test_each=2)
    config = recipe("self_supervised", epochs=3, **MOCO, **{"noise.name": "none"})
    trainer.train(config, tmp_path, quiet)
    state = runs.last_state(tmp_path)
    queue = state["nets/0/extra/queue"]
    assert len(queue) == min(80, sum(counts) - 1) <= state["nets/0/extra/count"]
    np.testing.assert_allclose(np.linalg.norm(queue, axis=1), 1, rtol=1e-5)
    assert all(np.isfinite(leaf).all() for leaf in state.values())


def test_the_key_encoder_follows(toy, tmp_path):
    """After one step it is the start; after three, an average of what the network was."""
    plain, history, history_keys = PhaseRunner._dispatch, [], []

    def kernel(params):
        return np.array(params["backbone"]["Conv_1"]["kernel"])

    def dispatch(self, *args):
        history.append(kernel(self.networks.states[0].params))
        out = plain(self, *args)
        history_keys.append(kernel(self.networks.states[0].extra["key"]))
        return out

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PhaseRunner, "_dispatch", dispatch)
        trainer.train(recipe("self_supervised", epochs=1, **MOCO), tmp_path, quiet)
    key = history[0]
    np.testing.assert_array_equal(history_keys[0], key)
    for now, actual in zip(history[1:], history_keys[1:], strict=True):
        key = 0.99 * key + 0.01 * now
        np.testing.assert_allclose(actual, key, rtol=1e-5, atol=1e-7)
    assert np.abs(history_keys[-1] - history[0]).max() > 1e-5


@pytest.mark.parametrize(("size", "batch"), [(7, 3), (5, 5), (4, 9)])
def test_the_queue_is_a_ring(size, batch):
    extra = {"queue": jnp.zeros((size, 1)), "count": jnp.int32(0)}
    kept = []
    for step in range(6):
        rows = np.arange(1, batch + 1) + 100 * step
        extra = self_supervised.pushed(extra, jnp.array(rows, jnp.float32)[:, None])
        kept = (kept + list(rows[:size]))[-size:]
        filled = int(contrastive_losses.filled(extra["queue"], extra["count"]).sum())
        assert filled == len(kept)
        assert sorted(np.asarray(extra["queue"])[:filled, 0]) == sorted(kept)


def test_neighbours_are_asked_as_often_as_wanted(toy, tmp_path):
    trainer.train(recipe("self_supervised", **{"self_supervised.knn_every": 2}), tmp_path, quiet)
    rows = runs.metrics(tmp_path)
    assert ["knn/agreement" in row for row in rows] == [False, True, False, True]
    assert 0 < rows[-1]["knn/class_mean"] <= 100


def test_moco_on_two_devices(toy, tmp_path):
    """The queue takes the keys of all devices, in one order: the numbers of one device."""
    trainer.train(recipe("self_supervised", epochs=2, **MOCO), tmp_path / "one", quiet)
    done = commands.run(__file__, tmp_path / "two", env=cpu_as(2))
    assert done.returncode == 0, done.stderr
    one, two = runs.last_state(tmp_path / "one"), runs.last_state(tmp_path / "two")
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-2, atol=2e-3, err_msg=name)


if __name__ == "__main__":  # the process of the test above
    import jax

    assert jax.local_device_count() == 2
    sources.load = lambda *args, **options: source_of("images")
    trainer.train(recipe("self_supervised", epochs=2, **MOCO), sys.argv[1], quiet)

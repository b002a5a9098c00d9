"""Starting from another run's backbone: what is taken, what is not, what is refused."""

import shutil
import signal

import numpy as np
import pytest

import runs
from dull_jax.errors import Stopped, UserError
from dull_jax.run_dir.checkpoints import finished_steps, newest
from dull_jax.run_dir.leaves import by_name
from dull_jax.train import initial, loop, trainer
from dull_jax.train.learner import Learner

LEAVES = ("nets/0/params/backbone/", "nets/0/batch_stats/backbone/")


def quiet(text):
    pass


def parts(state, prefixes):
    return {name: leaf for name, leaf in state.items() if name.startswith(prefixes)}


@pytest.fixture(scope="module")
def toy():
    from dull_jax.data import sources
    from toy import make_source

    with pytest.MonkeyPatch.context() as patch:
        source = make_source([40, 20, 10])
        patch.setattr(sources, "load", lambda *args, **options: source)
        yield


@pytest.fixture(scope="module")
def other(tmp_path_factory, toy):
    """A finished run with averaged weights."""
    folder = tmp_path_factory.mktemp("other") / "run"
    trainer.train(make("ce"), folder, quiet)
    return folder


def make(method="ce", **fields):
    from configs import digits_t2h

    config = digits_t2h.get_config(f"method={method}")
    config.compare, config.data.profile, config.noise.rate = (), "none", 0.1
    config.model.width, config.optim.ema = 8, 0.9
    config.train.epochs, config.train.batch_size = 2, 32
    config.train.view, config.train.checkpoint_every = "weak", 1
    config.update_from_flattened_dict(fields)
    return config


def test_the_averaged_backbone_is_taken_and_nothing_else(other, tmp_path):
    """With a learning rate of 0 a run ends where it started."""
    said = []
    frozen = {"optim.lr": 0.0, "seed": 5, "data.seed": 0, "noise.seed": 0}
    trainer.train(make(init=str(other), **frozen), tmp_path / "from", said.append)
    trainer.train(make(**frozen), tmp_path / "fresh", quiet)
    source, found = runs.last_state(other), runs.last_state(tmp_path / "from")
    fresh = runs.last_state(tmp_path / "fresh")
    assert any("checkpoint" in line and str(other) in line for line in said)
    for name in parts(found, "nets/0/params/"):
        averaged = name.replace("nets/0/", "nets/0/average/")
        wanted = source[averaged] if "/backbone/" in name else fresh[name]
        np.testing.assert_array_equal(found[name], wanted, err_msg=name)
        np.testing.assert_allclose(found[averaged], found[name], rtol=1e-5, atol=1e-7)
        assert "/backbone/" not in name or not np.array_equal(found[name], source[name])


def test_statistics_come_along_and_every_network_gets_them(other, toy):
    taken, step = initial.backbone(other)
    source = runs.last_state(other)
    assert step > 0 and any(name.startswith("batch_stats/") for name in taken)
    for name, leaf in taken.items():
        assert leaf.tobytes() == source[f"nets/0/average/{name}"].tobytes()
    config = make("ce")
    with pytest.MonkeyPatch.context() as patch:
        from dull_jax.methods import ce

        patch.setattr(ce.Method, "num_networks", 2)
        made = built(config)
        before = [np.array(net.params["head"]["classifier"]["kernel"]) for net in made.states]
        made.load_backbone(taken)
    for n, net in enumerate(made.states):
        state = by_name({"nets": {"0": net}})
        for name, leaf in taken.items():
            np.testing.assert_array_equal(state[f"nets/0/{name}"], leaf)
            np.testing.assert_array_equal(state[f"nets/0/average/{name}"], leaf)
        np.testing.assert_array_equal(net.params["head"]["classifier"]["kernel"], before[n])


def built(config):
    from dull_jax.data import dataset
    from dull_jax.train import parallel

    return Learner.build(config, dataset.build(config, None), parallel.Devices(1)).networks


def test_a_continued_run_does_not_look_again(other, tmp_path, monkeypatch):
    """Stopped and continued, the other folder gone: the numbers of a run never stopped."""
    origin = tmp_path / "origin"
    shutil.copytree(other, origin)
    config = make(init=str(origin))
    trainer.train(config, tmp_path / "whole", quiet)
    plain = loop.Loop._save_if_due

    def stop(self):
        self.interrupt.signal = signal.SIGTERM
        plain(self)

    monkeypatch.setattr(loop.Loop, "_save_if_due", stop)
    with pytest.raises(Stopped):
        trainer.train(config, tmp_path / "stopped", quiet)
    monkeypatch.undo()
    from dull_jax.data import sources
    from toy import make_source

    source = make_source([40, 20, 10])
    monkeypatch.setattr(sources, "load", lambda *args, **options: source)
    shutil.rmtree(origin)
    trainer.train(config, tmp_path / "stopped", quiet)
    runs.assert_same_run(tmp_path / "whole", tmp_path / "stopped")


def test_a_damaged_newest_checkpoint_gives_way_and_stays(other, tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(other, folder)
    step = folder / "checkpoints" / str(finished_steps(folder)[0])
    file = max((p for p in step.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    _, step = initial.backbone(folder)
    assert step == finished_steps(folder)[1]
    assert before == {p: p.stat().st_mtime_ns for p in folder.rglob("*")}, "only read"


def test_refusals_come_before_anything_is_written(other, tmp_path):
    (tmp_path / "empty").mkdir()
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(other / "config.json", bare)
    for fields, words in (
        ({"init": str(tmp_path / "empty")}, "no run in this folder"),
        ({"init": str(bare)}, "no checkpoint yet"),
        (
            {"init": str(other), "model.width": 12},
            r"params/backbone/\S+ has shape \(3, .* 8\) there",
        ),
        ({"init": str(other), "model.name": "resnet_small"}, r"backbone/\S+ has shape \("),
    ):
        with pytest.raises(UserError, match=words) as refused:
            trainer.train(make(**fields), tmp_path / "new", quiet)
        assert "\n" not in str(refused.value)
        assert not (tmp_path / "new").exists()


def test_the_path_is_part_of_the_recipe():
    from dull_jax import config as recipe

    assert recipe.fingerprint(make(init="runs/a")) != recipe.fingerprint(make(init="runs/b"))


def test_folders_that_only_look_like_checkpoints(tmp_path):
    """Sealed by somebody, but empty, or numbered in no digits that Python reads."""
    for name in ("1", "²"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
        (tmp_path / "digests").mkdir(exist_ok=True)
        (tmp_path / "digests" / f"{name}.json").write_text("{}")
    with pytest.raises(UserError, match=r"every checkpoint is damaged \(1\)"):
        newest(tmp_path)
    (tmp_path / "digests" / "1.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"every checkpoint is damaged \(1\)"):
        newest(tmp_path)

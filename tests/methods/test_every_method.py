"""What every method owes, on images and on vectors; found by listing the folder."""

import sys

import jax
import numpy as np
import pytest

import commands
import runs
from configs import digits_t2h
from dull_jax import methods
from dull_jax.data import dataset as data
from dull_jax.data import sources
from dull_jax.errors import Stopped
from dull_jax.train import trainer
from dull_jax.train.train_phase import PhaseRunner
from outside import cpu_as
from toy import make_source, make_vectors

COUNTS, EPOCHS = [120, 60, 40, 20, 11], 4  # 251 images: not as many on each of two devices


def quiet(text):
    pass


MAKE = {"images": make_source, "vectors": make_vectors}


def source_of(samples):
    return MAKE[samples](COUNTS, test_each=20)


def recipe(method, samples="images", epochs=EPOCHS, batch_size=32, **fields):
    """Half of the epochs is warm-up, where a method has one; small noise that can be learnt."""
    config = digits_t2h.get_config(f"method={method}")
    config.compare, config.data.profile = (), "none"
    config.noise.name, config.noise.rate = "symmetric", 0.1
    config.model.width, config.optim.ema = 8, 0.9
    config.train.epochs, config.train.batch_size = epochs, batch_size
    config.train.view, config.train.eval_every = "weak", 2
    config.train.checkpoint_every, config.dull.warmup = 2, 0.5
    config.dull.transition = "audit" if samples == "vectors" else "free"  # a search takes seconds
    config.dull.ifd = config.dull.ifpu = True  # all that there is to be saved and divided
    config.semisup.warmup, config.semisup.lambda_u, config.dasc.sbcl_from = 0.5, 1.0, 0.5
    config.ldam_drw.reweight_from = config.rolt.soften_from = 0.5
    if samples == "vectors":
        config.model.name, config.model.hidden = "mlp", (32,)
        config.model.width = config.model.stages = 0
    config.update_from_flattened_dict(fields)
    return config


@pytest.fixture(scope="module", params=methods.names())
def method(request):
    yield request.param
    jax.clear_caches()  # the programs of one method are many, and none serves another


@pytest.fixture(scope="module", params=MAKE)
def samples(request):
    return request.param


@pytest.fixture
def toy(samples, monkeypatch):
    source = source_of(samples)
    monkeypatch.setattr(sources, "load", lambda *args, **options: source)


@pytest.fixture(scope="module")
def watched(method, samples, tmp_path_factory):
    """A run that nothing disturbed, and of each of its steps: (epoch, loss, network)."""
    folder, steps = tmp_path_factory.mktemp(method) / "whole", []
    train_phase = PhaseRunner.train_phase

    def watch(self, phase, epoch, *args, **options):
        for done in train_phase(self, phase, epoch, *args, **options):
            steps.append((epoch, phase.loss, phase.network))
            yield done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "load", lambda *args, **options: source_of(samples))
        patch.setattr(PhaseRunner, "train_phase", watch)
        trainer.train(recipe(method, samples), folder, quiet)
    return folder, steps


@pytest.fixture(scope="module")
def whole(watched):
    return watched[0]


def moments(method, steps):
    """Steps after which to stop: inside each kind of phase, and at the end of an epoch; at the end
    of all of them, which is the loop's affair, of two methods.
    """
    kinds = {step[1:]: [n for n, s in enumerate(steps) if s == step] for step in steps}
    inside = {numbers[len(numbers) // 2] for numbers in kinds.values()}
    ends = {n for n in range(len(steps) - 1) if steps[n][0] != steps[n + 1][0]}
    last = {len(steps) - 1} if method in ("ce", "dull") else set()
    return sorted(inside | {min(ends)} | last)


def test_learns(whole):
    rows = runs.metrics(whole)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert rows[-1]["train/loss"] < 0.9 * rows[0]["train/loss"]
    assert rows[-1]["test/accuracy"] > 40, "far above chance, which is 20"


def test_stopped_anywhere_it_ends_bit_equal(method, samples, watched, toy, tmp_path, monkeypatch):
    whole, stops = watched[0], moments(method, watched[1])
    counts = iter(np.diff([-1, *stops]))  # steps of each process
    left = runs.stopping_at(next(counts), monkeypatch)
    for _ in stops:
        with pytest.raises(Stopped, match="the same command continues"):
            trainer.train(recipe(method, samples), tmp_path, quiet)
        left[0] = next(counts, 10**6)
    trainer.train(recipe(method, samples), tmp_path, quiet)
    runs.assert_same_run(whole, tmp_path)


def test_true_labels_serve_reports_only(method, samples, whole, toy, tmp_path, monkeypatch):
    build = data.build

    def garbled(*args):
        built = build(*args)
        built.clean[:] = np.random.default_rng(0).permutation(built.clean)
        return built

    monkeypatch.setattr(data, "build", garbled)
    trainer.train(recipe(method, samples), tmp_path, quiet)
    one, other = runs.last_state(whole), runs.last_state(tmp_path)
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    scores = [runs.metrics(folder)[-1]["labels/auroc"] for folder in (whole, tmp_path)]
    assert scores[0] != scores[1], "only the report changes"


@pytest.mark.parametrize(
    ("counts", "noise"),
    [
        pytest.param([40, 1], "none", id="K2"),
        pytest.param([5] + [4] * 98 + [0], "symmetric", id="K100"),
        pytest.param([3] + [2] * 999, "none", id="K1000", marks=pytest.mark.benchmark),
    ],
)
def test_any_number_of_classes(method, counts, noise, monkeypatch, tmp_path):
    """Two classes, one of a single sample; a hundred of five or four or none, of whose labels one
    in a hundred is right; a thousand of two. On vectors, whose programs compile in half the time.
    """
    source = make_vectors(counts, test_each=2)
    monkeypatch.setattr(sources, "load", lambda *args, **options: source)
    noise = {"noise.name": noise, "noise.rate": 0.99}
    config = recipe(method, "vectors", epochs=2, **noise, **{"semisup.warmup": 0.5})
    result = trainer.train(config, tmp_path, quiet)
    assert result["num_classes"] == len(counts) and result["num_train"] == sum(counts)
    assert all(np.isfinite(leaf).all() for leaf in runs.last_state(tmp_path).values())


SHORT = {"epochs": 2, "semisup.warmup": 0.5}  # an epoch of each kind


def test_two_devices_give_the_numbers_of_one(method, samples, toy, tmp_path):
    """To the rounding of float32, which training amplifies: hence a short run, and the bounds."""
    folders = [tmp_path / "one", tmp_path / "two"]
    trainer.train(recipe(method, samples, **SHORT), folders[0], quiet)
    done = commands.run(__file__, method, samples, folders[1], env=cpu_as(2))
    assert done.returncode == 0, done.stderr
    for one, two in zip(*map(runs.metrics, folders), strict=True):
        assert one["train/loss"] == pytest.approx(two["train/loss"], rel=1e-4)
    one, two = map(runs.last_state, folders)
    for name in one:
        # A posterior is steep where it decides, and a gradient jumps at the kink of a ReLU.
        wide = 10 if name.startswith("memory/") or "/opt/" in name else 1
        np.testing.assert_allclose(
            two[name], one[name], rtol=1e-3 * wide, atol=1e-3 * wide, err_msg=name
        )


if __name__ == "__main__":  # the process of the test above
    assert jax.local_device_count() == 2
    sources.load = lambda *args, **options: source_of(sys.argv[2])
    trainer.train(recipe(*sys.argv[1:3], **SHORT), sys.argv[3], quiet)

"""What every method owes; the methods are found by listing the folder."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import runs

from dull_jax.config import method_names
from dull_jax.data import dataset as data
from dull_jax.errors import Stopped
from dull_jax.train import executor, trainer

every_method = pytest.mark.parametrize("method", method_names())


def quiet(text):
    pass


@every_method
def test_trains_and_stops_anywhere(method, small_recipe, toy_source, tmp_path, monkeypatch):
    """Learns; and stopped inside every kind of phase and between epochs, it ends bit-equal."""
    toy_source([120, 60, 40, 20, 10], test_each=20)
    plain_noise = {"data.profile": "none", "noise.name": "symmetric", "noise.rate": 0.1}
    config = small_recipe(method, **plain_noise, **{"train.batch_size": 32, "optim.ema": 0.9})
    result = trainer.train(config, tmp_path / "whole", quiet)
    rows = runs.metrics(tmp_path / "whole")
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert rows[-1]["train/loss"] < 0.8 * rows[0]["train/loss"]
    assert result["accuracy"]["last"] > 50, "far above chance, which is 20"
    steps = 8  # an epoch: 250 images in batches of 32
    stop_after = iter([3, steps, 2, 4])  # counted in dispatches of each process

    plain, left = executor.Executor._dispatch, [next(stop_after)]

    def dispatch(self, *args):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(self, *args)

    monkeypatch.setattr(executor.Executor, "_dispatch", dispatch)
    for _ in range(4):
        with pytest.raises(Stopped, match="the same command continues"):
            trainer.train(config, tmp_path / "stopped", quiet)
        left[0] = next(stop_after, 10**6)
    trainer.train(config, tmp_path / "stopped", quiet)
    runs.assert_same_run(tmp_path / "whole", tmp_path / "stopped")


@every_method
@pytest.mark.parametrize(
    "counts", [[30, 8], [40, 20, 1], [5] + [4] * 99], ids=["K2", "one", "K100"]
)
def test_any_number_of_classes(method, counts, small_recipe, toy_source, tmp_path):
    toy_source(counts, test_each=2)
    noise = {"noise.name": "symmetric", "noise.rate": 0.1, "data.profile": "none"}
    config = small_recipe(method, **noise, **{"train.batch_size": 16})
    result = trainer.train(config, tmp_path / "run", quiet)
    assert result["num_classes"] == len(counts) and result["num_train"] == sum(counts)
    assert all(np.isfinite(leaf).all() for leaf in runs.last_state(tmp_path / "run").values())


@every_method
def test_true_labels_serve_reports_only(method, small_recipe, tmp_path, monkeypatch):
    config = small_recipe(method)
    trainer.train(config, tmp_path / "truth", quiet)
    build = data.build

    def garbled(*args):
        built = build(*args)
        built.clean[:] = np.random.default_rng(0).permutation(built.clean)
        return built

    monkeypatch.setattr(data, "build", garbled)
    trainer.train(config, tmp_path / "garbage", quiet)
    one, other = runs.last_state(tmp_path / "truth"), runs.last_state(tmp_path / "garbage")
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    scores = [runs.metrics(tmp_path / name)[-1]["labels/auroc"] for name in ("truth", "garbage")]
    assert scores[0] != scores[1], "only the report changes"


@every_method
def test_two_devices_give_the_numbers_of_one(method, tmp_path):
    """In float64: what is left is the order of sums; a wrong mean would show at once."""
    for count in (1, 2):
        subprocess.run(
            [sys.executable, __file__, method, str(tmp_path / str(count))],
            env=os.environ
            | {
                "XLA_FLAGS": f"--xla_force_host_platform_device_count={count}",
                "JAX_PLATFORMS": "cpu",
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            check=True,
        )
    one, two = (runs.last_state(tmp_path / str(count)) for count in (1, 2))
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=2e-3, atol=2e-4, err_msg=name)
    a, b = (runs.metrics(tmp_path / str(count)) for count in (1, 2))
    for x, y in zip(a, b, strict=True):
        assert x["train/loss"] == pytest.approx(y["train/loss"], rel=1e-4)


if __name__ == "__main__":  # the process of the test above
    import jax

    from configs import digits_t2h

    recipe = digits_t2h.get_config(f"method={sys.argv[1]}")
    recipe.model.width, recipe.train.epochs, recipe.train.batch_size = 8, 2, 64
    recipe.dull.warmup = 0.5
    recipe.compare = ()
    wanted = int(os.environ["XLA_FLAGS"].rsplit("=", 1)[1])
    assert jax.local_device_count() == wanted
    trainer.train(recipe, sys.argv[2], quiet)

"""Bad input to a command: one line, exit 2, nothing written. And a demo in small."""

import os

import pytest

import commands
from outside import cpu_as, our_line

BAD = {
    "dataset": ("--config.data.name=cifr10", "cifar10"),
    "method": ("--config.method=dul", "did you mean 'dull'"),
    "key": ("--config.optim.lrr=1", "lrr"),
    "type": ("--config.train.epochs=many", "epochs"),
    "nan": ("--config.optim.lr=nan", "config.optim.lr = nan: must be a finite number"),
    "negative": ("--config.train.epochs=-3", "config.train.epochs = -3"),
    "rate": ("--config.noise.rate=0.9", "largest feasible"),
    "balanced": ("--config.data.imbalance_factor=1", "balanced"),
    "choice": ("--config.model.name=resnet", "resnet18"),
    "devices": ("--config.train.devices=9999", "config.train.devices = 9999: there are 1 (cpu)"),
    "argument": ("--config=configs/digits_t2h.py:sed=3", "did you mean 'seed'"),
    "file": ("--config=configs/nothing.py", "nothing.py"),
    "label file": ("--config.noise.name=file", "config.noise.file"),
    "mass": ("--config.dull.candidate_mass=(0.5,)", "config.dull.candidate_mass"),
    "compare": ("--config.compare=('dull',)", "config.compare"),
}


def run(*flags, **options):
    return commands.run("dull_jax.main", *flags, **options)


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case, tmp_path):
    flag, said = BAD[case]
    config = [] if flag.startswith("--config=") else ["--config=configs/digits_t2h.py"]
    found = run(*config, flag, f"--workdir={tmp_path / 'run'}")
    assert found.returncode == 2, found.stderr
    assert said in found.stderr and found.stderr.strip().count("\n") == 0
    assert found.stderr.startswith("dull_jax: ") and "Traceback" not in found.stderr
    assert not (tmp_path / "run").exists(), "nothing is written"


def test_unwritable_workdir(tmp_path):
    (tmp_path / "file").write_text("in the way")
    found = run("--config=configs/digits_t2h.py", f"--workdir={tmp_path / 'file' / 'run'}")
    assert found.returncode == 2 and "cannot be written" in our_line(found.stderr)


@pytest.mark.skipif(os.cpu_count() < 2, reason="one core")
def test_cpu_as_two_devices(tmp_path):
    settings = ["data.max_count=20", "train.epochs=1", "train.batch_size=8", "train.devices=2"]
    flags = [f"--config.{setting}" for setting in settings]
    found = run("--config=configs/digits_t2h.py:method=ce", f"--workdir={tmp_path / 'run'}", *flags)
    assert found.returncode == 0, found.stderr
    assert "on 2 cpu" in found.stdout


def test_batch_that_devices_cannot_share(tmp_path):
    found = run(
        "--config=configs/digits_t2h.py",
        "--config.train.batch_size=33",
        f"--workdir={tmp_path / 'run'}",
        env=cpu_as(2),
    )
    assert found.returncode == 2 and "32 would" in found.stderr
    assert not (tmp_path / "run").exists()


def test_missing_flags():
    assert "--config is needed" in run("--workdir=x").stderr
    assert run("--config=configs/digits_t2h.py").returncode == 2


def test_help_prints_the_fields_of_the_recipe_that_is_named():
    named = run("--help", "--config=configs/digits_t2h.py", "--config.optim.lr=0.25")
    assert named.returncode == 0 and named.stderr == ""
    assert "--workdir: The run's folder" in named.stdout
    assert "  --config.optim.lr=0.25  ([0, 1,000])\n      peak learning rate" in named.stdout
    plain = run("--help")
    assert plain.returncode == 0 and "prints every field" in plain.stdout
    wrong = run("--help", "--config=configs/nothing.py")
    assert wrong.returncode == 0 and wrong.stdout.count("nothing.py") == 1
    assert "--workdir: The run's folder" in wrong.stdout
    mistyped = run("--help", "--wrokdir=x")
    assert mistyped.returncode == 0 and "Unknown command line flag 'wrokdir'" in mistyped.stdout


def test_demo_in_small(tmp_path):
    found = run(
        "--config=configs/digits_t2h.py",
        f"--workdir={tmp_path}",
        *"--config.train.epochs=2 --config.model.width=8 --config.train.batch_size=64".split(),
        "--config.train.view=weak",
    )
    assert found.returncode == 0, found.stderr
    for word in ("DULL", "report:", "head", "precision"):
        assert word.lower() in found.stdout.lower()
    assert (tmp_path / "report" / "index.html").stat().st_size > 20_000
    one, other = (tmp_path / p / "labels.npz" for p in ("", "compare/ce"))
    assert one.read_bytes() == other.read_bytes(), "trained on the same arrays"

"""Two processes, each with a device of its own, are one process with two devices.

The pair is started once and goes through all that is tested (`pair`); each writes down what it saw.
"""

import fcntl
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import photos
import runs
from configs import folder as folder_recipe
from dull_jax.data import sources
from dull_jax.errors import Stopped, UserError
from dull_jax.train import cluster_init, hosts, loop, trainer
from methods.test_every_method import COUNTS, SHORT, quiet, recipe
from outside import cpu_as, free_port
from toy import make_source

METHODS = ("dull",)  # and cross entropy, of photographs
MOVED = "elr"  # from one process to two and back: what it keeps of each sample is divided
STOPPED = "dull"  # has memory, extra streams and observations
STOP = 4  # the dispatch in which a signal comes


def own_photos(root):
    """A recipe of images that stay in their files."""
    config = folder_recipe.get_config("method=ce")
    config.model.pretrained = "none"
    config.data.dir, config.train.view = str(root), "weak"
    config.update_from_flattened_dict(
        {"data.size": 16, "data.resident_gb": 0.0, "model.name": "small_cnn", "model.width": 8}
        | {"train.epochs": 2, "train.batch_size": 16, "model.stages": 3}
    )
    return config


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the pair and one process with two devices have been."""
    folder = tmp_path_factory.mktemp("hosts")
    photos.make(folder / "photos")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "load", toy)
        runs.stopping_at(STOP, patch)
        with pytest.raises(Stopped):
            trainer.train(recipe(MOVED, **SHORT), folder / "from one", quiet)
    (folder / "busy").mkdir()
    with (folder / "busy" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run(("alone", folder), devices=2)
        port = free_port()
        run(*[("pair", folder, f"127.0.0.1:{port},2,{i}") for i in range(2)])
    return folder


def run(*commands, devices=1):
    """Starts this file as a program, all commands together; all must end well."""
    started = [
        subprocess.Popen([sys.executable, __file__, *map(str, words)], env=cpu_as(devices),
                         text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for words in commands
    ]  # fmt: skip
    said = [process.communicate(timeout=1800)[0] for process in started]
    assert [process.returncode for process in started] == [0] * len(started), "\n".join(said)


def same_to_rounding(one, other):
    assert runs.metrics(one).__len__() == runs.metrics(other).__len__() > 0
    a, b = runs.last_state(one), runs.last_state(other)
    assert a.keys() == b.keys()
    for name in a:
        wide = 10 if name.startswith("memory/") or "/opt/" in name else 1
        np.testing.assert_allclose(
            b[name], a[name], rtol=1e-3 * wide, atol=1e-3 * wide, err_msg=name
        )


@pytest.mark.parametrize("method", [*METHODS, "photos"])
def test_the_numbers_of_one_process(folder, method):
    same_to_rounding(folder / "alone" / method, folder / "pair" / method)


def test_a_signal_to_one_stops_both_and_both_continue(folder):
    for process in range(2):
        seen = json.loads((folder / f"seen{process}.json").read_text())
        assert seen["stopped"].startswith("stopped by SIGTERM in epoch ")
    runs.assert_same_run(folder / "pair" / STOPPED, folder / "stopped")


def test_a_checkpoint_of_one_is_continued_by_two(folder):
    same_to_rounding(folder / "alone" / MOVED, folder / "from one")


def test_a_checkpoint_of_two_is_continued_by_one(folder, monkeypatch):
    monkeypatch.setattr(sources, "load", toy)
    trainer.train(recipe(MOVED, **SHORT), folder / "for one", quiet)
    same_to_rounding(folder / "alone" / MOVED, folder / "for one")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("busy", "is in use by another run"),
        ("blind", "is not seen by process 1: it must lie where all hosts see it"),
        ("nan", "the loss is not finite in epoch 1, step 1, samples train_"),
        ("full", "/full/metrics.jsonl cannot be written"),
    ],
)
def test_both_end_with_the_reason(folder, what, message):
    for process in range(2):
        assert message in json.loads((folder / f"seen{process}.json").read_text())[what]


def test_what_comes_from_the_first_process_can_be_written_to():
    """Into a memory that is restored; SFA and DivideMix do so."""
    message = hosts._packed({"value": {"memory": np.zeros(3), "more": [1, None, "one"]}})
    value = hosts._opened(message)
    value["memory"][0] = 1
    assert value["memory"].tolist() == [1, 0, 0] and value["more"] == [1, None, "one"]


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 8, 9])
def test_what_is_large_is_sent_in_pieces(size, monkeypatch):
    sent = []
    monkeypatch.setattr(
        hosts.multihost_utils, "broadcast_one_to_all", lambda array: sent.append(array) or array
    )
    monkeypatch.setattr(hosts, "_PIECE", 4)
    data = bytes(range(1, size + 1))
    assert hosts._broadcast(data) == data
    assert sent[0].dtype == np.int32 and len(sent) == 2 + size // 4


# The programs ------------------------------------------------------------------------------------


def toy(*args, **options):
    return make_source(COUNTS, test_each=20)


def alone(folder):
    for method in (*METHODS, MOVED):
        trainer.train(recipe(method, **SHORT), folder / "alone" / method, quiet)
    trainer.train(own_photos(folder / "photos"), folder / "alone" / "photos", quiet)


def pair(folder, place):
    cluster_init.initialize(place, 300, quiet)
    first, seen = hosts.is_first(), {}

    def expect(kind, config, where):
        with pytest.raises(kind) as raised:
            trainer.train(config, folder / where, quiet)
        return str(raised.value).replace(str(folder), "")

    def stopped(method, where):
        with pytest.MonkeyPatch.context() as patch:
            if not first:
                runs.stopping_at(STOP, patch)
            return expect(Stopped, recipe(method, **SHORT), where)

    for method in METHODS:
        trainer.train(recipe(method, **SHORT), folder / "pair" / method, quiet)
    seen["stopped"] = stopped(STOPPED, "stopped")
    trainer.train(recipe(STOPPED, **SHORT), folder / "stopped", quiet)
    trainer.train(own_photos(folder / "photos"), folder / "pair" / "photos", quiet)
    trainer.train(recipe(MOVED, **SHORT), folder / "from one", quiet)
    stopped(MOVED, "for one")
    seen["busy"] = expect(UserError, recipe("ce"), "busy")
    seen["blind"] = expect(UserError, recipe("ce"), "blind" if first else "elsewhere")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "learning_rate", lambda config, epoch: float("nan"))
        seen["nan"] = expect(UserError, recipe("ce"), "nan")
    if first:
        (folder / "full").mkdir()
        (folder / "full" / ".lock").touch()  # a run was here
        (folder / "full" / "metrics.jsonl").symlink_to(folder / "nowhere" / "metrics.jsonl")
    seen["full"] = expect(UserError, recipe("ce"), "full")
    (folder / f"seen{int(not first)}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    sources.load = toy
    where = pathlib.Path(sys.argv[2])
    alone(where) if sys.argv[1] == "alone" else pair(where, sys.argv[3])

"""Two processes write the vectors of one, bit for bit, also when one of them was killed.

This file is the program too: the command, which kills itself where it is told to.
"""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import photos
from dull_jax import cli
from dull_jax.data.vectors import formats
from dull_jax.embed import __main__ as command
from dull_jax.embed import cache, embedding
from dull_jax.embed.job import Job
from dull_jax.train.parallel import Devices
from outside import LONG, free_port

SIZE, KEPT = 64, 8  # images of a file of the cache


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Of 40 images with ids; two have one content."""
    root = tmp_path_factory.mktemp("shards")
    truth = photos.make(root)
    paths = sorted(truth)[:13] + sorted(truth)[-26:]
    rows = [f"{n},{path},{truth[path]}" for n, path in enumerate(paths)]
    (root / "copy.png").write_bytes((root / paths[0]).read_bytes())
    file = root / "labels.csv"
    file.write_text("\n".join(["id,path,label", *rows, "copy,copy.png,sky"]))
    return file


def start(source, output, place, killed=False):
    words = [f"--input={source}", f"--output={output}", f"--size={SIZE}", f"--distributed={place}"]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "KILLED": "yes" * killed}
    return subprocess.Popen([sys.executable, __file__, *words], env=env, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip


def pair(source, output, killed=False):
    """(exit code, stdout, stderr) of two processes; the second may be killed."""
    port = free_port()
    started = [
        start(source, output, f"127.0.0.1:{port},2,{i}", killed and i == 1) for i in range(2)
    ]
    said = [process.communicate(timeout=LONG) for process in started]
    return [(process.returncode, *each) for process, each in zip(started, said, strict=True)]


def test_two_processes_are_one(table, tmp_path):
    output = tmp_path / "shards"
    first, second = pair(table, output, killed=True)
    assert second[0] == -signal.SIGKILL and first[0] not in (0, 2), (first, second)
    print(first)
    (done,) = output.iterdir()
    assert done.name == "part-00000-of-00002.parquet"
    before = done.stat().st_mtime_ns
    kept = sum(len(file.read_bytes()) > 0 for file in tmp_path.rglob("*.safetensors"))
    assert kept == 20 // KEPT + 1 + 1  # all of the first, one file of the second

    first, second = pair(table, output)
    assert (first[0], second[0]) == (0, 0), (first, second)
    assert "part-00000-of-00002.parquet is there already" in first[1]
    assert "40 images embedded: " in first[1] and "images" not in second[1]
    assert done.stat().st_mtime_ns == before and not list(tmp_path.glob("*.cache"))

    encoder = command.encoder_of("efficientnet_lite0")
    Job(table, tmp_path / "one.parquet", encoder, SIZE).run(Devices(1), lambda text: None)
    one, two = formats.read(tmp_path / "one.parquet"), formats.read(output)
    assert (one.ids, one.labels) == (two.ids, two.labels)
    np.testing.assert_array_equal(np.concatenate(two.parts), one.parts[0])


def _killed_at_the_second(add):
    """As `VectorCache.add`, once."""
    files = iter(range(1))

    def once(*arguments):
        if next(files, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        add(*arguments)

    return once


if __name__ == "__main__":
    embedding._DECODED = embedding._KEPT = KEPT
    if os.environ["KILLED"]:
        cache.VectorCache.add = _killed_at_the_second(cache.VectorCache.add)
    command.define_flags()
    cli.run(command.main)

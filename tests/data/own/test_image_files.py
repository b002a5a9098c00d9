"""Images in files: the threads that read them are kept, and go neither into a pickle nor a fork."""

import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from dull_jax.data.own.image_files import ImageFiles
from outside import LONG


@pytest.fixture
def images(tmp_path):
    for n in range(4):
        Image.new("RGB", (8, 8), (60 * n, 0, 0)).save(tmp_path / f"{n}.png")
    return ImageFiles(tmp_path, [f"{n}.png" for n in range(4)], 8)


def reds(images):
    return images[0 : len(images)][:, 0, 0, 0].tolist()


def readers():
    return {thread for thread in threading.enumerate() if thread.name.startswith("images")}


def test_requests_share_their_threads(images):
    assert reds(images) == [0, 60, 120, 180]
    before = readers()
    for _ in range(os.cpu_count()):  # one thread more for each would be too many
        assert reds(images.subset(np.array([3, 1]))) == [180, 60] and before
    assert before <= readers() and len(readers()) <= os.cpu_count()


def test_a_copy_that_travelled(images):
    reds(images)
    assert reds(pickle.loads(pickle.dumps(images))) == reds(images)


FORK = """
import os, pathlib, sys
from dull_jax.data.own.image_files import ImageFiles
images = ImageFiles(sys.argv[1], [f"{n}.png" for n in range(4)], 8)
here = images[0:4].sum()
child = os.fork()
if not child:
    os._exit(int(images[0:4].sum() != here))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_fork_reads_with_threads_of_its_own(images):
    command = [sys.executable, "-W", "ignore", "-c", FORK, str(images.root)]
    assert subprocess.run(command, check=False, timeout=LONG).returncode == 0

"""Images that stay in files reach the programs in the same order, and change nothing."""

import numpy as np
import pytest

import photos
import runs
from configs import folder as folder_recipe
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.errors import UserError
from dull_jax.train import trainer
from dull_jax.train.image_store import ImageStore
from dull_jax.train.parallel import Devices


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    return root, list(photos.make(root))


def test_rows_come_in_the_order_of_the_requests(tree):
    root, paths = tree
    files, devices = ImageFiles(root, paths, 16), Devices(1)
    held = files.in_memory()
    rng = np.random.default_rng(0)
    requests = [{"main": rng.integers(0, 102, (2, 4)), "rare": rng.integers(0, 102, (2, 2))}
                for _ in range(9)]  # fmt: skip
    found = list(ImageStore(files, devices).rows(requests, axis=1))
    assert len(found) == 9
    for request, rows in zip(requests, found, strict=True):
        for name, indices in request.items():
            np.testing.assert_array_equal(rows[name].indices[0], indices)
            np.testing.assert_array_equal(rows[name].images[0], held[indices])
    for rows in ImageStore(held, devices).rows(requests, axis=1):
        assert rows["main"].images is None


def test_a_file_that_breaks_on_the_way_is_named(tree, tmp_path):
    paths = list(photos.make(tmp_path))
    (tmp_path / paths[7]).write_bytes(b"")
    store = ImageStore(ImageFiles(tmp_path, paths, 16), Devices(1))
    with pytest.raises(UserError, match="apple_007"):
        list(store.rows([{"main": np.arange(5)}, {"main": np.arange(5, 10)}]))


def test_a_run_is_the_same_from_files_and_from_memory(tree, tmp_path):
    for name, memory in (("held", 1.0), ("files", 0.0)):
        config = folder_recipe.get_config()
        config.model.pretrained = "none"
        config.data.dir, config.data.resident_gb, config.data.size = str(tree[0]), memory, 8
        config.train.epochs, config.train.batch_size, config.train.view = 3, 16, "weak"
        config.model.name, config.model.width = "small_cnn", 8
        config.dull.warmup, config.dull.transition = 0.4, "free"
        trainer.train(config, tmp_path / name, lambda text: None)
    runs.assert_same_run(tmp_path / "held", tmp_path / "files")

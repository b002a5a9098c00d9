"""The frozen backbone on devices: a vector depends on its image alone."""

import numpy as np

from configs import folder
from dull_jax.embed import encoder
from dull_jax.train.parallel import Devices


def test_a_vector_does_not_depend_on_what_is_beside_it():
    config = folder.get_config("method=ce")
    config.model.name = "efficientnet_lite0"
    encode = encoder.load(config).on(Devices(1))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (19, 32, 32, 3), dtype=np.uint8)
    contents = rng.integers(0, 256, (19, 32), dtype=np.uint8)
    together = encode(images, contents, 0)
    assert together.shape == (19, 1280) and together.dtype == np.float16
    assert len(np.unique(together, axis=0)) == 19
    for rows in ([18], [3, 0, 17]):
        alone = encode(images[rows], contents[rows], 0)
        np.testing.assert_array_equal(alone, together[rows])

import jax
import numpy as np
import pytest

from dull_jax.data.views.mixing import mixed_images, rare_label_share


def keys(n, seed=0):
    return jax.random.split(jax.random.key(seed), n)


@pytest.mark.parametrize("size", [(8, 8), (16, 12), (32, 32)])
def test_cutmix_reports_the_exact_pixel_share(size):
    rare, partner = np.ones((500, *size, 3), np.float32), np.zeros((500, *size, 3), np.float32)
    images, lam = mixed_images(keys(500), rare, partner, "cutmix")
    np.testing.assert_allclose(np.asarray(images).mean((1, 2, 3)), lam, atol=1e-6)
    assert (np.asarray(lam) >= 0.5).all() and np.asarray(lam).std() > 0.05
    for image in np.asarray(images)[..., 0]:  # what is pasted is a rectangle
        rows, columns = np.flatnonzero((image == 0).any(1)), np.flatnonzero((image == 0).any(0))
        assert (image == 0).sum() == len(rows) * len(columns)


def test_mixup_is_the_convex_sum():
    rng = np.random.default_rng(0)
    rare, partner = rng.normal(size=(2, 8, 4, 4, 1)).astype(np.float32)
    images, lam = mixed_images(keys(8), rare, partner, "mixup")
    lam = np.asarray(lam)[:, None, None, None]
    np.testing.assert_allclose(images, lam * rare + (1 - lam) * partner, rtol=1e-6)
    assert (lam >= 0.5).all() and (lam <= 1).all()


@pytest.mark.parametrize("power", [0.0, 0.25, 1.0])
def test_rare_label_share(power):
    prior, eye = np.array([0.9, 0.1]), np.eye(2)
    lam = np.array([0.6, 0.6])
    share = np.asarray(rare_label_share(lam, eye[[1, 0]], eye[[0, 1]], prior, power))[:, 0]
    assert share[0] == pytest.approx(max(0.6, 0.9**power)), "raised where the class is rarer"
    assert share[1] == pytest.approx(0.6), "not where it is the more frequent one"

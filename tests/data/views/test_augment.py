"""Views: what they draw, what they do with it, and that a row depends on nothing else."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dull_jax.data.views import augment
from dull_jax.data.views.augment import AugmentSpec
from dull_jax.data.views.image_ops import ID, NAMES
from dull_jax.errors import UserError

RGB = AugmentSpec(mean=(0.49, 0.48, 0.45), std=(0.25, 0.24, 0.26))
AUTO = dataclasses.replace(RGB, strong="autoaugment")
GREY = AugmentSpec(mean=(0.3,), std=(0.2,), crop_pad=1, cutout=3)


def some_images(n, shape=(32, 32, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def some_keys(n, seed=0):
    return jax.random.split(jax.random.key(seed), n)


def normalized(images, spec):
    return (images / 255 - np.array(spec.mean)) / np.array(spec.std)


view = jax.jit(augment.view, static_argnums=(0, 3))
draw_weak = jax.jit(augment.draw_weak, static_argnums=1)
draw_strong = jax.jit(augment.draw_strong, static_argnums=1)
draw_cutout = jax.jit(augment.draw_cutout, static_argnums=(1, 2, 3))


def weak_images(images, offsets, flips, pad):
    rows = []
    for image, (y, x), flip in zip(images, np.asarray(offsets), np.asarray(flips), strict=True):
        padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)))
        crop = padded[y : y + image.shape[0], x : x + image.shape[1]]
        rows.append(crop[:, ::-1] if flip else crop)
    return np.stack(rows)


def test_plain_only_normalises():
    images = some_images(3)
    found = view("plain", None, images, RGB)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, normalized(images, RGB), atol=1e-5)


@pytest.mark.parametrize(
    ("spec", "shape"),
    (
        (RGB, (32, 32, 3)),
        (GREY, (8, 8, 1)),
        (dataclasses.replace(RGB, crop_pad=12), (9, 20, 3)),
        (dataclasses.replace(RGB, flip=False), (8, 8, 3)),
    ),
)
def test_weak_is_crop_and_flip(spec, shape):
    images, keys = some_images(20, shape), some_keys(20)
    offsets, flips = draw_weak(keys, spec)
    wanted = weak_images(images, offsets, flips, spec.crop_pad)
    np.testing.assert_allclose(
        view("weak", keys, images, spec), normalized(wanted, spec), atol=1e-5
    )


def test_weak_without_crop_and_flip_is_plain():
    spec = dataclasses.replace(RGB, crop_pad=0, flip=False)
    images = some_images(4)
    np.testing.assert_array_equal(
        view("weak", some_keys(4), images, spec), view("plain", None, images, spec)
    )


def test_strong_without_policy_is_weak_and_cutout():
    """Magnitude 0 leaves autocontrast and equalize, so rows that drew those are set aside."""
    spec = dataclasses.replace(RGB, magnitude=0)
    images, keys = some_images(40), some_keys(40)
    strong, weak = (np.array(view(name, keys, images, spec)) for name in ("strong", "weak"))
    ops = np.asarray(draw_strong(keys, spec)[0])
    kept = ~np.isin(ops, (ID["autocontrast"], ID["equalize"])).any(1)
    assert kept.sum() > 10
    for row, (y, x) in enumerate(np.asarray(draw_cutout(keys, spec, 32, 32))):
        weak[row, max(y - 8, 0) : y + 8, max(x - 8, 0) : x + 8] = 0
    np.testing.assert_array_equal(strong[kept], weak[kept])


def test_cutout_square_of_odd_side_clipped_at_borders():
    images = np.ones((3, 9, 10, 1), np.float32)
    found = augment.cut_out(images, jnp.array([[4, 5], [0, 0], [8, 9]]), 3)
    wanted = images.copy()
    wanted[0, 3:6, 4:7] = wanted[1, :2, :2] = wanted[2, 7:, 8:] = 0
    np.testing.assert_array_equal(found, wanted)


def test_uncovered_pixels_are_the_mean():
    spec = dataclasses.replace(RGB, cutout=0, num_ops=1)
    ops = np.array([[ID["translate_y"]]])
    white = np.full((1, 32, 32, 3), 255, np.uint8)
    policy = jax.jit(augment.apply_policy, static_argnums=3)
    moved = np.asarray(policy(white, ops, np.ones((1, 1), np.float32), spec))
    np.testing.assert_array_equal(moved[0, :10], np.broadcast_to([125, 122, 115], (10, 32, 3)))
    np.testing.assert_array_equal(moved[0, 10:], 255)


@pytest.mark.parametrize("spec", (RGB, AUTO), ids=lambda spec: spec.strong)
def test_a_row_depends_on_its_key_and_image_only(spec):
    images, keys = some_images(40), some_keys(40)
    whole = np.asarray(view("strong", keys, images, spec))
    order = np.random.default_rng(1).permutation(40)
    np.testing.assert_array_equal(view("strong", keys[order], images[order], spec), whole[order])
    part = view("strong", keys[3:8], images[3:8], spec)
    np.testing.assert_array_equal(part, whole[3:8])


def test_weak_rows_under_pmap():
    images, keys = some_images(20), some_keys(20)
    whole = np.asarray(view("weak", keys, images, RGB))
    weak = partial(augment.view, "weak", spec=RGB)
    sharded = jax.pmap(weak)(keys.reshape(1, 20), images[None])
    np.testing.assert_array_equal(np.asarray(sharded)[0], whole)


def assert_uniform(values, outcomes):
    """Chi-square, five standard deviations wide."""
    counts = np.array([(values == outcome).sum() for outcome in outcomes])
    expected = values.size / len(outcomes)
    free = len(outcomes) - 1
    assert counts.sum() == values.size
    assert ((counts - expected) ** 2 / expected).sum() < free + 5 * np.sqrt(2 * free)


def test_weak_draws_are_uniform():
    offsets, flips = draw_weak(some_keys(20_000), RGB)
    assert_uniform(np.asarray(offsets[:, 0]), range(9))
    assert_uniform(np.asarray(offsets[:, 1]), range(9))
    assert_uniform(np.asarray(flips), (False, True))
    together = np.corrcoef(np.column_stack([offsets, flips]).T)
    assert np.abs(together - np.eye(3)).max() < 0.04


def test_cutout_centres_are_uniform():
    centres = np.asarray(draw_cutout(some_keys(20_000), RGB, 8, 12))
    assert_uniform(centres[:, 0], range(8))
    assert_uniform(centres[:, 1], range(12))


def test_randaugment_draws():
    spec = dataclasses.replace(RGB, num_ops=3, magnitude=4)
    ops, strengths = map(np.asarray, draw_strong(some_keys(20_000), spec))
    assert ops.shape == strengths.shape == (20_000, 3)
    for slot in range(3):
        assert_uniform(ops[:, slot], [ID[name] for name in augment.RANDAUGMENT])
    assert_uniform(np.round(strengths, 4), (-0.4, 0.4))


def test_autoaugment_draws():
    """How often an operation runs, from the table; the factor of an enhancement has no sign."""
    n = 20_000
    ops, strengths = map(np.asarray, draw_strong(some_keys(n), AUTO))
    assert ops.shape == (n, 2)
    for slot in range(2):
        for name in set(NAMES) - {"identity"}:
            rate = sum(pair[slot][1] for pair in augment.AUTOAUGMENT if pair[slot][0] == name) / 25
            spread = np.sqrt(rate * (1 - rate) / n)
            assert abs((ops[:, slot] == ID[name]).mean() - rate) <= 5 * spread, name
    first_color = strengths[:, 0][ops[:, 0] == ID["color"]]
    np.testing.assert_allclose(np.unique(first_color), [-0.4, 0.4, 0.8], atol=1e-6)
    shear = strengths[:, 0][ops[:, 0] == ID["shear_y"]]
    np.testing.assert_allclose(np.unique(shear), [-0.8, -0.7, 0.7, 0.8], atol=1e-6)


def test_policy_has_25_pairs():
    assert len(augment.AUTOAUGMENT) == 25
    assert all(len(pair) == 2 for pair in augment.AUTOAUGMENT)


def test_strong_views_of_grey_images_are_finite_and_differ():
    images, keys = some_images(16, (8, 8, 1)), some_keys(16)
    found = np.asarray(view("strong", keys, images, GREY))
    assert found.shape == images.shape
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert not np.array_equal(found, view("strong", some_keys(16, seed=1), images, GREY))


@pytest.mark.parametrize(
    ("change", "words"),
    (
        ({"strong": "trivial"}, "randaugment"),
        ({"magnitude": 11}, r"magnitude = 11"),
        ({"magnitude": 2.5}, r"magnitude = 2.5"),
        ({"num_ops": 0}, r"num_ops = 0"),
        ({"crop_pad": -1}, r"crop_pad = -1"),
        ({"cutout": -4}, r"cutout = -4"),
        ({"mean": (125.3, 123.0, 113.9)}, "divide it by 255"),
        ({"std": (0.2, 0.0, 0.2)}, "std"),
        ({"std": (0.2, float("nan"), 0.2)}, "std"),
        ({"mean": (0.5, 0.5)}, "1 or 3"),
    ),
)
def test_a_spec_that_makes_no_sense(change, words):
    with pytest.raises(UserError, match=words):
        dataclasses.replace(RGB, **change)


def test_spec_is_hashable_when_read_from_lists():
    spec = AugmentSpec(mean=[0.49, 0.48, 0.45], std=[0.25, 0.24, 0.26])
    assert hash(spec) == hash(RGB) and spec == RGB


@pytest.mark.parametrize(
    ("name", "images", "words"),
    (
        ("medium", some_images(2), "medium"),
        ("weak", some_images(2).astype(np.float32), "uint8"),
        ("weak", some_images(2, (7, 32, 3)), "8 pixels"),
        ("weak", some_images(2, (32, 32, 1)), "1 channels"),
    ),
)
def test_views_refuse(name, images, words):
    with pytest.raises(UserError, match=words):
        augment.view(name, some_keys(2), images, RGB)

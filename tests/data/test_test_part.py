"""Which samples are held out: a function of each id alone, in every class with two of them."""

import hashlib

import numpy as np
import pytest

from dull_jax.data import test_part

IDS = np.array([f"{n:04}" for n in range(2000)])
LABELS = np.arange(2000) % 7


def drawn(ids=IDS, labels=LABELS, share=0.2, seed=3, kept=None):
    return test_part.drawn(ids, labels, 7, share, seed, kept)


def test_a_sample_is_held_out_by_the_hash_of_its_id():
    number = [int(hashlib.sha256(f"3 {key}".encode()).hexdigest()[:16], 16) for key in IDS]
    np.testing.assert_array_equal(drawn(), np.array(number) / 2**64 < 0.2)
    assert (drawn(seed=4) != drawn()).any()


def test_nothing_beside_it_matters():
    order = np.random.default_rng(0).permutation(2000)[:900]
    np.testing.assert_array_equal(drawn(IDS[order], LABELS[order]), drawn()[order])


def test_what_is_kept_is_never_held_out():
    kept = np.arange(2000) < 1990
    assert not drawn(share=0.9, kept=kept)[kept].any()


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_every_class_of_two_is_on_both_sides(share):
    held_out = drawn(IDS[:13], LABELS[:13], share)
    for k in range(7):
        mine = held_out[LABELS[:13] == k]
        assert mine.any() and not mine.all() if len(mine) > 1 else len(mine) == 1

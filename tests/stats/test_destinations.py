"""To which class each loses its labels: the confusions are misled, the likelihood is not."""

import functools

import numpy as np
import pytest

import gaussians
import richardson_lucy
from dull_jax.stats import destinations, look_alikes
from dull_jax.stats.noise_kinds import Table
from dull_jax.stats.noise_structure import positive

CHAINS = np.array([1, 2, 0, 4, 5, 3, 7, 8, 6])  # 0 -> 1 -> 2 -> 0, and so on
COUNTS = np.array([400, 120, 40] * 3)


def world(seed, destination=CHAINS, counts=COUNTS, rate=0.4, spread=3.0):
    """(predictions, given labels) where each class loses labels to one other."""
    size = len(counts)
    table = (1 - rate) * np.eye(size) + rate * np.eye(size)[destination]
    _, positions, given = gaussians.class_noise(counts, lambda n: Table(table), spread, seed)
    return positive(gaussians.cross_validated(positions, given)), given


def evenly(confused, rate=0.4):
    return look_alikes.pairs(np.ones(len(confused)), confused, rate, "all").table


def largest(confused):
    return (confused * (1 - np.eye(len(confused)))).argmax(1)


def test_a_label_that_most_images_of_another_class_have():
    """Confusions take it for noise in the other direction."""
    shown, found = [], []
    for seed in range(4):
        probs, given = world(seed)
        confused = look_alikes.confident_confusions(probs, given)
        moved = destinations.by_likelihood(probs, given, confused, evenly)
        shown.append(np.mean(largest(confused) == CHAINS))
        found.append(np.mean(largest(moved) == CHAINS))
        assert (np.sort(moved, 1) == np.sort(confused, 1)).all(), "entries change places only"
    assert np.mean(shown) < 0.4 and np.mean(found) > 0.9, (shown, found)


ONE_WAY = np.array([1, 1, 3, 3, 5, 5])  # 0 -> 1, 2 -> 3, 4 -> 5; the rarer ones keep their labels


@pytest.mark.parametrize("rate", [0.2, 0.4])
def test_a_class_that_seems_to_lose_labels_keeps_them(rate):
    """Most labels 1 are images of 0, so what looks like a label 1 is called 0."""
    counts, keepers = np.array([900, 250] * 3), np.array([False, True] * 3)
    seeming = np.eye(6)
    for i, k in enumerate([1, 0, 3, 2, 5, 4]):
        seeming[i, [i, k]] = 1 - rate, rate
    for seed in range(3):
        probs, given = world(seed, ONE_WAY, counts, rate)
        assert destinations.keep(probs, given, seeming).tolist() == keepers.tolist()
        lost = np.where(keepers[:, None], np.eye(6), seeming)
        assert not destinations.keep(probs, given, lost).any()
    probs, given = world(0, np.array([1, 0, 3, 2, 5, 4]), counts, rate)
    assert not destinations.keep(probs, given, seeming).any(), "all of these do lose labels"


def test_two_classes_that_do_lose_their_labels_to_each_other():
    destination = np.array([1, 0, 3, 2, 5, 4])
    counts = np.array([600, 300, 150, 75, 60, 40])
    probs, given = world(0, destination, counts, rate=0.3)
    confused = look_alikes.confident_confusions(probs, given)
    make = functools.partial(evenly, rate=0.3)
    assert largest(destinations.by_likelihood(probs, given, confused, make)).tolist() == list(
        destination
    )


def test_an_exchange_that_one_direction_explains_as_well():
    """At 0.4 images of both are called alike: then what confusions show decides."""
    destination = np.array([1, 0, 3, 4, 5, 3])
    for seed in range(3):
        probs, given = world(seed, destination, np.array([400, 300, 200, 150, 100, 80]))
        confused = look_alikes.confident_confusions(probs, given)
        found = largest(destinations.by_likelihood(probs, given, confused, evenly))
        assert found[:2].tolist() == [1, 0], (seed, found)


@pytest.mark.parametrize("size", [2, 3])
def test_few_classes_and_classes_that_lose_nothing(size):
    rng = np.random.default_rng(0)
    given = rng.integers(size, size=40)
    probs = positive(rng.dirichlet(np.ones(size), 40))
    confused = look_alikes.confident_confusions(probs, given)
    found = destinations.by_likelihood(probs, given, confused, evenly)
    assert (np.sort(found, 1) == np.sort(confused, 1)).all()
    kept = destinations.by_likelihood(probs, given, confused, lambda shown: np.eye(size))
    assert np.argsort(-kept, 1)[:, 0].shape == (size,)


@pytest.mark.parametrize("steps", [destinations._STEPS, destinations._MORE_STEPS])
def test_the_likelihood_against_loops(steps):
    rng = np.random.default_rng(1)
    probs, given = rng.dirichlet(np.ones(4), 6), rng.integers(4, size=6)
    tables = rng.dirichlet(3 * np.ones(4), (2, 4))
    found = destinations._log_likelihoods(
        probs.astype(np.float32), given, tables.astype(np.float32), steps
    )
    for c, table in enumerate(tables):
        for n in range(6):
            wanted = log_likelihood(probs[n], given[n], table, steps)
            assert found[c, n] == pytest.approx(wanted, abs=2e-4)


def log_likelihood(probs, given, table, steps):
    """Of one label, by loops."""
    clean = richardson_lucy.deconvolved(probs, table, steps)
    return np.log(sum(clean[i] * table[i, given] for i in range(len(probs))))


def test_several_destinations_by_how_probable_each_is():
    """Against loops; classes that are more frequent have theirs averaged before."""
    rng = np.random.default_rng(3)
    probs = positive(rng.dirichlet(np.ones(3), 12))
    given = np.array([0] * 6 + [1] * 4 + [2] * 2)
    confused = np.array([[0.6, 0.3, 0.1], [0.3, 0.7, 0.0], [0.2, 0.2, 0.6]])
    one = np.array([[0.7, 0.3, 0], [0.4, 0.6, 0], [0, 0, 1.0]])
    found = destinations.averaged(probs, given, confused, one)
    wanted = one.copy()
    for own, others in ((0, (1, 2)), (1, (0, 2))):
        near, scores, rows = probs[:, own] >= destinations._LEAST, [], []
        for other in others:
            row = np.zeros(3)
            row[own], row[other] = one[own, own], 1 - one[own, own]
            table = wanted.copy()
            table[own] = row
            logs = [
                log_likelihood(x, y, table, destinations._STEPS)
                for x, y in zip(probs[near].astype(float), given[near], strict=True)
            ]
            rows.append(row)
            scores.append(sum(logs) + np.log(max(confused[own, other], destinations._RARELY)))
        weights = np.exp(scores - np.max(scores))
        weights[weights < 0.1] = 0
        wanted[own] = weights @ np.array(rows) / weights.sum()
    assert found == pytest.approx(wanted, abs=1e-3)
    assert (found[0, 1:] > 0.02).all(), "twelve samples do not say which"


def test_what_is_clear_has_one_destination():
    probs, given = world(0)
    confused = look_alikes.confident_confusions(probs, given)
    one = evenly(destinations.by_likelihood(probs, given, confused, evenly))
    several = destinations.averaged(probs, given, confused, one)
    assert several.sum(1) == pytest.approx(1) and (several >= 0).all()
    assert several.diagonal() == pytest.approx(one.diagonal())
    assert largest(several).tolist() == largest(one).tolist()
    assert several[0, CHAINS[0]] == pytest.approx(0.4)


def test_a_chain_that_is_read_backwards_is_turned(monkeypatch):
    """Class by class none of it is better off alone."""
    alone, chains = [], []
    for length, spread, seed in [(4, 2.5, 0), (4, 2.5, 1), (4, 2.5, 2), (3, 2.0, 0), (3, 2.0, 1)]:
        size = 3 * length
        destination = np.array([i // length * length + (i + 1) % length for i in range(size)])
        ranks = np.random.default_rng(seed).permutation(size) / (size - 1)
        probs, given = world(seed, destination, (300 / 30**ranks).astype(int), spread=spread)
        confused = look_alikes.confident_confusions(probs, given)
        for nearly, right in ((-1.0, alone), (destinations._NEARLY, chains)):
            with monkeypatch.context() as patch:
                patch.setattr(destinations, "_NEARLY", nearly)
                found = largest(destinations.by_likelihood(probs, given, confused, evenly))
            right.append(np.mean(found == destination))
    assert (np.array(chains) >= alone).all() and np.mean(chains) > np.mean(alone) + 0.05


def test_classes_beyond_the_nearest_are_one():
    """Of forty classes each part looks at 32: what is left over is neither lost nor counted."""
    rng = np.random.default_rng(2)
    probs = positive(rng.dirichlet(0.1 * np.ones(40), 300))
    given = np.array([rng.choice(40, p=row / row.sum()) for row in probs.astype(float)])
    part = destinations._part(probs, given, np.eye(40) + 0.01, 7)
    assert part.probs.shape == (destinations._SAMPLES, 33) and part.near[0] == 7
    assert np.allclose(part.probs.sum(1), 1, atol=1e-4)
    used = part.counts > 0
    assert used.sum() == (probs[:, 7] >= destinations._LEAST).sum()
    outside = part.given[used] == 32
    assert (outside == ~np.isin(given[probs[:, 7] >= 0.05], part.near)).all()

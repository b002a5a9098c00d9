"""The label model against an independent float64 NumPy version, and its checkpoint."""

import numpy as np
import pytest
import test_neighbour_posterior as of_neighbours
import test_noise_structure as of_structure
import test_transition as of_transition

import gaussians
from dull_jax.stats import label_model, neighbour_posterior, noise_kinds
from dull_jax.stats.label_audit import audit_labels
from dull_jax.stats.transition import LabelModel

SIZE, CLASSES, DECAY = 48, 3, 0.7


def estimator(given, classes=CLASSES, **settings):
    defaults = {"noise": "free", "strength": 0.1, "decay": DECAY, "neighbours": False}
    return label_model.Estimator(given, classes, **(defaults | settings))


def case(seed=0):
    """Given labels, the logits of three epochs, features."""
    rng = np.random.default_rng(seed)
    given = np.repeat(np.arange(CLASSES), [30, 12, 6]).astype(np.int32)
    logits = 2 * np.eye(CLASSES)[given] + rng.normal(size=(3, SIZE, CLASSES))
    features = np.abs(rng.normal(size=(SIZE, 5)))
    return given, logits.astype(np.float32), features.astype(np.float32)


def softmax64(logits):
    raised = np.exp(np.float64(logits) - np.max(logits, axis=1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)


def pseudo64(counts, strength, diagonal=0.8):
    """Row by row: a share stays, the rest goes to the more frequent classes."""
    table = np.zeros((len(counts), len(counts)))
    for i, own in enumerate(counts):
        larger = [n if n > own else 0 for n in counts]
        away = larger if any(larger) else [n if j != i else 0 for j, n in enumerate(counts)]
        for j, n in enumerate(away):
            table[i, j] = (1 - diagonal) * n / sum(away) + diagonal * (i == j)
        table[i] *= strength * own
    return table


def neighbours64(features, given, table, prior):
    """Of the temperatures, the one under which given labels are likeliest after a few steps."""
    model, z = LabelModel(table, prior), np.float64(features)

    def em(temperature, steps):
        return of_neighbours.em64(z, given, model, temperature, steps)

    likelihood = [em(t, neighbour_posterior._TRIED)[2] for t in neighbour_posterior.TEMPERATURES]
    best = neighbour_posterior.TEMPERATURES[int(np.argmax(likelihood))]
    return em(best, neighbour_posterior._SETTLED)[0]


def bayes64(probs, given, table, prior):
    joint = np.array([p * prior * table[:, k] for p, k in zip(probs, given, strict=True)])
    return joint / joint.sum(1, keepdims=True)


@pytest.mark.parametrize("neighbours", [False, True], ids=["alone", "neighbours"])
@pytest.mark.parametrize("noise", ["free", "none"])
def test_against_numpy(noise, neighbours):
    given, logits, features = case()
    model = estimator(given, noise=noise, neighbours=neighbours)
    state, probs, weight = model.init(), 0.0, 0.0
    for epoch in logits:
        state = model.average(state, epoch)
        probs, weight = DECAY * probs + softmax64(epoch), DECAY * weight + 1
    state = model.update(state, logits[-1], features)

    pseudo, mean = pseudo64(np.bincount(given), 0.1), probs / weight
    iterations = 30 if noise == "free" else 0
    table, prior = of_transition.em64(mean, given, pseudo, iterations)
    believed = mean
    if neighbours:
        others = neighbours64(features, given, table, prior)
        believed = softmax64((np.log(mean + 1e-6) + np.log(others + 1e-6)) / 2)
    np.testing.assert_allclose(state.probs, probs, rtol=1e-5)
    assert state.weight == pytest.approx(weight)
    np.testing.assert_allclose(state.transition, table, atol=5e-4)
    np.testing.assert_allclose(state.prior, prior, atol=5e-4)
    posterior = bayes64(believed, given, table, prior)
    np.testing.assert_allclose(state.posterior, posterior, atol=3e-3)
    wrong = [1 - row[k] for row, k in zip(posterior, given, strict=True)]
    np.testing.assert_allclose(model.label_error_prob(state), wrong, atol=3e-3)


def test_a_structure_is_searched_once_and_the_average_freed_from_it():
    """The noise that is found is as drawn; what is done with it, against loops in float64."""
    counts = of_structure.COUNTS
    clean, _, exact, rng = of_structure.world(4)
    table = noise_kinds.table(noise_kinds.t2h(counts.astype(float), 0.25, 0.6))
    given = of_structure.drawn(clean, table, rng).astype(np.int32)
    shares = np.bincount(given) / len(given)
    logits = (np.log(exact @ table) - np.log(shares)).astype(np.float32)
    model = estimator(given, len(counts), noise="structured")
    averaged = model.average(model.average(model.init(), 0 * logits), logits)
    state = model.update(averaged, logits)
    np.testing.assert_allclose(state.transition, table, atol=0.15)

    noisy = softmax64(logits + np.log(shares))
    actual, prior = np.float64(state.transition), np.float64(state.prior)
    evidence = of_structure.by_loops(noisy, actual) / prior
    sharp = prior * evidence ** (1 / float(state.temperature))
    balanced = sharp / sharp.sum(1, keepdims=True) / prior
    balanced /= balanced.sum(1, keepdims=True)
    np.testing.assert_allclose(state.probs, averaged.weight * balanced, atol=2e-3)
    posterior = bayes64(balanced, given, actual, prior)
    np.testing.assert_allclose(state.posterior, posterior, atol=5e-3)

    later = model.update(model.average(state, logits), logits)
    assert later.transition is state.transition and later.temperature == state.temperature
    expected = DECAY * np.float64(state.probs) + softmax64(logits)
    np.testing.assert_allclose(later.probs, expected, rtol=1e-4, atol=1e-6)


def test_diagnostics_against_numpy():
    """`doubted_given`: sum_i w_i p_i(given) / sum_i w_i, w_i = 1 - q_i(given)."""
    rng = np.random.default_rng(0)
    given = rng.integers(0, 3, 40)
    logits = 3 * rng.normal(size=(40, 3)).astype(np.float32)
    posterior = rng.dirichlet(np.ones(3), 40).astype(np.float32)
    table = np.array([[0.8, 0.2, 0], [0, 1, 0], [0, 0.5, 0.5]], np.float32)
    state = label_model.State(
        probs=2 * rng.dirichlet(np.ones(3), 40).astype(np.float32),
        temperature=np.float32(1),
        weight=np.float32(2),
        posterior=posterior,
        transition=table,
        prior=np.array([0.5, 0.3, 0.2], np.float32),
        audited=np.zeros((0, 3), np.float32),
    )
    reported = estimator(given).diagnostics(state, logits)
    of_given = [row[k] for row, k in zip(softmax64(logits), given, strict=True)]
    doubt = [1 - float(row[k]) for row, k in zip(posterior, given, strict=True)]
    expected = np.dot(of_given, doubt) / np.sum(doubt)
    assert reported["doubted_given"] == pytest.approx(expected, rel=1e-4)
    assert reported["doubted"] == np.mean(np.array(doubt) > 0.5)
    assert reported["noise_rate"] == pytest.approx(0.5 * 0.2 + 0.2 * 0.5)
    assert reported["posterior_confidence"] == pytest.approx(np.mean([max(q) for q in posterior]))
    assert 0 <= reported["doubted_by_small_loss"] <= 1


@pytest.mark.parametrize("noise", ["structured", "free", "audit", "none"])
def test_nothing_changes_in_place_and_a_checkpoint_keeps_its_names(noise):
    given, logits, features = case()
    model = estimator(given, noise=noise, neighbours=True)
    states, copies = [model.init()], []
    for step in (
        lambda state: model.average(state, logits[0]),
        lambda state: model.update(state, logits[0], features),
    ):
        copies.append([np.copy(leaf) for leaf in states[-1]])
        states.append(step(states[-1]))
    for state, copy in zip(states, copies, strict=False):
        for leaf, before in zip(state, copy, strict=True):
            assert np.asarray(leaf).tobytes() == before.tobytes()
    for state in states:
        shapes = {name: np.shape(leaf) for name, leaf in state._asdict().items()}
        table = (SIZE, CLASSES)
        assert shapes == {
            **{"probs": table, "temperature": (), "weight": (), "posterior": table},
            **{"transition": (CLASSES, CLASSES), "prior": (CLASSES,)},
            "audited": table if noise == "audit" else (0, CLASSES),
        }
        assert {np.asarray(leaf).dtype for leaf in state} == {np.dtype(np.float32)}
        np.testing.assert_allclose(state.transition.sum(1), 1, rtol=1e-5)


def test_noise_by_class_is_judged_as_audits_do_and_once(few_rates):
    counts = np.array([800, 400, 200, 100, 50])
    _, positions, given = gaussians.class_noise(counts, lambda n: noise_kinds.t2h(n, 0.25, 0.6))
    probs = gaussians.cross_validated(positions, given)
    shares = np.bincount(given) / len(given)
    logits = np.log(probs / shares).astype(np.float32)  # class-balanced, as a teacher's
    model = estimator(given, 5, noise="audit")
    state = model.update(model.average(model.init(), logits), logits)
    audit = audit_labels(probs.astype(np.float32), given, posterior=True)
    assert audit.noise.startswith("tail-to-head")
    # predictions of the two are rounded apart before a fit
    np.testing.assert_allclose(state.posterior, audit.posterior, atol=2e-3)
    np.testing.assert_allclose(state.transition, audit.transition, atol=1e-4)
    assert model.update(state, logits + 1) is state


def test_a_teacher_is_not_asked_where_there_are_features(few_rates):
    """It has seen the labels; they have not."""
    counts = np.array([400, 200, 100, 60, 40])
    _, positions, given = gaussians.class_noise(counts, lambda n: noise_kinds.t2h(n, 0.25, 0.6))
    features = positions.astype(np.float32)
    model = estimator(given, 5, noise="audit", neighbours=True)
    names = [str(k) for k in range(5)]
    audit = audit_labels(
        None, given, features=features - features.mean(0), class_names=names, posterior=True
    )
    assert audit.noise.startswith("tail-to-head")
    for seen in (np.eye(5)[given], np.eye(5)[(given + 1) % 5]):
        logits = (5 * seen).astype(np.float32)
        state = model.update(model.average(model.init(), logits), logits, features)
        np.testing.assert_allclose(state.posterior, audit.posterior, atol=1e-5)


def test_where_noise_depends_on_the_image_an_audit_and_em_are_averaged(few_rates):
    _, positions, given = gaussians.image_noise(np.array([400, 200, 100]), 0.2, seed=2)
    probs, features = gaussians.cross_validated(positions, given), positions.astype(np.float32)
    logits = np.log(probs / (np.bincount(given) / len(given))).astype(np.float32)
    states = {}
    for noise in ("audit", "free"):
        model = estimator(given, noise=noise, neighbours=True)
        states[noise] = model.average(model.init(), logits)
        for epoch in range(2):
            states[noise] = model.update(states[noise], logits + epoch, features)
    audit = audit_labels(
        None, given, features=features - features.mean(0), class_names=list("abc"), posterior=True
    )
    assert audit.noise.startswith("between classes")
    pooled, em = states["audit"], states["free"].posterior
    expected = (np.float64(audit.posterior) + em) / 2
    np.testing.assert_allclose(pooled.posterior, expected, atol=1e-5)
    np.testing.assert_array_equal(pooled.transition, states["free"].transition)
    assert np.abs(em - pooled.posterior).max() > 0.1, "they differ"


@pytest.mark.parametrize(("size", "asked"), [(2, False), (3, True), (10**7, True)])
def test_neighbours_are_asked_where_there_are_two_others(size, asked):
    given = np.zeros(size, np.int8)
    assert estimator(given, neighbours=True).uses_features == asked
    assert not estimator(given, neighbours=False).uses_features


def test_a_posterior_that_renames_classes_is_not_believed():
    """Predictions that take two classes for one another: nothing is doubted yet."""
    true = np.repeat([0, 1, 2], [60, 30, 15])
    swapped = np.log(0.98 * np.eye(3)[np.array([1, 0, 2])[true]] + 0.02 / 3).astype(np.float32)
    model = estimator(true, 3, noise="free")
    state = model.average(model.init(), swapped)
    assert model.update(state, swapped) is state and not state.posterior.any()


def test_labels_of_few_renamed_classes_stay_as_given():
    true = np.repeat([0, 1, 2, 3], [400, 300, 12, 8])
    swapped = np.array([0, 1, 3, 2])[true]
    logits = np.log(0.98 * np.eye(4)[swapped] + 0.005).astype(np.float32)
    model = estimator(true, 4, noise="free")
    state = model.update(model.average(model.init(), logits), logits)
    assert (state.posterior.argmax(1) == true).all()
    assert (state.posterior[true > 1].max(1) == 1).all()

"""`find_label_errors`: labels of any kind, by probabilities, by embeddings, by both."""

import numpy as np
import pytest

import dull_jax
from dull_jax import find_label_errors
from dull_jax.errors import UserError
from gaussians import cross_validated

RNG = np.random.default_rng(0)
TRUE = RNG.permutation(np.repeat(["cat", "dog", "owl"], [80, 40, 20]))
VECTORS = 4 * (TRUE[:, None] == np.array(["cat", "dog", "owl"])) + RNG.normal(size=(140, 3))
GIVEN = TRUE.copy()
GIVEN[:12] = np.where(TRUE[:12] == "cat", "dog", "cat")


def silent(text):
    pass


def found_by(**known):
    return find_label_errors(GIVEN, say=silent, **known)


def test_probabilities():
    number = np.unique(GIVEN, return_inverse=True)[1]
    probs = cross_validated(VECTORS, number)
    found = found_by(pred_probs=probs)
    assert set(found.ranked[:10]) <= set(range(12)) and found.suggested[0] == TRUE[0]
    assert (np.diff(found.label_error_prob[found.ranked]) <= 0).all()
    direct = dull_jax.audit_labels(probs, number)
    assert np.array_equal(found.label_error_prob, direct.wrong)
    assert "labels look wrong" in str(found)
    assert {len(column) for column in found.columns().values()} == {140}
    both = found_by(pred_probs=probs, embeddings=VECTORS)
    assert (both.label_error_prob[:12] > 0.5).sum() >= 10


def test_embeddings_alone_are_cross_validated():
    said = []
    found = find_label_errors(GIVEN, embeddings=VECTORS, folds=2, epochs=20, say=said.append)
    assert len(said) == 2 and "fold 2/2" in said[1]
    assert (found.label_error_prob[:12] > 0.5).sum() >= 9
    assert found.flagged[12:].mean() < 0.1 and (found.suggested == TRUE).mean() > 0.9


def test_labels_keep_their_type():
    given = np.array([7, 7, 3, 3, 7, 3] * 10)
    probs = np.where((given == 3)[:, None], [0.9, 0.1], [0.1, 0.9])
    given[0] = 3
    found = find_label_errors(given, pred_probs=probs)
    assert found.suggested.dtype == given.dtype and found.suggested[0] == 7
    assert found.classes.tolist() == [3, 7] and found.ranked.tolist() == [0]
    other = find_label_errors(given, pred_probs=probs[:, ::-1], classes=[7, 3])
    assert other.ranked.tolist() == [0] and other.suggested[0] == 7


@pytest.mark.parametrize(
    ("labels", "known", "said"),
    [
        (GIVEN, {}, "give pred_probs, or embeddings"),
        ([], {"embeddings": VECTORS}, "labels must be [N]"),
        ([[0]], {"embeddings": VECTORS}, "labels must be [N]"),
        ([0.0, np.nan], {"embeddings": VECTORS[:2]}, "labels: row 1 is not a number"),
        (GIVEN, {"embeddings": VECTORS[:5]}, "5 rows for 140 labels"),
        (GIVEN, {"embeddings": VECTORS[:, 0]}, "embeddings must be numbers [N, D]"),
        (GIVEN, {"embeddings": np.where(VECTORS == VECTORS[3, 0], np.inf, VECTORS)}, "row 3 is"),
        (GIVEN, {"embeddings": VECTORS, "classes": ["cat", "dog"]}, "'owl', which is none of"),
        (["a"] * 140, {"embeddings": VECTORS}, "labels are of one class"),
        (GIVEN, {"embeddings": VECTORS, "folds": 1}, "folds = 1"),
        (GIVEN, {"embeddings": VECTORS, "epochs": -1}, "config.train.epochs"),
        (GIVEN, {"pred_probs": np.ones((140, 2)) / 2}, "probabilities of 2 classes"),
    ],
)
def test_what_cannot_be_meant(labels, known, said):
    with pytest.raises(UserError) as caught:
        find_label_errors(labels, say=silent, **known)
    assert said in str(caught.value)


def test_without_an_error_no_precision_is_promised():
    true = np.repeat(["cat", "dog"], 60)
    probs = np.where((true == "cat")[:, None], [0.99, 0.01], [0.01, 0.99])
    found = dull_jax.find_label_errors(true, pred_probs=probs)
    assert str(found) == "0 of 120 labels look wrong; noise: none"

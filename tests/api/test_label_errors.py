"""`find_label_errors`: labels of any kind, by probabilities, by embeddings, by both."""

from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pytest

import dull_jax
from dull_jax import find_label_errors
from dull_jax.api import vectors
from dull_jax.errors import UserError
from gaussians import cross_validated

RNG = np.random.default_rng(0)
TRUE = RNG.permutation(np.repeat(["cat", "dog", "owl"], [80, 40, 20]))
VECTORS = 4 * (TRUE[:, None] == np.array(["cat", "dog", "owl"])) + RNG.normal(size=(140, 3))
GIVEN = TRUE.copy()
GIVEN[:12] = np.where(TRUE[:12] == "cat", "dog", "cat")


class NotKnown:
    """As pandas.NA: neither equal to itself nor not."""

    def __ne__(self, other):
        return self

    def __bool__(self):
        raise TypeError("boolean value of NA is ambiguous")


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


def test_blanks_around_a_name_are_no_part_of_it():
    looks = np.where(GIVEN[:, None] == np.unique(GIVEN), 0.9, 0.1 / (len(np.unique(GIVEN)) - 1))
    looks /= looks.sum(1, keepdims=True)
    padded = GIVEN.astype(object)
    padded[::7] = [f"{name} " for name in padded[::7]]
    plain, found = (find_label_errors(x, pred_probs=looks, say=silent) for x in (GIVEN, padded))
    assert found.classes.tolist() == plain.classes.tolist()
    np.testing.assert_array_equal(found.given, GIVEN)
    named = find_label_errors(padded, pred_probs=looks, classes=[f" {n}" for n in plain.classes])
    assert named.classes.tolist() == plain.classes.tolist()


@pytest.mark.parametrize(
    ("labels", "known", "said"),
    [
        (np.array(["a", " ", "a"]), {"embeddings": VECTORS[:3]}, "labels: row 1 is missing"),
        (GIVEN, {}, "give pred_probs, or embeddings"),
        ([], {"embeddings": VECTORS}, "labels must be [N]"),
        ([[0]], {"embeddings": VECTORS}, "labels must be [N]"),
        ([0.0, np.nan], {"embeddings": VECTORS[:2]}, "labels: row 1 is missing (nan)"),
        (np.array(["a", "b", None, "a"], object), {"embeddings": VECTORS[:4]}, "row 2 is missing"),
        (np.array(["a", NotKnown(), "a"]), {"embeddings": VECTORS[:3]}, "row 1 is missing"),
        (np.array(["a", "a", np.nan], object), {"embeddings": VECTORS[:3]}, "row 2 is missing"),
        (np.array(["a", "a", 3], object), {"embeddings": VECTORS[:3]}, "row 2 is 3, and row 0"),
        (["a", "a", np.nan], {"embeddings": VECTORS[:3]}, "labels: row 2 is missing (nan)"),
        (["a", "a", 3], {"embeddings": VECTORS[:3]}, "row 2 is 3, and row 0"),
        (
            np.ma.masked_array(GIVEN, np.arange(140) == 7),
            {"embeddings": VECTORS},
            "labels: row 7 is missing (masked)",
        ),
        (
            GIVEN,
            {"embeddings": np.ma.masked_greater(VECTORS, VECTORS.max() - 1e-9)},
            f"embeddings: row {VECTORS.max(1).argmax()} is missing (masked)",
        ),
        (
            GIVEN,
            {"pred_probs": np.ma.masked_array(np.ones((140, 3)) / 3, np.eye(140, 3) == 1)},
            "probabilities: row 0 is missing (masked)",
        ),
        (GIVEN, {"embeddings": VECTORS, "classes": [["cat"], ["dog"]]}, "classes must be [K]"),
        (GIVEN, {"embeddings": VECTORS, "classes": 3}, "classes must be [K]"),
        (GIVEN, {"embeddings": VECTORS, "folds": 2.5}, "folds = 2.5: must be a whole number"),
        (
            GIVEN,
            {"pred_probs": np.ones((140, 3)) / 3, "max_tail_false_alarms": "1"},
            "max_tail_false_alarms='1' must be in [0, 1]",
        ),
        (
            np.array(["a", "b", "x"], object),
            {"embeddings": VECTORS[:3], "classes": ["a", "b"]},
            "row 2 is 'x', which is none",
        ),
        (GIVEN, {"embeddings": VECTORS, "classes": ["cat", "dog", "dog"]}, "'dog' is there twice"),
        (VECTORS[:, 0], {"embeddings": VECTORS}, "no class has a second label of the 140"),
        (GIVEN, {"embeddings": VECTORS, "seed": 0.5}, "seed = 0.5: must be a whole number"),
        (GIVEN, {"embeddings": VECTORS[:5]}, "5 rows for 140 labels"),
        (GIVEN, {"embeddings": VECTORS[:, 0]}, "embeddings must be numbers [N, D]"),
        (GIVEN, {"embeddings": np.where(VECTORS == VECTORS[3, 0], np.inf, VECTORS)}, "row 3 is"),
        (GIVEN, {"embeddings": VECTORS, "classes": ["cat", "dog"]}, "'owl', which is none of"),
        (["a"] * 140, {"embeddings": VECTORS}, "labels are of one class"),
        (["a"] * 140, {"pred_probs": np.ones((140, 1))}, "labels are of one class"),
        (GIVEN, {"embeddings": VECTORS, "folds": 1}, "folds = 1"),
        (GIVEN, {"embeddings": VECTORS, "epochs": -1}, "config.train.epochs"),
        (GIVEN, {"pred_probs": np.ones((140, 2)) / 2}, "probabilities of 2 classes"),
    ],
)
def test_what_cannot_be_meant(labels, known, said):
    with pytest.raises(UserError) as caught:
        find_label_errors(labels, say=silent, **known)
    assert said in str(caught.value)


@pytest.mark.parametrize("names", [[f"class_{k}" for k in range(12)], [*map(str, range(12))]])
def test_columns_in_the_order_of_numbers_in_names(names):
    true = RNG.integers(0, 12, 600)
    probs = cross_validated(4 * np.eye(12)[true] + RNG.normal(size=(600, 12)), true)
    given, lines = np.where(np.arange(600) % 12 == 0, (true + 1) % 12, true), []
    found = find_label_errors(np.array(names)[given], pred_probs=probs, say=lines.append)
    assert found.classes.tolist() == names
    assert (found.given == np.array(names)[given]).all()
    direct = dull_jax.audit_labels(probs, given)
    np.testing.assert_array_equal(found.flagged, direct.flagged)
    np.testing.assert_array_equal(found.suggested, np.array(names)[direct.suggested])
    assert [line[:7] for line in lines] == ["CAUTION"] * (names[0] == "class_0")


def test_columns_in_another_order_are_cautioned_about():
    number, lines = np.unique(GIVEN, return_inverse=True)[1], []
    probs = cross_validated(VECTORS, number)[:, [1, 2, 0]]
    find_label_errors(GIVEN, pred_probs=probs, say=lines.append)
    assert "columns seem to be in another order" in lines[0] and "Give classes=" in lines[0]


@pytest.mark.parametrize("setting", [{"jax_enable_x64": True},
                                     {"jax_numpy_rank_promotion": "raise"}])  # fmt: skip
def test_settings_of_jax_that_others_need_change_nothing(setting):
    before = {name: getattr(jax.config, name) for name in setting}
    expected = found_by(embeddings=VECTORS)
    try:
        for name, value in setting.items():
            jax.config.update(name, value)
        found = found_by(embeddings=VECTORS)
        assert all(getattr(jax.config, name) == value for name, value in setting.items())
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
    np.testing.assert_array_equal(found.label_error_prob, expected.label_error_prob)


def test_from_threads():
    with ThreadPoolExecutor(4) as pool:
        recipes = list(pool.map(lambda n: vectors.recipe("ce", 100, 8, seed=n), range(40)))
    assert [recipe.seed for recipe in recipes] == list(range(40))


def test_a_file_that_is_called_as_the_recipe(tmp_path, monkeypatch):
    (tmp_path / "embeddings").write_text("mine")
    monkeypatch.chdir(tmp_path)
    assert vectors.recipe("ce", 100, 8, epochs=np.int64(2)).train.epochs == 2


def test_without_an_error_no_precision_is_promised():
    true = np.repeat(["cat", "dog"], 60)
    probs = np.where((true == "cat")[:, None], [0.99, 0.01], [0.01, 0.99])
    found = dull_jax.find_label_errors(true, pred_probs=probs)
    assert str(found) == "0 of 120 labels look wrong; noise: none"

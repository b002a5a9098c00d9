"""`RobustClassifier` keeps scikit-learn's habits, and learns what DULL learns."""

import inspect

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

from dull_jax import RobustClassifier, UserError

# Those of scikit-learn that take seconds here; `test_all_of_scikit_learn` has all.
QUICK = {
    "check_classifiers_one_label",
    "check_complex_data",
    "check_dict_unchanged",
    "check_dtype_object",
    "check_estimator_cloneable",
    "check_estimator_sparse_array",
    "check_estimators_empty_data_messages",
    "check_estimators_pickle",
    "check_estimators_unfitted",
    "check_fit1d",
    "check_fit2d_1sample",
    "check_get_params_invariance",
    "check_methods_subset_invariance",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_requires_y_none",
    "check_set_params",
    "check_supervised_y_no_nan",
}


def quick_checks():
    for estimator, check in estimator_checks_generator(RobustClassifier("ce", epochs=1)):
        name = getattr(check, "func", check).__name__
        if name in QUICK:
            yield pytest.param(estimator, check, id=name)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), list(quick_checks()))
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.benchmark
@pytest.mark.filterwarnings("ignore")
def test_all_of_scikit_learn():
    """Two minutes; none is expected to fail."""
    check_estimator(RobustClassifier("ce"))


def test_dull_on_wrong_labels():
    rng = np.random.default_rng(0)
    true = np.repeat(["car", "bus", "tram"], [120, 60, 30])
    centres = rng.normal(size=(3, 32))[np.unique(true, return_inverse=True)[1]]
    vectors = centres + rng.normal(size=(210, 32))
    given = np.where(rng.random(210) < np.where(true == "car", 0, 0.15), "car", true)
    robust = RobustClassifier().fit(vectors, given)
    assert robust.score(vectors, true) > 0.9
    assert robust.classes_.tolist() == ["bus", "car", "tram"]
    assert np.allclose(robust.predict_proba(vectors).sum(1), 1)
    assert clone(robust).get_params() == {"method": "dull", "epochs": 0, "seed": 0}


@pytest.mark.parametrize("method", ["dull", "ce"])
def test_vectors_of_a_few_numbers(method):
    """Four columns: what embeddings of a thousand want, they would not be learnt by."""
    samples, species = load_iris(return_X_y=True)
    samples = StandardScaler().fit_transform(samples)
    robust = RobustClassifier(method).fit(samples[::2], species[::2])
    assert robust.score(samples[1::2], species[1::2]) > 0.9


def test_settings_that_cannot_be_meant():
    vectors, labels = np.eye(8), np.arange(8) % 2
    with pytest.raises(UserError, match="did you mean 'dull'"):
        RobustClassifier("dul").fit(vectors, labels)
    with pytest.raises(UserError, match="epochs"):
        RobustClassifier("ce", epochs=-1).fit(vectors, labels)
    with pytest.raises(UserError, match=r"y: row 3 is missing \(masked\)"):
        RobustClassifier("ce").fit(vectors, np.ma.masked_array(labels, labels + vectors[3] == 2))
    with pytest.raises(ValueError, match="contains NaN"):
        RobustClassifier("ce").fit(vectors, ["cat", "dog", float("nan"), "cat"] * 2)
    assert list(inspect.signature(RobustClassifier).parameters) == ["method", "epochs", "seed"]

"""`dull_jax.RobustClassifier`: training on vectors whose labels are partly wrong, as scikit-learn
has it."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from dull_jax import inference, jax_settings
from dull_jax.api import vectors
from dull_jax.api.vectors import Labels
from dull_jax.inference import Classifier
from dull_jax.run_dir.leaves import by_name
from dull_jax.stats import neighbour_graph
from dull_jax.stats.check_probs import unmasked
from dull_jax.train import in_memory
from dull_jax.train.learner import Learner
from dull_jax.train.parallel import Devices


class RobustClassifier(ClassifierMixin, BaseEstimator):
    """A linear head on vectors, trained by one of dull_jax's methods against wrong labels.

    Learning rate and dropout are chosen by the width of the vectors, so a table of a few columns is
    learnt as well as embeddings are; its columns should have one scale (`StandardScaler`).

    Args:
      method: a file of dull_jax/methods: "dull", "ce", "la", "elr", …
      epochs: passes over the samples; 0: by their number, see `vectors.chosen_epochs`.
      seed: of initial weights, batches and dropout.

    Attributes:
      classes_: `[K]`, sorted.  n_features_in_: D.
      weights_: the trained leaves by name, `nets/0/params/…`, averaged over training.
      channels_: (mean, std) `[D]` each, by which vectors are normalised.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.permutation(np.repeat(["cat", "dog"], 30))
    >>> X = (y == "cat")[:, None] + rng.normal(0, 0.1, (60, 4))
    >>> RobustClassifier(method="ce").fit(X, y).score(X, y)
    1.0
    """

    def __init__(self, method: str = "dull", epochs: int = 0, seed: int = 0):
        self.method, self.epochs, self.seed = method, epochs, seed

    @jax_settings.pinned()
    def fit(self, X: np.ndarray, y: np.ndarray) -> "RobustClassifier":
        """Trains anew on vectors `[N, D]` with labels `[N]`, numbers or text.

        Raises:
          ValueError: as scikit-learn has it: shapes, values that are not finite, one class only.
          UserError: no such method, a setting out of range, or masked values.
        """
        y = vectors.as_they_are(y, "y")
        X, y = validate_data(self, unmasked(X, "X"), y, dtype=np.float32)
        check_classification_targets(y)
        try:
            self.classes_, number = np.unique(y, return_inverse=True)
        except TypeError:  # what cannot be sorted is missing, or text beside numbers
            raise ValueError("y has a missing label, or text beside numbers") from None
        if len(self.classes_) < 2:
            raise ValueError("labels are of one class; RobustClassifier needs two classes or more")
        labels = Labels(self.classes_, number.astype(np.int32))
        config = self._config(len(X))
        learner = in_memory.train(config, vectors.dataset_of(config, X, labels), Devices(1))
        neighbour_graph.forget()
        self.channels_ = (np.array(learner.augment.mean), np.array(learner.augment.std))
        self.weights_ = _weights(learner)
        self._classifier = self._built()
        return self

    @jax_settings.pinned()
    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """float64 `[N, K]`: class probabilities; columns are `classes_`."""
        check_is_fitted(self)
        X = validate_data(self, unmasked(X, "X"), dtype=np.float32, reset=False)
        probs = self._classifier.probs(X).astype(np.float64)
        return probs / probs.sum(axis=1, keepdims=True)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The likeliest class of each vector, `[N]`."""
        probs = self.predict_proba(X)
        return self.classes_[probs.argmax(axis=1)]

    def _config(self, size: int) -> ConfigDict:
        return vectors.recipe(self.method, size, self.n_features_in_, self.epochs, self.seed)

    def _built(self) -> Classifier:
        names = tuple(map(str, self.classes_.tolist()))
        channels = [part.tolist() for part in self.channels_]
        return inference.of_vectors(self._config(1), names, channels, self.weights_)

    def __getstate__(self) -> dict[str, Any]:
        """All but the compiled program, which is built again."""
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_classifier"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        super().__setstate__(state)
        if "weights_" in state:
            self._classifier = self._built()


def _weights(learner: Learner) -> dict[str, np.ndarray]:
    """What predicts: of each network the averaged weights, on the host."""
    nets = {
        str(n): {"params": net.params, "batch_stats": net.batch_stats, "step": net.step}
        for n, net in enumerate(learner.networks.averaged())
    }
    return {
        name: np.asarray(leaf) for name, leaf in by_name(jax.device_get({"nets": nets})).items()
    }

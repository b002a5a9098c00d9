"""Image classifiers from long-tailed, wrongly labelled data, and which labels are wrong.

>>> import numpy as np
>>> from dull_jax import T2HNoise, audit_labels
>>> true = np.repeat([0, 1], [300, 100])
>>> noisy = T2HNoise(rate=0.1)(true)
>>> probs = np.where((true == 0)[:, None], [0.99, 0.01], [0.4, 0.6])  # p(given | sample)
>>> audit = audit_labels(probs, noisy.given)
>>> bool((audit.suggested == true).all())
True

A name is imported when it is first used: `import dull_jax` is quick.
"""

import importlib
from typing import Any

from dull_jax import invocation

_WHERE = {
    "LabelErrors": "dull_jax.api.label_errors",
    "RobustClassifier": "dull_jax.api.robust_classifier",
    "TrainedRun": "dull_jax.api.training",
    "embed_images": "dull_jax.api.embedding",
    "find_label_errors": "dull_jax.api.label_errors",
    "image_paths": "dull_jax.api.embedding",
    "train_classifier": "dull_jax.api.training",
    "NoiseSpec": "dull_jax.data.noise",
    "NoisyLabels": "dull_jax.data.noise",
    "T2HNoise": "dull_jax.data.noise",
    "corrupt": "dull_jax.data.noise",
    "UserError": "dull_jax.errors",
    "Classifier": "dull_jax.inference",
    "load": "dull_jax.inference",
    "LabelAudit": "dull_jax.stats.label_audit",
    "audit_labels": "dull_jax.stats.label_audit",
}

if invocation.is_module():
    invocation.end_on_interrupt()

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return invocation.version()
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])

"""The test part that a user has set apart: not audited, but train samples may be copies of it."""

from typing import NamedTuple, cast

import numpy as np

from dull_jax.data.dataset import Dataset
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.data.vectors.vector_files import VectorFiles
from dull_jax.data.views.vectors import is_vectors


class EvalPart(NamedTuple):
    """n samples that a run is scored on and its user has set apart: no label of it is audited."""

    ids: np.ndarray  # str [n]
    paths: np.ndarray  # str objects [n], "" where there is no file
    labels: np.ndarray  # int [n]
    vectors: np.ndarray | VectorFiles  # [n, 1 or V, D]
    images: np.ndarray | ImageFiles | None = None


def of_dataset(dataset: Dataset, images: np.ndarray | ImageFiles | VectorFiles) -> EvalPart | None:
    """None where there are no vectors, or where the test part was drawn: then it is audited too.

    Args:
      dataset: embedded.  images: those of its test part before they were.
    """
    test, manifest = dataset.test, dataset.manifest
    if dataset.test_drawn or not dataset.train.vector_size or not len(test.ids):
        return None
    path_of = dataset.paths
    if manifest is not None:
        path_of = dict(zip(manifest.ids.tolist(), manifest.paths, strict=True))
    paths = np.array([path_of.get(key, "") for key in test.ids.tolist()], object)
    pictures = None if is_vectors(images) else cast(np.ndarray | ImageFiles, images)
    vectors = cast(np.ndarray | VectorFiles, test.images)
    return EvalPart(test.ids, paths, test.labels, vectors, pictures)

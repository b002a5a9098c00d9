"""Every label of the user's own, in one train set: an audit predicts each out of fold.

Training holds samples out: a part that nobody named, to test on, and `config.data.holdout`. Their
labels are as doubtful as the others. A test part that the user has set apart is left alone.
"""

import dataclasses

import numpy as np

from dull_jax.data.dataset import Dataset, TrainSet
from dull_jax.data.own import image_files


def merged(dataset: Dataset) -> tuple[Dataset, np.ndarray]:
    """(the data set, its train set with what was held out, str objects [N]: split of each label).

    A drawn test part stays the test part, too: nothing is scored on it.
    """
    train, holdout, test = dataset.train, dataset.holdout, dataset.test
    parts = [(train.images, train.given, train.ids, "train")]
    if len(holdout.ids):
        parts.append((holdout.images, holdout.given, holdout.ids, "train"))
    if dataset.test_drawn:
        parts.append((test.images, test.labels, test.ids, "test"))
    images, given, ids, names = zip(*parts, strict=True)
    splits = np.repeat(np.array(names, object), [len(part) for part in ids])
    if len(parts) == 1:
        return dataset, splits
    clean = np.concatenate([dataset.clean, dataset.labels["holdout_clean"]])
    if dataset.test_drawn:
        clean = np.concatenate([clean, test.labels])
    whole = TrainSet(
        images=image_files.joined(images),
        given=np.concatenate(given).astype(train.given.dtype),
        ids=np.concatenate(ids),
        class_names=train.class_names,
    )
    nothing = image_files.subset(holdout.images, np.arange(0))
    empty = TrainSet(nothing, holdout.given[:0], holdout.ids[:0], train.class_names)
    return dataclasses.replace(dataset, train=whole, clean=clean, holdout=empty), splits

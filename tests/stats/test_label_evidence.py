"""How often the opinions of an audit agree, by hand."""

import numpy as np
import pytest

from dull_jax.stats import label_evidence
from dull_jax.stats.opinion_pool import Pool


def evidence(*named):
    """Of opinions that name these classes, of three."""
    tables = [np.eye(3, dtype=np.float32)[classes] for classes in named]
    sources = tuple(lambda where, table=table: table[where] for table in tables)
    given = np.zeros(len(named[0]), np.int32)
    return label_evidence.Evidence(given, 3, sources, Pool(*np.ones((2, 3)), np.nan), 2)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ([[0, 1, 2, 0], [0, 1, 2, 0]], 1.0),
        ([[0, 1, 2, 0], [0, 1, 0, 1]], 0.5),
        ([[0, 1, 2, 0], [0, 1, 0, 1], [0, 0, 0, 0]], (2 / 4 + 2 / 4 + 2 / 4) / 3),
        ([[0, 1, 2, 0]], 1.0),
    ],
)
def test_agreement_is_the_mean_over_pairs(named, expected):
    assert evidence(*named).agreement(slice(None)) == pytest.approx(expected)


def test_agreement_is_of_the_samples_asked_for():
    assert evidence([0, 1, 2, 0], [0, 1, 0, 1]).agreement(np.array([0, 1])) == 1.0

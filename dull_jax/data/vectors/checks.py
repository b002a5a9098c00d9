"""Whether vectors can be trained on, by one pass through all of them."""

import numpy as np

from dull_jax.data.vectors.columns import Embeddings
from dull_jax.data.vectors.vector_files import VectorFiles
from dull_jax.errors import UserError


def check(found: Embeddings) -> VectorFiles:
    """The vectors of a file, checked.

    Raises:
      UserError: a row is not finite, or all rows are equal; of shards that differ, which does.
    """
    vectors, done, bad, first = VectorFiles(found.parts), 0, 0, -1
    start, varied = vectors[:1], False
    for block in vectors.blocks():
        if not np.isfinite(block).all():
            odd = np.flatnonzero(~np.isfinite(block).all((1, 2)))
            first = done + int(odd[0]) if first < 0 else first
            bad += len(odd)
        varied = varied or bool(np.any(block != start))
        done += len(block)
    if bad:
        kind = found.parts[0].dtype.name
        raise UserError(
            f"{found.name}: {bad:,} of {len(vectors):,} vectors are not finite, the first is row "
            f"{first:,} (counted from 0); they are {kind}: did a number overflow?"
        )
    if not varied:
        raise UserError(f"{found.name}: all {len(vectors):,} vectors are equal; nothing to learn")
    return vectors

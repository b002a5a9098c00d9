"""What a report shows of vectors: a map of them, and the nearest neighbours of suspects.

All of it is small and goes to outputs.npz. Vectors are floating `[N, V, D]`, arrays or files;
the plain one, view 0, stands for its sample.
"""

import numpy as np
from PIL import Image

from dull_jax.data.own.image_files import ImageFiles
from dull_jax.data.vectors.vector_files import VectorFiles
from dull_jax.stats import neighbour_graph
from dull_jax.stats.projection import Projection, planar
from dull_jax.train.learner import Learner

NEIGHBOURS = 5  # of each suspect
_DRAWN = 2_000  # points of the map: more would hide each other, and make the page heavy
_SEARCHED = 100_000  # samples among which neighbours are sought: memory for their plain vectors
_SIDE = 48  # pixels of a neighbour's picture


def embeddings(learner: Learner) -> np.ndarray | VectorFiles | None:
    """`[N, V, D]`: the vectors trained on; of images the features of the network as it is now.

    None where the method does not bring features to the host, or they are not finite.
    """
    train = learner.dataset.train
    if train.vector_size:
        return train.images
    if "features" not in learner.method.observed:
        return None
    features = learner.passes.observe(0, averaged=True)["features"]
    return features[:, None] if np.isfinite(features).all() else None


def arrays(
    vectors: np.ndarray | VectorFiles,
    pictures: np.ndarray | ImageFiles | None,
    suspects: np.ndarray,
) -> dict[str, np.ndarray]:
    """The part of outputs.npz: map_rows, map_points, map_method, map_explained; neighbours.

    Args:
      vectors: `[N, V, D]`, finite.
      pictures: `[N, H, W, C]`; None: there are no neighbour_pictures.
      suspects: int `[S]`, samples that are listed.
    """
    rows, drawn = drawn_rows(vectors, suspects)
    found = {
        "map_rows": rows.astype(np.int32),
        "map_points": drawn.points,
        "map_method": np.array(drawn.method),
        "map_explained": np.float32(drawn.explained),
        "neighbours": neighbours(vectors, suspects),
    }
    if pictures is not None:
        found["neighbour_pictures"] = small(pictures, found["neighbours"])
    return found


def drawn_rows(
    vectors: np.ndarray | VectorFiles, suspects: np.ndarray
) -> tuple[np.ndarray, Projection]:
    """The samples of the map, the suspects first, and where they lie on it."""
    rows = spaced(len(vectors), suspects, _DRAWN)
    return rows, planar(plain(vectors, rows))


def plain(vectors: np.ndarray | VectorFiles, rows: np.ndarray) -> np.ndarray:
    """`[n, D]`: view 0 of these rows."""
    return np.asarray(vectors[rows])[:, 0]


def spaced(size: int, first: np.ndarray, limit: int) -> np.ndarray:
    """At most `limit` of `size` rows: those in `first`, then others at even distances."""
    first = np.asarray(first, np.int64)[:limit]
    others = np.setdiff1d(np.arange(size), first)
    chosen = np.linspace(0, len(others) - 1, min(limit - len(first), len(others)))
    return np.concatenate([first, others[chosen.astype(np.int64)]])


def neighbours(vectors: np.ndarray | VectorFiles, suspects: np.ndarray) -> np.ndarray:
    """int32 `[S, k]`: the samples nearest to each suspect, nearest first; k is at most NEIGHBOURS.

    Of a very large set a part is searched, evenly spaced.
    """
    rows = spaced(len(vectors), suspects, _SEARCHED)
    queries = np.arange(len(suspects))
    graph = neighbour_graph.nearest(plain(vectors, rows), NEIGHBOURS, queries)
    return rows[graph.indices].astype(np.int32)


def small(pictures: np.ndarray | ImageFiles, rows: np.ndarray) -> np.ndarray:
    """uint8 `[*rows.shape, h, w, C]`: pictures of `rows`, shrunk to the size of a stamp."""
    unique, place = np.unique(rows, return_inverse=True)
    if not len(unique):
        return np.zeros((*rows.shape, 0, 0, 3), np.uint8)
    shrunk = np.stack([_shrunk(pixels) for pixels in pictures[unique]])
    return shrunk[place.reshape(rows.shape)]


def _shrunk(pixels: np.ndarray) -> np.ndarray:
    """`[H, W, C]` with no side above `_SIDE`; of more than three channels the first three."""
    if max(pixels.shape[:2]) <= _SIDE:
        return pixels
    image = Image.fromarray(pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., 0])
    image.thumbnail((_SIDE, _SIDE))
    shrunk = np.asarray(image)
    return shrunk if shrunk.ndim == 3 else shrunk[..., None]

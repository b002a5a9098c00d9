"""Which examples enter which step (host), and how a step gets their images (device).

The order of a phase is a pure function of (seed, epoch, phase, stream): no iterator has a state,
so a run stopped anywhere continues exactly. Images that fit live on the device; a step receives
indices and gathers and augments inside the compiled program. Others come with the indices.
"""

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dull_jax.data.own.image_files import ImageFiles
from dull_jax.data.views import vectors
from dull_jax.data.views.augment import AugmentSpec
from dull_jax.data.views.vectors import VectorSpec

_LOOKED_AT = 65_536  # images whose pixels stand for all of a larger set


class Rows(NamedTuple):
    """Examples on their way into a program; `…` are devices and steps."""

    indices: Any  # int32 […, b] in the set
    images: Any = None  # uint8 […, b, H, W, C], or vectors; None: the program has them in its data


def images_at(data: Mapping[str, jax.Array], rows: Rows) -> jax.Array:
    """uint8 `[b, H, W, C]`, or vectors `[b, V, D]`."""
    return data["images"][rows.indices] if rows.images is None else rows.images


def num_steps(num_examples: int, batch_size: int) -> int:
    """Steps of one phase: every example at least once.

    >>> num_steps(10, 4)
    3
    """
    return -(-num_examples // batch_size)


def batches(
    indices: np.ndarray, batch_size: int, steps: int, seed: tuple[int, int, int], stream: str
) -> np.ndarray:
    """Indices for every step of a phase.

    Each pass over the stream is a fresh permutation; a batch that outruns a pass continues in the
    next, so that batches have one size however many examples there are.

    Args:
      indices: `[n]` in the train set, n >= 1.
      seed: (run seed, epoch, phase).
      stream: its name; streams of one phase are ordered independently.

    Returns:
      int32 `[steps, batch_size]`.
    """
    rng = np.random.default_rng([*seed, zlib.crc32(stream.encode())])
    passes = -(-steps * batch_size // len(indices))
    order = np.concatenate([rng.permutation(indices) for _ in range(passes)])
    return order[: steps * batch_size].reshape(steps, batch_size).astype(np.int32)


def padded(indices: np.ndarray, batch_size: int) -> np.ndarray:
    """int32 `[steps, batch_size]`: indices `[n]` in order; the last repeated as padding.

    >>> padded(np.arange(6), 4)
    array([[0, 1, 2, 3],
           [4, 5, 5, 5]], dtype=int32)
    """
    steps = num_steps(len(indices), batch_size)
    rows = np.minimum(np.arange(steps * batch_size), len(indices) - 1)
    return indices[rows].astype(np.int32).reshape(steps, batch_size)


def example_keys(key: jax.Array, stream: str, first: jax.Array, count: int) -> jax.Array:
    """Keys `[count]` of the examples first, first+1, … of a stream's global batch.

    An example's key depends on its index in the global batch alone, not on the device that holds
    it: the same numbers come out on one device and on eight.
    """
    key = jax.random.fold_in(key, zlib.crc32(stream.encode()) & 0x7FFFFFFF)
    return jax.vmap(jax.random.fold_in, (None, 0))(key, first + jnp.arange(count))


def views_of(
    names: tuple[str, ...], keys: jax.Array, images: jax.Array, spec: AugmentSpec | VectorSpec
) -> dict[str, jax.Array]:
    """{name: float32 `[n, H, W, C]` or `[n, D]`}: the views of images or vectors, each drawn alone.

    A name may carry a number ("weak2") for a second, independent draw of the same kind.
    """
    made = {}
    for number, name in enumerate(names):
        own_keys = jax.vmap(jax.random.fold_in, (0, None))(keys, number)
        made[name] = spec.view(name.rstrip("0123456789"), own_keys, images)
    return made


def channel_statistics(
    images: np.ndarray | ImageFiles,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(mean, std) of each channel of uint8 images `[N, H, W, C]`, in [0, 1]; or of vectors.

    Exact integer sums over the histogram of values: no float copy of the set. Of a large set some
    ten thousand, evenly spaced, stand for all, wherever they are held.
    """
    if vectors.is_vectors(images):
        return vectors.statistics(images)
    chosen = np.linspace(0, len(images) - 1, min(len(images), _LOOKED_AT)).astype(int)
    counts = np.zeros((images.shape[-1], 256), np.int64)
    for start in range(0, len(chosen), 1024):
        block = images[chosen[start : start + 1024]]
        for channel in range(len(counts)):
            counts[channel] += np.bincount(block[..., channel].ravel(), minlength=256)
    means, deviations = [], []
    values = np.arange(256) / 255
    for share in counts / max(counts[0].sum(), 1):
        mean = float(share @ values)
        means.append(round(mean, 6))
        deviations.append(round(float(np.sqrt(share @ (values - mean) ** 2)), 6) or 1.0)
    return tuple(means), tuple(deviations)


def columns_of(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Columns as the device holds them: float64 as float32, int64 as int32."""
    narrow = {np.dtype(np.float64): np.float32, np.dtype(np.int64): np.int32}
    return {k: v.astype(narrow.get(v.dtype, v.dtype), copy=False) for k, v in columns.items()}

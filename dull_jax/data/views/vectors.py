"""Views of a sample that is known by vectors `[V, D]`: embeddings of its views, made beforehand.

Vector 0 is that of the plain image, further ones are of weak views. A step draws one of them; the
strong view is dropout of its numbers. (Vectors of RandAugment's views, which a frozen backbone was
not trained to withstand, made heads worse: docs/embeddings.md.)
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from dull_jax.data.views.augment import VIEWS
from dull_jax.errors import UserError
from dull_jax.fields import number

FIELDS = {
    "dropout": number(
        0.5,
        "vectors, strong view: share of the numbers set to their mean",
        0,
        1,
        below=True,
        later=True,
    ),
}
_LOOKED_AT = 65_536  # vectors that stand for all of a larger set


def is_vectors(images: object) -> bool:
    """Whether samples are vectors `[N, V, D]` and not images `[N, H, W, C]`."""
    return len(images.shape) == 3


def input_shape(images: object) -> tuple[int, ...]:
    """What a network is given of a sample: `(H, W, C)` of an image, `(D,)` of vectors."""
    return tuple(images.shape[2:] if is_vectors(images) else images.shape[1:])


def role(number: int) -> str:
    """The view that vector `number` of a sample is of."""
    return "weak" if number else "plain"


@dataclasses.dataclass(frozen=True)
class VectorSpec:
    """What the views do; hashable, as `AugmentSpec`, in whose place it stands.

    mean, std: per number of a vector. num_views: V. dropout: of the strong view.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    num_views: int
    dropout: float

    def __post_init__(self):
        if len(self.mean) != len(self.std) or not all(0 < s < math.inf for s in self.std):
            raise UserError("vectors: mean and std must fit, and std be positive")

    def view(self, name: str, keys: jax.Array | None, vectors: jax.Array) -> jax.Array:
        """One view of each sample, normalised: (x - mean) / std.

        Args:
          name: 'plain'; 'weak', any vector; 'strong' or 'contrast', any vector with dropout.
          keys: typed PRNG keys `[n]`, not read by 'plain'.
          vectors: floating `[n, V, D]`; for 'plain' further ones may lack.

        Returns:
          float32 `[n, D]`.
        """
        if name not in VIEWS:
            raise UserError(f"augment: view {name!r} is unknown; choose one of {VIEWS}")
        views = vectors.shape[1] if name == "plain" else self.num_views
        if vectors.ndim != 3 or vectors.shape[1:] != (views, len(self.mean)):
            raise UserError(
                f"vectors must be [n, {views}, {len(self.mean)}], not {tuple(vectors.shape)}"
            )
        if name == "plain" or views == 1:
            x = vectors[:, 0]
        else:
            drawn = jax.vmap(lambda key: jax.random.randint(key, (), 0, views))(keys)
            x = jnp.take_along_axis(vectors, drawn[:, None, None], axis=1)[:, 0]
        x = (x.astype(jnp.float32) - np.float32(self.mean)) * np.float32(1 / np.array(self.std))
        if name in ("strong", "contrast") and self.dropout:
            x = _dropped(x, keys, self.dropout)
        return x


def _dropped(x: jax.Array, keys: jax.Array, share: float) -> jax.Array:
    """Dropout (Srivastava et al. 2014) of the numbers of each row, by its own key."""
    keys = jax.vmap(jax.random.fold_in, (0, None))(keys, 1)
    kept = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - share, x.shape[1:]))(keys)
    return jnp.where(kept, x / (1 - share), 0.0)


def statistics(vectors: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(mean, std) of each number of the plain vectors of `[N, V, D]`; std as `AugmentSpec` has it.

    The deviation is that of all numbers together times sqrt(D) / 4: the geometry of the vectors
    stays, and their length is near 4, which the learning rates of image networks suit. Of a large
    set some ten thousand vectors, evenly spaced, stand for all.
    """
    rows = np.linspace(0, len(vectors) - 1, min(len(vectors), _LOOKED_AT)).astype(int)
    plain = np.asarray(vectors[rows])[:, 0].astype(np.float64)
    mean = plain.mean(0)
    spread = float(np.sqrt(np.mean((plain - mean) ** 2))) or 1.0
    scale = round(spread * math.sqrt(plain.shape[1]) / 4, 6) or 1.0
    return tuple(np.round(mean, 6).tolist()), (scale,) * plain.shape[1]

"""What a run has learnt, as a function from images to probabilities; read from its folder alone.

Of the folder it takes the recipe, what it says of the data, and checkpoints, and writes nothing; no
data set is needed. A run that is still training, or was stopped, serves with its newest checkpoint.
"""

import dataclasses
import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict
from scipy.special import softmax

from dull_jax import config as recipe
from dull_jax import jax_settings, methods, models
from dull_jax.data.dataset import TrainSet
from dull_jax.data.own import decode
from dull_jax.data.views.augment import AugmentSpec
from dull_jax.data.views.vectors import VectorSpec
from dull_jax.embed import encoder as encoders
from dull_jax.embed.encoder import Encoder
from dull_jax.errors import UserError, reason
from dull_jax.files import Path, expanded, path_of
from dull_jax.methods.base import Method
from dull_jax.names import shown
from dull_jax.run_dir import checkpoints, layout
from dull_jax.run_dir.leaves import Leaves, filled
from dull_jax.run_dir.read import read_json, read_recipe
from dull_jax.train.learner import augment_spec
from dull_jax.train.state import NetState

NOT_FINITE = "is not finite, or too large to compute with"  # a vector of a file, in messages

_AT_ONCE = 256  # image files that are in memory together
_CHANNELS = ("channel_mean", "channel_std")
_DAMAGE = (AttributeError, KeyError, TypeError, ValueError, OverflowError)


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A run's networks with their preprocessing; made by `load`.

    Attributes:
      method: what was trained.
      nets: its networks, averaged weights where there are any.
      augment: of it the mean and std of the train images or vectors.
      class_names: `[K]`.
      image_shape: (H, W, C); (V, D) of a run on vectors that were made elsewhere.
      fit: how an image of another shape is brought to this one: see `decode.read`.
      checkpoint: the step that is served.
      finished: whether the run is.
      encoder: of a run on the vectors of a frozen backbone.
    """

    method: Method
    nets: tuple[NetState, ...]
    augment: AugmentSpec | VectorSpec
    class_names: tuple[str, ...]
    image_shape: tuple[int, ...]
    fit: str
    checkpoint: int
    finished: bool
    encoder: Encoder | None = None

    def __str__(self) -> str:
        shape = "x".join(map(str, self.image_shape))
        what = f"vectors of {self.vector_size}" if self.vector_size else f"images of {shape}"
        state = "" if self.finished else ", the newest of a run that is not finished"
        by = f" by {self.encoder.name}" if self.encoder else ""
        return (
            f"{self.method.config.method}, {len(self.class_names)} classes, {what}{by}, "
            f"checkpoint {self.checkpoint}{state}"
        )

    @property
    def vector_size(self) -> int:
        """D, where it is the head alone and takes vectors; 0 where it takes images."""
        return self.image_shape[1] if len(self.image_shape) == 2 else 0

    @property
    def sample(self) -> jax.ShapeDtypeStruct:
        """What it takes: an image uint8 `[H, W, C]`, or a vector float32 `[D]`."""
        if self.vector_size:
            return jax.ShapeDtypeStruct((self.vector_size,), jnp.float32)
        return jax.ShapeDtypeStruct(self.image_shape, jnp.uint8)

    def read(self, path: str | os.PathLike) -> np.ndarray:
        """An image file in the networks' shape, uint8 `[H, W, C]`.

        Raises:
          decode.BadImage: it cannot be decoded; the text says why.
          OSError: it cannot be opened.
        """
        height, width, channels = self.image_shape
        return decode.read(path, (height, width), self.fit, channels)

    @classmethod
    def load(cls, run: str | os.PathLike) -> "Classifier":
        """`load` of this module: the classifier that a run has trained so far. Raises UserError."""
        return load(run)

    def predict(self, images: np.ndarray | Sequence[str | os.PathLike]) -> np.ndarray:
        """The likeliest class of each image, str `[N]`; arguments as of `predict_proba`."""
        return np.array(self.class_names)[self.predict_proba(images).argmax(1)]

    def predict_proba(self, images: np.ndarray | Sequence[str | os.PathLike]) -> np.ndarray:
        """Class probabilities, float32 `[N, K]`; columns are `class_names`.

        Args:
          images: as of `logits`; or paths of image files, which are brought to the networks' shape.

        Raises:
          UserError: as of `logits`; or a file that cannot be read, by its name.
        """
        if isinstance(images, np.ndarray):
            return self.probs(images)
        if isinstance(images, str | os.PathLike):
            raise UserError(f"give a list of paths, [{os.fspath(images)!r}], or an array")
        parts = [self.probs(np.zeros((0, *self.sample.shape), self.sample.dtype))]
        for start in range(0, len(images), _AT_ONCE):
            parts.append(self.probs(self._files(images[start : start + _AT_ONCE])))
        return np.concatenate(parts)

    def _files(self, paths: Sequence[str | os.PathLike]) -> np.ndarray:
        if self.vector_size:
            raise UserError(f"this run takes vectors, float32 [N, {self.vector_size}]; not paths")
        if not all(isinstance(path, str | os.PathLike) for path in paths):
            raise UserError("images must be an array, or a list of paths")

        def read(path: str | os.PathLike) -> np.ndarray:
            try:
                return self.read(expanded(path))
            except (decode.BadImage, OSError) as error:
                raise UserError(f"{shown(os.fspath(path))}: {reason(error)}") from None

        with ThreadPoolExecutor(os.cpu_count()) as threads:
            return np.stack(list(threads.map(read, paths)))

    def probs(self, images: np.ndarray, batch_size: int = 64, strict: bool = True) -> np.ndarray:
        """Class probabilities, float32 `[N, K]`; arguments and errors as for `logits`."""
        return softmax(self.logits(images, batch_size, strict), axis=1)

    @jax_settings.pinned()
    def logits(self, images: np.ndarray, batch_size: int = 64, strict: bool = True) -> np.ndarray:
        """What the run's test accuracy was measured with, float32 `[N, K]`.

        Args:
          images: uint8 `[N, H, W, C]`; float32 `[N, D]` where it takes vectors.
          batch_size: images on the device at a time; every batch is padded to it, so that one
            program serves them all.
          strict: whether a sample that is `NOT_FINITE` is refused; else its row is NaN.

        Raises:
          UserError: `images` have another type or shape, or one is `NOT_FINITE`; names its row.
        """
        wanted, kind = self.sample, "vectors" if self.vector_size else "images"
        if images.dtype != wanted.dtype or images.shape[1:] != wanted.shape:
            shape = map(str, wanted.shape)
            raise UserError(
                f"{kind} must be {wanted.dtype} [N, {', '.join(shape)}], "
                f"these are {images.dtype} {list(images.shape)}"
            )
        parts = [np.zeros((0, len(self.class_names)), np.float32)]
        for start in range(0, len(images), batch_size):
            parts.append(self._logits(images[start : start + batch_size], batch_size))
        logits = np.concatenate(parts)
        bad = np.flatnonzero(np.isnan(logits).any(1))
        if strict and len(bad):
            more = f" ({len(bad) - 1:,} more)" if len(bad) > 1 else ""
            raise UserError(f"{kind}: row {bad[0]:,} (counted from 0) {NOT_FINITE}{more}")
        return logits

    def _logits(self, batch: np.ndarray, size: int) -> np.ndarray:
        """Of a batch that is padded to `size`; NaN where a sample is `NOT_FINITE`."""
        padding = ((0, size - len(batch)), *[(0, 0)] * (batch.ndim - 1))
        logits = np.array(self._program(self.variables, np.pad(batch, padding)))[: len(batch)]
        finite = np.isfinite(logits).all(1)
        if self.vector_size:
            finite &= np.isfinite(batch).all(1)
        logits[~finite] = np.nan
        return logits

    @functools.cached_property
    def _program(self):
        return jax.jit(self.forward)

    @property
    def variables(self) -> tuple[tuple[NetState, ...], Any]:
        """What `forward` computes with: the networks, and what the encoder has learnt."""
        return self.nets, self.encoder.variables if self.encoder else ()

    def forward(self, variables: tuple[Any, Any], images: jax.Array) -> jax.Array:
        """uint8 `[B, H, W, C]`, or vectors `[B, D]`, -> logits `[B, K]`; pure, for `jax.jit`."""
        nets, frozen = variables
        samples = images[:, None] if self.vector_size else images
        if self.encoder:
            samples = self.encoder.plain(frozen, images)
        return self.method.predict(nets, self.augment.view("plain", None, samples))


@jax_settings.pinned()
def load(run: str | os.PathLike) -> Classifier:
    """The classifier that a run has trained so far.

    Args:
      run: the run's folder, the workdir of training.

    Raises:
      UserError: no run there, no good checkpoint, or a file that is damaged or of an older version.
    """
    folder = path_of(run, "the run")
    _require(folder, layout.CONFIG, ("method", "model", "augment", "data"))
    config, about = recipe.completed(read_recipe(folder)), _about(folder)
    shape, encoder = tuple(about["image_shape"]), _encoder(folder, config, about)
    inputs = (1, encoder.channels) if encoder else shape
    try:
        method = _method(config, tuple(about["class_names"]), inputs)
        augment = augment_spec(config, method.train, *(about[key] for key in _CHANNELS))
        if (fit := config.data.get("fit", "crop")) not in decode.FITS:
            raise ValueError(f"data.fit is {fit!r}")
    except _DAMAGE as error:
        text = f"{folder / layout.CONFIG} is damaged or of another version ({reason(error)})"
        raise UserError(f"{text}; train again") from None
    leaves, step = checkpoints.newest(folder)
    nets = tuple(_net(method, leaves, n, folder) for n in range(method.num_networks))
    return Classifier(
        method=method,
        nets=jax.device_put(nets),
        augment=augment,
        class_names=method.train.class_names,
        image_shape=shape,
        fit=fit,
        checkpoint=step,
        finished=(folder / layout.RESULT).exists(),
        encoder=encoder,
    )


def of_vectors(
    config: ConfigDict,
    class_names: Sequence[str],
    channels: Sequence[Sequence[float]],
    leaves: Leaves,
) -> Classifier:
    """The classifier of vectors `[N, D]` that was trained in memory.

    Args:
      channels: mean and std of each of the D numbers, by which they are normalised.
      leaves: 'nets/0/params/…' and so on, as a checkpoint has them.
    """
    shape = (1, len(channels[0]))
    method = _method(config, tuple(class_names), shape)
    nets = [_net(method, leaves, n, "in memory") for n in range(method.num_networks)]
    return Classifier(
        method=method,
        nets=jax.device_put(tuple(nets)),
        augment=augment_spec(config, method.train, *channels),
        class_names=tuple(class_names),
        image_shape=shape,
        fit="",
        checkpoint=int(nets[0].step),
        finished=True,
    )


def _encoder(folder: Path, config: ConfigDict, about: dict[str, Any]) -> Encoder | None:
    """The frozen backbone of a run on its vectors; None of any other run.

    Raises:
      UserError: its weights are not there, or others than the run's.
    """
    made = about.get("embeddings")
    if made is None:
        return None
    try:
        name, digest = made["backbone"], made["digest"]
    except (KeyError, TypeError):
        raise UserError(f"{folder / layout.DATA}: embeddings is damaged; train again") from None
    encoder = encoders.load(config)
    if (encoder.name, encoder.digest) != (name, digest):
        raise UserError(
            f"{folder} was trained on vectors of {name} with other weights than there are now "
            f"(sha256 {str(digest)[:12]}, now {encoder.digest[:12]}); put them back"
        )
    return encoder


def _about(folder: Path) -> dict[str, Any]:
    """What the run says of its images and classes."""
    about = _require(folder, layout.DATA, ("class_names", "image_shape", *_CHANNELS))
    sides = about["image_shape"]
    sound = {
        "class_names": _all(about["class_names"], str),
        "image_shape": _all(sides, int)
        and len(sides) in (2, 3)
        and all(0 < side <= decode.MAX_SIDE for side in sides),
    }
    sound |= {key: _all(about[key], int, float) for key in _CHANNELS}
    if sound["image_shape"] and "embeddings" not in about:
        sound |= {key: sound[key] and len(about[key]) == sides[-1] for key in _CHANNELS}
    for key, good in sound.items():
        if not good:
            raise UserError(f"{folder / layout.DATA}: {key} is damaged; train again")
    return about


def _all(values: Any, *kinds: type) -> bool:
    """Whether it is a list of these, and not an empty one."""
    return isinstance(values, list) and bool(values) and all(type(v) in kinds for v in values)


def _require(folder: Path, name: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """A JSON object of the run that must have these keys."""
    values = read_json(folder / name)
    if not values:
        raise UserError(f"{folder}: there is no run in this folder ({name} is not there)")
    for key in keys:
        if key not in values:
            raise UserError(
                f"{folder / name} has no {key!r}: the run is of another version; train again"
            )
    return values


def _method(config: ConfigDict, class_names: tuple[str, ...], shape: tuple[int, ...]) -> Method:
    """The method around an empty train set: predicting needs none."""
    try:
        kind = methods.module(config.method).Method
    except UserError:  # the method of a recipe that is damaged or of another version
        raise KeyError(f"method {config.method!r}") from None
    nobody = np.zeros(0, np.int32)
    train = TrainSet(np.zeros((0, *shape), np.uint8), nobody, nobody, class_names)
    size = train.vector_size
    network = models.build(
        config.model, len(class_names), head=kind.head_of(config), vector_size=size
    )
    return kind(config, network, train)


def _net(method: Method, leaves: Leaves, n: int, run: Path | str) -> NetState:
    """Network `n` with what a checkpoint holds for prediction."""
    own = f"nets/{n}/"
    averaged = any(name.startswith(f"{own}average/") for name in leaves)
    root = f"{own}average/" if averaged else own

    def stored(name: str, wanted: jax.ShapeDtypeStruct) -> np.ndarray:
        leaf = leaves.get(root + name)
        if leaf is None or leaf.shape != wanted.shape:
            there = "not there" if leaf is None else leaf.shape
            raise UserError(
                f"{run}: the checkpoint does not fit {layout.CONFIG} and {layout.DATA}: "
                f"{root + name} is {there}, wanted is {wanted.shape}"
            )
        return leaf

    def init() -> Any:
        inputs = jnp.zeros((2, *method.train.input_shape))
        return method.network.init(jax.random.key(0), inputs, train=False)

    variables = filled(jax.eval_shape(init), stored)
    return NetState(
        step=jnp.asarray(leaves[f"{own}step"]),
        params=variables["params"],
        batch_stats=variables.get("batch_stats", {}),
        opt=(),
        average={},
        extra={},
        samples={},
    )

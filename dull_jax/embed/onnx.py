"""Any image network that was exported to an `.onnx` file, run by onnxruntime on the CPU."""

import dataclasses
import hashlib
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from dull_jax import files, machine
from dull_jax.data.views.augment import AugmentSpec
from dull_jax.embed.views import ImageEncoder, Network
from dull_jax.errors import UserError, reason
from dull_jax.fields import suggestion
from dull_jax.models.weights.timm_vit import MEAN, STD
from dull_jax.names import quoted, shown
from dull_jax.train.parallel import Devices

_BLOCK = 16  # images that the network is given together
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class OnnxEncoder(ImageEncoder):
    """uint8 images [b, size, size, 3] -> float32 vectors [b, channels].

    The network has one input of images, [B, 3, H, W] or [B, H, W, 3], and may have several outputs.
    A vector is its output [B, D], the first token of [B, T, D], or the mean over the pixels of a
    feature map, which has the layout of the input. A network for one image at a time is called once
    for each.

    Attributes:
      path: the file.  digest: sha256 of it, and of the weights that it keeps in files beside it.
      size: side of the images, in pixels; `input_size` is the same.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        size: int = 0,
        *,
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
        output: str = "",
    ):
        """Opens the file and embeds one black image.

        Args:
          size: side of the images where the file leaves it open; else 0, or that of the file.
          mean, std: of pixels in [0, 1], by channel, as the network was trained.
          output: name of an output; "" is the first.

        Raises:
          UserError: onnxruntime is not installed; no `.onnx` file, or its weights are not there;
            not one input of images with three channels; a fixed batch of several images; the size
            is open, or another one; there is no such output; a vector is not finite.
        """
        self.path, self.name = str(path), pathlib.Path(path).name
        self.digest = _digest(pathlib.Path(path))
        self._session = _session(self.path)
        self._input = _image_input(self.path, self._session, size)
        self._output = _output_name(self.path, self._session, output)
        self.size = self.input_size = self._input.size
        self.augment = AugmentSpec(tuple(mean), tuple(std))
        self._channels = self(np.zeros((1, self.size, self.size, 3), np.uint8)).shape[1]

    @property
    def channels(self) -> int:
        """D, the length of a vector."""
        return self._channels

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """uint8 [b, size, size, 3] -> float32 [b, channels].

        Raises:
          UserError: a vector is not finite, or the network fails.
        """
        vectors = self._of(np.asarray(self.view(0, None, images)))
        wrong = np.flatnonzero(~np.isfinite(vectors).all(1))
        if len(wrong):
            raise UserError(
                f"{self.path}: output {quoted(self._output)} is not finite for {len(wrong)} of "
                f"{len(vectors)} images"
            )
        return vectors

    def made_by(self, number: int, image: tuple[Any, ...]) -> dict[str, Any]:
        """As of any encoder, and what was said of this file."""
        said = {"mean": self.augment.mean, "std": self.augment.std, "output": self._output}
        return super().made_by(number, image) | said

    def network(self, devices: Devices) -> tuple[Network, int]:
        """All cores compute one block; `devices` draw the views."""
        return self._of, _BLOCK

    def _of(self, inputs: np.ndarray) -> np.ndarray:
        """Normalised images float32 [b, size, size, 3] -> float32 [b, channels]."""
        if self._input.channels_first:
            inputs = inputs.transpose(0, 3, 1, 2)
        inputs = np.ascontiguousarray(inputs, self._input.dtype)
        batches = np.split(inputs, len(inputs)) if self._input.one_by_one else [inputs]
        return np.concatenate([self._vectors(batch) for batch in batches])

    def _vectors(self, inputs: np.ndarray) -> np.ndarray:
        try:
            (output,) = self._session.run([self._output], {self._input.name: inputs})
        except Exception as error:
            raise UserError(f"{self.path}: the network fails ({_reason(error)})") from None
        shape: tuple[int, ...] = getattr(output, "shape", ())
        if len(shape) not in (2, 3, 4) or shape[0] != len(inputs):
            raise UserError(
                f"{self.path}: output {quoted(self._output)} is {list(shape)} for {len(inputs)} "
                "images; wanted are [B, D], [B, T, D] or a feature map of four axes"
            )
        output = output.astype(np.float32)
        if len(shape) == 4:
            return output.mean((2, 3) if self._input.channels_first else (1, 2))
        return output[:, 0] if len(shape) == 3 else output


@dataclasses.dataclass(frozen=True)
class _Input:
    """How the network takes images."""

    name: str
    dtype: Any
    channels_first: bool
    size: int
    one_by_one: bool


def _session(path: str) -> Any:
    """Raises UserError where onnxruntime is not installed or does not open the file."""
    try:
        import onnxruntime
    except ImportError:
        raise UserError(
            f'{path}: an .onnx file needs onnxruntime; run: pip install "dull_jax[onnx]"'
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = machine.cores(), 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # what fails is raised; the rest is no news to a user
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a dozen classes with no base of their own
        missing = [each.name for each in _weights_beside(pathlib.Path(path)) if not each.is_file()]
        if missing:
            raise UserError(
                f"{path}: its weights are in {quoted(missing[0])}, which is not beside it"
            ) from None
        raise UserError(f"{path}: onnxruntime does not open it ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    """What onnxruntime says, without its codes and the path.

    >>> _reason(ValueError("[ONNXRuntimeError] : 7 : BAD : Load model from a.onnx failed:No graph"))
    'No graph'
    """
    start = r"\[ONNXRuntimeError\] : \d+ : \w+ : (Load model from .* failed:)?"
    return reason(ValueError(re.sub(start, "", str(error))))


def _digest(path: pathlib.Path) -> str:
    """The sha256 of the file, and of those that it names as holding its weights."""
    try:
        files.check_regular(path)
        digest = hashlib.sha256(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    for beside in _weights_beside(path):
        if beside.is_file():
            with beside.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _weights_beside(path: pathlib.Path) -> list[pathlib.Path]:
    """The files that hold weights too large for one message of protobuf."""
    # There an entry has a key (field 1), "location", and a name (field 2) of less than 128 bytes.
    entry = rb"\n\x08location\x12(?=([\x01-\x7f])([^\x00]{1,127}))"
    found = re.findall(entry, path.read_bytes())
    names = {name[: ord(length)].decode(errors="replace") for length, name in found}
    return sorted(path.parent / name for name in names)


def _image_input(path: str, session: Any, size: int) -> _Input:
    """Raises UserError for what is no network from images to vectors; see `OnnxEncoder`."""
    inputs = session.get_inputs()
    names = ", ".join(shown(each.name) for each in inputs)
    if len(inputs) != 1:
        raise UserError(f"{path}: {len(inputs)} inputs ({names}); wanted is one, of images")
    (only,) = inputs
    if only.type not in _TYPES:
        raise UserError(f"{path}: input {names} is {only.type}; wanted are {', '.join(_TYPES)}")
    axes = [axis if isinstance(axis, int) and axis > 0 else 0 for axis in only.shape]  # 0: open
    if len(axes) != 4 or (axes[1] not in (0, 3) and axes[3] != 3):
        raise UserError(
            f"{path}: input {names} is {only.shape}; wanted are images of 3 channels, "
            "[B, 3, H, W] or [B, H, W, 3]"
        )
    if axes[0] > 1:
        raise UserError(
            f"{path}: made for just {axes[0]} images at a time; export it with a batch size that "
            "is open, or 1"
        )
    channels_first = axes[1] == 3 or axes[3] != 3
    side = _side(path, axes[2:] if channels_first else axes[1:3], size)
    return _Input(only.name, _TYPES[only.type], channels_first, side, axes[0] == 1)


def _side(path: str, sides: Sequence[int], size: int) -> int:
    """The side of the images: what the file fixes, or what is asked for."""
    fixed = {side for side in sides if side}
    if len(fixed) > 1:
        raise UserError(f"{path}: images of {sides[0]} x {sides[1]} pixels; wanted are square ones")
    if not fixed and not size:
        raise UserError(f"{path}: images of any size fit; name one (--size)")
    if fixed and size not in (0, *fixed):
        raise UserError(f"{path}: takes images of {fixed.pop()} pixels, not of {size}")
    return size or fixed.pop()


def _output_name(path: str, session: Any, wanted: str) -> str:
    names = [output.name for output in session.get_outputs()]
    if wanted and wanted not in names:
        raise UserError(f"{path}: output {quoted(wanted)}: {suggestion(wanted, names)}")
    return wanted or names[0]

"""`dull_jax.embed_images`: a folder, paths or arrays of images in, vectors out."""

import dataclasses
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral

import numpy as np

from dull_jax import jax_settings
from dull_jax.data.own import decode, scan
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.data.own.image_tree import ImageTree
from dull_jax.embed.cache import content_of_pixels, content_of_text
from dull_jax.embed.embedding import Embedding, Images
from dull_jax.embed.encoder import Encoder
from dull_jax.embed.named import DEFAULT, SIZE, encoder_of
from dull_jax.errors import UserError
from dull_jax.fields import suggestion
from dull_jax.files import expanded
from dull_jax.names import shown
from dull_jax.train.parallel import Devices

Say = Callable[[str], None]
Folder = str | os.PathLike

_WANTED = "images must be paths, or one array uint8 [N, H, W, 3]"


def image_paths(folder: Folder) -> list[str]:
    """The images below a folder, sorted; whatever else lies there is passed over. Or one file.

    Raises:
      UserError: there is no such folder or file, or no image in the folder.
    """
    folder = os.path.abspath(expanded(folder, "the folder"))
    if os.path.isfile(folder):
        return [folder]
    if not os.path.isdir(folder):
        raise UserError(f"there is no folder or file {shown(folder)}")
    found = sorted(ImageTree(folder).images(folder))
    if not found:
        raise UserError(f"{shown(folder)} holds no images")
    return [os.path.join(folder, path) for path in found]


@jax_settings.pinned()
def embed_images(
    images: Folder | Sequence[str | os.PathLike] | np.ndarray,
    *,
    model: str = DEFAULT,
    weights: str = "",
    size: int = 0,
    fit: str = "crop",
    cache: Folder | None = None,
    say: Say = print,
) -> np.ndarray:
    """A vector for each image, float32 `[N, D]`, by a pretrained network.

        paths = image_paths("PHOTOS")
        vectors = embed_images(paths)

    Args:
      images: paths, in the order of the vectors, as a list or an array; a folder, which means its
        `image_paths`; or an array uint8 `[N, H, W, 3]`.
      model: EfficientNet-Lite0, whose weights are installed; another network with `weights`, a
        safetensors file; or the path of an .onnx file.
      size: pixels of a side that images are brought to; 0: files to what the network was trained
        with, while an array stays as it is. Networks see more in small images that are enlarged,
        such as 32 pixels to 112.
      fit: how a file becomes a square: crop, pad or stretch.
      cache: folder that keeps vectors by the images' content; None: they are not kept.
      say: receives lines of progress.

    Raises:
      UserError: no such network or weights, an argument that is none of these, or an image that
        cannot be read, by its name.
      Stopped: a signal came; what is done is in the cache.
    """
    size = _checked(size, fit)
    if isinstance(images, np.ndarray) and images.dtype.kind in "OU":
        images = images.tolist()
    if isinstance(images, str | os.PathLike):
        images = image_paths(images)
    if not isinstance(images, np.ndarray):
        images = _paths(images)
    encoder = encoder_of(model, weights, size)
    if isinstance(images, np.ndarray):
        part = _array(images)
        if isinstance(encoder, Encoder):  # others have a size of their own
            encoder = dataclasses.replace(encoder, input_size=size)
    else:
        part = _files(images, encoder.input_size or size or SIZE, fit, say)
    with tempfile.TemporaryDirectory() as scratch:
        keep = pathlib.Path(expanded(cache, "cache") if cache else scratch)
        (vectors,) = Embedding(encoder, keep, Devices(), say).vectors([part])
    return vectors[:, 0].astype(np.float32)


def _checked(size: int, fit: str) -> int:
    """The size, where both are sound. Raises UserError, which says what an argument may be."""
    if not isinstance(size, Integral) or not 0 <= size <= decode.MAX_SIDE:
        raise UserError(f"size must be a whole number from 0 to {decode.MAX_SIDE:,}, not {size!r}")
    if fit not in decode.FITS:
        raise UserError(f"fit={fit!r}: {suggestion(fit, decode.FITS)}")
    return int(size)


def _paths(images: Iterable[str | os.PathLike]) -> list[str | os.PathLike]:
    """Them as a list. Raises UserError where one is no path."""
    paths = list(images) if isinstance(images, Iterable) else [images]
    for n, path in enumerate(paths):
        if not isinstance(path, str | os.PathLike):
            raise UserError(f"{_WANTED}; image {n} is of type {type(path).__name__}")
    return paths


def _array(images: np.ndarray) -> Images:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        kind = f"{images.dtype} {list(images.shape)}"
        raise UserError(f"{_WANTED}; these are {kind}")
    contents = [content_of_pixels(image) for image in images]
    return Images(images, np.array(contents, np.uint8).reshape(-1, 32), views=1)


def _files(paths: Sequence[str | os.PathLike], size: int, fit: str, say: Say) -> Images:
    """Image files, each of which has been opened once."""
    absolute = [os.path.abspath(expanded(path, "a path")) for path in paths]
    infos = scan.inspect_all(pathlib.Path("/"), absolute, say)
    broken = [n for n, info in enumerate(infos) if info.reason]
    if broken:
        more = f" ({len(broken) - 1:,} more cannot be read)" if len(broken) > 1 else ""
        path = shown(absolute[broken[0]])
        raise UserError(f"image {broken[0]}, {path}: {infos[broken[0]].reason}{more}")
    contents = [content_of_text(info.sha256[:16]) for info in infos]  # as a run's own cache has it
    files = ImageFiles("/", np.array(absolute, object), size, fit)
    return Images(files, np.array(contents, np.uint8).reshape(-1, 32), views=1)

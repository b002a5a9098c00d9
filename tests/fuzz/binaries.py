"""Readers of archives, pretrained weights and pictures: as `tables`."""

import functools
import io
import pathlib
import pickle
import tarfile

import numpy as np
from PIL import Image
from safetensors import numpy as safetensors

import mini_cifar
import pictures
import torch_file
from dull_jax.data.own import decode
from dull_jax.data.tfds import cifar_archive
from dull_jax.errors import UserError
from dull_jax.models.weights import tensors as reader
from dull_jax.models.weights import timm_resnet, torch_legacy

# Archives ----------------------------------------------------------------------------------------

_MEMBERS = {name: data[:700] for name, data in mini_cifar.files("cifar100").items()}
_FACTS = mini_cifar.facts("cifar100", _MEMBERS)


def _tar(mode: str, form: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=f"w:{mode}", format=form) as tar:
        for name, data in _MEMBERS.items():
            info = tarfile.TarInfo(f"{_FACTS.folder}/{name}")
            info.size, info.pax_headers = len(data), {"comment": "x" * 50}
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


ARCHIVES = (
    _tar("", tarfile.PAX_FORMAT),
    _tar("", tarfile.GNU_FORMAT),
    *(_tar(mode, tarfile.PAX_FORMAT) for mode in ("gz", "bz2", "xz")),
)


def archive(folder: pathlib.Path) -> None:
    assert cifar_archive.read_members(_FACTS, folder / "file.tar") == _MEMBERS


PICKLES = (
    *list(mini_cifar.files("cifar100").values())[1:],
    pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 1]}, 2),
)


def cifar_pickle(folder: pathlib.Path) -> None:
    """Real members are verified first; this is what a mistake there would let through."""
    assert type(cifar_archive.parse((folder / "file.pickle").read_bytes())) is dict


# Weights -----------------------------------------------------------------------------------------


@functools.cache
def _small_leaves(name: str) -> dict[str, tuple[int, ...]]:
    return {leaf: tuple(min(n, 2) for n in shape) for leaf, shape in _true_leaves(name).items()}


_true_leaves = timm_resnet._leaves


def small_weights(monkeypatch) -> None:
    """Every dimension of the ResNets is 2 at most, so that a valid file has 20 kB."""
    monkeypatch.setattr(timm_resnet, "_leaves", _small_leaves)


@functools.cache
def weights() -> tuple[bytes, ...]:
    shapes = {
        timm_resnet._tensor_name(leaf): reader.theirs(shape)
        for leaf, shape in _small_leaves("resnet18").items()
    }
    tensors = {key: np.full(shape, 0.5, np.float32) for key, shape in shapes.items()}
    half = {key: array.astype(np.float16) for key, array in tensors.items()}
    wide = {key: array.astype(np.float64) for key, array in tensors.items()}
    few = dict(list(tensors.items())[:3])
    return tuple(safetensors.save(kind) for kind in (tensors, half, wide, few))


def pretrained_weights(folder: pathlib.Path) -> None:
    found = timm_resnet.load(folder / "file.safetensors", "resnet18")
    assert len(found) == len(_small_leaves("resnet18"))
    for array in found.values():
        assert array.dtype == np.float32 and np.isfinite(array).all()


TORCH_FILES = (
    torch_file.encoded(torch_file.example()),
    torch_file.encoded({"w": np.ones((2, 3), np.float32).T}),
    torch_file.encoded({"w": np.ones(3, np.float32)}, offset=1, shape=(2,)),
)


def torch_tensors(folder: pathlib.Path) -> None:
    """Real files are known by their digest first; as with the pickles of CIFAR."""
    data = (folder / "file.pth").read_bytes()
    found = torch_legacy.tensors_of(data, "file.pth")
    assert sum(array.nbytes for array in found.values()) <= len(data)
    assert all(type(name) is str for name in found)


# Pictures ----------------------------------------------------------------------------------------

IMAGES = (
    *(pictures.encoded(pictures.pixels(), kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP")),
    *(pictures.encoded(pictures.pixels(), kind) for kind in ("TIFF", "PPM")),
    pictures.encoded(pictures.pixels(), "TIFF", compression="tiff_lzw"),
    pictures.rotated(6, pictures.pixels()),
    *(pictures.animated(kind) for kind in ("GIF", "PNG", "WEBP", "TIFF")),
    pictures.encoded(Image.fromarray(pictures.pixels()).convert("P"), "PNG", transparency=0),
    pictures.encoded(Image.fromarray(pictures.pixels()).convert("CMYK"), "JPEG"),
    pictures.encoded(pictures.pixels()[..., 0].astype(np.uint16) * 16, "TIFF"),
    pictures.encoded(pictures.pixels()[..., 0].astype(np.int32) - 9, "TIFF"),
    *(
        pictures.encoded(pictures.pixels(), kind)
        for kind, suffix in (("AVIF", ".avif"), ("HEIF", ".heic"))
        if not decode.lacking(suffix)
    ),
    pictures.bomb(),
)


def image(folder: pathlib.Path) -> None:
    """What `inspect` lets through must be decoded the same way in every shape."""
    data = (folder / "file.img").read_bytes()
    try:
        facts = decode.inspect(data, ".png")
        assert facts.width * facts.height <= decode.MAX_PIXELS
        for fit in decode.FITS:
            found = decode.read(folder / "file.img", (9, 12), fit)
            assert found.shape == (9, 12, 3) and found.dtype == np.uint8
    except decode.BadImage as error:
        raise UserError(str(error)) from None

"""NumPy's archive of arrays: vectors, and ids, labels and split where they are there.

A member that `np.savez` has stored is mapped where it lies. A compressed one is unpacked into
memory, which is looked at first: a small file may claim to hold terabytes.
"""

import json
import math
import pathlib
import zipfile
from typing import IO

import numpy as np

from dull_jax import memory
from dull_jax.data.vectors.columns import TEXTS, Embeddings, as_text, as_vectors, chosen, gathered
from dull_jax.errors import UserError

TITLE, SUFFIX = "an .npz archive", ".npz"

_END = ".npy"
_LOCAL = 30  # bytes of a member's header; the lengths of its name and extra field are the last 4
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read(name: str, path: pathlib.Path) -> Embeddings:
    """Members as `columns.chosen` names them. Raises UserError, or as zipfile and NumPy do."""
    with zipfile.ZipFile(path) as archive:
        members = {i.filename.removesuffix(_END): i for i in archive.infolist()}
        column = {what: members[key] for what, key in chosen(name, members).items()}
        vectors = as_vectors(name, _array(name, path, archive, column["vectors"]))
        texts = {
            what: as_text(name, what, _array(name, path, archive, column[what]))
            for what in TEXTS
            if what in column
        }
        about = _about(name, path, archive) if "about" in members else {}
    return gathered(name, vectors, texts, about)


def _about(name: str, path: pathlib.Path, archive: zipfile.ZipFile) -> dict[str, str]:
    """What a file of ours says of itself, as `embed.shards` writes it; {} of anything else."""
    try:
        found = json.loads(str(_array(name, path, archive, archive.getinfo("about.npy"))))
    except (KeyError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _array(
    name: str, path: pathlib.Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo
) -> np.ndarray:
    with archive.open(member) as file:
        shape, fortran, dtype = _header(file)
        begin = file.tell()
    if dtype.hasobject:
        return np.empty(shape[:1], object)  # which is refused, with the reason
    size = math.prod(shape) * dtype.itemsize
    if size != member.file_size - begin:
        raise ValueError(f"{member.filename} is not of the size that it claims")
    if member.compress_type == zipfile.ZIP_STORED and size:
        at, order = _data_offset(path, member) + begin, "F" if fortran else "C"
        return np.memmap(path, dtype, "r", at, shape, order)
    if size > (free := memory.free()):
        what = f"{member.filename} is compressed and takes {memory.shown(size)} of memory"
        raise UserError(
            f"{name}: {what}, there are {memory.shown(free)}; save it by np.savez, which is mapped"
        )
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """(shape, whether in Fortran's order, type) of an array; the file stands at its data then."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of the array format is unknown")
    return _HEADERS[version](file)


def _data_offset(path: pathlib.Path, member: zipfile.ZipInfo) -> int:
    """Where a stored member's bytes begin in the file; the directory at its end does not say."""
    with path.open("rb") as file:
        file.seek(member.header_offset)
        local = file.read(_LOCAL)
    lengths = (int.from_bytes(local[at : at + 2], "little") for at in (26, 28))
    return member.header_offset + _LOCAL + sum(lengths)

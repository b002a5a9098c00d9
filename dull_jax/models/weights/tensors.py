"""What every layout owes: a file is read whole, and its tensors are just those wanted."""

import os
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from safetensors import numpy as safetensors

from dull_jax.errors import UserError, reason
from dull_jax.names import shown
from dull_jax.run_dir.leaves import by_name


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """{tensor: array} of a safetensors file.

    Raises:
      UserError: there is no such file, or it is of another kind; nothing is unpickled.
    """
    try:
        return safetensors.load_file(path)
    except FileNotFoundError:
        raise UserError(f"config.model.pretrained: there is no file {str(path)!r}") from None
    except Exception as error:  # SafetensorError, OSError; KeyError for a type NumPy lacks
        raise UserError(
            f"{path}: not a safetensors file ({reason(error)}); "
            "pickled weights (.pth, .bin) are not opened, convert them first"
        ) from None


def check(
    path: str | os.PathLike,
    tensors: Mapping[str, np.ndarray],
    wanted: Mapping[str, tuple[int, ...]],
) -> None:
    """`wanted` has the shapes that the file should have.

    Raises:
      UserError: names the tensors that are missing, unknown, of another shape or not finite.
    """
    both = sorted(wanted.keys() & tensors.keys())
    faults = {
        "missing": sorted(wanted.keys() - tensors.keys()),
        "unknown": sorted(tensors.keys() - wanted.keys()),
        "of another shape": [
            f"{key} {tensors[key].shape}, wanted {wanted[key]}"
            for key in both
            if tensors[key].shape != wanted[key]
        ],
        "not finite": [key for key in both if not np.isfinite(float32(tensors[key])).all()],
    }
    said = [f"{len(keys)} {kind}: {_few(keys)}" for kind, keys in faults.items() if keys]
    if said:
        raise UserError(f"{path}: tensors do not fit; {'; '.join(said)}")


def shapes_of(network: nn.Module, side: int) -> dict[str, tuple[int, ...]]:
    """{'params/bn0/BatchNorm_0/scale': shape} of a backbone, for images of that side."""
    images = jnp.zeros((1, side, side, 3))
    variables = jax.eval_shape(lambda: network.init(jax.random.key(0), images, train=False))
    return {name: leaf.shape for name, leaf in by_name(variables).items()}


def theirs(shape: tuple[int, ...]) -> tuple[int, ...]:
    """[H, W, in, out] as PyTorch has it: [out, in, H, W]."""
    return tuple(shape[axis] for axis in (3, 2, 0, 1)) if len(shape) == 4 else shape


def ours(tensor: np.ndarray) -> np.ndarray:
    """PyTorch's [out, in, H, W] as float32 [H, W, in, out]."""
    kernel = tensor.transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor
    return np.ascontiguousarray(float32(kernel))


def _few(keys: list[str], limit: int = 4) -> str:
    return ", ".join(shown(key)[:80] for key in keys[:limit]) + (", …" if len(keys) > limit else "")


def float32(tensor: np.ndarray) -> np.ndarray:
    """What is too large becomes infinite, and is refused as such."""
    with np.errstate(over="ignore"):
        return tensor.astype(np.float32)

"""The machine that a run is on: what it is, and what it lacks.

A device that does not start, a permission, memory, room on the disk: none of these says anything
about a file that was to be read. Only a digest or a parse failure does.
"""

import errno
import importlib.metadata
import os
import pathlib
import platform
import re
import time
from typing import Any

import jax

from dull_jax import invocation
from dull_jax.errors import UserError, reason

_PACKAGES = (
    "dull_jax jax jaxlib flax optax orbax-checkpoint tensorflow-datasets ml-collections clu "
    "numpy scikit-learn"
).split()
_LACKING = {
    getattr(errno, name)
    for name in (
        "EACCES EAGAIN EBUSY EDQUOT EFBIG EIO EMFILE ENFILE ENOMEM ENOSPC EPERM EROFS ESTALE "
        "ETIMEDOUT"
    ).split()
}


def lacking(error: Exception) -> str:
    """One line for memory, disk, permission or device that is not there; "" for other errors."""
    text = reason(error)
    if isinstance(error, MemoryError) or (
        isinstance(error, jax.errors.JaxRuntimeError) and text.startswith("RESOURCE_EXHAUSTED")
    ):
        return f"not enough memory ({text})"
    if isinstance(error, RuntimeError) and re.search(
        "backend '.*' is not in|nitialize backend", text
    ):
        return f"JAX cannot start such a device ({text})"
    if isinstance(error, OSError) and error.errno in _LACKING:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    return ""


def system_error(text: str) -> str:
    """'No space left on device', say, where a library's long message comes of that; else ""."""
    return next((what for number in _LACKING if (what := os.strerror(number)) in text), "")


def devices(platform: str | None = None) -> list[jax.Device]:
    """The devices of this process.

    Args:
      platform: None is JAX's own choice.

    Raises:
      UserError: JAX cannot start them.
    """
    try:
        return jax.local_devices(backend=platform)
    except (RuntimeError, AssertionError) as error:  # the latter of a platform without a plugin
        wanted = os.environ.get("JAX_PLATFORMS")
        asked = f"JAX_PLATFORMS={wanted}, but " if wanted else ""
        raise UserError(
            f"{asked}JAX cannot start such a device ({reason(error)}); unset JAX_PLATFORMS, or "
            "put its driver right"
        ) from None


def cores() -> int:
    """How many this process may use: XLA divides its sums over so many threads."""
    return len(os.sched_getaffinity(0))


def environment() -> dict[str, Any]:
    """Versions, hardware and the command, as env.json holds them."""
    return {
        "command": invocation.command_line(),
        "python": platform.python_version(),
        "versions": {name: v for name in _PACKAGES if (v := version(name))},
        "platform": platform.platform(),
        "cpu": f"{_processor()}, {os.cpu_count()} cores",
        "cores": cores(),
        "devices": [f"{d.platform}: {d.device_kind}" for d in jax.devices()],
        "started": now(),
    }


def now() -> str:
    """The local time with its offset, as result files have it."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z")


def version(package: str) -> str | None:
    """Of an installed package; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()

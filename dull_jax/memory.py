"""How much memory this process may still take."""

import os
import pathlib

UNKNOWN = 2**62  # bytes: more than any machine has
_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")  # of a container, version 2 and 1


def free() -> int:
    """Bytes: what the machine has free, or the container's limit where that is less."""
    return min(_of_machine(), *map(_limit, _LIMITS))


def _of_machine() -> int:
    info = pathlib.Path("/proc/meminfo")
    for line in info.read_text().splitlines() if info.exists() else []:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _limit(name: str) -> int:
    """Without a limit there is no such file, or a word or a huge number in it."""
    try:
        return int(pathlib.Path("/sys/fs/cgroup", name).read_text())
    except (OSError, ValueError):
        return UNKNOWN


def shown(size: int) -> str:
    """'1.5 GB'.

    >>> shown(1_500_000_000)
    '1.5 GB'
    """
    return f"{size / 1e9:,.1f} GB"

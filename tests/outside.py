"""What tests of other processes share: how long to wait, ports, devices, and which line is ours."""

import os
import random
import socket
import sys

LONG = 600  # seconds until something hangs, also on a slow machine that does other things too


def free_port() -> int:
    """One that the kernel gives to nobody who asks for any port; each worker has its own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 16
    ports = list(range(20_000 + worker, 32_000, 16))
    random.shuffle(ports)
    for port in ports:
        try:
            with socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True):
                return port
        except OSError:  # somebody listens there
            continue
    raise AssertionError("no port is free")


def cpu_as(devices: int) -> dict[str, str]:
    """The environment of a process that imports what this one does, and sees so many devices."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    path = os.pathsep.join(sys.path)
    return os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "PYTHONPATH": path}


def our_line(said: str) -> str:
    """The one line that is ours: libraries may print to the same stream, XLA when it is slow."""
    assert "Traceback" not in said, said
    ours = [line for line in said.splitlines() if line.startswith("dull_jax: ")]
    assert len(ours) == 1, said
    return ours[0]

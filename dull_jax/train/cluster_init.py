"""How the processes of one run find each other: all of them, or none, within a time limit.

JAX's own start aborts the process, without a word that a user could read, when somebody is
missing. So the processes first meet here: each tells the first one, at the address where JAX will
listen next, who it is, and hears whether all have come.
"""

import re
import selectors
import socket
import time
from collections.abc import Callable

import jax

from dull_jax.errors import UserError
from dull_jax.train import cluster_env
from dull_jax.train.cluster_env import Process
from dull_jax.train.hosts import named

_PATIENCE = 5.0  # seconds until the first process says for whom it waits
_HELLO = re.compile(rb"dull_jax (\d{1,6}) of (\d{1,6})\n")
_ALL = "all are here"

Say = Callable[[str], None]


def initialize(wanted: str, seconds: float, say: Say = print) -> None:
    """Joins the processes of a run. Before anything else of JAX.

    Args:
      wanted: "auto" (Slurm and Cloud TPU tell), "off", or "HOST:PORT,N,I": process I of N, the
        first of which listens at HOST:PORT.
      seconds: how long to wait for the others.

    Raises:
      UserError: `wanted` cannot be read, or not all have come; on every process that has.
    """
    process = _process(wanted, seconds)
    if process is None or process.count == 1:
        return
    if process.index == 0:
        _wait_for_all(process, seconds, say)
    else:
        _join(process, seconds)
    jax.config.update("jax_enable_preemption_service", False)  # SIGTERM is `Interrupt`'s
    jax.distributed.initialize(
        f"{process.host}:{process.port}",
        process.count,
        process.index,
        local_device_ids=process.devices,
        initialization_timeout=max(10, round(seconds)),
        shutdown_timeout_seconds=60,
    )


def _process(wanted: str, seconds: float) -> Process | None:
    if wanted == "off":
        return None
    if wanted == "auto":
        return cluster_env.detected(seconds)
    parts = re.fullmatch(r"(\[.+\]|[^:,\s]+):(\d{1,5}),(\d{1,6}),(\d{1,6})", wanted)
    if not parts:
        raise UserError(f"--distributed={wanted}: it is auto, off, or HOST:PORT,N,I")
    host, (port, count, index) = parts[1], map(int, parts.groups()[1:])
    if not (0 < port < 65536 and index < count):
        raise UserError(
            f"--distributed={wanted}: PORT is 1 to 65535, I from 0 to N - 1 (N is {count})"
        )
    return Process(host, port, count, index)


# The first process ------------------------------------------------------------------------------


def _wait_for_all(process: Process, seconds: float, say: Say) -> None:
    """Waits for all the others, and tells each whether they came."""
    try:
        server = socket.create_server(
            ("", process.port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=process.count
        )
    except OSError as error:
        raise UserError(f"port {process.port} cannot be used: {error.strerror}") from None
    with server:
        joined, reason = _accept_all(server, process, seconds, say)
        for connection in joined.values():
            with connection:
                connection.sendall(f"{reason or _ALL}\n".encode())
    if reason:
        raise UserError(reason)


def _accept_all(
    server: socket.socket, process: Process, seconds: float, say: Say
) -> tuple[dict[int, socket.socket], str]:
    """Who has come, index -> connection; and why the run cannot start, where it cannot."""
    joined: dict[int, socket.socket] = {}
    began, patient = time.monotonic(), True
    with selectors.DefaultSelector() as ready:
        ready.register(server, selectors.EVENT_READ)
        while len(joined) < process.count - 1:
            waited = time.monotonic() - began
            missing = named([i for i in range(1, process.count) if i not in joined])
            if waited > seconds:
                started = f"started on {len(joined) + 1} of {process.count} hosts"
                return joined, f"{started}: {missing} did not come"
            if patient and waited > _PATIENCE:
                say(f"waiting for {missing}, up to {seconds - waited:.0f} s")
                patient = False
            if ready.select(0.1):
                connection = server.accept()[0]
                if reason := _admit(connection, joined, process):
                    return joined, reason
    return joined, ""


def _admit(connection: socket.socket, joined: dict[int, socket.socket], process: Process) -> str:
    """Takes a process in; returns why it does not belong. Whoever says nothing is passed over."""
    connection.settimeout(5)
    try:
        hello = _HELLO.fullmatch(connection.makefile("rb").readline(64))
    except OSError:
        hello = None
    if hello is None:
        connection.close()
        return ""
    index, count = map(int, hello.groups())
    fits = count == process.count and 0 < index < count
    twice = index in joined
    joined[-1 if twice else index] = connection  # it hears the reason too
    if not fits:
        return f"a process came as {index} of {count}, the first one as 0 of {process.count}"
    return f"two processes came as {index} of {count}" if twice else ""


# The others -------------------------------------------------------------------------------------


def _join(process: Process, seconds: float) -> None:
    """Tells the first process who this is; returns when all are here."""
    deadline = time.monotonic() + seconds
    address = (process.host.strip("[]"), process.port)
    while True:
        try:
            with socket.create_connection(address, timeout=5) as first:
                if first.getsockname() == first.getpeername():
                    raise ConnectionRefusedError  # Linux may connect a port nobody has to itself
                first.sendall(f"dull_jax {process.index} of {process.count}\n".encode())
                # A little longer than the first one waits: its answer says who is missing.
                first.settimeout(max(1.0, deadline - time.monotonic()) + 10)
                answer = first.makefile().readline().strip()
        except OSError:
            answer = ""
        if answer == _ALL:
            return
        if answer:
            raise UserError(answer)
        if time.monotonic() > deadline:
            raise UserError(
                f"process {process.index} found no process 0 at {process.host}:{process.port} "
                f"within {seconds:.0f} s"
            )
        time.sleep(0.3)

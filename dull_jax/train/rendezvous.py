"""How the processes of one run find each other: all of them, or none, within a time limit.

JAX's own start aborts the process, without a word that a user could read, when somebody is
missing. So the processes first meet here: each tells the first one, at the address where JAX will
listen next, who it is, and hears whether all have come.
"""

import dataclasses
import re
import selectors
import socket
import time
from collections.abc import Callable, Sequence

import jax
from jax._src.clusters import ClusterEnv

from dull_jax.errors import UserError
from dull_jax.train.hosts import named

# The environments, by JAX's names, in which `auto` starts several processes.
_CLUSTERS = ("slurm", "gcetpu", "gketpu")
_PATIENCE = 5.0  # seconds until the first process says for whom it waits
_HELLO = re.compile(rb"dull_jax (\d{1,6}) of (\d{1,6})\n")
_ALL = "all are here"

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Place:
    """A process among the others: where the first one listens, how many they are, which it is."""

    host: str
    port: int
    count: int
    index: int
    devices: Sequence[int] | None = None  # of this host, that are this process's; None: all


def start(wanted: str, seconds: float, say: Say = print) -> None:
    """Joins the processes of a run. Before anything else of JAX.

    Args:
      wanted: "auto" (Slurm and Cloud TPU tell), "off", or "HOST:PORT,N,I": process I of N, the
        first of which listens at HOST:PORT.
      seconds: how long to wait for the others.

    Raises:
      UserError: `wanted` cannot be read, or not all have come; on every process that has.
    """
    place = _place(wanted, seconds)
    if place is None or place.count == 1:
        return
    if place.index == 0:
        _welcome(place, seconds, say)
    else:
        _report(place, seconds)
    jax.config.update("jax_enable_preemption_service", False)  # SIGTERM is `Interrupt`'s
    jax.distributed.initialize(
        f"{place.host}:{place.port}",
        place.count,
        place.index,
        local_device_ids=place.devices,
        initialization_timeout=max(10, round(seconds)),
        shutdown_timeout_seconds=60,
    )


def _place(wanted: str, seconds: float) -> Place | None:
    if wanted == "off":
        return None
    if wanted == "auto":
        return _detected(seconds)
    found = re.fullmatch(r"(\[.+\]|[^:,\s]+):(\d{1,5}),(\d{1,6}),(\d{1,6})", wanted)
    if not found:
        raise UserError(f"--distributed={wanted}: it is auto, off, or HOST:PORT,N,I")
    host, (port, count, index) = found[1], map(int, found.groups()[1:])
    if not (0 < port < 65536 and index < count):
        raise UserError(
            f"--distributed={wanted}: PORT is 1 to 65535, I from 0 to N - 1 (N is {count})"
        )
    return Place(host, port, count, index)


def _detected(seconds: float) -> Place | None:
    """What Slurm or Cloud TPU say of this process."""
    for cluster in ClusterEnv._cluster_types:
        if cluster.name in _CLUSTERS and cluster.is_env_present():
            address, count, index, devices = ClusterEnv.auto_detect_unset_distributed_params(
                None, None, None, None, cluster.name, round(seconds)
            )
            host, _, port = address.rpartition(":")
            return Place(host, int(port), count, index, devices)
    return None


# The first process ------------------------------------------------------------------------------


def _welcome(place: Place, seconds: float, say: Say) -> None:
    """Waits for all the others, and tells each whether they came."""
    try:
        server = socket.create_server(
            ("", place.port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=place.count
        )
    except OSError as error:
        raise UserError(f"port {place.port} cannot be used: {error.strerror}") from None
    with server:
        guests, reason = _guests(server, place, seconds, say)
        for guest in guests.values():
            with guest:
                guest.sendall(f"{reason or _ALL}\n".encode())
    if reason:
        raise UserError(reason)


def _guests(
    server: socket.socket, place: Place, seconds: float, say: Say
) -> tuple[dict[int, socket.socket], str]:
    """Who has come, process -> connection; and why the run cannot start, where it cannot."""
    guests: dict[int, socket.socket] = {}
    began, patient = time.monotonic(), True
    with selectors.DefaultSelector() as ready:
        ready.register(server, selectors.EVENT_READ)
        while len(guests) < place.count - 1:
            waited = time.monotonic() - began
            missing = named([i for i in range(1, place.count) if i not in guests])
            if waited > seconds:
                here = len(guests) + 1
                return guests, f"started on {here} of {place.count} hosts: {missing} did not come"
            if patient and waited > _PATIENCE:
                say(f"waiting for {missing}, up to {seconds - waited:.0f} s")
                patient = False
            if ready.select(0.1):
                guest = server.accept()[0]
                if reason := _entered(guest, guests, place):
                    return guests, reason
    return guests, ""


def _entered(guest: socket.socket, guests: dict[int, socket.socket], place: Place) -> str:
    """Takes a process in; returns why it does not belong. Whoever says nothing is passed over."""
    guest.settimeout(5)
    try:
        hello = _HELLO.fullmatch(guest.makefile("rb").readline(64))
    except OSError:
        hello = None
    if hello is None:
        guest.close()
        return ""
    index, count = map(int, hello.groups())
    fits = count == place.count and 0 < index < count
    twice = index in guests
    guests[-1 if twice else index] = guest  # it hears the reason too
    if not fits:
        return f"a process came as {index} of {count}, the first one as 0 of {place.count}"
    return f"two processes came as {index} of {count}" if twice else ""


# The others -------------------------------------------------------------------------------------


def _report(place: Place, seconds: float) -> None:
    """Tells the first process who this is; returns when all are here."""
    deadline = time.monotonic() + seconds
    address = (place.host.strip("[]"), place.port)
    while True:
        try:
            with socket.create_connection(address, timeout=5) as first:
                if first.getsockname() == first.getpeername():
                    raise ConnectionRefusedError  # Linux may connect a port nobody has to itself
                first.sendall(f"dull_jax {place.index} of {place.count}\n".encode())
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
                f"process {place.index} found no process 0 at {place.host}:{place.port} "
                f"within {seconds:.0f} s"
            )
        time.sleep(0.3)

"""Which process of a run this is, where the machine says so: under Slurm and on Cloud TPU.

JAX knows this too, but tells only from inside `jax.distributed.initialize`, where it is too late
to say who is missing (`cluster_init`). The addresses and ports are JAX's own choices.
"""

import dataclasses
import importlib.util
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Sequence

from dull_jax.errors import UserError

_SLURM = ("JOB_ID", "STEP_NODELIST", "NTASKS", "PROCID", "LOCALID")
_TPU_PORT = 8482


@dataclasses.dataclass(frozen=True)
class Process:
    """A process among the others: where the first one listens, how many they are, which it is."""

    host: str
    port: int
    count: int
    index: int
    devices: Sequence[int] | None = None  # of this host, that are this process's; None: all


def detected(seconds: float = 60.0) -> Process | None:
    """This process, as Slurm, GKE or a Cloud TPU VM describes it; None: it is alone.

    Args:
      seconds: to wait for the metadata server of a Cloud TPU VM.

    Raises:
      UserError: a Cloud TPU VM does not describe itself.
    """
    return _slurm() or _gke() or _tpu_vm(time.monotonic() + seconds)


def _slurm() -> Process | None:
    """A task of a Slurm step; on a node with GPUs, task i of the node has GPU i.

    Of the nodes, 'n[04-07,11],m2' say, the first one is needed. The port is a function of the
    job, so that two jobs may share a node.
    """
    if not all(f"SLURM_{name}" in os.environ for name in _SLURM):
        return None
    job, nodes, count, index, local = (os.environ[f"SLURM_{name}"] for name in _SLURM)
    prefix, number = re.match(r"([^,\[]*)(?:\[([^],-]*))?", nodes).groups("")
    port = _port(65535 - 2**12 + 1 + int(job) % 2**12)
    devices = None if _has_libtpu() and not _no_chips() else [int(local)]
    return Process(prefix + number, port, int(count), int(index), devices)


def _gke() -> Process | None:
    """A worker of a TPU slice, or of several, on Google Kubernetes Engine."""
    names = os.environ.get("TPU_PROCESS_ADDRESSES", os.environ.get("TPU_WORKER_HOSTNAMES"))
    if names is None or "TPU_WORKER_ID" not in os.environ or not _has_libtpu():
        return None
    return _of_slices(names.split(","), int(os.environ["TPU_WORKER_ID"]), "")


def _tpu_vm(until: float) -> Process | None:
    """A Cloud TPU VM: its metadata server knows the others."""
    if not _has_libtpu() or _no_chips():
        return None
    index = _metadata("agent-worker-number", until)
    if index is None:
        return None
    endpoints = _metadata("worker-network-endpoints", until)
    if not endpoints:
        raise UserError("this Cloud TPU VM does not say who the others are; give --distributed")
    # Each is a host name, or in the older form name:id:address.
    workers = [worker.split(":")[-1] for worker in endpoints.split(",")]
    return _of_slices(workers, int(index), _metadata("tpu-env", until) or "")


def _of_slices(workers: Sequence[str], index: int, tpu_env: str) -> Process:
    """Worker `index` of a slice; of several slices, the first worker of the first one leads."""
    told = dict(re.findall(r"^(MEGASCALE_\w+): *'?([^'\n]*?)'?\s*$", tpu_env, re.M))

    def of_all(name: str, otherwise: str) -> str:
        return os.environ.get(name) or told.get(name) or otherwise

    host = of_all("MEGASCALE_COORDINATOR_ADDRESS", workers[0]).split(":")[0]
    count = int(of_all("MEGASCALE_NUM_SLICES", "1")) * len(workers)
    first = int(of_all("MEGASCALE_SLICE_ID", "0")) * len(workers)
    return Process(host, _port(_TPU_PORT), count, first + index)


def _port(otherwise: int) -> int:
    return int(os.environ.get("JAX_COORDINATOR_PORT", otherwise))


def _has_libtpu() -> bool:
    return "TPU_LIBRARY_PATH" in os.environ or importlib.util.find_spec("libtpu") is not None


def _no_chips() -> bool:
    """JAX sets this variable of the TPU runtime when it is imported where there are none."""
    return "TPU_SKIP_MDS_QUERY" in os.environ


def _metadata(name: str, until: float) -> str | None:
    """An attribute of this virtual machine; None: it has none of this name.

    The server may be late: it is asked again until `time.monotonic()` passes `until`.
    """
    server = os.environ.get("GCE_METADATA_IP", "metadata.google.internal")
    request = urllib.request.Request(
        f"http://{server}/computeMetadata/v1/instance/attributes/{name}",
        headers={"Metadata-Flavor": "Google"},
    )
    reason = ""
    while not reason or time.monotonic() < until:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            reason = str(error)
        except OSError as error:
            reason = str(error)
        time.sleep(0.5)
    raise UserError(
        f"the metadata server of this TPU VM does not tell {name} ({reason}); "
        "give --distributed=off or HOST:PORT,N,I"
    )

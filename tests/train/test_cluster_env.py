"""Which process this is, as Slurm, Kubernetes and the metadata server of a TPU VM tell it."""

import http.server
import os
import threading

import pytest

from dull_jax.errors import UserError
from dull_jax.train import cluster_env
from dull_jax.train.cluster_env import Process


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """An environment in which nobody tells anything."""
    for name in os.environ:
        if name.startswith(("SLURM_", "TPU_", "MEGASCALE_", "JAX_COORDINATOR")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(cluster_env, "_has_libtpu", lambda: False)


@pytest.fixture
def tpu(monkeypatch):
    """A machine with TPU chips whose metadata server has the attributes that a test gives it."""
    attributes = {}

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.removeprefix("/computeMetadata/v1/instance/attributes/")
            assert self.headers["Metadata-Flavor"] == "Google"
            answer = attributes.get(name)
            self.send_response(404 if answer is None else 500 if answer == "late" else 200)
            self.end_headers()
            self.wfile.write((answer or "").encode())
            if answer == "late":
                attributes[name] = "3"

        def log_message(self, *_):
            pass

    monkeypatch.setattr(cluster_env, "_has_libtpu", lambda: True)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setenv("GCE_METADATA_IP", f"127.0.0.1:{server.server_port}")
        yield attributes
        server.shutdown()


def slurm(monkeypatch, nodes, **more):
    values = {"JOB_ID": "7", "STEP_NODELIST": nodes, "NTASKS": "8", "PROCID": "5", "LOCALID": "1"}
    for name, value in (values | more).items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    return cluster_env.detected()


def test_nobody_tells():
    assert cluster_env.detected() is None


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("node001", "node001"), ("node001,host2", "node001"), ("node[001-0015],host2", "node001"),
     ("node[001,007-015],host2", "node001"), ("n[04-07]", "n04"), ("a-1,a-2", "a-1")],
)  # fmt: skip
def test_slurm_tells(monkeypatch, nodes, first):
    assert slurm(monkeypatch, nodes) == Process(first, 61447, 8, 5, [1])


def test_a_job_of_slurm_without_a_step_is_alone(monkeypatch):
    slurm(monkeypatch, "n1")
    monkeypatch.delenv("SLURM_PROCID")
    assert cluster_env.detected() is None


def test_a_port_that_is_wanted(monkeypatch):
    monkeypatch.setenv("JAX_COORDINATOR_PORT", "1234")
    assert slurm(monkeypatch, "n1").port == 1234


def test_kubernetes_tells(monkeypatch):
    monkeypatch.setenv("TPU_WORKER_HOSTNAMES", "t-0.svc,t-1.svc")
    monkeypatch.setenv("TPU_WORKER_ID", "1")
    assert cluster_env.detected() is None, "not for this process, which has no TPU library"
    monkeypatch.setattr(cluster_env, "_has_libtpu", lambda: True)
    assert cluster_env.detected() == Process("t-0.svc", 8482, 2, 1)
    for name, value in {
        "COORDINATOR_ADDRESS": "s-0:80",
        "NUM_SLICES": "3",
        "SLICE_ID": "2",
    }.items():
        monkeypatch.setenv(f"MEGASCALE_{name}", value)
    assert cluster_env.detected() == Process("s-0", 8482, 6, 5)


@pytest.mark.parametrize("endpoints", ["10.0.0.2,10.0.0.3", "a:0:10.0.0.2,b:1:10.0.0.3"])
def test_a_tpu_vm_tells(tpu, endpoints):
    tpu |= {"agent-worker-number": "1", "worker-network-endpoints": endpoints}
    assert cluster_env.detected() == Process("10.0.0.2", 8482, 2, 1)


def test_several_slices(tpu):
    tpu |= {"agent-worker-number": "0", "worker-network-endpoints": "10.0.0.2,10.0.0.3"}
    tpu["tpu-env"] = (
        "ACCELERATOR_TYPE: 'v5litepod-8'\nMEGASCALE_COORDINATOR_ADDRESS: '10.0.9.9:8080'\n"
        "MEGASCALE_NUM_SLICES: '2'\nMEGASCALE_SLICE_ID: '1'\n"
    )
    assert cluster_env.detected() == Process("10.0.9.9", 8482, 4, 2)


def test_a_server_that_is_late_is_asked_again(tpu):
    tpu |= {"agent-worker-number": "late", "worker-network-endpoints": "a,b,c,d"}
    assert cluster_env.detected().index == 3


def test_no_tpu_vm(tpu, monkeypatch):
    assert cluster_env.detected() is None, "the server knows of no worker"
    tpu |= {"agent-worker-number": "1", "worker-network-endpoints": "a,b"}
    monkeypatch.setenv("TPU_SKIP_MDS_QUERY", "1")
    assert cluster_env.detected() is None, "it is not asked"


def test_a_server_that_does_not_answer(tpu, monkeypatch):
    monkeypatch.setenv("GCE_METADATA_IP", "127.0.0.1:1")
    with pytest.raises(UserError, match=r"does not tell agent-worker-number .*--distributed=off"):
        cluster_env.detected(seconds=0.2)


def test_a_worker_that_is_not_told_of_the_others(tpu):
    tpu |= {"agent-worker-number": "1"}
    with pytest.raises(UserError, match="does not say who the others are"):
        cluster_env.detected()

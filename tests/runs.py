"""Runs in tests: what their folders hold, and a signal at a chosen step."""

import json
import os
import pathlib
import signal

import numpy as np
import orbax.checkpoint as ocp

from dull_jax.train.train_phase import PhaseRunner


def last_state(folder: pathlib.Path) -> dict[str, np.ndarray]:
    """{leaf: array} of the newest checkpoint."""
    manager = ocp.CheckpointManager((folder / "checkpoints").absolute())
    args = ocp.args.Composite(state=ocp.args.StandardRestore())
    state = manager.restore(manager.latest_step(), args=args)["state"]
    manager.close()
    return {name: np.asarray(leaf) for name, leaf in state.items()}


def metrics(folder: pathlib.Path) -> list[dict[str, float]]:
    rows = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in rows]


def assert_same_run(one: pathlib.Path, other: pathlib.Path) -> None:
    """Bit for bit: state, metrics and outputs."""
    a, b = last_state(one), last_state(other)
    assert a.keys() == b.keys() and len(a) > 3
    for name in a:
        assert a[name].tobytes() == b[name].tobytes(), name
    assert metrics(one) == metrics(other)
    with np.load(one / "outputs.npz") as x, np.load(other / "outputs.npz") as y:
        for name in x.files:
            assert x[name].tobytes() == y[name].tobytes(), name


def stopping_at(step: int, patch) -> list[int]:
    """SIGTERM comes to this process in its dispatch number `step`; returns what is left of it."""
    plain, left = PhaseRunner._dispatch, [step]

    def dispatch(self, *args):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(self, *args)

    patch.setattr(PhaseRunner, "_dispatch", dispatch)
    return left

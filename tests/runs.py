"""Reading a run's folder in tests: its last state and its metrics without the times."""

import json
import pathlib

import numpy as np
import orbax.checkpoint as ocp


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

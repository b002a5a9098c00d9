"""Keeps what a run of DULL has measured of itself: for the figures of docs/dull.md.

    python -m dull_jax.main --config=configs/digits_t2h.py --workdir=RUN
    python -m benchmarks.instruments RUN --out=benchmarks/results/dull/digits.json

digits-no-IFPU.json is of a run with --config.dull.ifpu=False.
"""

import argparse
import json
import pathlib

import numpy as np

from dull_jax.report import folder

_CURVES = (
    "train/unlearned_given",
    "train/gated_right",
    "train/gated_wrong",
    "train/specificity",
    "dull/doubted",
    "dull/doubted_given",
    "labels/auroc",
    "labels/suggested_right_of_wrong",
)


def kept(run: folder.Run) -> dict:
    """Transition true and estimated, G, and the curves over epochs; plain Python values."""
    return {
        "run": {key: run.result[key] for key in ("dataset", "noise", "seed", "epochs")},
        "versions": run.result["versions"],
        "hardware": run.result["hardware"],
        "class_names": run.data["class_names"],
        "transition": run.data["transition"],
        "transition_estimate": np.round(run.outputs["transition_estimate"], 4).tolist(),
        "gate": np.round(run.outputs["gate"], 3).tolist(),
        "curves": {
            name: [[row["epoch"], round(row[name], 4)] for row in run.metrics if name in row]
            for name in _CURVES
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(kept(folder.read(args.run)), indent=None) + "\n")


if __name__ == "__main__":
    main()

"""Measures nothing itself: keeps what a run of DULL logged, for the figures of docs/dull.md.

    python -m dull_jax.main --config=configs/digits_t2h.py --workdir=RUN \\
        --config.dull.ifd=True --config.dull.ifpu=True
    python -m benchmarks.docs.diagnostics RUN [--out=FILE]

Takes a second, after eleven for the run.
Writes benchmarks/results/dull/digits.json; digits-no-IFPU.json is of a run without
--config.dull.ifpu.
"""

import pathlib

import numpy as np

from benchmarks import result_file
from dull_jax.report.run import Run, read

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


def diagnostics(run: Run) -> dict:
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
    parser = result_file.parser(__doc__)
    parser.set_defaults(out=pathlib.Path(result_file.RESULTS, "dull", "digits.json"))
    parser.add_argument("run", help="a workdir")
    args = parser.parse_args()
    result_file.write_json(args.out, diagnostics(read(args.run)), indent=None)


if __name__ == "__main__":
    main()

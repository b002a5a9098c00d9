"""Finds the labels that are wrong: of a run, or by anybody's predictions.

python -m dull_jax.audit --run=runs/mine
python -m dull_jax.audit --probs=probs.npy --labels=labels.csv --output=audit
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from dull_jax import audited, door, files
from dull_jax.errors import UserError
from dull_jax.report import audit_files, audit_page
from dull_jax.report.folder import read_json
from dull_jax.stats import label_audit
from dull_jax.train import parallel


def define_flags() -> None:
    """When the module is run, not when it is imported: doors share names of flags."""
    flags.DEFINE_string("run", "", "The folder of a run: the labels it was trained on are audited.")
    flags.DEFINE_integer("folds", 5, "With --run: networks of the cross-validation.", 2, 100)
    flags.DEFINE_integer("epochs", 0, "With --run: of each network; 0: as many as the run's.", 0)
    flags.DEFINE_integer("devices", 0, "With --run: as config.train.devices.", 0)
    flags.DEFINE_string("probs", "", "Instead of a run: .npy, p(label | sample), [N, K].")
    flags.DEFINE_string("labels", "", "With --probs: .csv, .json or .npy, in the same order.")
    flags.DEFINE_string("classes", "", "With --probs: the names of its columns, one a line.")
    flags.DEFINE_float(
        "max_tail_false_alarms", None, "Largest share of right tail labels to be flagged.", 0, 1
    )
    flags.DEFINE_string("output", "", "Folder of the results; RUN/audit, or audit, without it.")
    flags.DEFINE_string("apply", "", "Also writes all labels, corrected, to this .csv file.")


def main(argv: Sequence[str]) -> None:
    if len(argv) > 1:
        raise UserError(f"unexpected argument {argv[1]!r}; see python -m dull_jax.audit --help")
    values = flags.FLAGS
    if bool(values.run) == bool(values.probs) or bool(values.probs) != bool(values.labels):
        raise UserError("give --run, or --probs and --labels; see python -m dull_jax.audit --help")
    run = files.path_of(values.run)
    output = files.path_of(values.output or run / "audit")
    if values.apply:
        _check_apply(files.path_of(values.apply), run, values.labels)
    if values.run:
        parallel.cpu_devices(values.devices)
        samples = audited.of_run(run, values.folds, values.epochs, output, say, values.devices)
    else:
        samples = audited.of_files(values.probs, values.labels, values.classes)
    if caution := audit_files.caution(samples):
        say(f"\n{caution}")
    found = label_audit.audit_labels(
        samples.probs,
        samples.given,
        class_names=samples.class_names,
        max_tail_false_alarms=values.max_tail_false_alarms,
    )
    audit_files.write(output, samples, found)
    page = audit_page.write(output, samples, found, caution)
    say("\n" + audit_files.console(samples, found) + "\n")
    if values.apply:
        audit_files.apply(files.path_of(values.apply), samples, found)
        say(f"corrected labels: {values.apply}")
    say(f"list: {output / 'suspects.csv'}\nreport: {page}")


def _check_apply(path: files.Path, run: files.Path, labels: str) -> None:
    """Neither an image nor the table that the labels came from is ever written."""
    if path.suffix.lower() != ".csv":
        raise UserError(f"--apply={path}: the corrected labels are a table; name a .csv file")
    table = labels or read_json(run / "config.json").get("data", {}).get("file", "")
    files.check_output("apply", path, *([pathlib.Path(table)] if table else []))


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    define_flags()
    door.run(main)

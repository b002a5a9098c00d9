"""Finds the labels that are wrong: of a run, or by anybody's predictions.

python -m dull_jax.audit --run=runs/mine
python -m dull_jax.audit --probs=probs.npy --labels=labels.csv --output=audit
"""

from collections.abc import Sequence

from absl import flags

from dull_jax import audited, door, files
from dull_jax.errors import UserError
from dull_jax.report import audit_files, audit_output, audit_page
from dull_jax.report.folder import run_inputs
from dull_jax.stats import label_audit
from dull_jax.train import parallel


def define_flags() -> None:
    """When the module is run, not when it is imported: doors share names of flags."""
    flags.DEFINE_string("run", None, "The folder of a run: the labels it was trained on.")
    flags.DEFINE_integer("folds", 5, "With --run: networks of the cross-validation.", 2, 100)
    flags.DEFINE_integer("epochs", 0, "With --run: of each network; 0: as many as the run's.", 0)
    flags.DEFINE_integer("devices", 0, "With --run: as config.train.devices.", 0)
    flags.DEFINE_string("data_dir", None, "With --run: where its images are now, if they moved.")
    flags.DEFINE_string("data_file", None, "With --run: where its table is now, if it moved.")
    flags.DEFINE_string("probs", None, "Instead of a run: .npy, p(label | sample), [N, K].")
    flags.DEFINE_string("labels", None, "With --probs: .csv, .tsv, .json, .npy, in the same order.")
    flags.DEFINE_string("classes", None, "With --probs: the names of its columns, one a line.")
    flags.DEFINE_float(
        "max_tail_false_alarms", None, "Largest share of right tail labels to be flagged.", 0, 1
    )
    flags.DEFINE_string("output", None, "Folder of the results; RUN/audit, or audit, without it.")
    flags.DEFINE_string("apply", None, "Also writes all labels, corrected, to this .csv file.")
    flags.DEFINE_bool("force", False, "With --apply: replaces a file that was edited since.")


def main(argv: Sequence[str]) -> None:
    if len(argv) > 1:
        raise UserError(f"unexpected argument {argv[1]!r}; see python -m dull_jax.audit --help")
    values = flags.FLAGS
    run, probs, labels, classes, data_dir, data_file, apply, output = map(
        door.path_flag,
        ("run", "probs", "labels", "classes", "data_dir", "data_file", "apply", "output"),
    )
    if bool(run) == bool(probs) or bool(probs) != bool(labels):
        raise UserError("give --run, or --probs and --labels; see python -m dull_jax.audit --help")
    output = output or (run / "audit" if run else files.parsed("audit"))
    inputs = [path for path in (probs, labels, classes, data_dir, data_file) if path]
    inputs += run_inputs(run) if run else []
    audit_output.check_folder(output, inputs)
    if apply:
        audit_output.check_table(apply, output, inputs, values.force)
    if run:
        parallel.cpu_devices(values.devices)
        place = {"data_dir": data_dir or "", "data_file": data_file or ""}
        samples = audited.of_run(
            run, values.folds, values.epochs, output, say, values.devices, **place
        )
    else:
        samples = audited.of_files(str(probs), str(labels), str(classes or ""))
    for note in samples.notes:
        say(note)
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
    if apply:
        audit_files.apply(apply, samples, found)
        audit_output.remember_table(apply, output)
        say(f"corrected labels: {apply}")
    say(f"list: {output / 'suspects.csv'}\nreport: {page}")


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    define_flags()
    door.run(main)

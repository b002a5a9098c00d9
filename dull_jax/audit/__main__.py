"""Finds the labels that are wrong: of a run, or by anybody's embeddings or predictions.

python -m dull_jax.audit --run=runs/mine
python -m dull_jax.audit --embeddings=emb.parquet --labels=labels.csv --output=audit
python -m dull_jax.audit --probs=probs.npy --labels=labels.csv --output=audit
python -m dull_jax.audit --probs=probs.npy --embeddings=emb.npy --labels=labels.csv
python -m dull_jax.audit --run=runs/mine --decisions=runs/mine/audit/decisions.csv
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from types import ModuleType

from absl import flags

from dull_jax import cli, files, invocation
from dull_jax.audit import (
    corrected_table,
    corrections,
    crossval,
    decisions,
    embeddings,
    feedback,
    image_paths,
    inputs,
    outputs,
    page,
    prediction_files,
    saved,
    verdicts,
    write_back,
    written_folder,
)
from dull_jax.audit.corrections import Corrections
from dull_jax.audit.decisions import DecisionFile
from dull_jax.audit.inputs import AuditInput
from dull_jax.errors import UserError
from dull_jax.run_dir import layout, overwrite
from dull_jax.run_dir.read import inputs_of
from dull_jax.stats import label_audit
from dull_jax.train import parallel


def define_flags() -> None:
    """When the module is run, not when it is imported: commands share names of flags."""
    flags.DEFINE_string("run", None, "The folder of a run: the labels it was trained on.")
    flags.DEFINE_integer("folds", 5, "Networks of the cross-validation; not with --probs.", 2, 100)
    flags.DEFINE_integer(
        "epochs", 0, "Of each network; 0: as many as the run's, or few; not with --probs.", 0
    )
    flags.DEFINE_integer("devices", 0, "As config.train.devices; not with --probs.", 0)
    flags.DEFINE_string("data_dir", None, "With --run: where its images are now, if they moved.")
    flags.DEFINE_string("data_file", None, "With --run: where its table is now, if it moved.")
    flags.DEFINE_string("probs", None, "Instead of a run: .npy, p(label | sample), [N, K].")
    flags.DEFINE_string(
        "embeddings", None, ".npy, .npz, .safetensors, .parquet or shards; alone or with --probs."
    )
    flags.DEFINE_string(
        "labels",
        None,
        "Of --probs: .csv, .tsv, .json, .npy, in the same order. Of --embeddings alone: a table "
        "with label and id, or path, where their file has no labels.",
    )
    flags.DEFINE_string("classes", None, "With --probs: the names of its columns, one a line.")
    flags.DEFINE_float(
        "max_tail_false_alarms", None, "Largest share of right tail labels to be flagged.", 0, 1
    )
    flags.DEFINE_string(
        "images", None, "With --embeddings or --probs: the folder below which the paths lie."
    )
    flags.DEFINE_string(
        "decisions",
        None,
        "decisions.csv of a review, or Label Studio's .json: known labels, which teach the rest.",
    )
    flags.DEFINE_string("output", None, "Folder of the results; RUN/audit, or audit, without it.")
    flags.DEFINE_string(
        "apply",
        None,
        "Also writes all labels, corrected: a .csv, .tsv or .parquet file, or a folder.",
    )
    flags.DEFINE_enum(
        "apply_as",
        write_back.BY_SUFFIX,
        (write_back.BY_SUFFIX, *write_back.NAMES),
        "The format of --apply; auto: by its suffix (.json: Label Studio), or class folders.",
    )
    flags.DEFINE_enum(
        "apply_files", "link", ("link", "copy"), "Images in a folder of --apply; never moved."
    )
    flags.DEFINE_float(
        "accept_above",
        None,
        "With --apply: takes suggestions where P(wrong) exceeds it. Without it: those of all "
        "flagged labels, or with --decisions none.",
        0,
        1,
    )
    flags.DEFINE_bool("force", False, "With --apply: replaces a file that was edited since.")


def main(argv: Sequence[str]) -> None:
    cli.check_flags_only(argv, "audit")
    _check_shares("max_tail_false_alarms", "accept_above")
    run, probs, vectors, labels, classes, images, data_dir, data_file, decided, apply, output = map(
        cli.path_flag,
        (
            *("run", "probs", "embeddings", "labels", "classes", "images"),
            *("data_dir", "data_file", "decisions", "apply", "output"),
        ),
    )
    if run and (probs or vectors or labels or images):
        raise UserError("--run cannot be combined with --probs, --embeddings, --labels or --images")
    if not (run or probs or vectors) or (probs and not labels):
        raise UserError(
            "give --run, or --embeddings, or --probs and --labels; see "
            f"{invocation.named('audit')} --help"
        )
    if classes and not probs:
        raise UserError("--classes names the columns of --probs; give both, or neither")
    if not run and (data_dir or data_file):
        raise UserError(
            "--data_dir and --data_file are for --run; images lie below --images=FOLDER"
        )
    output = output or (run / layout.AUDIT if run else files.parsed(layout.AUDIT))
    read = [probs, vectors, labels, classes, images, data_dir, data_file, decided]
    read = [path for path in read if path]
    read += inputs_of(run) if run else []
    overwrite.check_audit(output, read)
    if apply:
        _check_apply(apply, output, read)
    _check_effects(bool(apply), bool(probs))
    known = decisions.opened(decided) if decided else None
    if run:
        samples = _of_run(run, output, data_dir, data_file, known)
    elif probs:
        samples = prediction_files.of_files(str(probs), str(labels), str(classes or ""))
        samples = embeddings.joined(samples, str(vectors)) if vectors else samples
        if known:
            answers = known.of_samples(samples.ids, samples.class_names, samples.given)
            samples = dataclasses.replace(samples, decided=answers)
    else:
        if images:
            image_paths.check_embeddings(str(vectors), str(labels or ""), images)
        samples = _of_embeddings(vectors, labels, output, known)
    if images:
        samples = image_paths.joined(samples, images)
    elif not run:
        samples, missing = image_paths.found(samples, [path for path in (labels, vectors) if path])
        if missing:
            say(missing)
    if not decided and (output / layout.DECISIONS).exists():
        say(f"{output / layout.DECISIONS} is not used; add --decisions={output / layout.DECISIONS}")
    _audit(samples, output, apply)


def _check_shares(*names: str) -> None:
    """Raises UserError where one of these flags is nan, which no bounds keep out."""
    for name in names:
        value = flags.FLAGS[name].value
        if value is not None and not math.isfinite(value):
            raise UserError(f"--{name}={value} is no number; give one from 0 to 1")


def _check_effects(apply: bool, probs: bool) -> None:
    """Raises UserError where a flag is given that nothing would come of."""
    for name in ("accept_above", "apply_as", "apply_files", "force"):
        if flags.FLAGS[name].present and not apply:
            raise UserError(f"--{name} belongs to --apply; give --apply=corrected.csv, say")
    for name in ("folds", "epochs", "devices"):
        if flags.FLAGS[name].present and probs:
            raise UserError(f"--{name} is of networks; with --probs none are trained")


def _of_run(
    run: files.Path,
    output: files.Path,
    data_dir: files.Path | None,
    data_file: files.Path | None,
    known: DecisionFile | None,
) -> AuditInput:
    values = flags.FLAGS
    parallel.cpu_devices(values.devices)
    return inputs.of_run(
        run,
        values.folds,
        values.epochs,
        output,
        say,
        values.devices,
        data_dir=str(data_dir or ""),
        data_file=str(data_file or ""),
        decisions=known,
    )


def _of_embeddings(
    vectors: files.Path,
    labels: files.Path | None,
    output: files.Path,
    known: DecisionFile | None,
) -> AuditInput:
    values = flags.FLAGS
    parallel.cpu_devices(values.devices)
    settings = values.folds, values.epochs, output, say, values.devices, known
    return embeddings.of_files(str(vectors), str(labels or ""), *settings)


def _audit(samples: AuditInput, output: files.Path, apply: files.Path | None) -> None:
    """Writes the results to the folder `output`, and the corrected table to `apply`."""
    decided = samples.decided
    for note in (*samples.notes, *(decided.notes if decided else ())):
        say(note)
    if caution := outputs.caution(samples):
        say(f"\n{caution}")
    features = embeddings.features(samples.vectors, say)
    verdict = label_audit.audit_labels(
        samples.probs,
        samples.given,
        features=features,
        class_names=samples.class_names,
        max_tail_false_alarms=flags.FLAGS.max_tail_false_alarms,
        known=None if decided is None else decided.label,
        candidates=saved.CANDIDATES,
    )
    listed = verdicts.listed(samples, verdict, features)
    earlier = feedback.before(output)
    since = feedback.changes(earlier, samples, verdict) if earlier else None
    outputs.write(output, samples, verdict, listed, features, since)
    report = page.write(output, samples, verdict, listed, caution, since)
    if samples.fold_key:
        crossval.remove_others(output, samples.fold_key)
    if broken := image_paths.unreadable(samples):
        say(broken)
    say("\n" + outputs.console(samples, verdict, listed, since) + "\n")
    if apply:
        _apply(apply, output, corrections.of(samples, verdict, listed, flags.FLAGS.accept_above))
    say(f"list: {output / layout.SUSPECTS}\nreport: {report}")


def _check_apply(target: files.Path, output: files.Path, read: Sequence[files.Path]) -> None:
    """Before the work, not after it."""
    form = write_back.chosen(flags.FLAGS.apply_as, target)
    if not form.SUFFIXES:
        written_folder.check(target, read, output)
    for path in _files_of(form, target):
        suffixes = form.SUFFIXES if path == target else (path.suffix,)
        corrected_table.check(path, output, read, flags.FLAGS.force, suffixes)


def _files_of(form: ModuleType, target: files.Path) -> list[files.Path]:
    """The files that a format writes, which people may edit; none of a folder."""
    beside = getattr(form, "BESIDE", ())
    return [target, *map(target.with_suffix, beside)] if form.SUFFIXES else []


def _apply(target: files.Path, output: files.Path, table: Corrections) -> None:
    form = write_back.chosen(flags.FLAGS.apply_as, target)
    notes = form.write(target, table, flags.FLAGS.apply_files == "copy")
    for path in _files_of(form, target):
        corrected_table.remember(path, output)
    counts = Counter(row.status for row in table.rows)
    parts = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    for note in notes:
        say(note)
    say(f"corrected labels: {target} ({parts})")


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    define_flags()
    cli.run(main)

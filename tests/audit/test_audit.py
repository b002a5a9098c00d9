"""The audit as a user meets it: of a run, of anybody's predictions, and of bad input."""

import csv
import json

import numpy as np
import pytest

import commands
import photos
from configs import folder as folder_recipe
from dull_jax.audit import corrections, inputs, outputs, page, verdicts
from dull_jax.audit.inputs import AuditInput, Other
from dull_jax.audit.prediction_files import of_files
from dull_jax.audit.write_back import table
from dull_jax.data.prepare import prepare
from dull_jax.errors import UserError
from dull_jax.stats.label_audit import audit_labels
from dull_jax.train import trainer


def quiet(text):
    pass


def command(*arguments):
    return commands.run("dull_jax.audit", *arguments)


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run on photographs of which ten lie in the wrong folder."""
    root, workdir = tmp_path_factory.mktemp("photos"), tmp_path_factory.mktemp("run") / "a"
    truth = photos.make(root)
    config = folder_recipe.get_config("method=ce")
    config.model.pretrained = "none"
    config.data.dir, config.data.size = str(root), 8
    config.train.epochs, config.train.batch_size, config.train.view = 12, 16, "weak"
    config.model.name, config.model.width = "small_cnn", 8
    trainer.train(config, workdir, quiet)
    return workdir, truth


def test_of_a_run(run, tmp_path):
    workdir, truth = run
    found = command(f"--run={workdir}", "--folds=3", f"--apply={tmp_path / 'mended.csv'}")
    assert found.returncode == 0, found.stderr
    assert "fold 3/3" in found.stdout and "suspects.csv" in found.stdout

    suspects = rows_of(workdir / "audit" / "suspects.csv")
    wrong = {path for path, kind in truth.items() if path.split("/")[1] != kind}
    accused = {row["path"] for row in suspects}
    assert len(accused & wrong) >= 8 and len(accused - wrong) <= 5
    assert [int(row["rank"]) for row in suspects] == list(range(1, len(suspects) + 1))
    chances = [float(row["p_wrong"]) for row in suspects]
    assert chances == sorted(chances, reverse=True)
    right = [truth[row["path"]] == row["suggested"] for row in suspects if row["path"] in wrong]
    assert np.mean(right) > 0.7

    mended = rows_of(tmp_path / "mended.csv")
    audited_rows = [row for row in mended if row["split"] == "train"]
    assert len(audited_rows) == 102 and {row["path"] for row in audited_rows} == set(truth)
    wrong_ones = {row["path"]: row["suggested"] for row in suspects if row["verdict"] == "wrong"}
    changed = {row["path"]: row["label"] for row in mended if row["label"] != row["given"]}
    assert changed == wrong_ones and len(changed) >= 8
    held_out = [row for row in mended if row["split"] == "test"]
    assert len(mended) == 120 and len(held_out) == 18
    assert all(row["path"].split("/")[:2] == ["test", row["label"]] for row in held_out)
    summary = json.loads((workdir / "audit" / "audit.json").read_text())
    assert summary["flagged"] == len(suspects) and set(summary["estimated"]) >= {"all", "tail"}
    assert "against_the_truth" not in summary
    page = (workdir / "audit" / "audit.html").read_text()
    assert f"{len(suspects)} labels to look at" in page and page.count("<img") == len(suspects)


def test_corrected_labels_can_be_trained_on(run, tmp_path):
    from configs import csv as csv_recipe

    workdir, _ = run
    root = json.loads((workdir / "config.json").read_text())["data"]["dir"]
    names = ("apple", "leaf", "sky")
    samples = AuditInput(
        ids=np.array(["a", "b", "c"]),
        paths=np.array([f"train/{n}_010.png" for n in ("apple/apple", "sky/sky", "leaf/leaf")]),
        given=np.array([1, 2, 1]),
        probs=np.eye(3, dtype=np.float32)[[0, 2, 1]],
        class_names=names,
        others=(Other("d", "test/sky/0.png", "sky", "test"),),
    )
    verdict = _verdict(samples, suggested=[0, 2, 0], flagged=[True, False, True])
    listed = verdicts.listed(samples, verdict)
    table.write(tmp_path / "mended.csv", corrections.of(samples, verdict, listed), copy=False)
    config = csv_recipe.get_config()
    config.data.file, config.data.dir = str(tmp_path / "mended.csv"), root
    _, built = prepare(config)
    assert built.train.class_names == ("apple", "sky")
    assert dict(zip(built.train.ids, built.train.given, strict=True)) == {"a": 0, "b": 1, "c": 0}
    assert built.test.ids.tolist() == ["d"] and built.test.labels.tolist() == [1]


def _verdict(samples, suggested, flagged):
    found = audit_labels(samples.probs, samples.given)
    object.__setattr__(found, "suggested", np.array(suggested))
    object.__setattr__(found, "flagged", np.array(flagged))
    object.__setattr__(found, "ambiguous", np.zeros(len(flagged), bool))
    object.__setattr__(found, "replaceable", np.array(flagged))
    return found


def files(folder, probs, labels, header="label"):
    np.save(folder / "probs.npy", probs)
    (folder / "labels.csv").write_text("\n".join([header, *labels]) + "\n")
    return str(folder / "probs.npy"), str(folder / "labels.csv")


@pytest.fixture
def noisy():
    """(probs, given names, true names) of cats called dogs."""
    rng = np.random.default_rng(0)
    true = np.repeat([0, 1], [300, 200])
    given = np.where((true == 0) & (rng.random(500) < 0.2), 1, true)
    probs = np.where((true == 0)[:, None], [0.8, 0.2], [0.02, 0.98])
    names = np.array(["cat", "dog"])
    return probs, names[given], names[true]


def test_of_anybodys_predictions(noisy, tmp_path):
    probs, given, true = noisy
    names = files(tmp_path, probs, [f"{n},{label}" for n, label in enumerate(given)], "id,label")
    out = tmp_path / "out"
    found = command(f"--probs={names[0]}", f"--labels={names[1]}", f"--output={out}")
    assert found.returncode == 0, found.stderr
    suspects = rows_of(out / "suspects.csv")
    assert {int(row["id"]) for row in suspects} == set(np.flatnonzero(given != true))
    assert {row["suggested"] for row in suspects} == {"cat"}


def test_classes_by_a_file(noisy, tmp_path):
    probs, given, _ = noisy
    names = files(tmp_path, np.c_[probs, np.zeros(500)], given)
    with pytest.raises(UserError, match="2 different labels for 3 columns"):
        of_files(*names)
    classes = tmp_path / "classes.txt"
    classes.write_text("cat\ndog\nfish\n")
    assert of_files(*names, str(classes)).given[:3].tolist() == [
        ["cat", "dog", "fish"].index(label) for label in given[:3]
    ]
    classes.write_text("cat\ndog\n")
    with pytest.raises(UserError, match="2 class names"):
        of_files(*names, str(classes))


@pytest.mark.parametrize("mark", ";\t|")
def test_a_table_with_other_marks(noisy, tmp_path, mark):
    rows = [f"{n}{mark}a, b/{n}.png{mark}{label}" for n, label in enumerate(noisy[1])]
    found = of_files(*files(tmp_path, noisy[0], rows, f"id{mark}path{mark}Label"))
    assert [found.class_names[k] for k in found.given] == noisy[1].tolist()
    assert found.ids[7] == "7" and found.paths[7] == "a, b/7.png"


def test_labels_by_json_and_npy(tmp_path):
    probs, _ = files(tmp_path, np.full((4, 3), 1 / 3), "0121")
    (tmp_path / "labels.json").write_text("[0, 1, 2, 1]")
    np.save(tmp_path / "labels.npy", np.array([0, 1, 2, 1]))
    for name in ("labels.csv", "labels.json", "labels.npy"):
        found = of_files(probs, str(tmp_path / name))
        assert found.given.tolist() == [0, 1, 2, 1] and found.class_names == ("0", "1", "2")
        assert found.ids.tolist() == ["0", "1", "2", "3"] and found.paths.tolist() == [""] * 4


def test_numbers_are_classes(tmp_path):
    probs = np.full((4, 3), 1 / 3)
    found = of_files(*files(tmp_path, probs, ["0", "2", "0", "2"]))
    assert found.class_names == ("0", "1", "2") and found.given.tolist() == [0, 2, 0, 2]
    found = of_files(*files(tmp_path, probs, ["3", "1", "2", "3"]))
    assert found.class_names == ("1", "2", "3") and found.given.tolist() == [2, 0, 1, 2]
    with pytest.raises(UserError, match="Give --classes"):  # from 0 or from 1?
        of_files(*files(tmp_path, probs, ["2", "1", "1", "2"]))


@pytest.mark.parametrize("ids,words", [
    ("abca", "row 5: id 'a' is there twice"), ("ab c", "row 4: the id is empty"),
])  # fmt: skip
def test_ids_that_name_nothing(tmp_path, ids, words):
    rows = [f"{key},{n % 2}" for n, key in enumerate(ids)]
    with pytest.raises(UserError, match=words):
        of_files(*files(tmp_path, np.full((4, 2), 0.5), rows, "id,label"))


def test_predictions_in_another_order_are_noticed(noisy, tmp_path):
    probs, given, _ = noisy
    fine = of_files(*files(tmp_path, probs, given))
    assert outputs.caution(fine) == ""
    swapped = of_files(*files(tmp_path, probs[:, ::-1], given))
    shuffled = np.random.default_rng(0).permutation(probs)
    for samples in (swapped, of_files(*files(tmp_path, shuffled, given))):
        said = outputs.caution(samples)
        assert "do not rely" in said and "\n" not in said
        found = audit_labels(samples.probs, samples.given)
        assert said in page.page(samples, found, verdicts.listed(samples, found), said)


@pytest.mark.parametrize("first", [0, 1])
def test_ids_that_say_the_labels_are_of_other_rows(noisy, tmp_path, first):
    probs, given, _ = noisy
    order = np.random.default_rng(1).permutation(len(given))
    lines = [f"{row + first},{given[row]}" for row in order]
    with pytest.raises(UserError, match=r"predicts 88% of the labels if .* is sorted by id, and"):
        of_files(*files(tmp_path, probs, lines, "id,label"))
    sorted_so = of_files(*files(tmp_path, probs[order], lines, "id,label"))  # rows as the lines
    assert outputs.caution(sorted_so) == ""
    lines[0] = "image," + lines[0].split(",")[1]
    assert outputs.caution(of_files(*files(tmp_path, probs, lines, "id,label")))


def test_a_run_of_another_version(run, tmp_path):
    config = json.loads((run[0] / "config.json").read_text())
    del config["train"]["view"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "labels.npz").write_bytes((run[0] / "labels.npz").read_bytes())
    with pytest.raises(UserError, match=r"config\.json is damaged or of another version"):
        inputs.of_run(tmp_path, 2, 1, tmp_path / "audit", quiet)


def test_nothing_is_overwritten(noisy, tmp_path):
    probs, labels = files(tmp_path, noisy[0], noisy[1])
    photo = tmp_path / "photo.png"
    for wanted, words in (
        (labels, "is the input"),
        (photo, "name a .csv, .tsv or .parquet file"),
        (".", "gets the results of the audit"),
    ):
        found = command(f"--probs={probs}", f"--labels={labels}", f"--apply={wanted}")
        assert found.returncode == 2 and words in found.stderr
    found = command(f"--probs={probs}", f"--labels={labels}", f"--output={labels}")
    assert found.returncode == 2 and "is no folder" in found.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"probs.npy", "labels.csv"}


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize("array,words", [
    (np.array([Evil(), Evil()], object), "not a plain .npy array"),
    (np.zeros(4), "floats [N, K]"),
    (np.zeros((4, 2), np.int32), "floats [N, K]"),
    (np.zeros((0, 2)), "are empty"),
    (np.zeros((4, 0)), "are empty"),
])  # fmt: skip
def test_probabilities_that_are_none(tmp_path, capsys, array, words):
    np.save(tmp_path / "p.npy", array, allow_pickle=True)
    (tmp_path / "l.csv").write_text("label\na\nb\n")
    with pytest.raises(UserError) as refused:
        of_files(str(tmp_path / "p.npy"), str(tmp_path / "l.csv"))
    assert words in str(refused.value) and "\n" not in str(refused.value)
    assert "executed" not in capsys.readouterr().out


def test_labels_that_are_objects(tmp_path):
    probs, _ = files(tmp_path, np.full((2, 2), 0.5), "01")
    np.save(tmp_path / "labels.npy", np.array(["cat", "dog"], object), allow_pickle=True)
    with pytest.raises(UserError, match=r"save labels as text, in a .csv with a column label"):
        of_files(probs, str(tmp_path / "labels.npy"))


def test_a_class_that_is_called_as_a_decision(tmp_path):
    with pytest.raises(UserError, match=r"a class is called \[remove\], which is a decision"):
        of_files(*files(tmp_path, np.full((2, 2), 0.5), ["cat", "[remove]"]))


@pytest.mark.parametrize("labels,words", [
    (["cat", "dog", "cat"], "3 labels for 500"),
    (["cat"] * 499 + ['""'], "row 501: the label is empty"),
    (["cat"] * 499 + ["cat,dog"], "row 501: 2 fields"),
])  # fmt: skip
def test_labels_that_do_not_fit(noisy, tmp_path, labels, words):
    classes = tmp_path / "classes.txt"
    classes.write_text("cat\ndog\n")
    with pytest.raises(UserError, match=words):
        of_files(*files(tmp_path, noisy[0], labels), str(classes))


def test_a_label_of_thousands_of_digits(tmp_path):
    """Python refuses to read such a number."""
    with pytest.raises(UserError, match=r"row 4: label '777.* is no class"):
        of_files(*files(tmp_path, np.full((3, 2), 0.5), ["0", "1", "7" * 5000]))


def test_class_names_are_printable(tmp_path):
    """They are shown in a terminal, to which an escape sequence is a command."""
    names = ["a\x1b[2J", "b\u202e"]
    found = of_files(*files(tmp_path, np.full((2, 2), 0.5), names))
    assert found.class_names == (r"a\x1b[2J", r"b\u202e") and found.given.tolist() == [0, 1]
    two = ["b\x1b", r"b\x1b"]
    with pytest.raises(UserError, match="two classes are shown as"):
        of_files(*files(tmp_path, np.full((2, 2), 0.5), two))


@pytest.mark.parametrize("arguments,words", [
    ((), "give --run, or --embeddings, or --probs and --labels"),
    (("--probs=x.npy",), "give --run, or --embeddings, or --probs and --labels"),
    (("--run=nowhere",), "nowhere: there is no run"),
    (("--probs=nowhere.npy", "--labels=l.csv"), "nowhere.npy: cannot be read"),
    (("--run=a", "--folds=1"), "folds"),
    (("--run=a", "--max_tail_false_alarms=2"), "max_tail_false_alarms"),
    (("--run=a", "--max_tail_false_alarms=nan"), "--max_tail_false_alarms=nan is no number"),
    (("--run=a", "--apply=x.csv", "--accept_above=NaN"), "--accept_above=nan is no number"),
    (("--run=a", "--accept_above=0.5"), "--accept_above belongs to --apply"),
    (("--run=a", "--apply_as=folders"), "--apply_as belongs to --apply"),
    (("--run=a", "--apply_files=copy"), "--apply_files belongs to --apply"),
    (("--run=a", "--force"), "--force belongs to --apply"),
    (("--probs=p.npy", "--labels=l.csv", "--folds=3"), "--folds is of networks; with --probs"),
    (("--probs=p.npy", "--labels=l.csv", "--epochs=3"), "--epochs is of networks; with --probs"),
    (("--probs=p.npy", "--labels=l.csv", "--devices=1"), "--devices is of networks; with"),
    (("--probs=p.csv", "--labels=l.csv"), "p.csv: probabilities are read from .npy files"),
    (("--probs=p.parquet", "--labels=l.csv"), "p.parquet: probabilities are read from .npy"),
])  # fmt: skip
def test_refusals_are_one_line(arguments, words):
    found = command(*arguments)
    assert found.returncode == 2 and words in found.stderr
    assert found.stderr.count("\n") == 1 and found.stdout == ""


def test_hostile_names_stay_text(tmp_path):
    names = ("<script>alert(1)</script>", "=cmd|'/c calc'!A1")
    rng = np.random.default_rng(0)
    given = rng.integers(0, 2, 60)
    probs = np.where(np.eye(2)[given] == 1, 0.9, 0.1)
    probs[:6] = probs[:6, ::-1]
    samples = AuditInput(
        ids=np.array([f"=evil{n}" for n in range(60)]),
        paths=np.full(60, '"><img src=x onerror=alert(1)>', object),
        given=given,
        probs=probs,
        class_names=names,
    )
    found = audit_labels(probs, given)
    listed = verdicts.listed(samples, found)
    outputs.write(tmp_path, samples, found, listed)
    text = page.page(samples, found, listed)
    assert "<script" not in text and "<img" not in text
    assert found.flagged.sum() > 0
    for row in rows_of(tmp_path / "suspects.csv"):
        assert row["id"].startswith("'=") and not row["given"].startswith("=")


def test_simulated_noise_is_counted_too(tmp_path):
    """Of a run on data whose truth is known, the audit says how right its own estimates are."""
    rng = np.random.default_rng(0)
    clean = rng.integers(0, 2, 400)
    given = np.where(rng.random(400) < 0.15, 1 - clean, clean)
    probs = np.where(np.eye(2)[clean] == 1, 0.85, 0.15)
    samples = AuditInput(
        ids=np.arange(400).astype(str), paths=np.full(400, "", object), given=given, probs=probs,
        class_names=("a", "b"), clean=clean,
    )  # fmt: skip
    found = audit_labels(probs, given)
    listed = verdicts.listed(samples, found)
    truth = outputs.against_the_truth(samples, found)
    wrong = given != clean
    assert truth["precision"] == pytest.approx(wrong[found.flagged].mean())
    assert truth["recall"] == pytest.approx(found.flagged[wrong].mean())
    assert "against the true labels" in outputs.console(samples, found, listed)
    assert "truth is known" in page.page(samples, found, listed)

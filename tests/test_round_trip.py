"""What a command writes, a command reads.

| written | configs/csv.py | noise.file | audit --labels | predict --input |
|---|---|---|---|---|
| manifest.csv | with --config.data.dir | id, label | in its own order | with --data_dir |
| corrected table | with --config.data.dir | id, label | in its own order | with --data_dir |
| suspects.csv | no column label | no | no | with --data_dir |
| predictions | no column path or label | no | no | no |

manifest.csv has rows without a label (folders without images, stray files): readers that join
labels to samples need one for each and refuse them; configs/csv.py passes them over.
"""

import dataclasses
import functools

import numpy as np
import pytest
from hypothesis import assume, settings
from hypothesis import given as drawn
from hypothesis import strategies as st

from dull_jax import predict
from dull_jax.audit import corrections, inputs, outputs, verdicts
from dull_jax.audit.write_back.table import write as write_table
from dull_jax.data.own import scan
from dull_jax.data.sources import csv as image_csv
from dull_jax.data.sources import folder as image_folder
from dull_jax.data.tables import class_labels, csv_io, given_labels
from dull_jax.names import composed, printable
from dull_jax.stats.label_audit import audit_labels
from pictures import encoded, pixels

NASTY = [
    *"2.5 nan NaN <NA> 1 01 -1 1e3 inf =cmd +1 @x ''nan 'q' \"q\" a,b a;b a|b caf\xe9".split(),
    *[
        "a\nb",
        "a\r\nb",
        "tab\tx",
        "\x1b[31m",
        "\x07",
        "\u202eabc",
        "\\u001b",
        "\\u{1b}",
        "\\udc80",
        "\\x1b",
        "a\\b",
    ],
    *["cafe\u0301", "x\xa0y", "'=1", "sep=;", "left out", "\U0001f98a"],
]
texts = st.sampled_from(NASTY) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8
)


def names_of(texts):
    """Class names as any command has them: composed, without blanks around them, printable."""
    found = sorted({name for text in texts if (name := composed(text.strip()))})
    shown = printable("classes", found) if len({*map(repr, found)}) == len(found) else tuple(found)
    return tuple(dict.fromkeys(shown))


@functools.cache
def audited_once():
    """Six labels of four classes, probabilities, and the verdict."""
    given, probs = np.arange(6) % 4, np.random.default_rng(0).dirichlet(np.ones(4), 6)
    return given, probs, audit_labels(probs, given)


@settings(max_examples=60, deadline=None, derandomize=True)
@drawn(st.lists(texts, min_size=4, max_size=8), st.lists(texts, min_size=6, max_size=6))
def test_any_name_comes_back(tmp_path_factory, classes, keys):
    """Corrected tables and suspects: classes, ids and paths of any kind."""
    names = names_of(classes)[:4]
    assume(len(names) == 4)
    folder = tmp_path_factory.mktemp("names")
    given, probs, found = audited_once()
    ids = [f"{n}{composed(key.strip())}" for n, key in enumerate(keys)]
    paths = [f"{n}/{key.replace('/', '_')}.png" for n, key in enumerate(keys)]
    samples = inputs.AuditInput(
        np.array(ids), np.array(paths, object), given, probs, names,
        others=(
            inputs.Other("copy", "copy.png", names[given[0]], "train", "duplicate", 0),
            inputs.Other("test", "test.png", names[0], "test"),
            inputs.Other("gone", "gone.png", names[1], "train", "left out"),
            inputs.Other("list", "list.txt", "", "", "left out"),
        ),
    )  # fmt: skip
    table = folder / "corrected.csv"
    rows = corrections.of(samples, found, verdicts.listed(samples, found))
    write_table(table, rows, copy=False)
    better = np.where(found.replaceable, found.suggested, given)

    rows = csv_io.read(table, ("id", "label", "path", "given"))
    kept = [n for n, label in enumerate(rows.columns["label"]) if label]
    columns = {name: [cells[n] for n in kept] for name, cells in rows.columns.items()}
    labelled = csv_io.Table(columns, [rows.lines[n] for n in kept])
    labels = class_labels.read("corrected.csv", labelled)
    wanted = [names[k] for k in better] + [names[better[0]], names[0], names[1]]
    assert labels == wanted
    assert labelled.columns["id"][:6] == ids and labelled.columns["path"][:6] == paths
    assert [str(cell) for cell in labelled.columns["given"][:6]] == [names[k] for k in given]

    everyone, cells = (
        labelled.columns["id"],
        dict(zip(names, class_labels.cells(names), strict=True)),
    )
    rows = zip(everyone, map(cells.get, labels), strict=True)
    csv_io.write(folder / "given.csv", ("id", "label"), rows)
    joined = given_labels.read(str(folder / "given.csv"), np.array(everyone), names)
    assert [names[k] for k in joined] == labels

    outputs.write(folder, samples, found, verdicts.listed(samples, found))
    suspects = csv_io.read(folder / "suspects.csv", ("id", "path", "given", "suggested")).columns
    assert set(map(str, suspects["given"] + suspects["suggested"])) <= set(names)
    assert set(suspects["path"]) <= set(paths)


@pytest.fixture
def photos(tmp_path):
    """Classes with names that readers stumble over, copies, a broken file, a stray one."""
    for k, name in enumerate(("2.5", "nan", "a,b", 'say "x"', "=cmd", "01", "1")):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for n in range(4):
            (folder / f"{n}.png").write_bytes(encoded(pixels(10 * k + n)))
    (tmp_path / "photos" / "nan" / "copy.png").write_bytes(encoded(pixels(10)))
    (tmp_path / "photos" / "nan" / "broken.png").write_bytes(b"")
    (tmp_path / "photos" / "nan" / "notes.txt").write_text("")
    (tmp_path / "photos" / "empty").mkdir()
    return tmp_path / "photos"


def scanned(index, tmp_path):
    found = scan.scan(index, lambda text: None, cache=tmp_path / "cache")
    return found.with_test(0.3, 0)


def test_a_folder_becomes_a_table_and_stays_what_it_is(photos, tmp_path):
    """Folder -> manifest.csv and corrected table -> configs/csv.py: the same images and labels."""
    first = scanned(image_folder.read(photos), tmp_path)
    first.write(tmp_path / "manifest.csv")
    rows = np.flatnonzero(first.splits == "train")
    given = first.labels[rows]
    probs = np.eye(len(first.class_names))[given] * 0.9 + 0.1 / len(first.class_names)
    samples = inputs.AuditInput(
        first.ids[rows], first.paths[rows], given, probs, first.class_names,
        others=inputs._others(first, rows),
    )  # fmt: skip
    found = audit_labels(probs, given)
    listed = verdicts.listed(samples, found)
    write_table(tmp_path / "corrected.csv", corrections.of(samples, found, listed), copy=False)
    for name in ("manifest.csv", "corrected.csv"):
        again = scanned(image_csv.read(tmp_path / name, photos), tmp_path)
        assert again.class_names == first.class_names, name
        order = np.argsort([str(path) for path in again.paths])
        wanted = np.argsort([str(path) for path in first.paths])
        assert again.paths[order].tolist() == first.paths[wanted].tolist()
        assert again.ids[order].tolist() == first.ids[wanted].tolist()
        assert again.labels[order].tolist() == first.labels[wanted].tolist()
        assert again.splits[order].tolist() == first.splits[wanted].tolist()
        assert [group.paths for group in again.duplicates] == [("nan/0.png", "nan/copy.png")]
        assert any("broken.png" in problem.path for problem in again.problems)
        again.write(tmp_path / "again.csv")
        image_csv.read(tmp_path / "again.csv", photos)
        wanted = predict.items(tmp_path / name, photos)
        assert {str(item.source) for item in wanted} >= {str(photos / p) for p in first.paths}


def test_a_second_held_out_part_and_decisions_stay_in_the_table(tmp_path):
    """Audited twice: rows that nobody trains on keep their ids, labels, parts and status."""
    lines = ["id,path,label,split,status,given"]
    for n in range(24):
        (tmp_path / f"{n}.png").write_bytes(encoded(pixels(n)))
        part = ("train", "train", "test", "val")[n % 4]
        lines.append(f"u{n},{n}.png,{'x' if n % 3 else 'y'},{part},kept,x")
    lines[1 + 7] = "u7,7.png,unknown,val,kept,x"
    lines[1 + 2] = "u2,2.png,fox,test,kept,x"  # of a class that has nothing to train on
    lines[1 + 1], lines[1 + 4] = (
        "u1,1.png,,train,removed,x",
        "u4,4.png,,train,none of the classes,y",
    )
    name = "once.csv"
    (tmp_path / name).write_text("\n".join(lines))
    for again in ("twice.csv", "thrice.csv"):
        found = scanned(image_csv.read(tmp_path / name), tmp_path)
        rows = np.flatnonzero(found.splits == "train")
        probs = np.eye(2)[found.labels[rows]] * 0.8 + 0.1
        samples = inputs.AuditInput(
            found.ids[rows], found.paths[rows], found.labels[rows], probs, found.class_names,
            others=inputs._others(found, rows),
        )  # fmt: skip
        audit = audit_labels(probs, found.labels[rows])
        kept = corrections.of(samples, audit, verdicts.listed(samples, audit))
        write_table(tmp_path / again, kept, copy=False)
        columns = ("id", "label", "split", "status", "given")
        table = csv_io.read(tmp_path / again, columns).columns
        row_of = {key: n for n, key in enumerate(table["id"])}
        assert len(row_of) == len(table["id"]) == 24
        told = {key: tuple(table[name][n] for name in ("label", "split", "status"))
                for key, n in row_of.items()}  # fmt: skip
        assert told["u3"] == ("y", "val", "not used")
        assert told["u7"] == ("unknown", "val", "not used")
        assert told["u2"] == ("fox", "test", "not used")
        assert told["u1"] == ("", "train", "removed")
        assert told["u4"] == ("", "train", "none of the classes")
        given = {key: table["given"][n] for key, n in row_of.items()}
        assert given["u1"] == "x" and given["u4"] == "y"
        assert told["u6"][1:] == ("test", "not audited") and told["u0"][1:] == ("train", "kept")
        name = again


def test_a_copy_is_corrected_with_the_image_that_was_audited(photos, tmp_path):
    first = scanned(image_folder.read(photos), tmp_path)
    rows = np.flatnonzero(np.char.startswith(first.paths.astype(str), "nan/0"))
    names, nan = first.class_names, first.class_names.index("nan")
    given, probs = np.array([nan]), np.full((1, len(names)), 1 / len(names))
    samples = inputs.AuditInput(
        first.ids[rows], first.paths[rows], given, probs, names,
        others=inputs._others(first, rows),
    )  # fmt: skip
    wrong = {"flagged": np.array([True]), "suggested": np.array([0])}
    wrong["replaceable"] = np.array([True])
    found = dataclasses.replace(audit_labels(probs, given), **wrong)
    listed = verdicts.listed(samples, found)
    write_table(tmp_path / "corrected.csv", corrections.of(samples, found, listed), copy=False)
    table = csv_io.read(tmp_path / "corrected.csv", ("path", "label", "status")).columns
    by_path = dict(
        zip(table["path"], zip(table["label"], table["status"], strict=True), strict=True)
    )
    assert by_path["nan/0.png"] == (names[0], "corrected")
    assert by_path["nan/copy.png"] == (names[0], "duplicate")
    assert by_path["nan/broken.png"] == ("nan", "left out")
    assert len(by_path) == 7 * 4 + 2 + 2  # all files, the stray one, the empty class

"""The page: well-formed, self-contained, escaped, and complete with any part missing."""

import base64
import html.parser
import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from dull_jax.errors import UserError
from dull_jax.report import html as report
from dull_jax.report.run import read

HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a & b</style>")
_VOID = {"meta", "img", "br", "link", "input", "hr", "wbr"}  # of HTML; SVG closes its own
_CHAPTERS = (
    "result",
    "data",
    "learning",
    "accuracy",
    "confusion",
    "inside",
    "suspects",
    "next",
    "settings",
)
_OWN = ("suspects", "result", "accuracy", "confusion", "next", "data", "learning", "inside",
        "settings")  # fmt: skip


class _Checker(html.parser.HTMLParser):
    """Collects elements and text, and fails on a tag that does not match."""

    def __init__(self, page: str):
        super().__init__()
        self.open, self.elements, self.text = [], [], []
        self.feed(page)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data)

    @property
    def chapters(self):
        return [a["id"] for tag, a in self.elements if tag == "section"]


def _write(path):
    page = report.write(path).read_text()
    return page, _Checker(page)


def _change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize("which", ["ten_classes", "hundred_classes"])
def test_page_is_complete_well_formed_and_loads_nothing(which, request):
    path = request.getfixturevalue(which)
    page, found = _write(path)
    assert found.chapters == list(_CHAPTERS)
    assert len(page) < 3_000_000
    names = {tag for tag, _ in found.elements}
    assert not names & {"script", "link", "iframe", "object", "embed", "base", "form"}
    for tag, attributes in found.elements:
        for key in ("src", "href", "srcset", "data", "action", "poster"):
            value = attributes.get(key) or ""
            assert value.startswith(("#", "data:image/png;base64,")) or not value, (tag, value)
        assert not any(key.startswith("on") for key in attributes)
    assert "http" not in page and "url(" not in page and "@import" not in page


def test_page_is_the_same_when_written_again(ten_classes):
    assert _write(ten_classes)[0] == _write(ten_classes)[0]


def test_ids_are_unique_and_links_lead_somewhere(ten_classes):
    _, found = _write(ten_classes)
    ids = [a["id"] for _, a in found.elements if "id" in a]
    links = [a["href"][1:] for tag, a in found.elements if tag == "a"]
    assert len(ids) == len(set(ids)) and set(links) <= set(ids)


def test_every_drawing_says_what_it_shows(ten_classes):
    _, found = _write(ten_classes)
    drawings = [a for tag, a in found.elements if tag == "svg" and "aria-hidden" not in a]
    assert len(drawings) > 12
    assert all(a.get("role") == "img" and len(a.get("aria-label", "")) > 10 for a in drawings)


def test_hostile_strings_stay_text(tmp_path, make):
    path = make(tmp_path / "run")
    data = json.loads((path / "data.json").read_text())
    names = [f"{HOSTILE[k % 3]}{k}" for k in range(10)]
    _change(path / "data.json", class_names=names, dataset=HOSTILE[0], group_rule=HOSTILE[1],
            noise=data["noise"] | {"name": HOSTILE[0]})  # fmt: skip
    _change(path / "config.json", **{HOSTILE[0]: {HOSTILE[1]: HOSTILE[2]}})
    _change(path / "env.json", command=HOSTILE[1], platform="\x00\x1b[31m\u202egnp.exe")
    _change(path / "compare" / "ce" / "result.json", method=HOSTILE[0], variant=HOSTILE[1])
    labels = dict(np.load(path / "labels.npz"))
    labels["ids"] = np.array([f"{HOSTILE[i % 3]}{i}" for i in range(len(labels["given"]))])
    np.savez(path / "labels.npz", **labels)
    with (path / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"epoch": 31, f"dull/{HOSTILE[1]}": 1.0}) + "\n")
    page, found = _write(path)
    elements = {tag for tag, _ in found.elements}
    assert "script" not in elements
    assert all(a.get("src", "data:").startswith("data:") for _, a in found.elements)
    assert not any(key.startswith("on") for _, a in found.elements for key in a)
    text = "".join(found.text)
    assert all(hostile in text for hostile in HOSTILE)
    assert not set(page) & set("\x00\x1b\u202e")
    assert page.count("</style>") == 1


def test_a_surrogate_in_an_id_does_not_stop_the_report(tmp_path, make):
    path = make(tmp_path / "run", compare=())
    labels = dict(np.load(path / "labels.npz"))
    labels["ids"] = np.array([f"caf\udce9_{i}" for i in range(len(labels["given"]))])
    np.savez(path / "labels.npz", **labels)
    assert "caf?_" in _write(path)[0]


@pytest.mark.parametrize("name", ["data.json", "config.json", "env.json", "result.json",
                                  "metrics.jsonl", "labels.npz", "outputs.npz"])  # fmt: skip
def test_any_one_file_may_be_missing(name, ten_classes, tmp_path):
    path = shutil.copytree(ten_classes, tmp_path / "run")
    (path / name).unlink()
    _, found = _write(path)
    assert {"result", "settings"} <= set(found.chapters)


def test_only_a_result_is_enough(ten_classes, tmp_path):
    shutil.copy(ten_classes / "result.json", tmp_path)
    _, found = _write(tmp_path)
    assert found.chapters == ["result", "accuracy", "settings"]


def test_no_comparison_no_gate_no_truth(tmp_path, make):
    path = make(tmp_path / "run", compare=())
    _change(path / "data.json", truth_known=False, transition=None)
    _change(path / "result.json", wrong_labels={})
    outputs = dict(np.load(path / "outputs.npz"))
    del outputs["gate"], outputs["transition_estimate"]
    np.savez(path / "outputs.npz", **outputs)
    page, found = _write(path)
    text = "".join(found.text)
    assert tuple(found.chapters) == _OWN
    assert not re.search(r"\b(n/a|true|truly)\b", text)
    assert "✗" not in text and "✓" not in text and "Precision" not in text
    assert "From true to given" not in text and "Channel-class" not in text
    assert "best of a column" not in page
    names = [name for name, _ in found.elements]
    folded = page[page.index('id="learning"') :]
    assert folded.count("<details><summary><h2>") == 3 and "svg" in names


@pytest.mark.parametrize("num_classes", [2, 10, 30])
def test_counts_of_true_classes_are_shown_where_they_are_known(num_classes, tmp_path, make):
    path = make(tmp_path / "run", num_classes=num_classes, compare=())
    assert "true labels, log scale" in "".join(_write(path)[1].text)
    _own(path)
    page, found = _write(path)
    text, few = "".join(found.text), num_classes <= 20
    assert ("given labels, log scale" in text) is not few
    assert ("Test accuracy of each class" in page) is few
    assert "true labels, log scale" not in text and "true class" not in page


def _own(path, files=True):
    """Makes a run one of somebody's own photographs, whose true labels nobody knows."""
    _change(path / "data.json", truth_known=False, transition=None, dataset="folder")
    _change(path / "result.json", wrong_labels={})
    _change(path / "config.json", data={"name": "folder", "dir": "/photos of/cats & dogs"})
    ids = np.load(path / "labels.npz")["ids"]
    lines = ["id,path,status", *(f"{key},cats/{n}.jpg,used" for n, key in enumerate(ids))]
    lines += ["x,cats/copy.jpg,duplicate", "y,cats/notes.txt,left out"]
    (path / "manifest.csv").write_text("\n".join(lines))


def test_own_images_are_named_by_their_paths_and_commands_name_the_run(tmp_path, make):
    path = make(tmp_path / "a run", compare=())
    _own(path)
    (path / "embeddings").mkdir()
    page, found = _write(path)
    text = "".join(found.text)
    assert tuple(found.chapters) == _OWN
    first = np.load(path / "outputs.npz")["suspects"][0]
    ids = np.load(path / "labels.npz")["ids"]
    assert f"cats/{first}.jpg" in text and ids[first] not in text
    assert "Paths begin in /photos of/cats & dogs." in text and "DULL on cats & dogs" in text
    assert "1 copies of used images, 1 left out" in text
    run = f"--run='{path}'"
    for name in ("audit", "review", "predict", "export"):
        assert f"python -m dull_jax.{name} {run}" in text
    assert f"--decisions='{path}/audit/decisions.csv' --apply=corrected.csv" in text
    assert "--config.data.dir='/photos of/cats & dogs'" in text
    assert f"--config.model.cache='{path}/embeddings'" in text and "--input=FOLDER" in text
    score = np.load(path / "outputs.npz")["wrongness"]
    assert f"{int((score > 0.5).sum())} of {len(score)} training labels" in text
    assert page.index('class="cards') < page.index('id="result"') < page.index("<pre>")


def test_a_run_on_vectors_names_vectors(tmp_path, make):
    path = make(tmp_path / "run", compare=())
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"data": {"name": "embeddings"}}))
    text = "".join(_write(path)[1].text)
    assert "--input=VECTORS" in text and "--input=FOLDER" not in text
    assert "--config.model.cache" not in text


def test_no_label_looks_wrong(tmp_path, make):
    path = make(tmp_path / "run", compare=())
    _own(path)
    outputs = dict(np.load(path / "outputs.npz"))
    outputs["wrongness"] = outputs["wrongness"] * 0
    np.savez(path / "outputs.npz", **outputs)
    text = "".join(_write(path)[1].text)
    assert "None of 472 training labels looks wrong" in text and "50 less suspicious" in text


def test_a_damaged_list_of_files_is_named(tmp_path, make):
    path = make(tmp_path / "run", compare=())
    (path / "manifest.csv").write_text("id,path\n1,2\n")
    with pytest.raises(UserError, match=r"manifest\.csv.*status"):
        report.write(path)


def test_a_column_that_nobody_has_is_left_out(tmp_path, make):
    path = make(tmp_path / "run", compare=("ce",))
    for folder in (path, path / "compare" / "ce"):
        _change(folder / "result.json", calibration={})
    text = "".join(_write(path)[1].text)
    assert "ECE" not in text[: text.index("The data")] and "AUROC" in text


def test_undefined_numbers_are_not_available(tmp_path, make):
    path = make(tmp_path / "run", compare=("ce",))
    _change(path / "result.json", accuracy={"last": float("nan"), "tail": None, "head": "high"},
            wrong_labels=None, calibration=3)  # fmt: skip
    outputs = dict(np.load(path / "outputs.npz"))
    outputs["wrongness"][:] = np.nan
    np.savez(path / "outputs.npz", **outputs)
    with (path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 31, "train/loss": NaN, "test/tail": null}\n')
    _, found = _write(path)
    text = "".join(found.text)
    assert "n/a" in text
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", text)


def test_a_half_written_last_line_is_left_out_and_said(tmp_path, make):
    path = make(tmp_path / "run", compare=())
    with (path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 31, "train/lo')
    assert "1 unreadable line" in "".join(_write(path)[1].text)
    assert len(read(path).metrics) == 30


def test_an_epoch_that_was_repeated_after_a_stop_counts_once(tmp_path, make):
    path = make(tmp_path / "run", compare=())
    with (path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 30, "train/loss": 7.5}\n')
    metrics = read(path).metrics
    assert len(metrics) == 30 and metrics[-1]["train/loss"] == 7.5


@pytest.mark.parametrize("name", ["result.json", "labels.npz", "outputs.npz"])
def test_a_damaged_file_is_named(name, ten_classes, tmp_path):
    path = shutil.copytree(ten_classes, tmp_path / "run")
    (path / name).write_bytes((path / name).read_bytes()[:200])
    with pytest.raises(UserError, match=re.escape(name)):
        report.write(path)
    assert (path / "report").exists() is (ten_classes / "report").exists()


def test_a_pickle_is_refused(ten_classes, tmp_path):
    path = shutil.copytree(ten_classes, tmp_path / "run")
    np.savez(path / "labels.npz", given=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match=r"labels\.npz"):
        report.write(path)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="no run here"):
        report.write(tmp_path)


def test_thumbnails_keep_their_pixels(ten_classes):
    _, found = _write(ten_classes)
    pictures = [a["src"] for tag, a in found.elements if tag == "img"]
    expected = np.load(ten_classes / "outputs.npz")["thumbnails"]
    assert len(pictures) == len(expected) == 50
    for source, pixels in zip(pictures, expected, strict=True):
        image = Image.open(io.BytesIO(base64.b64decode(source.split(",")[1])))
        np.testing.assert_array_equal(np.asarray(image), pixels[..., 0])


def test_marks_agree_with_the_truth(ten_classes):
    _, found = _write(ten_classes)
    labels, outputs = np.load(ten_classes / "labels.npz"), np.load(ten_classes / "outputs.npz")
    wrong = (labels["given"] != labels["clean"])[outputs["suspects"]]
    marks = [text[0] == "✗" for text in found.text if text.startswith(("✗", "✓"))]
    np.testing.assert_array_equal(marks, wrong)


def test_two_classes_and_no_wrong_label(tmp_path):
    """The smallest run there can be: groups are empty, half of the numbers undefined."""
    data = {
        "dataset": "two",
        "class_names": ["a", "b"],
        "counts_true": [3, 0],
        "counts_given": [3, 0],
        "num_test": 0,
        "truth_known": True,
        "group_rule": "none",
        "groups": {"head": [0], "medium": [], "tail": [1]},
        "transition": [[1, 0], [0, 0]],
        "noise": {"name": "none", "rate": 0, "realised": 0, "realised_by_class": [0, None]},
    }
    (tmp_path / "data.json").write_text(json.dumps(data))
    given = np.zeros(3, np.int32)
    np.savez(tmp_path / "labels.npz", given=given, clean=given, ids=np.array(["x", "y", "z"]))
    np.savez(tmp_path / "outputs.npz", wrongness=np.zeros(3, np.float32), suggested=given,
             test_labels=np.array([0]), test_probs=np.array([[1.0, 0.0]], np.float32),
             suspects=np.zeros(0, np.int64), thumbnails=np.zeros((0, 8, 8, 1), np.uint8),
             gate=np.zeros((4, 2), np.float32))  # fmt: skip
    text = "".join(_write(tmp_path)[1].text)
    assert "No label was changed." in text and not re.search(r"\bnan\b|\binf\b", text)

"""Where a run, an audit or a command may write: over its own files, over nobody else's."""

import os

import pytest

from dull_jax import files
from dull_jax.errors import UserError
from dull_jax.run_dir import overwrite

# A run ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["checkpoints", "digests", "events", "report", "compare", "audit"])
@pytest.mark.parametrize("kind", ["file", "dangling link", "link to a file"])
def test_something_in_the_place_of_a_folder(tmp_path, name, kind):
    place = tmp_path / "run" / name
    place.parent.mkdir()
    (tmp_path / "file").touch()
    {
        "file": place.touch,
        "dangling link": lambda: place.symlink_to(tmp_path / "nowhere"),
        "link to a file": lambda: place.symlink_to(tmp_path / "file"),
    }[kind]()
    with pytest.raises(UserError, match=f"{name} is to be a folder of the run"):
        overwrite.check_run(tmp_path / "run")


@pytest.mark.parametrize("name", [".lock", "config.json", "result.json", "metrics.jsonl"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda p: os.symlink("/dev/zero", p)])
def test_something_in_the_place_of_a_file(tmp_path, name, make):
    make(tmp_path / name)
    with pytest.raises(UserError, match="is to be a file of the run"):
        overwrite.check_run(tmp_path)


def test_a_folder_may_be_a_link(tmp_path):
    (tmp_path / "large disk").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoints").symlink_to(tmp_path / "large disk")
    overwrite.check_run(tmp_path / "run")
    overwrite.check_run(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["manifest.csv", "result.json", "data.json", "metrics.jsonl"])
def test_a_folder_with_files_of_somebody_else(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match=rf"holds {name}, which no run wrote"):
        overwrite.check_run(tmp_path)
    (tmp_path / "config.json").touch()  # a run that was copied without its lock
    with pytest.raises(UserError, match="is an input"):
        overwrite.check_run(tmp_path, ["", str(tmp_path / name)])


def test_a_folder_with_a_report_of_somebody_else(tmp_path):
    (tmp_path / "report").mkdir()
    overwrite.check_run(tmp_path)
    (tmp_path / "report" / "index.html").write_text("mine")
    with pytest.raises(UserError, match="holds report, which no run wrote"):
        overwrite.check_run(tmp_path)


# An audit ------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "audit.json").write_text("{}")
    return tmp_path / "audit"


def test_the_folder_of_results(tmp_path, folder):
    overwrite.check_audit(folder, [])
    overwrite.check_audit(tmp_path / "new", [])
    run = tmp_path / "run"
    (run / "report").mkdir(parents=True)
    for name in ("config.json", "labels.npz"):
        (run / name).touch()
    overwrite.check_audit(run / "audit", [])
    with pytest.raises(UserError, match="belongs to the run"):
        overwrite.check_audit(run / "report", [])
    with pytest.raises(UserError, match="belongs to the run"):
        overwrite.check_audit(run / "checkpoints" / "x", [])
    with pytest.raises(UserError, match="belongs to the run"):
        overwrite.check_audit(tmp_path / "x" / ".." / "run" / "report", [])
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link"):
        with pytest.raises(UserError, match="no folder"):
            overwrite.check_audit(tmp_path / name, [])


def test_results_replace_no_file_of_a_person(tmp_path, folder):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "audit.html").touch()
    with pytest.raises(UserError, match=r"holds audit\.html, which no audit wrote"):
        overwrite.check_audit(mine, [])
    with pytest.raises(UserError, match=r"suspects\.csv in it is an input"):
        overwrite.check_audit(folder, [folder / "suspects.csv"])
    (mine / "audit.html").unlink()
    (mine / "suspects.csv").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"suspects\.csv"):
        overwrite.check_audit(mine, [])


def test_results_go_into_regular_files(folder):
    os.mkfifo(folder / "suspects.csv")
    with pytest.raises(UserError, match=r"suspects\.csv in it is no regular file"):
        overwrite.check_audit(folder, [])


# A file of a command -------------------------------------------------------------------------


def run_at(folder):
    folder.mkdir(parents=True)
    for name in ("config.json", "labels.npz"):
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    "named",
    ["config.json", "manifest.csv", "checkpoints/3/x.csv", "report/index.html", "metrics.jsonl"],
)
def test_files_of_a_run_are_not_outputs(tmp_path, named):
    run = run_at(tmp_path / "run")
    (run / named).parent.mkdir(parents=True, exist_ok=True)
    with pytest.raises(UserError, match="belongs to what is in"):
        overwrite.check_output("output", run / named)
    (tmp_path / "link").symlink_to(run)
    with pytest.raises(UserError, match="belongs to what is in"):
        overwrite.check_output("output", tmp_path / "link" / named)
    (tmp_path / "link.csv").symlink_to(run / "data.json")
    with pytest.raises(UserError, match="belongs to what is in"):
        overwrite.check_output("output", tmp_path / "link.csv")
    overwrite.check_output("output", run / "preds.csv")


def test_files_of_an_audit_are_not_outputs(tmp_path):
    (tmp_path / "audit.json").touch()
    with pytest.raises(UserError, match="belongs to what is in"):
        overwrite.check_output("output", tmp_path / "suspects.csv")
    overwrite.check_output("output", tmp_path / "corrected.csv")


def test_inputs_are_not_outputs(tmp_path):
    (tmp_path / "p" / "a").mkdir(parents=True)
    photo, table = tmp_path / "p" / "a" / "000.png", tmp_path / "t.csv"
    photo.touch(), table.touch()
    (tmp_path / "link").symlink_to(photo)
    os.link(table, tmp_path / "hard.csv")
    for output, inputs in (
        (photo, [tmp_path / "p"]),
        (tmp_path / "link", [tmp_path / "p"]),
        (table, [tmp_path / "none", table]),
        (tmp_path / "hard.csv", [table]),
        (tmp_path / "p" / ".." / "t.csv", [table]),
    ):
        with pytest.raises(UserError, match="is the input"):
            overwrite.check_output("output", output, inputs=inputs)
    overwrite.check_output("output", tmp_path / "p" / "new.csv", inputs=[tmp_path / "p"])


def test_an_output_is_a_regular_file_with_the_right_suffix(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "tty.csv").symlink_to("/dev/null")
    for name in ("pipe.csv", "tty.csv"):
        with pytest.raises(UserError, match="a pipe or a device"):
            overwrite.check_output("output", tmp_path / name, (".csv",))
    with pytest.raises(UserError, match=r"name a \.a or \.b file"):
        overwrite.check_output("output", tmp_path / "x.csv", (".a", ".b"))
    with pytest.raises(UserError, match=r"name a \.a file"):
        overwrite.check_output("output", files.parsed("gs://bucket/x.csv"), (".a",))


def test_two_outputs_are_two_files(tmp_path):
    with pytest.raises(UserError, match="by another flag too"):
        overwrite.check_output("b", tmp_path / "x", outputs=[tmp_path / "." / "x"])
    overwrite.check_output("b", tmp_path / "x", outputs=[tmp_path / "y"])

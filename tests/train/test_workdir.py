"""A run's folder says what is wrong with it in one line."""

import json
import os

import pytest

from configs import base
from dull_jax import config as recipe
from dull_jax.errors import SaveError, UserError
from dull_jax.train import machine, workdir


@pytest.mark.parametrize("content", ["", "{", "[1]", "7", "null", "[" * 100_000])
def test_a_damaged_result_is_named(tmp_path, content):
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(UserError, match=r"result\.json is damaged; delete it, or start in another"):
        workdir.finished(tmp_path)


def test_nothing_there_is_nothing_finished(tmp_path):
    assert workdir.finished(tmp_path) is None
    (tmp_path / "file").write_text("")
    assert workdir.finished(tmp_path / "file") is None


@pytest.mark.parametrize("count, told", [(1, 1), (5, 5), (6, 4), (40, 4)])
def test_another_recipe_is_said_with_the_first_differences(tmp_path, count, told):
    config = base.get_config()
    (tmp_path / "config.json").write_text(recipe.to_json(config))
    workdir.check_recipe(tmp_path, config)
    with config.unlocked():
        config.dull.update({f"field_{n}": 0.123 for n in range(count)})
    with pytest.raises(UserError, match="holds a run of another recipe") as raised:
        workdir.check_recipe(tmp_path, config)
    assert str(raised.value).count(" -> 0.123") == told
    assert (f"{count - 4} more" in str(raised.value)) == (count > 5)


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
        workdir.check_layout(tmp_path / "run")


@pytest.mark.parametrize("name", [".lock", "config.json", "result.json", "metrics.jsonl"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda p: os.symlink("/dev/zero", p)])
def test_something_in_the_place_of_a_file(tmp_path, name, make):
    make(tmp_path / name)
    with pytest.raises(UserError, match="is to be a file of the run"):
        workdir.check_layout(tmp_path)


def test_a_folder_may_be_a_link(tmp_path):
    (tmp_path / "large disk").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoints").symlink_to(tmp_path / "large disk")
    workdir.check_layout(tmp_path / "run")
    workdir.check_layout(tmp_path / "nowhere")


def finished_run(folder):
    (folder / "metrics.jsonl").write_text('{"epoch": 1, "loss": 0.25}\n')
    (folder / "outputs.npz").write_bytes(b"outputs")
    result = workdir.sealed(folder, {"method": "ce", "seconds": 1.5, "noise": {"rate": 0.3}})
    (folder / "result.json").write_text(json.dumps(result))
    return result


def test_a_finished_run_as_it_was_left(tmp_path):
    assert finished_run(tmp_path) == workdir.finished(tmp_path)


@pytest.mark.parametrize("name", ["metrics.jsonl", "outputs.npz", "result.json"])
@pytest.mark.parametrize("damage", ["cut", "bit", "digit", "gone"])
def test_a_finished_run_that_was_damaged(tmp_path, name, damage):
    finished_run(tmp_path)
    path = tmp_path / name
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "digit":  # still what it was to any parser
        path.write_bytes(data.replace(b"0.", b"1.").replace(b"out", b"ouu"))
    else:
        middle = len(data) // 2
        flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        path.write_bytes(data[:middle] if damage == "cut" else flipped)
    if (name, damage) == ("result.json", "gone"):
        assert workdir.finished(tmp_path) is None
        return
    with pytest.raises(UserError, match=rf"{name} is damaged"):
        workdir.finished(tmp_path)


def test_a_result_of_an_older_version_has_no_digests(tmp_path):
    (tmp_path / "result.json").write_text('{"method": "ce"}')
    for text in ('{"method": "ce"}', '{"method": "ce", "sha256": [1]}'):
        (tmp_path / "result.json").write_text(text)
        with pytest.raises(UserError, match="has no digests"):
            workdir.finished(tmp_path)


def test_labels_of_another_draw(tmp_path):
    workdir.check_labels(tmp_path, "a" * 64)
    (tmp_path / "data.json").write_text(json.dumps({"labels_digest": "a" * 64}))
    workdir.check_labels(tmp_path, "a" * 64)
    with pytest.raises(UserError, match="aaaaaaaaaaaa -> bbbbbbbbbbbb"):
        workdir.check_labels(tmp_path, "b" * 64)
    (tmp_path / "data.json").write_text("{")  # written anew at each start
    workdir.check_labels(tmp_path, "b" * 64)


def test_images_that_moved(tmp_path):
    config = base.get_config()
    config.data.dir = "/old"
    (tmp_path / "config.json").write_text(recipe.to_json(config))
    workdir.moved(tmp_path, "/new")
    assert workdir.begun(tmp_path)["data"]["dir"] == "/new"
    workdir.check_recipe(tmp_path, config)  # it is no other run
    before = (tmp_path / "config.json").stat().st_mtime_ns
    workdir.moved(tmp_path, "/new", "")
    assert (tmp_path / "config.json").stat().st_mtime_ns == before
    workdir.moved(tmp_path, "", "/new/table.csv")
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["data"]["dir"], config["data"]["file"]) == ("/new", "/new/table.csv")


def test_another_machine_is_said(tmp_path, monkeypatch):
    assert workdir.other_machine(tmp_path) == ""  # nothing is known of the one before
    here = machine.environment()
    (tmp_path / "env.json").write_text(json.dumps(here))
    assert workdir.other_machine(tmp_path) == ""
    monkeypatch.setattr(machine, "environment", lambda: here | {"cores": here["cores"] + 1})
    said = workdir.other_machine(tmp_path)
    assert f"on {here['cores'] + 1} of" in said and "the last bits" in said
    (tmp_path / "env.json").write_text("[")
    assert workdir.other_machine(tmp_path) == ""


@pytest.mark.parametrize("how", ["moved", "deleted", "replaced"])
def test_a_workdir_that_is_another_one_now(tmp_path, how):
    folder = tmp_path / "run"
    with workdir.claimed(folder, base.get_config()):
        workdir.check_ours(folder)
        folder.rename(tmp_path / "moved") if how != "deleted" else (folder / ".lock").unlink()
        if how == "replaced":
            folder.mkdir()
            (folder / ".lock").touch()
        with pytest.raises(SaveError, match="was moved, deleted or replaced"):
            workdir.check_ours(folder)
    workdir.check_ours(folder)  # nobody holds it now


def test_drafts_of_a_killed_process_go(tmp_path):
    (tmp_path / ".dull_jax-0123.part").touch()
    with workdir.claimed(tmp_path, base.get_config()):
        assert [p.name for p in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize("name", ["manifest.csv", "result.json", "data.json", "metrics.jsonl"])
def test_a_folder_with_files_of_somebody_else(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match=rf"holds {name}, which no run wrote"):
        workdir.check_layout(tmp_path)
    (tmp_path / "config.json").touch()  # a run that was copied without its lock
    with pytest.raises(UserError, match="is an input"):
        workdir.check_layout(tmp_path, ["", str(tmp_path / name)])


def test_a_folder_with_a_report_of_somebody_else(tmp_path):
    (tmp_path / "report").mkdir()
    workdir.check_layout(tmp_path)
    (tmp_path / "report" / "index.html").write_text("mine")
    with pytest.raises(UserError, match="holds report, which no run wrote"):
        workdir.check_layout(tmp_path)


def test_a_lock_that_is_a_link_cuts_nothing(tmp_path):
    (tmp_path / "notes.txt").write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").symlink_to(tmp_path / "notes.txt")
    with workdir.claimed(tmp_path / "run", base.get_config()):
        pass
    assert (tmp_path / "notes.txt").read_text() == "precious"

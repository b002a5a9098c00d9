"""Which run a folder holds: another recipe, other labels, another machine are said."""

import json

import pytest

from configs import base
from dull_jax import config as recipe
from dull_jax import machine
from dull_jax.errors import UserError
from dull_jax.train import identity


@pytest.mark.parametrize("count, told", [(1, 1), (5, 5), (6, 4), (40, 4)])
def test_another_recipe_is_said_with_the_first_differences(tmp_path, count, told):
    config = base.get_config()
    (tmp_path / "config.json").write_text(recipe.to_json(config))
    identity.check_recipe(tmp_path, config)
    with config.unlocked():
        config.dull.update({f"field_{n}": 0.123 for n in range(count)})
    with pytest.raises(UserError, match="holds a run of another recipe") as raised:
        identity.check_recipe(tmp_path, config)
    assert str(raised.value).count(" -> 0.123") == told
    assert (f"{count - 4} more" in str(raised.value)) == (count > 5)


def test_labels_of_another_draw(tmp_path):
    identity.check_labels(tmp_path, "a" * 64)
    (tmp_path / "data.json").write_text(json.dumps({"labels_digest": "a" * 64}))
    identity.check_labels(tmp_path, "a" * 64)
    with pytest.raises(UserError, match="aaaaaaaaaaaa -> bbbbbbbbbbbb"):
        identity.check_labels(tmp_path, "b" * 64)
    (tmp_path / "data.json").write_text("{")  # written anew at each start
    identity.check_labels(tmp_path, "b" * 64)


def test_images_that_moved(tmp_path):
    config = base.get_config()
    config.data.dir = "/old"
    (tmp_path / "config.json").write_text(recipe.to_json(config))
    identity.remember_places(tmp_path, "/new")
    assert identity.begun(tmp_path)["data"]["dir"] == "/new"
    identity.check_recipe(tmp_path, config)  # it is no other run
    before = (tmp_path / "config.json").stat().st_mtime_ns
    identity.remember_places(tmp_path, "/new", "")
    assert (tmp_path / "config.json").stat().st_mtime_ns == before
    identity.remember_places(tmp_path, "", "/new/table.csv")
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["data"]["dir"], config["data"]["file"]) == ("/new", "/new/table.csv")


def test_another_machine_is_said(tmp_path, monkeypatch):
    assert identity.other_machine(tmp_path) == ""  # nothing is known of the one before
    here = machine.environment()
    (tmp_path / "env.json").write_text(json.dumps(here))
    assert identity.other_machine(tmp_path) == ""
    monkeypatch.setattr(machine, "environment", lambda: here | {"cores": here["cores"] + 1})
    said = identity.other_machine(tmp_path)
    assert f"on {here['cores'] + 1} of" in said and "the last bits" in said
    (tmp_path / "env.json").write_text("[")
    assert identity.other_machine(tmp_path) == ""

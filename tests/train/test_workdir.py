"""A run's folder says what is wrong with it in one line."""

import pytest

from configs import base
from dull_jax import config as recipe
from dull_jax.errors import UserError
from dull_jax.train import workdir


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

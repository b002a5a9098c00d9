import importlib
import json

import pytest

from configs import base, cifar10_t2h, cifar100_t2h, digits_t2h
from dull_jax import config as recipe
from dull_jax import fields, methods
from dull_jax.errors import UserError
from dull_jax.methods import semisup


@pytest.mark.parametrize(
    "make",
    [base.get_config, digits_t2h.get_config, cifar10_t2h.get_config, cifar100_t2h.get_config],
)
def test_recipes_are_valid(make):
    recipe.validate(make())


def test_presets():
    config = cifar100_t2h.get_config("preset=cpu,rate=0.2,seed=4")
    assert config.noise.rate == 0.2 and config.noise.seed == 4 and config.model.name == "small_cnn"
    with pytest.raises(UserError, match="did you mean 'cpu'"):
        cifar100_t2h.get_config("preset=cpus")
    with pytest.raises(UserError, match="not a float"):
        cifar100_t2h.get_config("rate=high")


def test_one_seed_moves_all_seeds_unless_they_are_set():
    config = base.get_config()
    config.seed = 7
    assert config.data.seed == config.noise.seed == 7
    config.noise.seed = 1
    assert (config.data.seed, config.noise.seed) == (7, 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("optim.lr", float("nan")),
        ("optim.lr", -0.1),
        ("train.epochs", 0),
        ("noise.rate", 1.0),
        ("data.imbalance_factor", 0.5),
        ("optim.ema", 1.0),
        ("dull.candidate_mass", (0.9, 0.5)),
        ("optim.milestones", (0.5, 2.0)),
        ("optim.schedule", "cosin"),
    ],
)
def test_what_cannot_be_meant(field, value):
    config = base.get_config()
    config.update_from_flattened_dict({field: value})
    with pytest.raises(UserError, match=field.replace(".", r"\.")):
        recipe.validate(config)


def test_fingerprint_is_that_of_the_numbers():
    one, other = base.get_config(), base.get_config()
    other.train.keep, other.data.dir, other.compare = 5, "/elsewhere", ("ce",)
    other.la.tau = 0.5  # of a method that is not trained
    assert recipe.fingerprint(one) == recipe.fingerprint(other)
    assert recipe.difference(json.loads(recipe.to_json(one)), other) == []
    other.dull.tau = 0.5
    assert recipe.fingerprint(one) != recipe.fingerprint(other)
    assert recipe.difference(json.loads(recipe.to_json(one)), other) == ["dull.tau: 1.0 -> 0.5"]


def test_what_the_user_changed_comes_before_what_follows_from_it():
    one, other = base.get_config(), base.get_config()
    one.method, other.method = "dull", "la"
    first, *rest = recipe.difference(json.loads(recipe.to_json(one)), other)
    assert first == "method: 'dull' -> 'la'" and len(rest) > 5
    assert all("absent" in change for change in rest)


def test_what_differs_is_said_in_one_line_whatever_is_in_the_file():
    config = base.get_config()
    old = json.loads(recipe.to_json(config))
    old["dull"] |= {"g\nate": "x" * 99, "gate": "a\x1b[2J"}
    of_both, of_one = recipe.difference(old, config)
    assert of_both == r"dull.gate: 'a\x1b[2J' -> 'csg'"
    assert of_one == r"dull.g\nate: '" + "x" * 56 + "... -> absent"


def test_every_field_says_what_it_is_and_allows_its_default():
    for name, field in recipe.schema().items():
        assert len(field.help) > 3 and "\n" not in field.help, name
        fields.check(name, field, field.default)
        is_number = isinstance(field.default, int | float) and not isinstance(field.default, bool)
        assert field.allowed or not is_number, name


def test_help_of_a_recipe_has_every_field_with_its_value_and_range():
    config = digits_t2h.get_config()
    text = recipe.described(config)
    assert text.count("\n") + 1 == 2 * len(recipe.schema())
    assert "  --config.optim.momentum=0.9  ([0, 1))\n      sgd: of the running mean" in text
    assert "  --config.optim.name=sgd  (sgd, adamw, auto)\n" in text
    assert "  --config.dull.ifd=False  (True, False)\n" in text


def test_a_name_is_declared_once():
    with pytest.raises(ValueError, match="declared twice: cap"):
        fields.gathered({"cap": fields.text("", "")}, {"cap": fields.text("", "")})


@pytest.mark.parametrize("name", ["cifar10_t2h", "cifar100_t2h", "mini.cifar10", "digits_t2h"])
def test_every_method_has_a_recipe(name):
    module = importlib.import_module(f"configs.{name}")
    for method in methods.names():
        found = module.get_config(f"method={method}")
        recipe.validate(found)
        assert found.method == method


def test_published_settings_change_the_recipe():
    plain, tabasco = (cifar10_t2h.get_config(f"method={m}") for m in ("ce", "tabasco"))
    assert (plain.optim.lr, tabasco.optim.lr) == (0.1, 0.02)
    assert tabasco.train.view == "weak" and semisup.warmup_epochs(tabasco) == 10
    assert semisup.warmup_epochs(cifar100_t2h.get_config("method=tabasco")) == 30

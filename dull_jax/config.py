"""A recipe: its fields, gathered from their owners; what it means; its fingerprint.

ml_collections refuses unknown keys and wrong types by itself; it accepts `lr=nan` and
`epochs=-3`. `validate` looks at every field and reports the first that cannot be meant.
"""

import functools
import hashlib
import importlib
import json
import os
import pkgutil
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from dull_jax import fields, files, methods, optim
from dull_jax.data import auto, dataset, groups, longtail, noise, sources
from dull_jax.data.views import augment, vectors
from dull_jax.errors import UserError
from dull_jax.fields import Field, choice, flatten, number, path, several, suggestion, text, to_json
from dull_jax.models import network, pretrained
from dull_jax.names import quoted, shown

__all__ = [
    "beside",
    "changes",
    "completed",
    "defaults",
    "described",
    "difference",
    "digest",
    "fingerprint",
    "numbers",
    "parse_arg",
    "resolved",
    "schema",
    "suggestion",
    "to_json",
    "validate",
]

_RUN = {
    "variant": text(
        "", "a name for this setting of the method in tables of results", numbers=False
    ),
    "compare": several(
        (),
        "methods trained beside it on the same arrays, below workdir/compare",
        lambda names: all(isinstance(name, str) for name in names),
        "names of methods",
        numbers=False,
    ),
    "seed": number(
        0, "of everything: subset, noise, initial weights, batches, augmentation", 0, 2**31 - 1
    ),
    "init": path("workdir of another run whose backbone a fresh run starts from"),
}
_TRAIN = {
    "epochs": number(100, "passes over the train set; 0, for images of your own: chosen", 0, 10**6),
    "batch_size": number(128, "global: more devices means smaller shards", 1, 10**6),
    "view": choice("weak", "what the network trains on", ("plain", "weak", "strong")),
    "devices": number(
        0,
        "how many to use; 0: all. A CPU counts as one, unless more are asked",
        0,
        10**5,
        numbers=False,
    ),
    "steps_per_dispatch": number(0, "0: 1 on CPU, 16 on accelerators", 0, 10**4, numbers=False),
    "eval_every": number(1, "epochs between evaluations; the last is always evaluated", 1, 10**6),
    "eval_batch_size": number(500, "of evaluation passes, global", 1, 10**6, numbers=False),
    "checkpoint_every": number(
        5, "epochs between checkpoints; the last is always kept", 1, 10**6, numbers=False
    ),
    "keep": number(2, "checkpoints kept", 1, 10**4, numbers=False),
}


def _sections() -> dict[str, Mapping[str, Field]]:
    """The sections that every recipe has, whatever its method."""
    return {
        "data": fields.gathered(sources.gathered(), longtail.FIELDS, dataset.FIELDS, groups.FIELDS),
        "noise": noise.gathered(),
        "augment": fields.gathered(augment.FIELDS, vectors.FIELDS),
        "model": network.gathered(),
        "train": _TRAIN,
        "optim": optim.FIELDS,
    }


@functools.cache
def schema() -> dict[str, Field]:
    """Every field of a recipe: 'optim.lr' -> what it is."""
    sections = _sections()
    for file in pkgutil.iter_modules(methods.__path__):  # helpers too: co-training has fields
        module = importlib.import_module(f"{methods.__name__}.{file.name}")
        if file.name in sections:
            raise ValueError(f"methods/{file.name}.py: there is a section of that name already")
        if hasattr(module, "TITLE") or hasattr(module, "FIELDS"):
            sections[file.name] = getattr(module, "FIELDS", {})
    method = choice("dull", "what is trained; a file of dull_jax/methods", methods.names())
    return (
        {"method": method}
        | _RUN
        | {f"{s}.{name}": field for s, own in sections.items() for name, field in own.items()}
    )


def defaults() -> ConfigDict:
    """The recipe in which every field has its default."""
    config = ConfigDict()
    for name, field in schema().items():
        section, _, key = name.rpartition(".")
        if section and section not in config:
            config[section] = ConfigDict()
        place = config[section] if section else config
        place[key] = config.get_oneway_ref(field.follows) if field.follows else field.default
    return config


def described(config: ConfigDict) -> str:
    """Every field with its value here, what it may be, and its help: two lines a field."""
    values, lines = flatten(config), []
    for name, field in schema().items():
        allowed = f"  ({field.allowed})" if field.allowed else ""
        lines += [f"  --config.{name}={values[name]}{allowed}", f"      {field.help}"]
    return "\n".join(lines)


def validate(config: ConfigDict) -> None:
    """Raises UserError for the first field whose value cannot be meant."""
    for name, field in schema().items():
        fields.check(f"config.{name}", field, _get(config, name))
    _validate_together(config)


def _validate_together(config: ConfigDict) -> None:
    for name in (config.method, *config.compare):
        method = methods.module(name).Method
        if not isinstance(config.get(name, ConfigDict()), ConfigDict):
            raise UserError(f"config.{name} must hold the fields of the method {name}")
        method.validate(config)
    if config.method in config.compare:
        raise UserError(f"config.compare names {config.method!r}, which is config.method itself")
    if pretrained.is_wanted(config.model):
        _validate_pretrained(config)
    if not sources.is_own(config.data.name):
        if config.model.frozen and not pretrained.is_wanted(config.model):
            raise UserError(
                f"config.model.frozen needs pretrained weights, and {config.model.name} has none "
                "here; name a file in config.model.pretrained, or another network"
            )
        for field, left_open in auto.LEFT_OPEN.items():
            if _get(config, field) == left_open:
                own = ", ".join(filter(sources.is_own, sources.names()))
                raise UserError(
                    f"config.{field} = {left_open!r}: is chosen for images of your own only "
                    f"(config.data.name = {own}); set it"
                )


def _validate_pretrained(config: ConfigDict) -> None:
    """Weights fit one network only."""
    stem = "imagenet" if network.has_stems(config.model.name) else "cifar"
    wanted = {"name": network.with_weights(), "stem": (stem,), "norm": ("batch",)}
    for field, choices in (wanted | {"width": (0,)}).items():
        if config.model[field] not in choices:
            raise UserError(
                f"config.model.{field} = {config.model[field]!r}: config.model.pretrained needs "
                f"{' or '.join(map(repr, choices))}"
            )
    if config.init:
        raise UserError("config.init and config.model.pretrained: a run starts from one of them")


def beside(config: ConfigDict, method: str) -> ConfigDict:
    """The recipe of a method compared with `config.method`: all the same but the method."""
    other = config.copy_and_resolve_references()
    with other.unlocked():
        other.method, other.compare = method, ()
    return other


def parse_arg(arg: str | None, **defaults: Any) -> ConfigDict:
    """Reads the part behind the colon of `--config=configs/x.py:key=val,other=val`.

    Args:
      arg: 'key=val,…' or None.
      **defaults: the keys a recipe knows; each value's type is the type wanted.

    Raises:
      UserError: a key that the recipe does not know, or a value of another type.

    >>> parse_arg("preset=cpu,rate=0.2", preset="", rate=0.3).rate
    0.2
    """
    values = dict(defaults)
    for item in filter(None, (arg or "").split(",")):
        key, _, text = item.partition("=")
        if key not in defaults:
            raise UserError(f"recipe argument {item!r}: {suggestion(key, list(defaults))}")
        try:
            values[key] = type(defaults[key])(text)
        except ValueError:
            wanted = type(defaults[key]).__name__
            raise UserError(f"recipe argument {item!r}: {text!r} is not a {wanted}") from None
    return ConfigDict(values)


def completed(config: ConfigDict) -> ConfigDict:
    """The recipe of an earlier version, with what it was made without: fields declared `later`.

    Those of methods are not looked at: whoever predicts needs no other method than the run's.
    """
    config = config.copy_and_resolve_references()
    with config.unlocked():
        for section, own in _sections().items():
            for name, field in own.items():
                there = config.get(section)
                if field.later and isinstance(there, ConfigDict) and name not in there:
                    there[name] = field.default
    return config


def _recipe(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that make the numbers: those of unused methods and of speed left out.

    Left out too is a field declared `later` that has its default: the same run was made without.
    """
    others = [f"{name}." for name in methods.names() if name != flat.get("method")]
    return {
        key: value
        for key, value in flat.items()
        if _makes_numbers(key) and not key.startswith(tuple(others)) and not _as_before(key, value)
    }


def _as_before(key: str, value: Any) -> bool:
    field = schema().get(key)
    if field is None or not field.later:
        return False
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    return value == default


def _makes_numbers(key: str) -> bool:
    """A field that this version does not know made the numbers of the version that did."""
    return key not in schema() or schema()[key].numbers


def _is_path(key: str) -> bool:
    return key in schema() and schema()[key].is_path


def numbers(config: Mapping[str, Any]) -> dict[str, Any]:
    """{field: value} of every field that changes the numbers; paths are absolute.

    Args:
      config: a recipe, or what its config.json holds.
    """
    flat = flatten(config if isinstance(config, ConfigDict) else dict(config))
    return {key: _absolute(key, value) for key, value in _recipe(flat).items()}


def digest(fields: Mapping[str, Any]) -> str:
    """16 hex digits of the `numbers` of a recipe; of a path its last part, to be the same
    elsewhere."""
    named = {key: _last_part(key, value) for key, value in fields.items()}
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:16]


def fingerprint(config: ConfigDict) -> str:
    """`digest` of a recipe's `numbers`."""
    return digest(numbers(config))


def difference(old: Mapping[str, Any], config: ConfigDict) -> list[str]:
    """'field: old -> new' for each field that makes another run of `config` than of `old`."""
    return changes(numbers(old), numbers(config))


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """'field: before -> after' for each of `numbers` that differs, fields that both have first.

    >>> changes({"optim.lr": 0.1, "seed": 0}, {"optim.lr": 0.2, "seed": 0, "init": "x"})
    ['optim.lr: 0.1 -> 0.2', "init: absent -> 'x'"]
    """

    def value(recipe: Mapping[str, Any], key: str) -> str:
        return quoted(recipe[key]) if key in recipe else "absent"

    return [
        f"{shown(key)}: {value(before, key)} -> {value(after, key)}"
        for key in (*sorted(before.keys() & after.keys()), *sorted(before.keys() ^ after.keys()))
        if before.get(key) != after.get(key)
    ]


# Paths ------------------------------------------------------------------------------------------


def resolved(config: ConfigDict) -> ConfigDict:
    """A copy whose local paths hold wherever it is used: absolute, with `~` replaced.

    A network of the user's own choice that has no pretrained weights is trained whole: recipes for
    own images freeze what has some.

    Raises:
      UserError: nobody's home.
    """
    config = config.copy_and_resolve_references()
    with config.unlocked():
        for field in filter(_is_path, schema()):
            if (text := _get(config, field)) and text not in schema()[field].words:
                text = os.fspath(files.expanded(text, f"config.{field}"))
                config.update_from_flattened_dict({field: _absolute(field, text)})
        if config.model.frozen and config.model.name != "auto":
            config.model.frozen = pretrained.is_wanted(config.model)
    return config


def _absolute(field: str, value: Any) -> Any:
    local = _is_path(field) and isinstance(value, str) and value and not files.is_remote(value)
    local = local and value not in schema()[field].words
    return os.path.abspath(value) if local else value


def _last_part(field: str, value: Any) -> Any:
    return os.path.basename(value) if _is_path(field) and isinstance(value, str) else value


def _get(config: ConfigDict, field: str) -> Any:
    for part in field.split("."):
        config = config[part]
    return config

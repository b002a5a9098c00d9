"""A recipe's meaning is checked before anything is written, and a recipe has a fingerprint.

ml_collections refuses unknown keys and wrong types by itself; it accepts `lr=nan` and
`epochs=-3`. `validate` looks at every field and reports the first that cannot be meant.
"""

import difflib
import hashlib
import json
import math
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from dull_jax import files
from dull_jax.errors import UserError
from dull_jax.names import quoted, shown

# Fields that change where and how fast a run goes, but not its numbers.
_NOT_RESULTS = (
    "compare",
    "variant",
    "data.dir",
    "data.file",
    "data.resident_gb",
    "train.checkpoint_every",
    "train.devices",
    "train.eval_batch_size",
    "train.keep",
    "train.steps_per_dispatch",
)

# Fields that are paths; empty means none.
_PATHS = ("data.dir", "data.file", "init", "model.pretrained", "noise.file")

# Values of data.name that mean images of the user's own; for them some fields may be left open.
OWN_IMAGES = ("folder", "csv", "clothing1m", "webvision")

_CHOICES = {
    "data.profile": ("exponential", "step", "none"),
    "data.groups": ("auto", "rank", "counts"),
    "data.fit": ("crop", "pad", "stretch"),
    "data.on_error": ("skip", "fail"),
    "noise.name": (
        "t2h symmetric asymmetric joint tabasco_symmetric tabasco_asymmetric file none".split()
    ),
    "noise.profile": ("tailness", "uniform"),
    "noise.destination": ("frequency", "similar"),
    "noise.which": ("uniform", "confusing"),
    "noise.join": ("id", "position"),
    "augment.strong": ("randaugment", "autoaugment"),
    "model.name": (
        "small_cnn",
        "resnet_small",
        "preact_resnet18",
        "resnet18",
        "resnet50",
        "auto",
    ),
    "model.stem": ("cifar", "imagenet"),
    "model.norm": ("batch", "group"),
    "model.dtype": ("float32", "bfloat16"),
    "train.view": ("plain", "weak", "strong"),
    "optim.name": ("sgd", "adamw"),
    "optim.decay": ("kernels", "all"),
    "optim.schedule": ("cosine", "step", "constant"),
    "dasc.midl_target": ("positive", "released"),
    "dasc.weights": ("aligned", "released"),
    "self_supervised.variant": ("simsiam", "moco"),
    "two_stage.loss": ("la_superloss", "superloss", "la", "ce"),
    "two_stage.weigh_by": ("plain", "adjusted"),
    "two_stage.threshold": ("log_classes", "mean"),
    "dull.gate": ("csg", "sinkhorn"),
    "dull.transition": ("structured", "free", "none"),
    "dull.h2t_mix": ("cutmix", "mixup"),
}

# field: (smallest, largest); a trailing "<" says that the largest itself is not allowed.
_RANGES = {
    "seed": (0, 2**31 - 1),
    "data.seed": (0, 2**31 - 1),
    "noise.seed": (0, 2**31 - 1),
    "data.imbalance_factor": (1, 1e6),
    "data.max_count": (0, 10**9),
    "data.holdout": (0, 0.5),
    "data.size": (0, 1024),
    "data.test_share": (0.01, 0.9),
    "data.resident_gb": (0, 1e6),
    "noise.rate": (0, 1, "<"),
    "noise.cap": (0, 1),
    "noise.temperature": (1e-6, 1e6),
    "augment.crop_pad": (0, 64),
    "augment.num_ops": (1, 10),
    "augment.magnitude": (0, 10),
    "augment.cutout": (0, 1024),
    "model.width": (0, 4096),
    "model.stages": (0, 10),
    "model.projector": (1, 65536),
    "model.channels_per_class": (0, 1024),
    "train.epochs": (0, 10**6),
    "train.batch_size": (1, 10**6),
    "train.devices": (0, 10**5),
    "train.steps_per_dispatch": (0, 10**4),
    "train.eval_every": (1, 10**6),
    "train.eval_batch_size": (1, 10**6),
    "train.checkpoint_every": (1, 10**6),
    "train.keep": (1, 10**4),
    "optim.lr": (0, 1e3),
    "optim.momentum": (0, 1, "<"),
    "optim.weight_decay": (0, 10),
    "optim.warmup_epochs": (0, 10**6),
    "optim.gamma": (0, 1),
    "optim.clip_norm": (0, 1e9),
    "optim.ema": (0, 1, "<"),
    "la.tau": (0, 10),
    "ldam_drw.max_margin": (0, 10),
    "ldam_drw.scale": (0.01, 1e3),
    "ldam_drw.reweight_from": (0, 1),
    "ldam_drw.beta": (0, 1, "<"),
    "elr.beta": (0, 1, "<"),
    "elr.weight": (0, 1e3),
    "co_teaching.forget_rate": (-1, 1, "<"),
    "co_teaching.ramp": (1, 10**6),
    "rolt.soften_from": (0, 1),
    "rolt.decay": (0, 1, "<"),
    "rolt.reweight_from": (0, 1),
    "rolt.beta": (0, 1, "<"),
    "semisup.warmup": (1, 10**6),
    "semisup.threshold": (0, 1),
    "semisup.temperature": (0.01, 100),
    "semisup.alpha": (0.01, 1e3),
    "semisup.lambda_u": (0, 1e4),
    "semisup.ramp": (1, 10**6),
    "dividemix.history": (1, 1000),
    "sfa.beta": (0, 1, "<"),
    "sfa.phi": (1, 2),
    "sfa.sample_above": (0, 10**9),
    "dasc.phi": (1, 2),
    "dasc.temperature": (0.001, 100),
    "dasc.confidence": (0, 1),
    "dasc.sbcl": (0, 1e3),
    "dasc.sbcl_temperature": (0.001, 100),
    "dasc.sbcl_from": (0, 10**6),
    "dasc.midl": (0, 1e3),
    "dasc.midl_temperature": (0.001, 100),
    "dasc.bank": (1, 10**6),
    "self_supervised.knn_every": (0, 10**6),
    "self_supervised.queue": (1, 10**7),
    "self_supervised.momentum": (0, 1, "<"),
    "self_supervised.temperature": (0.001, 100),
    "two_stage.tau": (0, 10),
    "two_stage.regulariser": (1e-3, 1e3),
    "two_stage.probe_epochs": (0, 10**6),
    "dull.warmup": (0, 1),
    "dull.ramp": (0, 1),
    "dull.memory": (0, 1, "<"),
    "dull.tau": (0, 10),
    "dull.ifd_weight": (0, 1e3),
    "dull.gate_weight": (0, 1e3),
    "dull.gate_lr": (0, 1e6),
    "dull.unlearn": (0, 1e3),
    "dull.h2t_share": (0.01, 1),
    "dull.h2t_repeats": (0.01, 1e6),
    "dull.h2t_power": (0, 10),
    "dull.transition_strength": (1e-6, 1e3),
}


def validate(config: ConfigDict) -> None:
    """Raises UserError for the first field whose value cannot be meant."""
    for field, value in flatten(config).items():
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, float) and not math.isfinite(number):
                raise UserError(f"config.{field} = {number}: must be a finite number")
    for field, choices in _CHOICES.items():
        value = _get(config, field)
        if value not in choices:
            raise UserError(f"config.{field} = {value!r}: {suggestion(value, choices)}")
    for field, (low, high, *strict) in _RANGES.items():
        value = _get(config, field)
        if value < low or value > high or (strict and value == high):
            bracket = ")" if strict else "]"
            raise UserError(f"config.{field} = {value}: must lie in [{low:g}, {high:g}{bracket}")
    _validate_together(config)


def _validate_together(config: ConfigDict) -> None:
    methods = method_names()
    for name in (config.method, *config.compare):
        if name not in methods:
            raise UserError(f"method {name!r}: {suggestion(name, methods)}")
        if not isinstance(config.get(name, ConfigDict()), ConfigDict):
            raise UserError(f"config.{name} must hold the fields of the method {name}")
    if config.method in config.compare:
        raise UserError(f"config.compare names {config.method!r}, which is config.method itself")
    if config.noise.name == "file" and not config.noise.file:
        raise UserError("config.noise.name = 'file' needs config.noise.file, the label file")
    if config.model.pretrained:
        _validate_pretrained(config)
    if config.data.name not in OWN_IMAGES:
        for field, left_open in (("model.name", "auto"), ("train.epochs", 0)):
            if _get(config, field) == left_open:
                raise UserError(
                    f"config.{field} = {left_open!r}: is chosen for images of your own only "
                    f"(config.data.name = {', '.join(OWN_IMAGES)}); set it"
                )
    mass = tuple(config.dull.candidate_mass)
    if len(mass) != 2 or not 0 < mass[0] <= mass[1] <= 1:
        raise UserError(f"config.dull.candidate_mass = {mass}: (start, end), 0 < start <= end <= 1")
    if any(not 0 < share < 1 for share in config.optim.milestones):
        raise UserError("config.optim.milestones: shares of training, each between 0 and 1")


def _validate_pretrained(config: ConfigDict) -> None:
    """Weights of a file fit one network only."""
    wanted = {"name": ("resnet18", "resnet50"), "stem": ("imagenet",), "norm": ("batch",)}
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


def method_names() -> tuple[str, ...]:
    """The methods there are: the files of dull_jax/methods."""
    folder = pathlib.Path(__file__).parent / "methods"
    shared = ("__init__", "base", "semisup")
    return tuple(sorted(p.stem for p in folder.glob("*.py") if p.stem not in shared))


def suggestion(value: object, choices: Sequence[str]) -> str:
    """'did you mean …?' where something is near, and always the whole list."""
    near = difflib.get_close_matches(str(value), choices, n=1)
    return (f"did you mean {near[0]!r}? " if near else "") + f"one of {', '.join(choices)}"


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


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """{'optim.lr': 0.1, …}, references resolved, tuples as lists (as JSON keeps them)."""
    nested = config if isinstance(config, dict) else json.loads(to_json(config))
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        inner = flatten(value) if isinstance(value, dict) else None
        flat |= {key: value} if inner is None else {f"{key}.{k}": v for k, v in inner.items()}
    return flat


def to_json(config: ConfigDict) -> str:
    """The whole recipe as JSON text, keys sorted."""
    return json.dumps(config.to_dict(), indent=1, sort_keys=True)


def _recipe(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that make the numbers: those of unused methods and of speed left out."""
    others = [f"{name}." for name in method_names() if name != flat.get("method")]
    return {
        key: value
        for key, value in flat.items()
        if key not in _NOT_RESULTS and not key.startswith(tuple(others))
    }


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


def check_same_run(begun: Mapping[str, Any], config: ConfigDict, workdir: object) -> None:
    """Raises UserError where `config` makes another run than `begun`, config.json of `workdir`."""
    if told := difference(begun, config):
        told = told if len(told) <= 5 else [*told[:4], f"{len(told) - 4} more"]
        raise UserError(
            f"workdir {workdir} holds a run of another recipe ({'; '.join(told)}); "
            "continue with that recipe or take another workdir"
        )


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """'field: before -> after' for each of `numbers` that differs."""

    def value(recipe: Mapping[str, Any], key: str) -> str:
        return quoted(recipe[key]) if key in recipe else "absent"

    return [
        f"{shown(key)}: {value(before, key)} -> {value(after, key)}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]


# Paths ------------------------------------------------------------------------------------------


def resolved(config: ConfigDict) -> ConfigDict:
    """A copy whose local paths hold wherever it is used: absolute, with `~` replaced.

    Raises:
      UserError: nobody's home.
    """
    config = config.copy_and_resolve_references()
    with config.unlocked():
        for field in _PATHS:
            if text := _get(config, field):
                text = os.fspath(files.expanded(text, f"config.{field}"))
                config.update_from_flattened_dict({field: _absolute(field, text)})
    return config


def _absolute(field: str, value: Any) -> Any:
    local = field in _PATHS and isinstance(value, str) and value and not files.is_remote(value)
    return os.path.abspath(value) if local else value


def _last_part(field: str, value: Any) -> Any:
    return os.path.basename(value) if field in _PATHS and isinstance(value, str) else value


def _get(config: ConfigDict, field: str) -> Any:
    for part in field.split("."):
        config = config[part]
    return config

"""Everything needed to run it again: command, versions, hardware, recipe, digests."""

import json
from typing import Any

from markupsafe import Markup

from dull_jax.fields import flatten
from dull_jax.report import blocks
from dull_jax.report.numbers import NA
from dull_jax.report.run import Run
from dull_jax.report.sections import Place

TITLE, ORDER = "Settings", 80
OWN = Place(90, folded=True)

_DIGESTS = ("config_fingerprint", "data_digest", "labels_digest")


def content(run: Run) -> list:
    command = run.env.get("command") or run.result.get("command")
    versions = run.env.get("versions") or run.result.get("versions") or {}
    return [
        blocks.command(_plain(command).split(" ")) if command else None,
        _table(_machine(run)),
        _details("The whole recipe", flatten(run.config)),
        _details("Package versions", versions),
    ]


def _machine(run: Run) -> dict[str, Any]:
    env, result, data = run.env, run.result, run.data
    noise = {
        key: value for key, value in (data.get("noise") or {}).items() if key != "realised_by_class"
    }
    facts = {
        "started": env.get("started"),
        "python": env.get("python"),
        "platform": env.get("platform"),
        "cpu": env.get("cpu"),
        "devices": env.get("devices"),
        "hardware": result.get("hardware"),
        "seconds": result.get("seconds"),
        "images per second": result.get("images_per_second"),
        "noise": None if run.in_doubt else noise or None,
    }
    facts |= {key.replace("_", " "): result.get(key) or data.get(key) for key in _DIGESTS}
    return {key: value for key, value in facts.items() if value is not None}


def _details(title: str, values: dict[str, Any]) -> Markup | None:
    return blocks.details(f"{title} ({len(values)})", _table(values)) if values else None


def _table(values: dict[str, Any]) -> Markup:
    return blocks.table([], [(key, _plain(value)) for key, value in values.items()], look="wide")


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return NA if value is None else json.dumps(value, ensure_ascii=False)

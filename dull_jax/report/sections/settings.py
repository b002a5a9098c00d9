"""Everything needed to run it again: command, versions, hardware, recipe, digests."""

import json
from typing import Any

from dull_jax.fields import flatten
from dull_jax.report.markup import NA, Markup, table, tag
from dull_jax.report.run import Run

_DIGESTS = ("config_fingerprint", "data_digest", "labels_digest")


def section(run: Run) -> Markup:
    command = run.env.get("command") or run.result.get("command")
    return tag(
        "section",
        tag("h2", "Settings"),
        tag("pre", _plain(command)) if command else None,
        table([], [(key, value) for key, value in _machine(run)], class_="wide"),
        _details("The whole recipe", flatten(run.config)),
        _details("Package versions", run.env.get("versions") or run.result.get("versions") or {}),
        id="settings",
    )


def _machine(run: Run) -> list[tuple[str, str]]:
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
        "noise": noise or None,
    }
    facts |= {key.replace("_", " "): result.get(key) or data.get(key) for key in _DIGESTS}
    return [(key, _plain(value)) for key, value in facts.items() if value is not None]


def _details(title: str, values: dict[str, Any]) -> Markup | None:
    if not values:
        return None
    rows = [(key, _plain(value)) for key, value in values.items()]
    return tag("details", tag("summary", f"{title} ({len(rows)})"), table([], rows, class_="wide"))


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return NA if value is None else json.dumps(value, ensure_ascii=False)

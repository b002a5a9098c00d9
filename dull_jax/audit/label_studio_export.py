"""Label Studio's JSON export as decisions: of tasks that `write_back/label_studio.py` wrote."""

import json
import os
from typing import Any

from dull_jax import files
from dull_jax.audit.decisions import SKIP, Decision
from dull_jax.audit.write_back.label_studio import CHOICE
from dull_jax.errors import UserError
from dull_jax.names import composed, shown


def read(path: str | os.PathLike) -> list[Decision]:
    """A decision for each annotation, the older ones first; cancelled ones are skipped samples.

    Several people may have decided: where they differ, `decisions.of_samples` names the conflict.

    Raises:
      UserError: it is no such export; names the task.
    """
    name = shown(str(path))
    try:
        tasks = json.loads(files.read(path))
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror or error})") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name}: not JSON ({error})") from None
    if not isinstance(tasks, list):
        raise UserError(f"{name}: a list of tasks is expected, as Label Studio's JSON export has")
    rows = []
    for number, task in enumerate(tasks, 1):
        try:
            rows += _decisions(task)
        except (KeyError, TypeError, AttributeError, IndexError):
            raise UserError(
                f"{name}, task {number}: not as Label Studio's JSON export has it; export as JSON, "
                "not JSON-MIN, of tasks that have data.id"
            ) from None
    return rows


def _decisions(task: dict[str, Any]) -> list[Decision]:
    data = task["data"]
    key, given = composed(str(data["id"])), composed(str(data.get("given", "")))
    found = sorted(task.get("annotations", []), key=lambda a: str(a.get("updated_at", "")))
    rows = []
    for annotation in found:
        when = str(annotation.get("updated_at", ""))
        choice = SKIP if annotation.get("was_cancelled") else _choice(annotation["result"])
        if choice:
            rows.append(Decision(key, given, choice, when))
    return rows


def _choice(result: list[dict[str, Any]]) -> str:
    """The class that was chosen, by our control if there are others; "" where nothing was.

    Raises TypeError for what is no list of names.
    """
    parts = [part for part in result if part.get("type") == "choices"]
    ours = [part for part in parts if part.get("from_name") == CHOICE] or parts
    names = ours[0]["value"]["choices"] if ours else []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError
    return composed(names[0].strip()) if names else ""

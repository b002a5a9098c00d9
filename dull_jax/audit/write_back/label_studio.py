"""Label Studio's tasks: suspects with what the audit suggests, and what was decided already.

The project's labelling set-up is written beside the tasks, as TARGET with the suffix .xml. Images
are addressed as local files (`/data/local-files/?d=…`, below the root of the file system): Label
Studio serves them if LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED is true and
LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT is `/`. What was decided there comes back by
`--decisions=export.json` (`audit/label_studio_export.py`).
"""

import json
import os
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from dull_jax import files
from dull_jax.audit.corrections import DECIDED, GONE, NONE, Correction, Corrections
from dull_jax.audit.decision_table import NONE as NO_CLASS
from dull_jax.audit.decision_table import REMOVE
from dull_jax.audit.label_studio_export import CHOICE
from dull_jax.errors import UserError
from dull_jax.names import shown

SUFFIXES = (".json",)
BESIDE = (".xml",)  # is written, too
IMAGE = "image"  # the set-up's control that shows it
_CHOICES = {NONE: NO_CLASS, GONE: REMOVE}  # beside the classes


def write(target: files.Path, corrections: Corrections, copy: bool) -> tuple[str, ...]:
    """Tasks of what is listed or decided; `copy` does not matter.

    Raises:
      UserError: there are no files of the images.
    """
    audited = (row for row in corrections.rows if row.audited)
    rows = [row for row in audited if row.listed or _is_decided(row)]
    if rows and not any(row.file for row in rows):
        raise UserError(
            f"--apply={shown(str(target))}: no image files are known to show there; add --images"
        )
    with files.whole(target) as file:
        file.write(json.dumps([_task(row) for row in rows if row.file], indent=1).encode())
    with files.whole(target.with_suffix(".xml")) as file:
        file.write(setup(corrections.class_names).encode("utf-8", "xmlcharrefreplace"))
    without = sum(not row.file for row in rows)
    return (f"{without:,} tasks have no image file, and are left out",) if without else ()


def setup(class_names: tuple[str, ...]) -> str:
    """The labelling interface, XML."""
    choices = "".join(
        f"    <Choice value={quoteattr(name)}/>\n" for name in (*class_names, *_CHOICES.values())
    )
    return (
        f'<View>\n  <Image name="{IMAGE}" value="$image"/>\n'
        '  <Text name="about" value="$about"/>\n'
        f'  <Choices name="{CHOICE}" toName="{IMAGE}" choice="single" required="true">\n'
        f"{choices}  </Choices>\n</View>\n"
    )


def _is_decided(row: Correction) -> bool:
    return row.status in (DECIDED, *_CHOICES)


def _task(row: Correction) -> dict:
    decided = _is_decided(row)
    path = quote(os.fsencode(row.file).lstrip(b"/"))
    data = {
        "image": f"/data/local-files/?d={path}",
        "about": f"given: {row.given}" + ("" if decided else f"; P(wrong) {row.p_wrong:.2f}"),
        "id": row.id,
        "given": row.given,
        "p_wrong": round(row.p_wrong, 4),
    }
    task: dict = {"data": data}
    if decided:
        choice = _CHOICES.get(row.status, row.label)
        # What is imported would be taken for the ground truth, which later annotations yield to.
        task["annotations"] = [{"result": [_result(choice)], "ground_truth": False}]
    else:
        prediction = {"model_version": "dull_jax", "score": round(row.p_wrong, 4)}
        task["predictions"] = [prediction | {"result": [_result(row.suggested)]}]
    return task


def _result(choice: str) -> dict:
    return {
        "from_name": CHOICE,
        "to_name": IMAGE,
        "type": "choices",
        "value": {"choices": [choice]},
    }

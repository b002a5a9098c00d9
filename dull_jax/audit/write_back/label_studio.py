"""Label Studio's tasks: suspects with what the audit suggests, and what was decided already.

The project's labelling set-up is written beside the tasks, as TARGET with the suffix .xml. Images
are addressed as local files (`/data/local-files/?d=…`, below the root of the file system): Label
Studio serves them if LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED is true and
LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT is `/`. What was decided there comes back by
`--decisions=export.json` (`audit/label_studio_export.py`).
"""

import json
import math
import os
import pathlib
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from dull_jax import files
from dull_jax.audit.corrections import DECIDED, NONE, Correction, Corrections
from dull_jax.audit.decisions import NONE as NO_CLASS
from dull_jax.errors import UserError
from dull_jax.names import shown

SUFFIXES = (".json",)
BESIDE = (".xml",)  # is written, too
CHOICE, IMAGE = "label", "image"  # names of the set-up's controls


def write(target: files.Path, corrections: Corrections, copy: bool) -> None:
    """Tasks of what is listed or decided; `copy` does not matter.

    Raises:
      UserError: there are no files of the images.
    """
    audited = (row for row in corrections.rows if not math.isnan(row.p_wrong))
    rows = [row for row in audited if row.listed or row.status in (DECIDED, NONE)]
    if rows and not any(row.file for row in rows):
        raise UserError(
            f"--apply={shown(str(target))}: no image files are known to show there; name, of "
            "embeddings or predictions, the folder of the images: --images"
        )
    with files.whole(target) as file:
        file.write(json.dumps([_task(row) for row in rows if row.file], indent=1).encode())
    with files.whole(target.with_suffix(".xml")) as file:
        file.write(setup(corrections.class_names).encode())


def setup(class_names: tuple[str, ...]) -> str:
    """The labelling interface, XML."""
    choices = "".join(
        f"    <Choice value={quoteattr(name)}/>\n" for name in (*class_names, NO_CLASS)
    )
    return (
        f'<View>\n  <Image name="{IMAGE}" value="$image"/>\n'
        '  <Text name="about" value="$about"/>\n'
        f'  <Choices name="{CHOICE}" toName="{IMAGE}" choice="single" required="true">\n'
        f"{choices}  </Choices>\n</View>\n"
    )


def _task(row: Correction) -> dict:
    decided = row.status in (DECIDED, NONE)
    path = quote(os.fsencode(pathlib.Path(row.file).as_posix().lstrip("/")))
    data = {
        "image": f"/data/local-files/?d={path}",
        "about": f"given: {row.given}" + ("" if decided else f"; P(wrong) {row.p_wrong:.2f}"),
        "id": row.id,
        "given": row.given,
        "p_wrong": round(row.p_wrong, 4),
    }
    task: dict = {"data": data}
    if row.status in (DECIDED, NONE):
        choice = NO_CLASS if row.status == NONE else row.label
        task["annotations"] = [{"result": [_result(choice)]}]
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

"""Class folders: TARGET/<split>/<class>/<file>, as configs/folder.py reads them."""

import pathlib

from dull_jax import files
from dull_jax.audit import safe_names, written_folder
from dull_jax.audit.corrections import Corrections
from dull_jax.data.tables import class_labels
from dull_jax.names import shown

SUFFIXES = ()


def write(target: files.Path, corrections: Corrections, copy: bool) -> tuple[str, ...]:
    """Links to the images, which stay where they are, or copies of them.

    Raises:
      UserError: no image file is known, or see `written_folder.write`.
    """
    rows, notes = corrections.with_files(target)
    # Of files that were not audited, a label may be none of the classes.
    names = class_labels.every(corrections.class_names, (row.label for row in rows))
    folders = safe_names.of_folders(names)
    into = [pathlib.PurePath(row.part, folders[row.label]) for row in rows]
    places = safe_names.of_files([row.file for row in rows], [row.id for row in rows], into)
    images = dict(zip(places, (row.file for row in rows), strict=True))
    written_folder.write(target, images, {}, copy)
    renamed = [f"{shown(name)} in {shown(folder)}" for name, folder in folders.items()
               if name != folder]  # fmt: skip
    if renamed:
        some = ", ".join(renamed[:3]) + (", …" if len(renamed) > 3 else "")
        notes = (*notes, f"classes whose names are no folders' names everywhere: {some}")
    return notes

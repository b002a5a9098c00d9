"""The images of samples whose table has paths: shown on pages, never needed by the audit itself."""

import dataclasses
import os

import numpy as np

from dull_jax.audit.inputs import PAGE_SIDE, AuditInput
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.errors import UserError
from dull_jax.files import Path
from dull_jax.names import shown


def joined(samples: AuditInput, folder: Path) -> AuditInput:
    """Samples with the images that lie below the folder, by their paths.

    Raises:
      UserError: samples have no paths, or images are not there.
    """
    if not any(samples.paths):
        raise UserError(f"--images={shown(str(folder))}: the samples have no paths; give a column")
    there = [bool(path) and os.path.isfile(folder / path) for path in samples.paths]
    if missing := there.count(False):
        first = samples.paths[there.index(False)]
        raise UserError(
            f"--images={shown(str(folder))}: {missing:,} of {len(there):,} images are not there, "
            f"{shown(str(first)) or 'one without a path'} for one; paths must begin below it"
        )
    images = ImageFiles(folder, np.array(samples.paths, object), PAGE_SIDE)
    return dataclasses.replace(samples, images=images)

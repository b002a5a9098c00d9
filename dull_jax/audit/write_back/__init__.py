"""Formats in which corrected labels leave; a module each, named by --apply_as.

Each has `SUFFIXES` of the file that --apply names, none where it names a folder, and
`write(target, corrections, copy)`, which returns what is to be said, a line each; copy: images are
copied, not linked to.
"""

import importlib
import pkgutil
from types import ModuleType

from dull_jax import files
from dull_jax.errors import UserError
from dull_jax.names import shown

NAMES = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))
BY_SUFFIX = "auto"  # the format that writes such files, or class folders


def chosen(name: str, target: files.Path) -> ModuleType:
    """The module of a format, by its name or by the suffix of the target.

    Raises:
      UserError: the target's suffix is none of the format's, or what writes it is not installed.
    """
    suffix = target.suffix.lower()
    if name == BY_SUFFIX:
        name = {"": "folders", ".json": "label_studio"}.get(suffix, "table")
    module = importlib.import_module(f"{__name__}.{name}")
    if module.SUFFIXES and suffix not in module.SUFFIXES:
        *more, last = module.SUFFIXES
        needed = f"{', '.join(more)} or {last}" if more else last
        raise UserError(
            f"--apply={shown(str(target))}: name a {needed} file, or a folder; for other formats "
            f"see --apply_as ({', '.join(NAMES)})"
        )
    getattr(module, "needs", lambda target: None)(target)
    return module

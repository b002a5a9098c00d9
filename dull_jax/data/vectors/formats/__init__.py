"""Files of embeddings: one file of this folder for each format.

It has a TITLE, a SUFFIX and

    read(name, path) -> Embeddings

`name` is the file as messages show it. Whatever its library raises, `read` here makes one line of.
"""

import os
import pathlib

from dull_jax import fields, files
from dull_jax.data.vectors.columns import Embeddings
from dull_jax.errors import UserError, reason
from dull_jax.names import shown

_SHARDS = ".parquet"  # a folder of them is one table


def read(named: str | os.PathLike) -> Embeddings:
    """The embeddings of a file, or of a folder of parquet shards; large ones stay in their files.

    Raises:
      UserError: it is not there, of no known format, damaged, or holds no vectors.
    """
    path, name = pathlib.Path(files.expanded(named)), shown(os.fspath(named))
    formats = {module.SUFFIX: module for module in fields.kinds(__name__).values()}
    suffix = _SHARDS if path.is_dir() else path.suffix.lower()
    if suffix not in formats:
        known = ", ".join(sorted(formats))
        raise UserError(
            f"{name}: embeddings are read from {known} files and from folders of {_SHARDS} files"
        )
    try:
        files.check_regular(path)
        return formats[suffix].read(name, path)
    except UserError:
        raise
    except OSError as error:
        why = error.strerror or reason(error)
        raise UserError(f"{name}: cannot be read ({why})") from None
    except Exception as error:  # damage has a dozen types in each library; none of them runs code
        kind = formats[suffix].TITLE
        raise UserError(f"{name}: not readable as {kind} ({reason(error)})") from None

"""The way into this layer: from a recipe to a recipe without open fields, and its data.

    config, dataset = prepare(config)

Everything that training, an audit or a benchmark needs of images and labels is done here, once and
in one order: scan, automatic settings, the check against a run that was begun, its labels or a
draw, and the arrays.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ml_collections import ConfigDict

from dull_jax import files
from dull_jax.data import auto, dataset, sources
from dull_jax.data.dataset import Dataset

Say = Callable[[str], None]


def prepare(
    config: ConfigDict,
    say: Say = print,
    *,
    begun: Mapping[str, Any] | None = None,
    check: Callable[[ConfigDict], None] = lambda config: None,
    labels: files.Path | None = None,
    audit: bool = False,
) -> tuple[ConfigDict, Dataset]:
    """The recipe with everything chosen that it left to the data, and the data.

    Args:
      config: a valid recipe; reads `data` and `noise`, and what `auto` may choose.
      say: is told what a scan meets, what is chosen, and which images are new or gone.
      begun: what config.json of a run that goes on holds; None: a fresh one.
      check: looks at the recipe when nothing in it is open any more, before an image is loaded; it
        may raise.
      labels: a labels.npz to use instead of drawing; of the user's own images its split too,
        whatever was renamed, moved or added since. A file that is not there is none.
      audit: of a run's images: go on without those that are gone, which training must not; and the
        scan, of which the run has told, is silent.

    Raises:
      UserError: see `sources.scan` and `dataset.build`.
    """
    manifest = sources.scan(config.data, _silent if audit else say)
    config = auto.resolve_as_begun(config, begun or {})
    if manifest is not None:
        config = auto.resolve_auto(config, manifest, say)
    check(config)
    built = dataset.build(config, labels, manifest, say, audit)
    if built.train.vector_size:
        config = auto.resolve_for_vectors(config, built.train.vector_size, say)
    return config, built


def _silent(text: str) -> None:
    """Says nothing."""

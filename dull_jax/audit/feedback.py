"""What decisions have shown so far, and how a list differs from the one before it."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dull_jax import files
from dull_jax.audit import saved
from dull_jax.audit.inputs import AuditInput
from dull_jax.errors import UserError
from dull_jax.run_dir import layout
from dull_jax.stats.label_audit import LabelAudit


class Counted(NamedTuple):
    """Labels that a person has judged: how many, and how many of them were wrong."""

    decided: int
    wrong: int

    @property
    def precision(self) -> float:
        return self.wrong / self.decided if self.decided else float("nan")


class Changes(NamedTuple):
    """Ids of labels that the list before did not flag, and of undecided ones it alone flags."""

    new: tuple[str, ...]
    cleared: tuple[str, ...]

    def __str__(self) -> str:
        return f"{len(self.new):,} newly flagged, {len(self.cleared):,} no longer flagged"


def counted(samples: AuditInput, audit: LabelAudit) -> Mapping[str, Counted]:
    """group of the given class and 'all' -> what was decided of its labels."""
    inside = {group: np.isin(samples.given, ids) for group, ids in audit.groups.items()}
    inside["all"] = np.ones(len(samples.given), bool)
    judged = audit.decided
    if samples.decided is not None:
        judged = judged & ~samples.decided.removed
    error = judged & (audit.wrong > 0.5)
    return {
        group: Counted(int((members & judged).sum()), int((members & error).sum()))
        for group, members in inside.items()
    }


def before(folder: files.Path) -> saved.SavedAudit | None:
    """The audit that lies in the folder; None where there is none that can be read."""
    if not layout.is_audit(folder):
        return None
    try:
        return saved.read(folder)
    except UserError:
        return None


def changes(earlier: saved.SavedAudit, samples: AuditInput, audit: LabelAudit) -> Changes:
    """Since the earlier list; a sample that it did not have counts as not flagged."""
    flagged_then = dict(zip(earlier.ids.tolist(), earlier.flagged.tolist(), strict=True))
    then = np.array([flagged_then.get(str(key), False) for key in samples.ids], bool)
    new = audit.flagged & ~then
    cleared = then & ~audit.flagged & ~audit.decided
    return Changes(tuple(samples.ids[new].tolist()), tuple(samples.ids[cleared].tolist()))

"""The label that every file of a data set gets: decided by a person, corrected, or kept.

What a person has decided comes first. Suggestions follow where they were asked for. Kept are labels
that are ambiguous; those of rare classes, where an audit errs most and each label counts; those of
images that are like nothing else; and those of images to test on, which would score a model better
than it is if corrected by what a model thinks of them. A copy of an audited image takes the same
label: else the table would contradict itself. Images that cannot be read stay what they are, and so
do those of a part that is not used, which nobody opens.
"""

import math
import os
from typing import NamedTuple

import numpy as np

from dull_jax.audit import saved
from dull_jax.audit.decisions import NO_CLASS, OPEN, REMOVED
from dull_jax.audit.inputs import AuditInput
from dull_jax.audit.verdicts import OUTSIDE, Listed
from dull_jax.data.own.image_index import split_of
from dull_jax.data.tables import corrected, left_out
from dull_jax.errors import UserError
from dull_jax.files import Path
from dull_jax.names import shown
from dull_jax.stats.label_audit import LabelAudit

DECIDED, CORRECTED, KEPT = "decided", corrected.CORRECTED, "kept"
NONE, GONE = left_out.NONE, left_out.REMOVED  # a person's decisions: not to be trained on
LEFT_OUT = left_out.STATUSES  # of what has no label


class Correction(NamedTuple):
    """A file, and its label."""

    id: str
    path: str  # as people know it
    file: str  # absolute; "" where no image is known
    label: str  # "" where it has none
    given: str
    split: str
    status: str  # one of the above, or as of `inputs.Other`
    p_wrong: float = float("nan")  # of the given label; nan where it was not audited
    suggested: str = ""  # what fits better, as the audit has it, decided or not
    listed: bool = False  # among the suspects

    @property
    def part(self) -> str:
        """'train', 'test' or 'val': a table may have any word as its split, a path too.

        What is none of them is trained on, as the audit has it (`AuditInput.held_out`).
        """
        return split_of(self.split) or "train"

    @property
    def audited(self) -> bool:
        return not math.isnan(self.p_wrong)


class Corrections(NamedTuple):
    """All files of a data set, those that were audited first."""

    rows: list[Correction]
    class_names: tuple[str, ...]

    def usable(self) -> list[Correction]:
        """Those with a label."""
        return [row for row in self.rows if row.label and row.status not in LEFT_OUT]

    def with_files(self, target: Path) -> tuple[list[Correction], tuple[str, ...]]:
        """(what has a label and an image, a line for what has no image).

        Args:
          target: where they are to be put, for messages.

        Raises:
          UserError: nothing has.
        """
        labelled = self.usable()
        found = [row for row in labelled if row.file]
        if not found:
            raise UserError(
                f"--apply={shown(str(target))}: no image files are known to put there; add "
                "--images, or name a .csv file"
            )
        if without := len(labelled) - len(found):
            return found, (f"{without:,} labels have no image file, and are not in {target}",)
        return found, ()


def of(
    samples: AuditInput, audit: LabelAudit, listed: Listed, accept_above: float | None = None
) -> Corrections:
    """Every file with the label that it gets.

    Args:
      accept_above: suggestions are taken where P(wrong) exceeds it. None: those of all flagged
        labels; but none where there is a file of decisions, be it empty: then a person decides.
    """
    names = samples.class_names
    replaced = accepted(samples, audit, listed, accept_above)
    known = np.full(len(samples.given), OPEN) if samples.decided is None else samples.decided.label
    labels = np.where(replaced, audit.suggested, samples.given)
    labels = np.where(known >= 0, known, labels)
    splits = np.full(len(labels), "train", object) if samples.splits is None else samples.splits
    places = saved.image_files(samples.images, samples.paths)
    suspects = np.isin(np.arange(len(labels)), listed.rows)
    rows = []
    for n, (new, old) in enumerate(zip(labels.tolist(), samples.given.tolist(), strict=True)):
        status = _status(int(known[n]), new != old)
        rows.append(
            Correction(
                id=str(samples.ids[n]),
                path=str(samples.paths[n]),
                file=str(places[n]),
                label="" if status in LEFT_OUT else names[new],
                given=names[old],
                split=str(splits[n]),
                status=status,
                p_wrong=float(audit.wrong[n]),
                suggested=names[int(audit.suggested[n])],
                listed=bool(suspects[n]),
            )
        )
    return Corrections([*rows, *_others(samples, rows)], tuple(names))


def accepted(
    samples: AuditInput, audit: LabelAudit, listed: Listed, accept_above: float | None = None
) -> np.ndarray:
    """bool `[N]`: whether a suggestion replaces the given label; see `of`."""
    if accept_above is None and samples.decided is not None:
        return np.zeros(len(samples.given), bool)
    replaced = audit.replaceable & ~samples.held_out & (audit.wrong > (accept_above or 0))
    replaced[listed.of(OUTSIDE)] = False
    return replaced


def _status(known: int, changed: bool) -> str:
    if known in (NO_CLASS, REMOVED):
        return NONE if known == NO_CLASS else GONE
    if known >= 0:
        return DECIDED
    return CORRECTED if changed else KEPT


def _others(samples: AuditInput, audited: list[Correction]) -> list[Correction]:
    """Files that were not audited; a copy has the label and the fate of its twin."""
    root = getattr(samples.images, "root", "")
    rows = []
    for other in samples.others:
        label, status = other.label, other.status
        if other.twin >= 0:
            label = audited[other.twin].label
            fate = audited[other.twin].status
            status = fate if fate in LEFT_OUT else status
        file = os.path.abspath(os.path.join(root, other.path))
        file = file if other.path and os.path.isfile(file) else ""
        given = other.given or other.label
        rows.append(Correction(other.id, other.path, file, label, given, other.split, status))
    return rows

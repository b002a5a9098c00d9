"""The sections of an audit's page with samples to look at: one of each verdict."""

import os
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from dull_jax.audit import image_paths, verdicts
from dull_jax.audit.eval_part import EvalPart
from dull_jax.audit.inputs import AuditInput
from dull_jax.audit.verdicts import Listed, Twin
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.report import blocks, neighbours
from dull_jax.report.numbers import number
from dull_jax.report.pictures import thumbnail
from dull_jax.run_dir import layout
from dull_jax.stats.label_audit import LabelAudit
from dull_jax.train import embedding_map

SHOWN = 120  # wrong labels with a picture; the list has them all
_OTHERS = 40  # of each other verdict
_AT_ONCE = 16  # seen without a click

_FALSE_SCORES = (
    "Test images that are removed or relabelled because an audit named them make scores look "
    "better than they are."
)


_BESIDE_TWINS = (verdicts.LEAK, verdicts.DUPLICATE)  # which tell more than neighbours


class _Kind(NamedTuple):
    id: str
    title: str
    explained: str  # what it means and what to do


_KINDS = {
    verdicts.WRONG: _Kind(
        "wrong",
        "Wrong labels",
        "Another class fits better. Likeliest first: given label → label that fits better, "
        "P(wrong). Look at them, then --apply corrects them.",
    ),
    verdicts.AMBIGUOUS: _Kind(
        "ambiguous",
        "Ambiguous labels",
        "The given class is doubtful, and still likelier than the next: given label / other class. "
        "Decide by eye. --apply keeps these labels.",
    ),
    verdicts.LEAK: _Kind(
        "leak",
        "Copies of test images",
        "Each is a near copy of a test image, shown beside it, so scores are better than on new "
        f"images. Remove the train copy, which is the one listed. {_FALSE_SCORES}",
    ),
    verdicts.DUPLICATE: _Kind(
        "duplicate",
        "Duplicates",
        "Each is a near copy of the sample beside it, which therefore counts twice. Remove the one "
        "listed. Pairs with different labels come first; of those at least one label is wrong.",
    ),
    verdicts.OUTSIDE: _Kind(
        "outside",
        "None of the classes",
        "Little in common with all other samples. If no class applies, leave the sample out of "
        "training; a rare view of a class stays.",
    ),
}


def sections(
    samples: AuditInput, audit: LabelAudit, listed: Listed
) -> dict[str, tuple[str, Markup]]:
    """{id: (title, section)} of those with samples in them; wrong labels in any case."""
    shown = {
        verdict: listed.of(verdict)[: SHOWN if verdict == verdicts.WRONG else _OTHERS]
        for verdict in _KINDS
    }
    cards = _cards(samples, audit, listed, np.concatenate(list(shown.values())).astype(int))
    return {
        _KINDS[verdict].id: (
            _KINDS[verdict].title,
            _section(samples, audit, listed, verdict, [cards[n] for n in rows.tolist()]),
        )
        for verdict, rows in shown.items()
        if len(rows) or verdict == verdicts.WRONG
    }


def _section(
    samples: AuditInput, audit: LabelAudit, listed: Listed, verdict: str, cards: list[Markup]
) -> Markup:
    kind = _KINDS[verdict]
    rows = listed.of(verdict)
    said = kind.explained
    if verdict == verdicts.WRONG:
        said += _kept(samples, audit, rows)
    if verdict == verdicts.WRONG and isinstance(samples.images, ImageFiles):
        said += f" Paths begin in {os.path.abspath(samples.images.root)}."
    if len(rows) > len(cards):
        said += f" {len(rows) - len(cards):,} more are in {layout.SUSPECTS}."
    if samples.vectors is not None and verdict not in _BESIDE_TWINS:
        said += f" {neighbours.EXPLAINED}"
    roomy, more = samples.vectors is not None, cards[_AT_ONCE:]
    content = [
        blocks.text(said, "soft"),
        blocks.cards(cards[:_AT_ONCE], roomy) if cards else blocks.text("None."),
        blocks.details(f"{len(more)} more", blocks.cards(more, roomy)) if more else None,
    ]
    return blocks.section(kind.id, kind.title, content)


def _kept(samples: AuditInput, audit: LabelAudit, rows: np.ndarray) -> str:
    """Which of the wrong labels at `rows` --apply keeps."""
    in_test, said = samples.held_out[rows], ""
    if rare := int((~audit.replaceable[rows] & ~in_test).sum()):
        said += f" --apply keeps those of rare classes ({rare:,})."
    if in_test.any():
        said += f" --apply keeps those of test images ({in_test.sum():,}). {_FALSE_SCORES}"
    return said


def _cards(
    samples: AuditInput, audit: LabelAudit, listed: Listed, rows: np.ndarray
) -> dict[int, Markup]:
    """row -> its card."""
    pictures = samples.images[rows] if samples.images is not None and len(rows) else None
    near = _near(samples, audit, rows)
    verdict_of = dict(zip(listed.rows.tolist(), listed.verdicts, strict=True))
    return {
        n: _card(
            samples,
            audit,
            n,
            verdict_of[n],
            listed.twins.get(n),
            picture=_picture(samples.images, n, None if pictures is None else pictures[place]),
            near=[] if verdict_of[n] in _BESIDE_TWINS else near[place],
        )
        for place, n in enumerate(rows.tolist())
    }


def _picture(images: Any, n: int, pixels: np.ndarray | None) -> str:
    """The address of a thumbnail; "" where there is none, or its file cannot be read."""
    return "" if pixels is None or image_paths.is_blank(images, n) else thumbnail(pixels)


def _card(
    samples: AuditInput, audit: LabelAudit, n: int, verdict: str, twin: Twin | None, **parts: Any
) -> Markup:
    names, given, better = samples.class_names, int(samples.given[n]), int(audit.suggested[n])
    between = " / " if verdict == verdicts.AMBIGUOUS else " → "
    test = ", test image" if samples.held_out[n] else ""
    return blocks.card(
        name=name(samples, n),
        given=names[given],
        better=between + names[better] if better != given else "",
        score=f"P(wrong) {number(audit.wrong[n], 3)}{test}",
        true_class=None if samples.clean is None else names[int(samples.clean[n])],
        twin=None if twin is None else _twin(samples, twin),
        **parts,
    )


def _twin(samples: AuditInput, twin: Twin) -> dict[str, str]:
    """`twin` of `blocks.card`."""
    n = twin.row
    part: AuditInput | EvalPart = samples
    label, is_test = samples.given, twin.in_test or samples.held_out[n]
    if twin.in_test and samples.test is not None:
        part, label = samples.test, samples.test.labels
    picture = "" if part.images is None else thumbnail(part.images[np.array([n])][0])
    kind = "test image " if is_test else ""
    said = f"copy of {kind}{name(part, n)}: {samples.class_names[int(label[n])]}"
    return {"said": said, "picture": picture}


def _near(samples: AuditInput, audit: LabelAudit, rows: np.ndarray) -> list[list[dict]]:
    """The neighbours of each row; none without embeddings."""
    if samples.vectors is None or not len(rows):
        return [[] for _ in rows]
    names, found = samples.class_names, embedding_map.neighbours(samples.vectors, rows)
    pictures = None if samples.images is None else embedding_map.small(samples.images, found)
    return [
        neighbours.near(
            [(name(samples, n), names[samples.given[n]]) for n in found[place]],
            names[audit.suggested[row]],
            None if pictures is None else pictures[place],
        )
        for place, row in enumerate(rows.tolist())
    ]


def name(part: Any, n: int) -> str:
    """Of sample n of an AuditInput or a EvalPart: its path, or its id."""
    return str(part.paths[n] or part.ids[n])

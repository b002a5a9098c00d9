"""The page of an audit of vectors: the map, and each suspect among its neighbours."""

import numpy as np

from dull_jax.audit import page, verdicts
from dull_jax.audit.inputs import AuditInput
from dull_jax.stats.label_audit import audit_labels


def _samples(images=None, vectors=True, clean=True):
    """Cats called dogs, in two clouds of embeddings."""
    rng = np.random.default_rng(0)
    true = np.repeat([0, 1], [120, 80])
    given = np.where((true == 0) & (rng.random(200) < 0.2), 1, true)
    embeddings = np.eye(2)[true] + rng.normal(0, 0.1, (200, 2))
    return AuditInput(
        ids=np.array([f"sample {n}" for n in range(200)]),
        paths=np.full(200, "", object),
        given=given,
        probs=np.where((true == 0)[:, None], [0.8, 0.2], [0.02, 0.98]),
        class_names=("cat", "<dog>"),
        clean=true if clean else None,
        images=images,
        vectors=embeddings[:, None].astype(np.float16) if vectors else None,
    )


def _page(samples):
    verdict = audit_labels(samples.probs, samples.given, class_names=samples.class_names)
    listed = verdicts.listed(samples, verdict)
    return page.page(samples, verdict, listed), int(verdict.flagged.sum())


def test_vectors_without_pictures():
    text, flagged = _page(_samples())
    assert flagged > 10 and "<img" not in text and 'id="map"' in text
    assert text.count('class="near"') == flagged and '<li title="sample' in text
    # Nearly all that lie around a cat are called cats.
    assert text.count('class="agrees">cat<') > 3 * flagged
    assert "<dog>" not in text and "true label" in text


def test_vectors_with_pictures():
    images = np.random.default_rng(0).integers(0, 255, (200, 60, 60, 3), dtype=np.uint8)
    text, flagged = _page(_samples(images, clean=False))
    assert text.count("<img") == 6 * flagged and text.count('class="near seen"') == flagged
    assert len(text) < 120_000 + flagged * 40_000 and "true label" not in text


def test_without_vectors():
    text, flagged = _page(_samples(vectors=False))
    assert flagged and 'id="map"' not in text and 'class="near' not in text


def test_few_labels_and_none_flagged():
    samples, given = _samples(), np.array([0, 1, 0])
    columns = {name: getattr(samples, name)[:3] for name in ("ids", "paths", "vectors")}
    probs = np.eye(2)[given] * 0.98 + 0.01
    text, flagged = _page(AuditInput(given=given, probs=probs, class_names=("a", "b"), **columns))
    assert flagged == 0 and 'id="map"' in text and "None." in text

"""The folder of a finished audit, with photographs, without training: what a review starts from."""

import pathlib

import numpy as np
from PIL import Image

from dull_jax.audit import embeddings, outputs, saved, verdicts
from dull_jax.audit.eval_part import EvalPart
from dull_jax.audit.inputs import AuditInput
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.stats.label_audit import audit_labels

NAMES = ("apple", "<b>leaf</b> & co", "sky", "rose", "stone", "wine", "sun")
COUNTS = (60, 40, 30, 20, 16, 12, 10)
COLOURS = ((200, 40, 40), (40, 170, 60), (60, 90, 220), (230, 120, 190), (120, 120, 120),
           (110, 20, 60), (240, 210, 60))  # fmt: skip
WRONG = 24  # labels, spread over the classes
DUPLICATE, LEAK, OUTSIDE = 50, 51, 52  # rows that are made to be something
HOSTILE = "train/<script>alert(1)</script> #1?.jpg"  # the path of row 0
_DIM, _HELD_OUT = 32, 8


def true_classes() -> np.ndarray:
    """int32 `[N]`, the classes one after the other in turn, until they are used up."""
    ranks = np.concatenate([np.arange(count) / count for count in COUNTS])
    return np.repeat(np.arange(len(COUNTS)), COUNTS)[np.argsort(ranks, kind="stable")].astype(int)


def make(folder: pathlib.Path) -> pathlib.Path:
    """Writes the audit to folder/audit, its JPEG files to folder/photos; where the audit is."""
    samples = _samples(folder / "photos")
    features = embeddings.features(samples.vectors, print)
    audit = audit_labels(
        samples.probs,
        samples.given,
        features=features,
        class_names=NAMES,
        candidates=saved.CANDIDATES,
    )
    listed = verdicts.listed(samples, audit, features)
    outputs.write(folder / "audit", samples, audit, listed, features)
    return folder / "audit"


def _samples(root: pathlib.Path) -> AuditInput:
    rng, true = np.random.default_rng(0), true_classes()
    size, num_classes = len(true), len(NAMES)
    given = true.copy()
    given[:WRONG] = (true[:WRONG] + 1 + np.arange(WRONG) % 3) % num_classes
    probs = np.eye(num_classes)[true] * 0.9 + 0.1 / num_classes
    vectors = np.eye(num_classes, _DIM)[true] * 9 + rng.normal(size=(size, _DIM))
    held_out = np.arange(_HELD_OUT) % num_classes
    test = np.eye(num_classes, _DIM)[held_out] * 9 + rng.normal(size=(_HELD_OUT, _DIM))
    vectors[DUPLICATE] = vectors[DUPLICATE - 20] + 0.05 * rng.normal(size=_DIM)
    vectors[LEAK] = test[true[LEAK]] + 0.05 * rng.normal(size=_DIM)
    vectors[OUTSIDE] = 12 * np.eye(_DIM)[12]  # in a direction of its own
    paths = np.array([f"train/{n:03d}.jpg" for n in range(size)], object)
    paths[0] = HOSTILE
    test_paths = np.array([f"test/{n}.jpg" for n in range(_HELD_OUT)], object)
    shots = _photographs(true, rng), _photographs(held_out, rng)
    return AuditInput(
        ids=np.array([f"id{n:03d}" for n in range(size)]),
        paths=paths,
        given=given.astype(np.int32),
        probs=probs,
        class_names=NAMES,
        images=_files(root, paths, shots[0]),
        vectors=vectors[:, None].astype(np.float16),
        test=EvalPart(
            ids=np.array([f"test{n}" for n in range(_HELD_OUT)]),
            paths=test_paths,
            labels=held_out,
            vectors=test[:, None].astype(np.float16),
            images=_files(root, test_paths, shots[1]),
        ),
    )


def _photographs(classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """uint8 `[N, 48, 64, 3]`, in the colours of their true classes."""
    noise = rng.normal(0, 20, (len(classes), 12, 16, 3)).repeat(4, 1).repeat(4, 2)
    return np.clip(np.array(COLOURS)[classes][:, None, None] + noise, 0, 255).astype(np.uint8)


def _files(root: pathlib.Path, paths: np.ndarray, shots: np.ndarray) -> ImageFiles:
    for path, pixels in zip(paths, shots.repeat(5, 1).repeat(5, 2), strict=True):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / path)
    return ImageFiles(root, paths, 32)

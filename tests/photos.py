"""A folder of small photographs that can be told apart, some under a wrong name."""

import pathlib

import numpy as np
from PIL import Image

from configs import folder

COLOURS = {"apple": (200, 40, 40), "leaf": (40, 170, 60), "sky": (60, 90, 220)}
COUNTS = {"apple": 60, "leaf": 30, "sky": 12}
WRONG = {"leaf": 6, "sky": 4}  # images of these classes that lie in the folder "apple"


def image(kind: str, rng: np.random.Generator, size=(20, 24)) -> Image.Image:
    pixels = np.array(COLOURS[kind]) + rng.normal(0, 25, (*size, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def make(root: pathlib.Path, test_each: int = 6) -> dict[str, str]:
    """Writes the tree; {path below root: true class} of its train part."""
    rng, truth = np.random.default_rng(0), {}
    for kind, count in COUNTS.items():
        for n in range(count):
            name = "apple" if n < WRONG.get(kind, 0) else kind
            truth[_save(root, f"train/{name}/{kind}_{n:03d}.png", image(kind, rng))] = kind
        for n in range(test_each):
            _save(root, f"test/{kind}/{n}.png", image(kind, rng))
    return truth


def _save(root: pathlib.Path, path: str, picture: Image.Image) -> str:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    picture.save(root / path)
    return path


def recipe(root, **fields):
    """configs/folder.py for the images below `root`, from scratch, with these fields."""
    config = folder.get_config()
    config.model.pretrained = "none"
    config.data.dir = str(root)
    config.update_from_flattened_dict(fields)
    return config

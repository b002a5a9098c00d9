"""DULL on your own photographs in class folders, whose labels are unverified.

Images: DIR/train/<class>/* with an optional DIR/test/<class>/*, or DIR/<class>/*, of which a fifth
of each class is then held out to be tested on. Each image is embedded once by EfficientNet-Lite0,
whose ImageNet weights are installed with dull_jax; DULL trains a head on the vectors. Image side
and number of epochs follow the images and are printed; any field can be set:

    python -m dull_jax.main --config=configs/folder.py --config.data.dir=DIR --workdir=runs/mine
    python -m dull_jax.audit --run=runs/mine

--config.model.frozen=False fine-tunes the whole network, --config.model.pretrained=none trains one
from scratch. On a GPU, say: --config.model.name=resnet50 --config.model.stem=imagenet
--config.model.pretrained=PATH --config.model.dtype=bfloat16. See docs/own_data.md.
"""

from ml_collections import ConfigDict

from configs import base
from dull_jax.config import parse_arg, suggestion
from dull_jax.errors import UserError

PRESETS = ("frozen", "full")


def get_config(arg: str | None = None) -> ConfigDict:
    """Recipe arguments: method, seed."""
    arg = parse_arg(arg, method="dull", seed=0)
    config = base.get_config()
    config.method, config.seed = arg.method, arg.seed

    config.data.name = "folder"
    config.data.profile = "none"  # all images, as long-tailed as they are
    config.noise.name = "none"  # the labels are as wrong as they are

    config.model.name, config.model.frozen = "auto", True
    config.train.epochs = 0
    config.train.batch_size = 64
    config.train.view = "strong"
    config.train.eval_every = 5
    config.augment.crop_pad = 6
    config.optim.name, config.optim.lr = "auto", 0.0
    config.optim.ema = 0.99

    config.dull.warmup = 0.1
    config.dull.memory, config.dull.transition = 0.8, "auto"
    return config


def with_preset(arg: str | None) -> tuple[ConfigDict, ConfigDict]:
    """(recipe arguments method, seed, preset; the recipe above) for the sets built on it."""
    arg = parse_arg(arg, method="dull", seed=0, preset="frozen")
    if arg.preset not in PRESETS:
        raise UserError(f"preset={arg.preset!r}: {suggestion(arg.preset, PRESETS)}")
    return arg, get_config(f"method={arg.method},seed={arg.seed}")

"""DULL on WebVision-50 (mini-WebVision): the first 50 classes, Google's part, 65,944 images.

Layout (what is missing is printed): info/train_filelist_google.txt, info/val_filelist.txt,
google/…, val_images_256/…. Tested on WebVision's own validation images, 50 of each class. Never
run at full scale by us: the reader was tested on miniature trees.

On frozen features; `:preset=full` behind the file's name trains a whole ResNet-18:

    python -m dull_jax.main --config=configs/webvision50.py --config.data.dir=DIR --workdir=RUN
"""

from ml_collections import ConfigDict

from configs import folder


def get_config(arg: str | None = None) -> ConfigDict:
    """Recipe arguments: method, seed, preset (frozen, or full: the whole ResNet-18)."""
    arg, config = folder.with_preset(arg)
    config.data.name = "webvision"
    if arg.preset == "full":
        _full(config)
    return config


def _full(config: ConfigDict) -> None:
    config.data.size = 224
    config.model.frozen = False
    config.model.name, config.model.stem = "resnet18", "imagenet"
    config.model.dtype = "bfloat16"
    config.train.epochs, config.train.batch_size = 100, 256
    config.augment.crop_pad = 16
    config.optim.lr, config.optim.weight_decay = 0.1, 5e-4
    config.optim.name, config.optim.ema = "sgd", 0.999

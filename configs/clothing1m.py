"""DULL on Clothing1M: a million photographs of 14 garments, labels from shops' web pages.

Layout (what is missing is printed): images/… with noisy_train_key_list.txt, noisy_label_kv.txt,
clean_test_key_list.txt, clean_label_kv.txt, beside them or in annotations/. Trained on the noisy
labels; images that are in the clean test set too are taken out, so that there are fewer than a
million. Never run at full scale by us: the readers were tested on miniature trees.

On frozen features; `:preset=full` behind the file's name trains a whole ResNet-50:

    python -m dull_jax.main --config=configs/clothing1m.py --config.data.dir=DIR --workdir=RUN
"""

from ml_collections import ConfigDict

from configs import folder


def get_config(arg: str | None = None) -> ConfigDict:
    """Recipe arguments: method, seed, preset (frozen, or full: the whole ResNet-50)."""
    arg, config = folder.with_preset(arg)
    config.data.name = "clothing1m"
    config.model.views = 1  # of a million images
    if arg.preset == "full":
        _full(config)
    return config


def _full(config: ConfigDict) -> None:
    config.data.size = 224
    config.model.frozen = False
    config.model.name, config.model.stem = "resnet50", "imagenet"
    config.model.dtype = "bfloat16"
    config.train.epochs, config.train.batch_size = 15, 256
    config.train.eval_every = 1
    config.train.checkpoint_every = 1
    config.augment.crop_pad = 16
    config.optim.lr, config.optim.weight_decay = 0.01, 1e-3
    config.optim.name, config.optim.ema = "sgd", 0.999
    config.dull.neighbours = False  # a million images, compared with each other anew each epoch

"""Every field of a recipe, with the default that its owner declares; the digits, DULL, no tuning.

A recipe imports this and states its differences:

    config = base.get_config()
    config.data.name = "cifar100"

Any field can be set on the command line: `--config.optim.lr=0.05`. What each of them is and may be:

    python -m dull_jax.main --config=configs/base.py --help

A field that follows another one, as `data.seed` follows `seed`, does so unless it is set itself.
"""

from ml_collections import ConfigDict

from dull_jax import config


def get_config() -> ConfigDict:
    """The defaults that methods, noises, backbones and sources declare in their own files."""
    return config.defaults()

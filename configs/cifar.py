"""What the two CIFAR recipes share: a full recipe for an accelerator, a reduced one for a CPU."""

from ml_collections import ConfigDict

from configs import base, published
from dull_jax.config import parse_arg, suggestion
from dull_jax.errors import UserError

PRESETS = ("full", "cpu")


def recipe(name: str, arg: str | None) -> ConfigDict:
    """DULL on `name` under T2H noise.

    Recipe arguments: preset (full or cpu), method, seed, factor (imbalance), rate (noise).
    """
    arg = parse_arg(arg, preset="full", method="dull", seed=0, factor=100.0, rate=0.3)
    config = base.get_config()
    config.method, config.seed = arg.method, arg.seed
    config.data.name = name
    config.data.imbalance_factor = arg.factor
    config.noise.rate = arg.rate
    config.optim.ema = 0.999
    config.dull.ifd = config.dull.ifpu = True  # all parts that the paper names
    if arg.preset == "full":
        _full(config)
        published.apply(config)
    elif arg.preset == "cpu":
        _cpu(config)
    else:
        raise UserError(f"preset={arg.preset!r}: {suggestion(arg.preset, PRESETS)}")
    return config


def _full(config: ConfigDict) -> None:
    config.model.name = "preact_resnet18"
    config.model.dtype = "bfloat16"
    config.train.view = "strong"
    config.train.epochs, config.train.batch_size = 200, 128
    config.train.eval_every, config.train.checkpoint_every = 2, 10
    config.optim.lr, config.optim.nesterov, config.optim.warmup_epochs = 0.1, True, 5


def _cpu(config: ConfigDict) -> None:
    config.model.name = "small_cnn"
    config.data.imbalance_factor = min(config.data.imbalance_factor, 50.0)
    config.train.epochs, config.train.batch_size = 30, 64
    config.train.eval_every, config.train.checkpoint_every = 5, 5
    config.optim.lr, config.optim.warmup_epochs = 0.05, 1

"""What the recipes on frozen features share: a linear probe, trained for minutes on a CPU."""

from ml_collections import ConfigDict

from configs import base
from dull_jax.config import parse_arg

# Share of training before the first split: of 0.3, 0.6 and 0.9, on a noisy hold-out of CIFAR-10.
WARMUP = {"sfa": 0.9, "dividemix": 0.3, "tabasco": 0.3, "dasc": 0.9}


def probe(config: ConfigDict) -> None:
    """Training on vectors: AdamW on a linear head, whose strong view has dropout."""
    config.train.epochs, config.train.batch_size = 30, 128
    config.train.view = "strong"
    config.train.eval_every, config.train.checkpoint_every = 10, 10
    config.optim.name, config.optim.lr, config.optim.ema = "adamw", 1e-3, 0.99
    config.dull.warmup, config.dull.memory, config.dull.transition = 0.1, 0.8, "auto"


def cifar(name: str, arg: str | None) -> ConfigDict:
    """DULL on the features of `name`, long-tailed and under noise.

    Recipe arguments: method, seed, factor (imbalance), noise, rate.
    """
    arg = parse_arg(arg, method="dull", seed=0, factor=100.0, noise="t2h", rate=0.3)
    config = base.get_config()
    config.method, config.compare, config.seed = arg.method, ("ce", "la"), arg.seed
    if arg.method in config.compare:
        config.compare = ()
    config.data.name, config.data.imbalance_factor = name, arg.factor
    config.noise.name, config.noise.rate = arg.noise, arg.rate
    config.model.name, config.model.frozen = "efficientnet_lite0", True
    config.model.input_size = 112
    probe(config)
    config.optim.lr = 3e-3  # of 1, 3 and 10e-3, on a noisy hold-out of CIFAR-100, for all methods
    config.semisup.warmup = WARMUP.get(arg.method, config.semisup.warmup)
    config.elr.weight, config.elr.tau = 1.0, 1.0  # without it rare classes are never predicted
    return config

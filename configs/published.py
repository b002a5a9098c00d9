"""The settings that each method was published with on CIFAR, overlaid on the full recipe.

None of them has been trained here yet. CE, LA, two-stage tuning and DULL keep the recipe's own.
"""

from ml_collections import ConfigDict


def apply(config: ConfigDict) -> None:
    """Changes optimiser, schedule, views and the method's own fields, as `config.method` wants."""
    settings = {
        "dividemix": _dividemix,
        "sfa": _sfa,
        "tabasco": _tabasco,
        "dasc": _dasc,
        "ldam_drw": _long_tail,
        "rolt": _long_tail,
        "elr": _elr,
        "co_teaching": _co_teaching,
        "self_supervised": _self_supervised,
    }
    if config.method in settings:
        settings[config.method](config)


def _co_training(config: ConfigDict, epochs: int, warmup: int) -> None:
    """SGD at 0.02, weak views, 128 images in warm-up and 64 + 64 after it."""
    config.train.epochs, config.train.batch_size, config.train.view = epochs, 128, "weak"
    config.optim.lr, config.optim.warmup_epochs, config.optim.nesterov = 0.02, 0, False
    config.optim.decay, config.optim.ema, config.optim.schedule = "all", 0.0, "constant"
    config.semisup.warmup = warmup / epochs


def _dividemix(config: ConfigDict) -> None:
    _co_training(config, epochs=300, warmup=30 if config.data.name == "cifar100" else 10)
    config.optim.schedule, config.optim.milestones = "step", (0.5,)


def _sfa(config: ConfigDict) -> None:
    _co_training(config, epochs=200, warmup=30)
    config.optim.schedule, config.optim.milestones = "step", (0.75,)


def _tabasco(config: ConfigDict) -> None:
    _co_training(config, epochs=101, warmup=30 if config.data.name == "cifar100" else 10)


def _dasc(config: ConfigDict) -> None:
    _co_training(config, epochs=101, warmup=30)
    config.train.view, config.dasc.warmup_view = "strong", "weak"
    config.augment.strong, config.augment.cutout = "autoaugment", 0
    config.optim.weight_decay = 1e-4


def _long_tail(config: ConfigDict) -> None:
    """LDAM's recipe, which RoLT took over: 0.1, divided by 100 at 80 and at 90 %."""
    config.train.epochs, config.train.view = 200, "weak"
    config.optim.lr, config.optim.warmup_epochs, config.optim.nesterov = 0.1, 5, False
    config.optim.schedule, config.optim.milestones, config.optim.gamma = "step", (0.8, 0.9), 0.01
    config.optim.weight_decay, config.optim.decay, config.optim.ema = 2e-4, "all", 0.0


def _elr(config: ConfigDict) -> None:
    many = config.data.name == "cifar100"
    config.elr.beta, config.elr.weight = (0.9, 7.0) if many else (0.7, 3.0)
    config.train.epochs, config.train.view = 150, "weak"
    config.optim.lr, config.optim.warmup_epochs, config.optim.nesterov = 0.02, 0, False
    config.optim.weight_decay, config.optim.decay, config.optim.ema = 1e-3, "all", 0.0


def _co_teaching(config: ConfigDict) -> None:
    config.train.epochs, config.train.view = 200, "weak"
    config.optim.name, config.optim.lr, config.optim.warmup_epochs = "adamw", 1e-3, 0
    config.optim.weight_decay, config.optim.ema = 0.0, 0.0


def _self_supervised(config: ConfigDict) -> None:
    """SimSiam's and MoCo's recipes for CIFAR-10; long-tailed sets have fewer steps an epoch."""
    config.train.epochs, config.train.batch_size = 800, 512
    config.optim.lr, config.optim.ema, config.optim.nesterov = 0.06, 0.0, False
    config.optim.warmup_epochs = 0

"""All methods, reduced to two CPU cores: 3,356 long-tailed CIFAR-10 images, a 100,000-weight CNN.

Imbalance 50, 40 epochs, the same images, labels, views and optimiser for every method; only the
fields of the method itself differ, scaled to the number of epochs; two of them, semisup.lambda_u
and elr.weight, were chosen on a noisy hold-out (docs/methods.md). The network is narrow but deep:
it begins to memorise wrong labels in the last third, as large ones do in the full recipes
(three stages, twice as wide, never did). view=strong trains on RandAugment with one operation at
half strength and a small Cutout, as much as 40 epochs can bear. Results: docs/results.md.

    python -m dull_jax.main --config=configs/mini/cifar10.py:method=dasc,noise=symmetric,rate=0.4 \\
        --workdir=runs/mini_dasc --config.train.devices=2
"""

from ml_collections import ConfigDict

from configs import base
from dull_jax.config import parse_arg


def get_config(arg: str | None = None) -> ConfigDict:
    """Recipe arguments: method, seed, noise, rate, view (weak or strong)."""
    arg = parse_arg(arg, method="dull", seed=0, noise="t2h", rate=0.3, view="weak")
    config = base.get_config()
    config.method, config.seed = arg.method, arg.seed
    config.data.name = "cifar10"
    config.data.imbalance_factor, config.data.max_count = 50.0, 1200
    config.noise.name, config.noise.rate = arg.noise, arg.rate

    config.model.name, config.model.projector = "small_cnn", 64
    config.model.width, config.model.stages = 8, 5
    config.train.epochs, config.train.batch_size = 40, 64
    config.train.eval_every, config.train.checkpoint_every = 10, 5
    config.optim.lr, config.optim.ema = 0.05, 0.99

    config.train.view = arg.view
    if arg.view == "strong":
        config.augment.num_ops, config.augment.magnitude, config.augment.cutout = 1, 5, 8

    config.semisup.warmup, config.semisup.lambda_u = 0.25, 0.0
    config.elr.weight = 1.0
    config.dasc.sbcl_from, config.dasc.bank = 0.4, 512
    config.co_teaching.ramp = 10
    config.dull.warmup, config.dull.memory = 0.1, 0.8
    config.dull.ifd = config.dull.ifpu = True  # all parts that the paper names
    return config

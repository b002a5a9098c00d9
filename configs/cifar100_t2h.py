"""DULL on long-tailed CIFAR-100 with tail-to-head noise.

The full recipe has not been measured yet. The reduced one (preset=cpu) reached 23.2 % test accuracy
(chance: 1 %; head 28.9, medium 20.3, tail 16.6) in its last epoch, one run, seed 0, in ten minutes
on two busy CPU cores as two devices (--config.train.devices=2).
Source: PreAct-ResNet-18 for 200 epochs, the usual size of long-tail and noisy-label studies.

    python -m dull_jax.main --config=configs/cifar100_t2h.py --workdir=runs/cifar100
    python -m dull_jax.main --config=configs/cifar100_t2h.py:preset=cpu --workdir=runs/cifar100_cpu
"""

from ml_collections import ConfigDict

from configs import cifar


def get_config(arg: str | None = None) -> ConfigDict:
    """Recipe arguments: preset (full or cpu), method, seed, factor, rate."""
    return cifar.recipe("cifar100", arg)

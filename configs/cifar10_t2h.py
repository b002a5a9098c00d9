"""DULL on long-tailed CIFAR-10 with tail-to-head noise.

The full recipe has not been measured yet. The reduced one (preset=cpu) reached 55.4 % test accuracy
(chance: 10 %; head 64.6, medium 50.2, tail 53.0) in its last epoch, one run, seed 0, in eight
minutes on two busy CPU cores as two devices (--config.train.devices=2).
Source: PreAct-ResNet-18 for 200 epochs, the usual size of long-tail and noisy-label studies.

    python -m dull_jax.main --config=configs/cifar10_t2h.py --workdir=runs/cifar10
    python -m dull_jax.main --config=configs/cifar10_t2h.py:preset=cpu --workdir=runs/cifar10_cpu
"""

from ml_collections import ConfigDict

from configs import cifar


def get_config(arg: str | None = None) -> ConfigDict:
    """Recipe arguments: preset (full or cpu), method, seed, factor, rate."""
    return cifar.recipe("cifar10", arg)

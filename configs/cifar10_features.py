"""DULL on all of long-tailed CIFAR-10 with tail-to-head noise, on frozen ImageNet features.

TFDS -> EfficientNet-Lite0 at 112 pixels (each image once, kept) -> long tail, noise -> DULL, with
CE and LA beside it. Last epoch, 5 seeds, mean ± sd: DULL 78.0 ± 0.5 %, two-stage 76.4 ± 0.6,
LA 75.5 ± 0.5, CE 37.4 ± 0.8. The whole command takes 1.5 to 4 minutes on two busy cores, DULL alone
half of one (docs/embeddings.md).

    python -m dull_jax.main --config=configs/cifar10_features.py --workdir=runs/cifar10_features
"""

from ml_collections import ConfigDict

from configs import features


def get_config(arg: str | None = None) -> ConfigDict:
    """Recipe arguments: method, seed, factor, noise, rate."""
    return features.cifar("cifar10", arg)

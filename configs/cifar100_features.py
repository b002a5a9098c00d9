"""DULL on all of long-tailed CIFAR-100 with tail-to-head noise, on frozen ImageNet features.

TFDS -> EfficientNet-Lite0 at 112 pixels (each image once, kept) -> long tail, noise -> DULL, with
CE and LA beside it. Last epoch, 5 seeds, mean ± sd: DULL 47.4 ± 0.3 %, two-stage 46.8 ± 0.2,
LA 45.7 ± 0.4, CE 31.5 ± 0.2. The whole command takes 1.5 to 3 minutes on two busy cores, DULL alone
one (docs/embeddings.md).

    python -m dull_jax.main --config=configs/cifar100_features.py --workdir=runs/cifar100_features
"""

from ml_collections import ConfigDict

from configs import features


def get_config(arg: str | None = None) -> ConfigDict:
    """Recipe arguments: method, seed, factor, noise, rate."""
    return features.cifar("cifar100", arg)

"""DULL on vectors that you have already: embeddings of your images, whose labels are unverified.

The file is .npy, .npz, .safetensors, .parquet, or a folder of .parquet shards, with vectors [N, D],
or [N, V, D] with V views of each sample. Ids, labels and split are columns of it, or of a table:

    python -m dull_jax.main --config=configs/embeddings.py --config.data.file=emb.parquet \
      --workdir=runs/mine
    python -m dull_jax.main --config=configs/embeddings.py --config.data.file=emb.npz \
      --config.data.labels=labels.csv --workdir=runs/mine

Without a test part a fifth of each class is held out to be tested on.
"""

from ml_collections import ConfigDict

from configs import base, features
from dull_jax.config import parse_arg


def get_config(arg: str | None = None) -> ConfigDict:
    """Recipe arguments: method, seed."""
    arg = parse_arg(arg, method="dull", seed=0)
    config = base.get_config()
    config.method, config.seed = arg.method, arg.seed

    config.data.name = "embeddings"
    config.data.profile = "none"  # all samples, as long-tailed as they are
    config.noise.name = "none"  # the labels are as wrong as they are

    config.model.name = "identity"
    features.probe(config)
    config.optim.lr = 0.0  # by the vectors' width
    return config

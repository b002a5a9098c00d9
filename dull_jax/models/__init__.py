"""Networks: a backbone, a head, and `build`, which makes both from a config."""

from dull_jax.models.network import Network, build

__all__ = ["Network", "build"]

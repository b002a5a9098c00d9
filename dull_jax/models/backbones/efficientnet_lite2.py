"""EfficientNet-Lite2, with the weights of the package that ships them."""

from functools import partial

from dull_jax.models.backbones.efficientnet import EfficientNetLite

TITLE = "EfficientNet-Lite2"
WEIGHTS = "efficientnet_lite"

Backbone = partial(EfficientNetLite, width_factor=1.1, depth_factor=1.2)

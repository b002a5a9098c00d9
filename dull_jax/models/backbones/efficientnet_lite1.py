"""EfficientNet-Lite1, with the weights of the package that ships them."""

from functools import partial

from dull_jax.models.backbones.efficientnet import EfficientNetLite

TITLE = "EfficientNet-Lite1"
WEIGHTS = "efficientnet_lite"

Backbone = partial(EfficientNetLite, depth_factor=1.1)

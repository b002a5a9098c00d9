"""ResNet-50, with weights of others where the recipe names them (`models.pretrained`)."""

from functools import partial

from dull_jax.models.backbones.residual import Bottleneck, ResNet

TITLE = "ResNet-50"
STEMS = ("cifar", "imagenet")
WEIGHTS = "timm_resnet"

Backbone = partial(ResNet, Bottleneck, (3, 4, 6, 3))

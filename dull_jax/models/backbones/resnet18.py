"""ResNet-18, with weights of others where the recipe names them (`models.pretrained`)."""

from functools import partial

from dull_jax.models.backbones.residual import BasicBlock, ResNet

TITLE = "ResNet-18"
STEMS = ("cifar", "imagenet")
WEIGHTS = "timm_resnet"

Backbone = partial(ResNet, BasicBlock, (2, 2, 2, 2))

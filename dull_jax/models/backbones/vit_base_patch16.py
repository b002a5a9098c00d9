"""ViT-B/16 (Dosovitskiy et al. 2021), with weights of AugReg (Steiner et al. 2022)."""

from functools import partial

from dull_jax.models.backbones.vit import ViT

TITLE = "ViT-B/16"
WEIGHTS = "timm_vit"
# Of AugReg. DINO, DeiT and MAE have the same tensors, and were trained with ImageNet's numbers.
MEAN = STD = (0.5, 0.5, 0.5)

Backbone = partial(ViT, width=768, depth=12, patch=16, grid=14)

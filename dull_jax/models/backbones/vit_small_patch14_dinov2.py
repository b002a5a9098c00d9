"""ViT-S/14 of DINOv2 (Oquab et al. 2024): features of photographs that were learnt unlabelled."""

from functools import partial

from dull_jax.models.backbones.vit import ViT

TITLE = "ViT-S/14 (DINOv2)"
WEIGHTS = "timm_vit"

# Trained at 518 pixels: 37 x 37 patches.
Backbone = partial(ViT, width=384, depth=12, patch=14, grid=37, layer_scale=True)

"""ViT-B/16 of SigLIP (Zhai et al. 2023): no class token, pooled by attention."""

from functools import partial

from dull_jax.models.backbones.vit import ViT

TITLE = "ViT-B/16 (SigLIP)"
WEIGHTS = "timm_vit"
MEAN = STD = (0.5, 0.5, 0.5)

Backbone = partial(ViT, width=768, depth=12, patch=16, grid=14, class_token=False)

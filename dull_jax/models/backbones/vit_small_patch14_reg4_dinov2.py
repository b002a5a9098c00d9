"""ViT-S/14 of DINOv2 with four registers (Darcet et al. 2024)."""

from functools import partial

from dull_jax.models.backbones.vit import ViT

TITLE = "ViT-S/14 (DINOv2, registers)"
WEIGHTS = "timm_vit"

Backbone = partial(ViT, width=384, depth=12, patch=14, grid=37, registers=4, layer_scale=True)

"""A network that makes vectors, by its name or by the path of an .onnx file."""

from dull_jax import config as recipe
from dull_jax import files
from dull_jax.embed import encoder as encoders
from dull_jax.embed.onnx import OnnxEncoder
from dull_jax.embed.views import ImageEncoder
from dull_jax.errors import UserError
from dull_jax.fields import suggestion
from dull_jax.models import network, pretrained
from dull_jax.models.weights.timm_vit import MEAN, STD
from dull_jax.names import shown

Channels = tuple[float, float, float] | None

DEFAULT = "efficientnet_lite0"  # whose weights are installed with dull_jax
SIZE = 224  # pixels that ImageNet's networks are trained with


def encoder_of(
    model: str, weights: str = "", size: int = 0, mean: Channels = None, std: Channels = None
) -> ImageEncoder:
    """The network that the flags name.

    Args:
      mean, std: of an .onnx file, see `OnnxEncoder`; None: ImageNet's.

    Raises:
      UserError: there is no such network, or its weights are not there, damaged or not its own.
    """
    if model.lower().endswith(".onnx"):
        if weights:
            raise UserError("--weights is for networks of ours; an .onnx file has its own")
        files.check_local("--model", model)
        path, mean, std = files.expanded(model, "--model"), mean or MEAN, std or STD
        return OnnxEncoder(path, size, mean=mean, std=std)
    if mean or std:
        raise UserError("--mean and --std are for .onnx files; other networks know their own")
    known = network.with_weights()
    if model not in known:
        raise UserError(
            f"--model={shown(model)}: {suggestion(model, known)}; or name an .onnx file"
        )
    if not weights and not pretrained.has_package(model):
        raise UserError(f"--weights is needed: a safetensors file of {model}")
    config = recipe.defaults()
    config.model.update(name=model, pretrained=weights, frozen=True)
    if network.has_stems(model):
        config.model.stem = "imagenet"
    return encoders.load(config)

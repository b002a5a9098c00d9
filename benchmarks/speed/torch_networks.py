"""The same networks in PyTorch, for the ratios that `train_step` and `embedding` report."""

import itertools
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dull_jax.models.backbones.efficientnet import EfficientNetLite as Ours


class SmallCNN(nn.Module):
    def __init__(self, num_classes: int, width: int = 32):
        super().__init__()
        sizes = (3, width, 2 * width, 4 * width)
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in itertools.pairwise(sizes)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(size) for size in sizes[1:])
        self.classifier = nn.Linear(4 * width, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for stage, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = F.avg_pool2d(x, 2) if stage else x
            x = F.relu(norm(conv(x)))
        return self.classifier(x.mean((2, 3)))


class PreActBlock(nn.Module):
    def __init__(self, channels: int, features: int, stride: int):
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(features)
        self.conv1 = nn.Conv2d(channels, features, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(features, features, 3, 1, 1, bias=False)
        self.shortcut = (
            nn.Conv2d(channels, features, 1, stride, bias=False)
            if stride != 1 or channels != features
            else None
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.norm1(x))
        x = x if self.shortcut is None else self.shortcut(y)
        return x + self.conv2(F.relu(self.norm2(self.conv1(y))))


class PreActResNet18(nn.Module):
    def __init__(self, num_classes: int, width: int = 64):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1, bias=False)
        blocks, channels = [], width
        for stage in range(4):
            for block in range(2):
                features = width * 2**stage
                blocks.append(PreActBlock(channels, features, 2 if stage > 0 and block == 0 else 1))
                channels = features
        self.blocks, self.norm = nn.Sequential(*blocks), nn.BatchNorm2d(channels)
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.norm(self.blocks(self.stem(x))))
        return self.classifier(x.mean((2, 3)))


class EfficientNetLite0(nn.Module):
    """Without the classifier. Strided convolutions pad evenly: there PyTorch need not copy."""

    def __init__(self):
        super().__init__()
        channels, layers = 32, [*conv_norm(3, 32, 3, 2), nn.ReLU6(inplace=True)]
        for expansion, kernel, stride, features in Ours(conv=None, norm=None).blocks():
            layers.append(MBConv(expansion, kernel, stride, channels, features))
            channels = features
        layers += [*conv_norm(channels, 1280, 1), nn.ReLU6(inplace=True)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x).mean((2, 3))


class MBConv(nn.Module):
    def __init__(self, expansion: int, kernel: int, stride: int, channels: int, features: int):
        super().__init__()
        inner = expansion * channels
        widen = [*conv_norm(channels, inner, 1), nn.ReLU6(inplace=True)] if expansion > 1 else []
        depthwise = [*conv_norm(inner, inner, kernel, stride, inner), nn.ReLU6(inplace=True)]
        self.layers = nn.Sequential(*widen, *depthwise, *conv_norm(inner, features, 1))
        self.shortcut = stride == 1 and channels == features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x) if self.shortcut else self.layers(x)


def conv_norm(
    channels: int, features: int, kernel: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Module, nn.Module]:
    conv = nn.Conv2d(channels, features, kernel, stride, kernel // 2, groups=groups, bias=False)
    return conv, nn.BatchNorm2d(features, eps=1e-3)


def fold(network: nn.Module) -> None:
    """Batch normalisation becomes a part of the convolution before it, in place."""
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            for number, (one, other) in enumerate(itertools.pairwise(list(module))):
                if isinstance(other, nn.BatchNorm2d):
                    module[number], module[number + 1] = (
                        fuse_conv_bn_eval(one, other),
                        nn.Identity(),
                    )


FROZEN = {"efficientnet_lite0": EfficientNetLite0}


def forward(name: str, images: np.ndarray, folded: bool) -> Callable[[], torch.Tensor]:
    """A function that embeds `images` [B, H, W, 3] in evaluation mode."""
    network = FROZEN[name]().eval()
    if folded:
        fold(network)
    network = network.to(memory_format=torch.channels_last)
    batch = torch.from_numpy(images.transpose(0, 3, 1, 2))  # channels last, as they are

    @torch.inference_mode()
    def embed() -> torch.Tensor:
        return network(batch)

    return embed


NETWORKS = {"small_cnn": SmallCNN, "preact_resnet18": PreActResNet18}


def train_step(name: str, batch_size: int, num_classes: int = 10):
    """A function that makes one step: forward, backward, SGD with momentum and decay."""
    network = NETWORKS[name](num_classes).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)
    images = torch.randn(batch_size, 3, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.randint(0, num_classes, (batch_size,))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(network(images), labels).backward()
        optimizer.step()

    return step

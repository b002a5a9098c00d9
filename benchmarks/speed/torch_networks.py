"""The same networks in PyTorch, for the ratio that `benchmarks.speed.train_step` reports."""

import itertools

import torch
from torch import nn
from torch.nn import functional as F


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

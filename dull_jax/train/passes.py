"""Passes over a set of images in evaluation mode: what a method observes, what is scored."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from dull_jax.data import pipeline
from dull_jax.data.dataset import Dataset
from dull_jax.data.views.augment import AugmentSpec
from dull_jax.data.views.vectors import VectorSpec
from dull_jax.train import step
from dull_jax.train.image_store import ImageStore
from dull_jax.train.networks import Networks


class Passes:
    """Forward passes of networks over the train, test and held-out images."""

    def __init__(
        self,
        networks: Networks,
        dataset: Dataset,
        train: ImageStore,
        augment: AugmentSpec | VectorSpec,
    ):
        self._networks, self._devices = networks, networks.devices
        self._dataset, self._train = dataset, train
        self._test = ImageStore(dataset.test.images, self._devices)
        self._holdout = ImageStore(dataset.holdout.images, self._devices)
        method, forward = networks.method, self._devices.forward
        self._forward_program = forward(step.forward_pass(method.forward, augment))
        self._predict_program = forward(step.forward_pass(method.predict, augment))

    def observe(self, network: int = 0, averaged: bool = False) -> dict[str, np.ndarray]:
        """`Method.forward` over the train set; cached until a network is trained again."""
        cache, net = self._networks.observed, self._networks.states[network]
        averaged = averaged and bool(net.average)  # without any, both are the same weights
        key = network, averaged
        if key not in cache:
            net = (net.averaged() if averaged else net).without_samples()
            everything = np.arange(len(self._dataset.train.given))
            cache[key] = self._run(self._forward_program, net, self._train, everything)
        return cache[key]

    def test_logits(self) -> np.ndarray:
        """`[M, K]`: what is scored on the test set, from averaged weights where there are any."""
        return self._predict(self._test, np.arange(len(self._dataset.test.labels)))

    def holdout_logits(self) -> np.ndarray:
        """The same for the held-out part of the train set."""
        return self._predict(self._holdout, np.arange(len(self._dataset.holdout.given)))

    def train_logits(self, indices: np.ndarray) -> np.ndarray:
        """The same for `indices` `[n]` of the train set."""
        return self._predict(self._train, indices)

    def _predict(self, images: ImageStore, indices: np.ndarray) -> np.ndarray:
        return self._run(self._predict_program, self._networks.averaged(), images, indices)

    def _run(
        self, program: Callable[..., Any], nets: Any, images: ImageStore, indices: np.ndarray
    ) -> Any:
        """The program's arrays of the images at `indices` `[n]`, on the host, in their order."""
        count, wanted = self._devices.count, self._networks.config.train.eval_batch_size
        requests = [
            {"rows": batch} for batch in pipeline.padded(indices, -(-wanted // count) * count)
        ]
        with self._devices.timed():
            parts = [program(nets, images.data, rows["rows"]) for rows in images.rows(requests)]
            whole = self._devices.merge(parts)
        return jax.tree.map(lambda leaf: leaf[: len(indices)], whole)

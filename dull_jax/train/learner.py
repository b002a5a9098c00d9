"""A recipe made ready on devices: its method, the networks, what trains them and looks at them."""

import dataclasses
from collections.abc import Sequence

from ml_collections import ConfigDict

from dull_jax import methods, models
from dull_jax.data.dataset import Dataset, TrainSet
from dull_jax.data.views import augment as images
from dull_jax.data.views.augment import AugmentSpec
from dull_jax.data.views.vectors import VectorSpec
from dull_jax.methods.base import Method
from dull_jax.models import pretrained
from dull_jax.models.axis import AXIS
from dull_jax.train.image_store import ImageStore
from dull_jax.train.networks import Networks
from dull_jax.train.parallel import Devices
from dull_jax.train.passes import Passes
from dull_jax.train.train_phase import PhaseRunner


@dataclasses.dataclass(frozen=True)
class Learner:
    """What a training loop needs of a recipe; the parts share one set of networks."""

    config: ConfigDict
    dataset: Dataset
    devices: Devices
    method: Method
    augment: AugmentSpec | VectorSpec
    networks: Networks
    phases: PhaseRunner
    passes: Passes

    @classmethod
    def build(cls, config: ConfigDict, dataset: Dataset, devices: Devices) -> "Learner":
        """Newly initialised networks, and programs that compile when they are first called.

        Raises:
          UserError: a batch does not divide over the devices.
        """
        train, kind = dataset.train, methods.module(config.method).Method
        network = models.build(
            config.model, train.num_classes, AXIS, kind.head_of(config), train.vector_size
        )
        method = kind(config, network, train)
        augment = augment_spec(config, train, *normalisation(config, train))
        for stream, size in method.batch_sizes().items():
            devices.check_batch(f"the batch of stream {stream!r}", size)
        images = ImageStore(train.images, devices, given=train.given)
        networks = Networks(config, method, devices)
        phases = PhaseRunner(networks, images, augment)
        passes = Passes(networks, dataset, images, augment)
        return cls(config, dataset, devices, method, augment, networks, phases, passes)


def normalisation(config: ConfigDict, train: TrainSet) -> tuple[tuple[float, ...], ...]:
    """(mean, std) as pretrained weights that learn want it, or else of the samples."""
    if pretrained.is_wanted(config.model) and not train.vector_size:
        return pretrained.normalisation(config.model)
    return train.channel_statistics


def augment_spec(
    config: ConfigDict, train: TrainSet, mean: Sequence[float], std: Sequence[float]
) -> AugmentSpec | VectorSpec:
    """The recipe's augmentation, of images or of vectors."""
    if train.vector_size:
        return VectorSpec(tuple(mean), tuple(std), train.images.shape[1], config.augment.dropout)
    return AugmentSpec(mean, std, **{name: config.augment[name] for name in images.FIELDS})

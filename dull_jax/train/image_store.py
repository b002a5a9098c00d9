"""Images where programs can reach them: on the devices, or read ahead from their files."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from dull_jax.data.own import image_files
from dull_jax.data.own.image_files import ImageFiles
from dull_jax.data.pipeline import Rows
from dull_jax.data.vectors.vector_files import VectorFiles
from dull_jax.train.parallel import Devices

_AHEAD = 4  # requests that Grain has ready before they are asked for

Request = Mapping[str, np.ndarray]  # stream -> indices […, B] in the set


class ImageStore:
    """A set's images; `data` is what programs are called with, and `rows` what changes."""

    def __init__(
        self,
        images: np.ndarray | ImageFiles | VectorFiles,
        devices: Devices,
        **columns: np.ndarray,
    ):
        """columns: further arrays `[N, …]` of the set, which are on the devices in any case."""
        self._files = images if image_files.in_files(images) else None
        held = columns if self._files is not None else {"images": images, **columns}
        self.data, self._devices = devices.replicate(held), devices

    def rows(self, requests: Sequence[Request], axis: int = 0) -> Iterator[dict[str, Rows]]:
        """The examples of each request in turn, split over the devices at the batch's `axis`.

        The order is that of the requests: images from files come as they would from memory. Of
        several processes each reads those of its own devices.
        """
        split = self._devices.split
        shares = [
            {name: split(indices, axis) for name, indices in request.items()}
            for request in requests
        ]
        if self._files is None:
            for share in shares:
                yield {name: Rows(indices) for name, indices in share.items()}
            return
        import grain  # here: a second or two that images in memory need not wait

        reads = grain.MapDataset.source(_Reads(self._files, shares))
        options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=_AHEAD)
        for share, images in zip(shares, reads.to_iter_dataset(options), strict=True):
            yield {name: Rows(indices, images[name]) for name, indices in share.items()}


class _Reads:
    """Requests as a source of Grain: item n holds the images of request n."""

    def __init__(self, files: ImageFiles | VectorFiles, requests: Sequence[Request]):
        self._files, self._requests = files, requests

    def __len__(self) -> int:
        return len(self._requests)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return {
            name: self._files[indices.ravel()].reshape(*indices.shape, *self._files.shape[1:])
            for name, indices in self._requests[index].items()
        }

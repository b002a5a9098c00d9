"""What tests of the label model share."""

import pytest

from dull_jax.stats import noise_structure


@pytest.fixture(scope="module")
def few_rates():
    """The whole search is tested where it is; elsewhere it is what takes the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(noise_structure, "RATES", (0.1, 0.25))
        patch.setattr(noise_structure, "FINE", (-0.02,))
        yield

"""What a machine lacks is told from what is wrong with a file."""

import errno

import jax
import pytest

from dull_jax import machine
from dull_jax.errors import UserError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "not enough memory"),
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory"), "not enough memory"),
        (OSError(errno.ENOSPC, "No space left on device", "x"), "x: No space left on device"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
        (PermissionError(errno.EACCES, "Permission denied", "y"), "y: Permission denied"),
        (FileNotFoundError(errno.ENOENT, "No such file", "z"), ""),  # our bug
        (RuntimeError("RESOURCE_EXHAUSTED"), ""),
        (KeyError("x"), ""),
    ],
)
def test_what_the_machine_lacks_is_no_bug(error, words):
    found = machine.lacking(error)
    assert words in found and bool(words) == bool(found) and "\n" not in found


def test_the_reason_in_a_long_message():
    text = "ValueError: OUT_OF_RANGE: " + 400 * "x" + ": File too large [os_error_code='27'] " + "y"
    assert machine.system_error(text) == "File too large"
    assert machine.system_error("another reason") == ""


def test_a_device_that_does_not_start(monkeypatch):
    def fails(backend=None):
        raise RuntimeError("Unable to initialize backend 'cuda': no\nsuch driver")

    monkeypatch.setattr(jax, "local_devices", fails)
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    with pytest.raises(UserError, match=r"JAX_PLATFORMS=cuda, but JAX cannot start") as refused:
        machine.devices()
    assert "\n" not in str(refused.value)


def test_the_environment_of_a_run():
    found = machine.environment()
    assert found["cores"] == machine.cores() >= 1 and found["versions"]["jax"] == jax.__version__

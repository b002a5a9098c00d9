"""An audit that was made once, and servers that review it."""

import shutil

import pytest

import small_audit
from review_client import Client, serving


@pytest.fixture(scope="session")
def audit_folder(tmp_path_factory):
    """An audit with 320 x 240 photographs in files; not to be changed: see `own_audit`."""
    return small_audit.make(tmp_path_factory.mktemp("review"))


@pytest.fixture
def own_audit(audit_folder, tmp_path):
    """A copy of `audit_folder` that a test may change; the photographs are shared."""
    return shutil.copytree(audit_folder, tmp_path / "audit")


@pytest.fixture
def page(own_audit):
    """A server with decisions of its own, in `own_audit`."""
    with serving(own_audit) as page:
        yield page


@pytest.fixture
def client(page):
    """Asks that server."""
    return Client(page.address)


@pytest.fixture(scope="module")
def reader(audit_folder):
    """Asks a server that all tests of a file share: for what changes nothing."""
    with serving(audit_folder) as page:
        yield Client(page.address)

"""An audit that was made once, and servers that review it."""

import shutil
import threading
from contextlib import contextmanager

import pytest

import small_audit
from dull_jax.audit import saved
from dull_jax.review.__main__ import listening
from dull_jax.review.session import Session


@pytest.fixture(scope="session")
def audit_folder(tmp_path_factory):
    """An audit with 320 x 240 photographs in files; not to be changed: see `own_audit`."""
    return small_audit.make(tmp_path_factory.mktemp("review"))


@pytest.fixture
def own_audit(audit_folder, tmp_path):
    """A copy of `audit_folder` that a test may change; the photographs are shared."""
    return shutil.copytree(audit_folder, tmp_path / "audit")


@contextmanager
def serving(folder, **where):
    """A server of the audit in `folder`, in a thread; its `address` ends with "/"."""
    page = listening(Session(saved.read(folder), folder / "decisions.csv"), "runs/a", **where)
    thread = threading.Thread(target=page.run)
    thread.start()
    try:
        yield page
    finally:
        page.server.should_exit = True
        thread.join()


@pytest.fixture
def page(own_audit):
    """A server with decisions of its own, in `own_audit`."""
    with serving(own_audit) as page:
        yield page

"""A commit to send, and a cloud to send it to."""

import shutil
import subprocess

import pytest
from cloud import ROOT, Cloud


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    """A commit with the scripts in it; setup.sh sends commits."""
    repo = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "launch", repo / "launch")
    shutil.copy(ROOT / "requirements.txt", repo)
    git = ["git", "-C", str(repo), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "scripts"]):
        subprocess.run([*git, *command], check=True)
    return repo


@pytest.fixture
def cloud(checkout, tmp_path, monkeypatch):
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)  # the developer's own
    return Cloud(checkout, tmp_path)

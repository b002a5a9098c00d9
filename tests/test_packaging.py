"""What is stated about the package in more than one file agrees."""

import pathlib
import re
import subprocess
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_there_is_one_version_and_one_licence():
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {PROJECT['version']}\n" in citation
    assert f"\nlicense: {PROJECT['license']}\n" in citation
    assert "Apache License" in (ROOT / "LICENSE").read_text()


def test_the_oldest_set_pins_every_requirement(tmp_path):
    """Each at the lower end of its range, or the oldest job of the workflow tests another set."""
    (tmp_path / "requirements.txt").write_text((ROOT / "requirements.txt").read_text())
    done = subprocess.run(
        ["make", "-s", "-f", ROOT / "Makefile", "oldest.txt"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    wanted = re.findall(
        r"^([\w-]+)[>=]=([\d.]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE
    )
    lines = (tmp_path / "oldest.txt").read_text().splitlines()
    assert lines == [f"{name}=={version}" for name, version in wanted]
    stated = [
        line for line in (ROOT / "requirements.txt").read_text().splitlines() if line[0] != "#"
    ]
    assert len(lines) == len(stated)


def test_hooks_and_workflow_call_what_the_makefile_has():
    made = set(re.findall(r"^([\w.-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = (ROOT / ".github/workflows/test.yml").read_text()
    assert set(re.findall(r"make ([\w.-]+)", called)) - {"oldest.txt"} <= made
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    tools = set(re.findall(r"entry: \.venv/bin/([\w-]+)", hooks))
    extras = " ".join(PROJECT["optional-dependencies"]["test"])
    assert tools and all(tool in extras for tool in tools)


def test_the_page_of_fields_has_every_field():
    from benchmarks.docs import field_pages
    from dull_jax import config

    page = field_pages.page()
    assert all(f"| `{name}` |" in page for name in config.schema())


def test_links_of_the_repository_become_those_of_the_site():
    structure = pytest.importorskip("mkdocs.structure.files", reason="mkdocs is not installed")
    from benchmarks.docs import site_pages

    files = structure.Files([])
    assert site_pages.site_link("https://x.org/y", "README.md", "index.md", files)[:5] == "https"
    home = site_pages.site_link("../README.md#install", "docs/own_data.md", "own_data.md", files)
    assert home == "index.md#install"
    assert site_pages.site_link("LICENSE", "README.md", "index.md", files) is None

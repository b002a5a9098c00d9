"""A hook of MkDocs (mkdocs.yml): pages that are not files of docs/, and links that leave it.

`make docs` builds the site. Four kinds of pages are made while it is built: documents of the
repository's root; reference from docstrings, fields and `--help`; the report and the audit of the
demo, which `make docs` has run. Links of all pages are those that work in the repository; here they
are turned to the site's pages. A link to a file that the site does not have keeps its text alone.
"""

import os
import pathlib
import posixpath
import re
import subprocess
import sys

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from benchmarks.docs import field_pages
from dull_jax.__main__ import SUBCOMMANDS

ROOT = pathlib.Path(__file__).parents[2]
DOCUMENTS = {  # of the repository -> of the site
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "launch/README.md": "clusters.md",
}
_AUDIT, _NOISE = "dull_jax.stats.label_audit.", "dull_jax.data.noise."
_API = "dull_jax.api."
OBJECTS = {  # page of the reference -> (title, modules, classes and functions)
    "training": (
        "Training",
        (f"{_API}training.train_classifier", f"{_API}training.TrainedRun"),
    ),
    "robust_classifier": (
        "A scikit-learn classifier",
        (f"{_API}robust_classifier.RobustClassifier",),
    ),
    "embedding": (
        "Embedding images",
        (f"{_API}embedding.embed_images", f"{_API}embedding.image_paths"),
    ),
    "label_errors": (
        "Finding label errors",
        (f"{_API}label_errors.find_label_errors", f"{_API}label_errors.LabelErrors"),
    ),
    "audit": (
        "Finding label errors in arrays",
        (f"{_AUDIT}audit_labels", f"{_AUDIT}LabelAudit", f"{_AUDIT}GroupEstimate"),
    ),
    "noise": (
        "Label noise and long tails",
        (
            f"{_NOISE}T2HNoise",
            f"{_NOISE}NoiseSpec",
            f"{_NOISE}corrupt",
            f"{_NOISE}NoisyLabels",
            "dull_jax.data.longtail.class_counts",
            "dull_jax.data.longtail.subsample",
        ),
    ),
    "inference": (
        "Trained classifiers",
        ("dull_jax.inference.load", "dull_jax.inference.Classifier"),
    ),
    "metrics": ("Metrics", ("dull_jax.stats.metrics", "dull_jax.stats.calibration")),
    "methods": ("Writing a method", ("dull_jax.methods.base", "dull_jax.losses")),
    "fields": ("Declaring fields", ("dull_jax.fields", "dull_jax.errors")),
}
RUN = ROOT / "runs" / "digits_t2h"
DEMO = {  # of the site -> of the demo's run
    "demo/report.html": "report/index.html",
    "demo/audit.html": "audit/audit.html",
}
_DEMO_PAGE = """# The demo

`dull-jax demo`, or `make demo`, trains DULL and two baselines on 417 images of digits. Of them 30 %
carry the label of a more frequent digit. Nothing is downloaded.

- [The report](demo/report.html) is what every run writes.
- [The audit](demo/audit.html) is what `dull-jax audit --run=runs/digits_t2h` adds. It has not seen
  which labels are wrong.
"""
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_TAG = re.compile(r'\b(src|href)="([^"]+)"')
_CODE = re.compile(r"(^```.*?^```|^ {4}.*?$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are made here."""
    pages = {site: (ROOT / path).read_text() for path, site in DOCUMENTS.items()}
    pages |= {f"reference/{name}.md": _object_page(*page) for name, page in OBJECTS.items()}
    pages["reference/commands.md"] = _commands_page()
    pages["reference/configuration.md"] = field_pages.page()
    pages["demo.md"] = _DEMO_PAGE
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    for path, source in DEMO.items():
        if not (RUN / source).exists():
            raise PluginError(f"{RUN / source} is missing: `make docs` runs the demo first")
        files.append(File.generated(config, path, abs_src_path=str(RUN / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links as the site has them, and lists nested as Python-Markdown wants them."""
    path = page.file.src_uri
    if path.startswith("reference/"):
        return markdown
    source = {site: name for name, site in DOCUMENTS.items()}.get(path, f"docs/{path}")
    parts = _CODE.split(markdown)  # every second one is code
    parts[::2] = [_relinked(_nested(part), source, path, files) for part in parts[::2]]
    return "".join(parts)


def _nested(text: str) -> str:
    """Lists that GitHub nests by two blanks, by four."""
    return re.sub(r"^((?:  )+)(?=[-*] )", lambda m: 2 * m[1], text, flags=re.MULTILINE)


def _relinked(text: str, source: str, page: str, files: Files) -> str:
    def link(match: re.Match) -> str:
        target = site_link(match[3], source, page, files)
        return f"{match[1]}[{match[2]}]({target})" if target else match[2]

    def tag(match: re.Match) -> str:
        return f'{match[1]}="{site_link(match[2], source, page, files) or "#"}"'

    return _TAG.sub(tag, _LINK.sub(link, text))


def site_link(target: str, source: str, page: str, files: Files) -> str | None:
    """Where a link of the repository's file `source` leads from `page`; None: not in the site.

    >>> site_link("https://arxiv.org", "README.md", "index.md", Files([]))
    'https://arxiv.org'
    >>> site_link("../README.md#install", "docs/own_data.md", "own_data.md", Files([]))
    'index.md#install'
    """
    path, sharp, anchor = target.partition("#")
    if not path or re.match(r"[a-z]+:", target):
        return target
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if path in DOCUMENTS:
        path = DOCUMENTS[path]
    elif path.removeprefix("docs/") not in files.src_uris:
        return None
    there = posixpath.relpath(path.removeprefix("docs/"), posixpath.dirname(page) or ".")
    return there + sharp + anchor


def _object_page(title: str, objects: tuple[str, ...]) -> str:
    return f"# {title}\n\n" + "\n\n".join(f"::: {name}" for name in objects) + "\n"


def _commands_page() -> str:
    """What every subcommand says of itself; `demo` is `train` of one recipe."""
    names = [name for name in SUBCOMMANDS if name != "demo"]
    sections = [f"## {name}\n\n```text\n{_said(name, '--help')}\n```" for name in names]
    return "\n\n".join(["# Commands", f"```text\n{_said('--help')}\n```", *sections]) + "\n"


def _said(*arguments: str) -> str:
    """What `dull-jax` prints, with paths of this machine left out."""
    done = subprocess.run(
        [sys.executable, "-m", "dull_jax", *arguments],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"dull-jax {' '.join(arguments)}: {done.stderr}")
    text = done.stdout.replace(f"{ROOT}/", "")
    return text.partition("\nTry --helpfull")[0].strip()

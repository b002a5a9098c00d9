"""Measures nothing: takes the pictures of README and docs, of pages in a browser.

    python -m benchmarks.docs.pictures [--photos=FOLDER] [--demo=RUN] [--own=RUN] [--out=docs]

Takes about two minutes on two cores; needs playwright and Chromium, and CIFAR-10 in TFDS_DATA_DIR
where no photographs are named. `make pictures` runs it, `make pictures PHOTOS=FOLDER` on your own.
Writes report.png (of the demo), own_report.png, audit.png and review.png (of photographs).

Runs that are not named are made: the demo, and one on class folders of CIFAR-10, 2,041 images of
which a third is wrongly labelled. Folders are shown as if a user had named them runs/mine.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.audit.photos import output_of, write_photos
from benchmarks.docs.render import ROOT
from dull_jax.report import html
from dull_jax.report.run import read
from dull_jax.run_dir import layout

PAGE, REVIEW = (960, 1120), (1280, 800)  # pixels
MINE, PHOTOS = "runs/mine", "photos"  # what folders are called on the pictures
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def demo_run(folder: pathlib.Path) -> pathlib.Path:
    """The run of `make demo`, below `folder`."""
    recipe = ROOT / "configs" / "digits_t2h.py"
    output_of("dull_jax.main", f"--config={recipe}", f"--workdir={folder / 'demo'}")
    return folder / "demo"


def own_run(folder: pathlib.Path, photos: pathlib.Path | None) -> pathlib.Path:
    """A run on class folders, below `folder`; of CIFAR-10 where no photographs are named."""
    if photos is None:
        photos = folder / PHOTOS
        write_photos(photos, "ten")
    recipe = ROOT / "configs" / "folder.py"
    places = f"--config.data.dir={photos}", f"--workdir={folder / 'own'}"
    output_of("dull_jax.main", f"--config={recipe}", *places)
    return folder / "own"


def photograph(browser: Any, page: pathlib.Path, run: pathlib.Path, target: pathlib.Path) -> None:
    """The top of a page."""
    text = page.read_text().replace(os.path.abspath(run), MINE)
    if folder := read(run).data_folder:
        text = text.replace(folder, PHOTOS)
    tab = browser.new_page(viewport=dict(zip(("width", "height"), PAGE, strict=True)))
    tab.set_content(text)
    tab.screenshot(path=target)
    tab.close()


def photograph_review(
    browser: Any, folder: pathlib.Path, run: pathlib.Path, target: pathlib.Path
) -> None:
    """The first suspect of a review; what it decides goes to a file of its own in `folder`."""
    with _reviewing(folder, run) as address:
        tab = browser.new_page(viewport=dict(zip(("width", "height"), REVIEW, strict=True)))
        tab.goto(address)
        tab.wait_for_selector("#item[aria-busy=false]")
        tab.wait_for_load_state("networkidle")
        tab.screenshot(path=target)
        tab.close()


@contextmanager
def _reviewing(folder: pathlib.Path, run: pathlib.Path) -> Iterator[str]:
    """The address of a server that was started as a user starts it."""
    (folder / MINE).parent.mkdir(exist_ok=True)
    (folder / MINE).symlink_to(run.absolute())
    command = [sys.executable, "-m", "dull_jax.review", f"--run={MINE}", "--decisions=mine.csv"]
    package = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": package},
    ) as server:
        yield next(line.split()[1] for line in server.stdout if line.startswith("review:"))
        server.terminate()
        server.communicate()


def take(folder: pathlib.Path, demo: pathlib.Path, own: pathlib.Path, out: pathlib.Path) -> None:
    """All pictures, of pages that are written anew from the files of the runs."""
    from playwright.sync_api import sync_playwright

    audited = own / layout.AUDIT / layout.AUDIT_PAGE
    if not audited.exists():
        output_of("dull_jax.audit", f"--run={own}")
    out.mkdir(parents=True, exist_ok=True)
    chromium = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        photograph(browser, html.write(demo), demo, out / "report.png")
        photograph(browser, html.write(own), own, out / "own_report.png")
        photograph(browser, audited, own, out / "audit.png")
        photograph_review(browser, folder, own, out / "review.png")
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("photos", "demo", "own"):
        parser.add_argument(f"--{name}", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        demo = args.demo or demo_run(folder)
        take(folder, demo, args.own or own_run(folder, args.photos), args.out)


if __name__ == "__main__":
    main()

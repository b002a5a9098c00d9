"""The pages in a real browser: nothing is wider than the window, narrow or wide, folded or not."""

import json
import shutil

import numpy as np
import pytest

from dull_jax.audit import page, verdicts
from dull_jax.audit.inputs import AuditInput
from dull_jax.report import html
from dull_jax.stats.label_audit import audit_labels

LONG = "a_class_whose_name_nobody_would_ever_want_to_read_to_its_end"
FOLDER = "photographs of the last expedition/" + "camera_with_a_long_serial_number_" * 3

# What reaches beyond the window, but for what scrolls inside its own box.
_BEYOND = """[...document.querySelectorAll("body *")]
  .filter(e => !e.closest(".scroll > *") && e.getClientRects().length)
  .filter(e => { const r = e.getBoundingClientRect();
                 return r.right > innerWidth + 0.5 || r.left < -0.5; })
  .map(e => e.tagName + " " + (e.textContent || "").trim().slice(0, 40))"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory, ten_classes):
    """{name: path} of a report of simulated noise, one of own images, and an audit's page."""
    own = shutil.copytree(ten_classes, tmp_path_factory.mktemp("own") / "a run")
    shutil.rmtree(own / "compare")
    _rewrite(own / "data.json", truth_known=False, class_names=[f"{LONG}_{k}" for k in range(10)])
    _rewrite(own / "result.json", wrong_labels={})
    _rewrite(own / "config.json", data={"name": "folder", "dir": f"/data/{FOLDER}"})
    ids = np.load(own / "labels.npz")["ids"]
    lines = ["id,path,status", *(f"{key},{FOLDER}/{n}.jpg,used" for n, key in enumerate(ids))]
    (own / "manifest.csv").write_text("\n".join(lines))
    audit = tmp_path_factory.mktemp("audit") / "audit.html"
    audit.write_text(_audit_page(audit.parent / FOLDER))
    return {"simulated": html.write(ten_classes), "own": html.write(own), "audit": audit}


def _rewrite(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def _audit_page(folder):
    rng = np.random.default_rng(0)
    true = np.repeat([0, 1, 2], [120, 80, 40])
    given = np.where(rng.random(240) < 0.2, (true + 1) % 3, true)
    vectors = np.eye(3)[true] + rng.normal(0, 0.1, (240, 3))
    samples = AuditInput(
        ids=np.arange(240).astype(str),
        paths=np.array([f"{FOLDER}/{n}.jpg" for n in range(240)], object),
        given=given,
        probs=0.05 + 0.85 * np.eye(3)[true],
        class_names=tuple(f"{LONG}_{k}" for k in range(3)),
        images=rng.integers(0, 255, (240, 8, 8, 3), dtype=np.uint8),
        vectors=vectors[:, None].astype(np.float32),
    )
    verdict = audit_labels(samples.probs, given, class_names=samples.class_names)
    listed = verdicts.listed(samples, verdict)
    assert len(listed.rows) > 30
    return page.page(samples, verdict, listed, folder=folder)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["simulated", "own", "audit"])
def test_nothing_is_wider_than_the_window(browser, pages, name, width):
    tab = browser.new_page(viewport={"width": width, "height": 900})
    tab.goto(f"file://{pages[name]}")
    for state in ("folded", "open"):
        scroll = tab.evaluate("document.documentElement.scrollWidth")
        assert scroll <= width, (state, scroll)
        assert tab.evaluate(_BEYOND) == [], state
        tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    tab.close()


def test_curves_of_own_images_are_folded_until_they_are_clicked(browser, pages):
    tab = browser.new_page(viewport={"width": 390, "height": 900})
    tab.goto(f"file://{pages['own']}")
    assert not tab.is_visible("#learning svg") and tab.is_visible("#suspects img >> nth=0")
    tab.click("#learning summary")
    assert tab.is_visible("#learning svg >> nth=0")
    tab.close()

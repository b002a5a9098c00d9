"""The map of the embeddings and the neighbours on the cards: complete, escaped, not too large."""

import json
import re
import shutil
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from dull_jax.report import blocks, charts, html, points
from dull_jax.report.run import read
from dull_jax.report.sections import map as map_section
from dull_jax.report.sections import suspects as suspects_section
from dull_jax.train import embedding_map

HOSTILE = ["</svg><script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "\x00\u202e"]
_SHARES = re.compile(r"PCA, \d+\s% of the variance")


@pytest.fixture(params=[True, False], ids=["pictures", "vectors only"])
def with_pictures(request):
    return request.param


def _embedded(source, folder, pictures=True):
    """A copy of a run's folder with what a run on vectors keeps besides."""
    shutil.copytree(source, folder)
    with np.load(folder / "outputs.npz") as file:
        outputs = dict(file)
    clean = np.load(folder / "labels.npz")["clean"]
    rng = np.random.default_rng(0)
    vectors = np.eye(clean.max() + 1)[clean] + rng.normal(0, 0.25, (len(clean), clean.max() + 1))
    images = rng.integers(0, 255, (len(clean), 40, 40, 3), dtype=np.uint8) if pictures else None
    outputs |= embedding_map.arrays(vectors[:, None], images, outputs["suspects"])
    if not pictures:
        del outputs["thumbnails"]
    np.savez(folder / "outputs.npz", **outputs)
    return folder


def _sections(folder):
    """(the map or "", the suspects) as HTML."""
    run = read(folder)
    both = map_section.content(run) or [], suspects_section.content(run)
    return ["\n".join(str(block) for block in blocks if block) for blocks in both]


def test_page_of_a_run_on_vectors(ten_classes, tmp_path, with_pictures):
    folder = _embedded(ten_classes, tmp_path / "run", with_pictures)
    section, suspects = _sections(folder)
    for kind in ("given label", "suggested label", "true label"):
        assert f"Embeddings<small> {kind}" in section
    assert _SHARES.search(section) and "other classes" in section  # ten classes, eight colours
    assert section.count("<title>train_") == 3 * 50
    assert suspects.count('class="near') == 50 and suspects.count("<li title=") == 250
    assert suspects.count("<img") == (300 if with_pictures else 0)
    assert suspects.count("image/webp") == (250 if with_pictures else 0)
    assert "nearest neighbours" in suspects
    assert "memorised" in section  # images, and nothing says that their backbone was frozen
    agreed = suspects.count('class="agrees"')
    assert 0 < agreed < 250


def test_a_hundred_classes(hundred_classes, tmp_path):
    section, suspects = _sections(_embedded(hundred_classes, tmp_path / "run"))
    swatches = re.findall(r"<li><svg.*?</li>", section, re.S)
    assert len(swatches) == 9 and "2,000 of 10,847 samples" in section
    assert len(section) < 200_000 and len(suspects) < 900_000


def test_embeddings_of_a_frozen_backbone_are_not_learnt(ten_classes, tmp_path):
    folder = _embedded(ten_classes, tmp_path / "run")
    about = json.loads((folder / "data.json").read_text())
    for change in ({"embeddings": {"views": 1}}, {"image_shape": [1, 32]}):
        (folder / "data.json").write_text(json.dumps(about | change))
        section, _ = _sections(folder)
        assert section and "memorised" not in section


def test_older_runs_have_no_map(ten_classes):
    section, suspects = _sections(ten_classes)
    assert not section and "nearest" not in suspects


@pytest.mark.parametrize("lost", ["map_points", "suggested", "neighbour_pictures", "neighbours"])
def test_any_array_may_be_missing(ten_classes, tmp_path, lost):
    folder = _embedded(ten_classes, tmp_path / "run")
    with np.load(folder / "outputs.npz") as file:
        outputs = {key: file[key] for key in file.files if key != lost}
    np.savez(folder / "outputs.npz", **outputs)
    section, suspects = _sections(folder)
    assert bool(section) == lost.startswith("neighbour")
    assert ("nearest" in suspects) == (lost != "neighbours")


def test_the_whole_page(ten_classes, tmp_path):
    page = html.page(read(_embedded(ten_classes, tmp_path / "run")))
    assert page.index('id="map"') < page.index('id="suspects"') and '<a href="#map">Map</a>' in page
    assert len(page) < 2_000_000


def _points(size, num_classes, suspects, seed=0):
    rng = np.random.default_rng(seed)
    given, suggested = rng.integers(0, num_classes, (2, size))
    return points.Points(rng.normal(size=(size, 2)), given, suggested, suspects)


def test_every_sample_is_a_dot_of_its_class():
    drawn = _points(60, 3, ["a", "b"])
    drawing = points.maps("m", drawn, ["x", "y", "z"], {"given": drawn.given})
    dots = {
        path.get("stroke"): path.get("d").count("M")
        for path in ET.fromstring(str(drawing)).iter("path")
        if path.get("stroke-linecap") == "round"
    }
    assert dots == {f"var(--s{k})": (drawn.given == k).sum() for k in range(3)}


def test_the_unit_is_the_same_on_both_axes():
    for stretch in (0.01, 0.5, 1, 30):
        place = np.random.default_rng(0).normal(size=(40, 2)) * (1, stretch)
        (x, y), height = points._domains(place)
        assert (x[1] - x[0]) / charts.WIDTH == pytest.approx((y[1] - y[0]) / height)
        for axis, (low, high) in enumerate((x, y)):
            assert low < place[:, axis].min() and place[:, axis].max() < high


@pytest.mark.parametrize("size", [1, 2, 30])
def test_few_and_equal_points(size):
    drawn = _points(size, 2, ["a"])._replace(place=np.zeros((size, 2)))
    assert "suspicious" in points.maps("m", drawn, ["x", "y"], {"given": drawn.given})


def test_names_are_escaped():
    drawn = _points(20, 3, HOSTILE)
    page = str(points.maps("m", drawn, HOSTILE, {"given": drawn.given}))
    page += str(blocks.card("n", "g", "b", "s", near=[
        {"name": name, "label": name, "picture": "", "agrees": True} for name in HOSTILE
    ]))  # fmt: skip
    assert "<script" not in page and "<img" not in page and "\x00" not in page
    assert "&lt;script&gt;" in page

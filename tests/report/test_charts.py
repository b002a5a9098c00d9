"""Charts say the numbers they were given, in SVG that is valid, safe and sized for a phone."""

import base64
import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from dull_jax.report import bars, charts, curves, heatmap
from dull_jax.report.palette import LEVELS, ramp
from dull_jax.report.sections.inside import sort_channels

HOSTILE = [
    "</svg><script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "\x00\u202e\udce9",
]


def _shapes(drawing, said):
    """Shapes whose tooltip starts with `said`."""
    shapes = ET.fromstring(str(drawing)).iter()
    return [s for s in shapes if (s.findtext("title") or "").startswith(said)]


def _width(path):
    """Of a rectangle that Vega drew as a path."""
    xs = [float(x) for x in re.findall(r"[ML](-?[\d.]+),", path.get("d"))]
    return max(xs) - min(xs)


def _texts(drawing):
    return [text.text for text in ET.fromstring(str(drawing)).iter("text") if text.text]


def _every_chart(names, values):
    """One of each kind of chart, for K classes named `names` with `values` in [0, 1]."""
    size = len(names)
    shares = np.full((size, size), 1 / size)
    images = [max(0, round(100 * v)) if np.isfinite(v) else 0 for v in values]
    yield curves.lines(names[0], [(names[0], [(1, 0.5), (2, 0.6)])], "%")
    yield curves.scatter("s", images, values, values[::-1], names, 1, "true")
    yield curves.scatter("s", images, values, None, names, 1, "given")
    yield bars.counts("c", images, images[::-1], names, [""] * size)
    yield bars.counts("c", None, images, names, ["tail"] * size)
    yield bars.grouped("g", ["overall"], names[:3], [[None, *values[:2]][: len(names[:3])]])
    yield bars.reliability("r", np.linspace(0, 1, 9), np.arange(9) % 2 == 0)
    yield bars.scores("s", [(names[0], "var(--good)", np.linspace(0, 1, 9))])
    yield heatmap.matrix("m", shares * np.asarray(values), names, ("true", "given"))
    yield heatmap.transition("t", shares, names)
    yield heatmap.picture("p", shares, ("true", "given"), (200, 100), names if size < 21 else None)


@pytest.mark.parametrize("size", [1, 2, 10, 20, 21, 100])
def test_every_chart_of_any_number_of_classes(size):
    names = [f"class {k}" for k in range(size)]
    for drawing in _every_chart(names, np.linspace(1, 0, size)):
        root = ET.fromstring(str(drawing))
        assert root.get("role") == "img" and len(root.get("aria-label")) > 5
        assert not re.search(r"\bNaN\b|\bundefined\b|\bnull\b|Infinity", drawing)
        assert "font-family" not in drawing, "the page's font"


def test_hostile_names_stay_text():
    for drawing in _every_chart(HOSTILE, [0.9, 0.5, 0.1]):
        root = ET.fromstring(str(drawing))
        assert not {"script", "img"} & {element.tag for element in root.iter()}
        assert not any(key.startswith("on") for element in root.iter() for key in element.keys())
        assert not set(drawing) & set("\x00\u202e\udce9")
        for element in root.iter():
            assert element.get("href", "data:image/png").startswith("data:image/png")


def test_undefined_numbers_are_left_out():
    values = [float("nan"), 0.5, 0.0]
    for drawing in _every_chart(["a", "b", "c"], values):
        assert not re.search(r"\bNaN\b|\bnan\b|undefined", drawing)


def test_all_colours_follow_the_scheme_of_the_reader():
    for drawing in _every_chart(["a", "b", "c"], [0.9, 0.5, 0.1]):
        colours = set(re.findall(r'\b(?:fill|stroke)="([^"]*)"', drawing)) - {"none"}
        assert all(re.fullmatch(r"var\(--[a-z]+\d*\)", colour) for colour in colours), colours


def test_small_charts_are_as_wide_as_a_phone():
    names = ["a rather long name of a class"] * 10
    for drawing in list(_every_chart(names, np.linspace(1, 0, 10)))[:8]:
        assert float(ET.fromstring(str(drawing)).get("width")) <= charts.WIDTH


@pytest.mark.parametrize(("low", "high"), [(5, 500), (0.7, 100), (1, 1.1), (1, 1e6)])
def test_log_ticks_are_inside_and_few(low, high):
    ticks = charts.log_ticks(low, high)
    assert all(low <= tick <= high for tick in ticks) and len(ticks) <= 9


def test_line_breaks_at_an_undefined_value_only():
    drawing = curves.lines("loss", [("a", [(1, 1.0), (2, None), (3, 2.0), (5, 1.0)])])
    line = next(p for p in ET.fromstring(str(drawing)).iter("path") if p.get("stroke-width"))
    assert line.get("d").count("M") == 2 and line.get("d").count("L") == 1
    assert _shapes(drawing, "a · epoch 5 · 1.00")
    assert curves.lines("loss", [("a", [(1, None)])]) is None


def test_one_value_that_never_changes_has_room_around_it():
    ticks = _texts(curves.lines("auroc", [("a", [(1, 0.3), (2, 0.3)])]))
    assert "0.30" in ticks and "1" in ticks and "1.5" not in ticks


def test_percent_stays_between_0_and_100():
    ticks = _texts(curves.lines("t", [("a", [(1, 12.0), (2, 99.4)])], "%"))
    assert "100%" in ticks and all(float(t.strip("%")) <= 100 for t in ticks if t != "epoch")


def test_points_skip_epochs_without_the_key():
    metrics = [{"epoch": 1, "x": 2}, {"epoch": 2}, {"epoch": 3, "x": float("nan")}]
    assert curves.points_of(metrics, "x") == [(1, 2), (3, None)]


def test_bars_are_as_long_as_their_numbers():
    drawing = bars.grouped("t", ["overall"], ["a", "b"], [[80.0, 40.0]])
    (long,), (short,) = _shapes(drawing, "a · overall · 80.0"), _shapes(drawing, "b · overall")
    assert _width(long) == pytest.approx(2 * _width(short), rel=0.01)
    assert "n/a" in bars.grouped("t", ["tail"], ["a"], [[None]])


@pytest.mark.parametrize("size", [3, 30])
def test_counts_of_both_kinds(size):
    true, given = [100, 50, 3] * (size // 3), [103, 50, 0] * (size // 3)
    names, groups = [f"n{k}" for k in range(size)], ["head", "medium", "tail"] * (size // 3)
    both = bars.counts("c", true, given, names, groups)
    assert len(_shapes(both, "n0 · given 103 · true 100")) == 2
    assert "var(--tail)" in both
    alone = bars.counts("c", None, given, names, groups)
    assert len(_shapes(alone, "n0 · given 103")) == 1 and "true" not in alone


def test_reliability_bins_are_those_of_the_ece():
    confidence = np.array([1.0, 1.0, 0.5, 0.2])
    drawing = bars.reliability("c", confidence, np.array([1, 0, 1, 1], bool), num_bins=5)
    assert "confidence 80 to 100 % · accuracy 50.0 % · 2 images" in drawing
    assert "confidence 0 to 20 % · accuracy 100.0 % · 1 images" in drawing  # (a, b] holds 0.2


def test_cells_show_numbers_and_pictures_show_every_value():
    shares = np.array([[0.75, 0.25], [0.0, 1.0]])
    numbers = np.array([["3", "1"], ["0", "5"]])
    drawing = heatmap.matrix("m", shares, ["cat", "dog"], ("true", "given"), numbers)
    texts = _texts(drawing)
    assert _shapes(drawing, "cat → dog · 25.0%") and "3" in texts and "cat" in texts
    assert texts.count("0") == 1, "of the scale of colours; an empty cell has no number"

    values = np.random.default_rng(0).random((30, 30))
    drawing = heatmap.matrix("m", values, [str(k) for k in range(30)], ("true", "given"))
    images = re.findall(r"base64,([^\"]+)", drawing)
    assert len(images) == 2 and 'class="day"' in drawing and 'class="night"' in drawing
    for source in images:
        image = Image.open(io.BytesIO(base64.b64decode(source)))
        np.testing.assert_array_equal(np.asarray(image), np.round(np.sqrt(values) * 95))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colour_scale_has_monotone_lightness(scheme):
    lightness = np.array(ramp(LEVELS, scheme)) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) * (1 if scheme == "dark" else -1) > 0).all()


def test_channels_are_sorted_by_owner_then_purity():
    gate = np.array([[0.5, 1.0], [1.0, 0.9], [0.0, 0.0], [1.0, 0.0]])
    order, owned = sort_channels(gate)
    assert order.tolist() == [3, 1, 0, 2] and owned.tolist() == [2, 1]

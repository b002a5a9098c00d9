"""Charts say the numbers they were given."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from dull_jax.report import bars, curves, heatmap, plots
from dull_jax.report.markup import Markup, finite, number, percent, tag
from dull_jax.report.sections.channels import sort_channels
from dull_jax.report.style import LEVELS, ramp


def _attributes(drawing, name):
    found = re.findall(rf"<{name} ([^>]*?)/?>", drawing)
    return [dict(re.findall(r'([\w-]+)="([^"]*)"', one)) for one in found]


@pytest.mark.parametrize(("low", "high"), [(0, 1), (3.2, 97.1), (0, 0.003), (-5, 12000), (2, 2)])
def test_ticks_are_round_inside_and_few(low, high):
    ticks = plots.nice_ticks(low, high)
    assert 1 <= len(ticks) <= 7
    assert all(low - 1e-9 <= t <= high + 1e-9 for t in ticks)


def test_log_ticks_are_inside():
    assert plots.log_ticks(5, 500) == [5, 10, 20, 50, 100, 200, 500]


def test_span_holds_the_values_and_percent_stays_percent():
    low, high = curves.span_of([12.0, 99.4], "%")
    assert low <= 12 and high == 100
    low, high = curves.span_of([0.3, 0.3])
    assert low < 0.3 < high


def test_line_breaks_at_an_undefined_value_only():
    drawing = curves.lines("loss", [("a", [(1, 1.0), (2, None), (3, 2.0), (5, 1.0)])])
    assert _attributes(drawing, "path")[0]["d"].count("M") == 2
    assert curves.lines("loss", [("a", [(1, None)])]) is None


def test_points_skip_epochs_without_the_key():
    metrics = [{"epoch": 1, "x": 2}, {"epoch": 2}, {"epoch": 3, "x": float("nan")}]
    assert curves.points_of(metrics, "x") == [(1, 2), (3, None)]


def test_bars_are_as_long_as_their_numbers():
    drawing = bars.grouped("t", ["overall"], ["a", "b"], [[80.0, 40.0]])
    long, short = (float(a["width"]) for a in _attributes(drawing, "rect"))
    assert long == pytest.approx(2 * short, rel=0.01)
    assert "n/a" in bars.grouped("t", ["tail"], ["a"], [[None]])


def test_reliability_bins_are_those_of_the_ece():
    confidence = np.array([1.0, 1.0, 0.5, 0.2])
    drawing = bars.reliability("c", confidence, np.array([1, 0, 1, 1], bool), num_bins=5)
    assert "confidence 80 to 100 % · accuracy 50.0 % · 2 images" in drawing
    assert "confidence 0 to 20 % · accuracy 100.0 % · 1 images" in drawing  # (a, b] holds 0.2


def test_cells_show_numbers_and_pictures_show_every_value():
    shares = np.array([[0.75, 0.25], [0.0, 1.0]])
    numbers = np.array([["3", "1"], ["0", "5"]])
    drawing = heatmap.matrix("m", shares, ["cat", "dog"], ("true", "given"), numbers)
    assert "cat → dog · 25.0%" in drawing and drawing.count(">1<") >= 1

    values = np.random.default_rng(0).random((30, 30))
    drawing = heatmap.matrix("m", values, [str(k) for k in range(30)], ("true", "given"))
    images = re.findall(r"base64,([^\"]+)", drawing)
    assert len(images) == 2  # light and dark
    for source in images:
        image = Image.open(io.BytesIO(base64.b64decode(source)))
        expected = np.round(np.sqrt(values) * 95)
        np.testing.assert_array_equal(np.asarray(image), expected)


@pytest.mark.parametrize("dark", [False, True])
def test_the_colour_scale_has_monotone_lightness(dark):
    light = np.array(ramp(LEVELS, dark)) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light) > 0).all() if dark else (np.diff(light) < 0).all()


def test_channels_are_sorted_by_owner_then_purity():
    gate = np.array([[0.5, 1.0], [1.0, 0.9], [0.0, 0.0], [1.0, 0.0]])
    order, owned = sort_channels(gate)
    assert order.tolist() == [3, 1, 0, 2] and owned.tolist() == [2, 1]


def test_tag_escapes_all_but_markup():
    assert tag("p", "<b>", Markup("<i></i>"), title='"') == '<p title="&quot;">&lt;b&gt;<i></i></p>'


@pytest.mark.parametrize("value", [None, "1", True, float("nan"), float("inf"), [1], {}])
def test_what_is_not_a_number_is_not_available(value):
    assert finite(value) is None and number(value) == percent(value) == "n/a"


def test_numbers_as_people_write_them():
    assert number(1234.56) == "1,234.6" and percent(0.0512) == "5.1\u00a0%"

"""Which labels are looked at, in which order."""

import numpy as np
import pytest

from dull_jax.audit import saved
from dull_jax.audit.decisions import OPEN
from dull_jax.review import items
from dull_jax.review.items import Items, View, seek, seek_back


@pytest.fixture(scope="module")
def audit(audit_folder):
    return saved.read(audit_folder)


@pytest.fixture(scope="module")
def views(audit):
    return Items(audit)


def test_the_likeliest_wrong_first(audit, views):
    rows = views.rows(View())
    assert sorted(rows) == sorted(audit.listed)
    assert (np.diff(audit.p_wrong[rows]) <= 0).all()


def test_the_rest(audit, views):
    rows = views.rows(View(verdict="rest"))
    assert sorted([*rows, *audit.listed]) == list(range(len(audit.given)))
    assert (np.diff(audit.p_wrong[rows]) <= 0).all()


def test_class_by_class(audit, views):
    rows = views.rows(View(order="class"))
    assert (np.diff(audit.given[rows]) >= 0).all()
    first = rows[audit.given[rows] == audit.given[rows[0]]]
    assert (np.diff(audit.p_wrong[first]) <= 0).all()


def test_gain_prefers_rare_classes():
    sizes = np.array([100, 10, 2])
    found = items.gain(
        np.array([1.0, 1.0, 0.5, 1.0]), np.array([0, 0, 0, 1]), np.array([1, 2, 2, 1]), sizes
    )
    assert found == pytest.approx([0.11, 0.51, 0.255, 0.1])


def test_views_by_gain(audit, views):
    rows = views.rows(View(order="gain"))
    assert (np.diff(views.gain[rows]) <= 0).all()
    assert rows.tolist() != views.rows(View()).tolist()


def test_filters(audit, views):
    in_tail = views.rows(View(group="tail"))
    assert 0 < len(in_tail) and set(audit.groups[in_tail]) == {"tail"}
    given, suggested, count = views.counts(View()).pairs[0]
    pair = views.rows(View(given=given, suggested=suggested))
    assert len(pair) == count and set(audit.given[pair]) == {given}
    assert len(views.rows(View(verdict="ambiguous"))) == 0


def test_counts_are_what_a_filter_shows(views):
    view = View(group="head", verdict="wrong")
    counts = views.counts(view)
    for verdict, count in counts.verdict.items():
        assert count == len(views.rows(view._replace(verdict=verdict)))
    for group, count in counts.group.items():
        assert count == len(views.rows(view._replace(group=group)))
    for given, suggested, count in counts.pairs:
        assert count == len(views.rows(view._replace(given=given, suggested=suggested)))


def test_seek_goes_round_once():
    rows = np.array([5, 3, 8, 1, 0])
    labels = np.full(9, 2)
    assert seek(rows, labels, 2) == [] and seek_back(rows, labels, 2) == []
    labels[[3, 0]] = OPEN
    assert seek(rows, labels, 1) == [1] and seek(rows, labels, 2) == [4]
    assert seek(rows, labels, 99) == [1] and seek(rows, labels, 2, most=3) == [4, 1]
    assert seek_back(rows, labels, 3) == [1] and seek_back(rows, labels, 99) == [4]
    assert seek_back(rows, labels, 0) == []


def test_seek_through_blocks(monkeypatch):
    monkeypatch.setattr(items, "_BLOCK", 3)
    rows = np.arange(20)
    for place in (0, 2, 3, 11, 19):
        labels = np.where(rows == place, OPEN, 1)
        for start in (0, 5, 12, 19):
            assert seek(rows, labels, start) == [place]
            assert seek_back(rows, labels, start) == ([place] if place <= start else [])

"""Drawings: nothing stands outside of them, pauses are cut out, and every request is in some bar."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.report_charts import HEIGHT, WIDTH, axis_of, rate_chart, share_bar, status_chart

MOMENTS = st.lists(st.floats(1e9, 1e9 + 1e6), min_size=1, max_size=60).map(sorted)


def label(at: float) -> str:
    return f"at {at:.0f}"


def numbers(markup: str, name: str) -> list[float]:
    return [float(value) for value in re.findall(rf' {name}="([0-9.e+-]+)"', markup)]


@given(MOMENTS, st.one_of(st.none(), st.floats(0.1, 100)))
def test_everything_stands_inside_and_the_size_is_bounded(moments, limit):
    axis = axis_of(moments)
    drawn = rate_chart(moments, moments[::2], limit, axis, label)
    areas = status_chart({"started": moments, "refused": moments[:3], "in_doubt": []}, axis, label)
    for x in (*numbers(drawn, "x"), *numbers(areas, "x")):
        assert 0 <= x <= WIDTH
    assert all(0 <= y <= HEIGHT for y in numbers(drawn, "y"))
    for bar in re.findall(r"<rect[^>]*>", drawn):
        ((x,), (wide,)) = numbers(bar, "x"), numbers(bar, "width")
        assert x + wide <= WIDTH
    for points in re.findall(r'points="([^"]*)"', areas):
        for x, y in (place.split(",") for place in points.split(" ")):
            assert 0 <= float(x) <= WIDTH
            assert 0 <= float(y) <= HEIGHT
    assert len(drawn) + len(areas) < 150_000


@given(MOMENTS)
def test_time_never_runs_backwards(moments):
    axis = axis_of(moments)
    places = [axis.x(at) for at in moments]
    assert places == sorted(places)


def test_a_rate_is_that_of_its_second():
    moments = [100 + n / 10 for n in range(101)]
    drawn = rate_chart(moments, [], 20, axis_of(moments), label)
    assert "at most 11.0" in drawn or "at most 10.0" in drawn
    assert drawn.count('class="bar"') == 10
    assert drawn.count('class="limit"') == 1
    assert 'class="limit"' not in rate_chart(moments, [], None, axis_of(moments), label)


def test_a_long_pause_is_cut_out_and_a_short_one_is_not():
    assert len(axis_of([0, 10, 20, 30]).stretches) == 1
    assert axis_of([0, 10, 90_000, 90_010]).stretches == ((0, 10), (90_000, 90_010))
    drawn = rate_chart([0, 10, 90_000, 90_010], [], 1, axis_of([0, 10, 90_000, 90_010]), label)
    assert drawn.count('class="pause"') == 1
    assert "at 90000" in drawn


def test_one_request_alone_can_be_drawn():
    assert "at most 1.0" in rate_chart([5.0], [], 2, axis_of([5.0]), label)
    assert "1 started" in status_chart({"started": [5.0]}, axis_of([5.0]), label)


@pytest.mark.parametrize("parts", [{"started": 5}, {"started": 1, "refused": 99_999}, {}])
def test_the_bar_of_all_rows_is_full(parts):
    drawn = share_bar(parts)
    assert sum(numbers(drawn, "width")) == pytest.approx(WIDTH if parts else 0, abs=len(parts))

"""How many rows share a request: never more than may be lost at once, well inside the portal's cut, and only where it is faster."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.batching import LONGEST, Batching

AUTO = Batching(10, 10)
durations = st.lists(st.floats(0, 100), min_size=1, max_size=150)


@pytest.mark.parametrize(
    ("seconds", "rate", "size"),
    [
        (0.02, 2.0, 10),  # the portal takes two requests a second and carries out fifty starts
        (0.2, 2.0, 5),  # two requests of five rows at a time beat one of ten
        (0.24, 2.0, 5),
        (0.25, 2.0, 1),  # measured duration × rate is a half: one row a request is as fast
        (0.6, 2.0, 1),
        (0.02, 500.0, 1),
    ],
)
def test_auto_takes_as_many_rows_as_make_it_fastest_and_one_where_that_is_as_fast(seconds, rate, size):
    assert AUTO.size([seconds] * 3, rate) == size


def test_auto_waits_for_three_measured_starts_and_a_named_size_for_one():
    assert [AUTO.size([0.01] * count, 2.0) for count in range(4)] == [1, 1, 1, 10]
    assert [Batching(7, 10, auto=False).size([0.01] * count, 2.0) for count in range(3)] == [1, 7, 7]


def test_a_request_ends_well_inside_the_portals_cut_however_large_it_may_be():
    named = Batching(50, 500, auto=False)
    assert named.size([1.0] * 10, 2.0) == 20
    assert named.size([0.1] * 99 + [4.0], 2.0) == 50, "one in a hundred may be slower"
    assert named.size([0.1] * 98 + [4.0] * 2, 2.0) == 5
    assert named.size([60.0], 2.0) == 1


def test_what_starts_took_lately_is_what_counts():
    assert AUTO.size([9.0] * 500 + [0.02] * 100, 2.0) == 10
    assert AUTO.size([0.02] * 500 + [9.0] * 100, 2.0) == 1


def test_off_and_a_portal_without_batches_send_one_row_a_request():
    assert Batching(1, 10).size([0.01] * 9, 2.0) == Batching(1, 10, auto=False).size([0.01] * 9, 2.0) == 1


def test_before_anything_is_measured_the_forecast_takes_the_users_word():
    assert Batching(20, 10, auto=False).planned([], 2.0) == 10
    assert Batching(20, 10).planned([], 2.0) == 1
    assert Batching(20, 100, auto=False).planned([2.0], 2.0) == 10


@given(durations, st.floats(0.1, 1e6), st.integers(1, 50), st.integers(1, 500), st.booleans())
def test_it_is_never_more_than_allowed_and_never_less_than_one(seconds, rate, most, on_wire, auto):
    size = Batching(most, on_wire, auto).size(seconds, rate)
    assert 1 <= size <= max(1, min(most, on_wire))
    slow = max(seconds[-100:])
    assert size == 1 or len(seconds) >= 100 or size * slow <= LONGEST


@given(st.floats(1e-4, 1), st.floats(0.1, 100), st.integers(1, 50))
def test_no_other_size_would_be_faster(seconds, rate, on_wire):
    size = Batching(50, on_wire).size([seconds] * 5, rate)
    if seconds * rate < 0.5:
        speed = {rows: min(rows * rate, on_wire // rows / seconds) for rows in range(1, min(on_wire, 50, int(20 / seconds)) + 1)}
        assert speed[size] == max(speed.values())

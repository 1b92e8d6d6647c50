"""The learned rate: what a refusal teaches, and how the rate comes back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.pace import CONVEX, CUT, FIRST_CUT, GROWTH, SLOWEST, Pace


def grown(pace: Pace, requests: int) -> Pace:
    for _ in range(requests):
        pace.accepted()
    return pace


def refused_at(rate: float) -> Pace:
    """A pace of an untold limit that grew to this rate and was then refused for the first time."""
    pace = Pace(rate / 2, math.inf, 0.0)
    pace.rate = rate
    pace.refused(500, 25.0)
    return pace


def test_while_nothing_is_refused_the_rate_grows_by_a_constant_per_accepted_request():
    assert grown(Pace(5.0, math.inf, 0.0), 70).rate == pytest.approx(5 + 70 / GROWTH)


def test_a_stated_rate_is_never_passed():
    pace = Pace(9.9, 9.9, 0.0)
    assert grown(pace, 500).rate == 9.9
    pace.refused(500, 50.0)
    assert grown(pace, 5000).rate == 9.9


@pytest.mark.parametrize("asked_before", [0, 5])
def test_a_first_burst_that_is_too_large_says_nothing_of_the_rate(asked_before):
    pace = grown(Pace(5.0, math.inf, 0.0), asked_before)
    pace.refused(asked_before + 4, 60.0)
    assert pace.paced
    assert not pace.learned
    assert grown(pace, 100).rate > 10


def test_a_first_refusal_cuts_deep_where_the_limit_is_unknown_and_little_where_it_was_stated():
    stated = Pace(5.0, 5.0, 0.0)
    stated.refused(60, 10.0)
    assert refused_at(20.0).rate == pytest.approx(20 * (1 - FIRST_CUT))
    assert stated.rate == pytest.approx(5 * (1 - CUT))


def test_soon_refused_again_what_got_through_in_between_pulls_the_level_down():
    pace = Pace(20.0, 20.0, 0.0)
    pace.refused(100, 10.0)
    pace.counted(1.5)
    pace.refused(141, 14.0)  # 40 through in 4 s: 10 a second
    assert pace.level == pytest.approx(math.sqrt(18.8 * 10))


def test_a_hold_that_overstates_never_more_than_halves_what_is_believed():
    pace = Pace(20.0, 20.0, 0.0)
    pace.refused(100, 10.0)
    pace.counted(600.0)
    pace.refused(105, 611.0)
    assert pace.level == pytest.approx(18.8 / math.sqrt(2))


def test_refused_only_beyond_its_level_the_level_was_right_and_the_way_back_grows_longer():
    pace, ways = refused_at(20.0), []
    for episode in range(1, 5):
        way = 0
        while pace.rate <= pace.level * 1.001:
            pace.accepted()
            way += 1
        ways.append(way)
        before = pace.level
        pace.refused(500 * (episode + 1), 100.0 * episode)
        assert pace.level == pytest.approx(before, rel=0.01)
    assert ways[1] < ways[2] < ways[3]


def test_the_way_back_costs_holds_and_refusals_only_a_share():
    def way(refusals: int, hold: float) -> int:
        pace = refused_at(20.0)
        for _ in range(refusals):
            pace.counted(hold)
        return next(count for count in range(1, 100_000) if grown(pace, 1).rate >= pace.level)

    assert way(1, 1.0) < way(6, 1.0) < way(12, 1.0)
    assert way(1, 1.0) < way(1, 10.0) < way(1, 60.0)


def test_beyond_its_level_the_rate_rises_ever_faster():
    pace = refused_at(20.0)
    while pace.rate < pace.level * (1 + CONVEX / 10):
        pace.accepted()
    rises = []
    for _ in range(4):
        before = pace.rate
        rises.append(grown(pace, 100).rate - before)
    assert rises == sorted(rises)


def test_a_long_closure_tells_what_a_long_window_bears():
    pace = Pace(5.0, math.inf, 0.0)
    grown(pace, 300)
    pace.refused(301, 16.0)
    for _ in range(6):
        pace.counted(8.0)
    pace.endured(307, 60.0)
    assert pace.level == pytest.approx(301 / 60)


@given(st.lists(st.tuples(st.sampled_from("arcef"), st.floats(0, 100)), max_size=200), st.floats(0.01, 1000))
def test_the_rate_stays_above_its_floor_and_finite_whatever_comes(events, rate):
    pace, ticket, now = Pace(rate, math.inf, 0.0), 0, 0.0
    for kind, number in events:
        ticket, now = ticket + 1, now + number
        if kind == "a":
            pace.accepted()
        elif kind == "r":
            pace.refused(ticket, now)
        elif kind == "c":
            pace.counted(number)
        elif kind == "e" and pace.episodes:
            pace.endured(ticket, now)
        elif kind == "f":
            pace.fall_to(pace.rate * number / 100, 0.0)
        assert min(SLOWEST, rate) * (1 - FIRST_CUT) <= pace.rate < math.inf

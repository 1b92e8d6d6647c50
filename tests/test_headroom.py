"""What ``X-RateLimit-*`` can do: make a request wait, never for ever, and never on nonsense."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from bulkstart.headroom import RateHint
from bulkstart.throttle import Limits, Throttle
from tests.portal_limits import FixedWindow, LeakyBucket, Reply, Road, SlidingWindow, drive, foreign

NAN, INF = math.nan, math.inf


def after(hint: RateHint, *, on_wire: int = 0, throttled: bool = False) -> float:
    """The next leave, asked at 1.0, once one answer brought the hint and ``on_wire`` requests left behind it."""
    throttle = Throttle(Limits(1000, 1000), 0.0)
    ticket = throttle.leave(0.0)
    for _ in range(on_wire):
        throttle.leave(0.5)
    throttle.answered(ticket, 1.0, hint=hint, throttled=throttled, after=0.0 if throttled else None)
    return throttle.next_leave(1.0)


def test_what_left_since_is_taken_off_what_remains():
    assert after(RateHint(300, 3, 60), on_wire=2) == 1.0
    assert after(RateHint(300, 3, 60), on_wire=3) > 20.0


def test_at_nothing_left_a_far_reset_is_tried_at_half_its_time_and_never_waited_for_longer():
    assert after(RateHint(300, 0, 60)) == 31.0


def test_a_reset_that_proves_true_is_waited_for_and_one_that_proves_late_is_tried_earlier():
    throttle = Throttle(Limits(1000, 1000), 0.0)

    def exhausted(now: float, *, refused: bool) -> float:
        ticket = throttle.leave(now)
        throttle.answered(ticket, now, hint=RateHint(300, 0, 60), throttled=refused, after=0.0 if refused else None)
        return throttle.next_leave(now) - now

    assert exhausted(1.0, refused=False) == 30
    assert exhausted(31.0, refused=False) == 15
    assert exhausted(46.0, refused=True) == 30
    assert exhausted(76.0, refused=True) == 60


@pytest.mark.parametrize(
    "hint",
    [
        RateHint(),
        RateHint(NAN, NAN, NAN),
        RateHint(300, -1, 60),
        RateHint(300, NAN, 60),
        RateHint(300, 301, 60),
        RateHint(0, 0, 60),
        RateHint(INF, 0, 60),
        RateHint(-300, 0, 60),
        RateHint(300, 5, -1e12),
    ],
)
def test_nonsense_is_not_followed(hint):
    assert after(hint) == 1.0


@pytest.mark.parametrize("reset", [None, NAN, -5.0, 1e12])
@pytest.mark.parametrize("refused", [False, True])
def test_a_reset_that_says_nothing_costs_a_second_at_most(reset, refused):
    assert after(RateHint(300, 0, reset), throttled=refused) <= 2.0


def test_what_remains_is_followed_where_no_limit_is_named():
    assert after(RateHint(None, 0, 60)) == 31.0


def test_an_older_answer_that_comes_late_does_not_undo_a_newer_one():
    throttle = Throttle(Limits(1000, 1000), 0.0)
    first, second = throttle.leave(0.0), throttle.leave(0.0)
    throttle.answered(second, 1.0, hint=RateHint(300, 0, 60))
    throttle.answered(first, 1.1, hint=RateHint(300, 5, 60))
    assert throttle.next_leave(1.1) > 20


@pytest.mark.parametrize("headers", ["oldest", "all"])
def test_a_one_second_window_that_an_honest_pace_keeps_full_is_no_reason_to_wait(headers):
    portal = SlidingWindow(10, 1, headers=headers)
    done = drive(Throttle(Limits(10), 0.0), portal, 500, Road(latency=(0.001, 0.005)))
    assert done.refused == 0
    assert 49 / done.taken >= 0.95


@pytest.mark.parametrize("limits", [Limits(10), Limits(5, 5, stated=False)])
def test_a_fixed_window_nobody_told_is_followed_by_its_headers(limits):
    done = drive(Throttle(limits, 0.0), FixedWindow(300, 60), 900, Road())
    assert done.refused_share < 0.01
    assert 120 / (done.taken - 30) >= 0.9


@pytest.mark.parametrize("headers", ["oldest", "all"])
def test_others_in_the_platform_window_are_seen_by_its_headers(headers):
    limits = Limits(10, 10, window=(300, 60.0))
    done = drive(Throttle(limits, 0.0), SlidingWindow(300, 60, headers=headers), 900, Road(foreign=foreign(2)))
    assert 900 / 3 / done.taken >= 0.9
    assert done.refused_share < 0.02


@pytest.mark.parametrize("reset", [None, 0.1, 60.0, 3000.0])
def test_headers_that_say_nothing_is_left_while_everything_gets_through_do_not_stop_the_run(reset):
    class Lying(LeakyBucket):
        def arrive(self, now: float) -> Reply:
            return replace(super().arrive(now), hint=RateHint(50, 0, reset))

    done = drive(Throttle(Limits(20, 50), 0.0), Lying(50, 20), 1000, Road(foreign=foreign(10, until=3)))
    assert done.left[-1] - done.left[200] < 1.2 * 800 / 20

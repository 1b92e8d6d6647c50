"""The throttle in virtual time, against strict models of a portal's limiters; and what holds whatever the portal answers."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkstart.throttle import Limits, RateHint, Throttle
from tests.portal_limits import Both, Drive, FixedWindow, LeakyBucket, Limiter, Road, SlidingWindow, drive, foreign

FAR, NEAR = (0.005, 0.150), (0.001, 0.005)  # seconds one way
PLATFORM = (300, 60.0)
UNSTATED = Limits(5, 5, stated=False)


def run(limits: Limits, portal: Limiter, rows: int, *, seed: int = 1, **road: object) -> Drive:
    return drive(Throttle(limits, 0.0), portal, rows, Road(**road), seed=seed)


# ------------------------------------------------------------------------------------------------ stated limits


@pytest.mark.parametrize("latency", [FAR, NEAR])
@pytest.mark.parametrize(
    ("rate", "burst", "rows", "workers"), [(10, 10, 500, 10), (2, 50, 400, 10), (5, 250, 2000, 64), (50, 50, 1000, 64)]
)
def test_a_stated_bucket_is_used_to_97_percent_and_never_refuses(rate, burst, rows, workers, latency):
    done = run(Limits(rate, burst), LeakyBucket(burst, rate), rows, workers=workers, latency=latency)
    assert done.refused == 0
    assert (rows - burst) / rate / done.taken >= 0.97


@pytest.mark.parametrize("lag", [0.001, 0.012])
@pytest.mark.parametrize("portal", [lambda: LeakyBucket(10, 10), lambda: SlidingWindow(10, 1)])
def test_a_rate_told_without_a_burst_is_safe_for_a_bucket_and_for_a_one_second_window(portal, lag):
    done = run(Limits(10), portal(), 500, latency=NEAR, lag=lag)
    assert done.refused == 0
    assert 49 / done.taken >= 0.95


@pytest.mark.parametrize("headers", ["", "oldest", "all", "absurd"])
@pytest.mark.parametrize("latency", [FAR, NEAR])
def test_the_platform_window_is_used_to_97_percent_and_never_refuses(headers, latency):
    limits = Limits(300, 300, window=PLATFORM)
    done = run(limits, SlidingWindow(*PLATFORM, headers=headers), 900, workers=64, latency=latency)
    assert done.refused == 0
    assert 120 / done.taken >= 0.97


@pytest.mark.parametrize(
    "portal",
    [
        lambda: LeakyBucket(300, 50, headers="reset"),
        lambda: FixedWindow(300, 10),
        lambda: SlidingWindow(300, 15, headers="oldest"),
    ],
)
def test_a_window_that_the_portals_own_headers_belie_is_kept_no_longer(portal):
    """1,500 requests in windows of 300 in 60 s are four minutes; none of these portals has that window."""
    done = run(Limits(15, 15, window=PLATFORM), portal(), 1500, latency=NEAR)
    assert done.taken < 120
    assert done.refused == 0


@pytest.mark.parametrize("headers", ["", "oldest", "all"])
def test_window_and_rate_hold_together(headers):
    portal = Both(SlidingWindow(*PLATFORM, headers=headers), LeakyBucket(10, 10))
    done = run(Limits(10, 10, window=PLATFORM), portal, 900)
    assert done.refused == 0
    assert 149 / done.taken >= 0.95


def test_lost_answers_do_not_keep_their_places_in_the_window():
    done = run(Limits(300, 300, window=PLATFORM), SlidingWindow(*PLATFORM), 900, workers=64, lost=0.1)
    assert done.refused == 0
    assert 120 / done.taken >= 0.93


def test_a_place_in_the_window_is_free_its_span_after_the_answer_and_not_before():
    throttle = Throttle(Limits(1000, 1000, window=(1, 60.0)), 0.0)
    ticket = throttle.leave(0.0)
    throttle.answered(ticket, 1.5)
    assert throttle.next_leave(2.0) == 61.5
    assert throttle.next_leave(61.5) == 61.5


def test_idle_time_refills_only_up_to_the_burst():
    throttle = Throttle(Limits(10, 10), 0.0)
    left = 0
    while throttle.next_leave(1000.0) <= 1000.0:
        throttle.leave(1000.0)
        left += 1
    assert left == 8  # 94 % of ten, less half a request for the spread on the wire


@settings(max_examples=60, deadline=None)
@given(
    rate=st.floats(0.2, 200),
    burst=st.floats(1, 300) | st.none(),
    pauses=st.lists(st.floats(0, 20) | st.just(0.0), min_size=5, max_size=120),
)
def test_no_span_holds_more_leaves_than_burst_plus_rate_times_span(rate, burst, pauses):
    throttle, now, left = Throttle(Limits(rate, burst), 0.0), 0.0, []
    for pause in pauses:
        now = max(now + pause, throttle.next_leave(now + pause))
        if throttle.next_leave(now) <= now:
            throttle.answered(throttle.leave(now), now)
            left.append(now)
    allowed = 1 + 0.015 * rate if burst is None else burst
    for first, last in itertools.combinations(range(len(left)), 2):
        assert last - first + 1 <= allowed + rate * (left[last] - left[first]) + 1e-6


# ---------------------------------------------------------------------------------------------- limits untold

KINDS = {
    "bucket of one second": lambda rate: LeakyBucket(rate, rate),
    "bucket of 50": lambda rate: LeakyBucket(50, rate),
    "short window": lambda rate: SlidingWindow(5, 2.0) if rate < 5 else SlidingWindow(int(rate), 1.0),
    "ten second window": lambda rate: SlidingWindow(int(10 * rate), 10.0),
}


@pytest.mark.parametrize("retry_after", [None, 1.0, 2.0, lambda chance: chance.uniform(1, 2)])
@pytest.mark.parametrize("times", [0.5, 1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_nobody_told_is_found_and_used_to_80_percent(kind, times, retry_after):
    rate = 5 * times
    done = run(UNSTATED, KINDS[kind](rate), 1000, retry_after=retry_after, latency=NEAR)
    assert done.share_from(200, rate) >= 0.80
    assert done.refused_share < 0.03


@pytest.mark.parametrize("retry_after", [None, 1.5])
@pytest.mark.parametrize("times", [0.5, 1, 4])
@pytest.mark.parametrize("kind", ["bucket of one second", "bucket of 50"])
def test_so_it_is_through_a_wire_that_jitters(kind, times, retry_after):
    rate = 5 * times
    done = run(UNSTATED, KINDS[kind](rate), 1000, retry_after=retry_after, latency=FAR, seed=2)
    assert done.share_from(200, rate) >= 0.85
    assert done.refused_share < 0.03


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_minute_window_nobody_told_is_found_by_its_long_closure(seed):
    done = run(UNSTATED, SlidingWindow(*PLATFORM), 1000, retry_after=1.5, latency=NEAR, seed=seed)
    assert done.share_from(200, 5) >= 0.70
    assert done.refused_share < 0.015


def test_without_a_limit_the_rate_grows_until_the_answers_bind():
    done = run(UNSTATED, LeakyBucket(1e9, 1e9), 2000, latency=FAR)
    assert done.refused == 0
    assert 500 / (done.arrived[-1] - done.arrived[-501]) > 0.9 * 10 / 0.155


def test_answers_that_bind_do_not_let_the_rate_run_away():
    throttle = Throttle(UNSTATED, 0.0)
    done = drive(throttle, LeakyBucket(1e9, 1e9), 1000, Road(service=(2.0, 3.0), workers=10))
    assert done.refused == 0
    assert throttle.state(1e4).rate < 12


def test_a_portal_that_slowed_tenfold_for_a_minute_is_used_again_behind_it():
    """1,900 rows at 20/s, with 2/s from 20 to 80 s: ideally they end at 146.5 s."""
    portal = LeakyBucket(50, 20, changes=[(20, 2), (80, 20)])
    done = run(Limits(20, 50), portal, 1900, workers=64, latency=(0.005, 0.1))
    assert 146.5 / done.taken >= 0.83
    assert done.refused_share < 0.01


@pytest.mark.parametrize("after", [None, 1.5])
def test_a_portal_that_slows_tenfold_is_followed(after):
    done = run(Limits(20, 50), LeakyBucket(50, 20, changes=[(20, 2)]), 700, retry_after=after)
    assert (20 + (700 - 450) / 2) / done.taken >= 0.9
    assert done.refused_share < 0.03


def test_a_limit_that_rises_fourfold_is_found():
    done = run(UNSTATED, LeakyBucket(5, 5, changes=[(30, 20)]), 2000, retry_after=1.5)
    assert 500 / 20 / (done.arrived[-1] - done.accepted[-501]) >= 0.85


# ---------------------------------------------------------------------------------------------- somebody else


@pytest.mark.parametrize(("headers", "most"), [("", 0.02), ("reset", 0.01), ("noreset", 0.01)])
@pytest.mark.parametrize("retry_after", [None, 1.5])
@pytest.mark.parametrize("latency", [FAR, NEAR])
def test_what_a_foreign_load_leaves_is_used(headers, most, retry_after, latency):
    portal = LeakyBucket(50, 20, headers=headers)
    done = run(Limits(20, 50), portal, 1000, foreign=foreign(10), retry_after=retry_after, latency=latency)
    assert (1000 - 50) / 10 / done.taken >= 0.90
    assert done.refused_share < most


def test_a_foreign_load_that_goes_away_is_noticed():
    throttle = Throttle(Limits(20, 50), 0.0)
    drive(throttle, LeakyBucket(50, 20), 1600, Road(foreign=foreign(10, until=40)))
    assert throttle.state(0.0).rate == pytest.approx(19.8)


# ------------------------------------------------------------------------------------------- holds and episodes


def test_everybody_is_held_until_retry_after_has_passed():
    throttle = Throttle(Limits(10, 10), 0.0)
    tickets = [throttle.leave(0.0) for _ in range(5)]
    throttle.answered(tickets[0], 0.1, throttled=True, after=7.0)
    throttle.answered(tickets[1], 0.2, throttled=True, after=3.0)
    assert throttle.next_leave(0.3) == 7.1
    assert throttle.state(0.3).held_until == 7.1


def test_refusals_that_were_on_the_wire_together_lower_the_rate_once():
    throttle = Throttle(Limits(20, 20), 0.0)
    tickets = [throttle.leave(0.0) for _ in range(8)]
    rates = []
    for ticket in tickets:
        throttle.answered(ticket, 0.1, throttled=True, after=1.0)
        rates.append(throttle.state(0.1).rate)
    assert len(set(rates)) == 1
    assert rates[0] < 19.8
    assert throttle.state(0.1).episodes == 1


def test_after_a_hold_one_request_tries_the_road_alone():
    throttle = Throttle(Limits(100, 50), 0.0)
    throttle.answered(throttle.leave(0.0), 0.1, throttled=True, after=2.0)
    lone = throttle.leave(2.1)
    assert throttle.next_leave(2.2) == pytest.approx(3.1)
    throttle.answered(lone, 2.3)
    assert throttle.next_leave(2.3) < 2.4


def test_where_the_portal_says_nothing_our_own_hold_grows_and_a_success_ends_it():
    throttle, now, holds = Throttle(Limits(10, 10), 0.0), 0.0, []
    for _ in range(20):
        now = throttle.next_leave(now)
        throttle.answered(throttle.leave(now), now, throttled=True)
        holds.append(throttle.next_leave(now) - now)
    assert holds[0] == 1
    assert all(later >= earlier - 1e-9 for earlier, later in itertools.pairwise(holds))
    assert holds[-1] == pytest.approx(60)
    now = throttle.next_leave(now)
    throttle.answered(throttle.leave(now), now)
    now = throttle.next_leave(now)
    throttle.answered(throttle.leave(now), now, throttled=True)
    assert throttle.state(now).held_until - now == pytest.approx(1)


def test_jitter_only_lengthens_our_own_hold():
    held = []
    for jitter in (0.0, 0.5, 0.999):
        throttle = Throttle(Limits(10, 10), 0.0)
        throttle.answered(throttle.leave(0.0), 0.0, throttled=True, jitter=jitter)
        held.append(throttle.next_leave(0.0))
    assert held == sorted(held)
    assert held[0] == 1
    assert held[-1] <= 1.25


def test_a_lost_answer_proves_nothing_about_the_rate():
    throttle = Throttle(UNSTATED, 0.0)
    before = throttle.state(0.0).rate
    throttle.answered(throttle.leave(0.0), 0.0, lost=True)
    assert throttle.state(0.0).rate == before
    throttle.answered(throttle.leave(0.0), 0.0)
    assert throttle.state(0.0).rate > before


def test_an_answer_counts_once_and_a_strange_ticket_not_at_all():
    throttle = Throttle(UNSTATED, 0.0)
    ticket = throttle.leave(0.0)
    throttle.answered(ticket, 0.1)
    before = throttle.state(0.1)
    throttle.answered(ticket, 0.2, throttled=True, after=50.0)
    throttle.answered(99, 0.2, throttled=True, after=50.0)
    assert throttle.state(0.1) == before


def test_a_warning_halves_the_rate_once_in_ten_seconds_and_ends_bursts():
    throttle = Throttle(Limits(10, 10), 0.0)
    for now in (1.0, 2.0, 9.0):
        throttle.slow_down(0.5, now)
    state = throttle.state(9.0)
    assert state.rate == pytest.approx(4.95)
    assert state.burst < 2
    throttle.slow_down(0.5, 12.0)
    assert throttle.state(12.0).rate == pytest.approx(2.475)


def test_a_hold_set_from_outside_is_kept_and_never_shortened():
    throttle = Throttle(Limits(10, 10), 0.0)
    throttle.hold(30.0)
    throttle.hold(5.0)
    throttle.hold(math.nan)
    throttle.hold(math.inf)
    assert throttle.next_leave(1.0) == 30.0


# ------------------------------------------------------------------------------------------ whatever is answered

NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-5, 400) | st.none()
HINTS = st.none() | st.builds(RateHint, NUMBERS, NUMBERS, NUMBERS)
ANSWERS = st.fixed_dictionaries({"throttled": st.booleans(), "lost": st.booleans(), "after": NUMBERS, "hint": HINTS})
LIMITS = st.builds(
    Limits,
    rate=st.floats(0.05, 500),
    burst=st.none() | st.floats(1, 300),
    stated=st.booleans(),
    window=st.none() | st.tuples(st.integers(1, 300), st.floats(0.5, 600)),
)


@settings(max_examples=150, deadline=None)
@given(limits=LIMITS, answers=st.lists(ANSWERS, max_size=80), seed=st.integers(0, 1000))
def test_no_hold_is_broken_and_no_dead_lock_comes_whatever_is_answered(limits, answers, seed):
    chance, now, held = random.Random(seed), 0.0, 0.0
    throttle, wire = Throttle(limits, now), []
    bound = 3600 + 10 + 2 + max(1 / limits.rate, 20) + (limits.window[1] if limits.window else 0)
    for answer in answers:
        for _ in range(chance.randint(0, 4)):
            at = throttle.next_leave(now)
            assert now <= at <= now + bound
            assert at >= held
            if at > now and chance.random() < 0.5:
                break
            for _ in range(60):  # asked again and again at the instant it names, it lets one go
                now = at
                if (at := throttle.next_leave(now)) <= now:
                    break
            assert at <= now
            wire.append(throttle.leave(now))
        now += chance.choice([0.0, 0.01, 1.0, 90.0])
        if wire:
            throttle.answered(wire.pop(chance.randrange(len(wire))), now, jitter=chance.random(), **answer)
            after = answer["after"]
            if answer["throttled"] and not answer["lost"] and after is not None and 0 <= after <= 3600:
                held = max(held, now + after)
        throttle.state(now)


def test_requests_of_other_processes_count_among_the_tickets():
    throttle = Throttle(Limits(10, 10), 0.0)
    assert throttle.leave(0.0) == 1
    assert throttle.leave(0.0, others=3) == 5
    throttle.answered(5, 0.1, throttled=True)
    assert throttle.state(0.1).episodes == 1


def test_a_request_that_waited_for_others_proves_something_about_an_untold_rate():
    idle, pressed = Throttle(Limits(5, 5, stated=False), 0.0), Throttle(Limits(5, 5, stated=False), 0.0)
    for second in range(1, 20):
        idle.answered(idle.leave(second), second)
        pressed.answered(pressed.leave(second, pressed=True), second)
    assert idle.state(20).rate == 5 < pressed.state(20).rate

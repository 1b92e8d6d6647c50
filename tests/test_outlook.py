"""What a run under way has learned is what is forecast of the rest of it."""

from __future__ import annotations

import pytest

from bulkstart.batching import Batching
from bulkstart.crowd import Crowd
from bulkstart.gate import Gate
from bulkstart.operating import Operating
from bulkstart.outlook import outlook
from bulkstart.throttle import Limits, Throttle
from tests.virtual import run

STATED, ASSUMED = Limits(10.0, 10.0), Limits(5.0, 5.0, stated=False)


def seen(work, limits=STATED, *, rows=1000, **more):
    """Run ``work(gate)`` in virtual time, and return the outlook on a thousand rows behind it."""

    async def go():
        gate = Gate(Throttle(limits, Gate.now()), **more)
        gate.begin()
        await work(gate)
        return outlook(gate, rows, gate.now())

    return run(go())


async def starting(gate, count, *, every=0.0, throttled=()):
    """So many starts, one after the other, each of 0.1 s; those of ``throttled`` are refused for the rate."""
    for number in range(count):
        seat = await gate.slot()
        await gate.sleep(every)
        gate.throttle.answered(seat.ticket, gate.now(), throttled=number in throttled)
        if number not in throttled:
            gate.succeeded(0.1)
        gate.back()


def test_a_stated_limit_is_what_binds_and_a_burst_that_is_spent_is_not_counted():
    fresh = seen(lambda gate: starting(gate, 1))
    spent = seen(lambda gate: starting(gate, 60))
    assert fresh.binds == spent.binds == "request rate"
    assert spent.seconds - fresh.seconds == pytest.approx(0.9, abs=0.3)


def test_a_rate_that_refusals_taught_is_told_by_what_got_through():
    took = {}

    async def work(gate):
        await starting(gate, 150, every=0.5, throttled={5, 6, 7, 40, 80})
        took["each"] = gate.now() / 145

    assert seen(work, ASSUMED).seconds == pytest.approx(1000 * took["each"], rel=0.1)
    assert took["each"] > 0.5


async def one_second_each(gate, starts):
    """So many starts, one after the other, each of which runs for a second."""
    for _ in range(starts):
        seat = await gate.slot()
        await gate.sleep(1.0)
        gate.throttle.answered(seat.ticket, gate.now())
        gate.spent(seat.ticket, 1.0)
        gate.succeeded(1.0)
        gate.back()


def test_measured_starts_and_operating_time_count():
    async def work(gate):
        await one_second_each(gate, 20)

    cast = seen(work, operating=Operating(0.0, threshold=60.0))
    assert cast.binds == "operating time"
    assert cast.seconds == pytest.approx(1000 / 54 * 600, rel=0.1)


def test_rows_that_share_requests_count():
    alone, shared = (
        seen(lambda gate: starting(gate, 60), Limits(2.0, 50.0), batching=batching)
        for batching in (None, Batching(10, 10, auto=False))
    )
    assert (alone.requests, shared.requests) == (1000, 100)
    assert shared.seconds < alone.seconds / 4


def test_a_hold_comes_on_top():
    async def held(gate):
        await starting(gate, 1)
        gate.throttle.hold(gate.now() + 300)

    assert seen(held).seconds - seen(lambda gate: starting(gate, 1)).seconds == pytest.approx(300, abs=1)


def test_rows_that_wait_for_room_on_their_document_count():
    async def go():
        gate = Gate(Throttle(STATED, Gate.now()))
        return outlook(gate, 20, gate.now(), Crowd(10, 2, 20.0, 2, life=55.0, look=5.0))

    cast = run(go())
    assert cast.binds == "per-document waits"
    assert cast.seconds == pytest.approx(4 * 60 + 35, rel=0.01)


def test_a_request_with_many_rows_is_told_by_those_like_it_else_by_what_the_portal_says_starts_run():
    async def go(answers, told):
        gate = Gate(Throttle(STATED, Gate.now()), max_unknown=10, batching=Batching(10, 10, auto=False))
        for seconds, rows in answers:
            gate.succeeded(seconds, rows)
        gate.ran.extend(told)
        return outlook(gate, 1000, gate.now()).seconds

    alone, together = [(0.15, 1)] * 3, [(0.6, 10)] * 10
    assert run(go(alone, [0.05] * 3)) == pytest.approx(60, rel=0.01), "0.1 s of way, 0.5 s of starts"
    assert run(go(alone, [])) == pytest.approx(150, rel=0.01)
    assert run(go(alone + together, [0.01] * 3)) == pytest.approx(60, rel=0.01)


def test_places_of_a_window_that_were_taken_count():
    async def work(gate):
        await starting(gate, 290)

    limits = Limits(500.0, 500.0, window=(300, 60.0))
    assert seen(work, limits).seconds == pytest.approx(4 * 60, rel=0.05), "ten at once, then 300 in each minute"


def test_operating_time_that_was_spent_comes_free_when_its_window_ends():
    async def work(gate):
        await one_second_each(gate, 54)
        await gate.sleep(500.0)

    cast = seen(work, operating=Operating(0.0, threshold=60.0), rows=54)
    assert 65 < cast.seconds < 80, "the first place is free in 18 s, the last in 71"


def test_what_left_at_once_before_the_first_refusal_tells_nothing_of_the_rate():
    """Fifty starts at once, then one in each half second."""

    async def work(gate):
        await starting(gate, 50)
        await starting(gate, 60, every=0.5, throttled={1})

    cast = seen(work, Limits(50.0, 60.0))
    assert cast.seconds == pytest.approx(500, rel=0.08)

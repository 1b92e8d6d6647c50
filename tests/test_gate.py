"""The gate in virtual time: who may leave, how many at once, and what ends the waiting."""

from __future__ import annotations

import asyncio
import math
from itertools import pairwise

import pytest

from bulkstart.batching import Batching
from bulkstart.gate import GATHER, Gate
from bulkstart.operating import Operating, Spent
from bulkstart.retry import Stop
from bulkstart.throttle import Limits, Throttle
from tests.virtual import run

REASON = Stop("INTERRUPTED", "a person wants it", 130)
FAST = Limits(rate=1000.0, burst=1000.0)


def now():
    return asyncio.get_running_loop().time()


def within(work, *, limits=FAST, **more):
    """Run ``work(gate)`` in virtual time, from 0 s on."""

    async def go():
        gate = Gate(Throttle(limits, now()), **more)
        return await work(gate)

    return run(go())


def ended(gate):
    return gate.stop.code, gate.stop.exit_code, pytest.approx(now(), abs=0.01)


# ------------------------------------------------------------------------------------------------------ on the wire


@pytest.mark.parametrize("bound", [1, 3, 7])
def test_never_more_than_max_unknown_slots_are_out(bound):
    async def work(gate):
        gate.succeeded(1000.0)  # so slow a portal would have thousands on the wire
        for expected in range(1, bound + 1):
            await gate.slot()
            assert gate.on_wire == expected
        waiter = asyncio.ensure_future(gate.slot())
        await asyncio.sleep(60)
        assert not waiter.done()
        gate.back()
        await waiter
        assert gate.on_wire == bound

    within(work, max_unknown=bound)


def test_before_a_duration_is_known_four_rows_are_on_the_wire_at_the_most():
    async def work(gate):
        slots = [asyncio.ensure_future(gate.slot()) for _ in range(10)]
        await asyncio.sleep(60)
        assert (gate.on_wire, sum(slot.done() for slot in slots)) == (4, 4)
        gate.drain(REASON)
        assert (await asyncio.gather(*slots))[4:] == [None] * 6

    within(work)


def test_a_place_that_comes_back_goes_to_the_one_that_waited_longest():
    async def work(gate):
        await gate.slot()
        order, waiters = [], []

        async def wait(name):
            await gate.slot()
            order.append(name)

        for name in "abc":
            waiters.append(asyncio.ensure_future(wait(name)))
            await asyncio.sleep(1)
        for _ in waiters:
            gate.back()
            await asyncio.sleep(1)
        assert order == ["a", "b", "c"]

    within(work, max_unknown=1)


def test_a_waiter_that_is_cancelled_takes_no_place():
    async def work(gate):
        await gate.slot()
        lost = asyncio.ensure_future(gate.slot())
        next_one = asyncio.ensure_future(gate.slot())
        await asyncio.sleep(1)
        lost.cancel()
        gate.back()
        assert await next_one is not None
        assert gate.on_wire == 1

    within(work, max_unknown=1)


def test_slots_leave_as_the_throttle_says_and_each_has_a_ticket_of_its_own():
    async def work(gate):
        tickets, times = [], []
        for _ in range(5):
            tickets.append(await gate.slot())
            times.append(now())
            gate.back()
        assert len(set(tickets)) == 5
        assert all(later - earlier > 0.45 for earlier, later in pairwise(times))

    within(work, limits=Limits(rate=2.0))


# ----------------------------------------------------------------------------------------------------------- deadline


def test_at_the_deadline_nothing_leaves_any_more():
    async def work(gate):
        await gate.slot()
        assert await gate.slot() is None
        assert ended(gate) == ("DEADLINE", 6, 100.0)
        assert gate.on_wire == 1

    within(work, max_unknown=1, deadline=100.0)


def test_the_deadline_comes_in_the_midst_of_a_hold_too():
    async def work(gate):
        gate.throttle.hold(5000.0)
        assert await gate.slot() is None
        assert ended(gate) == ("DEADLINE", 6, 100.0)

    within(work, deadline=100.0)


# ---------------------------------------------------------------------------------------------------- without success


async def keep_going(gate):
    """Take slots that never succeed until the gate closes."""
    while await gate.slot() is not None:
        await asyncio.sleep(1)
        gate.back()


def test_thirty_minutes_without_a_success_stop_a_run():
    async def work(gate):
        gate.begin()
        await keep_going(gate)
        assert ended(gate) == ("RUN_STOPPED", 6, pytest.approx(1800.0, abs=2.0))
        assert "30 minutes" in gate.stop.message

    within(work)


def test_thirty_minutes_are_up_in_the_midst_of_a_hold_too():
    async def work(gate):
        gate.begin()
        gate.throttle.hold(7200.0)
        assert await gate.slot() is None
        assert ended(gate) == ("RUN_STOPPED", 6, 1800.0)

    within(work)


@pytest.mark.parametrize("anew", [lambda gate: gate.succeeded(0.1), lambda gate: gate.begin()])
def test_a_success_and_a_new_beginning_start_the_thirty_minutes_anew(anew):
    async def work(gate):
        gate.begin()
        await asyncio.sleep(1700)
        anew(gate)
        await keep_going(gate)
        assert now() == pytest.approx(3500.0, abs=2.0)

    within(work)


def test_nobody_is_counted_out_before_the_waiting_begins():
    async def work(gate):
        await asyncio.sleep(10_000)
        assert await gate.slot() is not None

    within(work)


# ------------------------------------------------------------------------------------------------------------ draining


def test_draining_wakes_everyone_at_once_and_the_first_reason_stays():
    async def work(gate):
        gate.throttle.hold(5000.0)
        slots = [asyncio.ensure_future(gate.slot()) for _ in range(3)]
        sleeper = asyncio.ensure_future(gate.sleep(4000))
        await asyncio.sleep(10)
        gate.drain(REASON)
        gate.drain(Stop("RUN_STOPPED", "later", 6))
        assert await asyncio.gather(*slots) == [None] * 3
        await sleeper
        assert now() == pytest.approx(10.0, abs=0.01)
        assert gate.stop is REASON
        assert await gate.slot() is None
        assert gate.on_wire == 0

    within(work)


@pytest.mark.parametrize(("deadline", "until"), [(math.inf, 50.0), (20.0, 20.0)])
def test_a_sleep_ends_in_time_or_at_the_deadline(deadline, until):
    async def work(gate):
        gate.throttle.hold(9.0)
        await gate.sleep(50)
        assert now() == pytest.approx(until, abs=0.01)

    within(work, deadline=deadline)


def test_a_sleep_is_not_cut_short_by_a_row_that_comes_back():
    async def work(gate):
        await gate.slot()
        sleeper = asyncio.ensure_future(gate.sleep(50))
        await asyncio.sleep(1)
        gate.back()
        await sleeper
        assert now() == pytest.approx(50.0, abs=0.01)

    within(work)


# --------------------------------------------------------------------------------------------------------- unreachable


def test_five_minutes_without_a_connection_stop_a_run():
    async def work(gate):
        gate.not_connected()
        await asyncio.sleep(299)
        gate.not_connected()
        assert gate.stop is None
        await asyncio.sleep(1)
        gate.not_connected()
        assert ended(gate) == ("UNREACHABLE", 6, 300.0)
        assert "5 minutes" in gate.stop.message

    within(work)


@pytest.mark.parametrize("anew", [lambda gate: gate.connected(), lambda gate: gate.begin()])
def test_one_connection_and_a_new_beginning_start_the_five_minutes_anew(anew):
    async def work(gate):
        gate.not_connected()
        await asyncio.sleep(299)
        anew(gate)
        await asyncio.sleep(10)
        gate.not_connected()
        await asyncio.sleep(299)
        gate.not_connected()
        assert gate.stop is None

    within(work)


def test_a_change_is_heard_by_all_who_wait_even_in_the_turn_in_which_they_begin():
    """A sleeper that begins to wait may not swallow the change that another one waits for: seen as a stall of half an hour."""

    async def go():
        gate = Gate(Throttle(Limits(1000, 1000), 0.0), max_unknown=1)
        gate.begin()
        assert await gate.slot() is not None

        async def back():
            gate.back()

        # all three in one turn of the loop: one begins to wait, the change comes, another begins to wait
        second, _, sleeper = (asyncio.ensure_future(work) for work in (gate.slot(), back(), gate.sleep(5)))
        await sleeper
        assert second.done()
        return gate.now()

    assert run(go()) < 6


# ----------------------------------------------------------------------------------------------------- operating time


def spending(work):
    """Run ``work(gate)`` in virtual time with a budget of operating time, and no other limit."""

    async def go():
        gate = Gate(Throttle(FAST, now()), max_unknown=1000, operating=Operating(now()))
        gate.succeeded(1000.0)
        return await work(gate)

    return run(go())


def test_used_up_operating_time_holds_everyone_until_the_portal_has_some_again():
    async def work(gate):
        for _ in range(5):
            gate.spent((await gate.slot()).ticket, 1.0, [Spent(operating=1.0, reset_in=40.0, duration=1.0)])
            gate.back()
        gate.spent((await gate.slot()).ticket, None, used_up=True)
        gate.back()
        await gate.slot()
        assert 39 <= now() <= 100

    spending(work)


def test_a_start_that_never_ran_takes_no_operating_time():
    async def work(gate):
        for seconds in (None, 1.0):
            ticket = (await gate.slot()).ticket
            gate.spent(ticket, seconds)
            gate.spent(ticket, seconds, used_up=True)  # told twice: once counts
            gate.back()
        await gate.slot()
        assert now() < 1, "nobody is held"

    spending(work)


def test_without_a_budget_nothing_is_counted():
    async def work(gate):
        gate.spent((await gate.slot()).ticket, 1000.0, used_up=True)
        gate.back()
        assert await gate.slot() is not None
        assert now() < 1

    within(work)


# ------------------------------------------------------------------------------------------------------ daily windows


def test_nothing_leaves_while_the_window_is_shut_and_the_waiting_is_nobodys_failure():
    """An hour of it is longer than a run may go without a success."""

    async def work(gate):
        gate.begin()
        await gate.slot()
        assert 3600 <= now() <= 3601
        assert gate.stop is None
        gate.succeeded(0.1)

    within(work, shut=lambda: max(0.0, 3600 - now()))


def test_a_window_that_shuts_holds_what_has_not_left():
    async def work(gate):
        moments = []
        for _ in range(30):
            await gate.slot()
            moments.append(now())
            gate.back()
        assert all(moment < 5 or moment >= 100 for moment in moments)
        assert max(moments) >= 100

    within(work, limits=Limits(rate=2.0, burst=1.0), shut=lambda: 0.0 if not 5 <= now() < 100 else 100 - now())


def test_a_deadline_holds_while_the_window_is_shut():
    async def work(gate):
        assert await gate.slot() is None
        assert ended(gate) == ("DEADLINE", 6, pytest.approx(10, abs=0.1))

    within(work, deadline=10.0, shut=lambda: 3600.0)


# ------------------------------------------------------------------------------------------------------------ batches

FIVES = Batching(5, 10, auto=False)
SLOWLY = Limits(rate=2.0, burst=1.0)


def batched(work, *, limits=FAST, batching=FIVES, **more):
    """Run ``work(gate)`` on a gate that has measured starts of 10 ms, with five rows a request."""

    async def measured(gate):
        gate.succeeded(0.01)
        return await work(gate)

    return within(measured, limits=limits, batching=batching, **more)


async def seated(gate, count, *, alone=()):
    """So many rows ask for a seat at once."""
    return await asyncio.gather(*(gate.slot(alone=number in alone) for number in range(count)))


def test_rows_that_wait_together_share_requests():
    async def work(gate):
        seats = await seated(gate, 10)
        assert [seat.rows for seat in seats] == [5] * 10
        assert [seat.ticket for seat in seats] == [seats[0].ticket] * 5 + [seats[5].ticket] * 5
        assert gate.on_wire == 10
        assert gate.throttle.state(now()).on_wire == 2, "a batch is one request"

    batched(work)


def test_a_row_that_goes_alone_shares_no_request_and_keeps_its_place():
    async def work(gate):
        seats = await seated(gate, 6, alone={2})
        assert [seat.rows for seat in seats] == [2, 2, 1, 3, 3, 3]
        assert len({seat.ticket for seat in seats}) == 3

    batched(work)


def test_a_request_waits_for_its_rows_a_moment_and_no_longer():
    async def work(gate):
        begun = now()
        first = asyncio.ensure_future(gate.slot(alone=False))
        await asyncio.sleep(GATHER / 2)
        assert not first.done()
        second = await gate.slot(alone=False)
        assert (await first, now()) == (second, pytest.approx(begun + GATHER, abs=0.001))
        assert second.rows == 2
        later = now()
        alone = await gate.slot(alone=False)
        assert (alone.rows, now()) == (1, pytest.approx(later + GATHER, abs=0.02)), "the others are on the wire"

    batched(work)


def test_a_full_request_leaves_at_once():
    async def work(gate):
        begun = now()
        await seated(gate, 5)
        assert now() == pytest.approx(begun, abs=0.001)

    batched(work)


@pytest.mark.parametrize("most", [3, 5, 7, 20])
def test_never_more_than_max_unknown_rows_are_out_however_they_share_requests(most):
    async def work(gate):
        waiting = {asyncio.ensure_future(gate.slot(alone=False)) for _ in range(200)}
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            assert 0 < gate.on_wire <= most
            await asyncio.sleep(0.01)
            for _ in done:
                gate.back()
        assert gate.on_wire == 0

    batched(work, batching=Batching(5, most, auto=False), max_unknown=most)


def test_as_many_batches_are_on_the_wire_as_their_own_time_needs_from_the_first_one_on():
    """Starts of 250 ms, measured one by one: a batch of fifty takes 12.5 s, in which 25 requests may leave."""

    async def work(gate):
        gate.succeeded(0.25)
        waiting = [asyncio.ensure_future(gate.slot(alone=False)) for _ in range(500)]
        await asyncio.sleep(0.1)
        assert sum(one.done() for one in waiting) == 500
        for one in waiting:
            one.cancel()

    within(work, batching=Batching(50, 500, auto=False), max_unknown=500, limits=Limits(rate=2.0, burst=50.0))


def test_requests_not_rows_are_what_the_portals_rate_counts():
    async def work(gate):
        begun = now()
        for _ in range(4):
            for _ in await seated(gate, 5):
                gate.back()
        assert now() - begun == pytest.approx(1.5, abs=0.1), "four requests at two a second, the first at once"

    batched(work, limits=SLOWLY)


def test_a_row_with_a_seat_leaves_although_the_run_is_drained_and_others_do_not():
    async def work(gate):
        waiting = [asyncio.ensure_future(gate.slot(alone=False)) for _ in range(7)]
        await asyncio.sleep(0.001)
        gate.drain(REASON)
        seats = await asyncio.gather(*waiting)
        assert [seat and seat.rows for seat in seats] == [5] * 5 + [None] * 2

    batched(work)


def test_one_row_a_request_until_something_is_measured_and_where_the_portal_takes_no_batch():
    async def work(gate):
        assert [seat.rows for seat in await seated(gate, 3)] == [1, 1, 1]
        gate.succeeded(0.01)
        assert [seat.rows for seat in await seated(gate, 2)] == [2, 2]
        gate.no_batches()
        assert [seat.rows for seat in await seated(gate, 2)] == [1, 1]

    within(work, batching=FIVES)


def test_operating_time_bounds_the_rows_of_a_request():
    async def work(gate):
        gate.operating.answered(gate.operating.leave(now()), now(), seconds=10.0)
        first, *others = [asyncio.ensure_future(gate.slot(alone=False)) for _ in range(4)]
        assert (await first).rows == 2, "two more of 10 s fit into 36 s"
        for other in others:
            other.cancel()

    operating = Operating(0.0, threshold=40.0)
    batched(work, operating=operating)


def test_the_throttle_is_asked_only_when_nothing_else_holds_a_row_up():
    class Asked(Throttle):
        asked: tuple[float, ...] = ()

        def next_leave(self, now):
            self.asked += (now,)
            return super().next_leave(now)

    async def go():
        throttle = Asked(FAST, now())
        gate = Gate(throttle, operating=Operating(0.0, threshold=40.0))
        for _ in range(4):
            gate.operating.answered(gate.operating.leave(now()), now(), seconds=10.0)
        await gate.slot()
        return throttle.asked, now()

    asked, at = run(go())
    assert at > 60
    assert asked == (pytest.approx(at),), "asked in time it may take a slot that all processes share, and lose it"


# ------------------------------------------------------------------------------------------------------------- pause


def test_nothing_leaves_while_the_run_is_paused_and_all_goes_on_afterwards():
    async def work(gate):
        await gate.slot()
        gate.pause()
        waiters = [asyncio.ensure_future(gate.slot()) for _ in range(3)]
        await asyncio.sleep(3600)
        gate.back()
        await asyncio.sleep(3600)
        assert not any(waiter.done() for waiter in waiters)
        gate.go_on()
        assert all(await asyncio.gather(*waiters))
        assert now() == pytest.approx(7200, abs=0.1)

    within(work)


def test_a_pause_may_last_longer_than_any_success_is_waited_for():
    async def work(gate):
        gate.begin()
        gate.pause()
        waiter = asyncio.ensure_future(gate.slot())
        await asyncio.sleep(100_000)
        gate.go_on()
        assert await waiter
        assert gate.stop is None

    within(work)


def test_a_success_in_the_midst_of_a_pause_starts_no_clock():
    async def work(gate):
        gate.begin()
        await gate.slot()
        gate.pause()
        waiter = asyncio.ensure_future(gate.slot())
        gate.succeeded(0.1)
        gate.back()
        await asyncio.sleep(100_000)
        assert (gate.stop, waiter.done()) == (None, False)
        gate.go_on()
        assert await waiter

    within(work)


def test_the_deadline_holds_while_the_run_is_paused():
    async def work(gate):
        gate.pause()
        assert await gate.slot() is None
        assert ended(gate) == ("DEADLINE", 6, 100.0)

    within(work, deadline=100.0)


def test_a_paused_run_that_is_drained_waits_for_nobody():
    async def work(gate):
        gate.pause()
        waiter = asyncio.ensure_future(gate.slot())
        await asyncio.sleep(1)
        gate.drain(REASON)
        assert await waiter is None
        assert now() == pytest.approx(1, abs=0.01)

    within(work)


def test_a_pause_in_the_midst_of_a_hold_outlasts_it():
    async def work(gate):
        gate.throttle.hold(10.0)
        waiter = asyncio.ensure_future(gate.slot())
        await asyncio.sleep(1)
        gate.pause()
        await asyncio.sleep(60)
        assert not waiter.done()
        gate.go_on()
        assert await waiter

    within(work)


def test_a_wait_ends_when_what_it_waits_for_holds_the_run_stops_or_its_deadline_comes():
    async def work(gate):
        answered = []
        waiter = asyncio.ensure_future(gate.until(lambda: bool(answered)))
        await asyncio.sleep(5)
        gate.go_on()
        await asyncio.sleep(5)
        assert not waiter.done(), "nothing has changed"
        answered.append(True)
        gate.go_on()
        await waiter
        assert gate.stop is None
        await gate.until(lambda: False)
        assert ended(gate) == ("DEADLINE", 6, 100.0)

    within(work, deadline=100.0)

"""Throttles of several processes at one budget, in virtual time on a strict portal; and what happens where the store fails."""

from __future__ import annotations

import asyncio
import random
import threading
from dataclasses import dataclass, field

import pytest

from bulkstart import sharing
from bulkstart.budget import Budget, BudgetError
from bulkstart.preflight import passed
from bulkstart.sharing import FRESH, LONGEST_VISIT, Courier, Place, SharedThrottle
from bulkstart.throttle import Limits, Throttle
from tests.conftest import until
from tests.memory_store import Memory, Never, clock, place
from tests.portal_limits import LeakyBucket, SlidingWindow
from tests.virtual import run

TOLD = Limits(20.0, 20.0)


@dataclass
class Process:
    """One process: sends until its rows got through, each with at most four on the wire."""

    throttle: Throttle
    limiter: object
    rows: int
    chance: random.Random
    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    after: float | None = None

    async def work(self, begin=0.0):
        await asyncio.sleep(begin)
        await asyncio.gather(*(self.sender() for _ in range(4)))
        return self

    async def sender(self):
        while self.rows > 0:
            self.rows -= 1
            ticket = await passed(self.throttle)
            await asyncio.sleep(self.chance.uniform(0.001, 0.030))
            reply = self.limiter.arrive(clock())
            (self.accepted if reply.accepted else self.refused).append(clock())
            self.rows += not reply.accepted
            await asyncio.sleep(self.chance.uniform(0.005, 0.060))
            self.throttle.answered(ticket, clock(), throttled=not reply.accepted, after=self.after, jitter=self.chance.random())


def shared(store, limits=TOLD, said=None, courier=None, **more):
    return SharedThrottle(limits, clock(), place(store, said, courier), **more)


def race(limiter, *limits, rows=200, begins=(0.0, 0.1, 0.3), after=None):
    """Processes with these limits, at one store and one portal."""

    async def go():
        store = Memory()
        processes = [
            Process(shared(store, one), limiter, rows, random.Random(seed), after=after) for seed, one in enumerate(limits)
        ]
        return await asyncio.gather(
            *(one.work(begin) for one, begin in zip(processes, [*begins, *[0.0] * len(limits)], strict=False))
        )

    return run(go())


def together(processes):
    return sorted(at for one in processes for at in one.accepted)


def shares(processes):
    """Requests of each while all of them were at it."""
    first, last = max(one.accepted[0] for one in processes), min(one.accepted[-1] for one in processes)
    return [sum(first <= at <= last for at in one.accepted) for one in processes]


@pytest.mark.parametrize(("rate", "burst"), [(20.0, 20.0), (2.0, 50.0), (100.0, 40.0)])
def test_three_processes_keep_one_limit_fill_it_and_share_it_fairly(rate, burst):
    done = race(LeakyBucket(burst, rate), *[Limits(rate, burst)] * 3, rows=300)
    times = together(done)
    assert not [at for one in done for at in one.refused]
    assert (len(times) - burst) / rate / (times[-1] - times[0]) >= 0.95
    assert max(shares(done)) <= 1.2 * min(shares(done))


def test_a_limit_without_a_burst_is_kept_by_three():
    done = race(LeakyBucket(1.5, 10.0), *[Limits(10.0)] * 3, rows=100)
    times = together(done)
    assert sum(len(one.refused) for one in done) <= 3
    assert len(times) / 10 / (times[-1] - times[0]) >= 0.93


def test_three_processes_keep_one_window():
    limits = Limits(50.0, 50.0, window=(60, 10.0))
    done = race(SlidingWindow(60, 10.0), *[limits] * 3, rows=120)
    times = together(done)
    assert not [at for one in done for at in one.refused]
    assert (len(times) - 60) / 6 / (times[-1] - times[0]) >= 0.8


def test_a_process_never_exceeds_its_own_rate_and_leaves_the_rest_to_others():
    slow, fast = race(LeakyBucket(20.0, 20.0), Limits(4.0, 4.0), TOLD, rows=150)
    assert not slow.refused + fast.refused
    assert max(sum(begin <= at < begin + 5 for at in slow.accepted) for begin in slow.accepted) <= 4 + 4 * 5
    assert len(fast.accepted) / (fast.accepted[-1] - fast.accepted[0]) >= 0.7 * 16


def test_nobody_knows_the_limit_and_three_processes_find_it_together():
    limits = Limits(5.0, 5.0, stated=False)
    done = race(LeakyBucket(20.0, 20.0), *[limits] * 3, rows=700)
    times = together(done)
    late = [at for at in times if at > 60]
    assert len(late) / (late[-1] - late[0]) >= 0.75 * 20
    assert sum(len(one.refused) for one in done) <= 0.02 * len(times)


def test_a_rate_that_one_process_learned_is_kept_by_the_other():
    stated = Limits(20.0, 20.0)
    done = race(LeakyBucket(8.0, 8.0), stated, stated, rows=400)
    times = together(done)
    assert sum(len(one.refused) for one in done) <= 0.03 * len(times)
    assert (len(times) - 8) / 8 / (times[-1] - times[0]) >= 0.85


def test_what_the_portal_tells_one_process_to_wait_both_wait():
    class Once(LeakyBucket):
        def arrive(self, now):
            reply = super().arrive(now)
            first, self.told = now > 3 and not getattr(self, "told", None), getattr(self, "told", None) or (now > 3 and now)
            return reply if not first else type(reply)(False, None, 7.0)

    portal = Once(100.0, 100.0)
    done = race(portal, *[TOLD] * 2, rows=100, after=7.0)
    held = [at for at in together(done) if portal.told + 0.15 < at < portal.told + 7]
    assert sum(len(one.refused) for one in done) == 1
    assert held == []
    assert max(together(done)) > portal.told + 7


@pytest.mark.parametrize(("seconds", "lines"), [(60.0, 1), (5.0, 0)])
def test_whoever_comes_into_a_long_hold_is_told(seconds, lines):
    async def go():
        store, said = Memory(), []
        first = shared(store)
        first.answered(await passed(first), clock(), throttled=True, after=seconds)
        await passed(shared(store, said=said))
        return said, clock()

    said, now = run(go())
    assert now >= seconds
    assert len(said) == lines
    assert all("60 s" in line for line in said)


def test_a_hold_that_came_after_a_slot_was_reserved_is_seen_before_leaving():
    async def go():
        store = Memory()
        ours, theirs = (shared(store, Limits(0.5, 1.1)) for _ in range(2))
        await passed(theirs)
        waiting = asyncio.ensure_future(passed(ours))
        await asyncio.sleep(1)
        assert store.slots.count == 2, "our slot is reserved"
        theirs.answered(1, clock(), throttled=True, after=30.0)
        await waiting
        return clock()

    assert run(go()) >= 31


def test_an_answer_frees_its_place_of_the_shared_window():
    async def go():
        throttle = shared(Memory(), Limits(50.0, 50.0, window=(1, 10.0)))
        ticket = await passed(throttle)
        await asyncio.sleep(0.1)
        throttle.answered(ticket, clock())
        await passed(throttle)
        return clock()

    assert run(go()) == pytest.approx(10.1, abs=0.05)


def test_a_question_of_before_keeps_its_place_of_the_window_from_its_answer_on():
    async def go():
        throttle = shared(Memory(), Limits(50.0, 50.0, window=(1, 10.0)))
        throttle.counted(clock(), clock() + 0.5)
        await passed(throttle)
        return clock()

    assert run(go()) == pytest.approx(10.5, abs=0.05)


def test_what_left_without_a_slot_is_told_at_the_end():
    async def go():
        store = Memory()
        here = place(store)
        SharedThrottle(TOLD, clock(), here).leave(clock())
        here.end()
        return store.slots.count

    assert run(go()) == 1


def test_requests_of_the_others_count_as_those_that_left():
    async def go():
        store = Memory()
        ours, theirs = shared(store), shared(store)
        first = await passed(ours)
        for _ in range(3):
            await passed(theirs)
        return await passed(ours) - first

    assert run(go()) == 4


def test_a_slot_that_nobody_used_in_time_is_lost_and_another_is_taken():
    async def go():
        store = Memory()
        throttle = shared(store)
        throttle.next_leave(clock())
        await asyncio.sleep(2 * FRESH)
        await passed(throttle)
        return store.slots.count

    assert run(go()) == 2


def test_a_request_that_left_without_a_slot_is_made_up_for():
    async def go():
        store = Memory()
        throttle = shared(store)
        throttle.leave(clock())
        await passed(throttle)
        return store.slots.count

    assert run(go()) == 2


def test_at_a_high_rate_one_visit_is_for_many_requests():
    async def go():
        store = Memory()
        throttle = shared(store, Limits(1e5, 1e5))
        for _ in range(1000):
            await passed(throttle)
        return store.visits, store.slots.count

    visits, count = run(go())
    assert visits < 20
    assert count < 3000


def test_a_process_that_ends_takes_its_word_back():
    async def go():
        store = Memory()
        here = place(store)
        await passed(SharedThrottle(TOLD, clock(), here))
        before = len(store.slots.voices)
        here.end()
        return before, len(store.slots.voices)

    assert run(go()) == (1, 0)


# ------------------------------------------------------------------------------------------------ where it fails


def test_where_the_store_fails_it_is_said_once_and_the_own_law_goes_on():
    async def go():
        store, said = Memory(), []
        throttle, plain = shared(store, said=said), Throttle(TOLD, clock())
        await passed(throttle)
        plain.leave(clock())
        store.error = BudgetError("it is locked")
        for _ in range(40):
            await passed(throttle)
            plain.leave(clock())
        throttle.answered(1, clock(), throttled=True, after=5.0)
        plain.answered(1, clock(), throttled=True, after=5.0)
        return said, throttle.next_leave(clock()), plain.next_leave(clock()), store.visits

    said, ours, theirs, visits = run(go())
    assert len(said) == 1
    assert "memory cannot be used (it is locked)" in said[0]
    assert "BULKSTART_BUDGET" in said[0]
    assert ours == pytest.approx(theirs)
    assert visits == 2


def test_a_store_that_never_answers_holds_a_run_up_only_once():
    async def go():
        said = []
        throttle = shared(Memory(), said=said, courier=Never())
        for _ in range(5):
            await passed(throttle)
        return said, clock()

    said, seconds = run(go())
    assert len(said) == 1
    assert LONGEST_VISIT <= seconds < LONGEST_VISIT + 0.5


def test_the_thread_that_visits_ends_when_it_is_idle_and_begins_again():
    def threads():
        return [thread for thread in threading.enumerate() if thread.name == "bulkstart-budget"]

    courier = Courier()
    assert courier.send(lambda: 1).result(5) == 1
    assert all(thread.daemon for thread in threads())
    until(lambda: not threads(), what="the end of the idle thread")
    assert courier.send(lambda: 2).result(5) == 2
    assert isinstance(courier.send(lambda: 1 / 0).exception(5), ZeroDivisionError)


def test_a_visit_of_a_real_store_never_holds_up_the_event_loop(tmp_path):
    async def go():
        store, late = Budget(tmp_path / "budget"), []
        here = Place(store, "acme", pytest.fail)
        throttle = SharedThrottle(Limits(300.0, 300.0), clock(), here)

        async def ticks():
            while True:
                before = clock()
                await asyncio.sleep(0.001)
                late.append(clock() - before - 0.001)

        ticking = asyncio.ensure_future(ticks())
        for _ in range(300):
            await passed(throttle)
        ticking.cancel()
        return sorted(late)

    late = asyncio.run(go())
    assert late[int(len(late) * 0.99)] < 0.05
    assert sharing.POLL < 0.05

"""A run hears wishes while it goes and obeys them, and tells how it stands; every row tells the truth all the same."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import closing, contextmanager
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

import bulkstart
from bulkstart.errors import UsageError
from bulkstart.gate import Gate
from bulkstart.job import Job
from bulkstart.journal import Journal
from bulkstart.options import Options
from bulkstart.standing import Hold, Pilot, State, Told, Watched, Wish
from bulkstart.steering import SAME, Steering, _hold, _rate, _steady
from bulkstart.throttle import Limits, Throttle
from bulkstart.watch import look
from tests.conftest import BOUND, FAST, PLAIN, deals, starts, truth, until
from tests.past import asked_of

HELD = {"faults": [{"nth": 3, "committed": False, "answer": {"kind": "error", "code": "RATE_LIMITED", "retryAfter": 300}}]}
PACED = {"rate": 30, "burst": 1}


class Going:
    """A run of ``bulkstart.start`` in a thread of its own, and what is seen of it through its journal."""

    def __init__(self, portal: Any, rows: int, options: dict[str, Any]) -> None:
        self.portal, self.results = portal, pd.DataFrame()
        chosen: dict[str, Any] = {"template": 713, "canary": 0, **options}
        self.thread = threading.Thread(target=lambda: self._start(deals(rows), chosen))
        self.thread.start()
        until(lambda: portal.journal.exists() and asked_of(portal.journal, "SELECT 1 FROM sqlite_master WHERE name='progress'"))
        self.run_id = str(until(lambda: asked_of(portal.journal, "SELECT run_id FROM progress"), BOUND, "the run")[0][0])
        self.run = bulkstart.Run(self.run_id, portal=portal)

    def _start(self, frame: pd.DataFrame, options: dict[str, Any]) -> None:
        self.results = bulkstart.start(frame, portal=self.portal, **options)

    def seen(self, holds: Callable[[Watched], Any], what: str) -> Watched:
        def looked() -> Watched | None:
            found = self.run.watch()
            return found if holds(found) else None

        found = until(looked, BOUND, what)
        assert isinstance(found, Watched)
        return found

    def ended(self) -> pd.DataFrame:
        self.thread.join(BOUND)
        assert not self.thread.is_alive(), "the run hangs"
        truth(self.results, self.portal.ledger())
        return self.results


@contextmanager
def going(scenario: dict[str, Any] | None = None, rows: int = 60, **options: Any):
    with bulkstart.sandbox({"templates": [PLAIN], **(scenario or {})}) as portal:
        run = Going(portal, rows, options)
        try:
            yield run
        finally:
            if run.thread.is_alive():
                run.run.stop()
                run.thread.join(BOUND)


# ------------------------------------------------------------------------------------------------------- obeying


def test_a_stop_in_the_midst_of_a_hold_is_obeyed_at_once_and_the_hold_was_told():
    with going(HELD, **FAST, max_unknown=1) as run:
        seen = run.seen(lambda found: found.hold, "the hold")
        assert seen.hold.why == "the portal asks for time"
        assert 200 < seen.hold.until - time.time() <= 400
        assert seen.told.seconds_left > 200
        run.run.stop()
        results = run.ended()
    assert results.attrs["exit_code"] == 130
    assert set(results["startStatus"]) == {"started", "not_attempted"}
    assert run_codes(results) == {"", "RATE_LIMITED", "INTERRUPTED"}


def run_codes(results: pd.DataFrame) -> set[str]:
    return set(results["errorCode"])


def test_two_watchers_see_the_same_and_a_paused_run_can_be_stopped():
    with going(rows=600, **PACED) as run:
        run.seen(lambda found: found.counts.get("started"), "a start")
        run.run.pause()
        told = run.seen(lambda found: found.told.state is State.PAUSED and not found.told.on_wire, "the pause").told
        other = look(run.run_id, run.portal.journal)
        assert (other.told, other.state, other.rows) == (told, State.PAUSED, 600)
        run.run.stop()
        results = run.ended()
    assert results.attrs["exit_code"] == 130
    assert results["startStatus"].value_counts()["started"] == told.counts["started"]


@pytest.mark.parametrize(("answer", "code"), [("go_on", 0), ("stop", 130)])
def test_the_question_behind_the_pilot_is_answered_by_a_record(answer, code):
    with going(rows=8, canary=2, pilot=True, **FAST) as run:
        seen = run.seen(lambda found: found.state is State.ASKING, "the question")
        assert (seen.counts, seen.rows, seen.told.todo, seen.pilot.left) == ({"started": 2}, 8, 8, 6)
        assert len(starts(run.portal.ledger(), "arrival")) == 2
        getattr(run.run, answer)()
        results = run.ended()
    assert results.attrs["exit_code"] == code
    assert list(results["startStatus"]) == ["started"] * 2 + ["started" if answer == "go_on" else "not_attempted"] * 6


def test_the_figures_of_a_run_are_told_while_it_goes():
    with going(rows=600, **PACED) as run:
        seen = run.seen(lambda found: found.told.rate and found.counts.get("started", 0) > 20, "figures")
        assert seen.state is State.RUNNING
        assert 0 < seen.told.rate <= 40
        assert seen.told.allowed == pytest.approx(30, rel=0.2)
        assert 0 < seen.told.seconds_left < 60
        assert len(seen.told.durations) == 3
        assert seen.told.todo == seen.rows == 600
        run.run.stop()
        results = run.ended()
    assert results.attrs["exit_code"] == 130


def test_a_ctrl_c_behind_a_stop_still_waits_for_what_is_on_the_wire():
    slow = {"faults": [{"nth": 1, "committed": True, "answer": {"kind": "delay", "seconds": 1.0}}]}
    with bulkstart.sandbox({"templates": [PLAIN], **slow}) as portal:
        job = Job(deals(3), portal, Options(template=713, canary=0, max_unknown=1, **FAST))
        ended: list[Any] = []
        thread = threading.Thread(target=lambda: ended.append(asyncio.run(job.run())))
        thread.start()
        until(lambda: starts(portal.ledger(), "arrival"), what="a start on the wire")
        job._wished_to_stop()
        job._wished_to_stop()
        job.interrupt()
        thread.join(BOUND)
        truth(ended[0].results, portal.ledger())
    assert list(ended[0].results["startStatus"]) == ["started", "not_attempted", "not_attempted"]
    assert ended[0].exit_code == 130


# ------------------------------------------------------------------------------------------------ the steering alone


def alone(journal: Journal, work: Callable[[Steering, Gate, list[str]], Any]) -> Any:
    """A steering of a run that has only its gate."""

    async def go() -> Any:
        stopped: list[str] = []
        loop = asyncio.get_running_loop()
        gate = Gate(Throttle(Limits(rate=10.0), loop.time()), deadline=loop.time() + BOUND)
        journal.begin("r1", Told(State.RUNNING))
        steering = Steering(journal, "r1", lambda: stopped.append("stop"))
        runner, recorder = SimpleNamespace(gate=gate), SimpleNamespace(record=None)
        steering.listen()
        try:
            async with steering.telling(runner, recorder, None, lambda: 0.0):
                steering._asking = True  # nothing is told by itself here
                return await work(steering, gate, stopped)
        finally:
            steering.end()

    return asyncio.run(go())


async def soon(holds: Callable[[], Any]) -> None:
    for _ in range(int(BOUND / 0.02)):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come true")


def test_wishes_are_heard_in_their_order_and_each_once(journal, other):
    async def work(steering, gate, stopped):
        other.wish("r1", Wish.PAUSE)
        await soon(lambda: gate.paused)
        steering.look()
        other.wish("r1", Wish.GO_ON)
        await soon(lambda: not gate.paused)
        other.wish("r1", Wish.STOP)
        other.wish("r1", Wish.STOP)
        other.wish("r1", Wish.PAUSE)
        await soon(lambda: gate.paused)
        assert stopped == ["stop"]

    alone(journal, work)


def test_a_wish_that_comes_by_both_ways_is_not_obeyed_twice(journal):
    async def work(steering, gate, _):
        steering._obey(7, Wish.PAUSE)
        steering._obey(8, Wish.GO_ON)
        steering._obey(7, Wish.PAUSE)
        assert not gate.paused

    alone(journal, work)


def test_a_yes_that_was_said_before_the_question_does_not_answer_it(journal, other):
    async def work(steering, gate, _):
        other.wish("r1", Wish.GO_ON)
        steering.look()
        asking = asyncio.ensure_future(steering.ask(Pilot((), (), 1, {}, "?")))
        await soon(lambda: other.glance("r1").told.state is State.ASKING)
        other.wish("r1", Wish.PAUSE)
        await soon(lambda: gate.paused)
        assert not asking.done()
        other.wish("r1", Wish.GO_ON)
        assert await asking is True

    alone(journal, work)


def test_a_hold_is_told_with_its_longest_reason_and_does_not_flicker():
    async def work():
        loop = asyncio.get_running_loop()
        gate = Gate(Throttle(Limits(rate=10.0), loop.time()))
        now, wall = loop.time(), 1000.0
        assert _hold(gate, now, wall, 0.0) is None
        gate.throttle.hold(now + 20)
        assert _hold(gate, now, wall, 0.0) == Hold(1020, "the portal asks for time")
        assert _hold(gate, now, wall, 60.0) == Hold(1060, "starts leave only within --window")

    asyncio.run(work())
    first = Hold(1020.0, "a")
    assert _steady(Hold(1021.0, "a"), first) is first
    assert _steady(Hold(1020.0 + SAME + 1, "a"), first).until > first.until
    assert _steady(Hold(1020.0, "b"), first).why == "b"
    assert _steady(None, first) is None


def test_a_run_that_ended_hears_no_more():
    with going(rows=2, **FAST) as run:
        run.ended()
        with pytest.raises(UsageError, match="not running"):
            run.run.stop()
        with closing(Journal(run.portal.journal)) as journal:
            assert journal.wishes(run.run_id) == ()


def test_the_rate_of_late_is_true_from_the_first_second_on_and_above_what_is_remembered():
    assert _rate([], 100.0) == 0.0
    assert _rate([99.0], 100.0) == 0.0
    assert _rate([99.0, 99.5, 100.0], 100.0) == 2.0
    assert _rate([100.0 - one / 50 for one in reversed(range(200))], 100.0) == 50.0, "200 successes are remembered"
    assert _rate([80.0, 89.0, 95.0, 100.0], 100.0) == 0.2

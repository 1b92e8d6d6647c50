"""A job that a person may interrupt: what an interrupt ends, from which thread, and that nothing else is taken for one."""

from __future__ import annotations

import asyncio
import threading
import warnings

import pytest

from bulkstart.ending import INTERRUPTED
from bulkstart.options import Options
from bulkstart.portal import Portal
from bulkstart.work import InterruptedByPersonError, Silent, Work
from tests.virtual import run

LOOPBACK = Portal.vibecode(api_key="vibe_api_PLANTED", base_url="http://127.0.0.1:8018/v1")
GATEWAY = Portal.vibecode(api_key="vibe_api_PLANTED", base_url="https://gateway.example/v1")


class Line:
    """A connection that never answers; ``then`` happens while it is silent."""

    def __init__(self, then=lambda: None):
        self.then, self.asked = then, 0

    async def send(self, _call, *, within):
        self.asked += 1
        asyncio.get_running_loop().call_later(within / 2, self.then)
        await asyncio.sleep(10 * within)
        raise AssertionError("nobody ended the wait")


def work(portal=LOOPBACK):
    return Work(portal, Options())


async def soon(value="done"):
    await asyncio.sleep(1)
    return value


# -------------------------------------------------------------------------------------------------------------- waits


def test_a_wait_that_nobody_interrupts_gives_its_result():
    assert run(work()._unless_interrupted(soon())) == "done"


def test_an_error_of_the_wait_is_its_own():
    async def fails():
        await asyncio.sleep(1)
        raise KeyError("x")

    with pytest.raises(KeyError):
        run(work()._unless_interrupted(fails()))


def test_an_interrupt_ends_the_wait_at_once():
    job = work()

    async def go():
        asyncio.get_running_loop().call_later(5, job.interrupt)
        with pytest.raises(InterruptedByPersonError):
            await job._unless_interrupted(asyncio.sleep(3600))
        return asyncio.get_running_loop().time()

    assert run(go()) < 6


def test_an_interrupt_before_the_wait_ends_it_before_it_begins():
    job, began = work(), []

    async def waits():
        began.append(True)

    async def go():
        job.interrupt()
        with pytest.raises(InterruptedByPersonError):
            await job._unless_interrupted(waits())

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a coroutine that was never awaited says so
        run(go())
    assert began == []


def test_an_interrupt_holds_for_every_later_wait():
    job = work()

    async def go():
        job.interrupt()
        for _ in range(3):
            with pytest.raises(InterruptedByPersonError):
                await job._unless_interrupted(soon())

    run(go())


def test_an_interrupt_comes_from_any_thread():
    job = work()

    async def go():
        thread = threading.Timer(0.05, job.interrupt)
        thread.start()
        with pytest.raises(InterruptedByPersonError):
            await asyncio.wait_for(job._unless_interrupted(asyncio.sleep(3600)), 10)
        thread.join()

    asyncio.run(go())


def test_an_interrupt_between_two_waits_and_behind_the_end_ends_nothing_else():
    job = work()

    async def go():
        first = await job._unless_interrupted(soon(1))
        elsewhere = asyncio.ensure_future(soon(2))
        job.interrupt()
        return first, await elsewhere

    assert run(go()) == (1, 2)
    job.interrupt()


def test_the_wait_is_over_when_it_has_ended():
    job = work()

    async def go():
        await job._unless_interrupted(soon())
        return job._waiting

    assert run(go()) is None


def test_a_cancelled_job_is_cancelled_and_not_interrupted():
    job = work()

    async def go():
        task = asyncio.ensure_future(job._unless_interrupted(asyncio.sleep(3600)))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(go())


# ------------------------------------------------------------------------------------------------------------ meeting


@pytest.mark.parametrize(("portal", "identity"), [(LOOPBACK, "127.0.0.1:8018"), (GATEWAY, None)])
def test_an_interrupt_while_the_portal_is_silent_is_a_meeting_that_forbids_everything(portal, identity):
    job = work(portal)
    line = Line(job.interrupt)
    found = run(job._met(line, None))
    assert line.asked == 1
    assert (found.met.identity, found.met.templates) == (identity, None)
    assert (found.met.stop.code, found.met.stop.message, found.met.stop.exit_code) == (
        INTERRUPTED.code,
        INTERRUPTED.message,
        130,
    )
    assert found.limits.rate == 5.0


# --------------------------------------------------------------------------------------------------------------- fronts


def test_nobody_is_told_and_whoever_is_not_asked_agrees_but_has_no_session_to_give():
    front = Silent()
    assert front.ask("Start now?") is True
    assert front.session("it has expired") is None
    assert (front.say("x"), front.end()) == (None, None)

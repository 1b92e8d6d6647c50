"""A job in a thread of its own: in a script, inside a running loop, with questions, and with signals that drain it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from bulkstart.conduct import Desk, conduct, in_thread
from bulkstart.errors import UsageError


class Work:
    """A job that does as it is told, and ends when it is interrupted where it is told to wait."""

    def __init__(self, steps=None, *, desk=None):
        self.steps, self.desk, self.interrupts = steps or (lambda _: "done"), desk, 0
        self.stopped = threading.Event()

    def interrupt(self):
        self.interrupts += 1
        self.stopped.set()

    async def run(self):
        await asyncio.to_thread(lambda: None)
        return self.steps(self)


def asked(question):
    return lambda job: job.desk.ask(question)


def test_what_a_job_returns_comes_back():
    assert conduct(Work()) == "done"


def test_what_a_job_raises_is_raised_here():
    def fail(_):
        raise UsageError("planted")

    with pytest.raises(UsageError, match="planted"):
        conduct(Work(fail))


def test_a_job_runs_inside_a_running_loop():
    async def notebook():
        return conduct(Work())

    assert asyncio.run(notebook()) == "done"


@pytest.mark.parametrize("answer", [True, False])
def test_a_question_is_asked_in_the_calling_thread_and_its_answer_reaches_the_job(answer):
    desk, heard = Desk(), []

    def asker(question):
        heard.append((question, threading.current_thread()))
        return answer

    assert conduct(Work(asked("Start now?"), desk=desk), desk, asker) is answer
    assert heard == [("Start now?", threading.current_thread())]


def test_without_anybody_to_ask_the_answer_is_yes():
    desk = Desk()
    assert conduct(Work(asked("Start now?"), desk=desk), desk) is True


def test_an_interrupt_at_the_question_is_a_no():
    desk = Desk()
    job = Work(asked("Start now?"), desk=desk)

    def asker(_):
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the interrupt must come first")  # pragma: no cover

    assert conduct(job, desk, asker) is False
    assert job.interrupts == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_the_job_and_its_result_still_comes_back(number):
    def wait(job):
        os.kill(os.getpid(), number)
        assert job.stopped.wait(10)
        return "drained"

    before = signal.getsignal(number)
    job = Work(wait)
    assert conduct(job) == "drained"
    assert job.interrupts == 1
    assert signal.getsignal(number) is before


def test_signals_are_as_they_were_after_a_job_that_failed():
    def fail(_):
        raise UsageError("planted")

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(UsageError):
        conduct(Work(fail))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_job_runs_from_any_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(conduct(Work())))
    thread.start()
    thread.join(10)
    assert found == ["done"]


def test_a_short_coroutine_runs_beside_a_running_loop():
    async def short():
        return 5

    async def notebook():
        return in_thread(short())

    assert asyncio.run(notebook()) == 5


@pytest.mark.parametrize("place", [0, 1, None])
def test_a_choice_is_made_in_the_calling_thread_and_reaches_the_job(place):
    desk, heard = Desk(), []

    def chooser(question, choices):
        heard.append((question, choices, threading.current_thread()))
        return place

    assert conduct(Work(lambda job: job.desk.choose("Which?", ["a", "b"]), desk=desk), desk, chooser=chooser) == place
    assert heard == [("Which?", ["a", "b"], threading.current_thread())]


def test_nobody_to_choose_is_no_choice():
    desk = Desk()
    assert conduct(Work(lambda job: job.desk.choose("Which?", ["a"]), desk=desk), desk) is None

"""Nothing goes on before its own event is on disk, and one loop turn is one commit."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bulkstart.errors import JournalError
from bulkstart.journal_view import Note
from bulkstart.model import Outcome
from bulkstart.recorder import Recorder
from bulkstart.result_columns import Status
from bulkstart.states import Event


def send(name):
    return Note(name, Event.SEND)


class Paper:
    """Takes down what is written, commit by commit; raises at the commits it is told to."""

    def __init__(self, *, lost=(), broken=()):
        self.commits, self.lost, self.broken = [], set(lost), set(broken)

    def write(self, notes, outcomes):
        self.commits.append(([note.key for note in notes], [outcome.position for outcome in outcomes]))
        if len(self.commits) in self.broken:
            raise JournalError("the disk is full")
        return {note.key for note in notes} & self.lost


def test_all_events_of_a_loop_turn_share_one_commit_in_their_order():
    paper = Paper()

    async def work():
        recorder = Recorder(paper.write)
        return await asyncio.gather(*(recorder.record(send(f"k{n}")) for n in range(10)))

    assert asyncio.run(work()) == [True] * 10
    assert paper.commits == [([f"k{n}" for n in range(10)], [])]


def test_events_that_follow_each_other_are_commits_that_follow_each_other():
    paper = Paper()

    async def work():
        recorder = Recorder(paper.write)
        for name in "abc":
            await recorder.record(send(name))

    asyncio.run(work())
    assert [keys for keys, _ in paper.commits] == [["a"], ["b"], ["c"]]


def test_a_note_and_its_outcome_share_a_commit():
    paper = Paper()

    async def work():
        recorder = Recorder(paper.write)
        await recorder.record(Note("k", Event.START), Outcome(4, Status.STARTED))
        await recorder.record(None, Outcome(5, Status.NOT_ATTEMPTED))

    asyncio.run(work())
    assert paper.commits == [(["k"], [4]), ([], [5])]


def test_a_row_that_another_run_owns_hears_so_and_the_others_do_not():
    paper = Paper(lost=["b"])

    async def work():
        recorder = Recorder(paper.write)
        return await asyncio.gather(
            *(recorder.record(send(name)) for name in "abc"), recorder.record(None, Outcome(0, Status.STARTED))
        )

    assert asyncio.run(work()) == [True, False, True, True]


def test_an_error_reaches_everyone_who_waits_and_nobody_who_comes_later():
    paper = Paper(broken=[1])

    async def work():
        recorder = Recorder(paper.write)
        heard = await asyncio.gather(*(recorder.record(send(name)) for name in "abc"), return_exceptions=True)
        return heard, await recorder.record(send("d"))

    heard, later = asyncio.run(work())
    assert [type(error) for error in heard] == [JournalError] * 3
    assert later is True


def test_nothing_returns_before_its_commit_and_what_comes_meanwhile_waits_for_the_next():
    entered, may_write = threading.Event(), threading.Event()
    paper = Paper()

    def write(notes, outcomes):
        entered.set()
        assert may_write.wait(10)
        return paper.write(notes, outcomes)

    async def work(executor):
        recorder, loop = Recorder(write, executor), asyncio.get_running_loop()
        first = asyncio.create_task(recorder.record(send("a")))
        await loop.run_in_executor(None, entered.wait, 10)
        later = [asyncio.create_task(recorder.record(send(name))) for name in "bc"]
        await asyncio.sleep(0)
        assert not first.done()
        may_write.set()
        await asyncio.gather(first, *later)

    with ThreadPoolExecutor(1) as executor:
        asyncio.run(work(executor))
    assert [keys for keys, _ in paper.commits] == [["a"], ["b", "c"]]


def test_an_event_is_written_though_its_waiter_was_cancelled():
    paper = Paper()

    async def work():
        recorder = Recorder(paper.write)
        waiting = asyncio.create_task(recorder.record(send("a")))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await recorder.record(send("b"))

    asyncio.run(work())
    assert [key for keys, _ in paper.commits for key in keys] == ["a", "b"]


def test_what_nobody_waits_for_any_more_is_written_before_it_is_flushed():
    """A run that is abandoned leaves its workers' last words behind: an id that was received is one of them."""
    paper, may_write = Paper(), threading.Event()

    def write(notes, outcomes):
        may_write.wait(5)
        return paper.write(notes, outcomes)

    async def work():
        with ThreadPoolExecutor(1) as writer:
            recorder = Recorder(write, writer)
            asked = []
            for name in "ab":  # "b" comes while "a" is being written
                asked.append(asyncio.create_task(recorder.record(Note(name, Event.START))))
                await asyncio.sleep(0.01)
            for one in asked:
                one.cancel()
            may_write.set()
            await recorder.flushed()
            return list(paper.commits)

    assert asyncio.run(work()) == [(["a"], []), (["b"], [])]
    assert paper.commits == [(["a"], []), (["b"], [])]

"""Run a job in a thread with its own event loop, so that it works in a script and inside a notebook's running loop alike.

The calling thread waits, asks the person where there is one, and turns SIGINT and SIGTERM into draining.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R", covariant=True)  # noqa: PLC0105  what comes of a job
Asker = Callable[[str], bool]
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Job(Protocol[R]):
    """What can be conducted: a run, a reconciliation, an undo."""

    async def run(self) -> R: ...
    def interrupt(self) -> None: ...


class Desk:
    """Where the job's thread leaves a question, and the calling thread answers it."""

    def __init__(self) -> None:
        self.inbox: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def ask(self, question: str) -> bool:
        """Called by the job's thread, while nothing is on the wire: waits for the answer."""
        self.inbox.put(("ask", question))
        return self._replies.get()

    def answer(self, *, yes: bool) -> None:
        self._replies.put(yes)


def conduct(job: Job[R], desk: Desk | None = None, asker: Asker | None = None) -> R:
    """Run ``job`` to its end and return what came of it; raises what it raised."""
    desk = desk or Desk()

    def work() -> None:
        try:
            desk.inbox.put(("done", asyncio.run(job.run())))
        except BaseException as error:  # noqa: BLE001  it is raised again in the calling thread
            desk.inbox.put(("failed", error))

    with draining(job):
        thread = threading.Thread(target=work, name="bulkstart-run")
        thread.start()
        while True:
            kind, value = desk.inbox.get()
            if kind == "ask":
                _answer(job, desk, asker, value)
                continue
            thread.join()
            if kind == "failed":
                raise value
            found: R = value
            return found


def _answer(job: Job[Any], desk: Desk, asker: Asker | None, question: str) -> None:
    """Ask in the calling thread; Ctrl-C or SIGTERM at the question is a "no" that interrupts."""
    yes = asker is None
    here = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, signal.default_int_handler) for number in _SIGNALS} if here else {}
    try:
        yes = asker is None or asker(question)
    except KeyboardInterrupt:
        job.interrupt()
    finally:
        _restore(before)
        desk.answer(yes=yes)


def _restore(before: Mapping[signal.Signals, Any]) -> None:
    for number, handler in before.items():
        if handler is not None:  # one that was not set from Python cannot be set again
            signal.signal(number, handler)


@contextlib.contextmanager
def draining(job: Job[Any]) -> Iterator[None]:
    """SIGINT and SIGTERM drain the job for as long as the block lasts; only the main thread can be told of them."""

    def interrupt(_: int, __: FrameType | None) -> None:
        job.interrupt()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        _restore(before)


def in_thread(work: Coroutine[Any, Any, T]) -> T:
    """Run a short coroutine to its end in a thread of its own, where a loop of the caller's cannot be in the way."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()

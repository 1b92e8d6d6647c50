"""Run a job in a thread with its own event loop, so that it works in a script and inside a notebook's running loop alike.

The calling thread waits, asks the person where there is one, and turns SIGINT and SIGTERM into draining.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any, TypeVar

from bulkstart.job import Finished, Job

T = TypeVar("T")
Asker = Callable[[str], bool]
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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


def conduct(job: Job, desk: Desk | None = None, asker: Asker | None = None) -> Finished:
    """Run ``job`` to its end and return what came of it; raises what it raised."""
    desk = desk or Desk()

    def work() -> None:
        try:
            desk.inbox.put(("done", asyncio.run(job.run())))
        except BaseException as error:  # noqa: BLE001  it is raised again in the calling thread
            desk.inbox.put(("failed", error))

    with _draining(job):
        thread = threading.Thread(target=work, name="bulkstart-run")
        thread.start()
        while True:
            kind, value = desk.inbox.get()
            if kind == "ask":
                desk.answer(yes=_asked(job, asker, value))
                continue
            thread.join()
            if kind == "failed":
                raise value
            finished: Finished = value
            return finished


def _asked(job: Job, asker: Asker | None, question: str) -> bool:
    """Ask in the calling thread; Ctrl-C at the question is a "no" that interrupts."""
    if asker is None:
        return True
    here = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.default_int_handler) if here else None
    try:
        return asker(question)
    except KeyboardInterrupt:
        job.interrupt()
        return False
    finally:
        if here:
            signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _draining(job: Job) -> Iterator[None]:
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
        for number, handler in before.items():
            signal.signal(number, handler)


def in_thread(work: Coroutine[Any, Any, T]) -> T:
    """Run a short coroutine to its end in a thread of its own, where a loop of the caller's cannot be in the way."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()

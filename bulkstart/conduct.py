"""Run a job in a thread with its own event loop, so that it works in a script and inside a notebook's running loop alike.

The calling thread waits, asks the person where there is one, and turns SIGINT and SIGTERM into draining.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R", covariant=True)  # noqa: PLC0105  what comes of a job
Asker = Callable[[str], bool]
Sessions = Callable[[str], str | None]
Chooser = Callable[[str, Sequence[str]], int | None]
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
        self._choices: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._sessions: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def ask(self, question: str) -> bool:
        """Called by the job's thread, while nothing is on the wire: waits for the answer."""
        self.inbox.put(("ask", question))
        return self._replies.get()

    def choose(self, question: str, choices: Sequence[str]) -> int | None:
        """Called like ``ask``: waits for the place of the choice."""
        self.inbox.put(("choose", (question, choices)))
        return self._choices.get()

    def session(self, why: str) -> str | None:
        """Called by a thread of the job's own, while the job goes on: waits for a session that the person gives."""
        self.inbox.put(("session", why))
        return self._sessions.get()

    def answer(self, *, yes: bool) -> None:
        self._replies.put(yes)

    def point_at(self, choice: int | None) -> None:
        self._choices.put(choice)

    def hand_over(self, session: str | None) -> None:
        self._sessions.put(session)


def conduct(
    job: Job[R], desk: Desk | None = None, asker: Asker | None = None, sessions: Sessions | None = None,
    chooser: Chooser | None = None,
) -> R:  # fmt: skip
    """Run ``job`` to its end and return what came of it; raises what it raised.

    ``sessions`` asks a person for a new session, ``chooser`` for one of several.
    """
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
                desk.answer(yes=bool(_asked(job, lambda: asker is None or asker(value))))  # noqa: B023  it is called at once
                continue
            if kind == "choose":
                desk.point_at(_asked(job, lambda: chooser(*value) if chooser else None))  # noqa: B023  it is called at once
                continue
            if kind == "session":
                desk.hand_over(_asked(job, lambda: sessions(value) if sessions else None))  # noqa: B023  it is called at once
                continue
            thread.join()
            if kind == "failed":
                raise value
            found: R = value
            return found


def _asked(job: Job[Any], ask: Callable[[], T]) -> T | None:
    """Ask in the calling thread; Ctrl-C or SIGTERM at the question is a "no" that interrupts."""
    here = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, signal.default_int_handler) for number in _SIGNALS} if here else {}
    try:
        return ask()
    except KeyboardInterrupt:
        job.interrupt()
        return None
    except OSError:  # the terminal is gone: nobody can say yes
        job.interrupt()
        return None
    finally:
        _restore(before)


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

"""What a person may start, watch and interrupt: a job on a portal. Who is told and asked meanwhile is its front."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from bulkstart.ending import INTERRUPTED
from bulkstart.journal import Journal
from bulkstart.meeting import Meeting, entrance, meeting, unmet
from bulkstart.model import Denied, Outcome
from bulkstart.options import Options
from bulkstart.portal import Portal
from bulkstart.runner import Runner
from bulkstart.steering import Steering

if TYPE_CHECKING:
    from bulkstart.meeting import Line

T = TypeVar("T")


class Front(Protocol):
    """Who is told, and asked, while a job runs."""

    def say(self, text: str, /) -> None: ...
    def warn(self, text: str, /) -> None: ...
    def ask(self, question: str, /) -> bool: ...
    def session(self, why: str, /) -> str | None: ...
    def choose(self, question: str, choices: Sequence[str], /) -> int | None: ...
    def begin(self, runner: Runner, rows: int, /) -> None: ...
    def settle(self, outcome: Outcome, /) -> None: ...
    def end(self) -> None: ...


class Silent:
    """Tells nobody and never asks: the front of the Python functions."""

    def say(self, text: str, /) -> None: ...
    def warn(self, text: str, /) -> None: ...
    def ask(self, _: str, /) -> bool:
        return True

    def session(self, _: str, /) -> str | None:
        return None

    def choose(self, _: str, __: Sequence[str], /) -> int | None:
        return None

    def begin(self, runner: Runner, rows: int, /) -> None: ...
    def settle(self, outcome: Outcome, /) -> None: ...
    def end(self) -> None: ...


class InterruptedByPersonError(Exception):
    """A person interrupted while the job waited."""


class Work:
    """A job on one portal. ``interrupt`` may be called from any thread."""

    def __init__(self, portal: Portal, options: Options, front: Front | None = None) -> None:
        self._portal, self._options = portal, options
        self._front: Front = front or Silent()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._interrupted = self._by_wish = 0
        self._launched = False
        self._steering: Steering | None = None
        self._waiting: asyncio.Future[Any] | None = None

    def interrupt(self) -> None:
        """End a wait at once; what else it means, the job says."""
        self._interrupted += 1
        if self._loop is not None and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):  # the loop ended between the two lines: there is nothing left to interrupt
                self._loop.call_soon_threadsafe(self._interrupt)

    def _wished_to_stop(self) -> None:
        """A record in the journal is one interrupt, and never counts as the second one."""
        if not self._interrupted:
            self._by_wish = 1
            self.interrupt()

    @contextlib.contextmanager
    def _steered(self, journal: Journal | None, run_id: str | None) -> Iterator[None]:
        """Wishes are heard for as long as the block lasts: from here on where the process was launched for this run, else as the job says."""
        if self._launched and run_id and journal is not None and not self._options.dry_run:
            self._steer(journal, run_id)
        try:
            yield
        finally:
            if self._steering:
                self._steering.end()

    def _steer(self, journal: Journal, run_id: str) -> Steering:
        """Who hears wishes for the run, from now on at the latest."""
        if self._steering is None:
            self._steering = Steering(journal, run_id, self._wished_to_stop)
            self._steering.listen()
        return self._steering

    def _interrupt(self) -> None:
        """What an interrupt does, on the loop's own thread."""
        if self._waiting is not None:
            self._waiting.cancel()

    async def _unless_interrupted(self, waiting: Coroutine[Any, Any, T]) -> T:
        """The result of a wait. Raises ``InterruptedByPersonError``."""
        self._loop = asyncio.get_running_loop()
        if self._interrupted:
            waiting.close()
            raise InterruptedByPersonError
        self._waiting = future = asyncio.ensure_future(waiting)
        try:
            return await future
        except asyncio.CancelledError:
            if not self._interrupted:
                raise
            raise InterruptedByPersonError from None
        finally:
            self._waiting = None

    async def _met(self, line: Line, journal: Journal | None) -> Meeting:
        """The meeting with the portal; an interrupt while it is silent is a meeting that forbids everything."""
        try:
            enter = entrance(self._portal, self._front.say)
            return await self._unless_interrupted(meeting(self._portal, line, journal, self._options, enter))
        except InterruptedByPersonError:
            stop = Denied(INTERRUPTED.code, INTERRUPTED.message, INTERRUPTED.exit_code)
            return unmet(self._portal, journal, self._options, stop, self._now())

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

"""What a person may start, watch and interrupt: a job on a portal. Who is told and asked meanwhile is its front."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from bulkstart.ending import INTERRUPTED
from bulkstart.journal import Journal
from bulkstart.meeting import Meeting, entrance, meeting, unmet
from bulkstart.model import Denied, Outcome
from bulkstart.options import Options
from bulkstart.portal import Portal
from bulkstart.runner import Runner

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
        self._interrupted = 0
        self._waiting: asyncio.Future[Any] | None = None

    def interrupt(self) -> None:
        """End a wait at once; what else it means, the job says."""
        self._interrupted += 1
        if self._loop is not None and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):  # the loop ended between the two lines: there is nothing left to interrupt
                self._loop.call_soon_threadsafe(self._interrupt)

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

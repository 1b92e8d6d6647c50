"""When the next request may leave, and whether the run goes on: throttle, rows on the wire, deadline, stop.

Knows time by the event loop's clock, so that tests run it in virtual time.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from bulkstart.operating import Operating, Spent
from bulkstart.retry import Stop
from bulkstart.throttle import Throttle

FIRST_IN_FLIGHT = 4
NO_CONNECTION = 300.0
"""Seconds without one connection after which a run stops (interface.md, --deadline)."""
NO_SUCCESS = 1800.0
"""Seconds without one success after which a run stops (interface.md, --deadline)."""


class Gate:
    """One for each run. ``max_unknown``: rows on the wire at the most; ``deadline``: an instant of the loop's clock."""

    def __init__(
        self, throttle: Throttle, *, max_unknown: int = 10, deadline: float = math.inf, operating: Operating | None = None
    ) -> None:
        self.throttle, self.max_unknown, self.operating = throttle, max_unknown, operating
        self._spending: dict[int, int] = {}
        self.stop: Stop | None = None
        self.on_wire = 0
        self.durations: list[float] = []
        self._deadline = deadline
        self._last_success = self._unreachable_since = math.inf
        self._turn = asyncio.Lock()
        self._waiters: set[asyncio.Future[None]] = set()

    @staticmethod
    def now() -> float:
        """Seconds of the loop's clock."""
        return asyncio.get_running_loop().time()

    def begin(self) -> None:
        """The waiting begins anew: a person may have thought for an hour."""
        self._last_success, self._unreachable_since = self.now(), math.inf

    def drain(self, stop: Stop) -> None:
        """Let nothing more leave. The first reason stays."""
        self.stop = self.stop or stop
        self._wake()

    async def slot(self) -> int | None:
        """Wait until one more row may leave, and give its ticket; ``None`` where the run stops first."""
        async with self._turn:
            while self.stop is None:
                now = self.now()
                leave = self._next_leave(now) if self.on_wire < self._in_flight else math.inf
                if now >= self._deadline:
                    self._look_at_deadline()
                elif now - self._last_success >= NO_SUCCESS:
                    self.drain(Stop("RUN_STOPPED", f"not one start succeeded for {NO_SUCCESS / 60:.0f} minutes", 6))
                elif leave <= now:
                    self.on_wire += 1
                    return self._leave(now)
                else:
                    await self._pause(min(leave, self._deadline, self._last_success + NO_SUCCESS))
        return None

    def _next_leave(self, now: float) -> float:
        leave = self.throttle.next_leave(now)
        return max(leave, self.operating.next_leave(now)) if self.operating else leave

    def _leave(self, now: float) -> int:
        ticket = self.throttle.leave(now)
        if self.operating:
            self._spending[ticket] = self.operating.leave(now)
        return ticket

    def spent(self, ticket: int, seconds: float | None, told: Sequence[Spent] = ()) -> None:
        """The start of ``ticket`` ran for ``seconds``, or may have; ``None``: nothing of it ran."""
        if self.operating and ticket in self._spending:
            own = self._spending.pop(ticket)
            if seconds is None:
                self.operating.dropped(own)
            else:
                self.operating.answered(own, self.now(), seconds=seconds, spent=told)

    def used_up(self, ticket: int) -> None:
        """The portal refused the start of ``ticket``: the method's operating time is used up."""
        if self.operating and ticket in self._spending:
            self.operating.limited(self._spending.pop(ticket), self.now())

    def back(self) -> None:
        """A row is off the wire again."""
        self.on_wire -= 1
        self._wake()

    def connected(self) -> None:
        """A call reached the portal."""
        self._unreachable_since = math.inf

    def not_connected(self) -> None:
        """A call never left; five minutes of that stop the run."""
        now = self.now()
        self._unreachable_since = min(self._unreachable_since, now)
        if now - self._unreachable_since >= NO_CONNECTION:
            self.drain(Stop("UNREACHABLE", f"the portal could not be reached for {NO_CONNECTION / 60:.0f} minutes", 6))

    def succeeded(self, seconds: float) -> None:
        """A start that took ``seconds``."""
        self.durations.append(seconds)
        self._last_success = self.now()

    async def sleep(self, seconds: float) -> None:
        """Sleep, unless the run stops or its deadline comes."""
        until = min(self.now() + seconds, self._deadline)
        while self.stop is None and self.now() < until:
            await self._pause(until)
        self._look_at_deadline()

    def _look_at_deadline(self) -> None:
        """Also where nothing asks for a slot any more: rows may only be waiting for room."""
        if self.stop is None and self.now() >= self._deadline:
            self.drain(Stop("DEADLINE", "the deadline has passed", 6))

    @property
    def _in_flight(self) -> int:
        """As few as rate × measured duration needs, from 4, never above ``max_unknown``."""
        recent = sorted(self.durations[-20:])
        slow = recent[int(len(recent) * 0.8)] if recent else 0.0
        wanted = math.ceil(self.throttle.state(self.now()).rate * slow * 1.25) + 1
        return min(self.max_unknown, max(FIRST_IN_FLIGHT, wanted))

    def _wake(self) -> None:
        """Something changed: whoever waits looks again."""
        for waiter in self._waiters:
            _release(waiter)

    async def _pause(self, until: float) -> None:
        """Wait until ``until``, or until something changes. It is heard of from this line on: no change is ever missed."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.add(waiter)
        timer = None if math.isinf(until) else loop.call_at(until, _release, waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)
            if timer is not None:
                timer.cancel()


def _release(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)

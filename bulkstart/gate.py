"""When the next request may leave and with how many rows, and whether the run goes on: throttle, rows on the wire, deadline, stop.

Knows time by the event loop's clock, so that tests run it in virtual time.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile

from bulkstart.batching import Batching
from bulkstart.operating import Operating, Spent
from bulkstart.retry import Stop
from bulkstart.throttle import Throttle

FIRST_IN_FLIGHT = 4
NO_CONNECTION = 300.0
"""Seconds without one connection after which a run stops (interface.md, --deadline)."""
NO_SUCCESS = 1800.0
"""Seconds without one success after which a run stops (interface.md, --deadline)."""
LOOK_AGAIN = 60.0
"""Seconds behind which the wall clock is looked at again: a person or a network may have set it."""
GATHER = 0.05
"""Seconds in which the rows of an answered request come back for the next one."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A row's place in a request: the throttle's ticket of it, and how many rows share it."""

    ticket: int
    rows: int = 1


@dataclass(slots=True, eq=False)
class _Asking:
    """A row that waits for its request. ``alone``: it shares none."""

    alone: bool
    since: float
    seat: Seat | None = None


class Gate:
    """One for each run. ``max_unknown``: rows on the wire at the most; ``deadline``: an instant of the loop's clock.

    ``shut``: seconds until starts may leave again, by the wall clock; 0 where they may.
    """

    def __init__(
        self, throttle: Throttle, *, max_unknown: int = 10, deadline: float = math.inf, operating: Operating | None = None,
        batching: Batching | None = None, shut: Callable[[], float] | None = None,
    ) -> None:  # fmt: skip
        self.throttle, self.max_unknown, self.operating = throttle, max_unknown, operating
        self.batching, self._shut = batching or Batching(), shut
        self._line: deque[_Asking] = deque()
        self._requests: deque[float] = deque(maxlen=20)  # seconds from leave to answer
        self.succeeded_at: deque[float] = deque(maxlen=200)
        self._spending: dict[int, int] = {}
        self.stop: Stop | None = None
        self.on_wire = 0
        self.durations: list[float] = []
        self.paused = False
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

    def pause(self) -> None:
        """Let nothing more leave until ``go_on``; what is on the wire finishes, and the deadline still counts."""
        self.paused = True

    def go_on(self) -> None:
        """Let rows leave again, the waiting for a success begins anew; whoever waits ``until`` something looks again."""
        if self.paused:
            self.paused = False
            self.begin()
        self._wake()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds that ``go_on`` may change; the run's stop and its deadline end the wait."""
        while self.stop is None and not holds():
            await self._pause(self._deadline)
            self._look_at_deadline()

    async def unpaused(self) -> None:
        """Wait as long as the run is paused."""
        await self.until(lambda: not self.paused)

    async def slot(self, *, alone: bool = True) -> Seat | None:
        """Wait until one more row may leave, and give its seat; ``None`` where the run stops first.

        A row that does not go ``alone`` may be given a seat in the request of the row before it.
        """
        asking = _Asking(alone, self.now())
        self._line.append(asking)
        if self.batching.most > 1:
            self._wake()  # a request may be waiting for this very row
        try:
            async with self._turn:
                while asking.seat is None and self.stop is None:
                    await (self.unpaused() if self.paused else self._dispatch(asking))
                return asking.seat
        finally:
            self._line.remove(asking)

    async def _dispatch(self, asking: _Asking) -> None:
        """Let a request leave with the rows at the head of the line, or wait for whatever lets it leave."""
        now = self.now()
        together, ready = self._together(asking, now)
        if shut := min(self._shut(), LOOK_AGAIN) if self._shut else 0.0:
            self._last_success = now + shut  # nobody waits for a success then
            ready = now + shut
        leave = self._next_leave(now, ready, len(together)) if together else math.inf
        if now >= self._deadline:
            self._look_at_deadline()
        elif now - self._last_success >= NO_SUCCESS:
            self.drain(Stop("RUN_STOPPED", f"not one start succeeded for {NO_SUCCESS / 60:.0f} minutes", 6))
        elif leave <= now:
            seat = Seat(self._leave(now, len(together)), len(together))
            self.on_wire += len(together)
            for one in together:
                one.seat = seat
        else:
            await self._pause(min(leave, self._deadline, self._last_success + NO_SUCCESS))

    def _together(self, asking: _Asking, now: float) -> tuple[list[_Asking], float]:
        """The rows of the next request, and from when on it need not wait for more of them."""
        size, free = self._size(now), self._in_flight - self.on_wire
        if free <= 0:
            return [], now
        if size == 1 or asking.alone:
            return [asking], now
        most = min(size, free)
        together = list(takewhile(lambda one: not one.alone, islice(self._line, most)))
        if len(together) == size or len(together) < min(most, len(self._line)):  # it is full, or a row that goes alone is next
            return together, now
        patience = max(GATHER, *self._requests) if self.on_wire else GATHER
        return together, asking.since + patience

    def _size(self, now: float) -> int:
        """Rows that the next request may hold."""
        if self.batching.most == 1:
            return 1
        size = self.batching.size(self.durations, self.throttle.state(now).rate)
        return self.operating.room(now, size) if self.operating else size

    def no_batches(self) -> None:
        """The portal takes no batch: each row goes alone from now on."""
        self.batching = Batching()

    def _next_leave(self, now: float, ready: float, rows: int) -> float:
        """When to look again. The throttle is asked last: it may take a slot of the machine's budget, which is lost if it waits."""
        leave = max(ready, self.operating.next_leave(now, rows)) if self.operating else ready
        return leave if leave > now else self.throttle.next_leave(now)

    def _leave(self, now: float, rows: int) -> int:
        ticket = self.throttle.leave(now)
        if self.operating:
            self._spending[ticket] = self.operating.leave(now, rows)
        return ticket

    def spent(self, ticket: int, seconds: float | None, told: Sequence[Spent] = (), *, used_up: bool = False) -> None:
        """The starts of ``ticket`` ran for ``seconds``, or may have; ``None``: nothing of it ran.

        ``used_up``: the portal refused some or all of them, since the method's operating time is used up.
        """
        if self.operating and ticket in self._spending:
            own = self._spending.pop(ticket)
            if seconds is None:
                self.operating.dropped(own)
            else:
                self.operating.answered(own, self.now(), seconds=seconds, spent=told)
            if used_up:
                self.operating.limited(own, self.now())

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

    def succeeded(self, seconds: float, rows: int = 1) -> None:
        """A start succeeded in a request of ``rows`` that took ``seconds``."""
        self.durations.append(seconds / rows)
        self._requests.append(seconds)
        self._last_success = self.now()
        self.succeeded_at.append(self._last_success)

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
        """Rows: as few as rate × measured duration needs, from 4, never above ``max_unknown``; of batches also what the burst lets leave."""
        recent, now = sorted(self.durations[-20:]), self.now()
        size, state = self._size(now), self.throttle.state(now)
        slow = size * recent[int(len(recent) * 0.8)] if recent else 0.0
        wanted = math.ceil(state.rate * slow * 1.25 + (state.spare if size > 1 else 0.0)) + 1
        return min(self.max_unknown, max(FIRST_IN_FLIGHT, wanted * size))

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

"""The limits, exact and told the time: nothing here reads a clock. Times are monotonic; run times count from ``origin``."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import TYPE_CHECKING

from .allowances import Operating

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .allowances import NativeLimit, PlatformLimit, PortalLimit, Queue

_ROOM = 1e-9
_UNLIMITED = Operating()


class LeakyBucket:
    """Holds at most ``burst``, leaks ``rate`` a second, each request adds one (bitrix24-api 3.1, 3.2).

    The limit may change and other programs may fill the bucket as time goes by; both are pieces of constant slope, so that the
    level at any moment is exact.
    """

    def __init__(self, limit: PortalLimit | NativeLimit, *, refused_count: bool = False) -> None:
        self._limit = limit
        self._refused_count = refused_count
        self._level = 0.0
        self._last: float | None = None
        ends = [foreign.end for foreign in limit.foreign if foreign.end is not None]
        self._edges = sorted({change.at for change in limit.changes} | {foreign.start for foreign in limit.foreign} | set(ends))
        self.shape(0.0, running=False)

    def shape(self, run: float, *, running: bool) -> tuple[float, float]:
        """Net slope (leak minus foreign load) and burst at that run time."""
        rate, burst = self._limit.rate, self._limit.burst
        for change in sorted(self._limit.changes, key=lambda item: item.at):
            if change.at <= run and (running or change.at == 0):
                rate = rate if change.rate is None else change.rate
                burst = burst if change.burst is None else change.burst
        if running:
            for foreign in self._limit.foreign:
                if foreign.start <= run and (foreign.end is None or run < foreign.end):
                    rate -= foreign.rate
        return rate, burst

    def take(self, now: float, origin: float | None, amount: int = 1) -> bool:
        """Whether ``amount`` requests at ``now`` fit; adds them if they do."""
        self._advance(now, origin)
        burst = self._now_shape(now, origin)[1]
        if self._level + amount <= burst + _ROOM:
            self._level += amount
            return True
        if self._refused_count:
            self._level = min(self._level + amount, max(burst, self._level))
        return False

    def room(self, now: float, origin: float | None) -> tuple[float, int, float]:
        """What fits in all, the whole requests that still fit at ``now``, and the seconds until all that is in it has leaked out."""
        self._advance(now, origin)
        slope, burst = self._now_shape(now, origin)
        return burst, max(0, math.floor(burst - self._level + _ROOM)), self._level / slope if slope > 0 else 0.0

    def wait(self, now: float, origin: float | None) -> float:
        """Seconds from ``now`` until one request fits, if nobody else asks; at most one hour."""
        self._advance(now, origin)
        level, at = self._level, now
        for end, slope, burst in self._pieces(now, now + 3600.0, origin):
            excess = level + 1 - burst
            if excess <= _ROOM:
                return at - now
            if slope > 0 and excess / slope <= end - at:
                return at + excess / slope - now
            level, at = _leaked(level, slope * (end - at), burst), end
        return 3600.0

    def _now_shape(self, now: float, origin: float | None) -> tuple[float, float]:
        return self.shape(0.0 if origin is None else now - origin, running=origin is not None)

    def _pieces(self, start: float, end: float, origin: float | None) -> Iterator[tuple[float, float, float]]:
        """Pieces of constant slope between two moments: (end, slope, burst)."""
        edges = [] if origin is None else [origin, *(origin + edge for edge in self._edges)]
        at = start
        for edge in [*(edge for edge in edges if start < edge < end), end]:
            running = origin is not None and at >= origin
            slope, burst = self.shape(0.0 if origin is None else max(0.0, at - origin), running=running)
            yield edge, slope, burst
            at = edge

    def _advance(self, now: float, origin: float | None) -> None:
        at = self._last if self._last is not None else now if origin is None else min(now, origin)
        if now > at and (self._level > 0 or self._limit.foreign):
            for end, slope, burst in self._pieces(at, now, origin):
                self._level = _leaked(self._level, slope * (end - at), burst)
                at = end
        self._last = max(now, at)


def _leaked(level: float, amount: float, burst: float) -> float:
    """The level after so much leaked out, or (negative) ran in: never below 0, and nothing runs into a full bucket."""
    return max(0.0, min(level - amount, max(burst, level)))


class SlidingWindow:
    """At most ``requests`` in any ``seconds`` (bitrix24-api 3.2, platform)."""

    def __init__(self, limit: PlatformLimit, *, refused_count: bool = False) -> None:
        self._limit = limit
        self._refused_count = refused_count
        self._times: deque[float] = deque()

    def take(self, now: float) -> bool:
        times = self._times
        while times and times[0] <= now - self._limit.seconds:
            times.popleft()
        fits = len(times) < self._limit.requests
        if fits or self._refused_count:
            times.append(now)
            if len(times) > self._limit.requests:
                times.popleft()
        return fits

    @property
    def remaining(self) -> int:
        return max(0, self._limit.requests - len(self._times))

    def wait(self, now: float) -> float:
        """Seconds until the oldest request leaves the window."""
        return max(0.0, self._times[0] + self._limit.seconds - now) if self._times else 0.0


class OperatingBudget:
    """Run time in ten baskets; checked before the call, so the call that crosses completes (bitrix24-api 3.1)."""

    def __init__(self, limit: Operating) -> None:
        self._limit = limit
        self._baskets: dict[int, float] = {}

    def exhausted(self, now: float) -> bool:
        return self.used(now) >= self._limit.seconds

    def used(self, now: float) -> float:
        """Seconds in the ten baskets."""
        newest = self._basket(now)
        self._baskets = {number: used for number, used in self._baskets.items() if number > newest - 10}
        return sum(self._baskets.values())

    def use(self, now: float, seconds: float) -> None:
        self._baskets[self._basket(now)] = self._baskets.get(self._basket(now), 0.0) + seconds

    def reset_at(self, now: float) -> float:
        """When the oldest basket falls out; a whole window from now where all are empty."""
        if self.used(now) <= 0:
            return now + self._limit.window
        return (min(self._baskets) + 10) * self._limit.window / 10

    def _basket(self, now: float) -> int:
        return math.floor(now * 10 / self._limit.window)


class OperatingBudgets:
    """One budget for each bill: method and credential. Without a limit they are told all the same. Times since 1970."""

    def __init__(self, limit: Operating | None) -> None:
        self._limit = limit
        self._window = limit or _UNLIMITED
        self._budgets: dict[tuple[str, str], OperatingBudget] = {}

    def exhausted(self, bill: tuple[str, str], now: float) -> bool:
        return self._limit is not None and bill in self._budgets and self._budgets[bill].exhausted(now)

    def use(self, bill: tuple[str, str], now: float, seconds: float) -> None:
        self._of(bill).use(now, seconds)

    def told(self, bill: tuple[str, str], now: float) -> tuple[float, int]:
        """``operating`` and ``operating_reset_at`` as the portal says them."""
        budget = self._of(bill)
        return budget.used(now), math.ceil(budget.reset_at(now))

    def _of(self, bill: tuple[str, str]) -> OperatingBudget:
        found = self._budgets.get(bill)
        if found is None:
            found = self._budgets[bill] = OperatingBudget(self._window)
        return found


class Turns:
    """The line in front of the portal: ``parallel`` starts at once, the others wait in order."""

    def __init__(self, queue: Queue) -> None:
        self._free = queue.parallel
        self._waiting: deque[asyncio.Future[None]] = deque()

    def enter_now(self) -> bool:
        """Take a free turn without waiting, where nobody waits."""
        if self._free > 0:
            self._free -= 1
            return True
        return False

    def line_up(self) -> asyncio.Future[None]:
        """Take a place in the line; done when the turn has come."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        return place

    def leave_line(self, place: asyncio.Future[None]) -> None:
        """Give a place up, or the turn if it came just now."""
        if place.done():
            self.leave()
        else:
            self._waiting.remove(place)

    def leave(self) -> None:
        """Hand the turn to the next in line."""
        if self._waiting:
            self._waiting.popleft().set_result(None)
        else:
            self._free += 1

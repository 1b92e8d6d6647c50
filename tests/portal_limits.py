"""Strict models of a portal's limiters and of the road to them, in virtual time. They share nothing with the product but its two nouns.

A limiter is told the time of every arrival and answers with a ``Reply``. ``drive`` is the road: one dispatcher asks the throttle,
requests take a random time to arrive, answers take a random time to come back, somebody else may use the same limiter.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bulkstart.throttle import RateHint, Throttle

RetryAfter = Callable[[random.Random], float] | float | str | None
"""What a refusal says: nothing, a fixed number of seconds, one drawn at random, or "exact": when the next one will be let through."""


@dataclass(frozen=True, slots=True)
class Reply:
    accepted: bool
    hint: RateHint | None = None
    exact_wait: float = 0.0


class Limiter(Protocol):
    def arrive(self, now: float) -> Reply: ...


class LeakyBucket:
    """``size`` requests fit, ``rate`` leak out each second; a request that does not fit is refused (bitrix24-api 3.1).

    ``count_refused``: a refused request fills the bucket too. ``headers``: free places as ``remaining``; ``reset`` is the time until
    the bucket is empty, or absent. ``changes``: (time, new rate) in order.
    """

    def __init__(
        self,
        size: float,
        rate: float,
        *,
        headers: str = "",
        count_refused: bool = False,
        changes: Sequence[tuple[float, float]] = (),
    ) -> None:
        self.size, self.rate, self.headers, self.count_refused = size, rate, headers, count_refused
        self.level, self.seen, self.changes = 0.0, 0.0, deque(changes)

    def arrive(self, now: float) -> Reply:
        while self.changes and self.changes[0][0] <= now:
            at, rate = self.changes.popleft()
            self._leak(at)
            self.rate = rate
        self._leak(now)
        accepted = self.level + 1 <= self.size + 1e-9
        if accepted:
            self.level += 1
        elif self.count_refused:
            self.level = min(self.size, self.level + 1)
        return Reply(accepted, self._hint(), max(0.0, self.level + 1 - self.size) / self.rate)

    def _leak(self, now: float) -> None:
        self.level = max(0.0, self.level - self.rate * (now - self.seen))
        self.seen = now

    def _hint(self) -> RateHint | None:
        if not self.headers:
            return None
        reset = self.level / self.rate if self.headers == "reset" else None
        return RateHint(self.size, float(int(self.size - self.level)), reset)


class SlidingWindow:
    """At most ``places`` accepted requests in any ``seconds`` (the platform limit is 300 in 60 s, bitrix24-api 3.2).

    ``headers``: "oldest" resets when the next place is free, "all" when every place is free (pessimistic), "absurd" says nonsense.
    """

    def __init__(self, places: int, seconds: float, *, headers: str = "", count_refused: bool = False) -> None:
        self.places, self.seconds, self.headers, self.count_refused = places, seconds, headers, count_refused
        self.taken: deque[float] = deque()

    def arrive(self, now: float) -> Reply:
        while self.taken and self.taken[0] <= now - self.seconds:
            self.taken.popleft()
        accepted = len(self.taken) < self.places
        if accepted or self.count_refused:
            self.taken.append(now)
        wait = max(0.0, self.taken[max(0, len(self.taken) - self.places)] + self.seconds - now)
        return Reply(accepted, self._hint(now), wait)

    def _hint(self, now: float) -> RateHint | None:
        if self.headers == "absurd":
            return RateHint(float("nan"), -7.0, -1e12)
        if not self.headers:
            return None
        first = self.taken[0] if self.headers == "oldest" else self.taken[-1]
        return RateHint(self.places, max(0, self.places - len(self.taken)), first + self.seconds - now)


class FixedWindow:
    """``places`` requests between two ticks of a clock that ticks every ``seconds``; the reset header is exact."""

    def __init__(self, places: int, seconds: float, *, headers: bool = True) -> None:
        self.places, self.seconds, self.headers = places, seconds, headers
        self.tick, self.taken = 0, 0

    def arrive(self, now: float) -> Reply:
        tick = int(now // self.seconds)
        if tick != self.tick:
            self.tick, self.taken = tick, 0
        accepted = self.taken < self.places
        self.taken += accepted
        wait = (tick + 1) * self.seconds - now
        hint = RateHint(self.places, self.places - self.taken, wait) if self.headers else None
        return Reply(accepted, hint, wait)


class Both:
    """Two limiters behind each other; the first one's headers are the ones sent."""

    def __init__(self, first: Limiter, second: Limiter) -> None:
        self.first, self.second = first, second

    def arrive(self, now: float) -> Reply:
        outer = self.first.arrive(now)
        if not outer.accepted:
            return outer
        inner = self.second.arrive(now)
        return Reply(inner.accepted, outer.hint, inner.exact_wait)


def foreign(rate: float, *, since: float = 0.0, until: float = 1e9) -> Iterable[float]:
    """Arrival times of somebody else's steady load."""
    return itertools.takewhile(lambda at: at < until, (since + count / rate for count in itertools.count()))


@dataclass(slots=True)
class Drive:
    """What came of a run. Times of arrivals at the portal, refused ones included; ``accepted`` those that got through, ``turned_away`` the others."""

    left: list[float] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)
    accepted: list[float] = field(default_factory=list)
    turned_away: list[float] = field(default_factory=list)
    refused: int = 0
    foreign_refused: int = 0

    @property
    def taken(self) -> float:
        return self.arrived[-1] - self.arrived[0]

    @property
    def refused_share(self) -> float:
        return self.refused / len(self.arrived)

    def share_from(self, row: int, rate: float) -> float:
        """Ideal over taken time from the arrival that got row number ``row`` through to the end."""
        return (len(self.accepted) - row) / rate / (self.arrived[-1] - self.accepted[row - 1])


@dataclass(slots=True)
class Road:
    """How requests travel. ``latency``: leave to arrival and answer to receipt, each; ``service``: what a start takes; seconds.

    ``lag``: how late a timer fires. ``lost``: share of the answers that never come; the throttle hears of them after 10 s.
    """

    latency: tuple[float, float] = (0.005, 0.150)
    service: tuple[float, float] = (0.0, 0.0)
    lag: float = 0.001
    lost: float = 0.0
    retry_after: RetryAfter = None
    foreign: Iterable[float] = ()
    workers: int = 10


def drive(throttle: Throttle, limiter: Limiter, rows: int, road: Road | None = None, *, seed: int = 1) -> Drive:
    """Send ``rows`` rows until each got through once; a refused row goes again. Virtual time begins at 0."""
    return _Dispatcher(throttle, limiter, rows, road or Road(), random.Random(seed)).run()


class _Dispatcher:
    def __init__(self, throttle: Throttle, limiter: Limiter, rows: int, road: Road, chance: random.Random) -> None:
        self.throttle, self.limiter, self.rows, self.road, self.chance = throttle, limiter, rows, road, chance
        self.done, self.wire, self.wake = Drive(), 0, float("inf")
        self.events: list[tuple[float, int, str, tuple[object, ...]]] = []
        self.order = itertools.count()
        self.strangers = iter(road.foreign)

    def run(self) -> Drive:
        self._stranger()
        self._dispatch(0.0)
        while self.events and (self.rows or self.wire):
            now, _, kind, content = heapq.heappop(self.events)
            if kind == "stranger":
                self.done.foreign_refused += not self.limiter.arrive(now).accepted
                self._stranger()
                continue
            if kind == "arrive":
                self._arrive(now, *content)
                continue
            if kind == "wake":
                if now != self.wake:
                    continue  # set for an instant that was moved since
                self.wake = float("inf")
            elif kind == "answer":
                self._answer(now, *content)
            self._dispatch(now)
        return self.done

    def _push(self, at: float, kind: str, *content: object) -> None:
        heapq.heappush(self.events, (at, next(self.order), kind, content))

    def _stranger(self) -> None:
        at = next(self.strangers, None)
        if at is not None:
            self._push(at, "stranger")

    def _dispatch(self, now: float) -> None:
        while self.rows and self.wire < self.road.workers:
            at = self.throttle.next_leave(now)
            assert now <= at < now + 4000, (now, at)
            if at > now:
                if at < self.wake:
                    self.wake = at + self.chance.uniform(0, self.road.lag)
                    self._push(self.wake, "wake")
                return
            ticket = self.throttle.leave(now)
            self.rows -= 1
            self.wire += 1
            self.done.left.append(now)
            self._push(now + self.chance.uniform(*self.road.latency), "arrive", ticket)

    def _arrive(self, now: float, ticket: object) -> None:
        reply = self.limiter.arrive(now)
        self.done.arrived.append(now)
        back = self.chance.uniform(*self.road.latency)
        if reply.accepted:
            self.done.accepted.append(now)
            back += self.chance.uniform(*self.road.service)
        else:
            self.done.turned_away.append(now)
        lost = self.chance.random() < self.road.lost
        self._push(now + (10.0 if lost else back), "answer", ticket, reply, lost)

    def _answer(self, now: float, ticket: int, reply: Reply, lost: bool) -> None:
        self.wire -= 1
        if lost:
            self.rows += not reply.accepted
            self.throttle.answered(ticket, now, lost=True)
            return
        after = None
        if not reply.accepted:
            self.rows += 1
            self.done.refused += 1
            told = self.road.retry_after
            after = reply.exact_wait if told == "exact" else told(self.chance) if callable(told) else told
        chance = self.chance.random()
        self.throttle.answered(ticket, now, throttled=not reply.accepted, after=after, hint=reply.hint, jitter=chance)

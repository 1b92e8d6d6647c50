"""How soon the next request may leave: a token bucket, the platform's sliding window, the portal's own headers, and a learned rate.

Pure: no clock, no chance, no waiting. Every call is told the time, in seconds of a clock that never steps (``time.monotonic``);
jitter is an argument too. One dispatcher asks ``next_leave``, calls ``leave`` when that instant has come, and reports every answer.

A stated limit is kept with a small margin (decision 0002); the law of the learned rate stands in ``pace``.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass

from bulkstart.headroom import LONGEST_HOLD, PATIENCE, Headroom, RateHint, sane
from bulkstart.pace import Pace

__all__ = ["Limits", "RateHint", "Throttle", "ThrottleState"]

RATE_MARGIN, BURST_MARGIN = 0.99, 0.94  # of what is stated: measured, a strict bucket never refuses
PACED_MARGIN = 0.98  # of a rate stated without a burst: holds in a strict one-second window too
TIMER_SLACK = 0.015  # seconds that a late timer may catch up where requests are paced one by one
WIRE_SPREAD = 0.05  # seconds by which the first arrival may lag behind the others
ARRIVAL_BOUND = 2.0  # seconds after which a request that left has reached the portal, answered or not
LONGEST_BACKOFF, BACKOFF = 60.0, 1.4  # our own hold: 1 s, then growing by this factor

SPILL = 10.0  # tokens; what was spilled before that is forgotten
WARNING_SPACE = 10.0  # seconds in which a second warning is still the first
ROUNDING = 1e-9  # part of a token that is only floating point
BELIED_BY = 3  # requests more than a window can have left, as the portal's own headers tell: it is not that window
OUTAGE = 3  # refusals in a row, with nothing between them, after which a limit is taken for a long window


@dataclass(frozen=True, slots=True)
class Limits:
    """A portal's limit: ``rate`` requests a second, ``burst`` requests at once (``None``: nobody named it), both above 0.

    ``stated``: the user or the portal named the rate, so it is never exceeded; else it is where probing begins.
    ``window``: at most (requests, seconds) in any such span, e.g. ``(300, 60.0)`` (bitrix24-api 3.2).
    """

    rate: float
    burst: float | None = None
    stated: bool = True
    window: tuple[int, float] | None = None

    @property
    def safe_rate(self) -> float:
        """The rate that is kept: a little below a stated one."""
        if not self.stated:
            return self.rate
        return self.rate * (PACED_MARGIN if self.burst is None else RATE_MARGIN)

    @property
    def safe_burst(self) -> float:
        """The burst that is kept; where nobody named one, requests are paced one by one."""
        if self.burst is None:
            return _paced(self.rate)
        return max(1.0, self.burst * BURST_MARGIN - WIRE_SPREAD * self.rate)


@dataclass(frozen=True, slots=True)
class ThrottleState:
    """For the bar and the forecast: rate and burst now, until when everybody is held, requests unanswered, episodes of refusal.

    ``learned``: the rate comes from refusals, the first at ``since``, no longer from what was stated or assumed; ``spare``: requests that
    may leave at once.
    """

    rate: float
    burst: float
    held_until: float
    on_wire: int
    episodes: int
    learned: bool
    spare: float
    since: float


class Throttle:
    """Says when the next request may leave. Created with the limits and the present time; one dispatcher asks it.

    ``next_leave`` is always finite, and no hold is ever broken. Every ticket is reported once by ``answered``.
    """

    def __init__(self, limits: Limits, now: float) -> None:
        self.limits = limits
        self._pace = Pace(limits.safe_rate, limits.safe_rate if limits.stated else math.inf, now)
        self._bucket = _Bucket(limits.safe_rate, limits.safe_burst, now)
        self._window = _Window(*limits.window) if limits.window else None
        self._headroom = Headroom()
        self._on_wire: dict[int, float] = {}  # ticket and the instant it left
        self._pressed: set[int] = set()  # tickets that left as soon as the bucket let them: they prove something about the rate
        self._lost = 0  # requests that may not have arrived
        self._last, self._lone = 0, 0  # tickets: the latest of all, the latest that tried the road alone
        self._held, self._struck, self._slowed = now, now, -math.inf
        self._episode, self._failed = 0, 0  # last ticket that belongs to the present episode; episodes since a success

    def next_leave(self, now: float) -> float:
        """The earliest instant at which one more request may leave; ``now`` if at once."""
        room, lone = self._room(now)
        at = max(now, self._held, self._bucket.next(now), room)
        if self._window:
            at = max(at, self._window.next(now))
        if (lone or self._failed) and self._lone in self._on_wire:
            at = max(at, self._on_wire[self._lone] + PATIENCE)
        return at

    def leave(self, now: float, *, others: int = 0, pressed: bool = False) -> int:
        """One request leaves now; returns its ticket. Also for requests that start nothing: every request counts.

        ``others``: requests of other processes that left since the one before; ``pressed``: it was those that it waited for.
        """
        lone = self._room(now)[1]
        self._last += 1 + others
        self._on_wire[self._last] = now
        if self._bucket.take(now) or pressed:
            self._pressed.add(self._last)
        if self._window:
            self._window.leave(now)
        if lone or self._failed:
            self._lone = self._last
        if lone:
            self._headroom.tries(self._last, now)
        return self._last

    def answered(
        self,
        ticket: int,
        now: float,
        *,
        throttled: bool = False,
        lost: bool = False,
        after: float | None = None,
        hint: RateHint | None = None,
        jitter: float = 0.0,
    ) -> None:
        """The answer to ``ticket`` came. ``throttled``: refused for its rate, ``after`` seconds if the portal said how long.

        ``lost``: no answer, or one that proves nothing. ``jitter`` in [0, 1) spreads a hold of our own. An unknown ticket is ignored.
        """
        left = self._on_wire.pop(ticket, None)
        if left is None:
            return
        pressed = ticket in self._pressed
        self._pressed.discard(ticket)
        self._lost += lost
        if self._window:
            self._window.answered(left, now)
            if hint and not self._pace.episodes and self._window.belied(left, now, hint, self._lost):
                self._window = None
        if hint:
            self._headroom.told(ticket, left, now, hint, self._freed)
        if lost:
            return
        self._headroom.tried(ticket, through=not throttled)
        if throttled:
            self._refuse(ticket, left, now, sane(after, 0, math.inf), jitter)
        else:
            self._succeed(ticket, now, pressed=pressed)
        self._follow(now)

    def hold(self, until: float) -> None:
        """Nothing leaves before ``until``; a later hold that stands already stays."""
        if math.isfinite(until):
            self._held = max(self._held, until)

    def slow_down(self, factor: float, now: float) -> None:
        """The portal warned: go on at ``factor`` of the rate, and come back with care. At most once in ten seconds."""
        if now - self._slowed >= WARNING_SPACE:
            self._slowed = now
            self._pace.fall_to(self._pace.rate * factor, 0.0)
            self._follow(now)

    def state(self, now: float) -> ThrottleState:
        """What the throttle does at present."""
        pace, bucket = self._pace, self._bucket
        held, spare = max(now, self._held), bucket.spare(now)
        return ThrottleState(bucket.rate, bucket.burst, held, len(self._on_wire), pace.episodes, pace.learned, spare, pace.since)

    def places(self, now: float) -> list[float]:
        """Seconds until each place of the window that is taken now is free again, for the forecast."""
        return [at - now for at in list(self._window.frees) if at > now] if self._window else []

    @property
    def _freed(self) -> int:
        return self._window.freed if self._window else 0

    def _room(self, now: float) -> tuple[float, bool]:
        frees = self._window.clear(now) if self._window else math.inf
        room, lone = self._headroom.next(now, self._on_wire, self._last, self._freed, refused=self._pace.episodes > 0)
        return max(now, min(room, frees)), lone

    def _refuse(self, ticket: int, left: float, now: float, after: float | None, jitter: float) -> None:
        wait = after or 0.0
        if ticket > self._episode:
            if not self._failed:
                self._pace.refused(ticket, left)
            own = min(LONGEST_BACKOFF, BACKOFF ** min(self._failed, 20)) * (1 + jitter / 4)
            wait = own if after is None or self._failed else after
            self._failed += 1
            self._episode, self._struck = self._last, now
        self.hold(now + min(max(wait, after or 0.0), LONGEST_HOLD))
        self._pace.counted(self._held - now)

    def _succeed(self, ticket: int, now: float, *, pressed: bool) -> None:
        if ticket > self._episode:
            if self._failed >= OUTAGE:
                self._pace.endured(ticket, (self._struck + now) / 2)
            self._failed = 0
        if pressed:
            self._pace.accepted()

    def _follow(self, now: float) -> None:
        pace, burst = self._pace, self.limits.safe_burst
        whole = pace.rate >= pace.cap or not (pace.learned or pace.paced)
        self._bucket.change(pace.rate, burst if whole else min(burst, _paced(pace.rate)), now)


class _Bucket:
    """Tokens that come at ``rate`` up to ``burst``. One request takes one; a request that does not ask leaves a debt."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate, self.burst, self._tokens, self._seen = rate, burst, burst, now
        self._spilled = 0.0  # tokens that found no room, less those taken since

    def next(self, now: float) -> float:
        self._fill(now)
        missing = 1 - self._tokens
        return now if missing <= ROUNDING else now + missing / self.rate

    def take(self, now: float) -> bool:
        """Take one token. True unless as many are spilled as are taken, that is, unless nobody pressed to leave."""
        self._fill(now)
        pressed = self._spilled < 1
        self._tokens, self._spilled = self._tokens - 1, max(0.0, self._spilled - 1)
        return pressed

    def spare(self, now: float) -> float:
        """Tokens there are now."""
        self._fill(now)
        return max(0.0, self._tokens)

    def change(self, rate: float, burst: float, now: float) -> None:
        self._fill(now)
        self.rate, self.burst, self._tokens = rate, burst, min(self._tokens, burst)

    def _fill(self, now: float) -> None:
        tokens = self._tokens + self.rate * max(0.0, now - self._seen)
        self._spilled = min(SPILL, self._spilled + max(0.0, tokens - self.burst))
        self._tokens, self._seen = min(self.burst, tokens), max(now, self._seen)


class _Window:
    """Places of a sliding window. A place is free ``seconds`` after the latest instant at which its request can have arrived."""

    def __init__(self, places: int, seconds: float) -> None:
        self.freed = 0  # places that became free, ever
        self._places, self._seconds = places, seconds
        self.frees: list[float] = []

    def next(self, now: float) -> float:
        over = len(self.frees) - self._places
        return now if over < 0 else max(now, self.frees[over])

    def clear(self, now: float) -> float:
        """Count the places that are free again by now; returns when the next one will be."""
        gone = bisect_right(self.frees, now)
        self.freed += gone
        del self.frees[:gone]
        return self.frees[0] if self.frees else math.inf

    def belied(self, left: float, now: float, hint: RateHint, unsure: int) -> bool:
        """Whether the answer to a request tells more places than such a window can have left, with what was answered before it ``left``."""
        remaining = sane(hint.remaining, 0, self._places)
        if remaining is None or hint.limit != self._places:
            return False
        inside = bisect_right(self.frees, left + self._seconds) - bisect_right(self.frees, now + ARRIVAL_BOUND)
        return remaining > self._places - inside + unsure + BELIED_BY

    def leave(self, now: float) -> None:
        insort(self.frees, now + ARRIVAL_BOUND + self._seconds)

    def answered(self, left: float, now: float) -> None:
        assumed = left + ARRIVAL_BOUND + self._seconds
        index = bisect_left(self.frees, assumed)
        if now + self._seconds < assumed and index < len(self.frees):
            del self.frees[index]
            insort(self.frees, now + self._seconds)


def _paced(rate: float) -> float:
    return 1 + TIMER_SLACK * rate

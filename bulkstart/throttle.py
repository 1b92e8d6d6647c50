"""How soon the next request may leave: a token bucket, the platform's sliding window, the portal's own headers, and a learned rate.

Pure: no clock, no chance, no waiting. Every call is told the time, in seconds of a clock that never steps (``time.monotonic``);
jitter is an argument too. One dispatcher asks ``next_leave``, calls ``leave`` when that instant has come, and reports every answer.

The law (decision 0002): stay a small margin below what was stated. Where nothing was stated, grow by a constant per accepted answer
until the first refusal; from then on the rate is what got through between two refusals, approached from below, passed with care.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass

RATE_MARGIN, BURST_MARGIN = 0.99, 0.94  # of what is stated: measured, a strict bucket never refuses
PACED_MARGIN = 0.98  # of a rate stated without a burst: holds in a strict one-second window too
TIMER_SLACK = 0.015  # seconds that a late timer may catch up where requests are paced one by one
WIRE_SPREAD = 0.05  # seconds by which the first arrival may lag behind the others
ARRIVAL_BOUND = 2.0  # seconds after which a request that left has reached the portal, answered or not
LONGEST_HOLD = 3600.0  # a longer Retry-After is nonsense: a run without success has ended long before
LONGEST_BACKOFF, BACKOFF = 60.0, 1.4  # our own hold: 1 s, then growing by this factor
SLOWEST = 0.1  # requests a second; the law never goes below, unless the stated rate does
PATIENCE = 1.0  # seconds that all others wait for the answer of a lone request that tries the road
FAR_RESET = 5.0  # seconds; a reset further off belongs to a window, a nearer one to a bucket
LOOK_AGAIN = 0.25  # seconds after which a full bucket is looked at again

GROWTH = 7.0  # seconds in which a rate that was never refused grows e-fold
FIRST_CUT, CUT = 0.33, 0.06  # part by which the rate falls below its level: not knowing the limit, knowing it
WIDEST_CUT = 2.0  # what got through is never taken for less than the rate divided by this
CONVEX = 0.4  # how steeply the rate passes beyond its level
STEP_REQUESTS, STEP_SECONDS, STEP_HOLDS = 60, 10.0, 6.0  # the way back to the level: requests for each refused one, seconds, holds
CALMEST = 4.0  # times that way, where the level proved right again and again
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
class RateHint:
    """``X-RateLimit-*`` as numbers; ``reset_seconds`` from now (the caller decodes epochs). Absent or unreadable: ``None``."""

    limit: float | None = None
    remaining: float | None = None
    reset_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ThrottleState:
    """For the bar and the forecast: rate and burst now, until when everybody is held, requests unanswered, episodes of refusal.

    ``learned``: the rate comes from refusals, no longer from what was stated or assumed.
    """

    rate: float
    burst: float
    held_until: float
    on_wire: int
    episodes: int
    learned: bool


class Throttle:
    """Says when the next request may leave. Created with the limits and the present time; one dispatcher asks it.

    ``next_leave`` is always finite, and no hold is ever broken. Every ticket is reported once by ``answered``.
    """

    def __init__(self, limits: Limits, now: float) -> None:
        self.limits = limits
        self._pace = _Pace(limits, now)
        self._bucket = _Bucket(limits.safe_rate, limits.safe_burst, now)
        self._window = _Window(*limits.window) if limits.window else None
        self._headroom = _Headroom()
        self._on_wire: dict[int, _Sent] = {}
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
            at = max(at, self._on_wire[self._lone].at + PATIENCE)
        return at

    def leave(self, now: float) -> int:
        """One request leaves now; returns its ticket. Also for requests that start nothing: every request counts."""
        lone = self._room(now)[1]
        self._last += 1
        self._on_wire[self._last] = _Sent(now, self._bucket.take(now))
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
        sent = self._on_wire.pop(ticket, None)
        if sent is None:
            return
        if self._window:
            self._window.answered(sent.at, now)
        if hint:
            self._headroom.told(ticket, sent.at, now, hint, self._freed)
        if lost:
            return
        self._headroom.tried(ticket, through=not throttled)
        if throttled:
            self._refuse(ticket, sent.at, now, _sane(after, 0, math.inf), jitter)
        else:
            self._succeed(ticket, now, pressed=sent.pressed)
        self._follow(now)

    def hold(self, until: float) -> None:
        """Nothing leaves before ``until``; a later hold that stands already stays."""
        if math.isfinite(until):
            self._held = max(self._held, until)

    def slow_down(self, now: float, factor: float = 0.5) -> None:
        """The portal warned: go on at ``factor`` of the rate, and come back with care. At most once in ten seconds."""
        if now - self._slowed >= STEP_SECONDS:
            self._slowed = now
            self._pace.fall_to(self._pace.rate * factor, 0.0)
            self._follow(now)

    def state(self, now: float) -> ThrottleState:
        """What the throttle does at present."""
        pace, bucket = self._pace, self._bucket
        return ThrottleState(bucket.rate, bucket.burst, max(now, self._held), len(self._on_wire), pace.episodes, pace.learned)

    @property
    def _freed(self) -> int:
        return self._window.freed if self._window else 0

    def _room(self, now: float) -> tuple[float, bool]:
        return self._headroom.next(now, self._on_wire, self._last, self._freed, refused=self._pace.episodes > 0)

    def _refuse(self, ticket: int, left: float, now: float, after: float | None, jitter: float) -> None:
        wait = after or 0.0
        if ticket > self._episode:
            if not self._failed:
                self._pace.refused(ticket, left)
            own = min(LONGEST_BACKOFF, BACKOFF**self._failed) * (1 + jitter / 4)
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
        whole = not pace.learned or pace.rate >= pace.cap
        self._bucket.change(pace.rate, burst if whole else min(burst, _paced(pace.rate)), now)


@dataclass(frozen=True, slots=True)
class _Sent:
    at: float
    pressed: bool  # it left as soon as the bucket let it: only such requests prove anything about the rate


class _Bucket:
    """Tokens that come at ``rate`` up to ``burst``. One request takes one; a request that does not ask leaves a debt."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate, self.burst, self._tokens, self._seen = rate, burst, burst, now

    def next(self, now: float) -> float:
        missing = 1 - self._level(now)
        return now if missing <= 1e-9 else now + missing / self.rate

    def take(self, now: float) -> bool:
        """Take one token. True unless the bucket had run over by a whole one, that is, unless nobody pressed to leave."""
        pressed = self._tokens + self.rate * (now - self._seen) < self.burst + 1
        self._tokens, self._seen = self._level(now) - 1, max(now, self._seen)
        return pressed

    def change(self, rate: float, burst: float, now: float) -> None:
        self._tokens, self._seen = min(self._level(now), burst), max(now, self._seen)
        self.rate, self.burst = rate, burst

    def _level(self, now: float) -> float:
        return min(self.burst, self._tokens + self.rate * max(0.0, now - self._seen))


class _Window:
    """Places of a sliding window. A place is free ``seconds`` after the latest instant at which its request can have arrived."""

    def __init__(self, places: int, seconds: float) -> None:
        self.freed = 0  # places that became free, ever
        self._places, self._seconds = places, seconds
        self._frees: list[float] = []

    def next(self, now: float) -> float:
        gone = bisect_right(self._frees, now)
        self.freed += gone
        del self._frees[:gone]
        over = len(self._frees) - self._places
        return now if over < 0 else self._frees[over]

    def leave(self, now: float) -> None:
        insort(self._frees, now + ARRIVAL_BOUND + self._seconds)

    def answered(self, left: float, now: float) -> None:
        assumed = left + ARRIVAL_BOUND + self._seconds
        index = bisect_left(self._frees, assumed)
        if now + self._seconds < assumed and index < len(self._frees):
            del self._frees[index]
            insort(self._frees, now + self._seconds)


class _Headroom:
    """What the portal's headers say is left, minus what left since. A far reset is tried early, and waited for as that proves right.

    A near reset counts only after a refusal: an honest pace keeps a one-second window full, and that is no reason to wait.
    """

    def __init__(self) -> None:
        self._ticket, self._left, self._seen, self._expires = 0, 0.0, 0.0, -math.inf
        self._remaining, self._freed, self._far = math.inf, 0, False
        self._trust, self._early = 0.5, 0  # part of a far reset that is waited for; the lone request that tries before it

    def told(self, ticket: int, left: float, now: float, hint: RateHint, freed: int) -> None:
        limit, remaining = _sane(hint.limit, 1, 1e9), _sane(hint.remaining, 0, 1e9)
        older = ticket < self._ticket and now < self._expires
        if limit is None or remaining is None or remaining > limit or older:
            return
        reset = _sane(hint.reset_seconds, 0, LONGEST_HOLD) or PATIENCE
        self._far = reset > FAR_RESET
        reserve = 0.0 if self._far else min(2.0, limit / 20)  # a bucket is shared with others, whose requests are on their way
        self._ticket, self._left, self._seen, self._freed = ticket, left, now, freed
        self._remaining = remaining - reserve
        self._expires = now + reset if self._far else left + max(reset, PATIENCE)

    def next(self, now: float, on_wire: dict[int, _Sent], last: int, freed: int, *, refused: bool) -> tuple[float, bool]:
        """The earliest instant as far as the headers go, and whether it is one for a lone request that tries the road."""
        if not (self._far or refused):
            return now, False
        unseen = last - self._ticket + sum(t < self._ticket and s.at > self._left - PATIENCE for t, s in on_wire.items())
        if self._remaining - unseen + freed - self._freed >= 1:
            return now, False
        if self._far:
            return max(now, self._seen + self._trust * (self._expires - self._seen)), True
        return max(now, min(self._expires, self._seen + LOOK_AGAIN)), now < self._expires

    def tries(self, ticket: int, now: float) -> None:
        if self._far and now < self._expires:
            self._early = ticket

    def tried(self, ticket: int, *, through: bool) -> None:
        if ticket == self._early:
            self._trust = max(1 / 16, self._trust / 2) if through else min(1.0, self._trust * 2)


class _Pace:
    """The learned rate. ``level`` is what the portal bears as far as known; ``_step`` counts the way back to it, which ends at 1."""

    def __init__(self, limits: Limits, now: float) -> None:
        self.cap = limits.safe_rate if limits.stated else math.inf
        self.rate = limits.safe_rate
        self.level, self.episodes = math.inf, 0
        self._floor = min(SLOWEST, limits.safe_rate)
        self._step, self._depth, self._calm = 0.0, 0.0, 1.0
        self._first = (0, now)  # ticket and instant at which the latest episode began
        self._refused, self._hold = 0, 0.0  # of that episode
        self._stretch, self._stretch_refused = (0, now), 0  # since the start, or since the latest outage

    @property
    def learned(self) -> bool:
        return self.level < math.inf

    def accepted(self) -> None:
        """One request that pressed got through."""
        if not self.learned:
            self.rate = min(self.cap, self.rate + 1 / GROWTH)
            return
        requests = STEP_REQUESTS * max(1, self._refused)
        seconds = max(STEP_SECONDS, STEP_HOLDS * self._hold)
        self._step += min(1 / requests, 1 / (self.rate * seconds)) / (self._calm if self._step < 1 else 1)
        bend = self._depth if self._step < 1 else CONVEX
        self.rate = min(self.cap, max(self._floor, self.level * (1 + bend * (self._step - 1) ** 3)))

    def refused(self, ticket: int, left: float) -> None:
        """A new episode begins with this ticket. Early on the way back, what got through since the last one tells the level."""
        reached = self.rate
        if not self.episodes:
            level, depth = reached, FIRST_CUT if self.cap == math.inf else CUT
        elif self._step >= 1:
            self._calm = min(CALMEST, self._calm * 2)
            level, depth = math.sqrt(self.level * reached), CUT
        else:
            self._calm = max(1.0, self._calm / 2)
            through = (ticket - self._first[0] - self._refused) / max(left - self._first[1], 1e-3)
            level, depth = math.sqrt(reached * min(max(through, reached / WIDEST_CUT), reached)), CUT
        self.fall_to(level, depth)
        self._first, self._refused, self._hold = (ticket, left), 0, 0.0
        self.episodes += 1

    def counted(self, hold: float) -> None:
        """One more refusal of this episode; everybody is held for so many seconds."""
        self._refused += 1
        self._stretch_refused += 1
        self._hold = max(self._hold, hold)

    def endured(self, ticket: int, now: float) -> None:
        """An outage is over: what got through since the stretch before it began is what a long window bears."""
        bears = (ticket - self._stretch[0] - self._stretch_refused) / max(now - self._stretch[1], 1e-3)
        self.fall_to(min(bears, self.level), CUT)
        self._stretch, self._stretch_refused = (ticket, now), 0

    def fall_to(self, level: float, depth: float) -> None:
        self.level, self._depth, self._step = max(level, self._floor), depth, 0.0
        self.rate = min(self.cap, max(self._floor, self.level * (1 - depth)))


def _paced(rate: float) -> float:
    return 1 + TIMER_SLACK * rate


def _sane(number: float | None, least: float, most: float) -> float | None:
    """The number, if it is one and lies between both bounds."""
    return number if number is not None and least <= number <= most else None

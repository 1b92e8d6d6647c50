"""How soon the next request may leave: a token bucket, the platform's sliding window, the portal's own headers, and a learned rate.

Pure: no clock, no chance, no waiting. Every call is told the time, in seconds of a clock that never steps (``time.monotonic``);
jitter is an argument too. One dispatcher asks ``next_leave``, calls ``leave`` when that instant has come, and reports every answer.

The law (decision 0002): stay a small margin below what was stated; where nothing was stated, grow by a constant per accepted answer
until the first refusal; from then on the rate is what got through between two refusals, approached from below and passed with care.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass

RATE_MARGIN, BURST_MARGIN = 0.99, 0.94  # of what is stated: measured, no refusal from a strict bucket
PACED_MARGIN = 0.98  # of a rate stated without a burst: holds in a strict one-second window too
TIMER_SLACK = 0.015  # seconds that a late timer may catch up where requests are paced
WIRE_SPREAD = 0.05  # seconds by which the first arrival may lag behind the others
ARRIVAL_BOUND = 2.0  # a request has reached the portal this many seconds after it left, answered or not
LONGEST_HOLD = 3600.0  # a longer Retry-After is nonsense; a run without success ends long before
LONGEST_BACKOFF = 60.0
SLOWEST = 0.1  # requests a second; below this the law never goes
FAR_RESET = 5.0  # a reset further off than this belongs to a window, a nearer one to a bucket
LOOK_AGAIN = 0.25  # seconds after which a full bucket is looked at again
PATIENCE = 1.0  # seconds that others wait for the answer of a lone request that tries the road

GROWTH = 7.0  # seconds in which an unrefused rate grows e-fold
FIRST_CUT = 0.33  # part taken from the rate at the first refusal
CUT = 0.06  # part by which a learned rate stays below what got through
CONVEX = 0.4  # how steeply the rate passes beyond what got through
STEP_REQUESTS, STEP_SECONDS, STEP_HOLDS = 60, 10.0, 6.0  # whichever is most
CALM = 4.0
AGREE = 1.0
BACKOFF = 1.6
OUTAGE = 3
WIDEST_CUT = 2.0  # one episode never divides the rate by more


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
        """The rate kept: a little below a stated one."""
        if not self.stated:
            return self.rate
        return self.rate * (RATE_MARGIN if self.burst is not None else PACED_MARGIN)

    @property
    def safe_burst(self) -> float:
        """The burst kept; where nobody named one, requests are paced one by one."""
        paced = 1 + TIMER_SLACK * self.rate
        if self.burst is None:
            return paced
        return max(1.0, self.burst * BURST_MARGIN - WIRE_SPREAD * self.rate)


@dataclass(frozen=True, slots=True)
class RateHint:
    """``X-RateLimit-*`` as numbers; ``reset_seconds`` from now (the caller decodes epochs). Absent or unreadable: ``None``."""

    limit: float | None = None
    remaining: float | None = None
    reset_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ThrottleState:
    """For the progress bar and the forecast: present rate and burst, until when everybody is held, episodes of refusal so far."""

    rate: float
    burst: float
    held_until: float
    on_wire: int
    episodes: int
    learned: bool


@dataclass(frozen=True, slots=True)
class _Left:
    at: float
    pressed: bool  # it left as soon as the bucket let it: only such requests prove anything about the rate


class _Bucket:
    """Tokens that come at ``rate`` up to ``burst``; one request takes one, and may leave the bucket in debt."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate, self.burst, self.tokens, self.seen = rate, burst, burst, now

    def next(self, now: float) -> float:
        missing = 1 - self._level(now)
        return now if missing <= 1e-9 else now + missing / self.rate

    def take(self, now: float) -> bool:
        """Take one token; true unless the bucket had run over, that is, unless nobody pressed to leave."""
        pressed = self.tokens + self.rate * (now - self.seen) < self.burst + 1
        self.tokens, self.seen = self._level(now) - 1, max(now, self.seen)
        return pressed

    def change(self, rate: float, burst: float, now: float) -> None:
        self.tokens, self.seen = min(self._level(now), burst), max(now, self.seen)
        self.rate, self.burst = rate, burst

    def _level(self, now: float) -> float:
        return min(self.burst, self.tokens + self.rate * max(0.0, now - self.seen))


class _Window:
    """Places of a sliding window. A place is free again ``seconds`` after the latest instant at which its request arrived."""

    def __init__(self, places: int, seconds: float) -> None:
        self.places, self.seconds, self.freed = places, seconds, 0
        self._frees: list[float] = []

    def next(self, now: float) -> float:
        gone = bisect_right(self._frees, now)
        self.freed += gone
        del self._frees[:gone]
        over = len(self._frees) - self.places
        return now if over < 0 else self._frees[over]

    def leave(self, now: float) -> None:
        insort(self._frees, now + ARRIVAL_BOUND + self.seconds)

    def answered(self, left: float, now: float) -> None:
        assumed = left + ARRIVAL_BOUND + self.seconds
        index = bisect_left(self._frees, assumed)
        if now + self.seconds < assumed and index < len(self._frees):
            del self._frees[index]
            insort(self._frees, now + self.seconds)


class _Pace:
    """The learned rate. ``step`` counts how far it has come back since the last refusal: at 1 it is ``level`` again."""

    def __init__(self, limits: Limits, start: float) -> None:
        self.cap = limits.safe_rate if limits.stated else math.inf
        self.rate = limits.safe_rate
        self.level, self.step, self.depth, self.held = math.inf, 0.0, FIRST_CUT, 0.0
        self.calm = 1.0
        self._stretch, self.refused_all = (0, start), 0
        self.refused_now, self.episodes = 0, 0
        self._first: tuple[int, float] | None = None  # ticket and instant at which the latest episode began

    @property
    def learned(self) -> bool:
        return self.level < math.inf

    def accepted(self) -> None:
        """One request that pressed got through."""
        if not self.learned:
            self.rate = min(self.cap, self.rate + 1 / GROWTH)
            return
        requests = STEP_REQUESTS * max(1, self.refused_now)
        seconds = max(STEP_SECONDS, STEP_HOLDS * self.held)
        self.step += min(1 / requests, 1 / (self.rate * seconds)) / (self.calm if self.step < 1 else 1.0)
        bend = self.depth if self.step < 1 else CONVEX
        self.rate = min(self.cap, self.level * (1 + bend * (self.step - 1) ** 3))

    def refused(self, ticket: int, left: float) -> None:
        """A new episode: what got through since the one before is what the portal bears."""
        reached = self.rate
        if self._first is None:
            self.fall_to(reached, FIRST_CUT if self.cap == math.inf else CUT)
        elif self.step >= AGREE:
            self.calm = min(CALM, self.calm * 2)
            self.fall_to(math.sqrt(self.level * reached), CUT)
        else:
            self.calm = max(1.0, self.calm / 2)
            through = ticket - self._first[0] - self.refused_now
            bears = through / max(left - self._first[1], 1e-3)
            self.fall_to(math.sqrt(reached * min(max(bears, reached / WIDEST_CUT**2), reached)), CUT)
        self._first, self.refused_now, self.held = (ticket, left), 0, 0.0
        self.episodes += 1

    def endured(self, ticket: int, now: float) -> None:
        """A long closure ended: what got through from the stretch before it until now is what a long window bears."""
        bears = (ticket - self._stretch[0] - self.refused_all) / max(now - self._stretch[1], 1e-3)
        self.fall_to(min(bears, self.level), CUT)
        self._stretch, self.refused_all = (ticket, now), 0

    def fall_to(self, level: float, depth: float) -> None:
        self.level, self.depth, self.step = max(level, SLOWEST), depth, 0.0
        self.rate = min(self.cap, self.level * (1 - depth))


class _Headroom:
    """What the portal's headers say is left, minus what left since. A far reset is tried early, and waited for as that proves right."""

    def __init__(self) -> None:
        self._ticket, self._left, self._seen, self._expires = -1, 0.0, 0.0, -math.inf
        self._remaining, self._reserve, self._freed, self._far = math.inf, 0.0, 0, False
        self._trust = 0.5  # the part of a far reset that is waited before a lone request tries the road
        self._early = -1

    def told(self, ticket: int, left: float, now: float, hint: RateHint, freed: int) -> None:
        limit, remaining = _sane(hint.limit, 1, 1e6), _sane(hint.remaining, 0, 1e6)
        if limit is None or remaining is None or remaining > limit or (ticket < self._ticket and now < self._expires):
            return
        reset = _sane(hint.reset_seconds, 0, LONGEST_HOLD) or PATIENCE
        self._far = reset > FAR_RESET
        self._ticket, self._left, self._seen, self._remaining, self._freed = ticket, left, now, remaining, freed
        self._reserve = 0.0 if self._far else min(2.0, 0.05 * limit)
        self._expires = now + reset if self._far else left + max(reset, PATIENCE)

    def next(self, now: float, on_wire: dict[int, _Left], last: int, freed: int, refused: bool) -> tuple[float, bool]:
        """The earliest instant as far as the headers go, and whether a lone request should try the road then."""
        if not (self._far or refused):
            return now, False
        unseen = last - self._ticket + sum(t < self._ticket and w.at > self._left - PATIENCE for t, w in on_wire.items())
        if self._remaining - self._reserve - unseen + freed - self._freed >= 1:
            return now, False
        if self._far:
            return max(now, self._seen + self._trust * (self._expires - self._seen)), True
        return max(now, min(self._expires, self._seen + LOOK_AGAIN)), now < self._expires

    def left(self, ticket: int, now: float) -> None:
        """A lone request tries the road."""
        if self._far and now < self._expires:
            self._early = ticket

    def tried(self, ticket: int, *, through: bool) -> None:
        if ticket == self._early:
            self._trust = max(1 / 16, self._trust / 2) if through else min(1.0, self._trust * 2)


class Throttle:
    """Says when the next request may leave. Created with the limits and the present time; one dispatcher asks it.

    ``next_leave`` is always finite; a hold is never broken. A request that was let go must be reported by ``answered`` once.
    """

    def __init__(self, limits: Limits, now: float) -> None:
        self.limits = limits
        self._pace = _Pace(limits, now)
        self._bucket = _Bucket(limits.safe_rate, limits.safe_burst, now)
        self._window = _Window(*limits.window) if limits.window else _Window(0, 0.0)
        self._headroom = _Headroom()
        self._held, self._last, self._episode = now, 0, 0
        self._on_wire: dict[int, _Left] = {}
        self._failed = 0  # episodes since a request that left after the hold got through
        self._lone: tuple[int, float] = (0, -math.inf)
        self._slowed = -math.inf

    def next_leave(self, now: float) -> float:
        """The earliest instant at which one more request may leave; ``now`` if at once."""
        at = max(now, self._held, self._bucket.next(now))
        if self.limits.window:
            at = max(at, self._window.next(now))
        room, lone = self._headroom.next(now, self._on_wire, self._last, self._window.freed, self._pace.episodes > 0)
        if (lone or self._failed) and self._lone[0] in self._on_wire:
            at = max(at, self._lone[1] + PATIENCE)
        return max(at, room)

    def leave(self, now: float) -> int:
        """One request leaves now; returns its ticket. Also for requests that start nothing: every request counts."""
        self._last += 1
        lone = self._headroom.next(now, self._on_wire, self._last - 1, self._window.freed, self._pace.episodes > 0)[1]
        if lone:
            self._headroom.left(self._last, now)
        if lone or self._failed:
            self._lone = self._last, now
        self._on_wire[self._last] = _Left(now, self._bucket.take(now))
        if self.limits.window:
            self._window.leave(now)
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

        ``lost``: no answer, or one that proves nothing. ``jitter`` in [0, 1) spreads a backoff of our own. A ticket unknown: ignored.
        """
        sent = self._on_wire.pop(ticket, None)
        if sent is None:
            return
        if self.limits.window:
            self._window.answered(sent.at, now)
        if hint is not None:
            self._headroom.told(ticket, sent.at, now, hint, self._window.freed)
        if lost:
            return
        self._headroom.tried(ticket, through=not throttled)
        if throttled:
            self._refuse(ticket, sent, now, _sane(after, 0, math.inf), jitter)
            return
        if ticket > self._episode:
            if self._failed >= OUTAGE:
                self._pace.endured(ticket, (self._struck+now)/2)
            self._failed = 0
        if sent.pressed:
            self._pace.accepted()
            self._follow(now)

    def _refuse(self, ticket: int, sent: _Left, now: float, after: float | None, jitter: float) -> None:
        if ticket > self._episode:
            if not self._failed:
                self._pace.refused(ticket, sent.at)
            self._failed += 1
            self._episode = self._last
            self._struck = now
            own = min(LONGEST_BACKOFF, BACKOFF ** (self._failed - 1)) * (1 + jitter / 4)
            wait = own if after is None else max(after, own / 2 if self._failed > 1 else 0.0)
        else:
            wait = after or 0.0
        self._pace.refused_now += 1
        self._pace.refused_all += 1
        self.hold(now + min(wait, LONGEST_HOLD))
        self._pace.held = max(self._pace.held, self._held - now)
        self._follow(now)

    def hold(self, until: float) -> None:
        """Nothing leaves before ``until``; a later hold that stands already stays."""
        if math.isfinite(until):
            self._held = max(self._held, until)

    def slow_down(self, now: float, factor: float = 0.5) -> None:
        """The portal warned: go on at ``factor`` of the rate, and come back with care. At most once in ten seconds."""
        if now - self._slowed >= 10.0:
            self._slowed = now
            self._pace.fall_to(self._pace.rate, 1 - factor)
            self._follow(now)

    def state(self, now: float) -> ThrottleState:
        pace = self._pace
        return ThrottleState(pace.rate, self._bucket.burst, max(now, self._held), len(self._on_wire), pace.episodes, pace.learned)

    def _follow(self, now: float) -> None:
        rate = max(self._pace.rate, min(SLOWEST, self.limits.safe_rate))
        whole = not self._pace.learned or rate >= self._pace.cap
        self._bucket.change(rate, self.limits.safe_burst if whole else min(self.limits.safe_burst, 1 + TIMER_SLACK * rate), now)


def _sane(number: float | None, least: float, most: float) -> float | None:
    """The number, if it is one and lies between both bounds."""
    return number if number is not None and least <= number <= most else None

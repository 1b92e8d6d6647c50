"""The rate a portal bears, learned from what it lets through (decision 0002).

Until the first refusal the rate grows by a constant per accepted request, that is, exponentially in time. A refusal begins an
*episode*; refusals of requests that were on the wire already belong to it. Between the beginnings of two episodes a full bucket
lets through exactly what leaks out of it, so that quotient, not the length of a hold, tells the ``level``. The rate then comes
back to the level from a little below, stays near it the longer the more often it proved right, and passes beyond with care.
"""

from __future__ import annotations

import math

SLOWEST = 0.1  # requests a second; the law never goes below, unless it was created there
GROWTH = 7.0  # seconds in which a rate that was never refused grows e-fold
FIRST_BURST = 1.2  # times the rate at the beginning: a refusal below that is the first burst's
FIRST_CUT, CUT = 0.33, 0.06  # part by which the rate falls below its level: where the limit is unknown, where it is known
SEEN_AGAIN, SEEN_LEVEL = 0.2, 0.88  # so far on the way back from the first refusal, a second tells the level by itself
WIDEST_CUT = 2.0  # what got through is never taken for less than the rate divided by this
CONVEX = 0.4  # how steeply the rate passes beyond its level
STEP_REQUESTS = 60  # the way back to the level, for each request that the episode saw refused
STEP_SECONDS, STEP_HOLDS = 10.0, 6.0  # and at least so many seconds, and so many times the hold
FREE = (
    1.4  # steps, 2.6 % beyond the level, from which on seconds count and no requests, where more than twice the level was stated
)
NEAR = 1.5  # times the level: a refusal below that proves it right
CALMEST = 4.0  # times that way, where the level proved right again and again


class Pace:
    """The learned rate. ``level`` is what the portal bears as far as known; ``_step`` counts the way back to it, which ends at 1."""

    def __init__(self, rate: float, cap: float, now: float) -> None:
        self.rate, self.cap = rate, cap
        self.level, self.episodes, self.paced = math.inf, 0, False
        self.since = now  # the first refusal
        self._begin, self._floor = rate, min(SLOWEST, rate)
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
        step = min(1 / requests, 1 / (self.rate * seconds)) / (self._calm if self._step < 1 else 1)
        if self._step >= FREE and self.level < self.cap / 2 < math.inf:
            step = max(step, 1 / (self.rate * STEP_SECONDS))
        self._step += step
        bend = self._depth if self._step < 1 else CONVEX
        self.rate = min(self.cap, max(self._floor, self.level * (1 + bend * (self._step - 1) ** 3)))

    def refused(self, ticket: int, left: float) -> None:
        """A new episode begins with this ticket."""
        if not self.episodes and self.rate < self._begin * FIRST_BURST and self.cap == math.inf:
            self.paced, self.rate = True, self.rate * (1 - FIRST_CUT)  # it was the first burst; of the rate this says nothing
        else:
            self.fall_to(*self._believed(ticket, left))
        self._first, self._refused, self._hold = (ticket, left), 0, 0.0
        self.since = self.since if self.episodes else left
        self.episodes += 1

    def _believed(self, ticket: int, left: float) -> tuple[float, float]:
        """The level after a refusal, and how far below it to go on. Early on the way back, what got through tells the level."""
        reached = self.rate
        if not self.learned:
            return reached, FIRST_CUT if self.cap == math.inf else CUT
        if self._step >= 1:
            self._calm = min(CALMEST, self._calm * 2) if reached < self.level * NEAR else 1.0
            return math.sqrt(self.level * reached), CUT
        self._calm = max(1.0, self._calm / 2)
        if self._depth == FIRST_CUT and self._step >= SEEN_AGAIN:
            return reached * SEEN_LEVEL, CUT
        through = (ticket - self._first[0] - self._refused) / max(left - self._first[1], 1e-3)
        return math.sqrt(reached * min(max(through, reached / WIDEST_CUT), reached)), CUT

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

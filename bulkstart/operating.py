"""How soon the next start may leave so that the portal's operating time is not used up (bitrix24-api.md 3.1, 3.4).

A portal sums what a method's calls took over a window of ten baskets (documented: ten minutes, threshold 480 s as an example) and
refuses calls while the sum has reached its threshold. It checks before a call: the call that crosses is carried out. Nobody states
the threshold, so it is learned from the first refusal (see ``Operating``) and kept from then on.

Pure: no clock, no waiting. Every call is told the time, in seconds of a clock that never steps.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

WINDOW = 600.0  # seconds: ten baskets of a minute, as documented
BASKETS = 10
SHARE = 0.8  # of the window: 480 s in 600 s, the documented example; tells the window from the threshold where nothing else does
STATED_SHARE = 0.9  # of a stated threshold: kept
LEAST_SHARE, MOST_SHARE = 0.8, 0.92  # of the sum at which a call was refused: kept
OVERSHOOT = 0.04  # of what is kept: by so much the last start may go beyond it
LEAST_SEEN = 0.04  # of the documented threshold: a refusal below it, by our own measure, is somebody else's use of the method
HOLD, LONGEST_HOLD = 60.0, 600.0  # seconds: a pause whose end nobody tells, growing twofold (4.3)
SLACK = 1.0  # seconds: the portal tells its reset in whole ones
PATIENCE = 130.0  # seconds that a start which tries alone is waited for: longer than any transport waits for an answer
RECENT = 20  # starts that tell how long the next one takes
SLOW = 0.8  # their quantile
WIDER = 1.25  # times: a guessed window that proved too short


@dataclass(frozen=True, slots=True)
class Spent:
    """What an answer says of its method's operating time, in seconds; ``None`` where it does not say.

    ``operating``: the sum of the running window, this call included or not; ``reset_in``: from the end of the call until part of it is
    free again; ``duration``: what this call took.
    """

    operating: float | None = None
    reset_in: float | None = None
    duration: float | None = None


@dataclass(frozen=True, slots=True)
class OperatingState:
    """For the bar and the forecast, in seconds: used of the window, kept at most (``None``: not known yet), one start, the window.

    ``pauses``: refusals for operating time, those of requests that were on the wire already counted with the first.
    """

    used: float
    limit: float | None
    per_start: float
    window: float
    held_until: float
    pauses: int


@dataclass(frozen=True, slots=True)
class _Call:
    left: float
    starts: int
    known: float  # the sum that was known when it left
    alone: bool  # nothing else was on the wire then


@dataclass(frozen=True, slots=True)
class _Told:
    value: float
    reset_at: float


class Operating:
    """One method and one credential. Created with the present time and the threshold where somebody states it.

    Where the portal tells its sum, that counts, and each reset is tried by one start alone, whose answer tells the new sum. Where
    it does not, our own measured durations count, over the documented window, or after a refusal over the one in which the sum at
    that refusal is the documented share. What is kept after a refusal: the highest sum that let a start through, but at least 80
    and at most 92 % of the sum at which it was refused.
    """

    def __init__(self, now: float, *, threshold: float | None = None) -> None:
        self._limit = None if threshold is None else STATED_SHARE * threshold
        self._window = WINDOW
        self._work: deque[tuple[float, float]] = deque()  # of the window: when an answer came, and what its starts took
        self._own = 0.0  # their sum
        self._past: deque[tuple[float, float]] = deque()  # what left it, younger than the documented window
        self._durations: deque[float] = deque(maxlen=RECENT)
        self._wire: dict[int, _Call] = {}
        self._told: _Told | None = None
        self._excludes = False  # whether the sum that a call tells is that of the calls before it
        self._untold = 0.0  # what finished since the portal told its sum
        self._proven = 0.0  # the highest sum known to have let a start through
        self._seen = math.inf  # the sum at which the latest one was refused
        self._last, self._lone, self._lone_left = 0, 0, -math.inf
        self._held, self._episode, self._failed, self._pauses = now, 0, 0, 0
        self._careful = False  # after a pause, until a start gets through: one at a time

    def room(self, now: float, most: int) -> int:
        """How many starts, from one to ``most``, the next request may hold: one alone where it tries what is free."""
        self._forget(now)
        if self._limit is None and not self._careful:
            return most
        fitting = most
        while fitting > 1 and (self._careful or self._over(now, fitting) > 0):
            fitting -= 1
        return fitting

    def next_leave(self, now: float, starts: int = 1) -> float:
        """The earliest instant at which one more request of so many starts may leave; ``now`` if at once. Always finite.

        ``starts`` as ``room`` allows: more of them would make what tries alone an overdraft.
        """
        self._forget(now)
        if now < self._held:
            return self._held
        if self._careful:
            return self._alone(now)
        over = self._over(now, starts)
        if over <= 0:
            return now
        if self._told is None:
            return self._measured(now, over)
        reset = self._told.reset_at + SLACK
        if now < reset:
            return reset
        again = max(self._alone(now), self._lone_left + self._window / (2 * BASKETS))
        return max(again, self._expired(now, self._over(now, 0)) or now)

    def leave(self, now: float, starts: int = 1) -> int:
        """One request of so many starts leaves now; returns its ticket."""
        self._forget(now)
        self._last += 1
        if self._careful or self._over(now, starts) > 0:
            self._lone, self._lone_left = self._last, now
        known = 0.0 if self._told is not None and now >= self._told.reset_at else self._known
        self._wire[self._last] = _Call(now, starts, known, alone=not self._wire)
        return self._last

    def answered(self, ticket: int, now: float, *, seconds: float, spent: Sequence[Spent] = ()) -> None:
        """The starts of ``ticket`` ran, or may have, for ``seconds`` by our own measure; an unknown ticket is ignored."""
        call = self._wire.pop(ticket, None)
        if call is None:
            return
        told = [one.duration for one in spent if one.duration is not None]
        took = sum(told) if told and len(told) == call.starts else max(0.0, seconds)
        self._forget(now)
        self._work.append((now, took))
        self._own += took
        self._durations.append(took / call.starts)
        self._tell(now, took, spent)
        fresh = self._told if call.alone and ticket == self._last and self._untold <= 0 else None
        self._proven = max(self._proven, call.known, fresh.value - took if fresh else 0.0)
        self._keep()
        if ticket > self._episode:
            self._failed, self._careful = 0, False

    def dropped(self, ticket: int) -> None:
        """Nothing of ``ticket`` ran: it never left, or was refused for another reason."""
        self._wire.pop(ticket, None)

    def limited(self, ticket: int, now: float, reset_at: float | None = None) -> None:
        """``ticket`` was refused with OPERATION_TIME_LIMIT: everybody waits until the reset, on the clock of ``now`` where known.

        Requests that were on the wire when the pause began belong to it.
        """
        self._wire.pop(ticket, None)
        self._forget(now)
        if ticket <= self._episode:
            return
        self._episode, self._pauses, self._failed = self._last, self._pauses + 1, self._failed + 1
        self._careful = True
        self._learn(now)
        if reset_at is None and self._told and self._told.reset_at > now:
            reset_at = self._told.reset_at
        own = now + min(LONGEST_HOLD, HOLD * 2 ** (self._failed - 1))
        freed = self._expired(now, self._over(now, 1)) or now
        self._held = max(own if reset_at is None else reset_at + SLACK, freed)

    def state(self, now: float) -> OperatingState:
        """What is known at present."""
        self._forget(now)
        return OperatingState(self._known, self._limit, self._per_start, self._window, max(now, self._held), self._pauses)

    def spent(self, now: float) -> list[tuple[float, float]]:
        """(seconds ago, seconds of it) of our own work in the window, for the forecast."""
        return [(now - came, took) for came, took in list(self._work)]

    # ------------------------------------------------------------------------------------------------------ the sum

    @property
    def _per_start(self) -> float:
        recent = sorted(self._durations)
        return recent[int(len(recent) * SLOW)] if recent else 0.0

    @property
    def _known(self) -> float:
        """What finished, as the portal tells it, else as we measured it."""
        return self._own if self._told is None else self._told.value + self._untold

    def _on_wire(self, now: float) -> float:
        return sum(max(call.starts * self._per_start, now - call.left) for call in self._wire.values())

    def _over(self, now: float, starts: int) -> float:
        """By how much the sum would be too high after so many more starts; without a limit it never is.

        A short start may cross what is kept, as the portal lets it; a long one may not cross it by more than ``OVERSHOOT``.
        """
        if self._limit is None:
            return -math.inf
        spare = OVERSHOOT * self._limit
        more = max(starts * self._per_start, spare) if starts else 0.0
        return self._known + self._on_wire(now) + more - self._limit - spare

    def _alone(self, now: float) -> float:
        lone = self._wire.get(self._lone)
        return max(now, lone.left + PATIENCE) if lone else now

    def _measured(self, now: float, over: float) -> float:
        """When our own work has left the window, where only we know of it; what is on the wire is asked about again."""
        at = self._expired(now, over)
        if at is None and self._wire:
            return now + max(1.0, self._per_start)
        return at or (self._work[-1][0] + self._window if self._work else now)

    def _expired(self, now: float, over: float) -> float | None:
        """When so much of our own work has left the window; ``None`` where all of it is not enough."""
        if over <= 0:
            return now
        for came, took in self._work:
            over -= took
            if over <= 0:
                return came + self._window
        return None

    # ----------------------------------------------------------------------------------------------------- learning

    def _tell(self, now: float, took: float, spent: Sequence[Spent]) -> None:
        """Take over the sum that the portal tells: the highest until its reset, a new one after it. A late answer tells nothing."""
        self._excludes = self._excludes or any(map(_is_excluded, spent))
        sums = [
            (one.operating + (one.duration or 0.0) * self._excludes, one.reset_in)
            for one in spent
            if one.operating is not None and one.reset_in is not None
        ]
        old = self._told
        if not sums:
            self._untold += took
            if old is not None and now >= old.reset_at:
                self._told = None  # it does not tell any more
            return
        value, reset_at = max(sums)[0], now + max(sums)[1]
        same = SLACK if old is not None else 0.0
        if old is not None and reset_at < old.reset_at - same and reset_at <= now + same:
            self._untold += took
            return
        if old is not None and reset_at <= old.reset_at + same:
            value, reset_at = max(value, old.value), min(reset_at, old.reset_at)
        self._told, self._untold = _Told(value, reset_at), 0.0
        self._measure(value, reset_at)

    def _measure(self, value: float, reset_at: float) -> None:
        """The window, where all of the sum is our own: the reset is that of the basket in which our oldest work lies."""
        if self._own * 0.8 <= value <= self._own * 1.2 + SLACK:
            self._window = min(self._window, (reset_at + SLACK - self._work[0][0]) / (1 - 1 / BASKETS))

    def _learn(self, now: float) -> None:
        """What a refusal says of the threshold; a sum that may be older than the latest reset says nothing."""
        seen = self._known
        if self._told is not None:
            if now < self._told.reset_at:
                self._refused(seen)
            return
        if self._limit is not None and seen < self._limit and self._window < WINDOW:
            self._window = min(WINDOW, self._window * WIDER)
            while self._past and self._past[-1][0] + self._window > now:
                self._work.appendleft(self._past.pop())
                self._own += self._work[0][1]
        elif seen >= LEAST_SEEN * SHARE * WINDOW:
            self._refused(seen)
            self._window = min(self._window, max(seen / SHARE, now - self._work[0][0]))

    def _refused(self, seen: float) -> None:
        self._seen = seen
        self._proven = min(self._proven, seen) if self._limit is None else 0.0
        self._keep()

    def _keep(self) -> None:
        """Starts that were on the wire, or went alone, may still prove that a higher sum lets them through."""
        if self._seen < math.inf:
            most = self._proven if self._proven > self._seen else MOST_SHARE * self._seen  # else others used it up, unseen
            self._limit = min(most, max(self._proven, LEAST_SHARE * self._seen))

    def _forget(self, now: float) -> None:
        while self._work and self._work[0][0] + self._window <= now:
            self._past.append(self._work.popleft())
            self._own -= self._past[-1][1]
        while self._past and self._past[0][0] + WINDOW <= now:
            self._past.popleft()


def _is_excluded(spent: Spent) -> bool:
    """Whether the sum is too small to hold this call: the example of the start page tells 0 after 0.23 s."""
    return spent.operating is not None and spent.duration is not None and spent.operating < 0.9 * spent.duration

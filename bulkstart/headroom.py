"""What the portal's ``X-RateLimit-*`` headers say is left, minus what left since. Pure; times as in ``throttle``.

The headers may count others' requests too, may be late, pessimistic or nonsense: they can make a request wait, never for ever.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

LONGEST_HOLD = 3600.0  # seconds; a longer reset or Retry-After is nonsense: a run without success has ended long before
PATIENCE = 1.0  # seconds that all others wait for the answer of a lone request that tries the road
FAR_RESET = 5.0  # seconds; a reset further off belongs to a window, a nearer one to a bucket
BELIED = 4  # times after which headers are nonsense, until a refusal speaks for them
MOST = 1e9  # places; a larger number is nonsense
LOOK_AGAIN = 0.25  # seconds after which a full bucket is looked at again


@dataclass(frozen=True, slots=True)
class RateHint:
    """``X-RateLimit-*`` as numbers; ``reset_seconds`` from now (the caller decodes epochs). Absent or unreadable: ``None``."""

    limit: float | None = None
    remaining: float | None = None
    reset_seconds: float | None = None


class Headroom:
    """What the portal's headers say is left, minus what left since. A far reset is tried early, and waited for as that proves right.

    A near reset counts only after a refusal: an honest pace keeps a one-second window full, and that is no reason to wait.
    """

    def __init__(self) -> None:
        self._ticket, self._left, self._seen, self._expires = 0, 0.0, 0.0, -math.inf
        self._remaining, self._freed, self._far = math.inf, 0, False
        self._trust = 0.5  # part of a far reset that is waited for before a lone request tries
        self._lone, self._early = 0, False  # the latest lone request; whether it left before a far reset
        self._belied = 0  # lone requests in a row that got through, though nothing was left before and after them

    def told(self, ticket: int, left: float, now: float, hint: RateHint, freed: int) -> None:
        limit = MOST if hint.limit is None else sane(hint.limit, 1, MOST)
        remaining = None if limit is None else sane(hint.remaining, 0, limit)
        older = ticket < self._ticket and now < self._expires
        if limit is None or remaining is None or older:
            return
        reset = sane(hint.reset_seconds, 0, LONGEST_HOLD) or PATIENCE
        self._far = reset > FAR_RESET
        reserve = 0.0 if self._far else min(2.0, limit / 20)  # a bucket is shared with others, whose requests are on their way
        self._ticket, self._left, self._seen, self._freed = ticket, left, now, freed
        self._remaining = remaining - reserve
        self._expires = now + reset if self._far else left + max(reset, PATIENCE)

    def next(self, now: float, on_wire: dict[int, float], last: int, freed: int, *, refused: bool) -> tuple[float, bool]:
        """The earliest instant as far as the headers go, and whether it is one for a lone request that tries the road."""
        if self._belied >= BELIED or not (self._far or refused):
            return now, False
        unseen = last - self._ticket + sum(t < self._ticket and left > self._left - PATIENCE for t, left in on_wire.items())
        if self._remaining - unseen + freed - self._freed >= 1:
            return now, False
        if self._far:
            return self._seen + self._trust * (self._expires - self._seen), True
        return min(self._expires, self._seen + LOOK_AGAIN), now < self._expires

    def tries(self, ticket: int, now: float) -> None:
        """This one tries the road alone."""
        self._lone, self._early = ticket, self._far and now < self._expires

    def tried(self, ticket: int, *, through: bool) -> None:
        """An answer came. A lone request that got through early belies the reset, or what is said to remain, or both."""
        if not through:
            self._belied = 0
        if ticket != self._lone:
            return
        if self._early:
            self._trust = max(1 / 16, self._trust / 2) if through else min(1.0, self._trust * 2)
        if through:
            self._belied = self._belied + 1 if self._remaining <= 0 else 0


def sane(number: float | None, least: float, most: float) -> float | None:
    """The number, if it is one and lies between both bounds."""
    return number if number is not None and least <= number <= most else None

"""How long a run will take, and what binds it: the same margins as ``throttle``, no clock, no chance.

Requests leave as the bucket, the platform's window, the method's operating time and the answers allow, and rows on one entity wait
for each other; each of these alone gives a time, the longest binds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, Self, TypeAlias

from bulkstart.crowd import Crowd
from bulkstart.daily import Daily
from bulkstart.operating import BASKETS, SLACK
from bulkstart.throttle import ARRIVAL_BOUND, Limits

Binds: TypeAlias = Literal["request rate", "platform window", "operating time", "answer time", "per-document waits"]

FOLLOWED = 20_000  # requests followed one by one; what comes after repeats the last round of the window
SOON, MINUTE, HOUR, DAY = 10, 60, 3600, 86_400


@dataclass(frozen=True, slots=True)
class Forecast:
    """``requests`` will leave within ``seconds``, the present hold and the last answer included. ``why``: what binds, for people.

    ``ends``: when that is, in local time, where it was said when it begins, ``wait`` seconds later; ``left``: rows that a deadline leaves.
    ``others``: what would change it, as (what, forecast); ``rest``: what the canary's measures forecast of the rows behind it.
    """

    requests: int
    seconds: float
    binds: Binds
    why: str = ""
    ends: datetime | None = None
    wait: float = 0.0
    left: int = 0
    others: tuple[tuple[str, Forecast], ...] = ()
    rest: Forecast | None = None

    @property
    def text(self) -> str:
        """``about 6 minutes, until 14:32 (10 requests a second, as stated)``."""
        until = ""
        if self.ends and self.wait >= 2 * MINUTE:
            until = f", until {self.ends:%H:%M}" if self.wait < DAY / 2 else f", until {self.ends:%Y-%m-%d %H:%M}"
        left = f"; the deadline comes first and leaves about {self.left:,} rows" if self.left else ""
        return f"{about(self.seconds)}{until} ({self.why or self.binds}{left})"

    def beginning(self, now: datetime, daily: Daily | None = None, deadline: float | None = None, rows: int = 0) -> Self:
        """The same with its end, where it begins at ``now`` of local time, goes on in ``daily`` only, and stops after ``deadline`` seconds."""
        ends = daily.ends(now, self.seconds) if daily else now + timedelta(seconds=self.seconds)
        whole = (ends - now).total_seconds()
        left = 0
        if deadline is not None and whole > deadline:
            left, ends = math.ceil(rows * (1 - deadline / whole)), now + timedelta(seconds=deadline)
        return replace(self, ends=ends, wait=(ends - now).total_seconds(), left=left)

    def to_json(self) -> dict[str, object]:
        """``requests``, ``seconds``, ``binds``, ``text``, and where known ``ends``, ``left``, ``others`` and ``afterCanary``.

        ``ends``: ISO 8601, local time with offset; ``left``: rows behind the deadline; ``others``: ``[{"change", "seconds"}]``;
        ``afterCanary``: an object of the same kind, of the rows behind the canary, from the moment when that was done.
        """
        told: dict[str, object] = {
            "requests": self.requests,
            "seconds": round(self.seconds, 1),
            "binds": self.binds,
            "text": self.text,
        }
        if self.ends is not None:
            told |= {"ends": self.ends.astimezone().isoformat(timespec="seconds"), "left": self.left}
        if self.others:
            told["others"] = [{"change": change, "seconds": round(other.seconds, 1)} for change, other in self.others]
        if self.rest:
            told["afterCanary"] = self.rest.to_json()
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What holds a run back besides its limits. Seconds throughout.

    ``seconds_per_start``: mean time from leave to answer where it was measured; ``in_flight``: rows that may be unanswered at once;
    ``held``: nothing may leave for so long; ``batch``: rows in a request, at most ``in_flight``; ``spare``: requests that may leave
    at once now (``None``: the whole burst); ``taken``: until each place of the window that is taken now is free again;
    ``operating``: (kept operating time, its window, what the portal counts for a start), of which ``spent``: (how long ago, how much) now;
    ``seconds_per_request``: from leave to answer with ``batch`` rows, where that is known; ``crowd``: rows that wait for each other.
    """

    seconds_per_start: float | None = None
    in_flight: int = 10
    held: float = 0.0
    batch: int = 1
    spare: float | None = None
    operating: tuple[float, float, float] | None = None
    taken: Sequence[float] = ()
    spent: Sequence[tuple[float, float]] = ()
    seconds_per_request: float | None = None
    crowd: Crowd = field(default_factory=Crowd)

    def __post_init__(self) -> None:
        if self.in_flight < 1 or self.batch < 1:
            raise ValueError(
                f"at least one row must be allowed in flight and in a request, not {self.in_flight} and {self.batch}"
            )


def forecast(rows: int, limits: Limits, ways: Ways | None = None) -> Forecast:
    """Forecast ``rows`` starts at ``limits``; for a run under way pass what is left and ``limits`` with the present rate."""
    road = _Road(rows, limits, ways or Ways())
    binds = road.binds
    seconds = road.seconds if rows > 0 else 0.0
    return Forecast(max(0, road.requests), seconds, binds, road.why(binds) + road.besides)


class _Road:
    """One run on its way: when its requests leave."""

    def __init__(self, rows: int, limits: Limits, ways: Ways) -> None:
        self.limits, self.ways = limits, ways
        self.requests = math.ceil(rows / ways.batch)
        runs = max(0.0, ways.seconds_per_start or 0.0) * ways.batch
        self.each = runs if ways.seconds_per_request is None else max(0.0, ways.seconds_per_request)
        self.in_flight = max(1, ways.in_flight // ways.batch)
        self.spare = limits.safe_burst if ways.spare is None else max(1.0, ways.spare)
        self.held = max(0.0, ways.held)
        self.window = sorted(max(0.0, free - self.held) for free in ways.taken) if limits.window else []
        self.places, self.ghosts = 0, list[float]()
        if ways.operating and ways.operating[2] > 0:
            kept, window, counted = ways.operating
            self.places = max(1, int(kept / counted / ways.batch))
            self.ghosts = _ghosts(ways.spent, counted * ways.batch, _reopening(window) - self.held)[-self.places :]

    @property
    def seconds(self) -> float:
        """From now to the last answer."""
        waits = self._waits()
        return max(self.held + self._last_leave() + self.each, waits and waits + self.each)

    def _waits(self) -> float:
        return self.ways.crowd.seconds(self.limits.safe_rate, self.limits.safe_burst)

    def _last_leave(self) -> float:
        """Seconds from the first leave to the last."""
        places = max(self.limits.window[0] if self.limits.window else 1, self.places, 1)
        followed = min(self.requests, max(FOLLOWED, 3 * places))
        leaves = self._leaves(followed)
        round_of = min(places * math.ceil(self.in_flight / places), followed - 1)
        if self.requests == followed or not round_of:
            return leaves[-1]
        return leaves[-1] + (self.requests - followed) / round_of * (leaves[-1] - leaves[-1 - round_of])

    def _leaves(self, requests: int) -> list[float]:
        """The instants at which requests leave, the first at 0, every answer after ``each`` seconds."""
        spacing, credit = 1 / self.limits.safe_rate, (self.spare - 1) / self.limits.safe_rate
        places, span = self.limits.window or (requests, 0.0)
        reopen = span + min(self.each, ARRIVAL_BOUND)
        operating = _reopening(self.ways.operating[1]) + self.each if self.ways.operating else 0.0
        frees, free_again = list(self.window), list(self.ghosts)
        leaves: list[float] = []
        due = at = 0.0  # when the bucket would let this one go without a burst; when it goes
        for number in range(requests):
            at = max(at, due - credit)
            if number >= self.in_flight:
                at = max(at, leaves[number - self.in_flight] + self.each)
            if len(frees) >= places:
                at = max(at, frees[-places])
            if self.places and len(free_again) >= self.places:
                at = max(at, free_again[-self.places])
            frees.append(at + reopen)
            free_again.append(at + operating)
            leaves.append(at)
            due = max(due, at) + spacing
        return leaves

    @property
    def binds(self) -> Binds:
        """What would take longest alone."""
        more = max(0, self.requests - 1)
        window, operating = self.limits.window, self.ways.operating
        alone: dict[Binds, float] = {
            "request rate": max(0.0, (self.requests - self.spare) / self.limits.safe_rate),
            "platform window": (more + len(self.window)) // window[0] * window[1] if window else 0.0,
            "operating time": (more + len(self.ghosts)) // self.places * operating[1] if self.places and operating else 0.0,
            "answer time": more // self.in_flight * self.each,
            "per-document waits": self._waits(),
        }
        return max(alone, key=lambda name: alone[name])

    @property
    def besides(self) -> str:
        """What nobody can foretell."""
        crowd = self.ways.crowd
        if not crowd.unknown:
            return ""
        return f"; not counted: up to {crowd.rows:,} rows on one entity, {crowd.per_document} at a time; --life says for how long"

    def why(self, binds: Binds) -> str:
        """What binds, for people."""
        limits, ways = self.limits, self.ways
        if binds == "platform window" and limits.window:
            return f"the platform's window of {limits.window[0]:,} requests in {limits.window[1]:g} seconds"
        if binds == "operating time" and ways.operating:
            return f"the portal's operating time of {ways.operating[0]:.0f} seconds in {about(ways.operating[1]).removeprefix('about ')}"
        if binds == "per-document waits":
            turn = about(ways.crowd.span or 0.0).removeprefix("about ")
            return f"{ways.crowd.rows:,} rows on one entity, {ways.crowd.per_document} at a time, a turn of {turn}"
        rows = f", {ways.batch} rows in each" if ways.batch > 1 else ""
        if binds == "answer time":
            return f"{self.each:.1f} seconds for each answer, {self.in_flight} at a time{rows}"
        return f"{limits.rate:.3g} requests a second, as {'stated' if limits.stated else 'assumed'}{rows}"


def _reopening(window: float) -> float:
    """Seconds until operating time is free again, on average: baskets fall out whole, and their reset is told in whole seconds."""
    return window * (1 - 1 / (2 * BASKETS)) + SLACK


def _ghosts(spent: Sequence[tuple[float, float]], each: float, reopens: float) -> list[float]:
    """When places of operating time that are taken now are free again: one for each start of the present length."""
    ghosts, sum_of = [], 0.0
    for ago, took in spent:
        sum_of += took
        while sum_of >= each / 2:
            ghosts.append(max(0.0, reopens - ago))
            sum_of -= each
    return ghosts


def about(seconds: float) -> str:
    """The time as a person says it: ``about 6 minutes``, ``about 2 hours 10 minutes``."""
    if seconds < SOON:
        return "a few seconds"
    if seconds < 2 * MINUTE - 5:
        return f"about {_round(seconds, 5 if seconds < MINUTE else 10)} seconds"
    if seconds < 5 * MINUTE - 15:
        halves = _round(seconds, MINUTE // 2)
        return f"about {halves // MINUTE}{'.5' if halves % MINUTE else ''} minutes"
    if seconds < HOUR - 150:
        return f"about {_round(seconds / MINUTE, 1 if seconds < 20 * MINUTE else 5)} minutes"
    if seconds < DAY - 5 * MINUTE:
        return "about " + _two(_round(seconds, 10 * MINUTE), HOUR, "hour", MINUTE, "minute")
    return "about " + _two(_round(seconds, HOUR), DAY, "day", HOUR, "hour")


def _round(number: float, step: int) -> int:
    return max(step, round(number / step) * step)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _two(seconds: int, large: int, large_noun: str, small: int, small_noun: str) -> str:
    whole, rest = divmod(seconds, large)
    return _count(whole, large_noun) + (f" {_count(rest // small, small_noun)}" if rest else "")

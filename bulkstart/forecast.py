"""How long a run will take, and what binds it: the same margins as ``throttle``, no clock, no chance.

Requests leave as the bucket, the platform's window and the answers allow; each of the three alone gives a time, the longest binds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bulkstart.throttle import ARRIVAL_BOUND, Limits

Binds: TypeAlias = Literal["request rate", "platform window", "answer time"]

FOLLOWED = 20_000  # requests followed one by one; what comes after repeats the last round of the window
SOON, MINUTE, HOUR, DAY = 10, 60, 3600, 86_400


@dataclass(frozen=True, slots=True)
class Forecast:
    """``requests`` will leave within ``seconds``, the present hold and the last answer included. ``why``: what binds, for people."""

    requests: int
    seconds: float
    binds: Binds
    why: str = ""

    @property
    def text(self) -> str:
        """``about 6 minutes (10 requests a second, as stated)``."""
        return f"{about(self.seconds)} ({self.why or self.binds})"

    def to_json(self) -> dict[str, object]:
        """``{"requests": int, "seconds": float, "binds": str, "text": str}``."""
        return {"requests": self.requests, "seconds": round(self.seconds, 1), "binds": self.binds, "text": self.text}


def forecast(
    rows: int,
    limits: Limits,
    *,
    seconds_per_start: float | None = None,
    in_flight: int = 10,
    held: float = 0.0,
    batch: int = 1,
) -> Forecast:
    """Forecast ``rows`` starts at ``limits``; for a run under way pass what is left and ``limits`` with the present rate.

    ``seconds_per_start``: mean time from leave to answer where it was measured; ``in_flight``: how many may be unanswered at once;
    ``held``: seconds for which nothing may leave; ``batch``: rows in a request, at most ``in_flight``. Raises ``ValueError`` for less than 1.
    """
    if in_flight < 1 or batch < 1:
        raise ValueError(f"at least one row must be allowed in flight and in a request, not {in_flight} and {batch}")
    each, rows, in_flight = max(0.0, seconds_per_start or 0.0) * batch, math.ceil(rows / batch), max(1, in_flight // batch)
    seconds = 0.0
    if rows > 0:
        seconds = max(0.0, held) + _last_leave(rows, limits, each, in_flight) + each
    binds = _binds(rows, limits, each, in_flight)
    why = _why(binds, limits, each, in_flight)
    return Forecast(max(0, rows), seconds, binds, f"{why}, {batch} rows in each" if batch > 1 else why)


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


def _last_leave(rows: int, limits: Limits, each: float, in_flight: int) -> float:
    """Seconds from the first leave to the last."""
    places = limits.window[0] if limits.window else 1
    followed = min(rows, max(FOLLOWED, 3 * places))
    leaves = _leaves(followed, limits, each, in_flight)
    round_of = min(places * math.ceil(in_flight / places), followed - 1)
    if rows == followed or not round_of:
        return leaves[-1]
    return leaves[-1] + (rows - followed) / round_of * (leaves[-1] - leaves[-1 - round_of])


def _leaves(requests: int, limits: Limits, each: float, in_flight: int) -> list[float]:
    """The instants at which requests leave, the first at 0, every answer after ``each`` seconds."""
    spacing, credit = 1 / limits.safe_rate, (limits.safe_burst - 1) / limits.safe_rate
    places, span = limits.window or (requests, 0.0)
    reopen = span + min(each, ARRIVAL_BOUND)
    leaves: list[float] = []
    due = at = 0.0  # when the bucket would let this one go without a burst; when it goes
    for number in range(requests):
        at = max(at, due - credit)
        if number >= in_flight:
            at = max(at, leaves[number - in_flight] + each)
        if number >= places:
            at = max(at, leaves[number - places] + reopen)
        leaves.append(at)
        due = max(due, at) + spacing
    return leaves


def _binds(rows: int, limits: Limits, each: float, in_flight: int) -> Binds:
    more = max(0, rows - 1)
    alone: dict[Binds, float] = {
        "request rate": max(0.0, (rows - limits.safe_burst) / limits.safe_rate),
        "platform window": more // limits.window[0] * limits.window[1] if limits.window else 0.0,
        "answer time": more // in_flight * each,
    }
    return max(alone, key=lambda name: alone[name])


def _why(binds: Binds, limits: Limits, each: float, in_flight: int) -> str:
    if binds == "platform window" and limits.window:
        return f"the platform's window of {limits.window[0]:,} requests in {limits.window[1]:g} seconds"
    if binds == "answer time":
        return f"{each:.1f} seconds for each answer, {in_flight} at a time"
    return f"{limits.rate:.3g} requests a second, as {'stated' if limits.stated else 'assumed'}"


def _round(number: float, step: int) -> int:
    return max(step, round(number / step) * step)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _two(seconds: int, large: int, large_noun: str, small: int, small_noun: str) -> str:
    whole, rest = divmod(seconds, large)
    return _count(whole, large_noun) + (f" {_count(rest // small, small_noun)}" if rest else "")

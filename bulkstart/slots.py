"""One bucket for all processes of a machine: when each of them may leave (decision 0008).

Pure: no clock, no chance, no disk. What all processes share of one portal is a ``Slots``; every change of it is a function of the state
before, of who asks, and of the time. Times are seconds of a clock that all processes of the machine share.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bulkstart.headroom import LONGEST_HOLD
from bulkstart.throttle import ARRIVAL_BOUND

HEARD = 10.0
"""Seconds for which a process's word on the limit counts after its last slot: then it has ended, or is not hungry."""
_MOST = 1e9  # requests, or requests a second; a larger number is nonsense


@dataclass(frozen=True, slots=True)
class Word:
    """What one process knows of a portal's limit: ``rate`` requests a second, ``burst`` at once, as it would keep them alone.

    ``firm``: stated by the portal or learned from its refusals; else a wish of the user (``--rate``) or where probing stands.
    ``window``: as in ``Limits``.
    """

    rate: float
    burst: float
    firm: bool
    window: tuple[int, float] | None = None


@dataclass(frozen=True, slots=True)
class Voice:
    """The word of a process, and until when it counts."""

    rate: float
    burst: float
    firm: bool
    until: float


@dataclass(frozen=True, slots=True)
class Slots:
    """The shared state of one portal. ``tokens``: slots that are free at ``seen``, below 0 where more are reserved than have come.

    ``held``: nobody leaves before. ``count``: slots given, ever. ``early``: of those, requests that left before anybody knew the limit, or
    without a slot. ``frees``: when each taken place of the window is free again, in order.
    """

    tokens: float = math.inf
    seen: float = -math.inf
    held: float = -math.inf
    count: int = 0
    early: int = 0
    voices: Mapping[str, Voice] = field(default_factory=dict)
    frees: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Slot:
    """Leave to send ``places`` requests from the instant ``at`` on, the last of which is number ``number`` of all the machine's.

    ``held``: nobody leaves before. ``rate``: what all processes keep together, requests a second. ``waits``: it was not free at once.
    """

    at: float
    places: int
    number: int
    held: float
    rate: float
    waits: bool = False


def limit(voices: Sequence[Voice | Word]) -> tuple[float, float]:
    """Rate and burst that several processes keep together: the smallest firm word, since it binds all.

    Where there is none, the largest: a wish binds only the process that has it, which keeps it by itself, and so does a guess.
    """
    firm = [voice for voice in voices if voice.firm]
    choose = min if firm else max
    return choose(voice.rate for voice in firm or voices), choose(voice.burst for voice in firm or voices)


def reserve(slots: Slots, who: str, word: Word, now: float, *, places: int = 1, mute: bool = False) -> tuple[Slots, Slot]:
    """The next slot for ``who``. Whoever asks again only when the slot before was used gets the same share as everybody else.

    ``mute``: the word is only what this process assumes before the portal was asked; where nobody knows better it may leave at once.
    """
    slots = slots if mute else _said(slots, who, word, now, now)
    voices = [voice for voice in slots.voices.values() if voice.until > now]
    begin, count = max(now, slots.held), slots.count + places
    if not voices:
        return owed(slots, places, now, word.window), Slot(begin, places, count, slots.held, word.rate)
    rate, burst = limit(voices)
    tokens = _filled(slots, begin, rate, burst) - slots.early - places
    at = min(begin + max(0.0, -tokens / rate), now + LONGEST_HOLD)
    frees = slots.frees
    if word.window is not None:
        at, frees = _placed(frees, at, now, places, word.window)
    slots = replace(slots, tokens=tokens, seen=max(slots.seen, begin), count=count, early=0, frees=frees)
    return slots if mute else _said(slots, who, word, now, at), Slot(at, places, count, slots.held, rate, at > begin)


def look(slots: Slots) -> Slot:
    """What stands, without a slot: to make sure that no hold came since a slot was given."""
    return Slot(slots.held, 0, slots.count, slots.held, 0.0)


def owed(slots: Slots, count: int, now: float, window: tuple[int, float] | None = None) -> Slots:
    """``count`` requests left without a slot."""
    frees = _placed(slots.frees, now, now, count, window)[1] if window else slots.frees
    seen = now if math.isinf(slots.seen) else slots.seen
    return replace(slots, seen=seen, early=slots.early + count, count=slots.count + count, frees=frees)


def hold(slots: Slots, who: str, word: Word, now: float, *, until: float) -> Slots:
    """The portal asked for time: nobody leaves before ``until``, and afterwards by the word of the one that was asked."""
    slots = replace(slots, held=max(slots.held, min(until, now + LONGEST_HOLD)))
    return _said(slots, who, word, now, max(now, slots.held))


def without(slots: Slots, ended: Collection[str]) -> Slots:
    """The words of processes that have ended count no more."""
    return replace(slots, voices={name: voice for name, voice in slots.voices.items() if name not in ended}) if ended else slots


def answered(slots: Slots, left: Sequence[tuple[float, float]], seconds: float) -> Slots:
    """Places of the window free themselves from the answer on, where that is sooner: pairs of slot and answer (see ``throttle``)."""
    frees = list(slots.frees)
    for at, answer in left:
        assumed = at + ARRIVAL_BOUND + seconds
        index = bisect_left(frees, assumed)
        if index < len(frees) and frees[index] == assumed and answer + seconds < assumed:
            frees[index] = answer + seconds
    return replace(slots, frees=tuple(sorted(frees)))


def _said(slots: Slots, who: str, word: Word, now: float, at: float) -> Slots:
    """With the word of ``who``, which counts until a little after the instant ``at``; words that count no more are forgotten."""
    voices = {name: voice for name, voice in slots.voices.items() if voice.until > now}
    return replace(slots, voices=voices | {who: Voice(word.rate, word.burst, word.firm, at + HEARD)})


def _filled(slots: Slots, now: float, rate: float, burst: float) -> float:
    passed = max(0.0, now - slots.seen)
    return burst if math.isinf(passed) or math.isinf(slots.tokens) else min(burst, slots.tokens + rate * passed)


def _placed(
    frees: tuple[float, ...], at: float, now: float, count: int, window: tuple[int, float]
) -> tuple[float, tuple[float, ...]]:
    """When ``count`` more places of the window can be taken, and the places with them."""
    places, seconds = window
    kept = list(frees[bisect_right(frees, now) :])
    for _ in range(count):
        over = len(kept) - places
        at = at if over < 0 else max(at, kept[over])
        kept.append(at + ARRIVAL_BOUND + seconds)
        kept.sort()
    return at, tuple(kept)


# ----------------------------------------------------------------------------------------------------- on the disk


def to_json(slots: Slots) -> dict[str, Any]:
    """A ``Slots`` as JSON."""
    return {
        "tokens": None if math.isinf(slots.tokens) else slots.tokens,
        "seen": None if math.isinf(slots.seen) else slots.seen,
        "held": None if math.isinf(slots.held) else slots.held,
        "count": slots.count,
        "early": slots.early,
        "voices": {name: [voice.rate, voice.burst, voice.firm, voice.until] for name, voice in slots.voices.items()},
        "frees": list(slots.frees),
    }


def from_json(found: Any, now: float) -> Slots:
    """What ``to_json`` made, a new ``Slots`` where it is anything else: any program can write to the store, none may stop a run."""
    try:
        held = -math.inf if found["held"] is None else min(_number(found["held"]), now + LONGEST_HOLD)
        return Slots(
            tokens=math.inf if found["tokens"] is None else _number(found["tokens"]),
            seen=-math.inf if found["seen"] is None else min(_number(found["seen"]), now + LONGEST_HOLD),
            held=held,
            count=int(found["count"]),
            early=int(found["early"]),
            voices={str(name): _voice(voice, now) for name, voice in found["voices"].items()},
            frees=tuple(sorted(min(_number(free), now + LONGEST_HOLD) for free in found["frees"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return Slots()


def is_over(slots: Slots, now: float) -> bool:
    """Whether nothing of it matters any more: nobody asked for an hour, and nothing is held."""
    frees = slots.frees[-1] if slots.frees else -math.inf
    return max(slots.seen, slots.held, frees, *(voice.until for voice in slots.voices.values()), -math.inf) < now - LONGEST_HOLD


def _voice(found: Any, now: float) -> Voice:
    rate, burst, firm, until = found
    if not (0 < rate <= _MOST and 1 <= burst <= _MOST):
        raise ValueError(found)
    return Voice(float(rate), float(burst), bool(firm), min(_number(until), now + LONGEST_HOLD + HEARD))


def _number(found: Any) -> float:
    if not (isinstance(found, int | float) and math.isfinite(found)):
        raise ValueError(found)
    return float(found)

"""Sets of ids as closed intervals, and which documents a portal holds."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .document_types import ENTITY_TYPES, FAMILIES, named
from .reading import given, inside, integer, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_LARGEST = 2**63 - 1


class IdSet:
    """A set of positive ids, held as sorted, disjoint, closed intervals."""

    __slots__ = ("_lows", "intervals")

    def __init__(self, intervals: Iterable[tuple[int, int]] = ()) -> None:
        merged: list[tuple[int, int]] = []
        for low, high in sorted(intervals):
            if merged and low <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        self.intervals = merged
        self._lows = [low for low, _ in merged]

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self._lows, number) - 1
        return place >= 0 and number <= self.intervals[place][1]

    def __len__(self) -> int:
        return sum(high - low + 1 for low, high in self.intervals)

    def __or__(self, other: IdSet) -> IdSet:
        return IdSet([*self.intervals, *other.intervals])

    def __sub__(self, other: IdSet) -> IdSet:
        kept = []
        for low, high in self.intervals:
            start = low
            for cut_low, cut_high in other.intervals:
                if cut_high < start or cut_low > high:
                    continue
                if cut_low > start:
                    kept.append((start, cut_low - 1))
                start = cut_high + 1
            if start <= high:
                kept.append((start, high))
        return IdSet(kept)

    def page(self, offset: int, limit: int) -> Iterator[int]:
        """Yield the ids from the ``offset``-th on, at most ``limit``."""
        for low, high in self.intervals:
            size = high - low + 1
            if offset >= size:
                offset -= size
                continue
            for number in range(low + offset, high + 1):
                if limit <= 0:
                    return
                yield number
                limit -= 1
            offset = 0


def ids(value: Any) -> IdSet:
    """Check a set of ids: ``[99, [5000, 5999]]``."""
    allowed = f"must be a list of ids and [first, last] ranges, not {shown(value)}"
    if not isinstance(value, list):
        raise ValueError(allowed)  # noqa: TRY004  kinds complain with ValueError only
    one = integer(0, _LARGEST)
    intervals = []
    for item in value:
        pair = item if isinstance(item, list) else [item, item]
        if len(pair) != 2:
            raise ValueError(allowed)
        low, high = one(pair[0]), one(pair[1])
        if low > high:
            raise ValueError(allowed)
        intervals.append((low, high))
    return IdSet(intervals)


def _by_type(value: Any) -> Mapping[str, IdSet]:
    if not isinstance(value, dict):
        raise ValueError(f"must be an object, not {shown(value)}")  # noqa: TRY004  kinds complain with ValueError only
    for key in value:
        if key != "any" and named(key) is None:
            raise ValueError(f"unknown key {key!r}; allowed are {', '.join((*ENTITY_TYPES, *FAMILIES, 'any'))}")
    return {key: inside(key, ids, item) for key, item in value.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """Which documents exist, and which of them can be read (bitrix24-api 1.8: the two cannot be told apart by searching)."""

    max_id: int = given(integer(0, _LARGEST), 10_000_000)
    only: Mapping[str, IdSet] | None = given(_by_type, None)
    missing: Mapping[str, IdSet] | None = given(_by_type, None)
    denied: Mapping[str, IdSet] | None = given(_by_type, None)

    def existing(self, entity_type: str) -> IdSet:
        named = self.only is not None and (entity_type in self.only or "any" in self.only)
        base = _of(self.only, entity_type) if named else IdSet([(1, _LARGEST)])
        return base - IdSet([(0, 0), (self.max_id + 1, _LARGEST)]) - _of(self.missing, entity_type)

    def readable(self, entity_type: str) -> IdSet:
        return self.existing(entity_type) - _of(self.denied, entity_type)


def _of(sets: Mapping[str, IdSet] | None, entity_type: str) -> IdSet:
    if sets is None:
        return IdSet()
    return sets.get(entity_type, IdSet()) | sets.get("any", IdSet())

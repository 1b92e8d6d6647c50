"""Lists as native REST gives them: SELECT, FILTER, ORDER and ``start`` of bizproc methods (bitrix24-api 1.4, 1.6)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from . import php
from .moments import ZONE
from .native_words import Found

if TYPE_CHECKING:
    from .native_switches import NativeSwitches

PAGE = 50
_KEY = re.compile(r"([^a-zA-Z]*)(.*)", re.DOTALL)
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "": lambda value, wanted: bool(value == wanted),
    "=": lambda value, wanted: bool(value == wanted),
    "!": lambda value, wanted: bool(value != wanted),
    "!=": lambda value, wanted: bool(value != wanted),
    "<": lambda value, wanted: bool(value < wanted),
    "<=": lambda value, wanted: bool(value <= wanted),
    ">": lambda value, wanted: bool(value > wanted),
    ">=": lambda value, wanted: bool(value >= wanted),
}


@dataclass(frozen=True, slots=True)
class Listing:
    """One list method: its fields, what it selects and how it orders unless told; ``moments``: fields that are dates."""

    fields: tuple[str, ...]
    select: tuple[str, ...]
    order: tuple[str, str]
    moments: tuple[str, ...] = ()

    def page(self, rows: Sequence[Mapping[str, Any]], fields: Mapping[str, Any], switches: NativeSwitches) -> Found:
        """Return one page of these rows; ``fields`` in upper case. What it does not know in a filter it drops (CORE)."""
        kept = [row for row in rows if self._fits(row, fields.get("FILTER"), switches)]
        for name, direction in reversed(self._orders(fields.get("ORDER"))):
            kept.sort(key=lambda row: _sortable(row[name]), reverse=direction == "DESC")
        start = php.whole(fields.get("START"))
        names = self._selected(fields.get("SELECT"))
        shown = [{name: row[name] for name in names} for row in kept[max(0, start) : max(0, start) + PAGE]]
        return paged(shown, start, len(kept))

    def _selected(self, rules: Any) -> tuple[str, ...]:
        wanted = dict.fromkeys(str(name).upper() for _, name in php.items(rules))
        return tuple(name for name in wanted if name in self.fields) or self.select

    def _orders(self, rules: Any) -> list[tuple[str, str]]:
        given = [(name.upper(), "DESC" if str(way).upper() == "DESC" else "ASC") for name, way in php.items(rules)]
        return [(name, way) for name, way in given if name in self.fields] or [self.order]

    def _fits(self, row: Mapping[str, Any], rules: Any, switches: NativeSwitches) -> bool:
        return all(self._holds(row, key, wanted, switches) for key, wanted in php.items(rules))

    def _holds(self, row: Mapping[str, Any], key: str, wanted: Any, switches: NativeSwitches) -> bool:
        match = _KEY.fullmatch(key)
        assert match is not None
        operator, name = _OPERATORS.get(match[1]), match[2]
        if operator is None or name not in self.fields or (name == "STARTED" and not switches.iso_started):
            return True
        if isinstance(wanted, dict | list):
            if switches.filter_lists == "dropped":
                return True
            among = any(_OPERATORS["="](*self._pair(row, name, item)) for _, item in php.items(wanted))
            return among != match[1].startswith("!")
        value, other = self._pair(row, name, wanted)
        if value is None or other is None:
            return operator(value is None, other is None) if match[1] in ("", "=", "!", "!=") else False
        return operator(value, other)

    def _pair(self, row: Mapping[str, Any], name: str, wanted: Any) -> tuple[Any, Any]:
        """Return both sides as one kind: moments, numbers or text; ``None`` for nothing."""
        value = row[name]
        if php.empty(wanted) and wanted not in ("0", 0):
            wanted = None
        if value is None or wanted is None:
            return value, wanted
        if name in self.moments:
            return _moment(value), _moment(str(wanted))
        left, right = str(value), str(wanted)
        return (int(left), int(right)) if left.isdigit() and right.isdigit() else (left, right)


def paged(shown: list[Any], start: int, total: int, *, wrapped: str = "") -> Found:
    """Return rows with ``total`` and ``next``; a negative start counts nothing. ``wrapped``: the name the rows stand under."""
    result: Any = {wrapped: shown} if wrapped else shown
    if start < 0:
        return Found(result)
    reached = start + len(shown)
    return Found(result, total=total, next=reached if reached < total and shown else None)


def _moment(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else moment.replace(tzinfo=ZONE).timestamp()


def _sortable(value: Any) -> tuple[int, Any]:
    text = str(value)
    return (0, "") if value is None else (1, int(text)) if text.isdigit() else (2, text)

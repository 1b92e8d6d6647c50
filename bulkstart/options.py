"""The options of the main job, said once: the command line, ``start`` and ``astart`` take exactly these (interface.md 1)."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, TypedDict

from bulkstart.batching import Batching
from bulkstart.daily import Daily
from bulkstart.errors import UsageError


class StartOptions(TypedDict, total=False):
    """Keyword arguments of ``start`` and ``astart``; meanings and defaults are those of ``Options``."""

    template: int | None
    template_file: str | os.PathLike[str] | None
    entity_type: str | None
    columns: Mapping[str, str]
    values: Mapping[str, Any]
    decimal: str | None
    date_format: str | None
    separator: str
    date_output: str
    datetime_output: str
    time_zone: str
    check_exists: bool
    forget_mapping: bool
    limit: int | None
    dry_run: bool
    skip_invalid: bool
    canary: int
    pilot: bool
    rate: float | None
    burst: float | None
    polite: bool
    max_unknown: int
    batch: str | int
    halt_doubts: int
    halt_same: int
    halt_percent: float
    per_document: int
    reconcile: bool | None
    probe_running: bool
    campaign: str
    allow_changed: bool
    journal: str | os.PathLike[str] | None
    deadline: float | None
    window: str | None
    timeout: float | None


class CallOptions(StartOptions, total=False):
    """What ``start`` and ``astart`` take besides: which portal, and a results file. ``yes quiet verbose`` change nothing: they never ask."""

    sandbox: bool
    dialect: str | None
    output: str | os.PathLike[str] | None
    safe_csv: bool
    settle: float | None
    yes: bool
    quiet: bool
    verbose: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a sheet is started. ``UsageError`` for a value that makes no sense; units are seconds and rows."""

    template: int | None = None
    template_file: str | os.PathLike[str] | None = None
    entity_type: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    decimal: str | None = None
    date_format: str | None = None
    separator: str = ";"
    date_output: str = "iso"
    datetime_output: str = "iso"
    time_zone: str = "+00:00"
    check_exists: bool = False
    forget_mapping: bool = False
    limit: int | None = None
    dry_run: bool = False
    skip_invalid: bool = False
    canary: int = 3
    pilot: bool = False
    rate: float | None = None
    burst: float | None = None
    polite: bool = False
    max_unknown: int = 10
    batch: str | int = "auto"
    halt_doubts: int = 3
    halt_same: int = 5
    halt_percent: float = 20.0
    per_document: int = 2
    reconcile: bool | None = None
    probe_running: bool = False
    campaign: str = ""
    allow_changed: bool = False
    journal: str | os.PathLike[str] | None = None
    deadline: float | None = None
    window: str | None = None
    timeout: float | None = None

    def __post_init__(self) -> None:
        for name in _NUMBERS:  # numpy's count too, and are kept as Python's own
            value = getattr(self, name)
            if isinstance(value, Real) and not isinstance(value, int | float):
                object.__setattr__(self, name, int(value) if isinstance(value, Integral) else float(value))
        for name in ("template", "limit", "max_unknown", "rate", "burst", "deadline", "timeout"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value, whole=name in _WHOLE) and 0 < value < float("inf")):
                raise UsageError(f"{_shown(name)} must be a positive {_kind(name)}, not {value!r}")
        for name in ("canary", "halt_doubts", "halt_same", "halt_percent", "per_document"):
            value = getattr(self, name)
            if not (_is_number(value, whole=name in _WHOLE) and 0 <= value < float("inf")):
                raise UsageError(f"{_shown(name)} must be 0 (off) or a positive {_kind(name)}, not {value!r}")
        if self.burst is not None and self.burst < 1:
            raise UsageError(f"--burst must be at least 1, not {self.burst!r}: a bucket that holds no request lets none leave")
        if self.decimal not in (None, ".", ","):
            raise UsageError(f"--decimal must be . or , and not {self.decimal!r}")
        self._check_batch()
        _ = self.daily

    @property
    def daily(self) -> Daily | None:
        """``window`` as a daily span of local time. Raises ``UsageError``."""
        try:
            return None if self.window is None else Daily.read(self.window)
        except ValueError as error:
            raise UsageError(f"--window: {error}") from None

    def _check_batch(self) -> None:
        rows = self._batch_rows
        if not rows:
            raise UsageError(f"--batch must be auto, off or a whole number from 1, not {self.batch!r}")
        if self.batch != "auto" and rows > self.max_unknown:
            raise UsageError(
                f"--batch {rows} is more than --max-unknown {self.max_unknown}, the rows that may be on the wire at once"
            )

    @property
    def _batch_rows(self) -> int:
        """Rows in a request at most; 0 where the option says nothing that makes sense."""
        if self.batch in ("auto", "off"):
            return self.max_unknown if self.batch == "auto" else 1
        digits = str(self.batch)
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < _LONGEST else 0

    def batching(self, most: int) -> Batching:
        """How rows share requests on a portal that takes ``most`` of them in one. Raises ``UsageError`` where it takes fewer."""
        rows, auto = self._batch_rows, self.batch == "auto"
        if rows > most and not auto:
            why = "the Vibecode gateway has no batch for starts; leave it out" if most == 1 else f"a portal takes {most} at most"
            raise UsageError(f"--batch {rows}: {why}")
        return Batching(min(rows, most), self.max_unknown, auto)


_NUMBERS = (
    *("template", "limit", "max_unknown", "rate", "burst", "deadline", "timeout"),
    *("canary", "halt_doubts", "halt_same", "halt_percent", "per_document"),
)
_LONGEST = 10  # digits of a count
_WHOLE = frozenset({"template", "limit", "max_unknown", "canary", "halt_doubts", "halt_same", "per_document"})


def _is_number(value: object, *, whole: bool) -> bool:
    """A plain number; numpy's count too, booleans do not."""
    return isinstance(value, Integral if whole else Real) and not isinstance(value, bool)


def _kind(name: str) -> str:
    return "whole number" if name in _WHOLE else "number"


def _shown(name: str) -> str:
    return "--" + name.replace("_", "-")


OF_THE_READER = frozenset({"tab", "header_row", "encoding", "delimiter", "visible_only"})


def options_of(given: Mapping[str, Any]) -> Options:
    """``Options`` from keyword arguments. Raises ``UsageError`` for a name that is none."""
    known = {entry.name for entry in dataclasses.fields(Options)}
    if of_reader := sorted(OF_THE_READER & set(given)):
        raise UsageError(f"{of_reader[0]} says how a file is read: give it to read_sheet")
    given = {name: value for name, value in given.items() if name in known or name not in CallOptions.__annotations__}
    if unknown := sorted(set(given) - known):
        raise UsageError(f"unknown option {unknown[0]!r}; there are: {', '.join(sorted(known))}")
    return Options(**given)

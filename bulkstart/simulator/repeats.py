"""ERROR_LOOP_DETECTED: the gateway's guard against clients that repeat a failing request (VDOC:errors, JSSDK #93)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .allowances import ErrorLoop
    from .exchange import Exchange

_NOT_COUNTED = ("RATE_LIMITED", "ERROR_LOOP_DETECTED")


@dataclass(slots=True)
class _Series:
    code: str
    count: int = 0
    held: int = 0


class RepeatGuard:
    """Counts identical failures in a row for each key and request."""

    def __init__(self, rule: ErrorLoop | None) -> None:
        self._rule = rule
        self._series: dict[tuple[str, str, str, str], _Series] = {}

    def holds(self, exchange: Exchange) -> bool:
        """Whether this request is stopped without being looked at."""
        if self._rule is None or not self._series:
            return False
        series = self._series.get(self._name(exchange, self._rule))
        if series is None or series.count < self._rule.after:
            return False
        series.held += 1
        return not (self._rule.every and series.held % self._rule.every == 0)

    def note(self, exchange: Exchange, code: str | None) -> bool:
        """Count an answer; ``True`` where it must carry a warning."""
        rule = self._rule
        if rule is None or code in _NOT_COUNTED:
            return False
        name = self._name(exchange, rule)
        if code is None:
            if self._series:
                self._series.pop(name, None)
            return False
        series = self._series.get(name)
        if series is None or series.code != code:
            series = self._series[name] = _Series(code)
        series.count += 1
        return series.count >= rule.warn_after

    @staticmethod
    def _name(exchange: Exchange, rule: ErrorLoop) -> tuple[str, str, str, str]:
        key = exchange.holder.key.key if exchange.holder else ""
        return key, exchange.head.method, exchange.head.path, (exchange.digest or "") if rule.same == "request" else ""

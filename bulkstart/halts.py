"""When a run stops by itself: doubts in a row, equal errors in a row, too many errors of late (bitrix24-api.md 4.5). Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from bulkstart.model import Outcome
from bulkstart.result_columns import Status
from bulkstart.retry import Stop

WINDOW = 50
"""Outcomes that the share of errors is taken of; it is not judged before so many are there."""


@dataclass(slots=True)
class Halts:
    """Told each outcome in the order of arrival. A bar of 0 is off."""

    doubts: int = 3
    same: int = 5
    percent: float = 20.0
    _doubts: int = 0
    _same: int = 0
    _code: str = ""
    _window: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def told(self, outcome: Outcome) -> Stop | None:
        """The stop that this outcome causes, if any."""
        good = outcome.status is Status.STARTED
        self._window.append(not good)
        self._doubts = self._doubts + 1 if outcome.status is Status.IN_DOUBT else 0
        self._same = 0 if good else self._same + 1 if outcome.error_code == self._code else 1
        self._code = "" if good else outcome.error_code
        if self.doubts and self._doubts >= self.doubts:
            return _stop(
                f"{self._doubts} rows in a row ended in doubt (last: {outcome.error_code}); the portal is not answering as it should"
            )
        if self.same and self._same >= self.same:
            return _stop(f"{self._same} rows in a row ended with {outcome.error_code}: {outcome.error_message}")
        errors = sum(self._window)
        if self.percent and len(self._window) == WINDOW and errors * 100 > self.percent * WINDOW:
            return _stop(f"{errors} of the last {WINDOW} rows ended in an error (last: {outcome.error_code})")
        return None


def _stop(why: str) -> Stop:
    return Stop("RUN_STOPPED", why, 6)

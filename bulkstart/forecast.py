"""Rows, limits, measured durations → time and what binds. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bulkstart.throttle import Limits


@dataclass(frozen=True, slots=True)
class Forecast:
    """How long the starts will take, from the first to the last send; ``binds``: the limit that decides it."""

    requests: int
    seconds: float
    binds: str

    @property
    def text(self) -> str:
        return f"about {self.seconds:.0f} seconds ({self.binds})"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def forecast(
    rows: int, limits: Limits, *, seconds_per_start: float | None = None, in_flight: int = 10, held: float = 0.0
) -> Forecast:
    """Forecast ``rows`` starts under ``limits``."""
    times = {"request rate": max(0.0, rows - limits.safe_burst) / limits.safe_rate}
    if limits.window:
        times["platform window"] = limits.window[1] * (max(0, rows - 1) // limits.window[0])
    if seconds_per_start:
        times["answer time"] = rows * seconds_per_start / in_flight
    binds = max(times, key=lambda name: times[name])
    return Forecast(rows, held + times[binds], binds)

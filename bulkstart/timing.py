"""When a run may send and how long it will take, by its options and the clock on the wall."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bulkstart.batching import Batching
from bulkstart.forecast import Forecast, Ways, forecast
from bulkstart.lanes import Lanes, crowded
from bulkstart.options import Options
from bulkstart.plan import Plan, lanes
from bulkstart.throttle import Limits

LONG = 120.0
"""Seconds from which on it is worth saying what would change a run's time."""


def expected(plan: Plan, limits: Limits, options: Options, batching: Batching) -> Forecast:
    """How long a plan will take before anything was measured, and what another rate would change."""
    rows, per_document = len(plan.ready), options.per_document
    many = crowded(plan.ready, per_document) if per_document else set()  # in most sheets nobody waits
    waiting = lanes([ready for ready in plan.ready if ready.request.document in many]) if many else []
    ways = Ways(
        in_flight=options.max_unknown,
        batch=batching.planned((), limits.safe_rate),
        crowd=Lanes(per_document, options.life).crowd(0.0, waiting),
    )
    cast = beginning(forecast(rows, limits, ways), options, rows)
    if cast.binds != "request rate" or cast.wait < LONG:
        return cast
    twice = replace(limits, rate=limits.rate * 2, burst=limits.burst and limits.burst * 2)
    return replace(cast, others=((f"--rate {twice.rate:g}, where the portal allows it", forecast(rows, twice, ways)),))


def beginning(cast: Forecast, options: Options, rows: int) -> Forecast:
    """The forecast of a run that begins now, with its end by ``--window`` and ``--deadline``."""
    return cast.beginning(_now(), options.daily, options.deadline, rows)


def shut(options: Options) -> float:
    """Seconds until starts may leave by ``--window``."""
    return options.daily.shut(_now()) if options.daily else 0.0


def _now() -> datetime:
    return datetime.now().astimezone()

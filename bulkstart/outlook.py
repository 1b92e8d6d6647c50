"""A run under way: what its gate has learned of the portal, as a forecast of what is left. Pure but for the gate that it reads."""

from __future__ import annotations

from collections.abc import Sequence

from bulkstart.crowd import Crowd
from bulkstart.forecast import Forecast, Ways, forecast
from bulkstart.gate import Gate
from bulkstart.throttle import PACED_MARGIN, Limits

ENOUGH, LATELY = 20, 60.0
"""Starts behind which a rate that was learned from refusals is told by what got through, and the seconds in which they count."""


def outlook(gate: Gate, rows: int, now: float, crowd: Crowd | None = None) -> Forecast:
    """Forecast ``rows`` that are left of the gate's run; ``now`` by the loop's clock; ``crowd``: what waits for room on its document."""
    operating = gate.operating.state(now) if gate.operating else None
    state = gate.throttle.state(now)
    durations = gate.durations[-100:]
    batch = min(gate.max_unknown, gate.batching.planned(gate.durations, state.rate))
    ways = Ways(
        seconds_per_start=sum(durations) / len(durations) if durations else None,
        in_flight=gate.max_unknown,
        held=max(0.0, max(state.held_until, operating.held_until if operating else 0.0) - now),
        batch=batch,
        spare=state.spare,
        taken=gate.throttle.places(now),
        operating=(operating.limit, operating.window, operating.per_start) if operating and operating.limit else None,
        spent=gate.operating.spent(now) if gate.operating else (),
        seconds_per_request=_request(list(gate.requests), list(gate.ran), batch),
        crowd=crowd or Crowd(),
    )
    return forecast(rows, _limits(gate, now), ways)


def _limits(gate: Gate, now: float) -> Limits:
    """The limits as they are now: a rate that refusals taught swings, so what got through since the first of them tells it better."""
    limits, state = gate.throttle.limits, gate.throttle.state(now)
    rate = state.rate
    if state.learned:
        since = max(state.since, now - LATELY)
        lately = [at for at in list(gate.succeeded_at) if at >= since]
        if len(lately) >= ENOUGH and lately[-1] > lately[0]:
            rate = (len(lately) - 1) / (lately[-1] - lately[0])
    elif limits.stated:
        return limits
    return Limits(rate / PACED_MARGIN, None, stated=limits.stated, window=limits.window)


def _request(requests: Sequence[tuple[float, int]], ran: Sequence[float], batch: int) -> float | None:
    """Seconds from leave to answer of a request with ``batch`` rows: as measured, else what the way took and what the portal says starts run.

    ``requests``: (seconds, rows) of each started row's. ``None`` where that is not known.
    """
    alike = [seconds for seconds, rows in requests if rows == batch]
    if batch == 1 or len(alike) >= batch:
        return sum(alike) / len(alike) if alike else None
    alone = [seconds for seconds, rows in requests if rows == 1]
    if not alone or not ran:
        return None
    run = sum(ran) / len(ran)
    return max(0.0, sum(alone) / len(alone) - run) + batch * run

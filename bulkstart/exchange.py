"""Starts over the wire: a request out, its answer read as a verdict for each row, and what both tell of the portal's limits.

Rows that share a request (a batch) come one by one, each when the journal has its intent; the request leaves when the last one came.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bulkstart.gate import Gate, Seat
from bulkstart.gateways import Gateway
from bulkstart.gateways.codes import EXPIRED_TOKEN, OPERATING
from bulkstart.inert import inert
from bulkstart.model import Answer, Busy, HttpCall, InDoubt, Lost, Started, Verdict
from bulkstart.plan import Ready
from bulkstart.retry import lost_verdict

Send = Callable[[HttpCall], Awaitable[Answer | Lost]]

_WARNING_PAUSE = 10.0
"""Seconds in which one warning of the portal counts once, however many answers carry it."""


@dataclass(slots=True)
class Tally:
    """What a run measured of itself: for the bar, the canary's report and the forecast. Seconds throughout."""

    templates: set[int] = field(default_factory=set)
    ids: dict[str, object] = field(default_factory=dict)
    connected: int = 0
    throttled: int = 0
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Read:
    """What became of a request: a verdict for each row, its seconds, and whether any byte of it may have left this machine."""

    verdicts: Sequence[Verdict]
    seconds: float
    left: bool


@dataclass(slots=True)
class _Shared:
    """A request that waits for its rows."""

    missing: int
    rows: list[Ready] = field(default_factory=list)
    complete: asyncio.Event = field(default_factory=asyncio.Event)
    read: asyncio.Task[_Read] | None = None

    def came(self) -> None:
        """One row less to wait for."""
        self.missing -= 1
        if not self.missing:
            self.complete.set()


class Exchange:
    """The wire of one run. ``tally`` is what it measures; ``chance`` gives the jitter of holds, 0 to 1."""

    def __init__(self, gateway: Gateway, send: Send, gate: Gate, tally: Tally, chance: Callable[[], float]) -> None:
        self.tally = tally
        self._gateway, self._send, self._gate, self._chance = gateway, send, gate, chance
        self._shared: dict[int, _Shared] = {}
        self._warned = -math.inf

    def alone(self, ready: Ready) -> bool:
        """Whether a row can share no request."""
        return not self._gateway.fits_batch(ready.request)

    async def start(self, ready: Ready, seat: Seat) -> tuple[Verdict, bool]:
        """Send one start from its seat: what is proven, and whether any byte may have left this machine."""
        if seat.rows == 1:
            read, place = await self._sent([ready], seat.ticket), 0
        else:
            shared = self._boarded(seat)
            place = len(shared.rows)
            shared.rows.append(ready)
            shared.read = shared.read or asyncio.create_task(self._sent_together(shared, seat.ticket))
            shared.came()
            read = await _awaited(shared.read)
        return self._checked(ready, read.verdicts[place], read.seconds, len(read.verdicts)), read.left

    def give_up(self, seat: Seat) -> None:
        """The row of this seat does not leave: those that share its request wait no longer for it."""
        if seat.rows > 1:
            shared = self._boarded(seat)
            shared.came()
            if shared.missing or shared.rows:
                return
        self._shared.pop(seat.ticket, None)
        self._gate.throttle.answered(seat.ticket, self._gate.now(), lost=True)
        self._gate.spent(seat.ticket, None)

    def _boarded(self, seat: Seat) -> _Shared:
        return self._shared.setdefault(seat.ticket, _Shared(seat.rows))

    async def _sent_together(self, shared: _Shared, ticket: int) -> _Read:
        await shared.complete.wait()
        del self._shared[ticket]
        return await self._sent(shared.rows, ticket)

    async def _sent(self, rows: Sequence[Ready], ticket: int) -> _Read:
        """One request for these rows."""
        requests, began = [ready.request for ready in rows], self._gate.now()
        answer = await self._send(self._gateway.start_call(requests))
        now = self._gate.now()
        seconds = now - began
        if isinstance(answer, Lost):
            verdicts: Sequence[Verdict] = [lost_verdict(answer)] * len(rows)
            self._gate.throttle.answered(ticket, now, lost=True, jitter=self._chance())
            self._gate.spent(ticket, seconds if answer.left else None)
            if not answer.left:
                self._gate.not_connected()
                return _Read(verdicts, seconds, left=False)
        else:
            verdicts = self._gateway.read_start(requests, answer)
            self._heard(answer, verdicts, ticket, now)
            ran = any(isinstance(verdict, Started | InDoubt) for verdict in verdicts)
            times = self._gateway.read_times(requests, answer)
            self._gate.spent(ticket, seconds if ran else None, times, used_up=any(map(_used_up, verdicts)))
        self._gate.connected()
        self.tally.connected += 1
        return _Read(verdicts, seconds, left=True)

    def _heard(self, answer: Answer, verdicts: Sequence[Verdict], ticket: int, now: float) -> None:
        """Tell the throttle what the answer says of the portal's limits."""
        busy = [verdict for verdict in verdicts if isinstance(verdict, Busy) and verdict.throttled]
        if self._gate.operating:
            busy = [verdict for verdict in busy if not _used_up(verdict)]  # those say nothing of the rate
        after = max((verdict.after for verdict in busy if verdict.after is not None), default=None)
        hint = self._gateway.read_hint(answer, time.time())
        lost = all(isinstance(verdict, InDoubt) for verdict in verdicts)
        throttle = self._gate.throttle
        throttle.answered(ticket, now, throttled=bool(busy), lost=lost, after=after, hint=hint, jitter=self._chance())
        self.tally.throttled += bool(busy)
        if len(verdicts) > 1 and all(map(_no_batch, verdicts)):
            self._gate.no_batches()
        if (warning := self._gateway.read_warning(answer)) and now - self._warned >= _WARNING_PAUSE:
            self._warned = now
            throttle.slow_down(0.5, now)
            self.tally.warnings.append(inert(warning))

    def _checked(self, ready: Ready, verdict: Verdict, seconds: float, rows: int) -> Verdict:
        """An id that another row of this run has already proves nothing for this one."""
        if not isinstance(verdict, Started):
            return verdict
        if verdict.workflow_id in self.tally.ids:
            other = self.tally.ids[verdict.workflow_id]
            return InDoubt(
                "BAD_ANSWER", f"the portal answered with the id that it gave to row {other} before; it may have started"
            )
        self.tally.ids[verdict.workflow_id] = ready.label
        self.tally.templates.add(ready.request.template_id)
        self._gate.succeeded(seconds, rows)
        return verdict


def _used_up(verdict: Verdict) -> bool:
    return isinstance(verdict, Busy) and verdict.code == OPERATING


def _no_batch(verdict: Verdict) -> bool:
    """Whether a start was refused with its whole request, neither for its rate nor for its token."""
    return isinstance(verdict, Busy) and not verdict.throttled and verdict.code != EXPIRED_TOKEN


async def _awaited(read: asyncio.Task[_Read]) -> _Read:
    """A request ends with the first of its rows that is given up: that happens where a run is abandoned."""
    try:
        return await asyncio.shield(read)
    except asyncio.CancelledError:
        read.cancel()
        raise

"""One start over the wire: the request out, its answer read as a verdict, and what both tell of the portal's limits."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bulkstart.gate import Gate
from bulkstart.gateways import Gateway
from bulkstart.inert import inert
from bulkstart.model import Answer, Busy, HttpCall, InDoubt, Lost, Started, Verdict
from bulkstart.plan import Ready
from bulkstart.retry import lost_verdict

Send = Callable[[HttpCall], Awaitable[Answer | Lost]]

OPERATION_TIME_LIMIT = "OPERATION_TIME_LIMIT"
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


class Exchange:
    """The wire of one run. ``tally`` is what it measures; ``chance`` gives the jitter of holds, 0 to 1."""

    def __init__(self, gateway: Gateway, send: Send, gate: Gate, tally: Tally, chance: Callable[[], float]) -> None:
        self.tally = tally
        self._gateway, self._send, self._gate, self._chance = gateway, send, gate, chance
        self._warned = -math.inf

    async def start(self, ready: Ready, ticket: int) -> tuple[Verdict, bool]:
        """Send one start by its ticket of the gate: what is proven, and whether any byte may have left this machine."""
        began = self._gate.now()
        answer = await self._send(self._gateway.start_call([ready.request]))
        now = self._gate.now()
        if isinstance(answer, Lost):
            verdict = lost_verdict(answer)
            self._gate.throttle.answered(ticket, now, lost=True, jitter=self._chance())
            self._gate.spent(ticket, now - began if answer.left else None)
            if not answer.left:
                self._gate.not_connected()
                return verdict, False
        else:
            verdict = self._gateway.read_start([ready.request], answer)[0]
            self._heard(answer, verdict, ticket, now)
            self._spent(ready, answer, verdict, ticket, now - began)
        self._gate.connected()
        self.tally.connected += 1
        return self._checked(ready, verdict, now - began), True

    def _heard(self, answer: Answer, verdict: Verdict, ticket: int, now: float) -> None:
        """Tell the throttle what the answer says of the portal's limits."""
        throttled = isinstance(verdict, Busy) and verdict.throttled
        if self._gate.operating and isinstance(verdict, Busy) and verdict.code.upper() == OPERATION_TIME_LIMIT:
            throttled = False  # it says nothing of the rate
        after = verdict.after if isinstance(verdict, Busy) else None
        hint = self._gateway.read_hint(answer, time.time())
        lost = isinstance(verdict, InDoubt)
        self._gate.throttle.answered(ticket, now, throttled=throttled, lost=lost, after=after, hint=hint, jitter=self._chance())
        self.tally.throttled += throttled
        if (warning := self._gateway.read_warning(answer)) and now - self._warned >= _WARNING_PAUSE:
            self._warned = now
            self._gate.throttle.slow_down(0.5, now)
            self.tally.warnings.append(inert(warning))

    def _spent(self, ready: Ready, answer: Answer, verdict: Verdict, ticket: int, seconds: float) -> None:
        """Tell the gate what the start took of the method's operating time."""
        if isinstance(verdict, Busy) and verdict.code.upper() == OPERATION_TIME_LIMIT:
            self._gate.used_up(ticket)
        else:
            ran = isinstance(verdict, Started | InDoubt)
            self._gate.spent(ticket, seconds if ran else None, self._gateway.read_times([ready.request], answer))

    def _checked(self, ready: Ready, verdict: Verdict, seconds: float) -> Verdict:
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
        self._gate.succeeded(seconds)
        return verdict

"""The one place that decides about a start and runs it, whichever dialect asks (bitrix24-api 4.3, 8.9 to 8.14)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias

from .codes import NATIVE
from .exchange import CUT, Attempt, Ended
from .portal import Plan, Portal, Refusal

if TYPE_CHECKING:
    from .exchange import RunClock
    from .ledger import Ledger
    from .limits import OperatingBudgets
    from .scenario import Scenario

METHOD = "bizproc.workflow.start"

Later: TypeAlias = Coroutine[Any, Any, Ended]
Spawn = Callable[[Coroutine[Any, Any, Any]], None]


class Runs:
    """Starts of one portal."""

    def __init__(
        self,
        scenario: Scenario,
        portal: Portal,
        *,
        ledger: Ledger,
        clock: RunClock,
        operating: OperatingBudgets,
        spawn: Spawn,
    ) -> None:
        self._switches = scenario.switches
        self._portal = portal
        self._ledger = ledger
        self._clock = clock
        self._operating = operating
        self._spawn = spawn
        self._relayed = 0

    def decide(self, attempt: Attempt) -> Plan | Refusal:
        """Operating time, then the portal's own checks; a fault rule may have decided already."""
        template_id, document = attempt.template_id, attempt.document
        if attempt.committed is True and not isinstance(document, Refusal):
            return self._portal.plan(int(template_id), document[0], int(document[1]), attempt.number)
        if attempt.bill is not None and self._operating.exhausted(attempt.bill, time.time()):
            return Refusal("OPERATION_TIME_LIMIT", NATIVE["OPERATION_TIME_LIMIT"])
        now = time.monotonic()
        return self._portal.judge(
            template_id, document, now=now, clock=self._clock.at(now), draw=attempt.number, allowed=attempt.allowed
        )

    def run(self, attempt: Attempt, plan: Plan, limit: float) -> Ended | Later:
        """Run the synchronous part; after ``limit`` seconds nobody waits for it any more.

        What is committed at its beginning is committed here, before another request is looked at.
        """
        if attempt.bill is not None:
            self._book(attempt.bill, plan.run_seconds)
        if plan.run_seconds <= 0:
            return self._commit(attempt, plan)
        if self._switches.disconnect_stops_run:
            return self._run_while_there(attempt, plan, limit)
        cut = plan.run_seconds > limit
        ended = None if cut and self._switches.cut_rolls_back else self._commit(attempt, plan)
        if ended is not None and self._switches.id_before_run:
            return ended
        return _end_later(min(plan.run_seconds, limit), CUT if cut or ended is None else ended)

    def _book(self, bill: tuple[str, str], seconds: float) -> None:
        if seconds > 0:  # used when it is over, so that those on their way at the same time do not see it
            asyncio.get_running_loop().call_later(seconds, lambda: self._operating.use(bill, time.time(), seconds))

    async def _run_while_there(self, attempt: Attempt, plan: Plan, limit: float) -> Ended:
        cut = plan.run_seconds > limit
        await asyncio.sleep(min(plan.run_seconds, limit))
        if cut and not self._switches.cut_rolls_back:
            self._spawn(self._commit_later(attempt, plan, plan.run_seconds - limit))
        return CUT if cut or attempt.exchange.gone else self._commit(attempt, plan)

    async def _commit_later(self, attempt: Attempt, plan: Plan, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if not attempt.exchange.gone:
            self._commit(attempt, plan)

    def _commit(self, attempt: Attempt, plan: Plan) -> Ended:
        workflow_id = self._commit_once(attempt, plan, "start")
        if attempt.exchange.dialect == "vibecode":
            self._relayed += 1
            every = self._switches.upstream_retry_every
            if every and self._relayed % every == 0:
                workflow_id = self._commit_once(attempt, plan, "gateway_retry")
        return Ended(workflow_id) if plan.broken_after is None else Ended(broken=plan.message)

    def _commit_once(self, attempt: Attempt, plan: Plan, cause: str) -> str:
        workflow = self._portal.commit(plan, time.monotonic(), time.time())
        relayed = attempt.exchange.dialect == "vibecode"
        self._ledger.commit(
            attempt,
            workflow,
            effective=self._portal.effective(plan.template_id, attempt.fields["parameters"], relayed=relayed),
            steps_done=plan.broken_after,
            complete=plan.broken_after is None,
            cause=cause,
        )
        return workflow.id


async def _end_later(seconds: float, ended: Ended) -> Ended:
    await asyncio.sleep(seconds)
    return ended

"""``POST /v1/workflows/start``: reading the request, running the start, and saying so (VSTART)."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias

from .answers import RESET, fixed_reply
from .answers import answer as answer_of
from .documents import ENTITY_TYPES
from .limits import OperatingBudget, Turns
from .portal import Plan, Portal, Refusal
from .wire import Reply, no_constant

if TYPE_CHECKING:
    from .envelopes import Envelopes
    from .exchange import Exchange, RunClock
    from .ledger import Ledger
    from .scenario import Scenario

FIELDS = ("templateId", "entityType", "entityId", "parameters")
_LARGEST = 2**63

Later: TypeAlias = Coroutine[Any, Any, Reply]
Spawn = Callable[[Coroutine[Any, Any, Any]], None]


class Starts:
    """The start endpoint. What waits for nothing is answered at once; what waits comes back as a coroutine."""

    def __init__(
        self, scenario: Scenario, portal: Portal, envelopes: Envelopes, *, ledger: Ledger, clock: RunClock, spawn: Spawn
    ) -> None:
        self._switches = scenario.switches
        self._limits = scenario.limits
        self._portal = portal
        self._say = envelopes
        self._ledger = ledger
        self._clock = clock
        self._spawn = spawn
        self._turns = Turns(scenario.limits.queue) if scenario.limits.queue else None
        self._started = 0
        self._operating = OperatingBudget(scenario.limits.operating) if scenario.limits.operating else None

    # ------------------------------------------------------------------------------------------- reading

    def read(self, exchange: Exchange) -> None:
        """Read the body's fields; what is wrong with them becomes ``exchange.misread``."""
        if not exchange.head.headers.get("content-type", "").lower().startswith("application/json"):
            exchange.misread = self._say.error("MISSING_PARAMS")
            return
        try:
            sent = json.loads(exchange.body.decode(), parse_constant=no_constant)
        except (ValueError, RecursionError):
            exchange.misread = self._say.error("VALIDATION_ERROR", "The body is not JSON")
            return
        if isinstance(sent, dict):
            exchange.fields = {name: sent.get(name) for name in FIELDS}
            exchange.misread = self._wrong(sent, exchange)
        else:
            exchange.misread = self._say.error("MISSING_PARAMS")
        if exchange.misread is None:
            exchange.asked = (_whole(sent["templateId"]), sent["entityType"], _whole(sent["entityId"]))

    def _wrong(self, sent: dict[str, Any], exchange: Exchange) -> Reply | None:
        template, kind, entity = sent.get("templateId"), sent.get("entityType"), sent.get("entityId")
        if not _is_number(template) or not _is_number(entity) or not isinstance(kind, str) or kind not in ENTITY_TYPES:
            return self._say.error("MISSING_PARAMS")
        unknown = [name for name in sent if name not in FIELDS]
        if unknown:
            return self._say.error("VALIDATION_ERROR", f"Unknown fields: {', '.join(unknown)}")
        parameters = sent.get("parameters", {})
        if not isinstance(parameters, dict) and self._switches.parameters_not_object == "refused":
            return self._say.error("VALIDATION_ERROR", "parameters must be an object")
        if self._switches.idempotency_key == "refused" and "idempotency-key" in exchange.head.headers:
            return self._say.error("VALIDATION_ERROR", "Idempotency-Key is not supported")
        return None

    # ------------------------------------------------------------------------------------------ starting

    def start(self, exchange: Exchange) -> Reply | Later:
        """What the portal answers; commits on the way unless a fault rule forbids it."""
        if exchange.committed is False:
            return exchange.misread or self._say.error("BITRIX_ERROR")
        if exchange.misread is not None:
            return exchange.misread
        if exchange.commit_after:
            if exchange.answer.carries:
                return self._wait_and_start(exchange)
            self._spawn(self._wait_and_start(exchange))
            return self._say.error("BITRIX_ERROR")  # never sent: the answer hides it
        return self._in_turn(exchange)

    async def _wait_and_start(self, exchange: Exchange) -> Reply:
        await asyncio.sleep(exchange.commit_after)
        result = self._in_turn(exchange)
        return result if isinstance(result, Reply) else await result

    def _in_turn(self, exchange: Exchange) -> Reply | Later:
        if self._turns is None or self._turns.enter_now():
            return self._execute(exchange)
        return self._queued(exchange, self._turns)

    async def _queued(self, exchange: Exchange, turns: Turns) -> Reply:
        queue = self._limits.queue
        assert queue is not None
        place = turns.line_up()
        done, _ = await asyncio.wait({place}, timeout=queue.seconds)
        if done:
            return await self._when_turn_came(exchange, turns)
        if queue.timed_out == "drop":
            turns.leave_line(place)
        else:
            self._spawn(self._run_unseen(exchange, turns, place))
        return self._say.error("QUEUE_TIMEOUT", retry_after=queue.retry_after)

    async def _run_unseen(self, exchange: Exchange, turns: Turns, place: asyncio.Future[None]) -> None:
        await place
        await self._when_turn_came(exchange, turns)

    async def _when_turn_came(self, exchange: Exchange, turns: Turns) -> Reply:
        if exchange.gone and self._switches.disconnect_drops_queued:
            turns.leave()
            return self._say.error("QUEUE_TIMEOUT")  # never sent: the client has gone
        result = self._execute(exchange)
        return result if isinstance(result, Reply) else await result

    def _execute(self, exchange: Exchange) -> Reply | Later:
        assert exchange.asked is not None
        now = time.monotonic()
        plan = self._judged(exchange, exchange.asked, now)
        if isinstance(plan, Reply):
            self._leave_after(0.0)
            return plan
        self._leave_after(plan.run_seconds)
        if self._operating:
            self._operating.use(now, plan.run_seconds)
        return self._run(exchange, plan) if plan.run_seconds > 0 else self._commit(exchange, plan)

    def _judged(self, exchange: Exchange, asked: tuple[int | float, str, int | float], now: float) -> Plan | Reply:
        template_id, entity_type, entity_id = asked
        if exchange.committed is True:
            return self._portal.plan(int(template_id), entity_type, int(entity_id), exchange.number)
        if self._operating and self._operating.exhausted(now):
            assert self._limits.operating is not None
            if self._limits.operating.answer == "RATE_LIMITED":
                return self._say.error("RATE_LIMITED", "OPERATION_TIME_LIMIT", throttled=True)
            return self._say.scripted(answer_of("OPERATION_TIME_LIMIT"))
        if isinstance(template_id, float):
            return self._say.refusal(Refusal("ERROR_WRONG_WORKFLOW_ID", "Template not found"), as_missing=False)
        found = self._portal.judge(template_id, entity_type, entity_id, now=now, clock=self._clock.at(now), draw=exchange.number)
        if isinstance(found, Refusal):
            return self._say.refusal(found, as_missing=self._switches.missing_entity == "ENTITY_NOT_FOUND")
        return found

    def _run(self, exchange: Exchange, plan: Plan) -> Reply | Later:
        """The synchronous part. What is committed at its beginning is committed here, before another request is looked at."""
        switches, limit = self._switches, self._switches.upstream_seconds
        cut = plan.run_seconds > limit
        if switches.disconnect_stops_run:
            return self._run_while_there(exchange, plan)
        reply = None if cut and switches.cut_rolls_back else self._commit(exchange, plan)
        if reply is not None and switches.id_before_run:
            return reply
        return self._answer_later(exchange, min(plan.run_seconds, limit), None if cut else reply)

    async def _answer_later(self, exchange: Exchange, seconds: float, reply: Reply | None) -> Reply:
        await asyncio.sleep(seconds)
        return self._upstream_cut(exchange) if reply is None else reply

    async def _run_while_there(self, exchange: Exchange, plan: Plan) -> Reply:
        limit = self._switches.upstream_seconds
        cut = plan.run_seconds > limit
        await asyncio.sleep(min(plan.run_seconds, limit))
        if cut and not self._switches.cut_rolls_back:
            self._spawn(self._commit_later(exchange, plan, plan.run_seconds - limit))
        if cut or exchange.gone:
            return self._upstream_cut(exchange)
        return self._commit(exchange, plan)

    async def _commit_later(self, exchange: Exchange, plan: Plan, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if not exchange.gone:
            self._commit(exchange, plan)

    def _upstream_cut(self, exchange: Exchange) -> Reply:
        """The portal did not answer in time: what the gateway makes of it (bitrix24-api 7, 5)."""
        said = self._switches.upstream_answer
        if said == "reset" and exchange.answer.carries:
            exchange.answer = RESET
        page = fixed_reply(answer_of(said)) if said.startswith("html") else None
        return page or self._say.error("BITRIX_UNAVAILABLE")

    def _commit(self, exchange: Exchange, plan: Plan) -> Reply:
        self._started += 1
        every = self._switches.upstream_retry_every
        workflow_id = self._commit_once(exchange, plan, "start")
        if every and self._started % every == 0:
            workflow_id = self._commit_once(exchange, plan, "gateway_retry")
        if plan.broken_after is not None:
            return self._say.error("BITRIX_ERROR", plan.message, b24_code="")
        return self._say.started(workflow_id)

    def _commit_once(self, exchange: Exchange, plan: Plan, cause: str) -> str:
        parameters = exchange.fields["parameters"]
        workflow = self._portal.commit(plan, time.monotonic(), time.time())
        self._ledger.commit(
            exchange,
            workflow,
            effective=self._portal.effective(plan.template_id, parameters if isinstance(parameters, dict) else {}),
            steps_done=plan.broken_after,
            complete=plan.broken_after is None,
            cause=cause,
        )
        return workflow.id

    def _leave_after(self, seconds: float) -> None:
        if self._turns is None:
            return
        if seconds > 0:
            asyncio.get_running_loop().call_later(seconds, self._turns.leave)
        else:
            self._turns.leave()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST


def _whole(value: float) -> int | float:
    return int(value) if math.isfinite(value) and value == int(value) else value

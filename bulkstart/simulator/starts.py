"""``POST /v1/workflows/start``: reading the request, waiting in line, and saying what the portal did (VSTART)."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias

from .answers import RESET, fixed_reply
from .answers import answer as answer_of
from .document_types import ENTITY_TYPES
from .exchange import Attempt, Ended
from .limits import Turns
from .native_states import state_of, states
from .portal import Refusal
from .runs import METHOD
from .wire import Reply, no_constant

if TYPE_CHECKING:
    from .desk import Desk
    from .envelopes import Envelopes
    from .exchange import Exchange

FIELDS = ("templateId", "entityType", "entityId", "parameters")
_LARGEST = 2**63
_BILL = (METHOD, "the gateway")

Later: TypeAlias = Coroutine[Any, Any, Reply]


class Starts:
    """The start endpoint. What waits for nothing is answered at once; what waits comes back as a coroutine."""

    def __init__(self, desk: Desk, envelopes: Envelopes) -> None:
        scenario = desk.scenario
        self._switches = scenario.switches
        self._limits = scenario.limits
        self._states = states(scenario.native)
        self._portal = desk.portal
        self._runs = desk.runs
        self._clock = desk.clock
        self._spawn = desk.spawn
        self._say = envelopes
        self._turns = Turns(scenario.limits.queue) if scenario.limits.queue else None

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
        template_id, entity_type, entity_id = exchange.asked
        attempt = Attempt(
            exchange,
            exchange.fields,
            template_id,
            (entity_type, entity_id),
            exchange.number,
            _BILL,
            rule=exchange.rule,
            committed=exchange.committed,
        )
        plan = self._closed(exchange) or self._runs.decide(attempt)
        if isinstance(plan, Refusal):
            self._leave_after(0.0)
            return self._refused(plan)
        self._leave_after(plan.run_seconds)
        ended = self._runs.run(attempt, plan, self._switches.upstream_seconds)
        return self._said(exchange, ended) if isinstance(ended, Ended) else self._said_later(exchange, ended)

    def _closed(self, exchange: Exchange) -> Refusal | None:
        """What closes the whole portal shows through, unless a fault rule commits the start."""
        if exchange.committed is True:
            return None
        now = time.monotonic()
        state = state_of(self._states, self._clock.at(now), self._portal.started, METHOD)
        return None if state is None else Refusal(state.code, state.text, closed=not state.code)

    def _refused(self, refusal: Refusal) -> Reply:
        limit = self._limits.operating
        if refusal.closed:
            return self._say.error("BITRIX_UNAVAILABLE")
        if refusal.code == "OPERATION_TIME_LIMIT" and limit is not None and limit.answer == "RATE_LIMITED":
            return self._say.error("RATE_LIMITED", "OPERATION_TIME_LIMIT", throttled=True)
        return self._say.refusal(refusal, missing=self._switches.missing_entity)

    async def _said_later(self, exchange: Exchange, ended: Coroutine[Any, Any, Ended]) -> Reply:
        return self._said(exchange, await ended)

    def _said(self, exchange: Exchange, ended: Ended) -> Reply:
        if ended.cut:
            return self._upstream_cut(exchange)
        if ended.workflow_id is None:
            return self._say.error("BITRIX_ERROR", ended.broken, b24_code="")
        return self._say.started(ended.workflow_id)

    def _upstream_cut(self, exchange: Exchange) -> Reply:
        """The portal did not answer in time: what the gateway makes of it (bitrix24-api 7, 5)."""
        said = self._switches.upstream_answer
        if said == "reset" and exchange.answer.carries:
            exchange.answer = RESET
        page = fixed_reply(answer_of(said)) if said.startswith("html") else None
        return page or self._say.error("BITRIX_UNAVAILABLE")

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

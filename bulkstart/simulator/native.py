"""How a native portal talks: states and limits at the head of a request, then who asks, then fault rules, then the method itself.

The order is that of bitrix24-api 8.9: what stands in front, rate (503), method (404), who asks (401), scope, operating time (429).
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Coroutine
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias

from . import php
from .allowances import NativeLimit
from .answers import RESET, fixed_reply, html
from .answers import answer as answer_of
from .exchange import Ended
from .limits import LeakyBucket
from .native_about import METHODS
from .native_batch import MOST, Command, NativeBatch
from .native_keys import Caller, Credentials
from .native_reads import NativeReads
from .native_scenario import PLANS
from .native_starts import FIELDS, NativeStarts
from .native_states import Closed, state_of, states
from .native_words import NativeError, Words
from .oauth import OAuthServer
from .runs import METHOD
from .wire import Reply, WireError

if TYPE_CHECKING:
    from .desk import Desk
    from .exchange import Exchange

Later: TypeAlias = Coroutine[Any, Any, Reply]

ENDPOINT_OF = {
    METHOD: "start",
    "bizproc.workflow.template.list": "templates",
    "bizproc.workflow.instances": "list",
    "bizproc.workflow.instance.list": "list",
    "bizproc.workflow.terminate": "delete",
    "bizproc.workflow.kill": "delete",
    "bizproc.task.list": "tasks",
    "crm.item.list": "search",
    "batch": "batch",
}
"""Method → endpoint in fault rules and in the ledger; all others are ``me``."""


class Native:
    """Native REST and the authorization server of one portal."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        native = self._native = desk.scenario.native
        self._switches = native.switches
        self._states = states(native)
        self._credentials = Credentials(desk.scenario)
        self._words = Words(desk)
        self._oauth = OAuthServer(desk, self._credentials)
        self._starts = NativeStarts(desk)
        self._reads = NativeReads(desk, self._words)
        self._batch = NativeBatch(desk, self._words, self._starts, self._reads, self._refusal)
        limit = desk.scenario.limits.native
        self._limit = NativeLimit(rate=PLANS[native.plan][0], burst=PLANS[native.plan][1]) if isinstance(limit, str) else limit
        self._buckets: dict[str, LeakyBucket] = {}

    def secrets(self) -> list[str]:
        """Everything that the ledger must not hold."""
        return self._credentials.secrets()

    def unreadable(self, error: WireError) -> Reply:
        """Answer what is no acceptable HTTP request, as the web server in front does."""
        return html(error.status, f"{error.status} {HTTPStatus(error.status).phrase}")

    # ------------------------------------------------------------------------------- when the head is there

    def admit(self, exchange: Exchange) -> None:
        """What can be said before the body is there; where the path holds a webhook, who asks, too."""
        user, code = self._route(exchange)
        if exchange.on == "start":
            exchange.fields = dict.fromkeys(FIELDS)
            self._desk.begin(exchange)
        exchange.clock = self._desk.clock.at(exchange.arrived)
        if exchange.on == "oauth":
            self._desk.number(exchange)
            return
        exchange.refusal = self._in_front(exchange) or self._rate(exchange, user + code)
        if exchange.refusal is None and (exchange.item not in METHODS or exchange.head.method not in ("GET", "POST")):
            exchange.refusal = self._words.error(NativeError("ERROR_METHOD_NOT_FOUND"))
        if exchange.refusal is None and code:
            self._identify(exchange, self._credentials.of_webhook(user, code, exchange.clock))

    def _route(self, exchange: Exchange) -> tuple[str, str]:
        """Read the path; returns user and code of a webhook, empty for an application."""
        parts = exchange.head.path.strip("/").split("/")
        if parts == ["oauth", "token"]:
            exchange.on, exchange.item = "oauth", "oauth/token"
            return "", ""
        user, code = (parts[1], parts[2]) if len(parts) == 4 else ("", "")
        if parts[0] == "rest" and len(parts) in (2, 4):
            exchange.item = parts[-1].lower().removesuffix(".json")
        if exchange.item in METHODS:
            exchange.on = ENDPOINT_OF.get(exchange.item, "me")
        return user, code

    def _in_front(self, exchange: Exchange) -> Reply | None:
        state = state_of(self._states, exchange.clock, self._desk.portal.started, exchange.item)
        if state is None or not (state.in_front or state.word == "no_bizproc"):
            return None
        if state.word == "renamed":
            query = f"?{exchange.head.query}" if exchange.head.query else ""
            place = f"{state.location.rstrip('/')}{exchange.head.path}{query}"
            return Reply(status=state.status or 302, headers=(("Location", place),), content_type="text/html")
        if state.word == "maintenance":
            return html(state.status or 503, "Scheduled maintenance")
        return self._words.error(_closed(state))

    def _rate(self, exchange: Exchange, credential: str) -> Reply | None:
        if self._limit is None:
            return None
        name = {"portal": "", "ip": exchange.ip, "credential": credential}[self._switches.bucket_by]
        bucket = self._buckets.get(name)
        if bucket is None:
            counted = self._desk.scenario.switches.refused_count
            bucket = self._buckets[name] = LeakyBucket(self._limit, refused_count=counted)
        if bucket.take(exchange.arrived, self._desk.clock.origin):
            return None
        return self._words.error(NativeError("QUERY_LIMIT_EXCEEDED"))

    def _identify(self, exchange: Exchange, found: Caller | str) -> None:
        """Let a caller in, and number the request; or refuse it."""
        refused = NativeError(found) if isinstance(found, str) else self._refusal(found, exchange.item)
        if isinstance(found, str) or refused is not None:
            exchange.refusal = self._words.error(refused or NativeError("NO_AUTH_FOUND"))
            return
        exchange.caller = found
        self._desk.number(exchange)
        if exchange.on == "start":
            found.starts += 1

    def _refusal(self, caller: Caller, method: str) -> NativeError | None:
        """Why this caller may not call that method now: it is closed, or a scope is missing."""
        clock = self._desk.clock.at(time.monotonic())
        state = state_of(self._states, clock, self._desk.portal.started, method)
        if state is not None and state.code:
            return _closed(state)
        return NativeError("insufficient_scope") if caller.lacks(method) else None

    # ------------------------------------------------------------------------------- when the body was read

    def handle(self, exchange: Exchange) -> Reply | Later:
        """Write the arrival, apply a fault rule, do the work. What waits comes back as a coroutine."""
        exchange.digest = hashlib.sha256(exchange.body).hexdigest()
        query = php.pairs(exchange.head.query)
        body = php.body_fields(exchange.head.headers.get("content-type", ""), exchange.body)
        fields = {**query, **body}
        commands = self._understand(exchange, fields, query)
        if exchange.refusal is None and exchange.caller is None and exchange.on != "oauth":
            self._identify(exchange, self._credentials.of_token(fields.get("auth"), exchange.clock))
        self._desk.ledger.arrival(exchange)
        if exchange.refusal is not None:
            return exchange.refusal
        self._desk.choose(exchange)
        result = self._work(exchange, fields, commands)
        return self._as_seen(exchange, result) if isinstance(result, Reply) else self._seen_later(exchange, result)

    def _understand(self, exchange: Exchange, fields: dict[str, Any], query: dict[str, Any]) -> list[Command]:
        if exchange.on == "start":
            found = exchange.fields = self._starts.understood(fields, query)
            if found["entityType"] is not None:
                exchange.asked = (found["templateId"] or 0, found["entityType"], found["entityId"])
        commands = self._batch.commands(fields) if exchange.on == "batch" else []
        if exchange.on == "batch":
            exchange.starts = [
                {"command": command.key, "position": command.position, **command.understood}
                for command in commands[:MOST]
                if command.understood is not None
            ]
            if exchange.starts:
                self._desk.begin(exchange)
        return commands

    def _work(self, exchange: Exchange, fields: dict[str, Any], commands: list[Command]) -> Reply | Later:
        if exchange.on == "oauth":
            return self._oauth.token(exchange)
        assert exchange.caller is not None
        hidden = not exchange.answer.carries and exchange.answer.kind != "error"
        if exchange.on == "start":
            return self._start(exchange, exchange.caller, fields)
        if exchange.on == "batch":
            work = self._run_batch(exchange, exchange.caller, fields, commands)
            return self._or_behind(exchange, work) if exchange.commit_after else work
        return self._unsent() if hidden else self._read(exchange, exchange.caller, fields)

    def _start(self, exchange: Exchange, caller: Caller, fields: dict[str, Any]) -> Reply | Later:
        unknown = self._starts.unknown(fields)
        if unknown is not None:
            return self._words.error(unknown)
        attempt = self._starts.attempt(
            exchange,
            exchange.fields,
            caller,
            number=exchange.number,
            bill=(METHOD, caller.name),
            rule=exchange.rule,
            committed=exchange.committed,
        )
        if exchange.commit_after and exchange.committed is not False:
            return self._or_behind(
                exchange, self._said_later(exchange, self._starts.performed(attempt, self._native.request_seconds))
            )
        try:
            ended = self._starts.perform(attempt, self._native.request_seconds)
        except NativeError as error:
            return self._words.error(error)
        return self._said(exchange, ended) if isinstance(ended, Ended) else self._said_later(exchange, ended)

    def _or_behind(self, exchange: Exchange, work: Later) -> Reply | Later:
        """Wait for the work where the answer carries what comes of it; else let it go on behind the answer."""
        if exchange.answer.carries:
            return work
        self._desk.spawn(work)
        return self._unsent()

    async def _said_later(self, exchange: Exchange, ended: Coroutine[Any, Any, Ended]) -> Reply:
        try:
            return self._said(exchange, await ended)
        except NativeError as error:
            return self._words.error(error)

    def _said(self, exchange: Exchange, ended: Ended) -> Reply:
        if ended.cut:
            return self._cut(exchange)
        try:
            found = self._starts.said(ended)
        except NativeError as error:
            return self._words.error(error)
        assert exchange.caller is not None
        return self._words.ok(found, started=exchange.time, bill=(exchange.item, exchange.caller.name))

    async def _run_batch(self, exchange: Exchange, caller: Caller, fields: dict[str, Any], commands: list[Command]) -> Reply:
        try:
            return await self._batch.run(exchange, caller, commands, halt=not php.empty(fields.get("halt")))
        except NativeError as error:
            return self._words.error(error)
        except TimeoutError:
            return self._cut(exchange)

    async def _read(self, exchange: Exchange, caller: Caller, fields: dict[str, Any]) -> Reply:
        work = asyncio.get_running_loop().create_task(self._batch.read(exchange.item, caller, fields, counts=True))
        self._desk.keep(work)
        done, _ = await asyncio.wait({work}, timeout=self._native.request_seconds)
        if not done:
            return self._cut(exchange)
        try:
            found = work.result()
        except NativeError as error:
            return self._words.error(error)
        return self._words.ok(found, started=exchange.time, bill=(exchange.item, caller.name))

    # ------------------------------------------------------------------------------------------- what is seen

    def _cut(self, exchange: Exchange) -> Reply:
        """The web server's answer when the portal takes too long (bitrix24-api 3.1)."""
        said = self._switches.cut_answer
        if said == "reset":
            if exchange.answer.carries:
                exchange.answer = RESET
            return self._unsent()
        return fixed_reply(answer_of(said)) or self._unsent()

    def _unsent(self) -> Reply:
        return self._words.error(NativeError("INTERNAL_SERVER_ERROR"))

    async def _seen_later(self, exchange: Exchange, work: Later) -> Reply:
        return self._as_seen(exchange, await work)

    def _as_seen(self, exchange: Exchange, reply: Reply) -> Reply:
        """Return what the client gets to see, after the fault rule."""
        if exchange.answer.carries:
            return reply
        exchange.results = None
        if exchange.answer.kind == "error":
            return self._words.scripted(exchange.answer)
        return fixed_reply(exchange.answer) or reply


def _closed(state: Closed) -> NativeError:
    return NativeError(state.code, state.text, state.status)

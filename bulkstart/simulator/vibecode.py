"""How the Vibecode gateway talks: limits, keys and routes at the head of a request, then fault rules, then the endpoint itself.

Two steps for each request: ``admit`` when its head is complete (limits are exact to that moment), ``handle`` when its body is.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from .allowances import PortalLimit
from .answers import fixed_reply
from .codes import GATEWAY
from .entities import ENTITIES, Entities, batch_calls
from .envelopes import Envelopes
from .keys import Holder, KeyRing
from .limits import LeakyBucket, SlidingWindow
from .queries import ValidationError
from .reads import Reads
from .repeats import RepeatGuard
from .starts import FIELDS, Starts
from .wire import Reply, WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .desk import Desk
    from .exchange import Exchange


class Gateway:
    """The simulated gateway in front of one simulated portal."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        scenario = self._scenario = desk.scenario
        self._ring = KeyRing(scenario)
        self._say = Envelopes(scenario.language, empty_b24_code=scenario.switches.b24_code_when_empty == "empty")
        self._starts = Starts(desk, self._say)
        reads = Reads(scenario, desk.portal, self._say, desk.clock, self._ring)
        entities = Entities(scenario.switches, desk.portal, self._say, reads.template_page)
        self._endpoints: dict[str, Callable[[Exchange], Reply]] = {
            "me": reads.me,
            "oauth": reads.oauth,
            "templates": reads.templates,
            "list": reads.running,
            "delete": reads.delete,
            "entity": entities.entity,
            "search": entities.search,
            "batch": entities.batch,
        }
        self._repeats = RepeatGuard(scenario.error_loop)
        self._bucket = (
            LeakyBucket(scenario.limits.portal, refused_count=scenario.switches.refused_count) if scenario.limits.portal else None
        )
        self._windows: dict[str, SlidingWindow] = {}
        self._key_buckets: dict[str, LeakyBucket] = {}

    def secrets(self) -> list[str]:
        """Everything that the ledger must not hold."""
        return self._ring.secrets()

    # ------------------------------------------------------------------------------- when the head is there

    def admit(self, exchange: Exchange) -> None:
        """Route, limits, key, in this order; a refusal is kept until the body was read."""
        exchange.on, exchange.item = self._route(exchange.head.method, exchange.head.path)
        if exchange.on == "start":
            exchange.fields = dict.fromkeys(FIELDS)
            self._desk.begin(exchange)
        exchange.clock = self._desk.clock.at(exchange.arrived)
        exchange.refusal = (
            self._window(exchange) or self._key(exchange) or self._bucket_of_key(exchange) or self._portal_bucket(exchange, 1)
        )
        if exchange.refusal is None and exchange.on == "unknown":
            exchange.refusal = self._say.error("ROUTE_NOT_FOUND")
        if exchange.refusal is None:
            self._desk.number(exchange)
            if exchange.on == "start" and exchange.holder:
                exchange.holder.starts += 1

    def unreadable(self, error: WireError) -> Reply:
        """Answer what is no acceptable HTTP request."""
        code = str(error) if str(error) in GATEWAY else "VALIDATION_ERROR"
        return self._say.error(code, None if str(error) in GATEWAY else str(error), status=error.status)

    def _route(self, method: str, path: str) -> tuple[str, str]:
        found = _ROUTES.get((method, path))
        if found is not None:
            return found
        if method == "GET" and path in self._scenario.switches.template_paths:
            return "templates", ""
        parts = path.split("/")
        if parts[:2] == ["", "v1"] and len(parts) == 4:
            if method == "DELETE" and parts[2] == "workflows" and parts[3]:
                return "delete", unquote(parts[3])
            if method == "GET" and parts[2] in ENTITIES and parts[3]:
                return "entity", f"{parts[2]}/{parts[3]}"
        return "unknown", ""

    def _window(self, exchange: Exchange) -> Reply | None:
        limit = self._scenario.limits.platform
        if limit is None:
            return None
        by = self._scenario.switches.platform_limit_by
        name = {"all": "", "key": self._ring.presented(exchange.head) or "", "ip": exchange.ip}[by]
        window = self._windows.get(name)
        if window is None:
            window = self._windows[name] = SlidingWindow(limit, refused_count=self._scenario.switches.refused_count)
        fits = window.take(exchange.arrived)
        wait = window.wait(exchange.arrived)
        if limit.headers:
            reset = math.ceil((exchange.time if limit.reset == "epoch" else 0.0) + wait)
            exchange.headers = _told(limit.requests, window.remaining, reset)
        if fits:
            return None
        seconds = max(1, math.ceil(wait))
        return self._say.error(
            "RATE_LIMITED", retry_after=seconds, body=limit.retry_after_body, header=limit.retry_after_header, throttled=True
        )

    def _key(self, exchange: Exchange) -> Reply | None:
        if exchange.on == "oauth":
            return None
        found = self._ring.check(exchange.head, exchange.on, exchange.ip, exchange.clock)
        if isinstance(found, Holder):
            exchange.holder = found
            return None
        return self._say.error(found, status=None if found in GATEWAY else 403)

    def _bucket_of_key(self, exchange: Exchange) -> Reply | None:
        holder = exchange.holder
        if holder is None or holder.key.requests_per_second is None:
            return None
        bucket = self._key_buckets.get(holder.key.key)
        if bucket is None:
            limit = PortalLimit(rate=holder.key.requests_per_second, burst=max(1.0, holder.key.requests_per_second))
            bucket = self._key_buckets[holder.key.key] = LeakyBucket(limit, refused_count=self._scenario.switches.refused_count)
        if bucket.take(exchange.arrived, self._desk.clock.origin):
            return None
        return self._say.error("RATE_LIMITED", throttled=True)

    def _portal_bucket(self, exchange: Exchange, amount: int) -> Reply | None:
        limit = self._scenario.limits.portal
        if self._bucket is None or limit is None or exchange.holder is None:
            return None
        fits = self._bucket.take(exchange.arrived, self._desk.clock.origin, amount)
        if limit.headers and not exchange.headers:
            size, remaining, empty = self._bucket.room(exchange.arrived, self._desk.clock.origin)
            exchange.headers = _told(math.floor(size), remaining, math.ceil(exchange.time + empty))
        if fits:
            return None
        wait = (
            self._bucket.wait(exchange.arrived, self._desk.clock.origin)
            if isinstance(limit.retry_after, str)
            else limit.retry_after
        )
        return self._say.error(
            limit.refusal, retry_after=wait, body=limit.retry_after_body, header=limit.retry_after_header, throttled=True
        )

    # ------------------------------------------------------------------------------- when the body was read

    def handle(self, exchange: Exchange) -> Reply | Coroutine[Any, Any, Reply]:
        """Write the arrival, apply a fault rule, do the work. What waits comes back as a coroutine."""
        exchange.digest = hashlib.sha256(exchange.body).hexdigest()
        if exchange.on == "start":
            self._starts.read(exchange)
        self._desk.ledger.arrival(exchange)
        if exchange.refusal is not None:
            return self._as_seen(exchange, exchange.refusal)
        if self._repeats.holds(exchange):
            return self._say.error("ERROR_LOOP_DETECTED")
        self._desk.choose(exchange)
        if exchange.on == "start":
            result = self._starts.start(exchange)
            return self._as_seen(exchange, result) if isinstance(result, Reply) else self._later(exchange, result)
        return self._as_seen(exchange, self._others(exchange))

    def _others(self, exchange: Exchange) -> Reply:
        if not exchange.answer.carries:
            return self._say.error("INTERNAL_ERROR")  # never sent: the answer hides it, and nothing is done
        try:
            if exchange.on == "batch" and self._scenario.switches.batch_cost == "each":
                refused = self._portal_bucket(exchange, len(batch_calls(exchange)) - 1)
                if refused is not None:
                    return refused
            reply = self._endpoints[exchange.on](exchange)
        except ValidationError as error:
            return self._say.error("VALIDATION_ERROR", str(error))
        if exchange.on == "oauth":
            self._desk.ledger.hide(self._ring.secrets())
        return reply

    async def _later(self, exchange: Exchange, work: Coroutine[Any, Any, Reply]) -> Reply:
        return self._as_seen(exchange, await work)

    def _as_seen(self, exchange: Exchange, reply: Reply) -> Reply:
        """Return what the client gets to see, after the fault rule and with a warning where one is due."""
        if exchange.answer.kind == "error":
            reply = self._say.scripted(exchange.answer)
        elif not exchange.answer.carries:
            return fixed_reply(exchange.answer) or reply
        return self._say.warned(reply) if self._repeats.note(exchange, reply.code) else reply


_ROUTES: dict[tuple[str, str], tuple[str, str]] = {
    ("POST", "/v1/workflows/start"): ("start", ""),
    ("GET", "/v1/workflows"): ("list", ""),
    ("GET", "/v1/me"): ("me", ""),
    ("POST", "/v1/batch"): ("batch", ""),
    ("GET", "/v1/oauth/authorize"): ("oauth", "authorize"),
    ("GET", "/v1/oauth/poll"): ("oauth", "poll"),
    **{("POST", f"/v1/{name}/search"): ("search", name) for name in ENTITIES},
    **{("GET", f"/v1/{name}"): ("entity", name) for name in ENTITIES},
}


def _told(limit: int, remaining: int, reset: int) -> tuple[tuple[str, str], ...]:
    """The headers of a limit."""
    return tuple(
        (f"X-RateLimit-{name}", str(value)) for name, value in (("Limit", limit), ("Remaining", remaining), ("Reset", reset))
    )

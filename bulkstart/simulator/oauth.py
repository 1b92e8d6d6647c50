"""The authorization server of applications: ``/oauth/token/``, with refresh tokens that rotate (bitrix24-api 5.1, 8.19)."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

from . import php
from .envelopes import encode
from .wire import Reply

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from .desk import Desk
    from .exchange import Exchange
    from .native_keys import Credentials

_ERRORS = {
    "invalid_request": (400, "Invalid request"),
    "invalid_client": (401, "Invalid client"),
    "invalid_grant": (400, "Invalid grant"),
    "PAYMENT_REQUIRED": (401, "Payment required"),
    "NOT_INSTALLED": (401, "Application is not installed"),
    "wrong_client": (200, "Wrong client"),
}


class OAuthServer:
    """Hands out new pairs of tokens. What a fault rule hides is done all the same, unless it says otherwise."""

    def __init__(self, desk: Desk, credentials: Credentials) -> None:
        self._desk = desk
        self._credentials = credentials
        self._chance = random.Random(f"{desk.scenario.seed}:refresh")

    def token(self, exchange: Exchange) -> Reply | Coroutine[Any, Any, Reply]:
        """Answer one request; a slow one comes back as a coroutine."""
        body = php.body_fields(exchange.head.headers.get("content-type", ""), exchange.body)
        asked = {**php.pairs(exchange.head.query), **body}
        caller = self._credentials.of_client(asked)
        seconds = caller.application.refresh_seconds.draw(self._chance.random) if caller and caller.application else 0.0
        return self._later(exchange, asked, seconds) if seconds else self._now(exchange, asked)

    async def _later(self, exchange: Exchange, asked: dict[str, Any], seconds: float) -> Reply:
        await asyncio.sleep(seconds)
        return self._now(exchange, asked)

    def _now(self, exchange: Exchange, asked: dict[str, Any]) -> Reply:
        code = self._credentials.refused(asked)
        if exchange.committed is False:
            code = "invalid_grant"
        if code is not None:
            status, text = _ERRORS[code]
            return Reply(status=status, body=encode({"error": code, "error_description": text}), code=code)
        caller, access, refresh = self._credentials.renew(asked["refresh_token"], exchange.clock)
        self._desk.ledger.hide(self._credentials.secrets())
        assert caller.application is not None
        host = exchange.head.headers.get("host", "127.0.0.1")
        name = self._desk.scenario.portal
        said = {
            "access_token": access,
            "expires": int(time.time()) + caller.application.stated_lifetime,
            "expires_in": caller.application.stated_lifetime,
            "scope": ",".join(caller.scopes),
            "domain": (name.domain if name else None) or host,
            "server_endpoint": f"http://{host}/oauth/rest/",
            "status": "L",
            "client_endpoint": f"http://{host}/rest/",
            "member_id": f"{random.Random(self._desk.scenario.seed).getrandbits(128):032x}",
            "user_id": caller.user,
            "refresh_token": refresh,
        }
        return Reply(status=200, body=encode(said))

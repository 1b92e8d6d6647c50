"""Who asks natively: incoming webhooks, and applications with their tokens (bitrix24-api 5.1)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .native_scenario import Application, Webhook
    from .scenario import Scenario

SCOPE_OF = {"bizproc.": ("bizproc",), "crm.": ("crm",), "user.current": ("user", "user_basic", "user_brief")}
"""Beginning of a method → scopes of which one will do; what is not here needs none."""


@dataclass(slots=True)
class Caller:
    """A webhook or an application in use. ``name`` is its part of a bill; times are on the run clock."""

    name: str
    user: int
    admin: bool
    may_start: bool
    scopes: tuple[str, ...]
    webhook: Webhook | None = None
    application: Application | None = None
    starts: int = 0
    refreshes: int = 0

    def lacks(self, method: str) -> bool:
        """Whether the method needs a scope that is not here."""
        for beginning, scopes in SCOPE_OF.items():
            if method.startswith(beginning):
                return not set(scopes) & set(self.scopes)
        return False


@dataclass(slots=True)
class _Token:
    caller: Caller
    since: float
    since_starts: int

    def expired(self, clock: float) -> bool:
        application = self.caller.application
        assert application is not None
        by_time = application.lifetime_seconds is not None and clock - self.since >= application.lifetime_seconds
        starts = application.lifetime_starts
        return by_time or (starts is not None and self.caller.starts - self.since_starts >= starts)


class Credentials:
    """All webhooks and applications of a scenario."""

    def __init__(self, scenario: Scenario) -> None:
        native = scenario.native
        self._webhooks = {
            (str(hook.user), hook.code): Caller(
                f"webhook {number}", hook.user, hook.admin, hook.may_start, hook.scopes, webhook=hook
            )
            for number, hook in enumerate(native.webhooks, 1)
        }
        self._applications = {
            app.client_id: Caller(f"application {number}", app.user, app.admin, app.may_start, app.scopes, application=app)
            for number, app in enumerate(native.applications, 1)
        }
        callers = [(caller, caller.application) for caller in self._applications.values() if caller.application is not None]
        self._tokens = {application.access_token: _Token(caller, 0.0, 0) for caller, application in callers}
        self._refresh = {application.refresh_token: caller for caller, application in callers}
        self._chance = random.Random(f"{scenario.seed}:tokens")

    def secrets(self) -> list[str]:
        """Everything that is valid now and must never be written down."""
        applications = [caller.application for caller in self._applications.values()]
        secrets = [application.client_secret for application in applications if application]
        return [*(code for _, code in self._webhooks), *self._tokens, *self._refresh, *secrets]

    def of_webhook(self, user: str, code: str, clock: float) -> Caller | str:
        """Return who that is, or the code of the denial."""
        caller = self._webhooks.get((user, code))
        if caller is None or caller.webhook is None:
            return "INVALID_CREDENTIALS"
        hook = caller.webhook
        if hook.state == "dismissed":
            return "authorization_error"
        by_time = hook.expires_after_seconds is not None and clock >= hook.expires_after_seconds
        by_starts = hook.expires_after_starts is not None and caller.starts >= hook.expires_after_starts
        return "INVALID_CREDENTIALS" if hook.state != "valid" or by_time or by_starts else caller

    def of_token(self, token: Any, clock: float) -> Caller | str:
        """Return who that is, or the code of the denial."""
        if not isinstance(token, str) or not token:
            return "NO_AUTH_FOUND"
        found = self._tokens.get(token)
        if found is None:
            return "invalid_token"
        assert found.caller.application is not None
        state = found.caller.application.state
        if state == "not_installed":
            return "APPLICATION_NOT_FOUND"
        if found.expired(clock):
            return "expired_token"
        return "PAYMENT_REQUIRED" if state == "unpaid" else found.caller

    # ----------------------------------------------------------------------------------------- refreshing

    def refused(self, asked: dict[str, Any]) -> str | None:
        """Return the code by which a refresh is refused, ``None`` for a good one. Changes nothing."""
        caller = self.of_client(asked)
        if not all(isinstance(asked.get(name), str) for name in ("grant_type", "client_id", "client_secret", "refresh_token")):
            return "invalid_request"
        if asked["grant_type"] != "refresh_token":
            return "invalid_request"
        if caller is None or caller.application is None or asked["client_secret"] != caller.application.client_secret:
            return "invalid_client"
        if caller.application.refresh != "normal":
            return caller.application.refresh
        spent = caller.application.refreshes is not None and caller.refreshes >= caller.application.refreshes
        return "invalid_grant" if spent or self._refresh.get(asked["refresh_token"]) is not caller else None

    def of_client(self, asked: dict[str, Any]) -> Caller | None:
        """Return the application that a refresh names."""
        return self._applications.get(str(asked.get("client_id", "")))

    def renew(self, refresh_token: str, clock: float) -> tuple[Caller, str, str]:
        """Hand out a new pair; the old refresh token is dead at once, the old access token lives out its time."""
        caller = self._refresh.pop(refresh_token)
        caller.refreshes += 1
        access, fresh = (f"{self._chance.getrandbits(280):070x}" for _ in range(2))
        self._tokens[access] = _Token(caller, clock, caller.starts)
        self._refresh[fresh] = caller
        return caller, access, fresh

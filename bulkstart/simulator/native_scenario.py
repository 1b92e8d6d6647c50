"""The native half of a scenario: plan, webhooks, applications, states of the portal (SCENARIOS.md 17)."""

# ruff: noqa: RUF009  a field declared with given() is a dataclass field, not a shared default

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .native_switches import NativeSwitches
from .reading import Span, choice, flag, given, inside, integer, listing, number, optional, section, shown, span, text

_MOMENT = optional(number())
_COUNT = optional(integer())
_SECRET = re.compile(r"[0-9A-Za-z._-]{8,}")

SCOPES = ("bizproc", "crm", "user")
PLANS = {
    "other": (2.0, 50.0, "basic"),
    "enterprise": (5.0, 250.0, "ent"),
    "free": (2.0, 50.0, "project"),
    "no_bizproc": (2.0, 50.0, "tf"),
}
"""Plan → rate and size of the leaky bucket (bitrix24-api 3.1), LICENSE_FAMILY."""

STATES = (
    "renamed",
    "maintenance",
    "OVERLOAD_LIMIT",
    "PORTAL_DELETED",
    "PAYMENT_REQUIRED",
    "METHOD_CONFIRM_WAITING",
    "METHOD_CONFIRM_DENIED",
    "commercial_plans",
    "https_required",
    "no_bizproc",
)


def secret(value: Any) -> str:
    """Check a code, a token or a secret: long enough that the ledger can keep it out."""
    if not isinstance(value, str) or not _SECRET.fullmatch(value):
        raise ValueError(f"must be at least 8 letters, digits, '.', '_' or '-', not {shown(value)}")
    return value


def _durations(value: Any) -> Mapping[str, Span]:
    if not isinstance(value, dict):
        raise ValueError(f"must be an object of methods and seconds, not {shown(value)}")  # noqa: TRY004  kinds complain with ValueError only
    return {name.lower(): inside(name, span, seconds) for name, seconds in value.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    user: int = given(integer(1), 1)
    code: str = given(secret)
    state: str = given(choice("valid", "revoked", "expired", "dismissed"), "valid")
    expires_after_seconds: float | None = given(_MOMENT, None)
    expires_after_starts: int | None = given(_COUNT, None)
    admin: bool = given(flag, True)
    may_start: bool = given(flag, True)
    scopes: tuple[str, ...] = given(listing(text), SCOPES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    client_id: str = given(secret, "local.sandbox.0123456789")
    client_secret: str = given(secret, "sandbox_secret_0123456789")
    access_token: str = given(secret, "sandbox_access_0123456789")
    refresh_token: str = given(secret, "sandbox_refresh_0123456789")
    state: str = given(choice("installed", "not_installed", "unpaid"), "installed")
    user: int = given(integer(1), 1)
    admin: bool = given(flag, True)
    may_start: bool = given(flag, True)
    scopes: tuple[str, ...] = given(listing(text), SCOPES)
    lifetime_seconds: float | None = given(_MOMENT, 3600.0)
    lifetime_starts: int | None = given(_COUNT, None)
    stated_lifetime: int = given(integer(), 3600)
    refresh: str = given(
        choice("normal", "invalid_grant", "invalid_client", "PAYMENT_REQUIRED", "NOT_INSTALLED", "wrong_client"), "normal"
    )
    refreshes: int | None = given(_COUNT, None)
    refresh_seconds: Span = given(span, Span(0.0, 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the portal is, from then until then, or from the nth started workflow on."""

    word: str = given(choice(*STATES), name="is")
    start: float = given(number(), 0.0, name="from")
    end: float | None = given(_MOMENT, None, name="to")
    after_starts: int = given(integer(), 0)
    methods: tuple[str, ...] | None = given(optional(listing(text)), None)
    location: str = given(text, "https://renamed.bitrix24.example")
    status: int | None = given(optional(integer(200, 599)), None)

    def holds(self, clock: float, started: int, method: str) -> bool:
        return (
            self.start <= clock
            and (self.end is None or clock < self.end)
            and started >= self.after_starts
            and (self.methods is None or method in self.methods)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    plan: str = given(choice(*PLANS), "other")
    request_seconds: float = given(number(0, above=True), 60.0)
    durations: Mapping[str, Span] | None = given(_durations, None)
    webhooks: tuple[Webhook, ...] = given(listing(section(Webhook)), (Webhook(code="sandboxcode0123456789"),))
    applications: tuple[Application, ...] = given(listing(section(Application)), ())
    states: tuple[State, ...] = given(listing(section(State)), ())
    switches: NativeSwitches = given(section(NativeSwitches), NativeSwitches())

    def __post_init__(self) -> None:
        for name, found in (
            ("webhooks", [(webhook.user, webhook.code) for webhook in self.webhooks]),
            ("applications", [application.client_id for application in self.applications]),
            ("applications", [application.access_token for application in self.applications]),
        ):
            if len(set(found)) < len(found):
                raise ValueError(f"{name}: an entry stands there twice")

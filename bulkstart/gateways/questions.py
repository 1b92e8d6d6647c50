"""The native dialect's questions before a run: who are we, what may we, which plan, what time is it (bitrix24-api.md 1.10). Pure.

Each question has a call and a reader. A reader gives ``None`` where the answer cannot be used; why, ``Reply.failed`` says.
Nothing here raises on any answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bulkstart.cells import LONGEST
from bulkstart.gateways.bodies import text_of
from bulkstart.gateways.envelope import Reply
from bulkstart.gateways.running import moment
from bulkstart.model import HttpCall, Json

_YES = frozenset({"y", "1", "true"})

ENTERPRISE = (5.0, 250.0)
OTHER_PLANS = (2.0, 50.0)
"""Requests a second and bucket size by plan (3.1)."""


def call_of(method: str, body: Mapping[str, Any] | None = None) -> HttpCall:
    """One call: always POST, always a JSON object, so that no part of it stands in an address."""
    return HttpCall("POST", f"/{method}", body=json.dumps(dict(body or {})).encode())


# ---------------------------------------------------------------------------------------------------- who are we


@dataclass(frozen=True, slots=True)
class Profile:
    """Who the credential acts as. ``admin is None``: not told."""

    user_id: int
    name: str = ""
    admin: bool | None = None


def profile_call() -> HttpCall:
    """Who am I; needs no scope."""
    return call_of("profile")


def read_profile(reply: Reply) -> Profile | None:
    """``{ID, ADMIN, NAME, LAST_NAME}``."""
    found = reply.result
    number = str(found.get("ID", "")) if isinstance(found, dict) else ""
    if not isinstance(found, dict) or not (number.isascii() and number.isdigit() and len(number) <= LONGEST):
        return None
    name = " ".join(part for part in (text_of(found.get("NAME")).strip(), text_of(found.get("LAST_NAME")).strip()) if part)
    return Profile(int(number), name, _flag(found.get("ADMIN")))


def admin_call() -> HttpCall:
    """Am I an administrator."""
    return call_of("user.admin")


def read_admin(reply: Reply) -> bool | None:
    """``true`` or ``false``."""
    return _flag(reply.result)


# ---------------------------------------------------------------------------------------------------- what may we


def scope_call() -> HttpCall:
    """Which scopes the credential has."""
    return call_of("scope")


def read_scopes(reply: Reply) -> frozenset[str] | None:
    """The scopes, in lower case."""
    found = list(reply.result.values()) if isinstance(reply.result, dict) else reply.result
    return frozenset(str(scope).lower() for scope in found) if isinstance(found, list) else None


@dataclass(frozen=True, slots=True)
class Method:
    """Whether a method exists on the portal, and whether its plan and our scopes allow it."""

    exists: bool
    available: bool


def method_call(name: str) -> HttpCall:
    """Whether a method may be called; the name in lower case."""
    return call_of("method.get", {"name": name.lower()})


def read_method(reply: Reply) -> Method | None:
    """``{isExisting, isAvailable}``."""
    found = reply.result
    if not isinstance(found, dict):
        return None
    exists, available = _flag(found.get("isExisting")), _flag(found.get("isAvailable"))
    return None if exists is None or available is None else Method(exists, available)


# --------------------------------------------------------------------------------------------------- which plan


@dataclass(frozen=True, slots=True)
class App:
    """What ``app.info`` says of an OAuth application; under a webhook the portal denies it. ``""`` and ``None``: not told."""

    license_family: str = ""
    installed: bool | None = None
    payment_expired: bool | None = None

    @property
    def bucket(self) -> tuple[float, float] | None:
        """Requests a second and bucket size of the plan (3.1); ``None`` where no plan is named."""
        if not self.license_family:
            return None
        return ENTERPRISE if self.license_family.startswith("ent") else OTHER_PLANS


def app_call() -> HttpCall:
    """The application and the plan."""
    return call_of("app.info")


def read_app(reply: Reply) -> App | None:
    """``LICENSE_FAMILY``, ``INSTALLED``, ``PAYMENT_EXPIRED``."""
    found = reply.result
    if not isinstance(found, dict):
        return None
    family = text_of(found.get("LICENSE_FAMILY")).strip().lower()
    return App(family, _flag(found.get("INSTALLED")), _flag(found.get("PAYMENT_EXPIRED")))


# -------------------------------------------------------------------------------------------- what time is it there


def clock_call() -> HttpCall:
    """The portal's time."""
    return call_of("server.time")


def read_clock(reply: Reply) -> float | None:
    """Unix time by the portal's clock, from ISO 8601 with offset."""
    return moment(text_of(reply.result))


def _flag(value: Json) -> bool | None:
    if value is None or isinstance(value, dict | list):
        return None
    return str(value).strip().lower() in _YES

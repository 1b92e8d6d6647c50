"""Keys and sessions (bitrix24-api 5.2): who may ask, for how long, and how a session is renewed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .scenario import Key, Scenario
    from .wire import Head

SCOPE_OF = {
    "start": "bizproc",
    "templates": "bizproc",
    "list": "bizproc",
    "delete": "bizproc",
    "search": "crm",
    "entity": "crm",
}
_BEARER = "bearer "


@dataclass(slots=True)
class Holder:
    """A key in use: starts counted, and the session that is valid now. Times are on the run clock."""

    key: Key
    session: str | None
    starts: int = 0
    session_since: float = 0.0
    session_starts: int = 0
    state: str = ""
    polls_left: int = 0

    def session_expired(self, clock: float) -> bool:
        key = self.key
        by_time = (
            key.session_expires_after_seconds is not None and clock - self.session_since >= key.session_expires_after_seconds
        )
        by_starts = (
            key.session_expires_after_starts is not None and self.starts - self.session_starts >= key.session_expires_after_starts
        )
        return by_time or by_starts

    def expired(self, clock: float) -> bool:
        key = self.key
        by_time = key.expires_after_seconds is not None and clock >= key.expires_after_seconds
        by_starts = key.expires_after_starts is not None and self.starts >= key.expires_after_starts
        return key.state != "valid" or by_time or by_starts


class KeyRing:
    """All keys of a scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self._holders = {key.key: Holder(key, key.first_session) for key in scenario.keys}
        self._chance = random.Random(f"{scenario.seed}:sessions")
        self._ip_denied_code = scenario.switches.ip_denied_code

    def secrets(self) -> list[str]:
        """Everything that must never be written down."""
        return [*self._holders, *(holder.session for holder in self._holders.values() if holder.session)]

    def presented(self, head: Head) -> str | None:
        """Return the key that a request carries, in ``X-Api-Key`` or as a Bearer."""
        key = head.headers.get("x-api-key")
        if key:
            return key
        bearer = _bearer(head)
        return bearer if bearer is not None and bearer.startswith("vibe_api_") else None

    def check(self, head: Head, on: str, ip: str, clock: float) -> Holder | str:
        """Return the key's holder, or the code of the denial."""
        presented = self.presented(head)
        if presented is None:
            return "MISSING_API_KEY"
        holder = self._holders.get(presented)
        if holder is None or holder.expired(clock):
            return "INVALID_API_KEY"
        key = holder.key
        if key.allowed_ips is not None and ip not in key.allowed_ips:
            return self._ip_denied_code
        if key.kind == "vibe_live_":
            return holder if on == "me" else "MANAGEMENT_KEY_NO_ENTITY_ACCESS"
        return self._session(holder, head, on, clock) or self._rights(key, on) or holder

    def _session(self, holder: Holder, head: Head, on: str, clock: float) -> str | None:
        if holder.key.kind != "vibe_app_":
            return None
        bearer = _bearer(head)
        if bearer is None:
            return None if on == "me" else "INVALID_APP_KEY"
        if bearer != holder.session:
            return "INVALID_SESSION"
        return "TOKEN_EXPIRED" if holder.session_expired(clock) else None

    @staticmethod
    def _rights(key: Key, on: str) -> str | None:
        if not key.tokens and on != "me":
            return "TOKEN_MISSING"
        scope = SCOPE_OF.get(on)
        if scope is not None and scope not in key.scopes:
            return "SCOPE_DENIED"
        return "WRITE_BLOCKED_READONLY_KEY" if key.read_only and on in ("start", "delete") else None

    # ----------------------------------------------------------------------------------------- renewing

    def authorize(self, app_key: str, state: str) -> bool:
        """Let a person sign in; ``False`` where this key cannot be renewed or the state is too short."""
        holder = self._holders.get(app_key)
        if holder is None or not holder.key.renewable or holder.key.kind != "vibe_app_" or len(state) < 16:
            return False
        holder.state, holder.polls_left = state, holder.key.pending_polls
        return True

    def poll(self, app_key: str, state: str, clock: float) -> str | None:
        """``"pending"``, a fresh session (once), or ``None`` where nobody signed in under that state."""
        holder = self._holders.get(app_key)
        if holder is None or not state or holder.state != state:
            return None
        if holder.polls_left > 0:
            holder.polls_left -= 1
            return "pending"
        holder.state = ""
        holder.session = f"vibe_session_{self._chance.getrandbits(96):024x}"
        holder.session_since, holder.session_starts = clock, holder.starts
        return holder.session


def _bearer(head: Head) -> str | None:
    value = head.headers.get("authorization", "")
    return value[len(_BEARER) :].strip() if value.lower().startswith(_BEARER) else None

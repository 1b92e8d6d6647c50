"""States that close a portal as a whole, or some of its methods: renamed, deleted, blocked, unpaid … (bitrix24-api 8.20)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .codes import NATIVE, NATIVE_ONLY
from .native_scenario import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .native_scenario import Native

_SAID = {
    "commercial_plans": ("ACCESS_DENIED", "REST API is available only on commercial plans"),
    "https_required": ("INVALID_REQUEST", NATIVE_ONLY["INVALID_REQUEST"]),
    "no_bizproc": ("ERROR_METHOD_NOT_FOUND", NATIVE["ERROR_METHOD_NOT_FOUND"]),
}
_IN_FRONT = ("renamed", "maintenance", "PORTAL_DELETED", "OVERLOAD_LIMIT", "https_required")
"""Said before anybody looks who asks."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A state that holds now. ``code`` is empty where the portal itself says nothing: a redirect or a page stands there."""

    word: str
    code: str
    text: str
    status: int | None
    location: str
    in_front: bool


def states(native: Native) -> tuple[State, ...]:
    """Return the states of a scenario, and what its plan closes."""
    closed = {"free": "commercial_plans", "no_bizproc": "no_bizproc"}.get(native.plan)
    return (*native.states, State(word=closed)) if closed else native.states


def state_of(among: Sequence[State], clock: float, started: int, method: str) -> Closed | None:
    """Return the first state that holds for this method now."""
    for state in among:
        if state.holds(clock, started, method) and not (state.word == "no_bizproc" and not method.startswith("bizproc.")):
            front = state.word in ("renamed", "maintenance")
            code, text = ("", "") if front else _SAID.get(state.word, (state.word, NATIVE.get(state.word, "")))
            return Closed(state.word, code, text, state.status, state.location, state.word in _IN_FRONT)
    return None

"""Scenarios: what a sandbox portal is, read strictly from JSON (SCENARIOS.md is the reference)."""

# ruff: noqa: RUF009  a field declared with given() is a dataclass field, not a shared default

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .allowances import ErrorLoop, Limits
from .default import DEFAULT, TEMPLATES
from .documents import Documents
from .faults import Rule
from .native_scenario import Native
from .reading import (
    Kind,
    ScenarioError,
    choice,
    flag,
    given,
    integer,
    listing,
    number,
    optional,
    read,
    section,
    text,
)
from .switches import Switches
from .templates import Other, Running, Template

if TYPE_CHECKING:
    import os

PREFIXES = ("vibe_api_", "vibe_app_", "vibe_live_")
_MOMENT = optional(number())


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalName:
    domain: str | None = given(text, None)
    name: str | None = given(text, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    answer: str = given(choice("complete", "malformed", "not_json", "not_found", "hang"), "complete")
    requests_per_second: float | str | None = given(optional(number(0, above=True)), "the true one")
    portal_form: str = given(choice("object", "string"), "object")
    expires_in_seconds: float | None = given(optional(number(-1e9)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    key: str = given(text)
    state: str = given(choice("valid", "invalid", "expired"), "valid")
    session: str | None = given(text, None)
    session_expires_after_seconds: float | None = given(_MOMENT, None)
    session_expires_after_starts: int | None = given(optional(integer()), None)
    renewable: bool = given(flag, False)
    pending_polls: int = given(integer(), 0)
    expires_after_seconds: float | None = given(_MOMENT, None)
    expires_after_starts: int | None = given(optional(integer()), None)
    tokens: bool = given(flag, True)
    scopes: tuple[str, ...] = given(listing(text), ("bizproc", "crm"))
    read_only: bool = given(flag, False)
    allowed_ips: tuple[str, ...] | None = given(optional(listing(text)), None)
    requests_per_second: float | None = given(optional(number(0, above=True)), None)

    def __post_init__(self) -> None:
        if not self.key.startswith(PREFIXES):
            raise ValueError(f"'key' must begin with one of {', '.join(PREFIXES)}")
        if self.session is not None and self.kind != "vibe_app_":
            raise ValueError("'session' is allowed for vibe_app_ keys only")

    @property
    def kind(self) -> str:
        return next(prefix for prefix in PREFIXES if self.key.startswith(prefix))

    @property
    def first_session(self) -> str | None:
        return (self.session or "vibe_session_sandbox") if self.kind == "vibe_app_" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    idle_close_seconds: float | None = given(_MOMENT, None)
    idle_close_with: str = given(choice("fin", "rst"), "fin")
    max_requests: int | None = given(optional(integer(1)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    start: float = given(number(), name="from")
    end: float = given(number(), name="to")

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError("'from' must be before 'to'")


def _some(kind: Kind[tuple[Any, ...]]) -> Kind[tuple[Any, ...]]:
    def at_least_one(value: Any) -> tuple[Any, ...]:
        found = kind(value)
        if not found:
            raise ValueError("must hold at least one entry")
        return found

    return at_least_one


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One portal: everything that decides what it does and what its clients see."""

    comment: str = given(text, "")
    seed: int = given(integer(-(2**63)), 1)
    language: str = given(choice("en", "ru"), "en")
    portal: PortalName | None = given(
        optional(section(PortalName)), PortalName(domain="sandbox.bitrix24.example", name="Sandbox")
    )
    me: Me = given(section(Me), Me())
    keys: tuple[Key, ...] = given(_some(listing(section(Key))), (Key(key="vibe_api_sandbox_0123456789"),))
    templates: tuple[Template, ...] = given(listing(section(Template)), listing(section(Template))(TEMPLATES))
    documents: Documents = given(section(Documents), Documents())
    running: tuple[Running, ...] = given(listing(section(Running)), ())
    others: tuple[Other, ...] = given(listing(section(Other)), ())
    limits: Limits = given(section(Limits), Limits())
    error_loop: ErrorLoop | None = given(optional(section(ErrorLoop)), None)
    connections: Connections = given(section(Connections), Connections())
    outages: tuple[Outage, ...] = given(listing(section(Outage)), ())
    faults: tuple[Rule, ...] = given(listing(section(Rule)), ())
    native: Native = given(section(Native), Native())
    switches: Switches = given(section(Switches), Switches())

    def __post_init__(self) -> None:
        for name, found in (
            ("keys", [key.key for key in self.keys]),
            ("templates", [template.id for template in self.templates]),
        ):
            if len(set(found)) < len(found):
                raise ValueError(f"{name}: an entry stands there twice")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"a key stands twice in one object: {next(name for name in names if names.count(name) > 1)!r}")
    return found


def load(scenario: str | os.PathLike[str] | Mapping[str, Any] | None = None) -> Scenario:
    """Read a scenario from a file, a mapping, or (``None``) the default one. Raises ScenarioError with one sentence."""
    if scenario is None:
        return read(Scenario, DEFAULT, "the default scenario")
    if isinstance(scenario, Mapping):
        return read(Scenario, json.loads(json.dumps(scenario)), "the scenario")
    path = Path(scenario)
    try:
        parsed = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_no_twins)
    except OSError as error:
        raise ScenarioError(f"{path}: the scenario file cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise ScenarioError(f"{path}: not a JSON file in UTF-8, or not a fit one ({error}).") from None
    return read(Scenario, parsed, str(path))

"""Templates, what runs before the first request, and what others start, as sections of a scenario (SCENARIOS.md 4, 5)."""

# ruff: noqa: RUF009  a field declared with given() is a dataclass field, not a shared default

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .document_types import ENTITY_TYPES, FAMILIES, named, of_template
from .documents import IdSet, ids
from .reading import Span, anything, choice, flag, given, integer, number, optional, section, shown, span, text

_MOMENT = optional(number())


@dataclass(frozen=True, slots=True, kw_only=True)
class Fails:
    at_step: int = given(integer(1))
    steps: int = given(integer(1))
    message: str = given(text)
    entities: IdSet | None = given(ids, None)
    probability: float | None = given(number(0, 1), None)

    def __post_init__(self) -> None:
        if self.at_step > self.steps:
            raise ValueError("'at_step' must not be above 'steps'")


def document_type(value: Any) -> str:
    """Check a kind of document, by its name or by the triple of a template; returns the name."""
    found = named(value) if isinstance(value, str) else of_template(value)
    if found is None:
        words = ", ".join((*ENTITY_TYPES, *FAMILIES))
        raise ValueError(f'must be one of {words} or a triple such as ["crm", "CCrmDocumentDeal", "DEAL"], not {shown(value)}')
    return found.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task that a workflow makes when its synchronous part ends; it may outlive the workflow."""

    name: str = given(text, "Approve")
    user: int = given(integer(1), 1)
    done_after_seconds: float | None = given(_MOMENT, None)
    kept_seconds: float | None = given(_MOMENT, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    id: int = given(integer(1))
    name: str | None = given(text, None)
    entity_type: str = given(document_type, "deal", name="documentType")
    parameters: Any = given(anything, ())
    auto_execute: int = given(choice(0, 1, 2, 3, 8), 0, name="autoExecute")
    active: bool = given(flag, True)
    modified: str = given(text, "2026-08-01T10:00:00+03:00")
    run_seconds: Span = given(span, Span(0.0, 0.0))
    life_seconds: Span | None = given(optional(span), Span(0.0, 0.0))
    gone_after_starts: int | None = given(optional(integer()), None)
    gone_after_seconds: float | None = given(_MOMENT, None)
    fails: Fails | None = given(optional(section(Fails)), None)
    task: Task | None = given(optional(section(Task)), None)

    def __post_init__(self) -> None:
        if self.parameters is not None and not isinstance(self.parameters, dict | list | tuple):
            raise ValueError("'parameters' must be an object, [] or null")
        if self.parameters and not all(isinstance(item, dict) for item in self.definitions.values()):
            raise ValueError("'parameters' must map each name to an object with Name, Type, …")

    @property
    def robot(self) -> bool:
        """Whether it is an automation rule, which no list shows (bitrix24-api 1.4)."""
        return self.auto_execute >= 8

    @property
    def definitions(self) -> Mapping[str, Any]:
        return self.parameters if isinstance(self.parameters, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    template_id: int = given(integer(1), name="templateId")
    entity_type: str = given(document_type, name="entityType")
    entity_id: int = given(integer(1), name="entityId")
    started_seconds_ago: float = given(number(), 3600.0)
    life_seconds: float | None = given(_MOMENT, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """A workflow that somebody else starts while we run; ``at`` is on the run clock."""

    at: float = given(number())
    template_id: int = given(integer(1), name="templateId")
    entity_type: str = given(document_type, name="entityType")
    entity_id: int = given(integer(1), name="entityId")
    life_seconds: float | None = given(_MOMENT, None)

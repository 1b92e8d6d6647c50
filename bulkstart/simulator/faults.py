"""Fault rules: which request gets which answer, and whether its start is committed. The two are decided apart."""

# ruff: noqa: RUF009  a field declared with given() is a dataclass field, not a shared default

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .answers import Answer, answer
from .documents import IdSet, ids
from .reading import choice, given, integer, number, optional, text
from .templates import document_type

if TYPE_CHECKING:
    from collections.abc import Sequence

ENDPOINTS = ("start", "me", "templates", "list", "search", "entity", "delete", "batch", "oauth", "tasks")


def _nth(value: Any) -> frozenset[int]:
    numbers = value if isinstance(value, list) else [value]
    return frozenset(integer(1)(item) for item in numbers)


def _between(value: Any) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("must be [from, to] in seconds; to may be null")
    start, end = number()(value[0]), optional(number())(value[1])
    return start, float("inf") if end is None else end


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One fault rule (SCENARIOS.md 10). All selectors that are given must hold."""

    dialect: str | None = given(choice("vibecode", "native"), None)
    on: str = given(choice(*ENDPOINTS, "any"), "start")
    method: str | None = given(text, None)
    nth: frozenset[int] | None = given(_nth, None)
    every: int | None = given(integer(1), None)
    entities: IdSet | None = given(ids, None)
    entity_type: str | None = given(document_type, None, name="entityType")
    template_id: int | None = given(integer(1), None, name="templateId")
    probability: float | None = given(number(0, 1), None)
    between: tuple[float, float] | None = given(_between, None)
    limit: int | None = given(integer(1), None)
    committed: bool | str | None = given(choice(True, False, "as_it_would"), None)
    commit_after: float = given(number(0, 3600), 0.0)
    commands: int | None = given(integer(), None)
    answer: Answer = given(answer)

    def __post_init__(self) -> None:
        if self.commands is not None and self.on != "batch":
            raise ValueError("the key 'commands' is allowed with 'on': 'batch' only")
        if self.on != "start":
            for key, value in (("committed", self.committed), ("commit_after", self.commit_after or None)):
                if value is not None and self.on != "batch" and (key, self.on) != ("committed", "oauth"):
                    raise ValueError(f"the key {key!r} is allowed with 'on': 'start' only, natively also with 'batch'")
            if self.needs_body:
                raise ValueError("the keys 'entities', 'entityType', 'templateId' are allowed with 'on': 'start' only")
        elif self.answer.kind == "reset_before_reading" and self.committed is True:
            raise ValueError("'reset_before_reading' with 'committed': true contradicts itself; use 'reset_after_reading'")

    @property
    def needs_body(self) -> bool:
        return self.entities is not None or self.entity_type is not None or self.template_id is not None

    @property
    def runs_nothing(self) -> bool:
        return self.committed is False or self.answer.kind == "reset_before_reading"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a rule may look at: endpoint, number there and among all, run clock, and a start's fields once they are read.

    ``inner``: a start inside a batch, which is no request of its own.
    """

    on: str
    number: int
    number_of_all: int
    clock: float
    number_of_method: int = 0
    dialect: str = "vibecode"
    method: str = ""
    inner: bool = False
    entity_type: Any = None
    entity_id: Any = None
    template_id: Any = None


class Faults:
    """The rules of a scenario, asked in order; counts how often each one acted."""

    def __init__(self, rules: Sequence[Rule], seed: int) -> None:
        self._rules = tuple(enumerate(rules))
        self._early = any(rule.answer.kind == "reset_before_reading" and not rule.needs_body for rule in rules)
        self._seed = seed
        self._acted: Counter[int] = Counter()

    def choose(self, seen: Seen) -> tuple[int, Rule] | None:
        """Find the first rule that matches a request whose body was read; counts it as acted."""
        for index, rule in self._rules:
            if self._matches(index, rule, seen):
                self._acted[index] += 1
                return index, rule
        return None

    def choose_early(self, seen: Seen) -> tuple[int, Rule] | None:
        """Find the rule that resets this request before its body is read, if the first matching rule is such a one."""
        if not self._early:
            return None
        for index, rule in self._rules:
            if rule.needs_body and rule.on in (seen.on, "any"):
                return None  # it might match first; the body decides
            if self._matches(index, rule, seen):
                if rule.answer.kind != "reset_before_reading":
                    return None
                self._acted[index] += 1
                return index, rule
        return None

    def _matches(self, index: int, rule: Rule, seen: Seen) -> bool:
        if rule.on not in (seen.on, "any") or (rule.limit is not None and self._acted[index] >= rule.limit):
            return False
        number = seen.number_of_all if rule.on == "any" else seen.number
        if rule.method is not None:
            number = seen.number_of_method
        return (
            not (seen.inner and rule.on == "any")
            and (rule.dialect is None or rule.dialect == seen.dialect)
            and (rule.method is None or rule.method.lower() == seen.method)
            and (rule.nth is None or number in rule.nth)
            and (rule.every is None or number % rule.every == 0)
            and (rule.between is None or rule.between[0] <= seen.clock < rule.between[1])
            and _fits(rule, seen)
            and (rule.probability is None or random.Random(f"{self._seed}:{index}:{number}").random() < rule.probability)
        )


def _fits(rule: Rule, seen: Seen) -> bool:
    return (
        (rule.entity_type is None or seen.entity_type == rule.entity_type)
        and (rule.template_id is None or seen.template_id == rule.template_id)
        and (rule.entities is None or (isinstance(seen.entity_id, int) and seen.entity_id in rule.entities))
    )

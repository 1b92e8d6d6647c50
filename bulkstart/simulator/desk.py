"""What both dialects share: one portal, its clock, the ledger, the fault rules, and the numbers of requests."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from .exchange import RunClock
from .faults import Faults, Rule, Seen
from .limits import OperatingBudgets
from .portal import Portal
from .runs import Runs

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .exchange import Attempt, Exchange
    from .ledger import Ledger
    from .scenario import Scenario


class Desk:
    """One simulated portal, without a way to ask it. Lives in one event loop."""

    def __init__(self, scenario: Scenario, ledger: Ledger) -> None:
        self.scenario = scenario
        self.ledger = ledger
        self.clock = RunClock()
        self.on_first_start: Callable[[float], None] = lambda _: None
        self.portal = Portal(scenario, time.monotonic(), time.time())
        self.operating = OperatingBudgets(scenario.limits.operating)
        self.runs = Runs(scenario, self.portal, ledger=ledger, clock=self.clock, operating=self.operating, spawn=self.spawn)
        self._faults = Faults(scenario.faults, scenario.seed)
        self._numbers: Counter[str] = Counter()
        self._chance = random.Random(f"{scenario.seed}:durations")
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Work that goes on whatever becomes of its client."""
        self.keep(asyncio.get_running_loop().create_task(work))

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Hold on to a task until it is done."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def duration(self, method: str) -> float:
        """How long a native method takes that starts nothing, seconds."""
        found = (self.scenario.native.durations or {}).get(method)
        return 0.0 if found is None else found.draw(self._chance.random)

    def begin(self, exchange: Exchange) -> None:
        """Let the run clock run from this request on, if it is the first start."""
        if self.clock.origin is None:
            self.clock.origin = exchange.arrived
            self.portal.begin(exchange.arrived, exchange.time)
            self.on_first_start(exchange.arrived)

    # ------------------------------------------------------------------------------------------- fault rules

    def number(self, exchange: Exchange) -> None:
        """Number a request that passed the limits and the key check, in order of arrival."""
        exchange.number, exchange.number_of_all = self._next(exchange.on), self._next("any")
        if exchange.dialect == "native":
            exchange.number_of_method = self._next(f"call {exchange.item}")

    def number_command(self, method: str) -> tuple[int, int]:
        """Number a start inside a batch: among the starts, among the calls of its method."""
        return self._next("start"), self._next(f"call {method}")

    def _next(self, name: str) -> int:
        self._numbers[name] += 1
        return self._numbers[name]

    def resets_unread(self, exchange: Exchange) -> bool:
        """Whether a fault rule resets this request before its body is read."""
        if exchange.refusal is not None or not exchange.number:
            return False
        found = self._faults.choose_early(_seen(exchange))
        if found is not None:
            _apply(exchange, *found)
        return found is not None

    def choose(self, exchange: Exchange) -> None:
        """Apply the fault rule for this request, if there is one."""
        found = self._faults.choose(_seen(exchange))
        if found is not None:
            _apply(exchange, *found)

    def choose_for(self, attempt: Attempt, number_of_method: int) -> None:
        """Apply the fault rule for a start inside a batch, if there is one."""
        exchange, fields = attempt.exchange, attempt.fields
        seen = Seen(
            on="start",
            number=attempt.number,
            number_of_method=number_of_method,
            number_of_all=0,
            clock=exchange.clock,
            dialect=exchange.dialect,
            method="bizproc.workflow.start",
            inner=True,
            template_id=fields["templateId"],
            entity_type=fields["entityType"],
            entity_id=fields["entityId"],
        )
        found = self._faults.choose(seen)
        if found is not None:
            attempt.rule, rule = found
            attempt.answer = rule.answer
            attempt.committed = _commits(rule)


def _seen(exchange: Exchange) -> Seen:
    asked = exchange.asked or (None, None, None)
    return Seen(
        on=exchange.on,
        number=exchange.number,
        number_of_method=exchange.number_of_method,
        number_of_all=exchange.number_of_all,
        clock=exchange.clock,
        dialect=exchange.dialect,
        method=exchange.item if exchange.dialect == "native" else "",
        template_id=asked[0],
        entity_type=asked[1],
        entity_id=asked[2],
    )


def _commits(rule: Rule) -> bool | str:
    return False if rule.runs_nothing else ("as_it_would" if rule.committed is None else rule.committed)


def _apply(exchange: Exchange, index: int, rule: Rule) -> None:
    exchange.rule, exchange.answer, exchange.commit_after = index, rule.answer, rule.commit_after
    exchange.committed, exchange.commands = _commits(rule), rule.commands

"""What the portal does, whatever the API that asks: templates, documents, running workflows, and what becomes of a start.

Nothing here knows HTTP or Vibecode; native codes and texts are those of bitrix24-api 4.3. Times are arguments.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .codes import SIMULTANEOUS
from .document_types import named
from .parameters import effective

if TYPE_CHECKING:
    from collections.abc import Callable

    from .documents import IdSet
    from .scenario import Scenario
    from .templates import Other, Running, Task, Template


@dataclass(frozen=True, slots=True)
class Refusal:
    """The portal's own no, before anything ran.

    ``denied``: no access; ``missing``: no such document; ``closed``: the portal is not there at all.
    """

    code: str
    text: str
    denied: bool = False
    missing: bool = False
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A start that the portal accepts: how long it will run and live, and where it will break."""

    template_id: int
    entity_type: str
    entity_id: int
    run_seconds: float
    life_seconds: float | None
    broken_after: int | None = None
    message: str = ""


@dataclass(slots=True)
class Workflow:
    """A workflow that was started. ``began`` and ``answered`` (end of the synchronous part) and ``ends`` are monotonic."""

    id: str
    template_id: int
    entity_type: str
    entity_id: int
    started: float
    began: float
    answered: float
    ends: float


@dataclass(frozen=True, slots=True)
class Duty:
    """A task of a workflow. ``done``: whether somebody has answered it."""

    id: int
    workflow: Workflow
    task: Task
    done: bool


class _Sets(dict[str, "IdSet"]):
    """Ids by entity type, worked out when first asked for."""

    def __init__(self, of: Callable[[str], IdSet]) -> None:
        super().__init__()
        self._of = of

    def __missing__(self, entity_type: str) -> IdSet:
        found = self[entity_type] = self._of(entity_type)
        return found


class Portal:
    """The simulated Bitrix24 portal. Deterministic but for the times it is told."""

    def __init__(self, scenario: Scenario, now: float, epoch: float) -> None:
        self._scenario = scenario
        self._templates = {template.id: template for template in scenario.templates}
        self._existing = _Sets(scenario.documents.existing)
        self.readable = _Sets(scenario.documents.readable)
        self._workflows: dict[str, Workflow] = {}
        self._on_document: dict[tuple[str, int], list[Workflow]] = {}
        self._digits = random.Random(f"{scenario.seed}:ids")
        self._last_id = 0
        self._tasks: list[tuple[int, Workflow, Task]] = []
        self._tasks_made = 0
        self._sweep_at = 1024
        self.started = 0
        self._others: deque[Workflow] = deque()
        for running in scenario.running:
            self._keep(self._before(running, now, epoch))

    def begin(self, now: float, epoch: float) -> None:
        """The run clock begins to run: from here on it is known when others start their workflows."""
        coming = [self._by_other(other, now + other.at, epoch + other.at) for other in self._scenario.others]
        self._others.extend(sorted(coming, key=lambda item: item.began))

    # ------------------------------------------------------------------------------------------- starting

    def judge(
        self,
        template_id: float,
        document: tuple[str, int | float] | Refusal,
        *,
        now: float,
        clock: float,
        draw: int,
        allowed: bool = True,
    ) -> Plan | Refusal:
        """Whether a start would be accepted, in the order of the native checks; ``draw`` numbers the chance of this start.

        ``document``: entity type and id, or what the portal says to the DOCUMENT_ID that was sent. ``allowed``: whether who asks may
        start workflows at all.
        """
        template = self._template(template_id, clock)
        if template is None:
            return Refusal("ERROR_WRONG_WORKFLOW_ID", "Template not found")
        if isinstance(document, Refusal):
            return document
        entity_type, entity_id = document
        if entity_id != int(entity_id) or int(entity_id) not in self._existing[entity_type]:
            return Refusal("", "Wrong DOCUMENT_ID!", missing=True)
        wanted, found = named(template.entity_type), named(entity_type)
        if wanted is None or found is None or not wanted.fits(found):
            return Refusal("", "Template type and DOCUMENT_ID mismatch!")
        if not allowed or int(entity_id) not in self.readable[entity_type]:
            return Refusal("ACCESS_DENIED", "Access denied!", denied=True)
        limit = self._scenario.limits.per_document
        self._let_others_start(now)
        if limit and self._alive_on((entity_type, int(entity_id)), now) >= limit:
            said = self._scenario.switches.limit_text
            return Refusal("", SIMULTANEOUS[self._scenario.language].format(limit=limit) if said is None else said)
        return self.plan(template.id, entity_type, int(entity_id), draw)

    def plan(self, template_id: int, entity_type: str, entity_id: int, draw: int) -> Plan:
        """How a start would run, without asking whether it may."""
        template = self._templates.get(template_id)
        if template is None:
            return Plan(template_id, entity_type, entity_id, 0.0, 0.0)
        run, life = template.run_seconds, template.life_seconds
        if template.fails is None and run.low == run.high and (life is None or life.low == life.high):
            return Plan(template_id, entity_type, entity_id, run.low, None if life is None else life.low)
        chance = random.Random(f"{self._scenario.seed}:run:{draw}")
        run_seconds, life_seconds = run.draw(chance.random), None if life is None else life.draw(chance.random)
        fails = template.fails
        if fails is None or not (
            (fails.entities is None or entity_id in fails.entities)
            and (fails.probability is None or chance.random() < fails.probability)
        ):
            return Plan(template_id, entity_type, entity_id, run_seconds, life_seconds)
        return Plan(template_id, entity_type, entity_id, run_seconds, 0.0, broken_after=fails.at_step - 1, message=fails.message)

    def commit(self, plan: Plan, now: float, epoch: float) -> Workflow:
        """Let the start happen: the workflow exists from here on."""
        self.started += 1
        answered = now + plan.run_seconds
        ends = float("inf") if plan.life_seconds is None else answered + plan.life_seconds
        workflow = Workflow(self._new_id(epoch), plan.template_id, plan.entity_type, plan.entity_id, epoch, now, answered, ends)
        if ends > now:
            self._keep(workflow)
        template = self._templates.get(plan.template_id)
        if template is not None and template.task is not None and plan.broken_after is None:
            self._tasks_made += 1
            self._tasks.append((self._tasks_made, workflow, template.task))
        return workflow

    def effective(self, template_id: int, parameters: Any, *, relayed: bool) -> dict[str, Any]:
        """Tell what the portal makes of raw parameter values; what is neither an object nor a list it drops."""
        template = self._templates.get(template_id)
        sent = {str(name): value for name, value in enumerate(parameters)} if isinstance(parameters, list) else parameters
        found = sent if isinstance(sent, dict) else {}
        return effective(template.definitions if template else {}, found, self._scenario.switches, relayed=relayed)

    # -------------------------------------------------------------------------------------------- reading

    def templates(self, clock: float) -> list[Template]:
        """List what is there, without automation rules."""
        return [template for template in self._scenario.templates if not (template.robot or self._gone(template, clock))]

    def template(self, template_id: int) -> Template | None:
        return self._templates.get(template_id)

    def running(self, now: float) -> list[Workflow]:
        """List what runs at this moment, newest change first."""
        self._let_others_start(now)
        self._sweep(now)
        while_running = self._scenario.switches.listed_while_running
        seen = [item for item in self._workflows.values() if while_running or item.answered <= now]
        return sorted(seen, key=lambda item: (self.modified(item, now), item.id), reverse=True)

    def modified(self, workflow: Workflow, now: float) -> float:
        """When the workflow last changed, seconds since 1970; moves with ``switches.modified_moves``."""
        if not self._scenario.switches.modified_moves:
            return workflow.started
        steps = int((now - workflow.began) / (1 + sum(workflow.id.encode()) % 3))
        return workflow.started + steps * (1 + sum(workflow.id.encode()) % 3)

    def tasks(self, now: float) -> list[Duty]:
        """List the tasks that are there at this moment, newest first, also those of workflows that have ended."""
        found = []
        for number, workflow, task in self._tasks:
            done = None if task.done_after_seconds is None else workflow.answered + task.done_after_seconds
            gone = None if done is None or task.kept_seconds is None else done + task.kept_seconds
            if workflow.answered <= now and (gone is None or now < gone):
                found.append(Duty(number, workflow, task, done is not None and done <= now))
        return found[::-1]

    def stop(self, workflow_id: str, now: float, *, erase: bool = False) -> bool:
        """Stop a running workflow, with ``erase`` its tasks too; ``False`` where none of that id runs."""
        self._let_others_start(now)
        self._sweep(now)
        workflow = self._workflows.pop(workflow_id, None)
        if workflow is None:
            return False
        workflow.ends = now
        if erase:
            self._tasks = [entry for entry in self._tasks if entry[1] is not workflow]
        return True

    # ------------------------------------------------------------------------------------------- inwardly

    def _template(self, template_id: float, clock: float) -> Template | None:
        template = self._templates.get(int(template_id)) if template_id == int(template_id) else None
        closed = template is None or template.robot or not template.active or self._gone(template, clock)
        return None if closed else template

    def _gone(self, template: Template, clock: float) -> bool:
        by_count = template.gone_after_starts is not None and self.started >= template.gone_after_starts
        return by_count or (template.gone_after_seconds is not None and clock >= template.gone_after_seconds)

    def _let_others_start(self, now: float) -> None:
        while self._others and self._others[0].began <= now:
            self._keep(self._others.popleft())

    def _alive_on(self, document: tuple[str, int], now: float) -> int:
        found = self._on_document.get(document)
        if not found:
            return 0
        alive = [workflow for workflow in found if workflow.ends > now]
        self._on_document[document] = alive
        return len(alive)

    def _keep(self, workflow: Workflow) -> None:
        self._workflows[workflow.id] = workflow
        self._on_document.setdefault((workflow.entity_type, workflow.entity_id), []).append(workflow)
        if len(self._workflows) > self._sweep_at:
            self._sweep(workflow.began)
            self._sweep_at = max(1024, 2 * len(self._workflows))

    def _sweep(self, now: float) -> None:
        self._workflows = {name: item for name, item in self._workflows.items() if item.ends > now}
        kept = ((document, [item for item in found if item.ends > now]) for document, found in self._on_document.items())
        self._on_document = {document: found for document, found in kept if found}

    def _new_id(self, epoch: float) -> str:
        """Make an id in the style of PHP's uniqid: 14 hexadecimal digits, a dot, 8 digits (bitrix24-api 1.3)."""
        self._last_id = max(self._last_id + 1, int(epoch * 1_000_000) % 2**24 if self._last_id == 0 else 0)
        return f"{int(epoch):08x}{self._last_id % 2**24:06x}.{self._digits.randrange(10**8):08d}"

    def _by_other(self, other: Other, began: float, started: float) -> Workflow:
        ends = float("inf") if other.life_seconds is None else began + other.life_seconds
        name = self._new_id(started)
        return Workflow(name, other.template_id, other.entity_type, other.entity_id, started, began, began, ends)

    def _before(self, running: Running, now: float, epoch: float) -> Workflow:
        ends = float("inf") if running.life_seconds is None else now + running.life_seconds
        began, started = now - running.started_seconds_ago, epoch - running.started_seconds_ago
        name = self._new_id(started)
        return Workflow(name, running.template_id, running.entity_type, running.entity_id, started, began, began, ends)

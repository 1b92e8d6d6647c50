"""Requests and what the journal knows → what is left to do, in lanes, one for each document.

Pure. Made twice: for the question to the person, and again under the journal's lock, since the world may have moved between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from bulkstart.journal_view import Held, View
from bulkstart.model import Outcome, Problem, Row, StartRequest
from bulkstart.result_columns import Previous, Status
from bulkstart.states import State


@dataclass(frozen=True, slots=True)
class Ready:
    """One row that is to be started now. ``held``: what the journal has of it from an earlier run."""

    position: int
    label: object
    key: str
    request: StartRequest
    held: Held | None = None

    @property
    def released(self) -> bool:
        """Whether it is in doubt, and a person lets it be sent again."""
        return self.held is not None and self.held.state is State.IN_DOUBT

    def told(self, outcome: Outcome) -> Outcome:
        """What is told of it: only a start ends a released doubt, and even then the first attempt may run besides."""
        held = self.held
        if held is None or not self.released:
            return outcome
        if outcome.status is Status.STARTED:
            first = f"{held.error_code or 'IN_DOUBT'}, sent {when(held.sent_at) or 'before'}"
            text = f"an earlier attempt stayed in doubt ({first}): look whether {held.entity_type} {held.entity_id} has it twice"
            return replace(outcome, error_message=text)
        again = f"sent again on a person's word: {outcome.error_code}: {outcome.error_message}"
        if outcome.status is Status.NOT_ATTEMPTED:
            again = f"released, but not sent again: {outcome.error_code}"
        code, text = held.error_code or "IN_DOUBT", f"{held.error_message}; {again}"
        return replace(outcome, status=Status.IN_DOUBT, workflow_id="", error_code=code, error_message=text, started_at="")


@dataclass(frozen=True, slots=True)
class Doubt:
    """A doubt that a fed-back sheet brings and the journal did not know."""

    key: str
    request: StartRequest
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do: rows to start, outcomes that are settled already, problems, and what to write down first."""

    ready: tuple[Ready, ...]
    outcomes: Mapping[int, Outcome]
    problems: tuple[Problem, ...]
    doubts: tuple[Doubt, ...] = ()
    crashed: tuple[Held, ...] = ()
    by_sheet: int = 0
    """Rows that count as started by the sheet's word alone."""
    again: int = 0
    """Rows to start that an earlier run tried without starting them."""
    other_rounds: int = 0
    """Rows to start whose entity has the same workflow under another campaign label."""


def lanes(ready: Sequence[Ready]) -> list[list[Ready]]:
    """Rows to start, one lane for each document, in the order of the sheet."""
    found: dict[tuple[str, int], list[Ready]] = {}
    for row in ready:
        found.setdefault(row.request.document, []).append(row)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Rules:
    """The options that decide about rows."""

    campaign: str = ""
    allow_changed: bool = False
    sandbox: bool = False
    limit: int | None = None
    defined: bool = True
    """Whether the portal gave its template list: without it fewer columns are parameters."""


def when(moment: float | None) -> str:
    """A Unix time as ISO 8601 in UTC, to the millisecond; ``""`` for none."""
    return "" if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


CHANGED = "give --allow-changed if a second one is meant"
UNDEFINED = "the portal gave no template list this time, so fewer columns count as parameters: run the sheet again later"


def odd_words(previous: Previous) -> str:
    """What to tell of result cells that do not fit together, or that were found to be another start's before."""
    if previous.error_code == "foreign-result":
        return f"still as before ({previous.error_message}); clear its six result cells once it is settled"
    cells = f"startStatus {previous.status!r}, workflowId {previous.workflow_id!r}, errorCode {previous.error_code!r}"
    return f"{cells} do not fit together; give back what the results said, or clear the six result cells"


@dataclass(slots=True)
class _Making:
    """The plan while it is made; every row is visited once."""

    rows: Sequence[Row]
    keys: Sequence[str | None]
    requests: Sequence[StartRequest | None]
    view: View
    rules: Rules
    ready: list[Ready] = field(default_factory=list)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    crashed: dict[str, Held] = field(default_factory=dict)
    by_sheet: int = 0

    said: list[Previous | None] = field(default_factory=list)
    """What the fed-back sheet says of each row, where it counts."""

    def __post_init__(self) -> None:
        self.said = [row.previous and self.heard(row.previous) for row in self.rows]

    def heard(self, previous: Previous) -> Previous | None:
        """A sandbox's word counts nowhere else, another campaign's id not in a new round."""
        if previous.from_sandbox and not self.rules.sandbox:
            return None
        holders = self.view.ids.get(previous.workflow_id, ()) if self.rules.campaign else ()
        return None if holders and all(held.campaign != self.rules.campaign for held in holders) else previous

    def decides(self, key: str) -> bool:
        """Whether the journal decides about a key: it knows of a start, a doubt or an owner. Else the sheet's word is heard first."""
        held = self.view.held.get(key)
        return held is not None and not held.open

    def weight(self, position: int, key: str) -> int:
        """How much a row's own word says that it was started: 2 that or something odd, 1 a doubt, 0 nothing."""
        previous = self.said[position]
        if previous is None or self.decides(key):
            return 0
        return {"nothing": 0, "in_doubt": 1}.get(previous.says, 2)

    def problem(self, row: Row, code: str, message: str) -> None:
        self.problems.append(Problem(row.position, row.label, None, code, message))

    def leaders(self) -> dict[str, int]:
        """Of equal rows the one that counts: one that the sheet says was started, else one in doubt, else the first."""
        if not any(self.said):
            return {key: position for position, key in reversed([*enumerate(self.keys)]) if key is not None}
        leaders: dict[str, tuple[int, int]] = {}
        for position, key in enumerate(self.keys):
            if key is None:
                continue
            weight = self.weight(position, key)
            if key not in leaders or weight > leaders[key][0]:
                leaders[key] = (weight, position)
        return {key: position for key, (_, position) in leaders.items()}

    def decide(self, row: Row, key: str, request: StartRequest) -> None:
        held = self.view.held.get(key)
        previous = self.said[row.position]
        if held is not None and self.decides(key):
            self.by_journal(row, held)
        elif previous is not None and self.weight(row.position, key) == 2:  # noqa: PLR2004  see weight
            self.by_word(row, previous)
        elif previous is not None and previous.says == Status.IN_DOUBT:
            code, message = previous.error_code or "IN_DOUBT", previous.error_message or "the sheet says that it is in doubt"
            self.doubts.append(Doubt(key, request, code, message))
            self.settle(row, Status.IN_DOUBT, code=code, message=message)
        else:
            self.to_start(row, key, request, held)

    def by_journal(self, row: Row, held: Held) -> None:
        if held.state is State.STARTED:
            message = "; ".join(filter(None, (f"started before, in run {held.run_id}", held.error_message)))
            self.settle(row, Status.ALREADY_STARTED, held.workflow_id, message=message, at=when(held.sent_at))
        elif held.state is State.IN_DOUBT:
            if held.crashed:
                self.crashed[held.key] = held
            self.settle(row, Status.IN_DOUBT, code=held.error_code or "IN_DOUBT", message=held.error_message)
        else:
            self.claimed(row, held)

    def by_word(self, row: Row, previous: Previous) -> None:
        """The sheet alone says that the row was started; the journal knows of no start of it."""
        workflow_id = previous.workflow_id
        if previous.says == "odd":
            text = odd_words(previous)
        elif holders := self.view.ids.get(workflow_id, ()):
            held = holders[0]
            other = f"{held.entity_type} {held.entity_id} on {held.portal}, template {held.template_id}, run {held.run_id}"
            text = f"workflow {workflow_id} belongs to another start ({other}); clear the six result cells if this row was never started"
        else:
            self.by_sheet += 1
            message = "started before, as this sheet says"
            self.settle(row, Status.ALREADY_STARTED, workflow_id, message=message, at=previous.started_at)
            return
        self.problem(row, "foreign-result", text)

    def to_start(self, row: Row, key: str, request: StartRequest, held: Held | None) -> None:
        """A row that may start, unless its entity already has the same workflow with other parameters."""
        siblings = self.view.siblings and self.view.siblings.get((request.template_id, *request.document), ())
        for sibling in siblings or ():
            if self.rules.allow_changed or (sibling.key, key) in self.view.together:
                continue
            if sibling.state in (State.STARTED, State.IN_DOUBT):
                what = f"workflow {sibling.workflow_id}" if sibling.workflow_id else "a start in doubt"
                text = f"{request.entity_type} {request.entity_id} already has {what} of template {request.template_id} with other parameters"
                advice = CHANGED if self.rules.defined else UNDEFINED
                self.problem(row, "changed-parameters", f"{text} (run {sibling.run_id}); {advice}")
                return
            if sibling.live:
                self.claimed(row, sibling)
                return
        self.ready.append(Ready(row.position, row.label, key, request, held))

    def claimed(self, row: Row, held: Held) -> None:
        if held.doubted and held.key == self.keys[row.position]:
            message = "; ".join(filter(None, (held.error_message, f"run {held.run_id} is sending it again right now")))
            self.settle(row, Status.IN_DOUBT, code=held.error_code or "IN_DOUBT", message=message)
            return
        message = f"run {held.run_id} is working on it right now; look again when that run has ended"
        self.settle(row, Status.NOT_ATTEMPTED, code="CLAIMED_BY_RUN", message=message)

    def settle(self, row: Row, status: Status, workflow_id: str = "", *, code: str = "", message: str = "", at: str = "") -> None:
        self.outcomes[row.position] = Outcome(row.position, status, workflow_id, code, message, 0, at)


def make(
    rows: Sequence[Row], requests: Sequence[StartRequest | None], keys: Sequence[str | None], view: View, rules: Rules
) -> Plan:
    """Decide about every row that has a request. ``keys`` stand for ``requests``, position by position."""
    making = _Making(rows, keys, requests, view, rules)
    leaders = making.leaders()
    words = Counter(found.workflow_id for found in making.said if found and found.workflow_id)
    for row, request, key in zip(rows, requests, keys, strict=True):
        if request is None or key is None:
            continue
        previous = making.said[row.position]
        own_id = previous.workflow_id if previous and not making.decides(key) else ""
        if own_id and words[own_id] > 1:
            making.problem(row, "foreign-result", f"workflow {own_id} stands in {words[own_id]} rows; it can belong to one only")
        elif leaders[key] != row.position and not own_id:
            first, what = rows[leaders[key]].label, f"template {request.template_id} on {request.entity_type} {request.entity_id}"
            making.problem(
                row,
                "duplicate-row",
                f"the same start as row {first}: {what}; delete one of them, or give them different parameters",
            )
        else:
            making.decide(row, key, request)
    return _within_limit(making, rules.limit)


def _within_limit(making: _Making, limit: int | None) -> Plan:
    """Rows behind ``--limit`` are neither started nor complained about; what was started before is said all the same."""
    end = len(making.rows) if limit is None else limit
    ready = tuple(entry for entry in making.ready if entry.position < end)
    for row in making.rows[end:]:
        if row.position not in making.outcomes:
            making.settle(row, Status.NOT_ATTEMPTED, code="LIMIT", message="behind --limit; run the sheet again without it")
    problems = tuple(problem for problem in making.problems if problem.position is None or problem.position < end)
    again = sum(entry.held is not None for entry in ready)
    others = making.view.other_campaigns
    rounds = sum((entry.request.template_id, *entry.request.document) in others for entry in ready) if others else 0
    return Plan(
        ready, making.outcomes, problems, tuple(making.doubts), tuple(making.crashed.values()), making.by_sheet, again, rounds
    )

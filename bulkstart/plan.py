"""Requests and what the journal knows → what is left to do, in lanes, one for each document.

Pure. Made twice: for the question to the person, and again under the journal's lock, since the world may have moved between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bulkstart.journal_view import Held, View
from bulkstart.model import Outcome, Previous, Problem, Row, StartRequest, Status
from bulkstart.states import State


@dataclass(frozen=True, slots=True)
class Ready:
    """One row that is to be started now. ``held``: what the journal has of it from an earlier run."""

    position: int
    label: object
    key: str
    request: StartRequest
    held: Held | None = None


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


def when(moment: float | None) -> str:
    """A Unix time as ISO 8601 in UTC, to the millisecond; ``""`` for none."""
    return "" if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


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

    def previous(self, position: int) -> Previous | None:
        """What the fed-back sheet says of a row; a sandbox's word counts nowhere else."""
        found = self.rows[position].previous
        return None if found is None or (found.from_sandbox and not self.rules.sandbox) else found

    def problem(self, row: Row, code: str, message: str) -> None:
        self.problems.append(Problem(row.position, row.label, None, code, message))

    def leaders(self) -> dict[str, int]:
        """Of equal rows the one that counts: one that the sheet says was started, else one in doubt, else the first."""
        leaders: dict[str, tuple[int, int]] = {}
        for position, key in enumerate(self.keys):
            if key is None:
                continue
            previous = self.previous(position)
            weight = 2 if previous and previous.workflow_id else 1 if previous and previous.status == Status.IN_DOUBT else 0
            if key in self.view.held:
                weight = 0  # the journal decides, whatever the sheet says
            if key not in leaders or weight > leaders[key][0]:
                leaders[key] = (weight, position)
        return {key: position for key, (_, position) in leaders.items()}

    def decide(self, row: Row, key: str, request: StartRequest) -> None:
        held = self.view.held.get(key)
        previous = self.previous(row.position)
        if held is not None:
            self.by_journal(row, key, request, held)
        elif previous is not None and previous.error_code == "foreign-result":
            self.problem(
                row,
                "foreign-result",
                f"still as before ({previous.error_message}); clear its six result cells once it is settled",
            )
        elif previous is not None and (previous.workflow_id or previous.status in (Status.STARTED, Status.ALREADY_STARTED)):
            self.by_word(row, key, request, previous)
        elif previous is not None and previous.status == Status.IN_DOUBT:
            code, message = previous.error_code or "IN_DOUBT", previous.error_message or "the sheet says that it is in doubt"
            self.doubts.append(Doubt(key, request, code, message))
            self.settle(row, Status.IN_DOUBT, code=code, message=message)
        else:
            self.to_start(row, key, request, None)

    def by_journal(self, row: Row, key: str, request: StartRequest, held: Held) -> None:
        if held.state is State.STARTED:
            message = f"started before, in run {held.run_id}"
            self.settle(row, Status.ALREADY_STARTED, held.workflow_id, message=message, at=when(held.sent_at))
        elif held.state is State.IN_DOUBT:
            if held.error_code == "CRASHED":
                self.crashed[held.key] = held
            self.settle(row, Status.IN_DOUBT, code=held.error_code or "IN_DOUBT", message=held.error_message)
        elif held.live:
            self.claimed(row, held)
        else:
            self.to_start(row, key, request, held)

    def by_word(self, row: Row, key: str, request: StartRequest, previous: Previous) -> None:
        """The sheet alone says that the row was started; the journal does not hold the row."""
        if not previous.workflow_id:
            self.problem(
                row,
                "foreign-result",
                f"startStatus says {previous.status} but workflowId is blank; give the id back or clear the six result cells",
            )
            return
        if previous.status not in ("", Status.STARTED, Status.ALREADY_STARTED):
            self.problem(
                row, "foreign-result", f"startStatus says {previous.status!r} beside a workflowId; clear the one that is wrong"
            )
            return
        holders = self.view.ids.get(previous.workflow_id, ())
        if self.rules.campaign and holders and all(held.campaign != self.rules.campaign for held in holders):
            self.to_start(row, key, request, None)
            return
        if holders:
            other = f"{holders[0].entity_type} {holders[0].entity_id} on {holders[0].portal}, template {holders[0].template_id}"
            self.problem(
                row,
                "foreign-result",
                f"workflow {previous.workflow_id} belongs to another start ({other}, run {holders[0].run_id}); clear the six result cells of this row if it was never started",
            )
            return
        self.by_sheet += 1
        self.settle(
            row,
            Status.ALREADY_STARTED,
            previous.workflow_id,
            message="started before, as this sheet says",
            at=previous.started_at,
        )

    def to_start(self, row: Row, key: str, request: StartRequest, held: Held | None) -> None:
        """A row that may start, unless its entity already has the same workflow with other parameters."""
        for sibling in self.view.siblings.get((request.template_id, *request.document), ()):
            if self.rules.allow_changed or (sibling.key, key) in self.view.together:
                continue
            if sibling.state in (State.STARTED, State.IN_DOUBT):
                what = f"workflow {sibling.workflow_id}" if sibling.workflow_id else "a start in doubt"
                self.problem(
                    row,
                    "changed-parameters",
                    f"{request.entity_type} {request.entity_id} already has {what} of template {request.template_id} with other parameters (run {sibling.run_id}); give --allow-changed if a second one is meant",
                )
                return
            if sibling.live:
                self.claimed(row, sibling)
                return
        self.ready.append(Ready(row.position, row.label, key, request, held))

    def claimed(self, row: Row, held: Held) -> None:
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
    words = Counter(
        p.workflow_id for row in rows if (p := making.previous(row.position)) and p.workflow_id and not _held(making, row)
    )
    for row, request, key in zip(rows, requests, keys, strict=True):
        if request is None or key is None:
            continue
        previous = making.previous(row.position)
        own_word = previous is not None and previous.workflow_id and key not in view.held
        if previous is not None and own_word and words[previous.workflow_id] > 1:
            making.problem(
                row,
                "foreign-result",
                f"workflow {previous.workflow_id} stands in {words[previous.workflow_id]} rows; it can belong to one only",
            )
        elif leaders[key] != row.position and not own_word:
            first = rows[leaders[key]].label
            making.problem(
                row,
                "duplicate-row",
                f"the same start as row {first}: template {request.template_id} on {request.entity_type} {request.entity_id}; delete one of them, or give them different parameters",
            )
        else:
            making.decide(row, key, request)
    return _within_limit(making, rules.limit)


def _held(making: _Making, row: Row) -> bool:
    return making.keys[row.position] in making.view.held


def _within_limit(making: _Making, limit: int | None) -> Plan:
    """Rows behind ``--limit`` are neither started nor complained about; what was started before is said all the same."""
    end = len(making.rows) if limit is None else limit
    ready = tuple(entry for entry in making.ready if entry.position < end)
    for row in making.rows[end:]:
        if row.position not in making.outcomes:
            making.settle(row, Status.NOT_ATTEMPTED, code="LIMIT", message="behind --limit; run the sheet again without it")
    problems = tuple(problem for problem in making.problems if problem.position is None or problem.position < end)
    again = sum(entry.held is not None for entry in ready)
    return Plan(ready, making.outcomes, problems, tuple(making.doubts), tuple(making.crashed.values()), making.by_sheet, again)

"""Going on with a past run: which rows of its sheet may be sent now, and what is told of the others. Pure.

A row is known by its key: the sheet may have been sorted, and rows added or taken away. Nothing is sent that the run did not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bulkstart.checks import Checked
from bulkstart.columns import ColumnMap
from bulkstart.journal_past import PastRow, PastRun
from bulkstart.journal_view import Held, View
from bulkstart.model import Outcome, Row, Template
from bulkstart.plan import Plan, Ready
from bulkstart.preflight import Met
from bulkstart.result_columns import Status
from bulkstart.retry import Stop
from bulkstart.stages import Sheet
from bulkstart.states import State

NOT_IN_RUN = "this row was not in run {}: it is new, or its values have changed since; run the sheet itself to start it"
_WAITING = "; not sent again: its settle time ends in "
_NEVER_LEADS = frozenset({Status.DUPLICATE, Status.INVALID})


@dataclass(frozen=True, slots=True)
class Resumed:
    """A run that is gone on with. ``release``: rows in doubt are sent again too, ``settle`` seconds after their last send."""

    past: PastRun
    release: bool = False
    settle: float = 0.0
    rows: Mapping[str, PastRow] = field(init=False)
    """The run's rows by key; of equal rows the one that counted."""

    def __post_init__(self) -> None:
        led = sorted(self.past.rows, key=lambda row: _weight(row.outcome))
        object.__setattr__(self, "rows", {row.key: row for row in led if row.key})

    def placed(self, outcomes: Sequence[Outcome], sheet: Sheet) -> list[Outcome]:
        """The outcomes of the sheet's rows at their places in the run; rows that the run did not have are left out."""
        found = {}
        for outcome in sorted(outcomes, key=_weight):  # of equal rows the one that counts
            key = sheet.keys[outcome.position]
            past = self.rows.get(key) if key else None
            if past is not None and outcome.status not in _NEVER_LEADS:
                found[past.outcome.position] = replace(outcome, position=past.outcome.position)
        return list(found.values())

    def attempts(self, sheet: Sheet) -> dict[int, int]:
        """Requests that left for each row of the sheet in this run so far."""
        found = {position: self.rows.get(key or "") for position, key in enumerate(sheet.keys)}
        return {position: past.outcome.attempts for position, past in found.items() if past and past.outcome.attempts}

    def narrowed(self, plan: Plan, sheet: Sheet, view: View, now: float, limit: int | None = None) -> Plan:
        """``plan`` for this run's own rows: those that certainly did not start and were never refused, and released doubts."""
        outcomes, ready = dict(plan.outcomes), []
        first = {key: position for position, key in reversed([*enumerate(sheet.keys)]) if key}
        for entry in plan.ready:
            told = self._unsendable(entry)
            if told is None:
                ready.append(entry)
            else:
                outcomes[entry.position] = told
        for position, outcome in plan.outcomes.items():
            key, request = sheet.keys[position], sheet.checked.requests[position]
            if not key or not request:
                continue
            held, past = view.held.get(key), self.rows.get(key)
            entry = Ready(position, sheet.checked.rows[position].label, key, request, held)
            if outcome.status is Status.NOT_ATTEMPTED and outcome.error_code == "LIMIT":
                outcomes[position] = (self._unsendable(entry) if first[key] == position else None) or outcome
            elif held and past:
                outcomes[position] = self._known(outcome, held, past, now)
                within = limit is None or position < limit
                if self.release and within and outcome.status is Status.IN_DOUBT and self.waits(held, now) <= 0:
                    del outcomes[position]
                    ready.append(entry)
        ours = [p for p in plan.problems if p.position is None or (sheet.keys[p.position] or "") in self.rows]
        for problem in plan.problems:
            if problem.position is not None and problem not in ours:
                outcomes[problem.position] = self._foreign(problem.position)
        for position, key in enumerate(sheet.keys):
            if key is None and sheet.from_journal:
                outcomes[position] = self.past.rows[position].outcome
        return replace(
            plan, ready=tuple(sorted(ready, key=lambda entry: entry.position)), outcomes=outcomes, problems=tuple(ours), again=0
        )

    def left(self, plan: Plan) -> dict[int, Outcome]:
        """What is told of the rows that could be sent and are not, by position: what the run told of them, or that it died."""
        found = {}
        for ready in plan.ready:
            outcome = replace(self.rows[ready.key].outcome, position=ready.position)
            if not outcome.error_code:
                text = "the run ended before this row; bulkstart resume goes on with it"
                outcome = replace(outcome, status=Status.NOT_ATTEMPTED, error_code="RUN_STOPPED", error_message=text)
            found[ready.position] = outcome
        return found

    def _unsendable(self, entry: Ready) -> Outcome | None:
        """What is told of a row that the plan would send, and this run may not."""
        past = self.rows.get(entry.key)
        if past is None:
            return self._foreign(entry.position)
        if (
            past.outcome.workflow_id and entry.held is None
        ):  # started before by the word of the sheet as it was then: the journal has no start of it
            return replace(past.outcome, position=entry.position)
        if past.outcome.status is Status.REFUSED:
            return replace(past.outcome, position=entry.position)
        if entry.held is not None and entry.held.state is State.REFUSED:
            attempts = past.outcome.attempts
            return Outcome(entry.position, Status.REFUSED, "", entry.held.error_code, entry.held.error_message, attempts)
        return None

    def _foreign(self, position: int) -> Outcome:
        return Outcome(position, Status.NOT_ATTEMPTED, "", "NOT_IN_RUN", NOT_IN_RUN.format(self.past.run_id))

    def _known(self, outcome: Outcome, held: Held, past: PastRow, now: float) -> Outcome:
        """A row that the journal decides about: what this run started is ``started``, and a doubt says what is to be done."""
        attempts = past.outcome.attempts
        if outcome.status is Status.ALREADY_STARTED and held.run_id == self.past.run_id and not held.by_word:
            return replace(outcome, status=Status.STARTED, error_message=held.error_message, attempts=max(1, attempts))
        if outcome.status is not Status.IN_DOUBT:
            return replace(outcome, attempts=attempts)
        seen = past.outcome.status is Status.IN_DOUBT and past.outcome.error_message
        message = past.outcome.error_message.partition(_WAITING)[0] if seen else outcome.error_message
        if self.release and (left := self.waits(held, now)) > 0:
            message = f"{message}{_WAITING}{left:.0f} s"
        return replace(outcome, error_message=message, attempts=attempts)

    def waits(self, held: Held, now: float) -> float:
        """Seconds until a row in doubt may be sent again; ``now`` is a Unix time."""
        return min(self.settle, (held.sent_at or self.past.started_at) + self.settle - now)  # a clock may have been ahead


def parameters_of(templates: Sequence[Template] | None, used: Sequence[int]) -> dict[str, list[str] | None]:
    """The parameters' names of the templates that a run uses, ``None`` where the portal tells none: by them columns were matched."""
    known = {template.id: template.parameters for template in templates or ()}
    return {str(number): None if (own := known.get(number)) is None else sorted(p.name for p in own) for number in used}


@dataclass(frozen=True, slots=True)
class Unlike:
    """Why a sheet cannot be read now as the run read it; ``stop``: why nothing may be sent then."""

    why: str
    stop: Stop | None = None


def unlike(past: PastRun, met: Met, sheet: Sheet) -> Unlike | None:
    """Whether the sheet's rows would have other keys now, or none, so that what the run did would be told as if it had never been."""
    before = past.settings.get("parameters", {})
    if met.stop is not None or (met.templates is None and any(names is not None for names in before.values())):
        return Unlike("the portal does not give its templates now")
    now = parameters_of(met.templates, [int(number) for number in before])
    if met.templates is not None and now != before:
        text = "the template's parameters have changed on the portal since the run; check and run the sheet itself"
        return Unlike("the template's parameters have changed on the portal", Stop("TEMPLATE_CHANGED", text, 6))
    if any(problem.position is None for problem in sheet.checked.problems):
        text = "; ".join(problem.message for problem in sheet.checked.problems if problem.position is None)
        return Unlike(
            "the sheet as a whole has a problem now", Stop("SHEET_HAS_PROBLEMS", f"the sheet as a whole has a problem: {text}", 3)
        )
    return None


def _weight(outcome: Outcome) -> tuple[bool, bool, bool, int]:
    """Which of equal rows counts, the last of these: one with an id, one that was tried, one within ``--limit``, the first of them."""
    tried = outcome.status not in _NEVER_LEADS and outcome.status is not Status.NOT_ATTEMPTED
    within = outcome.status not in _NEVER_LEADS and outcome.error_code != "LIMIT"
    return bool(outcome.workflow_id), tried, within, -outcome.position


def sheet_of(past: PastRun) -> Sheet:
    """The run's rows as the journal has them, for a sheet that is gone: nothing is read and nothing is checked again."""
    rows = [Row(n, row.label, row.request and row.request.entity_id, None, None) for n, row in enumerate(past.rows)]
    duplicate = {row.outcome.position for row in past.rows if row.outcome.status in _NEVER_LEADS}
    keep = [row.request is not None and row.outcome.position not in duplicate for row in past.rows]
    requests = [row.request if kept else None for row, kept in zip(past.rows, keep, strict=True)]
    checked = Checked(ColumnMap(), rows, requests, [], [], ())
    keys = tuple(row.key if kept else None for row, kept in zip(past.rows, keep, strict=True))
    return Sheet(checked, keys, from_journal=True)

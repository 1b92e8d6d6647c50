"""What a person is asked before the first send and after the canary, as text. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bulkstart.forecast import Forecast
from bulkstart.model import Outcome, Template
from bulkstart.plan import Plan, Ready, lanes, when
from bulkstart.result_columns import Status
from bulkstart.standing import Pilot, Piloted

_SHOWN = 20
_PILOT_ROWS = 200


@dataclass(frozen=True, slots=True)
class Question:
    """The question before the first send; ``text`` is what the person reads."""

    portal: str
    plan: Plan
    templates: Sequence[Template]
    campaign: str
    canary: int
    forecast: Forecast
    past: str = ""
    """The run that goes on, if any."""

    @property
    def text(self) -> str:
        """How many starts, where, of what, for how long, and what a person would want to know before saying yes."""
        plan, known = self.plan, {template.id: template for template in self.templates}
        by_template = Counter(ready.request.template_id for ready in plan.ready)
        goes_on = f"run {self.past} goes on: " if self.past else ""
        lines = [f"{goes_on}{_rows(len(plan.ready), 'workflow')} would be started on {self.portal}, {self.forecast.text}"]
        lines += [f"  with {change}: {other.text}" for change, other in self.forecast.others]
        for template, count in by_template.items():
            name = f" {known[template].name!r}" if template in known and known[template].name else ""
            lines.append(f"  template {template}{name}: {count}")
        shared = sum(1 for lane in lanes(plan.ready) if len(lane) > 1)
        if shared:
            rows = sum(len(lane) for lane in lanes(plan.ready) if len(lane) > 1)
            lines.append(f"  {_rows(rows, 'row')} share {shared} entities with another row: each of them starts")
        if plan.again:
            lines.append(f"  {_rows(plan.again, 'row')} {'was' if plan.again == 1 else 'were'} tried before without starting")
        if plan.by_sheet:
            lines.append(
                f"  {_rows(plan.by_sheet, 'row')} count as started by the sheet's word alone: no journal here knows their ids"
            )
        before = sum(outcome.status is Status.ALREADY_STARTED for outcome in plan.outcomes.values()) - plan.by_sheet
        if before:
            lines.append(f"  {_rows(before, 'row')} were started before and are left alone")
        if self.campaign:
            lines.append(
                f"  campaign {self.campaign!r}: {_rows(plan.other_rounds, 'row')} started under another label before, and start again"
            )
        first = min(self.canary, len(plan.ready))
        lines.append(
            f"A start cannot be taken back. The first {first} go first. Start now?"
            if first
            else "A start cannot be taken back. Start now?"
        )
        return "\n".join(lines)


def release_text(portal: str, released: Sequence[Ready]) -> str:
    """The question about rows in doubt that would be sent again."""
    lines = [f"{_rows(len(released), 'row')} in doubt would be sent again to {portal}; each of them may have started already:"]
    for ready in released[:_SHOWN]:
        held, request = ready.held, ready.request
        reason = f"{held.error_code or 'IN_DOUBT'}, sent {when(held.sent_at) or 'before'}" if held else ""
        lines.append(f"  row {ready.label}: {request.entity_type} {request.entity_id} ({reason})")
    if len(released) > _SHOWN:
        lines.append(f"  … and {len(released) - _SHOWN:,} more")
    lines.append("What had started already then runs twice. Send them again?")
    return "\n".join(lines)


def canary_text(outcomes: Sequence[tuple[object, Outcome]], durations: Sequence[float], left: int, forecast: Forecast) -> str:
    """What the canary showed: (row label, outcome) pairs, seconds per start, and what is left to do."""
    lines = [f"the first {len(outcomes)}:"]
    for label, outcome in outcomes:
        what = outcome.workflow_id or f"{outcome.error_code}: {outcome.error_message}"
        lines.append(f"  row {label}: {outcome.status} {what}")
    if durations:
        lines.append(f"  a start takes {min(durations):.2f} to {max(durations):.2f} s")
    lines.append(f"{_rows(left, 'workflow')} left, {forecast.text}. Look at the first ones in the portal. Go on?")
    return "\n".join(lines)


def pilot_of(outcomes: Sequence[tuple[object, Outcome]], durations: Sequence[float], left: int, forecast: Forecast) -> Pilot:
    """The same as a value, for a question that is answered elsewhere."""
    rows = [
        Piloted(str(label), str(o.status), o.workflow_id, o.error_code, o.error_message) for label, o in outcomes[:_PILOT_ROWS]
    ]
    return Pilot(tuple(rows), tuple(durations), left, forecast.to_json(), canary_text(outcomes, durations, left, forecast))


def _rows(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"

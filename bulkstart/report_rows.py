"""Which rows a report shows, where to look for each, and what to do: every kind of trouble, in bounded space. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bulkstart.journal_past import PastRow, PastRun
from bulkstart.model import Outcome
from bulkstart.result_columns import Status
from bulkstart.summary import advice_for
from bulkstart.timeline import Request

QUIET = frozenset({Status.STARTED, Status.ALREADY_STARTED, Status.PLANNED})
MOST_ROWS, MOST_DOUBTS, MOST_REMARKS = 1_000, 500, 200
"""Rows in a page: that did not start, in doubt, started with a remark."""
_LATER = frozenset({"LIMIT", "NOT_IN_RUN"})
_DOMAIN = re.compile(r"(?=.{4,200}$)[a-z0-9-]+(\.[a-z0-9-]+)+")
_CARD = re.compile(r"deal|lead|contact|company|quote|dynamic_[0-9]{1,6}")
_BEFORE = re.compile(r"started before, in run \S+(; |$)|started before, as this sheet says$")


@dataclass(frozen=True, slots=True)
class Account:
    """A run's rows as they stand. ``open``: positions that a run which is going on has not settled yet."""

    past: PastRun
    outcomes: Sequence[Outcome]
    requests: Sequence[Request]
    open: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        settled = {row.outcome.position for row in self.past.rows if row.outcome.error_code or row.outcome.workflow_id}
        still = {o.position for o in self.outcomes if o.status is Status.NOT_ATTEMPTED and o.position not in settled}
        object.__setattr__(self, "open", frozenset(still if self.past.live else ()))

    @property
    def counts(self) -> dict[str, int]:
        """Rows by status; ``open`` are those that the run is still to settle."""
        found = {str(status): 0 for status in Status} | {"open": len(self.open)}
        for outcome in self.outcomes:
            found[outcome.status] += outcome.position not in self.open
        return {status: count for status, count in found.items() if count}

    def of(self, status: Status) -> list[Outcome]:
        """The rows of one status."""
        return [o for o in self.outcomes if o.status is status and o.position not in self.open]

    def not_started(self) -> list[Outcome]:
        """The rows that certainly did not start."""
        quiet = QUIET | {Status.IN_DOUBT}
        return [o for o in self.outcomes if o.status not in quiet and o.position not in self.open]

    def remarked(self) -> list[Outcome]:
        """Started rows that have something to tell: found by list, sent twice on a person's word, ended by undo."""
        return [o for o in self.outcomes if o.status in QUIET and _BEFORE.sub("", o.error_message, count=1)]

    def groups(self) -> list[tuple[Status, str, list[Outcome]]]:
        """Rows by status and code, the largest group first; doubts before all."""
        found: dict[tuple[Status, str], list[Outcome]] = {}
        for outcome in [*self.of(Status.IN_DOUBT), *self.not_started()]:
            found.setdefault((outcome.status, outcome.error_code), []).append(outcome)
        ranked = sorted(found.items(), key=lambda group: (group[0][0] is not Status.IN_DOUBT, -len(group[1])))
        return [(status, code, rows) for (status, code), rows in ranked]

    def last_sent(self) -> Mapping[str, float]:
        """When the last request of each key left."""
        return {request.key: request.sent_at for request in self.requests}

    def next_steps(self, results: str, carried: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
        """What to type next, as (why, command); ``carried``: words that each command about the run needs (``--journal …``)."""
        past, counts = self.past, self.counts

        def about(command: str, *more: str) -> str:
            return shlex.join(["bulkstart", command, past.run_id, *more, *carried])

        if past.live:
            yield "the run is going on: look again later", about("report")
            yield "let it stop: rows on the wire finish, the others are not attempted", about("stop")
            return
        if any(o.status is Status.NOT_ATTEMPTED and o.error_code not in _LATER for o in self.outcomes):
            yield "go on with the rows that certainly did not start", about("resume")
        if counts.get(Status.IN_DOUBT):
            yield "look the rows in doubt up in the portal's list of running workflows", about("reconcile")
            yield "send what is still in doubt again, once you have looked at it yourself", about("resume", "--release-doubts")
        if any(counts.get(status) for status in (Status.REFUSED, Status.INVALID, Status.GAVE_UP, Status.DUPLICATE)):
            file = results or past.sheet
            again = shlex.join(["bulkstart", file]) if file else "bulkstart.start(frame, portal=portal, …)"
            what = "results" if results else "sheet" if file else "frame"
            yield f"mend the rows that were refused or are invalid, then run the {what}: nothing starts twice", again
        if counts.get(Status.STARTED):
            yield "count what of it still runs; without --dry-run, and once you confirm, end it", about("undo", "--dry-run")


def chosen(outcomes: Sequence[Outcome], most: int) -> list[Outcome]:
    """At most ``most`` of the outcomes, in their order, with some of every status and code as far as there is room."""
    if len(outcomes) <= most:
        return list(outcomes)
    groups: dict[tuple[Status, str], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.status, outcome.error_code), []).append(outcome)
    taken: list[Outcome] = []
    waiting = sorted(groups.values(), key=len)
    for number, rows in enumerate(waiting):  # the small groups whole, the large ones what is left, in equal parts
        taken += rows[: (most - len(taken)) // (len(waiting) - number)]
    return sorted(taken, key=lambda outcome: outcome.position)


def entity(row: PastRow) -> str:
    """``deal 5141``; ``""`` for a row whose request nobody could make."""
    return f"{row.request.entity_type} {row.request.entity_id}" if row.request else ""


def card(past: PastRun, row: PastRow) -> str | None:
    """The address of an entity's card on the portal; ``None`` where there is none, or the portal is no domain that could be visited."""
    if row.request is None or not _DOMAIN.fullmatch(past.portal) or past.portal.replace(".", "").isdigit():
        return None
    if not _CARD.fullmatch(row.request.entity_type):
        return None
    return (
        f"https://{past.portal}/crm/{row.request.entity_type.replace('dynamic_', 'type/')}/details/{int(row.request.entity_id)}/"
    )


def where_to_look(row: PastRow, *, sent: bool) -> str:
    """Where a person sees whether a doubtful start happened."""
    if row.request is None:
        return "open the entity in the portal, and look at its workflows"
    around = ", one that began at about that time" if sent else ""
    return f"open {entity(row)} in the portal, and look among its workflows for template {row.request.template_id}{around}"


def what_to_do(outcome: Outcome) -> str:
    """The advice for one row, unless its message has said it already."""
    found = advice_for(outcome.status, outcome.error_code)
    return "" if found in outcome.error_message else found

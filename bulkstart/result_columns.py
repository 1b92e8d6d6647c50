"""The six result columns, and what they say when a results sheet is given back. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

RESULT_COLUMNS = ("startStatus", "workflowId", "errorCode", "errorMessage", "attempts", "startedAt")
"""The six columns that follow the analyst's own ones in a results sheet, in this order."""
REQUEST_BODY = "requestBody"
"""The seventh column, of a dry run."""


def result_places(names: Sequence[str]) -> dict[str, int] | None:
    """Where the six result columns stand: the last six that follow each other, else each where it is the only one of its name.

    ``None`` where not all six are there, or where one of several cannot be told from an analyst's own column.
    """
    named = [name.strip() for name in names]
    six = len(RESULT_COLUMNS)
    for place in range(len(named) - six, -1, -1):
        if tuple(named[place : place + six]) == RESULT_COLUMNS:
            return {name: place + offset for offset, name in enumerate(RESULT_COLUMNS)}
    if all(named.count(name) == 1 for name in RESULT_COLUMNS):
        return {name: named.index(name) for name in RESULT_COLUMNS}
    return None


def earlier_places(names: Sequence[str]) -> dict[str, int]:
    """Where the result columns of an earlier run stand: the six, and a dry run's seventh right behind them. Empty without the six."""
    places = result_places(names) or {}
    behind = places.get(RESULT_COLUMNS[-1], len(names)) + 1
    return places | ({REQUEST_BODY: behind} if behind < len(names) and names[behind].strip() == REQUEST_BODY else {})


SANDBOX_MARK = "sandbox: nothing started on a real portal"
"""Stands in ``errorMessage`` of every row of a sandbox run, so that its results are never taken for real ones."""


class Status(StrEnum):
    """What became of a row; the values of the column ``startStatus``."""

    STARTED = "started"
    ALREADY_STARTED = "already_started"
    PLANNED = "planned"
    INVALID = "invalid"
    DUPLICATE = "duplicate"
    REFUSED = "refused"
    GAVE_UP = "gave_up"
    IN_DOUBT = "in_doubt"
    NOT_ATTEMPTED = "not_attempted"


@dataclass(frozen=True, slots=True)
class Previous:
    """What the six result columns of a fed-back sheet say about a row; all text, stripped, ``""`` where blank."""

    status: str
    workflow_id: str
    error_code: str
    error_message: str
    started_at: str

    @property
    def from_sandbox(self) -> bool:
        """Whether a sandbox run wrote it: the mark stands alone or at the end, where no server's text can stand."""
        return self.error_message == SANDBOX_MARK or self.error_message.endswith(f"; {SANDBOX_MARK}")

    @property
    def says(self) -> str:
        """What it says of a start: ``started``, ``in_doubt``, ``nothing``, or ``odd`` where that cannot be told."""
        status = "_".join(self.status.casefold().replace("-", " ").split())
        if self.error_code == "foreign-result":
            return "odd"
        if self.workflow_id:
            return "started" if status in ("", Status.STARTED, Status.ALREADY_STARTED) else "odd"
        if status == Status.IN_DOUBT:
            return "in_doubt"
        if status in (Status.STARTED, Status.ALREADY_STARTED) or (not status and (self.error_code or self.error_message)):
            return "odd"
        return "nothing" if not status or status in list(Status) else "odd"

"""The nouns: the values that walk down the street, from a row of the sheet to the outcome of its start.

Every one is a frozen, slotted dataclass; none of them touches a clock, a disk or a wire.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias, cast

ENTITY_TYPES = ("deal", "lead", "contact", "company")
"""The entity types that the Vibecode gateway can start a workflow on (VSTART, bitrix24-api 1.2)."""

RESULT_COLUMNS = ("startStatus", "workflowId", "errorCode", "errorMessage", "attempts", "startedAt")
"""The six columns that follow the analyst's own ones in a results sheet, in this order."""


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


SANDBOX_MARK = "sandbox: nothing started on a real portal"
"""Stands in ``errorMessage`` of every row of a sandbox run, so that its results are never taken for real ones."""

Json: TypeAlias = Any


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


# ---------------------------------------------------------------------------------------------------- the sheet


class ErrorCell(str):
    """An error value of a spreadsheet cell (``#N/A``, ``#REF!``): never a value, never blank."""

    __slots__ = ()


class UncalculatedCell(str):
    """A formula that was saved without a result; the text is the formula. The sheet must be opened and saved once in Excel."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class SheetSource:
    """Where a frame came from and how the file was read; ``frame.attrs["sheet"]``.

    ``format`` is decided by the bytes (``csv``, ``xlsx``, …), ``letters`` and ``headers`` stand for the frame's columns in order,
    ``notes`` are sentences about what was detected and why, for people.
    """

    path: str
    format: str
    tab: str | None
    header_row: int
    letters: tuple[str, ...]
    headers: tuple[str, ...]
    encoding: str | None = None
    delimiter: str | None = None
    blank_rows: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the sheet. ``letter`` is the spreadsheet's (``A``, ``AB``); ``index`` counts from 0 in the frame."""

    index: int
    letter: str
    header: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend in the sheet.

    ``position`` is the row's place in the frame from 0 (``None``: the whole sheet), ``row`` its number in the sheet (or the
    frame's own label), ``column`` the column letter, ``code`` in frictionless style, ``message`` what stands there and what to do.
    """

    position: int | None
    row: object
    column: str | None
    code: str
    message: str


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


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the sheet as the columns were matched: raw cell values, nothing checked yet."""

    position: int
    label: object
    entity_id: object
    entity_type: object
    template_id: object
    parameters: tuple[object, ...]
    previous: Previous | None = None


# --------------------------------------------------------------------------------------------------- the portal


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a template, normalised from every spelling of bitrix24-api 1.4.

    ``type`` is the portal's own word in lower case (``string``, ``int``, ``user``, ``uf:money`` …); ``options`` maps key to label.
    """

    name: str
    label: str = ""
    type: str = "string"
    required: bool = False
    multiple: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    default: Json = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A workflow template. ``parameters is None`` means that the portal gives no definitions, not that there are none."""

    id: int
    name: str = ""
    entity_type: str | None = None
    parameters: tuple[Parameter, ...] | None = None
    auto_execute: int = 0
    modified: str = ""


@dataclass(frozen=True, slots=True)
class StartRequest:
    """One intended start. ``parameters`` hold JSON values as they go into the body; blank ones are absent."""

    template_id: int
    entity_type: str
    entity_id: int
    parameters: Mapping[str, Json] = field(default_factory=dict)

    @property
    def document(self) -> tuple[str, int]:
        """The CRM entity that the workflow runs on: rows that share it share a lane."""
        return self.entity_type, self.entity_id


def _same(value: Json) -> str:
    """One text for values that mean the same in a cell: ``12``, ``12.0`` and ``"12"`` are one intent."""
    kind = type(value)
    if kind is str:
        return cast("str", value)
    if kind is int:
        return str(value)
    if kind is float:
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, Sequence):
        return "\0" + _joined([_same(item) for item in value])
    return "\0" + json.dumps(value, sort_keys=True)  # true, null, objects; no cell text holds a NUL


def _joined(texts: Iterable[str]) -> str:
    """Texts as one text that no other texts give: each behind its length."""
    return "".join([f"{len(text)}:{text}" for text in texts])


def row_key(portal: str, request: StartRequest, campaign: str = "") -> str:
    """The key of a row: equal exactly when the same workflow is meant to start on the same entity with the same values.

    SHA-256 in hex over portal identity, template, entity type, entity id, parameters and campaign label.
    """
    texts = [portal, str(request.template_id), request.entity_type, str(request.entity_id), campaign]
    for name in sorted(request.parameters):
        texts += (name, _same(request.parameters[name]))
    return hashlib.sha256(_joined(texts).encode("utf-8", "surrogatepass")).hexdigest()


# ----------------------------------------------------------------------------------------------------- the wire


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One HTTP request without address and credentials, which the transport adds. ``path`` begins behind the base URL."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer that arrived whole. Header names are lower case; ``seconds`` from the send to the last byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Lost:
    """No usable answer. ``left`` tells whether any byte of the request may have left this machine."""

    reason: str
    left: bool
    message: str = ""
    seconds: float = 0.0


# ----------------------------------------------------------------------------------------------------- verdicts


@dataclass(frozen=True, slots=True)
class Started:
    """Proven: the workflow was started, and this is its id."""

    workflow_id: str


@dataclass(frozen=True, slots=True)
class Busy:
    """Proven: nothing was started. ``throttled``: the portal asked for time (``after`` seconds where it said how long)."""

    code: str
    message: str = ""
    throttled: bool = False
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Proven: nothing was started, and this row never will be as it is. ``template_gone``: nor any row of its template."""

    code: str
    message: str
    template_gone: bool = False


@dataclass(frozen=True, slots=True)
class InDoubt:
    """Not proven either way: it may have started. Never sent again by the program. ``stops``: why no other row should be sent either."""

    code: str
    message: str
    stops: str = ""


@dataclass(frozen=True, slots=True)
class Denied:
    """Proven: nothing was started, and nothing will be for any row. ``exit_code``: 7 denied or wrong address, 6 told to stop.

    ``afterwards`` is what the same answer proves once a row has started: of the same template, or with ``per_run`` of the run.
    """

    code: str
    message: str
    exit_code: int = 7
    afterwards: Refused | InDoubt | None = None
    per_run: bool = False


Verdict: TypeAlias = Started | Busy | Refused | Denied | InDoubt


# ------------------------------------------------------------------------------------------------------ outcomes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row. ``started_at``: when the successful request was sent, ISO 8601 in UTC, else ``""``."""

    position: int
    status: Status
    workflow_id: str = ""
    error_code: str = ""
    error_message: str = ""
    attempts: int = 0
    started_at: str = ""

"""The nouns: the values that walk down the street, from a row of the sheet to the outcome of its start.

Every one is a frozen, slotted dataclass; none of them touches a clock, a disk or a wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

from bulkstart.result_columns import Previous, Status

ENTITY_TYPES = ("deal", "lead", "contact", "company")
"""The entity types that the Vibecode gateway can start a workflow on (VSTART, bitrix24-api 1.2)."""

Json: TypeAlias = Any


# ---------------------------------------------------------------------------------------------------- the sheet


class ErrorCell(str):
    """An error value of a spreadsheet cell (``#N/A``, ``#REF!``): never a value, never blank."""

    __slots__ = ()


class UncalculatedCell(str):
    """A formula that was saved without a result; the text is the formula. The sheet must be opened and saved once in Excel."""

    __slots__ = ()


class DisguisedNumber(int):
    """A whole number that its number format shows as another text, ``shown``: 5141 as ``05141``, 5141000000 as ``5141``.

    It is that number wherever numbers count; where its digits count, as in an id, nobody knows which was meant.
    """

    shown: str

    def __new__(cls, number: int, shown: str) -> Self:
        made = super().__new__(cls, number)
        made.shown = shown
        return made

    @property
    def padded(self) -> bool:
        """Whether only zeros in front are shown besides: it is the same number to whoever reads it."""
        return self.shown.isascii() and self.shown.isdigit() and int(self.shown) == self

    def __reduce__(self) -> tuple[type[Self], tuple[int, str]]:
        return type(self), (int(self), self.shown)


class RoundedNumber(float):
    """A whole number of a column in single or half precision (float32, float16), of more digits than such a column can keep."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class SheetSource:
    """Where a frame came from and how the file was read; ``frame.attrs["sheet"]``.

    ``format`` is decided by the bytes (``csv``, ``xlsx``, …), ``letters`` and ``headers`` stand for the frame's columns in order,
    ``notes`` are sentences about what was detected and why, for people; ``visible_only``: hidden rows were left out. ``digest`` and
    ``prints`` tell later whether a workbook and the frame's rows are still what was read (``sheet_prints``).
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
    visible_only: bool = False
    digest: str = field(default="", repr=False, compare=False)
    prints: bytes = field(default=b"", repr=False, compare=False)


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
class Row:
    """One row of the sheet as the columns were matched: raw cell values, nothing checked yet. Its parameters are read by column."""

    position: int
    label: object
    entity_id: object
    entity_type: object
    template_id: object
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
    """A workflow template. ``parameters is None`` means that the portal gives no definitions, not that there are none.

    ``listed``: whether it stood in the portal's list when that was last read; an earlier run saw it else.
    """

    id: int
    name: str = ""
    entity_type: str | None = None
    parameters: tuple[Parameter, ...] | None = None
    auto_execute: int = 0
    modified: str = ""
    listed: bool = True


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

"""One cell of a workbook as XML: its type, its style, and text that is only ever text."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable
from typing import Final

from bulkstart.model import ErrorCell
from bulkstart.sheet_colours import FORMATS
from bulkstart.sheet_grid import letter
from bulkstart.sheet_text import plain_value

MAX_CELL_TEXT: Final = 32_767
"""Characters (UTF-16 units) that Excel holds in one cell."""
HEADER_STYLE: Final = 1
_DATE, _DATETIME, _TIME, _ELAPSED = 2, 3, 4, 5
_ERRORS: Final = frozenset(
    {"#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#GETTING_DATA", "#SPILL!", "#CALC!"}
)
_EXACT: Final = 10**15
_DAY: Final = dt.timedelta(days=1)
_ZERO: Final = dt.datetime(1899, 12, 30)  # noqa: DTZ001  cells have no zone
_FIRST_OF_MARCH: Final = dt.datetime(1900, 3, 1)  # noqa: DTZ001  before it Excel counts a day that never was
_SPECIAL: Final = re.compile("[&<>\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_x(?=[0-9A-Fa-f]{4}_)")
_HARMLESS: Final = re.compile("(?:[A-Za-z0-9.:+-]|_(?!x)){1,1000}").fullmatch
_NAMED: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "_x": "_x005F_x"}

STYLES: Final = (
    '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="4">'
    '<numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/><numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/>'
    '<numFmt numFmtId="166" formatCode="hh:mm:ss"/><numFmt numFmtId="167" formatCode="[h]:mm:ss"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/><family val="2"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/><family val="2"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="6"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>'
    + "".join(
        f'<xf numFmtId="{n}" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>' for n in (164, 165, 166, 167)
    )
    + '</cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles><dxfs count="4">'
    + "".join(FORMATS)
    + "</dxfs></styleSheet>"
)
"""``styles.xml``: plain, bold, date, datetime, time, duration; and the colours of started, failed, in doubt, left out."""


class CellWriter:
    """Writes rows of cells; counts the texts that were too long for a cell."""

    def __init__(self) -> None:
        self._cut = 0
        self._letters: list[str] = []

    def notes(self) -> list[str]:
        return [f"{self._cut:,} texts were cut to the {MAX_CELL_TEXT:,} characters that a cell holds"] if self._cut else []

    def row(self, number: int, cells: Iterable[tuple[int, object]], style: int = 0) -> str:
        """Return one ``row`` element of (column from 0, value) pairs, columns ascending; blank cells are left out."""
        pieces = [f'<row r="{number}">']
        for column, value in cells:
            while column >= len(self._letters):
                self._letters.append(letter(len(self._letters)))
            if value is not None and value != "":
                pieces.append(self.cell(f"{self._letters[column]}{number}", value, style))
        pieces.append("</row>")
        return "".join(pieces)

    def cell(self, reference: str, value: object, style: int = 0) -> str:
        """Return one ``c`` element: text as text, whatever it looks like; numbers with all their digits; ``""`` for nothing."""
        if type(value) is str and _HARMLESS(value) and not style:
            return f'<c r="{reference}" t="inlineStr"><is><t>{value}</t></is></c>'
        if not isinstance(value, str | int | float):
            value = plain_value(value)
            if value is None:
                return ""
        if isinstance(value, str):
            if isinstance(value, ErrorCell) and value in _ERRORS:
                return f'<c r="{reference}" t="e"><v>{value}</v></c>'
            return self._text(reference, value, style)
        if isinstance(value, bool):
            return f'<c r="{reference}" t="b"><v>{value:d}</v></c>'
        if isinstance(value, float) or (isinstance(value, int) and abs(value) < _EXACT):
            return f'<c r="{reference}"><v>{value!r}</v></c>' if math.isfinite(value) else ""
        serial = _serial(value)
        if serial is None:
            return self._text(reference, str(value), style)
        return f'<c r="{reference}" s="{serial[1]}"><v>{serial[0]!r}</v></c>'

    def _text(self, reference: str, text: str, style: int) -> str:
        if len(text) > MAX_CELL_TEXT // 2 and len(text.encode("utf-16-le", "surrogatepass")) > 2 * MAX_CELL_TEXT:
            text = text.encode("utf-16-le", "surrogatepass")[: 2 * MAX_CELL_TEXT].decode("utf-16-le", "ignore")
            self._cut += 1
        space = ' xml:space="preserve"' if text.strip() != text or "\n" in text else ""
        styled = f' s="{style}"' if style else ""
        return f'<c r="{reference}"{styled} t="inlineStr"><is><t{space}>{escaped(text)}</t></is></c>'


def escaped(text: str) -> str:
    """Return a text for XML, exactly: what XML cannot hold is written ``_x000B_`` as Excel does, half characters as U+FFFD."""
    return _SPECIAL.sub(_replacement, text) if _SPECIAL.search(text) else text


def _replacement(match: re.Match[str]) -> str:
    found = match[0]
    if found in _NAMED:
        return _NAMED[found]
    return "\ufffd" if "\ud800" <= found <= "\udfff" else f"_x{ord(found):04X}_"


def _serial(value: object) -> tuple[float, int] | None:
    """Return a date, time or duration as Excel's number of days, and the style that shows it; ``None`` for all else."""
    if isinstance(value, dt.timedelta):
        return (value / _DAY, _ELAPSED) if value >= dt.timedelta() else None
    if isinstance(value, dt.time):
        return None if value.tzinfo else ((dt.datetime.combine(_ZERO, value) - _ZERO) / _DAY, _TIME)
    if not isinstance(value, dt.date):
        return None
    moment = value if isinstance(value, dt.datetime) else dt.datetime.combine(value, dt.time())
    if moment.tzinfo is not None or moment.year < _FIRST_OF_MARCH.year:
        return None
    days = (moment - _ZERO) / _DAY - (moment < _FIRST_OF_MARCH)
    return (days, _DATETIME) if isinstance(value, dt.datetime) else (int(days), _DATE)

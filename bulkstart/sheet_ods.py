"""OpenDocument spreadsheets (.ods), read in one pass by expat: ISO dates, repeated rows and columns, hidden ones, errors.

Own code, because the display text beside each number, error cells and hidden rows are seen here only (decision 0010).
Names are as in OpenDocument 1.3, part 3.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Final

from bulkstart.errors import SheetError
from bulkstart.model import DisguisedNumber, ErrorCell, UncalculatedCell
from bulkstart.sheet_cell import iso_date, read_number
from bulkstart.sheet_format import shows
from bulkstart.sheet_package import Package
from bulkstart.sheet_tabs import Grid, Tab, TabRows
from bulkstart.sheet_xml import MAX_COLUMNS, MAX_ROWS, Parser, elements

_NS: Final = "urn:oasis:names:tc:opendocument:xmlns:"
_TABLE, _TEXT, _OFFICE = f"{_NS}table:1.0 ", f"{_NS}text:1.0 ", f"{_NS}office:1.0 "
_ERROR_KIND: Final = "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0 value-type"
_ERROR: Final = re.compile(r"#[^\s#]{1,20}[!?]|#N/A|#Н/Д|(?:Err|Ошибка|Ошиб):\d{3}")
_DURATION: Final = re.compile(r"(-?)P(?:(\d{1,6})D)?T?(?:(\d{1,7})H)?(?:(\d{1,7})M)?(?:(\d{1,7})(?:[.,](\d{1,6})\d*)?S)?")
_TRUTHS: Final = frozenset(("true", "false", "истина", "ложь"))
_MIDNIGHT: Final = dt.datetime(2000, 1, 1)  # noqa: DTZ001  cells have no zone
_ROW: Final = _TABLE + "table-row"
_MOST_REPEATED: Final = 1_000_000
"""Cells that one row may become."""
_CELLS: Final = (_TABLE + "table-cell", _TABLE + "covered-table-cell")
_BESIDE: Final = (_OFFICE + "annotation", _TEXT + "note", _TABLE + "shapes", _TEXT + "ruby-text")
"""What stands in a cell and is none of its text."""


class OdsWorkbook:
    """An open OpenDocument spreadsheet; ``content.xml`` is read anew for each tab, so that only one is held."""

    def __init__(self, package: Package, until: int = MAX_ROWS) -> None:
        self._package, self._until = package, until
        if "meta-inf/manifest.xml" in package.parts and b"encryption-data" in package.beginning("meta-inf/manifest.xml"):
            raise SheetError(f"{package.path} is protected by a password; save it without one, then give that file")
        self.tabs: list[Tab] = []
        hidden: set[str] = set()
        style = ""
        with package.open("content.xml") as stream:
            for kind, attributes in elements(stream, only=("style", "table-properties", "table")):
                if kind == "style":
                    style = attributes.get("name", "")
                elif kind == "table-properties" and attributes.get("display") == "false":
                    hidden.add(style)
                elif kind == "table":
                    name = attributes.get("name", f"Table {len(self.tabs) + 1}")
                    self.tabs.append(Tab(len(self.tabs) + 1, name, attributes.get("style-name") not in hidden, "content.xml"))

    def read(self, tab: Tab) -> TabRows:
        grid = Grid(self._until)
        with self._package.open(tab.part) as stream:
            _Content(tab.number, grid).read(stream)
        return grid.taken(tab, len(self.tabs))


class _Content:
    """The cells of one table of ``content.xml``."""

    def __init__(self, wanted: int, grid: Grid) -> None:
        self._grid, self._wanted = grid, wanted
        self.parser = Parser(" ")
        self.read = self.parser.read
        self._tables = self._row = self._column = self._columns = 0
        self._times, self._hidden = 1, False
        self._filled: list[tuple[int, int, object]] = []
        self._cell: Mapping[str, str] = {}
        self._lines: list[str] = []
        self._beside = self._mark = 0
        self.parser.handle(self._start, self._end)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        parts = self.parser.parts
        if name == _TABLE + "table":
            self._tables += 1
        if self._tables != self._wanted:
            parts.clear()
            return
        if name in _BESIDE:
            self._mark = self._mark if self._beside else len(parts)
            self._beside += 1
        if name == _TEXT + "s":
            parts.append(" " * min(_count(attributes, _TEXT + "c"), 1000))
        elif name in (_TEXT + "tab", _TEXT + "line-break"):
            parts.append("\t" if name.endswith("tab") else "\n")
        elif name.startswith(_TABLE):
            self._structure(name, attributes)
        elif name == _TEXT + "p" and not self._beside:
            parts.clear()

    def _structure(self, name: str, attributes: dict[str, str]) -> None:
        if not self._beside:
            self.parser.parts.clear()
        visibility = attributes.get(_TABLE + "visibility", "visible")
        if name == _ROW:
            self._column, self._filled = 0, []
            self._times = _count(attributes, _TABLE + "number-rows-repeated")
            self._hidden = visibility != "visible"
        elif name == _TABLE + "table-column":
            times = _count(attributes, _TABLE + "number-columns-repeated")
            if visibility != "visible":
                self._grid.hide_columns(self._columns, self._columns + times - 1)
            self._columns += times
        elif name in _CELLS and not self._beside:
            self._cell, self._lines = attributes, []

    def _end(self, name: str) -> None:
        if self._tables != self._wanted:
            self.parser.parts.clear()
        elif name in _BESIDE:
            self._beside -= 1
            del self.parser.parts[self._mark :]
        elif name == _TEXT + "p" and not self._beside:
            self._lines.append("".join(self.parser.parts))
            self.parser.parts.clear()
        elif name in _CELLS and not self._beside:
            self._take_cell()
        elif name == _ROW:
            self._take_row()

    def _take_cell(self) -> None:
        times = _count(self._cell, _TABLE + "number-columns-repeated")
        value = cell_value(self._cell, "\n".join(self._lines))
        if value is not None:
            self._filled.append((self._column, min(times, MAX_COLUMNS - self._column), value))
        self._column += times

    def _take_row(self) -> None:
        """Put the row into the grid as often as it is repeated; a blank one only moves on."""
        if self._times * sum(times for _, times, _ in self._filled) > _MOST_REPEATED:
            raise SheetError(f"row {self._row + 1} is repeated {self._times:,} times, which no sheet needs")
        for number in range(self._row + 1, self._row + 1 + (self._times if self._filled else 0)):
            for first, times, value in self._filled:
                for column in range(first, first + times):
                    self._grid.put(number, column, value)
            if self._hidden:
                self._grid.hide(number)
        self._row += self._times


def _count(attributes: Mapping[str, str], name: str) -> int:
    count = int(attributes.get(name, "1"))
    if not 0 < count < 1 << 32:
        raise SheetError(f"a part of a table is repeated {count} times")
    return count


def cell_value(cell: Mapping[str, str], text: str) -> object:
    """Return what a cell holds, of its attributes and its display text (OpenDocument 1.3, part 3, 19.385)."""
    kind = cell.get(_OFFICE + "value-type")
    formula = cell.get(_TABLE + "formula")
    if cell.get(_ERROR_KIND) == "error" or (formula is not None and _ERROR.fullmatch(text.strip())):
        return ErrorCell(text.strip() or "#ERROR!")
    if kind is None:
        if formula is not None and not text:
            return UncalculatedCell("=" + formula.partition("=")[2])
        return text or None
    if kind == "string":
        return cell.get(_OFFICE + "string-value", text) or None
    if kind == "boolean":
        return cell.get(_OFFICE + "boolean-value") == "true"
    if kind in ("date", "time"):
        return iso_date(cell[_OFFICE + "date-value"]) if kind == "date" else _duration(cell[_OFFICE + "time-value"])
    return _number(cell, text)


def _number(cell: Mapping[str, str], text: str) -> object:
    """Return a number; one that is disguised where the display text shows another."""
    number = read_number(cell[_OFFICE + "value"])
    if number in (0, 1) and text.strip().casefold() in _TRUTHS:
        return number == 1
    if isinstance(number, int) and text.strip() and not shows(text, number):
        return DisguisedNumber(number, text.strip())
    return number


def _duration(text: str) -> object:
    """Return a time of day, or a duration of a day and more; the text where it is none."""
    found = _DURATION.fullmatch(text)
    if not found or found[1]:
        return text
    days, hours, minutes, seconds = (int(found[at] or 0) for at in (2, 3, 4, 5))
    length = dt.timedelta(
        days=days, hours=hours, minutes=minutes, seconds=seconds, microseconds=int((found[6] or "0").ljust(6, "0"))
    )
    return (_MIDNIGHT + length).time() if length < dt.timedelta(days=1) else length

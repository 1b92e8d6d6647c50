"""HTML tables named .xls: Bitrix24's own "Export to Excel", and those of many others (sheets 1.1).

The document's own tables are its tabs. Only their own rows are rows: comments of a deal stand in its cell as raw HTML, tables
included. What such a comment can break, misplaced ends above all, shows in the number of a row's cells, or is refused.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from bulkstart.errors import SheetError
from bulkstart.sheet_csv import text_of
from bulkstart.sheet_grid import MAX_CELLS, is_blank
from bulkstart.sheet_tabs import Tab, TabRows
from bulkstart.sheet_xml import MAX_COLUMNS, MAX_ROWS, MAX_TEXT

_CHARSET: Final = re.compile(rb"charset\s*=\s*[\"']?([a-zA-Z0-9_-]{2,40})")
_TAG: Final = re.compile(r"<(/?)([a-zA-Z][^\s/>]{0,60})")
_VALUE_OR_END: Final = re.compile(r"=\s*([\"'])|>")
_ATTRIBUTE: Final = re.compile(r"(colspan|rowspan|style)\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s\"'>]+)", re.IGNORECASE)
_NO_DISPLAY: Final = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_CELL_INSIDE: Final = re.compile(r"</?t[dr]\b", re.IGNORECASE)
_RAW: Final = {name: re.compile(f"</{name}[^>]*>", re.IGNORECASE) for name in ("style", "script")}
_LINES: Final = frozenset(("br", "p", "div", "li", "tr", "h1", "h2", "h3"))
_LONGEST_HEAD: Final = 4096


class _Tag(NamedTuple):
    name: str
    ends: bool
    attributes: Mapping[str, str]


@dataclass(slots=True)
class _Table:
    """One of the document's tables as it is read. ``spans``: how many rows more a cell above fills, by column."""

    rows: list[tuple[int, list[object]]] = field(default_factory=list)
    hidden: list[int] = field(default_factory=list)
    number: int = 0
    row: list[object] | None = None
    row_hidden: bool = False
    spans: dict[int, int] = field(default_factory=dict)
    cell: list[str] | None = None
    size: tuple[int, int] = (1, 1)
    inner: list[bool] = field(default_factory=list)
    was_inner: bool = False
    cut_off: int = 0


class HtmlDocument:
    """The tables of an HTML document. Raises ``SheetError`` for none, and for one that cannot be told row from row."""

    def __init__(self, raw: bytes, path: Path, encoding: str | None = None, until: int = MAX_ROWS) -> None:
        declared = _CHARSET.search(raw[:_LONGEST_HEAD])
        text, self.encoding = text_of(raw, path, encoding, declared[1].decode() if declared else None)
        self._tables: list[_Table] = []
        self._open: _Table | None = None
        self._until, self._count, self._length = until, 0, 0
        for token in _tokens(text):
            if isinstance(token, str):
                self._take_text(html.unescape(token))
            else:
                self._take_tag(token)
        self._end_of_document()
        if not self._tables:
            raise SheetError(f"{path} is an HTML document without a table, whatever its name says; export the list again")
        self.tabs = [Tab(number, f"table {number}", visible=True, part="") for number in range(1, len(self._tables) + 1)]

    def read(self, tab: Tab) -> TabRows:
        table = self._tables[tab.number - 1]
        notes = ["an HTML table, whatever the file's name says"]
        if table.cut_off:
            notes.append(f"the export was CUT OFF in or behind row {table.cut_off}: rows are missing; export the list again")
        ragged = ((table.cut_off, len(table.row or ())),) if table.row is not None else ()
        return TabRows(tab, len(self._tables), table.rows, tuple(table.hidden), ragged=ragged, notes=tuple(notes))

    def _take_text(self, text: str) -> None:
        table = self._open
        if table is not None and table.cell is not None:
            table.cell.append(text)
            self._length += len(text)
            if self._length > MAX_TEXT:
                raise SheetError(f"row {table.number}: a text of more than {MAX_TEXT:,} characters")

    def _take_tag(self, tag: _Tag) -> None:
        table = self._open
        if table is None:
            if tag.name == "table" and not tag.ends:
                self._open = _Table()
            elif tag.name in ("td", "tr") and self._tables:
                raise SheetError(
                    f"a cell behind the end of its table (row {self._tables[-1].number}): HTML in a comment broke it; export it as CSV"
                )
        elif tag.name in ("table", "td", "th") or (tag.name == "tr" and not table.inner):
            self._structure(table, tag)
        elif tag.name in _LINES:
            self._take_text("\n")

    def _structure(self, table: _Table, tag: _Tag) -> None:
        """Take a tag that begins or ends a table, a row or a cell, in the table itself or in one inside a cell."""
        if table.inner and tag.name != "table":
            if tag.ends and not table.inner[-1]:
                table.inner.pop()  # the end of the cell that the inner table stands in: it was never ended itself
                self._structure(table, tag)
            else:
                table.inner[-1] = not tag.ends
                self._take_text(" ")
        elif tag.name == "table":
            if not tag.ends:
                table.inner.append(False)
                table.was_inner = True
            elif table.inner:
                table.inner.pop()
            else:
                self._end_row(table)
                self._tables.append(table)
                self._open = None
        elif tag.name == "tr":
            self._end_row(table)
            if not tag.ends:
                self._begin_row(table, tag.attributes)
        else:
            self._end_cell(table)
            if not tag.ends:
                if table.row is None:
                    self._begin_row(table, {})
                table.cell, self._length, table.was_inner = [], 0, False
                table.size = (_span(tag, "colspan", 1000), _span(tag, "rowspan", MAX_ROWS))

    def _begin_row(self, table: _Table, attributes: Mapping[str, str]) -> None:
        table.number += 1
        if table.number > MAX_ROWS:
            raise SheetError(f"more than {MAX_ROWS:,} rows; split the list")
        table.row = []
        table.row_hidden = _NO_DISPLAY.search(attributes.get("style", "")) is not None
        self._skip_spans(table, table.row)

    def _skip_spans(self, table: _Table, row: list[object]) -> None:
        """Leave the places blank that cells of the rows above fill."""
        while table.spans.get(len(row), 0) > 0:
            table.spans[len(row)] -= 1
            row.append("")

    def _end_cell(self, table: _Table) -> None:
        if table.cell is None or table.row is None:
            return
        text = "".join(table.cell).strip(" \t\r\n\f")
        table.cell = None
        columns, rows = table.size
        for extra in range(columns):
            if rows > 1:
                table.spans[len(table.row)] = rows - 1
            table.row.append("" if extra else text)
        self._skip_spans(table, table.row)
        self._count += columns
        if self._count > MAX_CELLS or len(table.row) > MAX_COLUMNS:
            raise SheetError(f"more than {MAX_CELLS:,} cells, or {MAX_COLUMNS:,} in a row; split the list")

    def _end_row(self, table: _Table) -> None:
        self._end_cell(table)
        if table.row is None:
            return
        if not all(map(is_blank, table.row)) and table.number <= self._until:
            table.rows.append((table.number, table.row))
            if table.row_hidden:
                table.hidden.append(table.number)
        table.row = None

    def _end_of_document(self) -> None:
        """A table without an end is an export that was cut off; the row that was being written is kept and marked."""
        table = self._open
        if table is None:
            return
        if table.inner or table.was_inner:
            raise SheetError(
                f"row {table.number}: a table inside a cell never ends, or the export was cut off in it; export the list again"
            )
        table.cut_off = max(table.number, 1)
        table.cell = None
        if table.row is not None and not all(map(is_blank, table.row)):
            table.rows.append((table.number, table.row))
        self._tables.append(table)


def _span(tag: _Tag, name: str, most: int) -> int:
    text = tag.attributes.get(name, "1")
    return max(min(int(text), most), 1) if text.isdecimal() and len(text) < 9 else 1  # noqa: PLR2004  digits of any honest span


def _tokens(text: str) -> Iterator[str | _Tag]:
    """Yield texts and tags; comments, styles and scripts left out. Linear in the text, whatever stands in it."""
    at = 0
    while (start := text.find("<", at)) >= 0:
        if start > at:
            yield text[at:start]
        if text.startswith("<!--", start):
            at = _behind(text, "-->", start, start + 4)
        elif text.startswith(("<!", "<?"), start):
            at = _behind(text, ">", start, start)
        elif found := _TAG.match(text, start):
            at, attributes = _tag_end(text, start, found.end())
            if at < 0:
                return  # cut off within a tag
            name = found[2].lower()
            yield _Tag(name, bool(found[1]), attributes)
            if name in _RAW and not found[1]:
                close = _RAW[name].search(text, at)
                at = _behind(text, close[0] if close else "\0", at, at)
        else:
            yield "<"
            at = start + 1
    yield text[at:]


def _behind(text: str, end: str, start: int, search: int) -> int:
    """Return the place behind what is left out; rows must not be in it."""
    found = text.find(end, search)
    stop = found + len(end) if found >= 0 else len(text)
    if _CELL_INSIDE.search(text, start, stop):
        raise SheetError(f"rows stand in what HTML leaves out ({text[start : start + 20]!r} …); export the list as CSV")
    return stop


def _tag_end(text: str, start: int, at: int) -> tuple[int, dict[str, str]]:
    """Return the place behind a tag, -1 where the text ends first, and the attributes that matter here."""
    begin = at
    while found := _VALUE_OR_END.search(text, at):
        at = found.end()
        if found[1] is None:
            inside = text[begin : at - 1]
            named = _ATTRIBUTE.findall(inside) if "=" in inside and len(inside) < _LONGEST_HEAD else ()
            return at, {name.lower(): value.strip("\"'") for name, value in named}
        close = text.find(found[1], at)
        stop = close + 1 if close >= 0 else len(text)
        if _CELL_INSIDE.search(text, at, stop):
            raise SheetError(f"rows stand in a quote that is opened in {text[start : start + 30]!r}; export the list as CSV")
        if close < 0:
            break
        at = stop
    return -1, {}

"""One worksheet of an analyst's workbook with result columns in it, and the rows that failed as a worksheet of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Final

from bulkstart.sheet_cell_xml import CellWriter
from bulkstart.sheet_colours import rules
from bulkstart.sheet_grid import letter
from bulkstart.sheet_layout import Table
from bulkstart.sheet_rows import Cell, Row, RowStream, Tags, cells_of, renumbered, rows_of, split, start_tag, with_cells
from bulkstart.sheet_spans import CannotPatchError
from bulkstart.sheet_text import as_text

_STYLE: Final = re.compile(rb"""\ss\s*=\s*["'](\d+)["']""")
_TYPE: Final = re.compile(rb"""\st\s*=\s*["'](\w+)["']""")
_EXTRAS: Final = (b"cm=", b"vm=", b"ph=", b"extLst")
"""What refers to other parts, or belongs to the cell's own place; in a text it means nothing."""
_BATCH: Final = 500
_MANY: Final = 1000  # texts that are kept, and bytes of each: statuses and codes, not ids and moments


@dataclass(frozen=True, slots=True)
class Places:
    """Where things stand: the header's row, the position in the table of each row by number, the columns of the results.

    ``columns``: one for each result column of the table; ``gone``: columns whose cells give way; ``kept``: those of ``columns`` whose
    header stands there already; ``at_end``: no cell of the tab stands in or right of the columns; ``behind``: none that stays does;
    ``own_right``: the last own column that has a name; ``regular``: all cells of the tab say where they stand.
    """

    header_row: int
    positions: Mapping[int, int]
    columns: tuple[int, ...]
    gone: frozenset[int]
    kept: frozenset[int]
    at_end: bool
    own_right: int
    regular: bool = False
    behind: bool = False

    def split(self, block: bytes, row: Row, tags: Tags) -> int | None:
        """Return where the cells of a row end that stay as they are, where nothing that is worth a look follows; else ``None``."""
        if self.at_end:
            return row.closing
        return split(block, row, tags, self.gone) if self.regular and self.behind else None


class _Column:
    """The cells of one result column as XML, each text ``made`` once while there are few; ``opening`` and a row number stand before it."""

    def __init__(self, column: int, cells: Sequence[object], prefix: str, writer: CellWriter) -> None:
        self.column, self.letter = column, letter(column)
        self.opening = f'<{prefix}c r="{self.letter}'.encode()
        self.cells = [cell if type(cell) is str or type(cell) is int else str(as_text(cell)) for cell in cells]
        self._prefix, self._writer = prefix, writer
        self.made: dict[str | int, bytes] = {}

    def behind(self, value: str | int) -> bytes:
        """Return what stands behind the row number in the cell of a value: a quote, the type, the value."""
        text = self._writer.cell("", value).removeprefix('<c r="')
        behind = (re.sub("<(/?)", rf"<\1{self._prefix}", text) if self._prefix else text).encode()
        if len(self.made) < _MANY and len(behind) < _MANY:
            self.made[value] = behind
        return behind


class ResultCells:
    """The cells of the result columns as XML, text always as text."""

    def __init__(self, table: Table, places: Places, prefix: str, writer: CellWriter) -> None:
        order = sorted(range(len(places.columns)), key=lambda place: places.columns[place])
        self._columns = [_Column(places.columns[place], table.columns[table.own + place], prefix, writer) for place in order]
        self._quick = [(one.cells, one.opening, one.made, one.behind) for one in self._columns]
        self._headers = [_Column(places.columns[place], [table.results[place]], prefix, writer) for place in order]

    def joined(self, position: int, number: int) -> bytes:
        """Return all result cells of a row, one behind the other."""
        digits = b"%d" % number
        pieces: list[bytes] = []
        for cells, opening, made, behind in self._quick:
            value = cells[position]
            if value != "":
                pieces += (opening, digits, made.get(value) or behind(value))
        return b"".join(pieces)

    def row(self, position: int, number: int, styles: Mapping[int, bytes]) -> list[tuple[int, bytes]]:
        """Return the result cells of a row by column; ``styles``: what stood there before them looked like so."""
        return self._cells(self._columns, position, number, styles)

    def header(self, number: int, styles: Mapping[int, bytes], without: frozenset[int] = frozenset()) -> list[tuple[int, bytes]]:
        """Return the header's cells by column."""
        return self._cells([one for one in self._headers if one.column not in without], 0, number, styles)

    @staticmethod
    def _cells(columns: Sequence[_Column], position: int, number: int, styles: Mapping[int, bytes]) -> list[tuple[int, bytes]]:
        made = []
        for one in columns:
            value = one.cells[position]
            style = b'" s="' + styles[one.column] if one.column in styles else b""
            if value != "" or style:
                behind = one.behind(value) if value != "" else b'"/>'
                made.append((one.column, b"%b%d%b%b" % (one.opening, number, style, behind)))
        return made


class PatchedTab:
    """The worksheet with new cells, streamed: ``open_part`` gives its XML each time, ``head`` and ``tail`` replace its own."""

    def __init__(
        self,
        open_part: Callable[[], AbstractContextManager[IO[bytes]]],
        places: Places,
        cells: ResultCells,
        head: bytes,
        tail: bytes,
    ) -> None:
        self._open, self._places, self._cells = open_part, places, cells
        self._head, self._tail = head, tail

    def pieces(self) -> Iterator[bytes]:
        """Yield the part. Raises ``CannotPatchError`` where a row of the results is not in it."""
        met = before = 0
        with self._open() as stream:
            found = RowStream(stream)
            yield self._head
            for block in found.blocks():
                pieces: list[bytes] = []
                done = 0
                for row in rows_of(block, found.tags, before):
                    before = row.number
                    new = self._patched(block, row, found.tags)
                    if new is not None:
                        pieces += [block[done : row.start], start_tag(block, row), new, found.tags.row_end]
                        done = row.end
                        met += 1
                yield b"".join([*pieces, block[done:]])
            yield self._tail
        if met != len(self._places.positions) + 1:
            raise CannotPatchError("its rows are not those that were read")

    def _patched(self, block: bytes, row: Row, tags: Tags) -> bytes | None:
        """Return the cells of a row with the results, ``None`` for a row that stays as it is."""
        places = self._places
        position = places.positions.get(row.number)
        if position is not None:
            start = places.split(block, row, tags)
            if start is not None:
                return block[row.opened : start] + self._cells.joined(position, row.number)
            cells = cells_of(block, row, tags)
            return with_cells(
                block, row, cells, self._cells.row(position, row.number, _styles(cells, places.gone)), places.gone, tags
            )
        if row.number != places.header_row:
            return None
        cells = cells_of(block, row, tags)
        new = self._cells.header(row.number, _header_styles(cells, places), places.kept)
        return with_cells(block, row, cells, new, places.gone - places.kept, tags)


class FailedTab:
    """The rows that failed, as a worksheet: the analyst's own cells with the values and formats they have, and the result cells.

    ``uncalculated``: formulas without a saved result, known when all is written; they become ``#N/A``.
    """

    def __init__(
        self,
        open_part: Callable[[], AbstractContextManager[IO[bytes]]],
        places: Places,
        cells: ResultCells,
        *,
        failed: frozenset[int],
        namespace: str,
        columns: bytes,
        first_format: int | None,
    ) -> None:
        self._open, self._places, self._cells, self._failed = open_part, places, cells, failed
        self._namespace, self._columns, self._first_format = namespace, columns, first_format
        self.uncalculated = 0

    def pieces(self) -> Iterator[bytes]:
        with self._open() as stream:
            found = RowStream(stream)
            yield self._start(found.tags.prefix.decode())
            number = before = 0
            last = max(self._failed, default=self._places.header_row)
            for block in found.blocks():
                if before >= last:
                    break
                plain = not any(sign in block for sign in (found.tags.formula_start, *_EXTRAS))
                rows: list[bytes] = []
                for row in rows_of(block, found.tags, before):
                    before = row.number
                    if before == self._places.header_row or before in self._failed:
                        number += 1
                        rows.append(self._row(block, row, found.tags, number, plain=plain))
                        if len(rows) == _BATCH:
                            yield b"".join(rows)
                            rows.clear()
                yield b"".join(rows)
            yield self._end(found.tags.prefix.decode(), number)

    def _start(self, prefix: str) -> bytes:
        declared = f'xmlns:{prefix[:-1]}="{self._namespace}"' if prefix else f'xmlns="{self._namespace}"'
        view = (
            '<sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
            '</sheetView></sheetViews><sheetFormatPr defaultRowHeight="15"/>'
        )
        text = re.sub("<(/?)", rf"<\1{prefix}", view)
        head = f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<{prefix}worksheet {declared}>{text}'
        return head.encode() + self._columns + f"<{prefix}sheetData>".encode()

    def _end(self, prefix: str, last: int) -> bytes:
        coloured = ""
        if last > 1 and self._first_format is not None:
            name = letter(self._places.columns[0])
            coloured = rules(f"{name}2:{name}{last}", first_format=self._first_format)
        return re.sub("<(/?)", rf"<\1{prefix}", f"</sheetData>{coloured}</worksheet>").encode()

    def _row(self, block: bytes, row: Row, tags: Tags, number: int, *, plain: bool) -> bytes:
        """Return a row under a new number; ``plain``: no formula stands in the block, and nothing that refers to other parts."""
        places, is_header = self._places, row.number == self._places.header_row
        start = places.split(block, row, tags) if plain and places.regular and not is_header else None
        if start is None:
            cells = self._header(block, row, tags, number) if is_header else self._looked_at(block, row, tags, number)
        else:
            cells = renumbered(block[row.opened : start], tags, number) + self._cells.joined(places.positions[row.number], number)
        return b'<%brow r="%d">%b%b' % (tags.prefix, number, cells, tags.row_end)

    def _header(self, block: bytes, row: Row, tags: Tags, number: int) -> bytes:
        there, places = cells_of(block, row, tags), self._places
        styles = _header_styles(there, places) | _styles(there, places.kept)
        return self._merged(there, self._cells.header(number, styles), tags, number)

    def _looked_at(self, block: bytes, row: Row, tags: Tags, number: int) -> bytes:
        there, places = cells_of(block, row, tags), self._places
        new = self._cells.row(places.positions[row.number], number, _styles(there, places.gone))
        return self._merged(there, new, tags, number)

    def _merged(self, there: Sequence[Cell], new: Sequence[tuple[int, bytes]], tags: Tags, number: int) -> bytes:
        own = (cell for cell in there if cell.column not in self._places.gone and cell.inner.strip())
        copies = [(cell.column, self._copy(cell, tags, number)) for cell in own]
        return b"".join(text for _, text in sorted([*copies, *new]))

    def _copy(self, cell: Cell, tags: Tags, number: int) -> bytes:
        """Return a cell for another row: a formula's result instead of the formula, which would mean other cells there."""
        style, kind = _STYLE.search(cell.attributes), _TYPE.search(cell.attributes)
        value = tags.value.search(cell.inner) or tags.inline.search(cell.inner)
        text, of_type = (value[0], kind[1] if kind else b"") if value else (b"", b"")
        if not value and tags.formula.search(cell.inner):
            self.uncalculated += 1
            text, of_type = b"<" + tags.prefix + b"v>#N/A</" + tags.prefix + b"v>", b"e"
        attributes = f' r="{letter(cell.column)}{number}"'.encode()
        attributes += b' s="' + style[1] + b'"' if style else b""
        attributes += b' t="' + of_type + b'"' if of_type else b""
        return b"<" + tags.prefix + b"c" + attributes + b">" + text + b"</" + tags.prefix + b"c>"


def _styles(cells: Sequence[Cell], columns: frozenset[int]) -> dict[int, bytes]:
    return {cell.column: found[1] for cell in cells if cell.column in columns and (found := _STYLE.search(cell.attributes))}


def _header_styles(cells: Sequence[Cell], places: Places) -> dict[int, bytes]:
    """New header cells look like the last one of the analyst's own."""
    own = [cell for cell in cells if cell.column <= places.own_right and cell.column not in places.gone and cell.inner.strip()]
    last = max(own, key=lambda cell: cell.column, default=None)
    found = _STYLE.search(last.attributes) if last else None
    return {column: found[1] for column in places.columns if column not in places.kept} if found else {}

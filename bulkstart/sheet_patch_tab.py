"""One worksheet of an analyst's workbook with result columns in it, and the rows that failed as a worksheet of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
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
_EXTRAS: Final = re.compile(rb"\s(?:cm|vm|ph)=|extLst")
"""What refers to other parts, or belongs to the cell's own place."""
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Places:
    """Where things stand: the header's row, the position in the table of each row by number, the columns of the results.

    ``regular``: all cells of the tab say where they stand. ``columns``: one for each result column of the table; ``gone``: columns whose cells give way; ``kept``: those of ``columns`` whose
    header stands there already; ``at_end``: no cell of the tab stands in or right of the columns; ``own_right``: the last own column that has a name.
    """

    header_row: int
    positions: Mapping[int, int]
    columns: tuple[int, ...]
    gone: frozenset[int]
    kept: frozenset[int]
    at_end: bool
    own_right: int
    regular: bool = False

    def split(self, block: bytes, row: Row, tags: Tags) -> int:
        """Return where the cells of a row begin that may have to give way; those before it stay."""
        if self.at_end:
            return row.closing
        return split(block, row, tags, _letters(self.gone)) if self.regular else row.opened


class ResultCells:
    """The cells of the result columns as XML, text always as text."""

    def __init__(self, table: Table, places: Places, prefix: str, writer: CellWriter) -> None:
        order = sorted(range(len(places.columns)), key=lambda place: places.columns[place])
        self._columns = [
            (places.columns[place], letter(places.columns[place]), _shown(table.columns[table.own + place])) for place in order
        ]
        self._headers = [(places.columns[place], letter(places.columns[place]), table.results[place]) for place in order]
        self._writer, self._prefix = writer, prefix

    def joined(self, position: int, number: int) -> bytes:
        """Return all result cells of a row, one behind the other."""
        cell = self._writer.cell
        pieces = [cell(f"{name}{number}", value) for _, name, cells in self._columns if (value := cells[position]) != ""]
        return self._bytes("".join(pieces))

    def row(self, position: int, number: int, styles: Mapping[int, bytes]) -> list[tuple[int, bytes]]:
        """Return the result cells of a row by column; ``styles``: what stood there before them looked like so."""
        found = ((column, name, cells[position]) for column, name, cells in self._columns)
        return self._cells(found, number, styles)

    def header(self, number: int, styles: Mapping[int, bytes], without: frozenset[int] = frozenset()) -> list[tuple[int, bytes]]:
        """Return the header's cells by column."""
        return self._cells((one for one in self._headers if one[0] not in without), number, styles)

    def _cells(
        self, found: Iterator[tuple[int, str, object]], number: int, styles: Mapping[int, bytes]
    ) -> list[tuple[int, bytes]]:
        made = []
        for column, name, value in found:
            reference = f'r="{name}{number}"'
            text = self._writer.cell(f"{name}{number}", value) if value != "" else ""
            if column in styles:
                style = f'{reference} s="{styles[column].decode()}"'
                text = text.replace(reference, style, 1) if text else f"<c {style}/>"
            if text:
                made.append((column, self._bytes(text)))
        return made

    def _bytes(self, text: str) -> bytes:
        return (re.sub("<(/?)", rf"<\1{self._prefix}", text) if self._prefix else text).encode()


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
        if position is not None and places.at_end:
            return block[row.opened : row.closing] + self._cells.joined(position, row.number)
        if position is None and row.number != places.header_row:
            return None
        if position is None:
            cells = cells_of(block, row, tags)
            new = self._cells.header(row.number, _header_styles(cells, places), places.kept)
            return with_cells(block, row, cells, new, places.gone - places.kept, tags)
        start = places.split(block, row, tags)
        cells = cells_of(block, row, tags, start)
        new = self._cells.row(position, row.number, _styles(cells, places.gone))
        return block[row.opened : start] + with_cells(block, row, cells, new, places.gone, tags)


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
                rows: list[bytes] = []
                for row in rows_of(block, found.tags, before):
                    before = row.number
                    if before == self._places.header_row or before in self._failed:
                        number += 1
                        rows.append(self._row(block, row, found.tags, number))
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

    def _row(self, block: bytes, row: Row, tags: Tags, number: int) -> bytes:
        places = self._places
        start = places.split(block, row, tags) if places.regular and row.number != places.header_row else row.opened
        whole = block[row.opened : start]
        if tags.formula.search(whole) or _EXTRAS.search(whole):
            start, whole = row.opened, b""
        there = cells_of(block, row, tags, start)
        own = [cell for cell in there if cell.column not in places.gone]
        copies = [(cell.column, self._copy(cell, tags, number)) for cell in own if cell.inner.strip()]
        if row.number == places.header_row:
            styles = {cell.column: found[1] for cell in there if (found := _STYLE.search(cell.attributes))}
            new = self._cells.header(number, _header_styles(there, places) | {c: styles[c] for c in places.kept if c in styles})
        else:
            new = self._cells.row(places.positions[row.number], number, _styles(there, places.gone))
        cells = renumbered(whole, tags, number) + b"".join(text for _, text in sorted([*copies, *new]))
        return f'<{tags.prefix.decode()}row r="{number}">'.encode() + cells + tags.row_end

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


@lru_cache(8)
def _letters(columns: frozenset[int]) -> tuple[bytes, ...]:
    return tuple(letter(column).encode() for column in sorted(columns))


def _shown(cells: Sequence[object]) -> list[str | int]:
    """Return result cells as texts and whole numbers, whatever the frame has."""
    return [cell if type(cell) is str or type(cell) is int else as_text(cell) for cell in cells]


def _styles(cells: Sequence[Cell], columns: frozenset[int]) -> dict[int, bytes]:
    return {cell.column: found[1] for cell in cells if cell.column in columns and (found := _STYLE.search(cell.attributes))}


def _header_styles(cells: Sequence[Cell], places: Places) -> dict[int, bytes]:
    """New header cells look like the last one of the analyst's own."""
    own = [cell for cell in cells if cell.column <= places.own_right and cell.column not in places.gone and cell.inner.strip()]
    last = max(own, key=lambda cell: cell.column, default=None)
    found = _STYLE.search(last.attributes) if last else None
    return {column: found[1] for column in places.columns if column not in places.kept} if found else {}

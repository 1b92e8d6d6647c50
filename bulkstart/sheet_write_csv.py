"""Results as a CSV file: written as the source was, with text that cannot become a formula."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

from bulkstart.sheet_csv import Dialect
from bulkstart.sheet_layout import Layout, Table
from bulkstart.sheet_text import as_text, inert_text, looks_like_formula

_UNIVERSAL = Dialect()


def write_csv(file: BinaryIO, table: Table, layout: Layout, *, tabbed: bool, safe: bool) -> list[str]:
    """Write a results table; text that the source's encoding cannot hold makes the whole file UTF-8 with BOM, and a note."""
    dialect = layout.dialect or (replace(_UNIVERSAL, delimiter="\t") if tabbed else _UNIVERSAL)
    rows = _Rows(table, layout, safe=safe)
    try:
        _write(file, rows, dialect)
    except UnicodeEncodeError as error:
        file.seek(0)
        file.truncate()
        _write(file, rows, replace(dialect, encoding=_UNIVERSAL.encoding, bom=_UNIVERSAL.bom))
        lost = error.object[error.start]
        return [f"written as UTF-8 with BOM, since {dialect.encoding} has no character for {lost!r}", *rows.notes()]
    return rows.notes()


def _write(file: BinaryIO, rows: _Rows, dialect: Dialect) -> None:
    special = re.compile(f'[\r\n"{re.escape(dialect.delimiter)}]')
    errors = "replace" if dialect.encoding == _UNIVERSAL.encoding else "strict"  # only halves of characters, which no file holds

    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if dialect.quoted or special.search(text) else text

    file.write(dialect.bom)
    stream = io.TextIOWrapper(file, dialect.encoding, errors=errors, newline="", write_through=False)
    try:
        stream.write(dialect.sep)
        for row in rows:
            stream.write((dialect.delimiter.join(map(cell, row)) or ('""' if row else "")) + dialect.terminator)
        stream.flush()
    finally:
        stream.detach()


class _Rows:
    """The lines of the file as lists of texts; counts, while they are made, the analyst's cells that look like formulas."""

    def __init__(self, table: Table, layout: Layout, *, safe: bool) -> None:
        self._table, self._layout, self._safe = table, layout, safe
        self._formulas = 0

    def __iter__(self) -> Iterator[Sequence[str]]:
        self._formulas = 0
        layout, table = self._layout, self._table
        yield from ([self._own(cell) for cell in cells] for _, cells in layout.above)
        yield self._row(table.headers)
        number = layout.header_row
        for following, cells in zip(layout.numbers, zip(*table.columns, strict=True), strict=True):
            yield from ([] for _ in range(number + 1, following))
            number = following
            yield [*self._row(cells), *map(self._own, layout.behind.get(number, ()))]

    def notes(self) -> list[str]:
        if not self._formulas:
            return []
        done = "each has a ' before it now" if self._safe else "they are kept; --safe-csv puts a ' before each"
        return [f"{self._formulas:,} cells of your own columns look like formulas to Excel: {done}"]

    def _row(self, cells: Sequence[object]) -> list[str]:
        row = [""] * (self._layout.places[-1] + 1)
        own = self._table.own
        for column, (place, cell) in enumerate(zip(self._layout.places, cells, strict=True)):
            row[place] = self._own(cell) if column < own else inert_text(as_text(cell))
        return row

    def _own(self, cell: object) -> str:
        text = as_text(cell)
        if not looks_like_formula(text):
            return text
        self._formulas += 1
        return inert_text(text) if self._safe else text

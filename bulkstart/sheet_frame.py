"""Rows of a tab and their header become a frame: what is read, where it stood, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from bulkstart.model import SheetSource
from bulkstart.result_columns import earlier_places
from bulkstart.sheet_bytes import digest_of
from bulkstart.sheet_csv import Dialect
from bulkstart.sheet_grid import Cells, Header, Rows, header_text, is_blank, letter
from bulkstart.sheet_prints import row_prints
from bulkstart.sheet_tabs import TabRows

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Reading:
    """A tab as it was read. ``misquoted``: the CSV records with a stray quote and the lines that they begin in."""

    path: Path
    rows: Rows
    format: str
    notes: tuple[str, ...]
    tab: TabRows | None = None
    dialect: Dialect | None = None
    misquoted: Mapping[int, int] = field(default_factory=dict)
    encoding: str | None = None
    visible_only: bool = False
    left_out: frozenset[int] = frozenset()

    @property
    def in_records(self) -> bool:
        """Whether rows may have more or fewer cells than the header, as texts written one behind another do."""
        return self.format in ("csv", "html")

    @property
    def where(self) -> str:
        return f"{self.path}, tab {self.tab.tab.name!r}" if self.tab else str(self.path)


def _columns(reading: Reading, header: Header) -> list[int]:
    """Return the columns that hold anything, header or cell; cells behind a CSV file's header row make no column."""
    cells = reading.rows[header.place][1]
    named = {column for column, cell in enumerate(cells) if not is_blank(cell)}
    end = len(cells) if reading.in_records else 1 << 14
    blank = [column for column in range(len(cells)) if column not in named]
    for _, row in reading.rows[header.place + 1 :]:
        if blank:
            named.update(column for column in blank if column < len(row) and not is_blank(row[column]))
            blank = [column for column in blank if column not in named]
        if len(row) > len(cells):
            beyond = enumerate(row[len(cells) : end], len(cells))
            named.update(column for column, cell in beyond if cell is not None and column not in named and not is_blank(cell))
    return sorted(named)


def frame_of(reading: Reading, header: Header) -> pd.DataFrame:
    """Return the rows below the header as a frame, as :func:`bulkstart.sheet_read.read_sheet` describes it."""
    import numpy as np  # noqa: PLC0415  lazy: --help and version need no numpy
    import pandas as pd  # noqa: PLC0415  lazy: nor pandas

    number, cells = reading.rows[header.place]
    rows = reading.rows[header.place + 1 :]
    columns = _columns(reading, header)
    picked = _picked(rows, columns, "" if reading.in_records else None)
    numbers = [place for place, _ in rows]
    headers = [header_text(cells[column]) if column < len(cells) else "" for column in columns]
    frame = pd.DataFrame(
        np.array(picked, dtype=object),
        index=pd.Index(numbers, dtype="int64"),
        columns=pd.Index(headers, dtype=object),
        dtype=object,
    )
    blank_rows = rows[-1][0] - number - len(rows) - sum(hidden < rows[-1][0] for hidden in reading.left_out)
    frame.attrs["sheet"] = SheetSource(
        path=str(reading.path),
        format=reading.format,
        tab=reading.tab.tab.name if reading.tab else None,
        header_row=number,
        letters=tuple(map(letter, columns)),
        headers=tuple(headers),
        encoding=_codec(reading.dialect) or reading.encoding,
        delimiter=reading.dialect.delimiter if reading.dialect else None,
        blank_rows=blank_rows,
        notes=(_summary(reading, header, len(rows), blank_rows), *_header_notes(reading, header), *reading.notes),
        visible_only=reading.visible_only,
        **(_marks(reading.path, headers, numbers, picked) if reading.format == "xlsx" else {}),
    )
    frame.attrs["ragged"] = (
        _ragged(rows, reading.misquoted, len(cells), columns[-1] + 1, in_html=reading.format == "html")
        if reading.in_records
        else {}
    )
    return frame


def _picked(rows: Rows, columns: Sequence[int], blank: str | None) -> list[Cells]:
    """Return the cells of each row in these columns, ascending; the rows themselves where that is all of them."""
    last = columns[-1] + 1
    if len(columns) == last:
        blanks = [blank] * last
        return [row if len(row) == last else [*row[:last], *blanks[len(row) :]] for _, row in rows]
    return [[row[column] if column < len(row) else blank for column in columns] for _, row in rows]


class _Marks(TypedDict, total=False):
    digest: str
    prints: bytes


def _marks(path: Path, headers: Sequence[str], numbers: Sequence[int], cells: Sequence[Cells]) -> _Marks:
    """Return what tells later whether the file and the frame's own columns are still the same."""
    earlier = set(earlier_places(headers).values())
    own = [place for place in range(len(headers)) if place not in earlier]
    rows = [[row[place] for place in own] for row in cells] if earlier else cells
    return {"digest": digest_of(path), "prints": row_prints(numbers, rows)}


def _codec(dialect: Dialect | None) -> str | None:
    if dialect is None:
        return None
    return "utf-8-sig" if dialect.bom and dialect.encoding == "utf-8" else dialect.encoding


def _ragged(rows: Rows, misquoted: Iterable[int], width: int, last: int, *, in_html: bool) -> dict[int, int]:
    """Return the rows that have other cells than the header: too few, or more with something in them; in HTML those behind too.

    Where rows end with a delimiter, as the header does, one that does not may have been cut off in or before its last cell.
    """
    odd = [(number, row) for number, row in rows if len(row) != width]
    at_end, among_many = odd == [rows[-1]], 2 * len(odd) < len(rows)
    found = {
        number: len(row)
        for number, row in odd
        if len(row) < last
        or (len(row) == last < width and (at_end or (among_many and is_blank(row[-1]))))
        or any(not is_blank(cell) for cell in row[width:])
    }
    if short := [number for number, count in found.items() if count < width] if in_html else []:
        return {number: len(row) for number, row in rows if number >= short[0] or number in found}  # HTML in it broke the table
    stray = set(misquoted)
    return found | {number: len(row) for number, row in rows if number in stray} if stray else found


def _summary(reading: Reading, header: Header, count: int, blank_rows: int) -> str:
    tab = f"tab {reading.tab.tab.name!r} ({reading.tab.tab.number} of {reading.tab.tabs}), " if reading.tab else ""
    skipped = f", {counted(blank_rows, 'blank row')} skipped" if blank_rows else ""
    return f"{tab}header in row {reading.rows[header.place][0]}, {counted(count, 'data row')}{skipped}"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: ``1 row``, ``2,000 rows``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _header_notes(reading: Reading, header: Header) -> list[str]:
    notes = []
    if header.guess:
        number = reading.rows[header.place][0]
        notes.append(f"{header.guess}; row {number} was taken as one (--header-row N chooses another)")
    if header.place:
        notes.append(f"{counted(header.place, 'row')} above the header left out")
    return notes

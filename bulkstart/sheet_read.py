"""A file becomes a frame: format by the bytes, tab, encoding, delimiter and header row found and said; nothing inferred."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from bulkstart.cells import shown
from bulkstart.columns import recognise
from bulkstart.errors import SheetError
from bulkstart.model import SheetSource
from bulkstart.result_columns import earlier_places
from bulkstart.sheet_bytes import digest_of, format_of
from bulkstart.sheet_csv import DELIMITERS, Dialect, Record, detect, records
from bulkstart.sheet_grid import Header, Rows, find_header, header_text, is_blank, letter
from bulkstart.sheet_open import open_tab
from bulkstart.sheet_prints import row_prints
from bulkstart.sheet_tabs import TabRows

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class _Table:
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


def read_sheet(
    path: str | os.PathLike[str],
    *,
    tab: str | int | None = None,
    header_row: int | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    visible_only: bool = False,
    expected: Iterable[str] = (),
) -> pd.DataFrame:
    r"""Return a sheet as a frame: one row for each row that is not wholly blank, one column for each that is not wholly empty.

    The index holds the sheet's own row numbers (as Excel shows them; in a CSV file the record's number, the header being one).
    All columns are of dtype ``object``; labels are the header texts as they stand, repeated ones repeated, ``""`` where blank.
    Cells of a CSV file are texts, untrimmed, ``""`` where blank, those of an HTML table likewise. Cells of a workbook are ``str``, ``int`` (integral, below
    10\ :sup:`15`), ``float``, ``bool``, ``date``, ``time``, ``datetime``, ``timedelta``, ``model.ErrorCell``,
    ``model.UncalculatedCell``, ``model.DisguisedNumber``, ``None`` where blank. The format is told by the bytes, not by the name.

    ``tab`` is a name or a number from 1, default the first visible tab with rows; ``header_row`` a row number, default the row
    among the first 30 that names an id column or one of ``expected``; ``encoding`` and ``delimiter`` override what is detected.
    Hidden rows of a workbook are rows like the others, and counted; ``visible_only`` leaves them out.

    ``frame.attrs["sheet"]`` is a ``model.SheetSource``; ``frame.attrs["ragged"]`` maps the numbers of CSV rows whose cells do not
    fit the header, or whose quotes are wrong, to the number of cells found.

    >>> import bulkstart, pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "deals.csv"
    ...     _ = path.write_text("ID,Code\n5141,00099999\n", encoding="utf-8")
    ...     frame = bulkstart.read_sheet(path)
    >>> frame.loc[2].tolist()
    ['5141', '00099999']

    Raises ``SheetError`` for whatever cannot be read, in one sentence that says what to do.
    """
    file = Path(path)
    names = tuple(expected)
    kind = format_of(file)
    table = (
        _read_csv(file, tab, encoding, delimiter, names)
        if kind == "csv"
        else _read_workbook(file, kind, tab, encoding, delimiter, visible_only=visible_only)
    )
    if not table.rows:
        raise SheetError(f"{table.where} has no data rows: nothing stands in it")
    header = _header(table, header_row, names)
    if header.place == len(table.rows) - 1:
        raise SheetError(f"{table.where} has no data rows: {_all_there_is(table, header)}")
    table = _shown(table, header)
    if header.place == len(table.rows) - 1:
        raise SheetError(f"{table.where} has no data rows: all rows below its header are hidden; leave --visible-only out")
    return _frame(table, header)


def _read_workbook(
    file: Path, kind: str, tab: str | int | None, encoding: str | None, delimiter: str | None, *, visible_only: bool
) -> _Table:
    name, found = open_tab(file, kind, tab, encoding=encoding)
    unused = [option for option, value in (("--encoding", encoding and name != "html"), ("--delimiter", delimiter)) if value]
    notes = [f"{' and '.join(unused)} mean nothing for a workbook", *found.notes] if unused else [*found.notes]
    ragged = dict(found.ragged)
    return _Table(file, found.rows, name, tuple(notes), found, misquoted=ragged, encoding=encoding, visible_only=visible_only)


def _all_there_is(table: _Table, header: Header) -> str:
    number, cells = table.rows[header.place]
    texts = [header_text(cell).strip() for cell in cells if not is_blank(cell)]
    if len(table.rows) == len(texts) == 1:  # "Список сделок пуст!", an export of nothing (sheets 1.1)
        return f"all that stands in it is {shown(texts[0])}"
    return f"nothing stands below row {number}, its header"


def _shown(table: _Table, header: Header) -> _Table:
    """Return the table with what is hidden in it said, and, where that is wanted, without its hidden rows below the header."""
    if table.tab is None:
        return table
    notes = []
    rows, hidden = table.rows, {number for number in table.tab.hidden if number > table.rows[header.place][0]}
    if hidden:
        done = "left out (--visible-only)" if table.visible_only else "taken like the others (--visible-only leaves them out)"
        notes.append(f"{_counted(len(hidden), 'hidden row')} (a filter, perhaps), {done}")
    left_out = frozenset(hidden) if table.visible_only else table.left_out
    rows = [row for row in rows if row[0] not in left_out] if left_out else rows
    columns = [letter(column) for column in table.tab.hidden_columns if any(_holds(row, column) for _, row in rows)]
    if columns:
        notes.append(f"{_counted(len(columns), 'hidden column')} ({', '.join(columns[:5])}), read like the others")
    return replace(table, rows=rows, notes=(*table.notes, *notes), left_out=left_out)


def _holds(row: Sequence[object], column: int) -> bool:
    return column < len(row) and not is_blank(row[column])


def _read_csv(file: Path, tab: str | int | None, encoding: str | None, delimiter: str | None, names: Sequence[str]) -> _Table:
    if tab is not None and str(tab) != "1":
        raise SheetError(f"{file} is a CSV file, which has no tabs; leave --tab out")
    raw = _bytes(file)
    dialect = detect(
        raw, file, encoding=encoding, delimiter=delimiter, known=lambda text: recognise(text) is not None or text in names
    )
    rows: list[tuple[int, list[str]]] = []
    misquoted: dict[int, int] = {}
    last = Record(0, 0, [])
    for record in records(raw, dialect, file):
        if not "".join(record.fields).strip():
            continue
        rows.append((record.number, record.fields))
        last = record
        if record.misquoted:
            misquoted[record.number] = record.line
    notes = [f"encoding {_encoding(dialect)}, delimiter {DELIMITERS.get(dialect.delimiter, repr(dialect.delimiter))}"]
    if dialect.guess:
        notes.append(
            f"{dialect.encoding} is a guess that reads {dialect.guess!r}; if that is no word, say the encoding with --encoding"
        )
    if last.line != last.number:
        notes.append(f"row numbers count records, which are not the file's lines: row {last.number} begins in line {last.line}")
    notes += [
        f"row {number}: a quote in line {line} or below stands in the wrong place" for number, line in list(misquoted.items())[:3]
    ]
    return _Table(file, rows, "csv", tuple(notes), dialect=dialect, misquoted=misquoted)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SheetError(
            f"{file} cannot be read: {error.strerror or error}; close it elsewhere, or copy it, and try again"
        ) from error


def _encoding(dialect: Dialect) -> str:
    return dialect.encoding + (" with BOM" if dialect.bom else "")


def _header(table: _Table, header_row: int | None, expected: Sequence[str]) -> Header:
    if header_row is None:
        names = {name.strip() for name in expected}
        return find_header(
            table.rows, lambda text: text in names or recognise(text) == "entityId", where=table.where, named=names
        )
    for place, (number, _) in enumerate(table.rows):
        if number == header_row:
            return Header(place)
    raise SheetError(
        f"{table.where}: row {header_row} is blank or not there, so it cannot be the header; give another --header-row"
    )


def _columns(table: _Table, header: Header) -> list[int]:
    """Return the columns that hold anything, header or cell; cells behind a CSV file's header row make no column."""
    cells = table.rows[header.place][1]
    named = {column for column, cell in enumerate(cells) if not is_blank(cell)}
    end = len(cells) if table.in_records else 1 << 14
    blank = [column for column in range(len(cells)) if column not in named]
    for _, row in table.rows[header.place + 1 :]:
        if blank:
            named.update(column for column in blank if column < len(row) and not is_blank(row[column]))
            blank = [column for column in blank if column not in named]
        if len(row) > len(cells):
            beyond = enumerate(row[len(cells) : end], len(cells))
            named.update(column for column, cell in beyond if cell is not None and column not in named and not is_blank(cell))
    return sorted(named)


def _frame(table: _Table, header: Header) -> pd.DataFrame:
    import numpy as np  # noqa: PLC0415  lazy: --help and version need no numpy
    import pandas as pd  # noqa: PLC0415  lazy: nor pandas

    number, cells = table.rows[header.place]
    rows = table.rows[header.place + 1 :]
    columns = _columns(table, header)
    last = columns[-1] + 1
    blank = "" if table.in_records else None
    if len(columns) == last:
        blanks = [blank] * last
        values = np.array([row if len(row) == last else [*row[:last], *blanks[len(row) :]] for _, row in rows], dtype=object)
    else:
        picked = [[row[column] if column < len(row) else blank for column in columns] for _, row in rows]
        values = np.array(picked, dtype=object)
    headers = [header_text(cells[column]) if column < len(cells) else "" for column in columns]
    frame = pd.DataFrame(
        values,
        index=pd.Index([place for place, _ in rows], dtype="int64"),
        columns=pd.Index(headers, dtype=object),
        dtype=object,
    )
    blank_rows = rows[-1][0] - number - len(rows) - sum(hidden < rows[-1][0] for hidden in table.left_out)
    frame.attrs["sheet"] = SheetSource(
        path=str(table.path),
        format=table.format,
        tab=table.tab.tab.name if table.tab else None,
        header_row=number,
        letters=tuple(map(letter, columns)),
        headers=tuple(headers),
        encoding=_codec(table.dialect) or table.encoding,
        delimiter=table.dialect.delimiter if table.dialect else None,
        blank_rows=blank_rows,
        notes=(_summary(table, header, len(rows), blank_rows), *_header_notes(table, header), *table.notes),
        visible_only=table.visible_only,
        **(_marks(table.path, frame) if table.format == "xlsx" else {}),
    )
    frame.attrs["ragged"] = (
        _ragged(rows, table.misquoted, len(cells), last, in_html=table.format == "html") if table.in_records else {}
    )
    return frame


class _Marks(TypedDict, total=False):
    digest: str
    prints: bytes


def _marks(path: Path, frame: pd.DataFrame) -> _Marks:
    """Return what tells later whether the file and the frame's own columns are still the same."""
    earlier = set(earlier_places([str(name) for name in frame.columns]).values())
    own = frame.iloc[:, [place for place in range(len(frame.columns)) if place not in earlier]]
    return {"digest": digest_of(path), "prints": row_prints(frame.index.tolist(), own.to_numpy(dtype=object).tolist())}


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


def _summary(table: _Table, header: Header, count: int, blank_rows: int) -> str:
    tab = f"tab {table.tab.tab.name!r} ({table.tab.tab.number} of {table.tab.tabs}), " if table.tab else ""
    skipped = f", {_counted(blank_rows, 'blank row')} skipped" if blank_rows else ""
    return f"{tab}header in row {table.rows[header.place][0]}, {_counted(count, 'data row')}{skipped}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _header_notes(table: _Table, header: Header) -> list[str]:
    notes = []
    if header.guess:
        number = table.rows[header.place][0]
        notes.append(f"{header.guess}; row {number} was taken as one (--header-row N chooses another)")
    if header.place:
        notes.append(f"{_counted(header.place, 'row')} above the header left out")
    return notes

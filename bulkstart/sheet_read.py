"""A file becomes a frame: format by the bytes, tab, encoding, delimiter and header row found and said; nothing inferred."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bulkstart.cells import shown
from bulkstart.columns import recognise
from bulkstart.errors import SheetError
from bulkstart.sheet_bytes import format_of
from bulkstart.sheet_csv import DELIMITERS, Dialect, Record, detect, records
from bulkstart.sheet_frame import Reading, counted, frame_of
from bulkstart.sheet_grid import Header, find_header, header_text, is_blank, letter
from bulkstart.sheet_open import open_tab

if TYPE_CHECKING:
    import pandas as pd


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
    reading = (
        _read_csv(file, tab, encoding, delimiter, names)
        if kind == "csv"
        else _read_workbook(file, kind, tab, encoding, delimiter, visible_only=visible_only)
    )
    if not reading.rows:
        raise SheetError(f"{reading.where} has no data rows: nothing stands in it")
    header = _header(reading, header_row, names)
    if header.place == len(reading.rows) - 1:
        raise SheetError(f"{reading.where} has no data rows: {_all_there_is(reading, header)}")
    reading = _shown(reading, header)
    if header.place == len(reading.rows) - 1:
        raise SheetError(f"{reading.where} has no data rows: all rows below its header are hidden; leave --visible-only out")
    return frame_of(reading, header)


def _read_workbook(
    file: Path, kind: str, tab: str | int | None, encoding: str | None, delimiter: str | None, *, visible_only: bool
) -> Reading:
    name, found = open_tab(file, kind, tab, encoding=encoding)
    unused = [option for option, value in (("--encoding", encoding and name != "html"), ("--delimiter", delimiter)) if value]
    notes = [f"{' and '.join(unused)} mean nothing for a workbook", *found.notes] if unused else [*found.notes]
    ragged = dict(found.ragged)
    return Reading(file, found.rows, name, tuple(notes), found, misquoted=ragged, encoding=encoding, visible_only=visible_only)


def _all_there_is(reading: Reading, header: Header) -> str:
    number, cells = reading.rows[header.place]
    texts = [header_text(cell).strip() for cell in cells if not is_blank(cell)]
    if len(reading.rows) == len(texts) == 1:  # "Список сделок пуст!", an export of nothing (sheets 1.1)
        return f"all that stands in it is {shown(texts[0])}"
    return f"nothing stands below row {number}, its header"


def _shown(reading: Reading, header: Header) -> Reading:
    """Return the table with what is hidden in it said, and, where that is wanted, without its hidden rows below the header."""
    if reading.tab is None:
        return reading
    notes = []
    rows, hidden = reading.rows, {number for number in reading.tab.hidden if number > reading.rows[header.place][0]}
    if hidden:
        done = "left out (--visible-only)" if reading.visible_only else "taken like the others (--visible-only leaves them out)"
        notes.append(f"{counted(len(hidden), 'hidden row')} (a filter, perhaps), {done}")
    left_out = frozenset(hidden) if reading.visible_only else reading.left_out
    rows = [row for row in rows if row[0] not in left_out] if left_out else rows
    columns = [letter(column) for column in reading.tab.hidden_columns if any(_holds(row, column) for _, row in rows)]
    if columns:
        notes.append(f"{counted(len(columns), 'hidden column')} ({', '.join(columns[:5])}), read like the others")
    return replace(reading, rows=rows, notes=(*reading.notes, *notes), left_out=left_out)


def _holds(row: Sequence[object], column: int) -> bool:
    return column < len(row) and not is_blank(row[column])


def _read_csv(file: Path, tab: str | int | None, encoding: str | None, delimiter: str | None, names: Sequence[str]) -> Reading:
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
    return Reading(file, rows, "csv", tuple(notes), dialect=dialect, misquoted=misquoted)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SheetError(
            f"{file} cannot be read: {error.strerror or error}; close it elsewhere, or copy it, and try again"
        ) from error


def _encoding(dialect: Dialect) -> str:
    return dialect.encoding + (" with BOM" if dialect.bom else "")


def _header(reading: Reading, header_row: int | None, expected: Sequence[str]) -> Header:
    if header_row is None:
        names = {name.strip() for name in expected}
        return find_header(
            reading.rows, lambda text: text in names or recognise(text) == "entityId", where=reading.where, named=names
        )
    for place, (number, _) in enumerate(reading.rows):
        if number == header_row:
            return Header(place)
    raise SheetError(
        f"{reading.where}: row {header_row} is blank or not there, so it cannot be the header; give another --header-row"
    )

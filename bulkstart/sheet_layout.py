"""What a results file keeps of its source: the places of rows and columns, what stands above the header, the CSV dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bulkstart.errors import SheetError
from bulkstart.model import ErrorCell, SheetSource, UncalculatedCell
from bulkstart.result_columns import RESULT_COLUMNS
from bulkstart.sheet_bytes import format_of
from bulkstart.sheet_csv import Dialect, detect, records
from bulkstart.sheet_grid import Cells, Rows, column_index, header_text, letter
from bulkstart.sheet_open import open_tab
from bulkstart.sheet_read import read_sheet
from bulkstart.sheet_xml import MAX_COLUMNS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Table:
    """A results frame as columns of cells: the ``own`` ones of the analyst, then the result columns, if it has them.

    ``uncalculated`` counts the formulas without a result. They are written as ``#N/A``: as text they would look like values when
    the file is fed back, and as formulas they would mean other cells in another place.
    """

    headers: tuple[str, ...]
    own: int
    columns: tuple[Sequence[object], ...]
    uncalculated: int = 0

    @property
    def results(self) -> tuple[str, ...]:
        return self.headers[self.own :]

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a results file has its cells.

    ``above``: the rows above the header; ``numbers``: the row of each result; ``places``: the column of each column of the
    table, the result columns last; ``behind``: cells of a CSV row, by number, that stand behind the table.
    """

    header_row: int
    numbers: Sequence[int]
    places: tuple[int, ...]
    above: Rows = ()
    tab: str = "Results"
    dialect: Dialect | None = None
    behind: Mapping[int, Sequence[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def table_of(results: pd.DataFrame) -> Table:
    """Return a frame's cells by column; the result columns are the last six of that name, and what follows them."""
    headers = tuple(map(header_text, results.columns))
    six = len(RESULT_COLUMNS)
    starts = (place for place in range(len(headers) - six, -1, -1) if headers[place : place + six] == RESULT_COLUMNS)
    own = next(starts, len(headers))
    columns = tuple(results.iloc[:, place].astype(object).tolist() for place in range(len(headers)))
    formulas = [column for column in columns if UncalculatedCell in set(map(type, column))]
    uncalculated = sum(isinstance(cell, UncalculatedCell) for column in formulas for cell in column)
    if uncalculated:
        columns = tuple(
            [ErrorCell("#N/A") if isinstance(cell, UncalculatedCell) else cell for cell in column] for column in columns
        )
    return Table(headers, own, columns, uncalculated)


def plain_layout(table: Table, *notes: str, tab: str = "Results", dialect: Dialect | None = None) -> Layout:
    """Return the layout of a file that keeps nothing: the header in row 1, the rows below it."""
    return Layout(1, range(2, len(table) + 2), tuple(range(len(table.headers))), tab=tab, dialect=dialect, notes=notes)


def layout_of(results: pd.DataFrame, table: Table, source: Path | None, kind: str, why: str = "") -> Layout:
    """Return how results of ``kind`` (``csv`` or ``xlsx``) are laid out beside their source, which is not changed itself: ``why``.

    Where the source is of another kind, is gone or changed, or where the frame is no longer in its order, the layout is a plain
    one, and a note says why.
    """
    if source is None:
        return plain_layout(table)
    try:
        found = "csv" if format_of(source) == "csv" else "xlsx"
        if found != kind:
            lost = (f"the results are CSV: formats, formulas and other tabs stay in {source.name} only",) if kind == "csv" else ()
            return plain_layout(table, *lost)
        sheet = results.attrs.get("sheet")
        if not isinstance(sheet, SheetSource) or (sheet.format == "csv") != (kind == "csv"):
            sheet = read_sheet(source).attrs["sheet"]
        return (
            _csv_layout(results, table, source, sheet) if kind == "csv" else _workbook_layout(results, table, source, sheet, why)
        )
    except SheetError as error:
        return plain_layout(table, f"title rows and positions were not kept, since the source cannot be read again: {error}")


def _csv_layout(results: pd.DataFrame, table: Table, source: Path, sheet: SheetSource) -> Layout:
    raw = source.read_bytes()
    dialect = detect(raw, source, encoding=sheet.encoding, delimiter=sheet.delimiter, known=lambda _: False)
    ragged = results.attrs.get("ragged") or {}
    above: list[tuple[int, Cells]] = []
    behind: dict[int, Sequence[str]] = {}
    header: list[str] = []
    for number, _, fields, _ in records(raw, dialect, source):
        if number < sheet.header_row:
            above.append((number, fields))
        elif number == sheet.header_row:
            header = fields
        elif not ragged:
            break
        elif number in ragged and len(fields) > len(header):
            behind[number] = fields[len(header) :]
    fitted = _fitted(results, table, sheet, header, above)
    if isinstance(fitted, str):
        return plain_layout(table, fitted, dialect=dialect)
    there = set(results.index)
    short = [str(number) for number, count in ragged.items() if count < len(header) and number in there]
    notes = (f"rows with fewer cells than the header were filled with blanks: {', '.join(short[:5])}",) if short else ()
    kept, places = fitted
    return Layout(sheet.header_row, results.index.tolist(), places, kept, dialect=dialect, behind=behind, notes=notes)


def _workbook_layout(results: pd.DataFrame, table: Table, source: Path, sheet: SheetSource, why: str) -> Layout:
    kind, found = open_tab(source, format_of(source), sheet.tab, encoding=sheet.encoding, until=sheet.header_row)
    above = [(number, cells) for number, cells in found.rows if number < sheet.header_row]
    header: Cells = next((cells for number, cells in found.rows if number == sheet.header_row), ())
    others = f" and {found.tabs - 1} other tab{'' if found.tabs == 2 else 's'}" if found.tabs > 1 else ""  # noqa: PLR2004  one other
    named = f" (its format, {kind}, is read only)" if kind != "xlsx" else ""
    reason = f", since {why}" if why and kind == "xlsx" else ""
    lost = f"the results are a plain workbook{named}: formats, formulas{others} stay in {source.name} only{reason}"
    fitted = _fitted(results, table, sheet, header, above)
    if not isinstance(fitted, str) and fitted[1][-1] >= MAX_COLUMNS:
        fitted = f"the columns close up, since none are left behind column {letter(max(fitted[1][: table.own]))}"
    if isinstance(fitted, str):
        return plain_layout(table, lost, fitted, tab=found.tab.name)
    kept, places = fitted
    return Layout(sheet.header_row, results.index.tolist(), places, kept, tab=found.tab.name, notes=(lost,))


def _fitted(
    results: pd.DataFrame, table: Table, sheet: SheetSource, header: Cells, above: Rows
) -> tuple[Rows, tuple[int, ...]] | str:
    """Return the rows above the header and the columns' places, without the columns that the new results replace, or why not."""
    numbers = results.index
    ordered = str(numbers.dtype) == "int64" and numbers.is_monotonic_increasing and numbers.is_unique
    if not ordered or (len(numbers) and numbers[0] <= sheet.header_row):
        return "blank rows and title rows were not kept, since the frame's index is no longer the sheet's row numbers in order"
    columns = [column_index(letters) for letters in sheet.letters]
    if [header_text(header[column]) if column < len(header) else "" for column in columns] != list(sheet.headers):
        return "blank rows and title rows were not kept, since the source was changed after it was read"
    stood = iter(zip(columns, sheet.headers, strict=True))
    kept = [next((column for column, text in stood if text == wanted), None) for wanted in table.headers[: table.own]]
    if None in kept:
        return "blank rows and title rows were not kept, since the frame has other columns than the sheet"
    gone = set(columns) - set(kept)
    places = [column - sum(lost < column for lost in gone) for column in kept if column is not None]
    end = max(places, default=-1) + 1
    shifted = [(number, [cell for column, cell in enumerate(cells) if column not in gone]) for number, cells in above]
    return shifted, (*places, *range(end, end + len(table.results)))

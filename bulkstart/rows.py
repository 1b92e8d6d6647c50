"""A frame becomes rows: raw cell values by position, nothing checked. pandas is only walked through, never imported here."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Final

from bulkstart.cells import CellError, is_blank
from bulkstart.errors import UsageError
from bulkstart.model import Column, Row, SheetSource
from bulkstart.result_columns import RESULT_COLUMNS, Previous
from bulkstart.sheet_text import plain_text
from bulkstart.values import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from bulkstart.columns import ColumnMap

_LETTERS: Final = 26
_SHORT: Final = ("float32", "float16")


def letter(index: int) -> str:
    """Return a spreadsheet's letters for a column, counted from 0: ``A``, ``Z``, ``AA``."""
    letters = ""
    while index >= 0:
        letters = chr(ord("A") + index % _LETTERS) + letters
        index = index // _LETTERS - 1
    return letters


def own_copy(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a copy that nobody else can change while its rows are started. Raises ``UsageError`` for what is no frame."""
    if not all(hasattr(frame, name) for name in ("iloc", "columns", "attrs", "copy")):
        raise UsageError(f"rows are a pandas DataFrame, not a {type(frame).__name__}: bulkstart.read_sheet makes one of a file")
    return frame.copy()


def columns_of(frame: pd.DataFrame) -> list[Column]:
    """Return the frame's columns with the letters and headers of the sheet that it came from, where it still fits that sheet.

    Columns that were added since have letters behind the sheet's last one; a frame from elsewhere is lettered by position.
    """
    names = [str(name) for name in frame.columns]
    sheet = frame.attrs.get("sheet")
    if not isinstance(sheet, SheetSource):
        return [Column(index, letter(index), name) for index, name in enumerate(names)]
    if len(names) == len(sheet.letters) and all(map(_same_column, names, sheet.headers)):
        return [Column(index, sheet.letters[index], sheet.headers[index]) for index in range(len(names))]
    letters = {header: at for header, at in zip(sheet.headers, sheet.letters, strict=True) if sheet.headers.count(header) == 1}
    behind = max((letter_index(at) for at in sheet.letters), default=-1) + 1
    return [Column(index, letters.get(name) or letter(behind + index), name) for index, name in enumerate(names)]


def letter_index(letters: str) -> int:
    """Return the place of a column, counted from 0: the way back from ``letter``."""
    index = 0
    for sign in letters:
        index = index * _LETTERS + ord(sign) - ord("A") + 1
    return index - 1


def _same_column(name: str, header: str) -> bool:
    """Tell whether a frame's column is still the sheet's; blank and repeated headers were given names of their own."""
    return name == header or not header.strip() or name.startswith(header)


def cells_of(frame: pd.DataFrame, index: int) -> list[object]:
    """Return the cells of a column by its place (names need not be unique), as Python's own values where there are such."""
    column = frame.iloc[:, index]
    if any(name in str(column.dtype).lower() for name in _SHORT):  # as they are: as Python's own they would look exact
        return list(column.array)
    cells: list[object] = column.tolist()
    return cells


def read_rows(frame: pd.DataFrame, column_map: ColumnMap) -> list[Row]:
    """Return one row for each row of the frame, in order."""
    count = len(frame)

    def cells(column: Column | None) -> Iterable[object]:
        return repeat(None, count) if column is None else cells_of(frame, column.index)

    named = (column_map.entity_id, column_map.entity_type, column_map.template_id)
    return list(
        map(
            Row,
            range(count),
            frame.index.tolist(),
            *(cells(matched.column if matched else None) for matched in named),
            _previous(frame, column_map.results) if column_map.results else repeat(None, count),
        )
    )


def _previous(frame: pd.DataFrame, results: Mapping[str, Column]) -> Iterable[Previous | None]:
    """Return what the result columns say; ``None`` for a row where they are all blank."""
    said = [[_said(cell) for cell in cells_of(frame, results[name].index)] for name in RESULT_COLUMNS if name != "attempts"]
    return (Previous(*row) if any(row) else None for row in zip(*said, strict=True))


def _said(cell: object) -> str:
    """Return a result cell as text, without the apostrophe that keeps spreadsheets from taking it for a formula."""
    if type(cell) is not str:
        if is_blank(cell):
            return ""
        try:
            cell = text(cell)
        except CellError:
            return str(cell)
    return plain_text(cell.strip())

"""What a tab holds before it is a frame: numbered rows of cells, and the row among them that is the header. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

from bulkstart.errors import SheetError
from bulkstart.model import ErrorCell

Cells: TypeAlias = Sequence[object]
Rows: TypeAlias = Sequence[tuple[int, Cells]]
"""Rows that are not wholly blank: (number in the sheet from 1, cells from column A on), numbers ascending."""

MAX_CELLS = 20_000_000
"""More cells than this are refused: a million rows of twenty columns."""
SEARCHED_ROWS = 30
"""The header is looked for among the first rows up to this number."""
_MUCH_WIDER = 3


def is_blank(cell: object) -> bool:
    """Return whether nothing can be seen in a cell: ``None``, empty text, white space (non-breaking included)."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def letter(index: int) -> str:
    """Return the spreadsheet's name of a column: 0 → ``A``, 26 → ``AA``."""
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def column_index(letters: str) -> int:
    """Return the place of a column, the inverse of :func:`letter`."""
    index = 0
    for character in letters:
        index = index * 26 + ord(character) - ord("A") + 1
    return index - 1


def header_text(cell: object) -> str:
    """Return a header cell as text: as it stands, ``""`` where blank; numbers and dates as a person reads them."""
    if cell is None or isinstance(cell, str):
        return str.__str__(cell) if isinstance(cell, str) else ""
    if isinstance(cell, bool):
        return str(cell).upper()
    return cell.isoformat() if isinstance(cell, dt.date | dt.time) else str(cell)


@dataclass(frozen=True, slots=True)
class Header:
    """The header row: its place in ``Rows``, and, where no row names a column that is needed, how it was guessed."""

    place: int
    guess: str = ""


def find_header(rows: Rows, needed: Callable[[str], bool], *, where: str, named: Iterable[str] = ()) -> Header:
    """Return the header row among the first 30 rows of a sheet.

    It is the row with a cell that ``needed`` accepts (an id column, a name given by ``--map``); rows that hold every text of
    ``named`` go before others. Two different rows that qualify are a ``SheetError``; the same header repeated further down is
    not a second one. Where none qualifies, the first row that looks like a header is taken, and the guess is said.
    """
    searched = [place for place, (number, _) in enumerate(rows) if number <= SEARCHED_ROWS]
    found = [place for place in searched if _qualifies(rows, place, needed)]
    wanted = set(named)
    found = [place for place in found if wanted and wanted <= {*map(header_text, rows[place][1])}] or found
    different = {_labels(rows[place][1]) for place in found}
    if len(different) > 1:
        *numbers, last = (str(rows[place][0]) for place in found)
        raise SheetError(f"{where}: rows {', '.join(numbers)} and {last} could each be the header; say which with --header-row N")
    if found:
        return Header(found[0])
    alike = next((place for place in searched if _looks_like_header(rows, place)), None)
    return Header(0, "no row looks like a header") if alike is None else Header(alike, "no row names an id column")


def _qualifies(rows: Rows, place: int, needed: Callable[[str], bool]) -> bool:
    cells = rows[place][1]
    labels = _labels(cells)
    if not any(needed(label) for label in labels) or 2 * sum(map(_is_label, cells)) < _width(cells):
        return False
    return len(labels) > 1 or _typical_width(rows, place) < _MUCH_WIDER


def _looks_like_header(rows: Rows, place: int) -> bool:
    """Mostly texts, distinct, and about as wide as the rows below it."""
    cells = rows[place][1]
    labels, texts, width = _labels(cells), sum(map(_is_label, cells)), _width(cells)
    return texts >= 0.8 * width and len(set(labels)) >= 0.8 * width and 2 * width > _typical_width(rows, place)


def _typical_width(rows: Rows, place: int) -> float:
    below = [_width(cells) for _, cells in rows[place + 1 : place + 21]]
    return median(below) if below else 0


def _width(cells: Cells) -> int:
    return sum(not is_blank(cell) for cell in cells)


def _labels(cells: Cells) -> tuple[str, ...]:
    return tuple(header_text(cell).strip() for cell in cells if not is_blank(cell))


def _is_label(cell: object) -> bool:
    """Return whether a cell reads like a column's name: a text that is no number, date or error."""
    if not isinstance(cell, str) or isinstance(cell, ErrorCell) or is_blank(cell):
        return False
    return any(map(str.isalpha, cell)) or not any(map(str.isdigit, cell))

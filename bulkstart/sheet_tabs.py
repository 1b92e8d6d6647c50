"""Tabs of a workbook of any format: what they hold, which one is taken, and one sentence for every broken file."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from xml.parsers.expat import ExpatError

from bulkstart.errors import SheetError
from bulkstart.sheet_grid import MAX_CELLS, Rows, is_blank, letter
from bulkstart.sheet_xml import MAX_COLUMNS, MAX_ROWS, hidden_range

_DAMAGED: Final = (
    *(zipfile.BadZipFile, zlib.error, ExpatError, KeyError, ValueError, IndexError, EOFError, OverflowError),
    *(NotImplementedError, RuntimeError, MemoryError, OSError, StopIteration, struct.error, LookupError),
)
"""What the standard library raises on broken files: unknown compression, wrong check sums, encrypted parts, bad XML …"""


@dataclass(frozen=True, slots=True)
class Tab:
    """One worksheet of a workbook. ``number`` counts all tabs from 1, hidden ones too, in the workbook's order."""

    number: int
    name: str
    visible: bool
    part: str


@dataclass(frozen=True, slots=True)
class TabRows:
    """What one tab holds.

    ``hidden``: the numbers of its hidden rows that are not blank; ``hidden_columns``: the places of its hidden columns;
    ``ragged``: rows that do not fit, by the number of cells found; ``notes``: sentences for people.
    """

    tab: Tab
    tabs: int
    rows: Rows
    hidden: tuple[int, ...] = ()
    hidden_columns: tuple[int, ...] = ()
    ragged: tuple[tuple[int, int], ...] = ()
    notes: tuple[str, ...] = ()


class Workbook(Protocol):
    """An open workbook: its tabs, and the rows of each."""

    @property
    def tabs(self) -> Sequence[Tab]: ...

    def read(self, tab: Tab) -> TabRows: ...


def pick(workbook: Workbook, wanted: str | int | None, path: Path) -> TabRows:
    """Return the rows of the tab asked for by name or number, else of the first visible one that holds two rows or more."""
    if wanted is not None:
        return workbook.read(_choose(workbook.tabs, wanted, path))
    for tab in workbook.tabs:
        if tab.visible and len((found := workbook.read(tab)).rows) > 1:
            return found
    raise SheetError(f"{path} has no data rows: no visible tab holds a header and a row below it ({_listing(workbook.tabs)})")


def _choose(tabs: Sequence[Tab], wanted: str | int, path: Path) -> Tab:
    """A name goes before a number, an exact name before one in another case (Excel's tab names know no case)."""
    text = str(wanted).strip()
    exact = [tab for tab in tabs if tab.name == str(wanted)]
    alike = [tab for tab in tabs if tab.name.strip().casefold() == text.casefold()]
    numbered = [tab for tab in tabs if str(tab.number) == text]
    for tab in (*exact, *alike, *numbered):
        return tab
    raise SheetError(f"{path} has no tab {wanted!r}; its tabs are {_listing(tabs)}; choose one with --tab")


def _listing(tabs: Sequence[Tab]) -> str:
    return ", ".join(f"{tab.number} {tab.name!r}{'' if tab.visible else ' (hidden)'}" for tab in tabs) or "none"


@contextmanager
def clear_errors(path: Path) -> Iterator[None]:
    """Turn whatever a broken file makes the standard library raise into one sentence."""
    try:
        yield
    except SheetError as error:
        if str(error).startswith(str(path)):
            raise
        raise SheetError(f"{path} is refused: {error}; save it again in Excel") from error
    except PermissionError:
        raise SheetError(f"{path} may not be read now; close it in Excel, or copy it, and try again") from None
    except _DAMAGED as error:
        why = f" ({error})" if str(error) else ""
        raise SheetError(
            f"{path} is a damaged workbook{why}; open it in Excel, let Excel repair it, and save it again"
        ) from error


class Grid:
    """Cells as they come, in any order, as rows that are not wholly blank; none behind ``until``."""

    def __init__(self, until: int = MAX_ROWS) -> None:
        self._hidden_columns: list[int] = []
        self._rows: dict[int, list[object]] = {}
        self._hidden: set[int] = set()
        self._until = until
        self._count = 0

    def put(self, number: int, column: int, value: object) -> None:
        """Put a value into a row (from 1) and column (from 0). Raises ``SheetError`` for a place no sheet has, or a taken one."""
        if not (0 < number <= MAX_ROWS and 0 <= column < MAX_COLUMNS):
            raise SheetError(f"a cell in row {number}, column {column + 1}, which no sheet has")
        if number > self._until or value is None:
            return
        row = self._rows.setdefault(number, [])
        gap = column - len(row)
        if gap >= 0:
            self._count += gap + 1
            if self._count > MAX_CELLS:
                raise SheetError(
                    f"more than {MAX_CELLS:,} cells; delete what stands far to the right of the table, or split the sheet"
                )
            row.extend([None] * gap)
            row.append(value)
        elif row[column] is None:
            row[column] = value
        else:
            raise SheetError(f"cell {letter(column)}{number} stands there twice")

    def hide(self, number: int) -> None:
        self._hidden.add(number)

    def hide_columns(self, first: int, last: int) -> None:
        self._hidden_columns.extend(hidden_range(self._hidden_columns, first, last))

    def taken(self, tab: Tab, tabs: int) -> TabRows:
        """Return what has come."""
        rows = [(number, row) for number, row in sorted(self._rows.items()) if not all(map(is_blank, row))]
        hidden = tuple(number for number, _ in rows if number in self._hidden)
        return TabRows(tab, tabs, rows, hidden, tuple(self._hidden_columns))

"""Collects the problems of a sheet's rows while its columns are read, and gives them in the order of the sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bulkstart.cells import CellError
from bulkstart.model import Column, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_CACHED = (str, int, float, bool, type(None))


class Findings:
    """The problems found so far: of the whole sheet (``sheet``), and of rows by position and column; ``notes``: no problems, to be looked at."""

    def __init__(self, labels: Sequence[object]) -> None:
        self.sheet: list[Problem] = []
        self.notes: list[str] = []
        self._labels = labels
        self._found: dict[int, list[tuple[int, Problem]]] = {}

    def add(self, position: int, column: Column | None, code: str, message: str) -> None:
        """Note one problem of one row; ``column`` is where it stands, ``None``: nowhere in particular."""
        problem = Problem(position, self._labels[position], column.letter if column else None, code, message)
        self._found.setdefault(position, []).append((column.index if column else -1, problem))

    def add_errors(self, readings: Sequence[object], column: Column, positions: Iterable[int]) -> None:
        """Note every reading of a column that is a ``CellError``."""
        for position, reading in zip(positions, readings, strict=True):
            if type(reading) is CellError:
                self.add(position, column, reading.code, reading.message)

    def add_instead(self, position: int, column: Column | None, code: str, message: str) -> None:
        """Note the one problem that explains all others of a row."""
        self._found.pop(position, None)
        self.add(position, column, code, message)

    def label(self, position: int) -> object:
        """What a row is called: its number in the sheet, or the frame's own label."""
        return self._labels[position]

    @property
    def positions(self) -> Mapping[int, object]:
        """The rows that have a problem."""
        return self._found

    def problems(self) -> tuple[Problem, ...]:
        """Return all problems: the whole sheet's first, then by position and column."""
        ordered = (
            problem for position in sorted(self._found) for _, problem in sorted(self._found[position], key=lambda one: one[0])
        )
        return (*self.sheet, *ordered)


def read_cells(values: Iterable[object], read: Callable[[object], Any]) -> list[Any]:
    """Return what ``read`` makes of each cell, or the ``CellError`` that it raised; equal cells are read once."""
    cells = [*values]
    known = {kind: _Known(read) for kind in set(map(type, cells)).intersection(_CACHED)}  # apart by type: 1 is not True
    if len(known) == 1 and set(map(type, cells)) == known.keys():
        (of_kind,) = known.values()
        return [of_kind[value] for value in cells]
    return [known[type(value)][value] if type(value) in known else _attempt(read, value) for value in cells]


class _Known(dict[object, Any]):
    """Cells of one type, and what was read of each."""

    def __init__(self, read: Callable[[object], Any]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, value: object) -> Any:
        reading = self[value] = _attempt(self._read, value)
        return reading


def _attempt(read: Callable[[object], Any], value: object) -> Any:
    try:
        return read(value)
    except CellError as error:
        return error.with_traceback(None)

"""Whether rows of a frame are still those that were read: a number and a hash for each. Pure.

Python's own hashes: quick, equal for equal cells, and good for as long as the process lives, which is as long as a frame does.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence


def row_prints(numbers: Sequence[int], rows: Iterable[Sequence[object]]) -> bytes:
    """Return the prints of rows: all numbers, then all hashes. ``b""`` where a cell has no hash."""
    try:
        hashes = array("q", [hash(tuple(row)) for row in rows])
    except TypeError:
        return b""
    return array("q", numbers).tobytes() + hashes.tobytes()


def same_rows(prints: bytes, numbers: Sequence[int], rows: Iterable[Sequence[object]]) -> bool:
    """Return whether each of these rows was read from the row of that number, with these cells; others may be missing."""
    known, found = _by_number(prints), _by_number(row_prints(numbers, rows))
    return len(found) == len(numbers) and found.items() <= known.items()


def _by_number(prints: bytes) -> dict[int, int]:
    values = array("q", prints)
    half = len(values) // 2
    return dict(zip(values[:half], values[half:], strict=True))

from __future__ import annotations

import datetime as dt

from bulkstart.sheet_prints import row_prints, same_rows

ROWS = [(5141, "00042", None), (5142, dt.date(2026, 1, 2), 0.5)]
PRINTS = row_prints([2, 5], ROWS)


def test_rows_are_known_by_number_and_cells_in_any_order_and_number() -> None:
    assert same_rows(PRINTS, [2, 5], ROWS)
    assert same_rows(PRINTS, [5, 2], ROWS[::-1])
    assert same_rows(PRINTS, [5], ROWS[1:])
    assert same_rows(PRINTS, [], [])


def test_another_cell_number_or_row_is_noticed() -> None:
    assert not same_rows(PRINTS, [2, 5], ROWS[::-1])
    assert not same_rows(PRINTS, [2, 6], ROWS)
    assert not same_rows(PRINTS, [2], [(5141, "42", None)])
    assert not same_rows(PRINTS, [2, 2], [ROWS[0], ROWS[0]])
    assert not same_rows(b"", [2], ROWS[:1])


def test_cells_without_a_hash_are_never_the_same() -> None:
    rows = [([1], "a", None)]
    assert row_prints([2], rows) == b""
    assert not same_rows(row_prints([2], rows), [2], rows)

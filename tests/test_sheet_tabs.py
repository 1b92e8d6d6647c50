from __future__ import annotations

import struct
from pathlib import Path

import pytest

from bulkstart.errors import SheetError
from bulkstart.sheet_tabs import Grid, Tab, clear_errors

TAB = Tab(1, "Deals", visible=True, part="")


def test_cells_come_in_any_order_and_blank_rows_are_none() -> None:
    grid = Grid()
    for number, column, value in ((5, 2, "c"), (2, 0, "a"), (5, 0, 7), (9, 3, "  "), (3, 1, None)):
        grid.put(number, column, value)
    for number in (3, 5, 9):
        grid.hide(number)
    grid.hide_columns(1, 3)
    grid.hide_columns(2, 4)
    found = grid.taken(TAB, 3)
    assert found.rows == [(2, ["a"]), (5, [7, None, "c"])]
    assert (found.hidden, found.hidden_columns, found.tabs) == ((5,), (1, 2, 3, 4), 3)


def test_rows_behind_the_last_wanted_one_are_left_out() -> None:
    grid = Grid(until=2)
    for number in (1, 2, 3):
        grid.put(number, 0, number)
    assert grid.taken(TAB, 1).rows == [(1, [1]), (2, [2])]


@pytest.mark.parametrize("place", [(0, 0), (1_048_577, 0), (1, -1), (1, 16_384)])
def test_a_place_that_no_sheet_has_is_an_error(place: tuple[int, int]) -> None:
    with pytest.raises(SheetError, match="no sheet has"):
        Grid().put(*place, "x")


def test_a_cell_that_stands_there_twice_is_an_error() -> None:
    grid = Grid()
    grid.put(3, 1, "a")
    with pytest.raises(SheetError, match="B3 stands there twice"):
        grid.put(3, 1, "b")


def test_cells_far_to_the_right_of_many_rows_are_too_many() -> None:
    grid = Grid()
    for number in range(1, 1_221):
        grid.put(number, 16_383, "x")
    with pytest.raises(SheetError, match="more than 20,000,000 cells"):
        grid.put(1_221, 16_383, "x")


@pytest.mark.parametrize(
    "error", [struct.error("x"), KeyError("x"), LookupError("x"), EOFError(), UnicodeDecodeError("u", b"", 0, 1, "x")]
)
def test_what_broken_bytes_raise_becomes_one_sentence(error: Exception) -> None:
    with pytest.raises(SheetError, match=r"^d\.xls is a damaged workbook.*save it again"), clear_errors(Path("d.xls")):
        raise error


def test_a_fault_of_ours_is_not_hidden() -> None:
    with pytest.raises(TypeError), clear_errors(Path("d.xls")):
        raise TypeError

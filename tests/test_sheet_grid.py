from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.errors import SheetError
from bulkstart.model import ErrorCell
from bulkstart.sheet_grid import column_index, find_header, header_text, is_blank, letter


def _find(*rows: list[object], named: tuple[str, ...] = ()) -> tuple[int, str]:
    numbered = [(number, row) for number, row in enumerate(rows, 1) if any(not is_blank(cell) for cell in row)]
    found = find_header(numbered, lambda text: text in ("ID", *named), where="deals.xlsx", named=named)
    return numbered[found.place][0], found.guess


@given(st.integers(0, 20_000))
def test_letters_and_places_are_inverse(place: int) -> None:
    assert column_index(letter(place)) == place


def test_letters_as_excel_has_them() -> None:
    assert [letter(place) for place in (0, 25, 26, 701, 702, 16_383)] == ["A", "Z", "AA", "ZZ", "AAA", "XFD"]


def test_the_row_that_names_an_id_is_the_header() -> None:
    assert _find(["Deals of May"], [], ["Title", "ID", "Sum"], ["a", 1, 2], ["b", 2, 3]) == (3, "")


def test_a_wide_title_block_above_does_not_hide_the_header() -> None:
    assert _find(["Company", "Acme"], ["Author", "Ann"], ["ID", "Title"], ["1", "x"])[0] == 3


def test_two_different_rows_that_name_an_id_are_a_question() -> None:
    with pytest.raises(SheetError, match=r"rows 1 and 3 could each be the header.*--header-row"):
        _find(["ID", "Title"], [1, "a"], ["ID", "Name"], [2, "b"])


def test_the_same_header_further_down_is_no_second_one() -> None:
    assert _find(["ID", "Title"], [1, "a"], ["ID ", "Title"], [2, "b"]) == (1, "")


def test_a_lone_id_cell_above_wider_rows_is_no_header() -> None:
    assert _find(["ID"], ["Code", "Name", "Sum", "Day"], [1, "a", 2, 3], [4, "b", 5, 6]) == (2, "no row names an id column")


def test_a_lone_id_cell_above_a_single_column_is_one() -> None:
    assert _find(["ID"], [1], [2]) == (1, "")


def test_a_row_of_numbers_with_the_word_id_in_it_is_no_header() -> None:
    assert _find(["State", "Code", "Sum", "Year"], ["ID", 16, 23, 2026], ["WA", 1, 2, 3]) == (1, "no row names an id column")


def test_the_row_with_all_names_of_the_mapping_goes_before_others() -> None:
    assert _find(["ID", "what"], ["Deal no", "ID", "x"], [1, 2, 3], named=("Deal no",)) == (2, "")


def test_rows_behind_the_thirtieth_are_not_looked_at() -> None:
    assert _find(*([["a", "b"]] * 30), ["ID", "b"], [1, 2]) == (1, "no row names an id column")


def test_without_anything_like_a_header_the_first_row_is_taken_and_said() -> None:
    assert _find([1, 2, 3], [4, 5, 6]) == (1, "no row looks like a header")


def test_numbers_do_not_make_a_header() -> None:
    assert _find([2024, 2025, 2026], ["Code", "Name", "Sum"], ["x", "y", 1])[0] == 2


@pytest.mark.parametrize(
    ("cell", "text"),
    [(None, ""), (" ID\n", " ID\n"), (5, "5"), (True, "TRUE"), (dt.date(2026, 1, 2), "2026-01-02"), (ErrorCell("#N/A"), "#N/A")],
)
def test_header_cells_as_text(cell: object, text: str) -> None:
    assert header_text(cell) == text
    assert type(header_text(cell)) is str


def test_blank_is_what_nobody_can_see() -> None:
    assert [is_blank(cell) for cell in (None, "", " \u00a0\n", 0, False, "x", ErrorCell("#N/A"))] == [True] * 3 + [False] * 4

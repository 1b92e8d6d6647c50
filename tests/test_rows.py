"""A frame from anywhere becomes rows: raw cells, by position, nothing lost."""

import pandas as pd
import pytest

from bulkstart.columns import match
from bulkstart.model import Column, SheetSource
from bulkstart.result_columns import Previous
from bulkstart.rows import columns_of, letter, letter_index, read_rows


def source(letters, headers):
    return SheetSource(path="x.csv", format="csv", tab=None, header_row=1, letters=tuple(letters), headers=tuple(headers))


@pytest.mark.parametrize(("index", "letters"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA"), (16383, "XFD")])
def test_letters_are_those_of_a_spreadsheet(index, letters):
    assert letter(index) == letters
    assert letter_index(letters) == index


def test_columns_keep_the_letters_of_their_sheet_while_they_are_its_columns():
    frame = pd.DataFrame([[1, 2, 3]], columns=["ID", "Title", "ID"])
    assert columns_of(frame) == [Column(0, "A", "ID"), Column(1, "B", "Title"), Column(2, "C", "ID")]
    frame.attrs["sheet"] = source("BDF", ["ID", "Title", "ID"])
    assert columns_of(frame) == [Column(0, "B", "ID"), Column(1, "D", "Title"), Column(2, "F", "ID")]


def test_a_dropped_or_added_column_does_not_shift_the_letters():
    frame = pd.DataFrame([[1, 2, 3]], columns=["ID", "Title", "Phone"])
    frame.attrs["sheet"] = source("ABC", ["ID", "Title", "Phone"])
    assert [column.letter for column in columns_of(frame.drop(columns="Title"))] == ["A", "C"]
    assert [column.letter for column in columns_of(frame.assign(extra=4))][:3] == ["A", "B", "C"]
    frame.attrs["sheet"] = source("BDE", ["ID", "Title", "Phone"])
    assert columns_of(frame.assign(extra=4))[3].letter not in "ABCDE"
    frame.attrs["sheet"] = source("ABC", ["ID", "Title", "Phone"])
    assert [column.letter for column in columns_of(frame[["Phone", "Title", "ID"]])] == ["C", "B", "A"]


def test_rows_hold_raw_cells_by_position_under_any_index():
    frame = pd.DataFrame({"ID": ["007", None], "param:x": [1.5, "y"]}, index=["same", "same"], dtype=object)
    rows = read_rows(frame, match(columns_of(frame)))
    assert [(row.position, row.label, row.entity_id) for row in rows] == [(0, "same", "007"), (1, "same", None)]
    assert [row.previous for row in rows] == [None, None]
    assert rows[0].template_id is None


def test_equal_headers_are_read_by_their_place():
    frame = pd.DataFrame([[1, 2, 3]], columns=["ID", "ID", "param:x"])
    (row,) = read_rows(frame, match(columns_of(frame), mapped={"entityId": "B"}))
    assert row.entity_id == 2


def test_previous_results_are_text_and_lose_the_apostrophe_of_a_neutralised_formula():
    said = {"startStatus": ["started ", None], "workflowId": ["69f0c2d5ade389.22457798", float("nan")], "errorCode": ["", pd.NA]}
    said |= {"errorMessage": ["'=cmd", None], "attempts": [1, None], "startedAt": ["2026-01-02T03:04:05+00:00", ""]}
    frame = pd.DataFrame({"ID": [1, 2], **said}, dtype=object)
    first, second = read_rows(frame, match(columns_of(frame)))
    assert first.previous == Previous("started", "69f0c2d5ade389.22457798", "", "=cmd", "2026-01-02T03:04:05+00:00")
    assert second.previous is None


def test_an_empty_frame_has_no_rows():
    frame = pd.DataFrame({"ID": []})
    assert read_rows(frame, match(columns_of(frame))) == []

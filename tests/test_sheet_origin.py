"""Reading a sheet that ``bulkstart new`` made: empty, filled, renamed, and workbooks that only look like one."""

from __future__ import annotations

import openpyxl
import pytest

from bulkstart.errors import SheetError
from bulkstart.legend import entries_of
from bulkstart.model import Parameter, Template
from bulkstart.origin import TAB, origin_of
from bulkstart.sheet import read_sheet
from bulkstart.sheet_new import blank_workbook

TEMPLATE = Template(713, "Contract", "deal", (Parameter("note", "Note"),))


@pytest.fixture
def blank(tmp_path):
    path = tmp_path / "new.xlsx"
    path.write_bytes(blank_workbook(entries_of(TEMPLATE), origin_of(TEMPLATE, "p.example")))
    return path


def filled(path, **more):
    book = openpyxl.load_workbook(path)
    sheet = book.create_sheet(more["tab"]) if "tab" in more else book["Starts"]
    sheet["A1"] = "entityId *"
    sheet["A2"] = 5141
    if "title" in more:
        sheet.title = more["title"]
    book.save(path)


def test_the_empty_sheet_has_no_rows(blank):
    with pytest.raises(SheetError, match="has no data rows"):
        read_sheet(blank)


def test_a_filled_sheet_knows_where_it_belongs(blank):
    filled(blank)
    frame = read_sheet(blank)
    assert frame["entityId *"].tolist() == [5141]
    assert frame.attrs["origin"] == origin_of(TEMPLATE, "p.example")


def test_rows_are_found_in_a_renamed_tab(blank):
    filled(blank, title="My deals")
    frame = read_sheet(blank)
    assert frame.attrs["sheet"].tab == "My deals"
    assert frame.iloc[0, 0] == 5141


def test_a_tab_of_the_analysts_own_is_named_not_guessed(blank):
    filled(blank, tab="Others")
    with pytest.raises(SheetError, match="--tab"):
        read_sheet(blank)
    assert read_sheet(blank, tab="Others").attrs["origin"].template == 713


def test_a_renamed_empty_tab_has_no_rows(blank):
    book = openpyxl.load_workbook(blank)
    book["Starts"].title = "My deals"
    book.save(blank)
    with pytest.raises(SheetError, match="has no data rows"):
        read_sheet(blank)


def test_a_tab_that_was_asked_for_is_read_as_it_is(blank):
    assert read_sheet(blank, tab=TAB, header_row=1).iloc[0, 0] == "templateId"


@pytest.mark.parametrize("lines", [[], [["x"]], [["name", "value"], ["templateId", "soon"]]])
def test_a_tab_of_that_name_which_is_not_ours_means_nothing(tmp_path, lines):
    book = openpyxl.Workbook()
    book.active.append(["ID"])
    book.active.append([7])
    other = book.create_sheet(TAB)
    for line in lines:
        other.append(line)
    book.save(tmp_path / "own.xlsx")
    frame = read_sheet(tmp_path / "own.xlsx")
    assert frame["ID"].tolist() == [7]
    assert "origin" not in frame.attrs


def test_a_csv_file_comes_from_nowhere(tmp_path):
    (tmp_path / "a.csv").write_text("ID\n7\n", encoding="utf-8")
    assert "origin" not in read_sheet(tmp_path / "a.csv").attrs

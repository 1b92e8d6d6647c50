from __future__ import annotations

import copy
import datetime as dt
from pathlib import Path

import pandas as pd
import pytest
from openpyxl import Workbook

from bulkstart.errors import SheetError
from bulkstart.model import ErrorCell, SheetSource, UncalculatedCell
from bulkstart.sheet_read import read_sheet
from tests.sheet_files import HEADER, STYLES, workbook, worksheet


def _csv(folder: Path, text: str, **options: object) -> pd.DataFrame:
    path = folder / "deals.csv"
    path.write_bytes(text.encode(str(options.get("encoding", "utf-8"))))
    return read_sheet(path, **options)  # type: ignore[arg-type]  # the options are tested one by one


def _source(frame: pd.DataFrame) -> SheetSource:
    source = frame.attrs["sheet"]
    assert isinstance(source, SheetSource)
    return source


def test_a_csv_file_becomes_texts_by_record_number(tmp_path: Path) -> None:
    frame = _csv(tmp_path, "ID;Title;Sum;ID\n 5141 ;00042;;NA\n\n;;;\n5143;null;1,50;\n")
    assert frame.index.tolist() == [2, 5]
    assert frame.columns.tolist() == ["ID", "Title", "Sum", "ID"]
    assert set(map(str, frame.dtypes)) == {"object"}
    assert frame.to_numpy().tolist() == [[" 5141 ", "00042", "", "NA"], ["5143", "null", "1,50", ""]]
    source = _source(frame)
    assert (source.format, source.tab, source.header_row, source.letters, source.blank_rows) == (
        "csv",
        None,
        1,
        ("A", "B", "C", "D"),
        2,
    )
    assert source.notes == ("header in row 1, 2 data rows, 2 blank rows skipped", "encoding utf-8, delimiter ';'")
    assert (source.encoding, source.delimiter, source.path) == ("utf-8", ";", str(tmp_path / "deals.csv"))


def test_a_workbook_keeps_every_cell_what_it_is(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    sheet.title = "Deals"
    row = [
        5141,
        "00099999",
        1.5,
        True,
        dt.date(2026, 1, 2),
        dt.datetime(2026, 1, 2, 3, 4),  # noqa: DTZ001  cells have no zone
        dt.time(9, 30),
        "#N/A",
        "=A1+1",
        None,
        10**16,
    ]
    for place, cells in ((3, ["ID", "Code", "Sum", "Paid", "Day", "When", "At", "Error", "Sum 2", "Blank", "Long"]), (5, row)):
        for column, cell in enumerate(cells, 2):
            sheet.cell(place, column, cell)
    sheet["A1"] = "Deals of May"
    book.create_sheet("Legend")
    book.save(tmp_path / "deals.xlsx")
    frame = read_sheet(tmp_path / "deals.xlsx")
    cells = frame.loc[5].tolist()
    assert cells == [*row[:7], ErrorCell("#N/A"), UncalculatedCell("=A1+1"), None, 1e16]
    assert [type(cell) for cell in cells] == [
        int,
        str,
        float,
        bool,
        dt.date,
        dt.datetime,
        dt.time,
        ErrorCell,
        UncalculatedCell,
        type(None),
        float,
    ]
    source = _source(frame)
    assert source.letters == tuple("BCDEFGHIJKL")
    assert source.notes == (
        "tab 'Deals' (1 of 2), header in row 3, 1 data row, 1 blank row skipped",
        "1 row above the header left out",
    )
    assert (source.format, source.encoding, source.delimiter) == ("xlsx", None, None)


def test_the_bytes_decide_and_not_the_name(tmp_path: Path) -> None:
    workbook(tmp_path / "deals.csv", HEADER + '<row r="2"><c r="A2"><v>5141</v></c></row>')
    assert _source(read_sheet(tmp_path / "deals.csv")).format == "xlsx"
    (tmp_path / "deals.xlsx").write_text("ID\tTitle\n5141\tx\n")
    assert _source(read_sheet(tmp_path / "deals.xlsx")).delimiter == "\t"


@pytest.mark.parametrize("text", ["ID;Title;\n1;a;\n2;b;\n", "ID;Title\n1;a;\n2;b;\n", "ID;Title;\n1;a\n2;b\n"])
def test_a_delimiter_at_the_line_ends_makes_no_column_and_no_shift(tmp_path: Path, text: str) -> None:
    frame = _csv(tmp_path, text)
    assert frame.columns.tolist() == ["ID", "Title"]
    assert frame.to_numpy().tolist() == [["1", "a"], ["2", "b"]]
    assert frame.attrs["ragged"] == {}


def test_a_column_is_a_phantom_only_where_header_and_cells_are_blank(tmp_path: Path) -> None:
    frame = _csv(tmp_path, "ID;;Title;\n1;;a;x\n2;;b;\n")
    assert (frame.columns.tolist(), _source(frame).letters) == (["ID", "Title", ""], ("A", "C", "D"))
    assert frame.to_numpy().tolist() == [["1", "a", "x"], ["2", "b", ""]]


def test_rows_that_do_not_fit_the_header_are_kept_and_listed(tmp_path: Path) -> None:
    frame = _csv(tmp_path, 'ID;Title;Sum\n1;a;2;3\n2;b\n3;c;4;;\n4;"d"x;5\n5;e;6\n')
    assert frame.attrs["ragged"] == {2: 4, 3: 2, 5: 3}
    assert frame.to_numpy().tolist() == [["1", "a", "2"], ["2", "b", ""], ["3", "c", "4"], ["4", "dx", "5"], ["5", "e", "6"]]
    assert any("row 5: a quote in line 5" in note for note in _source(frame).notes)


def test_rows_and_lines_that_differ_are_said(tmp_path: Path) -> None:
    frame = _csv(tmp_path, 'ID;Title\n1;"a\nb"\n2;c\n')
    assert frame.index.tolist() == [2, 3]
    assert any("row 3 begins in line 4" in note for note in _source(frame).notes)


def test_a_given_header_row_is_obeyed(tmp_path: Path) -> None:
    text = "ID;Title\nDEAL_ID;TITLE\n1;a\n"
    with pytest.raises(SheetError, match="--header-row"):
        _csv(tmp_path, text)
    assert _csv(tmp_path, text, header_row=2).columns.tolist() == ["DEAL_ID", "TITLE"]
    with pytest.raises(SheetError, match="row 9 is blank or not there"):
        _csv(tmp_path, text, header_row=9)


def test_names_of_a_mapping_help_to_find_the_header(tmp_path: Path) -> None:
    text = "Report;May\nAcme;2026\nNumber of it;Title\n1;a\n"
    assert _source(_csv(tmp_path, text)).header_row == 1
    assert _source(_csv(tmp_path, text, expected=("Number of it",))).header_row == 3


def test_a_guessed_header_is_said(tmp_path: Path) -> None:
    assert _source(_csv(tmp_path, "Code;Name\nA;1\n")).notes[1].startswith("no row names an id column; row 1 was taken")


@pytest.mark.parametrize("text", ["ID;Title\n", "\n\n;;\n", "Список сделок пуст!", " \n"])
def test_nothing_below_the_header_is_no_data_rows(tmp_path: Path, text: str) -> None:
    with pytest.raises(SheetError, match="no data rows"):
        _csv(tmp_path, text)


def test_an_empty_tab_that_was_asked_for_is_no_data_rows(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", {"Deals": "", "Won": HEADER})
    for tab in ("Deals", "Won"):
        with pytest.raises(SheetError, match=f"tab '{tab}' has no data rows"):
            read_sheet(path, tab=tab)


def test_a_csv_file_has_one_tab(tmp_path: Path) -> None:
    assert len(_csv(tmp_path, "ID\n1\n", tab=1)) == 1
    with pytest.raises(SheetError, match="no tabs"):
        _csv(tmp_path, "ID\n1\n", tab="Deals")


def test_hidden_rows_are_kept_and_said(tmp_path: Path) -> None:
    frame = read_sheet(
        workbook(tmp_path / "x.xlsx", HEADER + '<row r="2" hidden="1"><c><v>1</v></c></row><row r="3"><c><v>2</v></c></row>')
    )
    assert frame["ID"].tolist() == [1, 2]
    assert any(note.startswith("1 hidden row") for note in _source(frame).notes)


def test_a_cell_at_the_far_corner_is_a_row_and_a_column_of_its_own(tmp_path: Path) -> None:
    far = '<row r="1048576"><c r="XFD1048576"><v>9</v></c></row>'
    frame = read_sheet(workbook(tmp_path / "x.xlsx", HEADER + '<row r="2"><c><v>1</v></c></row>' + far))
    assert (frame.shape, _source(frame).letters, frame.index.tolist()) == ((2, 3), ("A", "B", "XFD"), [2, 1_048_576])


def test_options_of_csv_files_mean_nothing_for_a_workbook(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", HEADER + '<row r="2"><c><v>1</v></c></row>')
    assert (
        "--encoding and --delimiter mean nothing for a workbook"
        in _source(read_sheet(path, encoding="utf-8", delimiter=";")).notes
    )


def test_the_override_of_the_encoding_is_used(tmp_path: Path) -> None:
    frame = _csv(tmp_path, "ID;Имя\n1;Пётр\n", encoding="koi8-r")
    assert (frame.iloc[0, 1], _source(frame).encoding) == ("Пётр", "koi8-r")


def test_attributes_survive_what_pandas_does_to_them(tmp_path: Path) -> None:
    frame = _csv(tmp_path, "ID;Title\n1;a\n")
    assert copy.deepcopy(frame.attrs) == frame.attrs
    assert frame.copy().attrs["sheet"] == frame.attrs["sheet"]


_HOW = {3: 'hidden="1"', 4: 'hidden="true"', 6: 'ht="0"'}
_FILTERED = "".join(
    f'<row r="{number}" {_HOW.get(number, "")}><c r="A{number}"><v>{5140 + number}</v></c><c r="B{number}"><v>1</v></c></row>'
    for number in range(2, 8)
)


def test_hidden_rows_are_left_out_where_only_visible_ones_are_wanted(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", HEADER + _FILTERED)
    frame = read_sheet(path, visible_only=True)
    assert (frame.index.tolist(), frame["ID"].tolist()) == ([2, 5, 7], [5142, 5145, 5147])
    assert "3 hidden rows (a filter, perhaps), left out (--visible-only)" in _source(frame).notes
    assert (_source(frame).blank_rows, _source(read_sheet(path)).blank_rows) == (0, 0), "hidden rows are no blank ones"
    assert (_source(frame).visible_only, _source(read_sheet(path)).visible_only) == (True, False)
    assert len(read_sheet(path)) == 6


def test_a_header_is_found_though_it_is_hidden(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", HEADER.replace('r="1"', 'r="1" hidden="1"', 1) + _FILTERED)
    frame = read_sheet(path, visible_only=True)
    assert (frame.columns.tolist(), frame.index.tolist()) == (["ID", "Title"], [2, 5, 7])


def test_a_sheet_whose_rows_are_all_hidden_says_so(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", HEADER + '<row r="2" hidden="1"><c r="A2"><v>1</v></c></row>')
    with pytest.raises(SheetError, match=r"all rows below its header are hidden; leave --visible-only out"):
        read_sheet(path, visible_only=True)


def test_hidden_columns_that_hold_something_are_named(tmp_path: Path) -> None:
    sheet = worksheet(HEADER + _FILTERED).replace("<sheetData>", '<cols><col min="2" max="5" hidden="1"/></cols><sheetData>')
    frame = read_sheet(workbook(tmp_path / "x.xlsx", "", parts={"xl/worksheets/sheet1.xml": sheet}))
    assert "1 hidden column (B), read like the others" in _source(frame).notes
    assert frame["Title"].tolist() == [1] * 6


def test_an_id_that_its_format_shows_as_another_one_is_told_apart(tmp_path: Path) -> None:
    styles = STYLES.replace("</numFmts>", '<numFmt numFmtId="170" formatCode="00000"/></numFmts>').replace(
        "</cellXfs>", '<xf numFmtId="170"/><xf numFmtId="3"/><xf numFmtId="9"/></cellXfs>'
    )
    rows = "".join(f'<row r="{n}"><c r="A{n}" s="{style}"><v>5141</v></c></row>' for n, style in ((2, 5), (3, 6), (4, 7), (5, 0)))
    frame = read_sheet(workbook(tmp_path / "x.xlsx", HEADER + rows, parts={"xl/styles.xml": styles}))
    assert [getattr(cell, "shown", "") for cell in frame["ID"]] == ["05141", "", "514100%", ""]
    assert frame["ID"].tolist() == [5141] * 4


def test_western_letters_are_a_guess_that_is_said_where_there_are_many(tmp_path: Path) -> None:
    words = "ID;Población\n" + "".join(f"{n};Dirección número {n}, São Tomé\n" for n in range(1, 12))
    (tmp_path / "x.csv").write_bytes(words.encode("windows-1252"))
    frame = read_sheet(tmp_path / "x.csv")
    assert frame.iloc[0, 1] == "Dirección número 1, São Tomé"
    assert any("windows-1252 is a guess that reads 'Población'" in note for note in _source(frame).notes)
    for encoding, text in (
        ("windows-1250", "ID;Łódź\n" + "1;Zażółć gęślą jaźń\n" * 20),
        ("koi8-r", "ID;Имя\n" + "1;Пётр\n" * 20),
    ):
        (tmp_path / "x.csv").write_bytes(text.encode(encoding))
        with pytest.raises(SheetError, match="--encoding"):
            read_sheet(tmp_path / "x.csv")

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from openpyxl import Workbook
from python_calamine import CalamineWorkbook

from bulkstart.errors import SheetError
from bulkstart.result_columns import RESULT_COLUMNS, Status
from bulkstart.sheet import read_sheet, write_sheet

STATUSES = list(Status)


def _results(frame: pd.DataFrame) -> pd.DataFrame:
    kept = frame[[name for name in frame.columns if name not in RESULT_COLUMNS]].copy()
    for name in RESULT_COLUMNS:
        kept[name] = ""
    kept["startStatus"] = [str(STATUSES[place % len(STATUSES)]) for place in range(len(kept))]
    kept["attempts"] = 1
    kept["errorMessage"] = "=1+1"
    kept.attrs = frame.attrs
    return kept


def _deals(folder: Path) -> Path:
    book = Workbook()
    sheet: Any = book.active
    sheet.title = "Deals & more"
    sheet["C1"] = "Deals of May"
    for column, name in enumerate(("ID", "Title", "Day", "Long"), 2):
        sheet.cell(3, column, name)
    for row in (4, 5, 7, 8, 9, 10, 11, 12, 13):
        for column, value in enumerate((5000 + row, f"00{row}", dt.date(2026, 1, row), 0.125), 2):
            sheet.cell(row, column, value)
    sheet["C5"], sheet["C5"].data_type = "=HYPERLINK()", "s"
    sheet["C7"] = "#REF!"
    sheet["C8"], sheet["C8"].data_type = "#REF!", "s"
    book.create_sheet("Legend")
    book.save(folder / "deals.xlsx")
    with zipfile.ZipFile(folder / "deals.xlsx", "a") as package:  # signed, so that the results are a plain workbook
        package.writestr("_xmlsignatures/origin.sigs", "")
    return folder / "deals.xlsx"


def _written(folder: Path) -> tuple[pd.DataFrame, Path, list[str]]:
    source = _deals(folder)
    results = _results(read_sheet(source))
    return results, folder / "r.xlsx", write_sheet(results, folder / "r.xlsx", source=source)


def test_positions_title_rows_types_and_the_tabs_name_are_kept(tmp_path: Path) -> None:
    _, path, notes = _written(tmp_path)
    sheet = openpyxl.load_workbook(path)["Deals & more"]
    assert sheet["C1"].value == "Deals of May"
    assert [cell.value for cell in sheet[3]] == [None, "ID", "Title", "Day", "Long", *RESULT_COLUMNS]
    assert [cell.value for cell in sheet[4]][:5] == [None, 5004, "004", dt.datetime(2026, 1, 4), 0.125]  # noqa: DTZ001  cells have no zone
    assert (sheet["D4"].is_date, sheet["C4"].data_type, sheet["B4"].data_type) == (True, "s", "n")
    assert [cell.value for cell in sheet[6]] == [None] * 11
    assert (sheet.freeze_panes, sheet["B3"].font.bold) == ("A4", True)
    assert notes == [
        "the results are a plain workbook: formats, formulas and 1 other tab stay in deals.xlsx only, since it is signed, and a changed copy would not be"
    ]


def test_no_cell_becomes_a_formula_and_errors_stay_errors(tmp_path: Path) -> None:
    _, path, _ = _written(tmp_path)
    sheet = openpyxl.load_workbook(path)["Deals & more"]
    assert [sheet[cell].value for cell in ("C5", "C7", "C8", "I4")] == ["=HYPERLINK()", "#REF!", "#REF!", "=1+1"]
    found = read_sheet(path)
    assert [type(cell).__name__ for cell in found["Title"].tolist()[:4]] == ["str", "str", "ErrorCell", "str"]
    assert not any(
        cell.data_type == "f" for row in sheet for cell in row if cell.coordinate not in ("C5", *(f"I{n}" for n in range(4, 14)))
    )


def test_the_status_is_coloured_by_conditions_that_follow_the_cell(tmp_path: Path) -> None:
    _, path, _ = _written(tmp_path)
    sheet = openpyxl.load_workbook(path)["Deals & more"]
    (area,) = sheet.conditional_formatting
    assert str(area.sqref) == "F4:F13"
    assert {rule.formula[0].strip('"') for rule in area.rules} == set(STATUSES)
    assert all(rule.dxf.fill.bgColor.rgb for rule in area.rules)


def test_failed_rows_are_those_that_may_be_tried_again_and_can_be_fed_back(tmp_path: Path) -> None:
    results, path, _ = _written(tmp_path)
    failed = read_sheet(path, tab="Failed rows")
    assert set(failed["startStatus"]) == {"invalid", "refused", "gave_up", "not_attempted"}
    assert failed.columns.tolist() == results.columns.tolist()
    expected = results[results["startStatus"].isin(["invalid", "refused", "gave_up", "not_attempted"])]
    assert failed["ID"].tolist() == expected["ID"].tolist()
    assert failed.attrs["sheet"].letters == tuple("BCDEFGHIJK")


def test_a_tab_that_is_named_failed_rows_keeps_its_name(tmp_path: Path) -> None:
    _, path, _ = _written(tmp_path)
    failed = read_sheet(path, tab="Failed rows")
    failed["ID"] = 1  # no longer what the sheet holds, so that the results are a plain workbook
    write_sheet(_results(failed), tmp_path / "r-2.xlsx", source=path)
    assert CalamineWorkbook.from_path(str(tmp_path / "r-2.xlsx")).sheet_names == ["Failed rows", "Failed rows 2"]


def test_other_programs_read_what_was_written(tmp_path: Path) -> None:
    results, path, _ = _written(tmp_path)
    rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python(skip_empty_area=False)
    assert rows[3][1:3] == [5004.0, "004"]
    assert len(rows) == 13
    assert (
        pd.read_excel(path, header=2, dtype=object, engine="calamine")["startStatus"].dropna().tolist()
        == results["startStatus"].tolist()
    )


def test_results_of_results_say_the_same(tmp_path: Path) -> None:
    _, path, _ = _written(tmp_path)
    write_sheet(_results(read_sheet(path)), tmp_path / "r-2.xlsx", source=path)
    pd.testing.assert_frame_equal(read_sheet(path), read_sheet(tmp_path / "r-2.xlsx"))


def test_more_rows_than_a_sheet_has_are_for_csv(tmp_path: Path) -> None:
    frame = _results(pd.DataFrame({"ID": range(1_048_576)}))
    with pytest.raises(SheetError, match=r"1,048,576 rows.*\.csv"):
        write_sheet(frame, tmp_path / "r.xlsx")


def test_a_workbook_named_xlsm_says_so_inside(tmp_path: Path) -> None:
    write_sheet(_results(pd.DataFrame({"ID": [1]})), tmp_path / "r.xlsm")
    assert openpyxl.load_workbook(tmp_path / "r.xlsm", keep_vba=True).mime_type.endswith("macroEnabled.main+xml")


def test_texts_that_were_cut_are_said(tmp_path: Path) -> None:
    frame = _results(pd.DataFrame({"ID": [1], "Text": ["a" * 40_000]}))
    assert write_sheet(frame, tmp_path / "r.xlsx") == ["1 texts were cut to the 32,767 characters that a cell holds"]

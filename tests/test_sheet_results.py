"""Every tab that holds results is found, wherever its header stands, and nothing else."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from bulkstart.errors import SheetError
from bulkstart.result_columns import RESULT_COLUMNS
from bulkstart.sheet_results import read_results

ROW = ["started", "w.1", "", "", "1", "2026-11-22T06:00:00+00:00"]


def test_each_tab_with_the_six_columns_and_a_row_is_read_below_its_own_header(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    first, second, empty, other = (book.active, *(book.create_sheet(name) for name in ("Failed rows", "Empty", "Other")))
    for row in (["My deals"], [], ["ID", *RESULT_COLUMNS], [5141, *ROW]):
        first.append(row)
    for row in (["ID", *RESULT_COLUMNS], [5142, *ROW], [5143, *ROW]):
        second.append(row)
    empty.append(["ID", *RESULT_COLUMNS])
    other.append(["ID", "startStatus"])
    other.append([1, "started"])
    book.save(tmp_path / "r.xlsx")
    assert [frame["ID"].tolist() for frame in read_results(tmp_path / "r.xlsx")] == [[5141], [5142, 5143]]


@pytest.mark.parametrize(("names", "tables"), [(RESULT_COLUMNS, 1), (RESULT_COLUMNS[:-1], 0)])
def test_a_csv_file_holds_results_where_it_has_all_six_columns(tmp_path: Path, names: list[str], tables: int) -> None:
    path = tmp_path / "r.csv"
    path.write_text(f"ID,{','.join(names)}\n5141,{','.join(ROW[: len(names)])}\n", encoding="utf-8")
    assert len(read_results(path)) == tables


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "r.xlsx").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(SheetError, match=r"r\.xlsx"):
        read_results(tmp_path / "r.xlsx")

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bulkstart.model import UncalculatedCell
from bulkstart.result_columns import RESULT_COLUMNS
from bulkstart.sheet import read_sheet, write_sheet
from bulkstart.sheet_layout import layout_of, table_of
from tests.sheet_files import HEADER, workbook

CSV = "Deals of May;\n\nID;Title\n1;a\n\n2;b\n"


def _frame(folder: Path, text: str = CSV) -> tuple[pd.DataFrame, Path]:
    path = folder / "deals.csv"
    path.write_text(text)
    frame = read_sheet(path)
    for name in RESULT_COLUMNS:
        frame[name] = "x"
    return frame, path


def test_the_last_six_columns_of_that_name_are_the_results_with_what_follows_them() -> None:
    names = [*RESULT_COLUMNS, "ID", *RESULT_COLUMNS, "requestBody"]
    table = table_of(pd.DataFrame([["x"] * len(names)], columns=names))
    assert (table.own, table.results) == (7, (*RESULT_COLUMNS, "requestBody"))


@pytest.mark.parametrize("name", ["r.csv", "r.xlsx"])
def test_a_formula_without_a_result_never_comes_back_as_a_value(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame([[1, UncalculatedCell("=A1")]], columns=["ID", "Sum"], dtype=object)
    assert write_sheet(frame, tmp_path / name) == ["1 formulas without a result are written as #N/A"]
    assert read_sheet(tmp_path / name)["Sum"].tolist() == ["#N/A"]


def test_a_frame_without_results_is_all_the_analysts_own() -> None:
    table = table_of(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    assert (table.own, table.columns) == (2, ([1], [2]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.iloc[::-1], "row numbers in order"),
        (lambda frame: frame.reset_index(drop=True), "row numbers in order"),
        (lambda frame: frame.set_axis(["x", "y"]), "row numbers in order"),
        (lambda frame: pd.concat([frame, frame]), "row numbers in order"),
        (lambda frame: frame.set_axis([4, 4]), "row numbers in order"),
        (lambda frame: frame.assign(ID="1").rename(columns={"Title": "Name"}), "other columns"),
    ],
)
def test_a_frame_that_no_longer_fits_its_sheet_is_written_plainly_and_said(tmp_path: Path, change: object, said: str) -> None:
    frame, path = _frame(tmp_path)
    attrs = frame.attrs
    changed = change(frame)  # type: ignore[operator]
    changed.attrs = attrs
    (note,) = write_sheet(changed, tmp_path / "r.csv", source=path)
    assert said in note
    lines = (tmp_path / "r.csv").read_text().split("\n")
    assert lines[0].startswith(("ID;Title;startStatus", "ID;Name;startStatus"))
    assert len(lines) == len(changed) + 2


def test_rows_that_were_filtered_out_leave_blank_ones(tmp_path: Path) -> None:
    frame, path = _frame(tmp_path)
    assert write_sheet(frame[frame["ID"] == "2"], tmp_path / "r.csv", source=path) == []
    assert [line[:3] for line in (tmp_path / "r.csv").read_text().split("\n")] == ["Dea", "", "ID;", "", "", "2;b", ""]


def test_columns_that_were_dropped_close_up(tmp_path: Path) -> None:
    frame, path = _frame(tmp_path, "ID;A;B\n1;a;b\n")
    write_sheet(frame.drop(columns="A"), tmp_path / "r.csv", source=path)
    assert (tmp_path / "r.csv").read_text().startswith("ID;B;startStatus")


def test_a_source_that_changed_or_is_gone_is_said(tmp_path: Path) -> None:
    frame, path = _frame(tmp_path)
    path.write_text("Title;ID\na;1\n")
    assert "changed after it was read" in write_sheet(frame, tmp_path / "r.csv", source=path)[0]
    path.unlink()
    assert "does not exist" in write_sheet(frame, tmp_path / "r.csv", source=path)[0]
    assert (tmp_path / "r.csv").exists()


def test_a_source_of_another_kind_gives_a_plain_file(tmp_path: Path) -> None:
    frame, path = _frame(tmp_path)
    assert write_sheet(frame, tmp_path / "r.xlsx", source=path) == []
    assert read_sheet(tmp_path / "r.xlsx").index.tolist() == [2, 3]
    book = workbook(tmp_path / "d.xlsx", HEADER + '<row r="3"><c><v>1</v></c></row>')
    write_sheet(read_sheet(book), tmp_path / "r.csv", source=book)
    assert (tmp_path / "r.csv").read_bytes() == b"\xef\xbb\xbfID,Title\r\n1,\r\n"


def test_the_source_alone_is_enough_where_the_frame_lost_its_attributes(tmp_path: Path) -> None:
    frame, path = _frame(tmp_path)
    frame.attrs = {}
    layout = layout_of(frame, table_of(frame), path, "csv")
    assert (layout.header_row, list(layout.numbers), layout.notes) == (3, [4, 6], ())


def test_a_plain_workbook_has_room_for_the_results_of_a_sheet_with_a_cell_in_the_last_column(tmp_path: Path) -> None:
    rows = HEADER + '<!-- so it is not patched --><row r="2"><c r="A2"><v>1</v></c><c r="XFD2"><v>2</v></c></row>'
    path = workbook(tmp_path / "d.xlsx", rows)
    frame = read_sheet(path)
    results = pd.concat([frame, pd.DataFrame([[""] * 6], index=frame.index, columns=list(RESULT_COLUMNS))], axis=1)
    results.attrs = frame.attrs
    notes = write_sheet(results, tmp_path / "r.xlsx", source=path)
    assert notes[1] == "the columns close up, since none are left behind column XFD"
    assert read_sheet(tmp_path / "r.xlsx").columns.tolist() == ["ID", "Title", "", *RESULT_COLUMNS]

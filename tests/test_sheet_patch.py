"""Results in the analyst's own workbook, through ``write_sheet``: what changes, and that nothing else does."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from bulkstart.model import Outcome
from bulkstart.result_columns import RESULT_COLUMNS, Status
from bulkstart.results import results_frame
from bulkstart.sheet import read_sheet, write_sheet
from tests.rich_workbook import HEADER_ROW, ROWS, SHEET, parts, rich
from tests.sheet_files import HEADER, workbook

STATUSES = list(Status)
CHANGED = {SHEET, "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/styles.xml", "[Content_Types].xml"}
FAILED = {"invalid", "refused", "gave_up", "not_attempted"}


def outcome(position: int, status: Status | None = None) -> Outcome:
    status = status or STATUSES[position % len(STATUSES)]
    if status in (Status.STARTED, Status.ALREADY_STARTED):
        return Outcome(position, status, f"69f0c2d5.{position}", attempts=1, started_at="2026-11-22T06:00:00+00:00")
    return Outcome(position, status, "", "CODE", f"=HYPERLINK() <&> {position}\x0b_x0041_", 1)


def results_of(frame: pd.DataFrame, status: Status | None = None, **more: Any) -> pd.DataFrame:
    return results_frame(frame, [outcome(position, status) for position in range(len(frame))], **more)


@pytest.fixture
def written(tmp_path: Path) -> tuple[pd.DataFrame, Path, Path]:
    source = rich(tmp_path / "deals.xlsx")
    results = results_of(read_sheet(source, tab="Deals"))
    assert write_sheet(results, tmp_path / "r.xlsx", source=source) == []
    return results, source, tmp_path / "r.xlsx"


def again(path: Path, target: Path, status: Status | None = None, **options: Any) -> pd.DataFrame:
    frame = read_sheet(path, tab="Deals")
    assert write_sheet(results_of(frame, status, **options), target, source=path) == []
    return read_sheet(target, tab="Deals")


# --------------------------------------------------------------------------------------------------- what is kept


def test_every_other_part_is_byte_for_byte_the_same(written: tuple[pd.DataFrame, Path, Path]) -> None:
    _, source, path = written
    before, after = parts(source), parts(path)
    assert {name for name in before if before[name] != after.get(name)} == CHANGED
    assert set(after) - set(before) == {"xl/worksheets/sheet4.xml"}
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path) as new:
        packed = [
            (entry.filename, entry.compress_size, entry.date_time) for entry in old.infolist() if entry.filename not in CHANGED
        ]
        assert packed == [
            (e.filename, e.compress_size, e.date_time)
            for e in new.infolist()
            if e.filename in dict.fromkeys(before) and e.filename not in CHANGED
        ]


def test_the_changed_parts_are_the_old_ones_with_something_put_in(written: tuple[pd.DataFrame, Path, Path]) -> None:
    _, source, path = written
    before, after = parts(source), parts(path)
    for name in CHANGED - {SHEET, "xl/styles.xml"}:
        place = next(n for n, (a, b) in enumerate(zip(before[name], after[name], strict=False)) if a != b)
        grown = len(after[name]) - len(before[name])
        assert any(after[name][:p] + after[name][p + grown :] == before[name] for p in range(place - 20, place + 1))
    assert before["xl/styles.xml"].split(b"<dxfs")[0] == after["xl/styles.xml"].split(b"<dxfs")[0]
    cells = re.compile(rb'<c r="[A-I]\d+".*?(?:/>|</c>)')
    assert cells.findall(before[SHEET]) == cells.findall(after[SHEET])
    tail = [
        re.sub(rb"<conditionalFormatting.*</conditionalFormatting>", b"", xml.split(b"</sheetData>")[1])
        for xml in (before[SHEET], after[SHEET])
    ]
    assert tail[0] == tail[1]
    assert b"x14:dataValidation" in tail[1]


def test_rows_stay_hidden_panes_frozen_and_the_sheet_protected(written: tuple[pd.DataFrame, Path, Path]) -> None:
    _, _, path = written
    sheet = openpyxl.load_workbook(path)["Deals"]
    assert (sheet.row_dimensions[7].hidden, sheet.freeze_panes, sheet.protection.sheet) == (True, "B4", True)
    assert (sheet.auto_filter.ref, str(next(iter(sheet.merged_cells.ranges)))) == ("A3:F43", "A1:F1")
    assert sheet["F4"].value == "=D4*2"


# ------------------------------------------------------------------------------------------------ what is put in


def test_results_stand_right_of_cells_shapes_and_charts_in_the_rows_they_belong_to(
    written: tuple[pd.DataFrame, Path, Path],
) -> None:
    results, _, path = written
    found = read_sheet(path, tab="Deals")
    first = found.columns.tolist().index("startStatus")
    assert found.attrs["sheet"].letters[first] == "K"  # a note stands in I, a shape reaches into J
    assert found.index.tolist() == results.index.tolist()
    for name in ("ID", "Code", "Kind", "Sum", "Name", "Twice", *RESULT_COLUMNS):
        assert [value or "" for value in found[name]] == results[name].tolist()
    sheet = openpyxl.load_workbook(path)["Deals"]
    assert [cell.value for cell in sheet[HEADER_ROW]][10:] == list(RESULT_COLUMNS)
    assert sheet["K3"].font.bold
    assert sheet.dimensions == f"A1:P{HEADER_ROW + ROWS}"


def test_columns_that_were_hidden_to_the_end_show_the_results(written: tuple[pd.DataFrame, Path, Path]) -> None:
    _, _, path = written
    xml = parts(path)[SHEET].decode()
    hidden = [(int(low), int(high)) for low, high in re.findall(r'<col [^>]*?min="(\d+)" max="(\d+)"', xml) if high != low]
    shown = re.findall(r'<col min="(\d+)" max="\1" width="\d+" customWidth="1"/>', xml)
    assert shown == [str(number) for number in range(11, 17)]
    assert all(high < 11 or low > 16 for low, high in hidden)


def test_no_result_can_become_a_formula(written: tuple[pd.DataFrame, Path, Path]) -> None:
    results, _, path = written
    book = openpyxl.load_workbook(path)
    for tab, first in (("Deals", 11), ("Failed rows", 11)):
        cells = [cell for row in book[tab].iter_rows(min_col=first, max_col=first + 5) for cell in row if cell.value is not None]
        assert {cell.data_type for cell in cells if cell.column != first + 4} <= {"s", "inlineStr"}
    assert "<f>" not in re.sub(
        r'<c r="[A-F]\d+".*?</c>', "", parts(path)[SHEET].decode().split("<sheetData>")[1].split("</sheetData>")[0]
    )
    assert read_sheet(path, tab="Deals")["errorMessage"].dropna().tolist() == [text for text in results["errorMessage"] if text]


def test_colours_are_put_on_the_new_column_only_and_after_the_analysts_own(written: tuple[pd.DataFrame, Path, Path]) -> None:
    _, _, path = written
    sheet = openpyxl.load_workbook(path)["Deals"]
    own, ours = sheet.conditional_formatting
    assert (str(own.sqref), str(ours.sqref)) == ("D4:D43", f"K4:K{HEADER_ROW + ROWS}")
    assert own.rules[0].dxf.fill.bgColor.rgb == "00FF0000"
    assert {rule.formula[0].strip('"') for rule in ours.rules} == set(STATUSES)
    assert min(rule.priority for rule in ours.rules) > 17
    assert all(rule.dxf.fill.bgColor.rgb for rule in ours.rules)


def test_failed_rows_have_the_analysts_values_and_can_be_fed_back(
    written: tuple[pd.DataFrame, Path, Path], tmp_path: Path
) -> None:
    results, _, path = written
    failed = read_sheet(path, tab="Failed rows")
    assert set(failed["startStatus"]) == FAILED
    expected = results[results["startStatus"].isin(FAILED)]
    for name in ("ID", "Code", "Sum", "Name", "Twice", "errorMessage"):
        assert failed[name].tolist() == expected[name].tolist()
    sheet = openpyxl.load_workbook(path)["Failed rows"]
    assert (sheet["A2"].number_format, sheet["F2"].data_type, sheet.freeze_panes) == ("0.00", "n", "A2")
    assert write_sheet(results_of(failed, Status.STARTED), tmp_path / "f.xlsx", source=path) == []
    assert set(read_sheet(tmp_path / "f.xlsx", tab="Failed rows")["startStatus"]) == {"started"}
    before, after = parts(path), parts(tmp_path / "f.xlsx")
    assert before[SHEET] == after[SHEET]


def test_other_programs_read_what_was_written(written: tuple[pd.DataFrame, Path, Path]) -> None:
    results, _, path = written
    book = CalamineWorkbook.from_path(str(path))
    assert book.sheet_names == ["Legend", "Deals", "Side", "Failed rows"]
    rows = book.get_sheet_by_name("Deals").to_python(skip_empty_area=False)
    assert [row[10] for row in rows[HEADER_ROW:]] == results["startStatus"].tolist()


# ------------------------------------------------------------------------------------------------------ once more


def test_results_are_replaced_in_place_and_the_old_failed_rows_too(
    written: tuple[pd.DataFrame, Path, Path], tmp_path: Path
) -> None:
    _, source, path = written
    found = again(path, tmp_path / "r-2.xlsx", Status.STARTED)
    assert set(found["startStatus"]) == {"started"}
    assert not found["errorMessage"].notna().any()
    assert found.columns.tolist() == read_sheet(path, tab="Deals").columns.tolist()
    before, after = parts(path), parts(tmp_path / "r-2.xlsx")
    assert {name for name in before if before[name] != after[name]} == {SHEET, "xl/worksheets/sheet4.xml"}
    assert set(before) == set(after)
    book = openpyxl.load_workbook(tmp_path / "r-2.xlsx")
    assert book.sheetnames == ["Legend", "Deals", "Side", "Failed rows"]
    assert [str(area.sqref) for area in book["Deals"].conditional_formatting] == ["D4:D43", "K4:K43"]
    assert book["Failed rows"].max_row == 1
    cells = re.compile(rb'<c r="[A-I]\d+".*?(?:/>|</c>)')
    assert cells.findall(parts(source)[SHEET]) == cells.findall(after[SHEET])


def test_the_same_results_once_more_are_the_same_file(written: tuple[pd.DataFrame, Path, Path], tmp_path: Path) -> None:
    _, _, path = written
    again(path, tmp_path / "r-2.xlsx")
    assert (tmp_path / "r-2.xlsx").read_bytes() == path.read_bytes()


def test_what_the_analyst_put_behind_the_results_stays_there(written: tuple[pd.DataFrame, Path, Path], tmp_path: Path) -> None:
    _, _, path = written
    book = openpyxl.load_workbook(path)
    book["Deals"]["Q3"], book["Deals"]["Q4"] = "Checked by", "me"
    book.save(tmp_path / "mine.xlsx")
    results = results_of(read_sheet(tmp_path / "mine.xlsx", tab="Deals"), Status.REFUSED)
    write_sheet(results, tmp_path / "r-2.xlsx", source=tmp_path / "mine.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "r-2.xlsx")["Deals"]
    assert [sheet[cell].value for cell in ("K4", "P3", "Q3", "Q4")] == ["refused", "startedAt", "Checked by", "me"]


def test_a_dry_runs_seventh_column_comes_and_goes(written: tuple[pd.DataFrame, Path, Path], tmp_path: Path) -> None:
    _, _, path = written
    found = again(path, tmp_path / "p.xlsx", Status.PLANNED, bodies={0: {"a": 1}, 1: {}})
    assert found.columns.tolist()[-2:] == ["startedAt", "requestBody"]
    assert found["requestBody"].tolist()[:3] == ['{"a": 1}', "{}", None]
    found = again(tmp_path / "p.xlsx", tmp_path / "r-3.xlsx")
    assert found.columns.tolist()[-1] == "startedAt"


def test_a_formula_in_a_result_column_is_left_to_the_analyst(written: tuple[pd.DataFrame, Path, Path], tmp_path: Path) -> None:
    _, _, path = written
    book = openpyxl.load_workbook(path)
    book["Deals"]["N5"] = "=1+1"
    book.save(tmp_path / "mine.xlsx")
    frame = read_sheet(tmp_path / "mine.xlsx", tab="Deals")
    notes = write_sheet(results_of(frame), tmp_path / "r-2.xlsx", source=tmp_path / "mine.xlsx")
    assert "a formula stands in a result column" in notes[0]
    assert read_sheet(tmp_path / "r-2.xlsx")["startStatus"].tolist() == results_of(frame)["startStatus"].tolist()


def test_a_tab_named_failed_rows_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    row = '<row r="2"><c r="A2"><v>1</v></c></row>'
    source = workbook(tmp_path / "d.xlsx", {"Deals": HEADER + row, "FAILED ROWS": HEADER + row})
    write_sheet(results_of(read_sheet(source), Status.REFUSED), tmp_path / "r.xlsx", source=source)
    assert CalamineWorkbook.from_path(str(tmp_path / "r.xlsx")).sheet_names == ["Deals", "FAILED ROWS", "Failed rows 2"]
    assert parts(source)["xl/worksheets/sheet2.xml"] == parts(tmp_path / "r.xlsx")["xl/worksheets/sheet2.xml"]


# -------------------------------------------------------------------------------------- frames that are not the sheet


def test_rows_that_are_not_in_the_frame_stay_as_they_are(tmp_path: Path) -> None:
    source = rich(tmp_path / "deals.xlsx")
    frame = read_sheet(source, tab="Deals")
    some = frame[frame["ID"] > 5020]
    assert write_sheet(results_of(some), tmp_path / "r.xlsx", source=source) == []
    found = read_sheet(tmp_path / "r.xlsx", tab="Deals")
    assert found["ID"].tolist() == frame["ID"].tolist()
    assert found["startStatus"].dropna().index.tolist() == some.index.tolist()


@pytest.mark.parametrize("change", ["cell", "column", "file", "shuffled"])
def test_a_frame_that_is_no_longer_the_sheet_is_written_plainly_from_its_own_cells(tmp_path: Path, change: str) -> None:
    source = rich(tmp_path / "deals.xlsx")
    frame = read_sheet(source, tab="Deals")
    if change == "cell":
        frame.loc[5, "Name"] = "another"
    elif change == "column":
        frame["More"] = 1
    elif change == "shuffled":
        frame.index = frame.index[::-1]
    else:
        book = openpyxl.load_workbook(source)
        book["Deals"]["A5"] = 7
        book.save(source)
    (note, *_) = write_sheet(results_of(frame), tmp_path / "r.xlsx", source=source)
    assert "plain workbook" in note
    assert "not those of the sheet" in note
    assert read_sheet(tmp_path / "r.xlsx")["ID"].tolist() == frame["ID"].tolist()


def test_a_file_that_was_saved_again_with_the_same_rows_is_patched(tmp_path: Path) -> None:
    source = workbook(tmp_path / "d.xlsx", HEADER + '<row r="2"><c r="A2"><v>1</v></c></row>')
    results = results_of(read_sheet(source))
    with zipfile.ZipFile(source, "a") as package:
        package.writestr("xl/new.bin", "new")
    assert write_sheet(results, tmp_path / "r.xlsx", source=source) == []
    assert parts(tmp_path / "r.xlsx")["xl/new.bin"] == b"new"


def test_a_frame_that_lost_its_attributes_is_found_again_by_its_cells(tmp_path: Path) -> None:
    source = workbook(tmp_path / "d.xlsx", HEADER + '<row r="2"><c r="A2"><v>1</v></c></row>')
    results = results_of(read_sheet(source))
    results.attrs = {}
    assert write_sheet(results, tmp_path / "r.xlsx", source=source) == []


# ------------------------------------------------------------------------------------------------ odd worksheets


def patched(tmp_path: Path, rows: str, **options: Any) -> tuple[pd.DataFrame, str]:
    """Results of a worksheet of such rows: read again, and as XML."""
    source = workbook(tmp_path / "d.xlsx", rows, **options)
    assert write_sheet(results_of(read_sheet(source), Status.REFUSED), tmp_path / "r.xlsx", source=source) == []
    return read_sheet(tmp_path / "r.xlsx"), parts(tmp_path / "r.xlsx")["xl/worksheets/sheet1.xml"].decode()


def test_rows_and_cells_without_references(tmp_path: Path) -> None:
    found, _ = patched(tmp_path, "<row><c t='str'><v>ID</v></c><c t='str'><v>T</v></c></row><row/><row><c><v>5</v></c></row>")
    assert found.columns.tolist() == ["ID", "T", *RESULT_COLUMNS]
    assert found.loc[3].tolist()[:3] == [5, None, "refused"]


def test_spans_and_blank_formatted_cells_make_room(tmp_path: Path) -> None:
    rows = '<row r="2" spans="1:2"><c r="A2"><v>1</v></c><c r="D2" s="1"/></row>'
    found, xml = patched(tmp_path, HEADER + rows)
    assert "spans" not in xml
    assert found.attrs["sheet"].letters == tuple("ABEFGHIJ")


def test_a_cell_in_the_last_column_leaves_room_beside_the_table(tmp_path: Path) -> None:
    found, _ = patched(tmp_path, HEADER + '<row r="2"><c r="A2"><v>1</v></c></row><row r="9"><c r="XFD9"><v>1</v></c></row>')
    assert found.attrs["sheet"].letters == (*"ABCDEFGH", "XFD")
    assert found["startStatus"].tolist() == ["refused", "refused"]


def test_tables_of_the_tab_are_not_overlapped(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.append(["ID", "Name"])
    sheet.append([1, "a"])
    sheet["E1"], sheet["F1"] = "u", "v"
    sheet.add_table(openpyxl.worksheet.table.Table(displayName="T", ref="E1:H5"))
    book.save(tmp_path / "d.xlsx")
    frame = read_sheet(tmp_path / "d.xlsx")
    assert write_sheet(results_of(frame), tmp_path / "r.xlsx", source=tmp_path / "d.xlsx") == []
    assert read_sheet(tmp_path / "r.xlsx").attrs["sheet"].letters[4:6] == ("I", "J")
    assert parts(tmp_path / "d.xlsx")["xl/tables/table1.xml"] == parts(tmp_path / "r.xlsx")["xl/tables/table1.xml"]


@pytest.mark.parametrize("prefix", ["x:", "main.1:"])
def test_prefixed_names_in_strict_ooxml(tmp_path: Path, prefix: str) -> None:
    strict = "http://purl.oclc.org/ooxml/spreadsheetml/main"
    rows = '<row r="1"><c r="A1" t="str"><v>ID</v></c></row><row r="2"><c r="A2" s="1"><v>46000</v></c></row>'
    body = f'<worksheet><dimension ref="A1:A2"/><sheetData>{rows}</sheetData><mergeCells count="1"/></worksheet>'
    xml = re.sub("<(/?)", rf"<\1{prefix}", body).replace("worksheet>", f'worksheet xmlns:{prefix[:-1]}="{strict}">', 1)
    source = workbook(tmp_path / "d.xlsx", rows, parts={"xl/worksheets/sheet1.xml": xml})
    assert write_sheet(results_of(read_sheet(source), Status.REFUSED), tmp_path / "r.xlsx", source=source) == []
    for part in ("xl/worksheets/sheet1.xml", "xl/worksheets/sheet2.xml"):
        text = parts(tmp_path / "r.xlsx")[part].decode()
        assert set(re.findall(r"</?([\w.]+:)?[a-z]", text)) == {prefix}
        assert strict in text
    assert f'<{prefix}dimension ref="A1:G2"/>' in parts(tmp_path / "r.xlsx")["xl/worksheets/sheet1.xml"].decode()
    for tab in ("Deals", "Failed rows"):
        found = read_sheet(tmp_path / "r.xlsx", tab=tab)
        assert (found["ID"].tolist(), found["startStatus"].tolist()) == (read_sheet(source)["ID"].tolist(), ["refused"])


def test_a_formula_without_a_result_stays_a_formula_and_is_an_error_in_the_failed_rows(tmp_path: Path) -> None:
    source = workbook(tmp_path / "d.xlsx", HEADER + '<row r="2"><c r="A2"><v>1</v></c><c r="B2"><f>A2</f></c></row>')
    notes = write_sheet(results_of(read_sheet(source), Status.INVALID), tmp_path / "r.xlsx", source=source)
    assert notes == ["1 formulas without a result are written as #N/A in the failed rows"]
    assert [str(read_sheet(tmp_path / "r.xlsx", tab=tab)["Title"].iloc[0]) for tab in ("Deals", "Failed rows")] == ["=A2", "#N/A"]


@pytest.mark.parametrize("xml", ["<!-- here -->", "<?pi x?>"])
def test_comments_between_the_rows_make_it_a_plain_workbook(tmp_path: Path, xml: str) -> None:
    source = workbook(tmp_path / "d.xlsx", HEADER + xml + '<row r="2"><c r="A2"><v>1</v></c></row>')
    (note,) = write_sheet(results_of(read_sheet(source)), tmp_path / "r.xlsx", source=source)
    assert note.endswith("stay in d.xlsx only, since comments stand between its cells")


def test_a_part_that_is_damaged_where_nobody_reads_makes_it_a_plain_workbook(tmp_path: Path) -> None:
    source = workbook(tmp_path / "d.xlsx", HEADER + '<row r="2"><c r="A2"><v>1</v></c></row>', parts={"xl/a.bin": b"a"})
    raw = source.read_bytes()
    place = raw.index(b"xl/a.bin") - 30
    source.write_bytes(raw[:place] + b"XX" + raw[place + 2 :])
    (note,) = write_sheet(results_of(read_sheet(source), Status.REFUSED), tmp_path / "r.xlsx", source=source)
    assert "plain workbook" in note
    assert "cannot be copied" in note
    assert read_sheet(tmp_path / "r.xlsx")["startStatus"].tolist() == ["refused"]


# ------------------------------------------------------------------------------------------------------- macros


def with_macros(path: Path) -> Path:
    types = '<Types><Override PartName="/xl/workbook.xml" ContentType="application/vnd.ms-excel.sheet.macroEnabled.main+xml"/></Types>'
    rows = HEADER + '<row r="2"><c r="A2"><v>1</v></c></row>'
    return workbook(path, rows, parts={"[Content_Types].xml": types, "xl/vbaProject.bin": bytes(999)})


def test_macros_stay_in_a_file_named_xlsm_and_are_never_in_one_named_xlsx(tmp_path: Path) -> None:
    source = with_macros(tmp_path / "d.xlsm")
    results = results_of(read_sheet(source))
    assert write_sheet(results, tmp_path / "r.xlsm", source=source) == []
    assert parts(tmp_path / "r.xlsm")["xl/vbaProject.bin"] == bytes(999)
    (note,) = write_sheet(results, tmp_path / "r.xlsx", source=source)
    assert "macros may not be in a file named .xlsx" in note
    assert "xl/vbaProject.bin" not in parts(tmp_path / "r.xlsx")


def test_a_template_becomes_a_workbook(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.template = True
    book.active.append(["ID"])  # type: ignore[union-attr]
    book.active.append([1])  # type: ignore[union-attr]
    book.save(tmp_path / "d.xltx")
    assert write_sheet(results_of(read_sheet(tmp_path / "d.xltx")), tmp_path / "r.xlsx", source=tmp_path / "d.xltx") == []
    assert openpyxl.load_workbook(tmp_path / "r.xlsx").mime_type.endswith("spreadsheetml.sheet.main+xml")


# -------------------------------------------------------------------------------------------------- any workbook

_texts = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\ufffe\uffff"), max_size=8)
_cells = st.one_of(
    st.none(), st.integers(-(10**14), 10**14), st.floats(-1e9, 1e9), st.booleans(), _texts, st.just("00042"), st.just("=1+1")
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.one_of(st.integers(1, 10**9), st.from_regex("0{0,3}[1-9][0-9]{0,6}", fullmatch=True)), _cells, _cells),
        min_size=1,
        max_size=12,
    ),
    st.lists(st.sampled_from(STATUSES), min_size=12, max_size=12),
    st.integers(0, 2),
    st.sets(st.integers(0, 11)),
)
def test_ids_and_untouched_cells_are_read_back_as_they_were(
    tmp_path: Path, rows: list[tuple[object, ...]], statuses: list[Status], titles: int, blank_before: set[int]
) -> None:
    book = openpyxl.Workbook()
    sheet: Any = book.active
    for number in range(titles):
        sheet.cell(number + 1, 2, f"Title {number}")
    at = titles + 1
    for column, name in enumerate(("ID", "One", "Two"), 1):
        sheet.cell(at, column, name)
    for place, row in enumerate(rows):
        at += 1 + (place in blank_before)
        for column, value in enumerate(row, 1):
            cell = sheet.cell(at, column, value)
            cell.data_type = "s" if isinstance(value, str) else cell.data_type
    book.save(tmp_path / "d.xlsx")
    frame = read_sheet(tmp_path / "d.xlsx", header_row=titles + 1)
    results = results_frame(frame, [outcome(place, statuses[place]) for place in range(len(frame))])
    assert write_sheet(results, tmp_path / "r.xlsx", source=tmp_path / "d.xlsx") == []
    found = read_sheet(tmp_path / "r.xlsx", header_row=titles + 1)
    own = len(frame.columns)
    pd.testing.assert_frame_equal(found.iloc[:, :own], frame, check_exact=True)
    assert [type(cell) for cell in found["ID"]] == [type(cell) for cell in frame["ID"]]
    for name in RESULT_COLUMNS:
        assert [cell or "" for cell in (found[name] if name in found else [""] * len(found))] == results[name].tolist()
    failed = [place for place, status in enumerate(results["startStatus"]) if status in FAILED]
    if failed:
        again = read_sheet(tmp_path / "r.xlsx", tab="Failed rows", header_row=1)
        assert again["ID"].tolist() == frame["ID"].iloc[failed].tolist()
    before, after = parts(tmp_path / "d.xlsx"), parts(tmp_path / "r.xlsx")
    assert {name for name in before if before[name] != after[name]} <= {n.replace("sheet2", "sheet1") for n in CHANGED}


def test_a_prefix_that_each_tab_binds_for_itself_is_bound_for_the_new_one_too(tmp_path: Path) -> None:
    """A reader that knows namespaces, as Excel does, takes the copy for damaged else."""
    source, odd = rich(tmp_path / "deals.xlsx"), tmp_path / "odd.xlsx"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(odd, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name == "xl/workbook.xml":
                text = text.replace(f' xmlns:r="{relations}"'.encode(), b"").replace(
                    b"r:id=", f'xmlns:r="{relations}" r:id='.encode()
                )
            new.writestr(name, text)
    frame = read_sheet(odd, tab="Deals")
    assert write_sheet(results_of(frame), tmp_path / "r.xlsx", source=odd) == []
    assert "Failed rows" in openpyxl.load_workbook(tmp_path / "r.xlsx").sheetnames

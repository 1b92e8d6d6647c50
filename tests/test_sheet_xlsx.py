from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path

import pytest

from bulkstart.errors import SheetError
from bulkstart.sheet_xlsx import read_tab
from tests.sheet_files import HEADER, workbook, worksheet

DATA = '<row r="2"><c r="A2"><v>5141</v></c></row>'


def _text(number: int) -> str:
    return f'<row r="{number}"><c r="A{number}" t="inlineStr"><is><t>x</t></is></c></row>'


def test_the_first_visible_tab_with_two_rows_is_taken(tmp_path: Path) -> None:
    tabs = {"Old": HEADER + DATA, "Cover": _text(1), "Deals": HEADER + DATA, "More": HEADER + DATA}
    found = read_tab(workbook(tmp_path / "x.xlsx", tabs, states={"Old": "hidden", "More": "veryHidden"}), None)
    assert (found.tab.name, found.tab.number, found.tabs) == ("Deals", 3, 4)


@pytest.mark.parametrize(
    ("wanted", "name"),
    [("2", "Won"), (2, "Won"), ("won", "Won"), (" Lost ", "Lost"), ("3", "1"), ("1", "1"), (1, "1"), ("LOST", "Lost")],
)
def test_a_tab_is_chosen_by_name_before_number(tmp_path: Path, wanted: str | int, name: str) -> None:
    tabs = {"Lost": HEADER + DATA, "Won": HEADER + DATA, "1": HEADER + DATA}
    assert read_tab(workbook(tmp_path / "x.xlsx", tabs, states={"Won": "hidden"}), wanted).tab.name == name


def test_a_wrong_tab_is_refused_with_the_tabs_that_are_there(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", {"Lost": HEADER, "Won": HEADER}, states={"Won": "hidden"})
    with pytest.raises(SheetError, match=r"no tab 'Deals'.*1 'Lost', 2 'Won' \(hidden\).*--tab"):
        read_tab(path, "Deals")


def test_no_visible_rows_are_no_rows(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", {"Lost": "", "Won": HEADER + DATA}, states={"Won": "hidden"})
    with pytest.raises(SheetError, match="no data rows"):
        read_tab(path, None)


def test_dates_follow_the_epoch_of_the_workbook(tmp_path: Path) -> None:
    row = '<row r="2"><c r="A2" s="1"><v>44562</v></c><c r="B2" s="4"><v>1.5</v></c></row>'
    rows = read_tab(workbook(tmp_path / "x.xlsx", HEADER + row, date1904=True), None).rows
    assert rows[1][1] == [dt.date(2026, 1, 2), dt.timedelta(hours=36)]


def test_part_names_know_no_case_and_no_backslash(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", HEADER + DATA)
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(tmp_path / "y.xlsx", "w") as target:
        for name in source.namelist():
            target.writestr(name.replace("xl/worksheets/sheet1", r"XL\Worksheets\SHEET1"), source.read(name))
    assert read_tab(tmp_path / "y.xlsx", None).rows[1] == (2, [5141])


def test_shared_strings_are_looked_up(tmp_path: Path) -> None:
    row = '<row r="2"><c r="A2" t="s"><v>1</v></c></row>'
    assert read_tab(workbook(tmp_path / "x.xlsx", HEADER + row, strings="<si><t>a</t></si><si><t>00042</t></si>"), None).rows[1][
        1
    ] == ["00042"]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"xl/worksheets/sheet1.xml": "<worksheet><sheetData><row"}, "damaged workbook"),
        ({"xl/worksheets/sheet1.xml": worksheet('<row r="1"><c r="A1" t="s"><v>5</v></c></row>')}, "damaged workbook"),
        ({"xl/worksheets/sheet1.xml": worksheet('<row r="x"/>')}, "damaged workbook"),
        ({"xl/worksheets/sheet1.xml": worksheet('<row r="2"/><row r="1"/>')}, "tab 'Deals': row 1 follows row 2"),
        ({"xl/workbook.xml": "<!DOCTYPE x><workbook/>"}, "document type"),
        ({"xl/styles.xml": "<styleSheet><numFmt/></styleSheet>"}, "damaged workbook"),
        (
            {
                "_rels/.rels": '<R><Relationship Id="r" Type="x/officeDocument" Target="word/document.xml"/></R>',
                "word/document.xml": "",
            },
            "Word",
        ),
        ({"_rels/.rels": "<R/>", "xl/workbook.xml": "<workbook/>"}, "no data rows"),
    ],
)
def test_broken_and_foreign_packages_are_one_sentence(tmp_path: Path, parts: dict[str, str], said: str) -> None:
    path = workbook(tmp_path / "x.xlsx", HEADER + DATA, parts=parts)
    with pytest.raises(SheetError, match=said) as caught:
        read_tab(path, None)
    assert str(caught.value).startswith(str(path))


def test_other_zip_files_are_named(tmp_path: Path) -> None:
    for name, said in (("deals.csv", "a zip archive"), ("Index/Document.iwa", "Numbers")):
        with zipfile.ZipFile(tmp_path / "x.xlsx", "w") as package:
            package.writestr(name, "x")
        with pytest.raises(SheetError, match=said):
            read_tab(tmp_path / "x.xlsx", None)


def test_a_file_that_is_cut_off_or_changed_is_damaged(tmp_path: Path) -> None:
    raw = workbook(tmp_path / "x.xlsx", HEADER + DATA, compression=zipfile.ZIP_STORED).read_bytes()
    for broken in (raw[: len(raw) // 2], raw.replace(b"<v>5141</v>", b"<v>5142</v>")):
        (tmp_path / "x.xlsx").write_bytes(broken)
        with pytest.raises(SheetError, match="damaged workbook"):
            read_tab(tmp_path / "x.xlsx", None)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", HEADER + DATA, parts={"xl/media/a.xml": b"a" * 30_000_000})
    with pytest.raises(SheetError, match="would unpack to 30,0"):
        read_tab(path, None)


def test_a_protected_zip_asks_for_an_unprotected_one(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", HEADER + DATA)
    raw = bytearray(path.read_bytes())
    at = raw.find(b"PK\x01\x02")
    raw[at + 8] |= 1
    path.write_bytes(raw)
    with pytest.raises(SheetError, match="password"):
        read_tab(path, None)

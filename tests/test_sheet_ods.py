from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import python_calamine

from bulkstart.errors import SheetError
from bulkstart.model import DisguisedNumber, ErrorCell, UncalculatedCell
from bulkstart.sheet_open import open_tab
from bulkstart.sheet_tabs import TabRows
from tests.old_files import ODS_HEADER, ods, ods_content, ods_row

moment = dt.datetime  # cells have no zone


def _read(path: Path, wanted: str | int | None = None) -> TabRows:
    kind, found = open_tab(path, "zip", wanted)
    assert kind == "ods"
    return found


FLOAT = "office:value-type='float' office:value="


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("5141", "5141"),
        (f"{FLOAT}'5141'>5141", 5141),
        (f"{FLOAT}'5141'>5 141,00", 5141),
        (f"{FLOAT}'0.1'>0", 0.1),
        (f"{FLOAT}'1E+016'>1E+16", 1e16),
        ("office:value-type='currency' office:value='5000'>5 000,00 ₽", 5000),
        ("office:value-type='boolean' office:boolean-value='true'>TRUE", True),
        (f"table:formula='of:=TRUE()' {FLOAT}'1'>ИСТИНА", True),
        ("office:value-type='date' office:date-value='2026-01-02'>02.01.26", dt.date(2026, 1, 2)),
        ("office:value-type='date' office:date-value='2026-01-02T03:04:05'>x", moment(2026, 1, 2, 3, 4, 5)),
        ("office:value-type='time' office:time-value='PT13H05M00S'>13:05", dt.time(13, 5)),
        ("office:value-type='time' office:time-value='PT36H00M00S'>36:00", dt.timedelta(hours=36)),
        ("office:value-type='time' office:time-value='-PT1H'>-1:00", "-PT1H"),
        ("table:formula='of:=1/0' office:value-type='string' office:string-value='' calcext:value-type='error'>#DIV/0!", ErrorCell("#DIV/0!")),
        ("table:formula='of:=[.A9]' office:value-type='string'>#REF!", ErrorCell("#REF!")),
        ("table:formula='of:=x' office:value-type='float' office:value='0'>Err:508", ErrorCell("Err:508")),
        ("table:formula='of:=[.A1]*2'>", UncalculatedCell("=[.A1]*2")),
        ("table:formula='of:=&quot;&quot;' office:value-type='string'>", None),
        ("office:value-type='string'>a<text:s text:c='2'/>b<text:tab/>c<text:line-break/>d", "a  b\tc\nd"),
        ("office:value-type='string'>one</text:p><text:p>two", "one\ntwo"),
        ("office:value-type='string'><text:a>link</text:a> <text:span>x</text:span>", "link x"),
        ("office:value-type='string'>x</text:p><office:annotation><text:p>a note</text:p></office:annotation><text:p>y", "x\ny"),
    ],
)  # fmt: skip
def test_a_cell_is_what_its_type_says(tmp_path: Path, cell: str, value: object) -> None:
    rows = _read(ods(tmp_path / "x.ods", ODS_HEADER + ods_row("row", cell))).rows
    found = rows[1][1][1] if len(rows[1][1]) > 1 else None
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(("value", "seen"), [("6083", "06083"), ("5141000000", "5141"), ("5141", "D-5141"), ("5", "500%")])
def test_a_number_that_is_shown_as_another_one_is_disguised(tmp_path: Path, value: str, seen: str) -> None:
    (_, row) = _read(ods(tmp_path / "x.ods", ODS_HEADER + ods_row(f"{FLOAT}'{value}'>{seen}"))).rows[1]
    assert isinstance(row[0], DisguisedNumber)
    assert (row[0], row[0].shown) == (int(value), seen)


def test_repeated_rows_and_columns_keep_their_places(tmp_path: Path) -> None:
    rows = (
        '<table:table-column table:number-columns-repeated="16384"/>'
        '<table:table-row table:number-rows-repeated="3"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
        + ods_row("ID", "T")
        + ods_row(f"{FLOAT}'7' table:number-columns-repeated='2'>7", "x", more="table:number-rows-repeated='2'")
        + '<table:table-row table:number-rows-repeated="1048570"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
    )
    assert _read(ods(tmp_path / "x.ods", rows)).rows == [(4, ["ID", "T"]), (5, [7, 7, "x"]), (6, [7, 7, "x"])]


def test_hidden_rows_columns_and_tabs_are_told(tmp_path: Path) -> None:
    data = (
        '<table:table-column/><table:table-column table:visibility="collapse" table:number-columns-repeated="2"/>'
        + ods_row("ID", "T")
        + ods_row("1", "a", more="table:visibility='filter'")
        + ods_row("2", "b")
        + ods_row("3", "c", more="table:visibility='collapse' table:number-rows-repeated='2'")
    )
    hidden = '<style:style style:name="sOld"><style:table-properties table:display="false"/></style:style>'
    path = ods(tmp_path / "x.ods", {"Old": data, "Deals": data}, styles=hidden)
    found = _read(path)
    assert (found.tab.name, found.tab.number, found.tabs) == ("Deals", 2, 2)
    assert (found.hidden, found.hidden_columns, len(found.rows)) == ((2, 4, 5), (1, 2), 5)
    assert _read(path, "old").tab.visible is False


def test_indented_xml_and_other_prefixes_are_the_same_table(tmp_path: Path) -> None:
    content = ods_content(ODS_HEADER + ods_row(f"{FLOAT}'7'>7")).replace("><", ">\n   <")
    content = content.replace("<table:", "<t:").replace("</table:", "</t:").replace("xmlns:table=", "xmlns:t=")
    content = content.replace(" table:", " t:")
    assert _read(ods(tmp_path / "x.ods", content=content)).rows == [(1, ["ID"]), (2, [7])]


@pytest.mark.parametrize(
    ("content", "manifest", "said"),
    [
        ("", "<m:encryption-data xmlns:m='x'/>", "password"),
        ("<!DOCTYPE x>" + ods_content(""), "<x/>", "document type"),
        ("<office", "<x/>", "damaged"),
        (ods_content(ods_row(f"{FLOAT}'7' table:number-columns-repeated='-5'>7")), "<x/>", "repeated -5 times"),
        (ods_content(ods_row("x", more="table:number-rows-repeated='1048576'")), "<x/>", "repeated 1,048,576 times"),
        (ods_content(""), "<x/>", "no data rows"),
    ],
)
def test_what_is_no_open_workbook_is_said(tmp_path: Path, content: str, manifest: str, said: str) -> None:
    path = ods(tmp_path / "x.ods", "", content=content, manifest=manifest)
    with pytest.raises(SheetError, match=said):
        _read(path)


def test_calamine_reads_the_same(tmp_path: Path) -> None:
    rows = "".join(ods_row(f"{FLOAT}'{n}'>{n}", f"Сделка {n}", f"{FLOAT}'{n / 8}'>{n / 8:.1f}") for n in range(1, 200))
    path = ods(tmp_path / "x.ods", ods_row("ID", "T", "N") + rows)
    theirs = python_calamine.CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
    assert [row for _, row in _read(path).rows] == theirs

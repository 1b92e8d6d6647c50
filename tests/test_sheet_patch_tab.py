from __future__ import annotations

import io

import pytest

from bulkstart.sheet_cell_xml import CellWriter
from bulkstart.sheet_layout import Table
from bulkstart.sheet_patch_tab import FailedTab, PatchedTab, Places, ResultCells
from bulkstart.sheet_spans import CannotPatchError

XML = (
    b'<worksheet><sheetData><row r="1"><c r="A1" s="3" t="s"><v>0</v></c></row>'
    b'<row r="2" spans="1:1"><c r="A2" s="7"><f>B2</f><v>51</v></c></row><row r="4"><c r="A4"/></row></sheetData></worksheet>'
)
TABLE = Table(("ID", "startStatus", "workflowId"), 1, ([51], ["refused"], ["w<1>"]))
PLACES = Places(1, {2: 0}, (2, 1), frozenset({1, 2}), frozenset(), at_end=True, own_right=0)


def tab(xml: bytes = XML, places: Places = PLACES, prefix: str = "") -> bytes:
    cells = ResultCells(TABLE, places, prefix, CellWriter())
    return b"".join(PatchedTab(lambda: io.BytesIO(xml), places, cells, b"HEAD", b"TAIL").pieces())


def test_cells_are_put_behind_the_others_in_the_order_of_columns_and_other_rows_stay() -> None:
    assert tab() == (
        b'HEAD<row r="1"><c r="A1" s="3" t="s"><v>0</v></c><c r="B1" s="3" t="inlineStr"><is><t>workflowId</t></is></c>'
        b'<c r="C1" s="3" t="inlineStr"><is><t>startStatus</t></is></c></row><row r="2"><c r="A2" s="7"><f>B2</f><v>51</v></c>'
        b'<c r="B2" t="inlineStr"><is><t>w&lt;1&gt;</t></is></c><c r="C2" t="inlineStr"><is><t>refused</t></is></c></row>'
        b'<row r="4"><c r="A4"/></row>TAIL'
    )


def test_cells_that_give_way_leave_their_looks() -> None:
    places = Places(1, {2: 0}, (0, 1), frozenset({0, 1}), frozenset({0}), at_end=False, own_right=5)
    xml = XML.replace(b"<f>B2</f>", b"")
    assert b'<row r="2"><c r="A2" s="7" t="inlineStr"><is><t>refused</t></is></c><c r="B2" t' in tab(xml, places)
    assert b'<row r="1"><c r="A1" s="3" t="s"><v>0</v></c><c r="B1" t="inlineStr"><is><t>workflowId' in tab(xml, places)


@pytest.mark.parametrize("rows", [b"", b'<row r="1"/>', b'<row r="2"/><row r="3"/>'])
def test_a_result_without_its_row_is_noticed(rows: bytes) -> None:
    with pytest.raises(CannotPatchError, match="not those that were read"):
        tab(b"<worksheet><sheetData>" + rows + b"</sheetData></worksheet>")


def failed(xml: bytes = XML, numbers: frozenset[int] = frozenset({2})) -> tuple[bytes, int]:
    cells = ResultCells(TABLE, PLACES, "", CellWriter())
    made = FailedTab(lambda: io.BytesIO(xml), PLACES, cells, failed=numbers, namespace="u", columns=b"<cols/>", first_format=5)
    return b"".join(made.pieces()), made.uncalculated


def test_failed_rows_close_up_with_values_and_looks_and_no_formula() -> None:
    xml, uncalculated = failed(XML.replace(b'r="2"', b'r="3"').replace(b'"A2"', b'"A3"').replace(b'r="3" spans', b'r="2" spans'))
    assert (b"<cols/><sheetData><row" in xml, b"<f>" in xml, uncalculated) == (True, False, 0)
    assert b'<row r="2"><c r="A2" s="7"><v>51</v></c><c r="B2" t' in xml
    assert b'sqref="C2:C2"' in xml
    assert b'dxfId="5"' in xml


def test_without_failed_rows_only_the_header_is_there() -> None:
    xml, _ = failed(numbers=frozenset())
    assert xml.count(b"<row ") == 1
    assert b"conditionalFormatting" not in xml


def test_a_formula_without_a_result_is_an_error_there() -> None:
    xml, uncalculated = failed(XML.replace(b"<v>51</v>", b""))
    assert (b'<c r="A2" s="7" t="e"><v>#N/A</v></c>' in xml, uncalculated) == (True, 1)

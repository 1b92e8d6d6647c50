from __future__ import annotations

import datetime as dt
import decimal

import pytest

from bulkstart.model import ErrorCell, UncalculatedCell
from bulkstart.sheet_cell_xml import MAX_CELL_TEXT, CellWriter, escaped

moment = dt.datetime  # cells have no zone


@pytest.mark.parametrize(
    ("value", "xml"),
    [
        ("=1+1", '<c r="A1" t="inlineStr"><is><t>=1+1</t></is></c>'),
        ("00042", '<c r="A1" t="inlineStr"><is><t>00042</t></is></c>'),
        (" a", '<c r="A1" t="inlineStr"><is><t xml:space="preserve"> a</t></is></c>'),
        ("#N/A", '<c r="A1" t="inlineStr"><is><t>#N/A</t></is></c>'),
        (ErrorCell("#N/A"), '<c r="A1" t="e"><v>#N/A</v></c>'),
        (ErrorCell("<x>"), '<c r="A1" t="inlineStr"><is><t>&lt;x&gt;</t></is></c>'),
        (UncalculatedCell("=A1"), '<c r="A1" t="inlineStr"><is><t>=A1</t></is></c>'),
        (5141, '<c r="A1"><v>5141</v></c>'),
        (0.1 + 0.2, '<c r="A1"><v>0.30000000000000004</v></c>'),
        (True, '<c r="A1" t="b"><v>1</v></c>'),
        (123456789012345678, '<c r="A1" t="inlineStr"><is><t>123456789012345678</t></is></c>'),
        (float("inf"), ""),
        (float("nan"), ""),
        (dt.date(2026, 1, 2), '<c r="A1" s="2"><v>46024</v></c>'),
        (dt.date(1900, 1, 1), '<c r="A1" s="2"><v>1</v></c>'),
        (moment(2026, 1, 2, 12), '<c r="A1" s="3"><v>46024.5</v></c>'),
        (dt.time(6), '<c r="A1" s="4"><v>0.25</v></c>'),
        (dt.timedelta(hours=36), '<c r="A1" s="5"><v>1.5</v></c>'),
        (dt.date(1812, 9, 7), '<c r="A1" t="inlineStr"><is><t>1812-09-07</t></is></c>'),
        (decimal.Decimal("1.10"), '<c r="A1" t="inlineStr"><is><t>1.10</t></is></c>'),
    ],
)
def test_a_value_is_written_as_what_it_is(value: object, xml: str) -> None:
    assert CellWriter().cell("A1", value) == xml


def test_blank_cells_are_left_out_of_a_row() -> None:
    assert CellWriter().row(7, [(0, None), (1, ""), (27, 5)]) == '<row r="7"><c r="AB7"><v>5</v></c></row>'


def test_what_xml_cannot_hold_is_escaped_as_excel_does() -> None:
    assert escaped("a&<>\x00\x0b\r\n\t_x000D_\ud800\uffff") == "a&amp;&lt;&gt;_x0000__x000B__x000D_\n\t_x005F_x000D_\ufffd_xFFFF_"


@pytest.mark.parametrize(("text", "kept"), [("a" * 40_000, 32_767), ("😀" * 20_000, 16_383), ("a" * 32_767, 32_767)])
def test_texts_are_cut_to_what_a_cell_holds_and_counted(text: str, kept: int) -> None:
    writer = CellWriter()
    xml = writer.cell("A1", text)
    assert xml.count(text[0], xml.index("<t>")) == kept
    assert len(writer.notes()) == (len(text) != kept)
    assert kept <= MAX_CELL_TEXT

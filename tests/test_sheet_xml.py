from __future__ import annotations

import io
from xml.parsers.expat import ExpatError

import pytest

from bulkstart.errors import SheetError
from bulkstart.sheet_xml import MAX_ROWS, Worksheet, elements, shared_strings, unescape
from tests.sheet_files import worksheet


def _rows(rows: str, until: int = MAX_ROWS, *, xml: str = "") -> Worksheet:
    found = Worksheet(until)
    found.read(io.BytesIO((xml or worksheet(rows)).encode()), lambda cell, text, formula: (text, formula) if formula else text)
    return found


def test_cells_stand_where_their_references_say() -> None:
    found = _rows('<row r="3"><c r="B3"><v>1</v></c><c r="AA3"><v>2</v></c></row><row r="9"><c r="A9"><v>3</v></c></row>')
    assert [(number, [(place, cell) for place, cell in enumerate(row) if cell]) for number, row in found.rows] == [
        (3, [(1, "1"), (26, "2")]),
        (9, [(0, "3")]),
    ]


def test_without_references_cells_follow_each_other_blank_ones_counted() -> None:
    assert _rows("<row><c><v>1</v></c><c/><c><v>2</v></c></row><row><c><v>3</v></c></row>").rows == [
        (1, ["1", None, "2"]),
        (2, ["3"]),
    ]


def test_cells_in_another_order_find_their_places() -> None:
    assert _rows('<row r="1"><c r="C1"><v>3</v></c><c r="A1"><v>1</v></c></row>').rows == [(1, ["1", None, "3"])]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ('<row r="1"><c r="A1"><v>1</v></c><c r="A1"><v>2</v></c></row>', "A1 stands there twice"),
        ('<row r="2"/><row r="2"/>', "row 2 follows row 2"),
        ('<row r="5"/><row r="4"/>', "row 4 follows row 5"),
        ('<row r="1048577"/>', "row 1048577"),
        ('<row r="1"><c r="XFE1"><v>1</v></c></row>', "impossible column 'XFE'"),
        ('<row r="1"><c r="a1"><v>1</v></c></row>', "impossible column 'a'"),
    ],
)
def test_a_worksheet_that_contradicts_itself_is_refused(rows: str, said: str) -> None:
    with pytest.raises(SheetError, match=said):
        _rows(rows)


def test_blank_rows_and_formatted_tails_hold_nothing() -> None:
    tail = "".join(f'<row r="{number}"><c r="A{number}" s="1"/></row>' for number in range(2, 5000))
    space = '<row r="5000"><c r="A5000" t="inlineStr"><is><t> \u00a0</t></is></c></row>'
    assert _rows('<row r="1"><c r="A1"><v>1</v></c></row>' + tail + space).rows == [(1, ["1"])]


def test_a_cell_at_the_far_corner_costs_one_wide_row() -> None:
    found = _rows('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>')
    assert [number for number, _ in found.rows] == [1, 1_048_576]
    assert (len(found.rows[1][1]), found.rows[1][1][-1]) == (16_384, "2")


def test_a_wide_sheet_of_nothing_is_refused_before_memory_ends() -> None:
    with pytest.raises(SheetError, match="more than 20,000,000 cells"):
        _rows("".join(f'<row r="{number}"><c r="XFD{number}"><v>1</v></c></row>' for number in range(1, 1300)))


def test_inline_and_rich_texts_are_joined_without_phonetic_hints() -> None:
    text = "<is><r><t>De</t></r><r><rPr/><t xml:space='preserve'>al </t></r><rPh sb='0' eb='1'><t>hint</t></rPh></is>"
    assert _rows(f'<row r="1"><c r="A1" t="inlineStr">{text}</c></row>').rows == [(1, ["Deal "])]


def test_formulas_come_with_their_cached_value_or_without() -> None:
    found = _rows('<row r="1"><c r="A1"><f>B1+1</f><v>2</v></c><c r="B1"><f>C1</f></c></row>')
    assert found.rows == [(1, [("2", "B1+1"), (None, "C1")])]


def test_prefixed_and_pretty_printed_xml_reads_the_same() -> None:
    xml = """<?xml version="1.0"?>
      <x:worksheet xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main">
        <x:sheetData>
          <x:row r="1"> <x:c r="A1"> <x:v>7</x:v> </x:c> <x:c r="B1"/> </x:row>
        </x:sheetData>
      </x:worksheet>"""
    assert _rows("", xml=xml).rows == [(1, ["7"])]


def test_hidden_rows_are_rows_and_counted() -> None:
    found = _rows('<row r="1"><c><v>1</v></c></row><row r="2" hidden="1"><c><v>2</v></c></row><row r="3" hidden="true"/>')
    assert ([number for number, _ in found.rows], found.hidden) == ([1, 2], [2])


def test_what_stands_behind_the_cells_or_the_last_wanted_row_is_left_alone() -> None:
    rows = "".join(f'<row r="{number}"><c><v>{number}</v></c></row>' for number in range(1, 9))
    assert _rows(rows, until=3).rows == [(1, ["1"]), (2, ["2"]), (3, ["3"])]
    xml = worksheet(rows).replace("</sheetData>", '</sheetData><extLst><c r="A1"><f>x</f><v>9</v></c></extLst>')
    assert len(_rows("", xml=xml).rows) == 8


def test_entities_and_documents_types_are_refused() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    with pytest.raises(SheetError, match="document type"):
        _rows("", xml=worksheet('<row r="1"><c><v>&b;</v></c></row>', bomb).replace('<?xml version="1.0"?>', ""))


def test_a_text_without_end_is_refused_while_it_is_read() -> None:
    with pytest.raises(SheetError, match="1,000,000 characters"):
        _rows(f'<row r="1"><c t="inlineStr"><is><t>{"a" * 3_000_000}</t></is></c></row>')


def test_xml_that_is_cut_off_is_an_error_even_behind_the_cells() -> None:
    with pytest.raises(ExpatError):
        _rows("", xml=worksheet("")[:-8])


def test_shared_strings_keep_order_blanks_and_escapes() -> None:
    xml = "<sst><si><t>a</t></si><si/><si><r><t>b</t></r><r><t> c</t></r><rPh><t>x</t></rPh></si><si><t>d_x000A_e</t></si></sst>"
    assert shared_strings(io.BytesIO(xml.encode())) == ["a", "", "b c", "d\ne"]


def test_elements_come_in_order_without_prefixes() -> None:
    xml = b'<w:a xmlns:w="u" xmlns:r="v"><w:b r:id="1" name="x"/></w:a>'
    assert [(name, attributes.get("id")) for name, attributes in elements(io.BytesIO(xml))] == [("a", None), ("b", "1")]


@pytest.mark.parametrize(
    ("text", "plain"), [("_x005F_x000D_", "_x000D_"), ("a_x000d_b", "a\rb"), ("_xD800_", "_xD800_"), ("_x00", "_x00")]
)
def test_escapes_of_excel(text: str, plain: str) -> None:
    assert unescape(text) == plain

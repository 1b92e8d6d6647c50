from __future__ import annotations

import io

import pytest

from bulkstart.sheet_rows import (
    RowStream,
    Tags,
    cells_of,
    columns_of,
    filled_columns_of,
    renumbered,
    rows_of,
    split,
    start_tag,
    with_cells,
)
from bulkstart.sheet_spans import CannotPatchError

PLAIN, PREFIXED = Tags(b""), Tags(b"x:")
BLOCK = b"""<row r="2" spans="1:3"><c r="A2"><v>1</v></c><c r="C2" s="4"/></row>
<row><c t="inlineStr"><is><t>a > b</t></is></c><c><v>2</v></c></row><row r='9' ht="3"/>"""


def test_rows_have_the_numbers_they_say_or_follow_the_last_one() -> None:
    rows = list(rows_of(BLOCK, PLAIN, 1))
    assert [row.number for row in rows] == [2, 3, 9]
    assert [BLOCK[row.start : row.end][:9] for row in rows] == [b'<row r="2', b"<row><c t", b"<row r='9"]
    assert [start_tag(BLOCK, row) for row in rows] == [b'<row r="2">', b"<row>", b"<row r='9' ht=\"3\">"]


def test_cells_have_the_columns_they_say_or_follow_the_last_one() -> None:
    rows = list(rows_of(BLOCK, PLAIN, 1))
    assert [[cell.column for cell in cells_of(BLOCK, row, PLAIN)] for row in rows] == [[0, 2], [0, 1], []]
    assert (columns_of(BLOCK, PLAIN), filled_columns_of(BLOCK, PLAIN)) == (({0, 1, 2}, False), {0, 1})
    assert columns_of(b'<x:row r="1"><x:c r="AB1"/></x:row>', PREFIXED) == ({27}, True)


def test_new_cells_stand_where_they_belong_and_take_the_place_of_old_ones() -> None:
    row = next(rows_of(BLOCK, PLAIN, 1))
    made = with_cells(BLOCK, row, cells_of(BLOCK, row, PLAIN), [(1, b"<B/>"), (2, b"<C/>"), (5, b"<F/>")], {2}, PLAIN)
    assert made == b'<c r="A2"><v>1</v></c><B/><C/><F/>'


def test_a_formula_never_gives_way_to_a_result() -> None:
    block = b'<row r="1"><c r="B1"><f>A1</f><v>1</v></c></row>'
    row = next(rows_of(block, PLAIN, 0))
    with pytest.raises(CannotPatchError, match="formula"):
        with_cells(block, row, cells_of(block, row, PLAIN), [], {1}, PLAIN)


def test_a_stream_gives_head_rows_and_tail_and_loses_no_byte() -> None:
    head, tail = b'<x:worksheet xmlns:x="u"><x:sheetData>', b"</x:sheetData><x:rowBreaks/></x:worksheet>"
    rows = b"".join(b'<x:row r="%d"><x:c r="A%d"/></x:row>\n' % (n, n) for n in range(1, 60_000))
    found = RowStream(io.BytesIO(head + rows + tail))
    blocks = list(found.blocks())
    assert (found.head, b"".join(blocks), found.tail) == (head, rows, tail)
    assert len(blocks) > 1
    numbers = [row.number for block in blocks for row in rows_of(block, found.tags, 0)]
    assert numbers == list(range(1, 60_000))


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        (b"<worksheet/>", "cannot be found"),
        (b"<worksheet><sheetData/></worksheet>", "no rows"),
        (b"<worksheet><sheetData><row/>", "cut off"),
        (b"<worksheet><sheetData><!-- <row/> --></sheetData></worksheet>", "comments"),
    ],
)
def test_what_is_no_common_worksheet_is_said(xml: bytes, said: str) -> None:
    with pytest.raises(CannotPatchError, match=said):
        list(RowStream(io.BytesIO(xml)).blocks())


@pytest.mark.parametrize("block", [b'<row r="1">', b"<row/><col/>", b'<row r="1"/>x'])
def test_something_else_than_rows_is_said(block: bytes) -> None:
    with pytest.raises(CannotPatchError):
        list(rows_of(block, PLAIN, 0))


@pytest.mark.parametrize(
    ("cells", "behind"),
    [
        (b'<c r="A7"/><c r="K7"><v>1</v></c><c r="L7" t="s"><v>2</v></c>', b'<c r="K7"><v>1</v></c><c r="L7" t="s"><v>2</v></c>'),
        (b'<c r="A7"/><c r="L7"><v>1</v></c><c r="K7"><v>2</v></c>', b'<c r="L7"><v>1</v></c><c r="K7"><v>2</v></c>'),
        (b'<c r="AK7"/><c r="K7" t="inlineStr"><is><t>a</t></is></c>', b'<c r="K7" t="inlineStr"><is><t>a</t></is></c>'),
        (b'<c r="A7"/><c r="KK7"/>', b""),
        (b'<c r="K7"><v>1</v></c><c r="A7"/>', None),  # a cell that stays stands behind it
        (b'<c r="A7"/><c r="K7" s="4"><v>1</v></c>', None),  # looks are kept
        (b'<c r="A7"/><c r="K7" s="4"/>', None),
        (b'<c r="A7"/><c r="K7"><f>A7</f><v>1</v></c>', None),  # and a formula is refused
        (b'<c r="A7"/><c r="K7" t="inlineStr"><is><r><rPr><b/></rPr><t>a</t></r></is></c>', None),
    ],
)
def test_a_row_is_split_only_where_plain_result_cells_follow(cells: bytes, behind: bytes | None) -> None:
    block = b'<row r="7">' + cells + b"</row>"
    row = next(rows_of(block, PLAIN, 0))
    at = split(block, row, PLAIN, frozenset({10, 11}))
    assert (at if at is None else block[at : row.closing]) == behind


def test_renumbered_cells_change_their_references_only() -> None:
    cells = b'<c r="A7" t="str"><v>r="A7"</v></c><c r="BC7"/>'
    assert renumbered(cells, PLAIN, 12) == b'<c r="A12" t="str"><v>r="A7"</v></c><c r="BC12"/>'

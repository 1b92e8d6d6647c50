from __future__ import annotations

import datetime as dt
import io
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import python_calamine
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.errors import SheetError
from bulkstart.model import DisguisedNumber, ErrorCell
from bulkstart.sheet_open import open_tab
from bulkstart.sheet_tabs import TabRows
from bulkstart.sheet_xlsb import records, rk_number
from tests.old_files import Cells, Formula, table, xlsb, xlsb_record

moment = dt.datetime  # cells have no zone


def _read(path: Path, wanted: str | int | None = None) -> TabRows:
    kind, found = open_tab(path, "zip", wanted)
    assert kind == "xlsb"
    return found


def test_cells_are_what_they_were(tmp_path: Path) -> None:
    cells = table(
        ("ID", "Title", "Sum", "Flag", "Broken", "Date"),
        (5141, "Сделка №1", 10.25, True, ErrorCell("#N/A"), (46024, 1)),
        (2**40, "x", -7, False, Formula(ErrorCell("#REF!")), (46024.5, 1)),
        (1e16, Formula("by formula"), Formula(0.5), None, None, (1.5, 6)),
    )
    rows = _read(xlsb(tmp_path / "x.xlsb", cells)).rows
    assert rows[1] == (2, [5141, "Сделка №1", 10.25, True, ErrorCell("#N/A"), dt.date(2026, 1, 2)])
    assert rows[2] == (3, [2**40, "x", -7, False, ErrorCell("#REF!"), moment(2026, 1, 2, 12)])
    assert rows[3] == (4, [1e16, "by formula", 0.5, None, None, dt.timedelta(hours=36)])
    assert isinstance(rows[2][1][4], ErrorCell)


def test_hidden_rows_columns_and_tabs_are_told(tmp_path: Path) -> None:
    cells = table(("ID", "T"), (1, "a"), (2, "b"), (3, "c"))
    path = xlsb(tmp_path / "x.xlsb", {"Old": cells, "Deals": cells}, states={"Old": 2}, hidden=[3, 4], columns=[1])
    found = _read(path)
    assert (found.tab.name, found.tab.number, found.tabs, found.hidden, found.hidden_columns) == ("Deals", 2, 2, (3, 4), (1,))
    assert _read(path, "old").tab.visible is False


def test_a_number_that_is_shown_as_another_one_is_disguised(tmp_path: Path) -> None:
    cells = table(("ID",), ((6083, 2),), ((5141000000, 3),), ((5141, 5),))
    found = [row[0] for _, row in _read(xlsb(tmp_path / "x.xlsb", cells)).rows[1:]]
    assert [type(cell) for cell in found] == [DisguisedNumber, DisguisedNumber, int]


def test_dates_follow_the_epoch_of_the_workbook(tmp_path: Path) -> None:
    rows = _read(xlsb(tmp_path / "x.xlsb", table(("ID",), ((44562, 1),)), date1904=True)).rows
    assert rows[1][1] == [dt.date(2026, 1, 2)]


def test_short_cells_stand_behind_the_one_before(tmp_path: Path) -> None:
    row = xlsb_record(145) + b"".join(
        xlsb_record(0, struct.pack("<IIHBBBI", number, 0, 300, 0, 0, 0, 0))
        + xlsb_record(5, struct.pack("<IId", 1, 0, 5141.0))
        + xlsb_record(13, struct.pack("<II", 0, 7 << 2 | 2))
        + xlsb_record(62, struct.pack("<II", 3, 0) + b"\0" + struct.pack("<I", 1) + b"x\0")
        for number in (0, 1)
    )
    path = xlsb(tmp_path / "x.xlsb", table(("a",)), parts={"xl/worksheets/sheet1.bin": row + xlsb_record(146)})
    assert _read(path).rows == [(1, [None, 5141, 7, "x"]), (2, [None, 5141, 7, "x"])]


@pytest.mark.parametrize(
    ("packed", "number"),
    [
        (5141 << 2 | 2, 5141.0),
        ((-7 << 2 | 2) & 0xFFFFFFFF, -7.0),
        (514150 << 2 | 3, 5141.5),
        (0x3FF00000, 1.0),
        (0x40B41500 | 1, 51.41),
        (0, 0.0),
    ],
)
def test_packed_numbers(packed: int, number: float) -> None:
    assert rk_number(packed) == number


@given(st.lists(st.tuples(st.integers(0, 16_000), st.binary(max_size=300)), max_size=8), st.integers(0, 3))
def test_records_are_found_one_behind_another_and_a_cut_one_is_an_error(pairs: list[tuple[int, bytes]], cut: int) -> None:
    raw = b"".join(xlsb_record(kind, body) for kind, body in pairs)
    assert list(records(io.BytesIO(raw))) == pairs
    if cut and pairs and len(pairs[-1][1]) >= cut:
        with pytest.raises((EOFError, IndexError)):
            list(records(io.BytesIO(raw[:-cut])))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"xl/worksheets/sheet1.bin": xlsb_record(145) + b"\x07\x20\0"}, "damaged"),
        ({"xl/sharedStrings.bin": xlsb_record(19, b"\0\xff\xff\0\0x")}, "damaged"),
        ({"xl/workbook.bin": b"\x9c\x01\xff\xff\xff\x7f"}, "record of"),
        ({"xl/workbook.bin": b""}, "no data rows"),
        ({"xl/worksheets/sheet1.bin": b""}, "no data rows"),
    ],
)
def test_broken_parts_are_one_sentence(tmp_path: Path, parts: dict[str, bytes], said: str) -> None:
    path = xlsb(tmp_path / "x.xlsb", table(("ID",), (1,)), parts=parts)
    with pytest.raises(SheetError, match=said) as caught:
        _read(path)
    assert str(caught.value).startswith(str(path))


_VALUES = st.one_of(
    st.integers(-(10**14), 10**14),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(max_codepoint=0xD7FF, exclude_characters="\0"), min_size=1, max_size=40),
    st.booleans(),
    st.sampled_from(["#N/A", "#REF!"]).map(ErrorCell),
)


@given(st.dictionaries(st.tuples(st.integers(3, 300), st.integers(0, 40)), _VALUES, max_size=30))
def test_every_cell_comes_back_in_its_place(cells: Cells) -> None:
    with TemporaryDirectory() as folder:
        rows = dict(_read(xlsb(Path(folder) / "x.xlsb", table(("a",), ("b",)) | dict(cells))).rows)
    for (row, column), cell in cells.items():
        if not isinstance(cell, str) or cell.strip():
            assert rows[row][column] == cell


def test_calamine_reads_the_same(tmp_path: Path) -> None:
    cells = table(("ID", "T", "N"), *((number, f"Сделка {number}", number / 8) for number in range(1, 300)))
    path = xlsb(tmp_path / "x.xlsb", cells)
    theirs = python_calamine.CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
    assert [row for _, row in _read(path).rows] == theirs

from __future__ import annotations

import datetime as dt
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import python_calamine
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.errors import SheetError
from bulkstart.model import DisguisedNumber, ErrorCell, UncalculatedCell
from bulkstart.sheet_open import open_tab
from bulkstart.sheet_tabs import TabRows
from tests.old_files import Cells, Formula, biff5, biff8, compound, record, table, xls

moment = dt.datetime  # cells have no zone


def _read(path: Path, wanted: str | int | None = None) -> TabRows:
    kind, found = open_tab(path, "ole", wanted)
    assert kind == "xls"
    return found


def test_cells_are_what_they_were(tmp_path: Path) -> None:
    cells = table(
        ("ID", "Title", "Sum", "Flag", "Broken", "Date"),
        (5141, "Сделка №1", 10.25, True, ErrorCell("#N/A"), (46024, 1)),
        (2**40, "x" * 9000 + "Ж", -7, False, ErrorCell("#REF!"), (46024.5, 1)),
        (1e16, "", 0.1, None, None, (1.5, 6)),
    )
    rows = _read(xls(tmp_path / "x.xls", cells)).rows
    assert rows[1] == (2, [5141, "Сделка №1", 10.25, True, ErrorCell("#N/A"), dt.date(2026, 1, 2)])
    assert [type(cell) for cell in rows[1][1][:5]] == [int, str, float, bool, ErrorCell]
    assert rows[2] == (3, [2**40, "x" * 9000 + "Ж", -7, False, ErrorCell("#REF!"), moment(2026, 1, 2, 12)])
    assert rows[3] == (4, [1e16, None, 0.1, None, None, dt.timedelta(hours=36)])
    assert type(rows[3][1][0]) is float, "too long for a number"


def test_formulas_give_their_saved_result_and_none_is_not_blank(tmp_path: Path) -> None:
    results = (5141, "text", True, ErrorCell("#DIV/0!"))
    cells = table(("a", "b", "c", "d", "e"), (*map(Formula, results), Formula(None)))
    assert _read(xls(tmp_path / "x.xls", cells)).rows[1][1] == [*results]
    found = _read(xls(tmp_path / "x.xls", cells, calculated=False)).rows[1][1]
    assert isinstance(found[4], UncalculatedCell), "a writer that calculates nothing left it"


def test_hidden_rows_columns_and_tabs_are_told(tmp_path: Path) -> None:
    cells = table(("ID", "T"), (1, "a"), (2, "b"), (3, "c"))
    path = xls(tmp_path / "x.xls", {"Old": cells, "Deals": cells}, states={"Old": 1}, hidden=[3, 4, 9], columns=[1])
    found = _read(path)
    assert (found.tab.name, found.tab.number, found.tabs, found.hidden, found.hidden_columns) == ("Deals", 2, 2, (3, 4), (1,))
    assert _read(path, "Old").tab.visible is False


def test_a_number_that_is_shown_as_another_one_is_disguised(tmp_path: Path) -> None:
    cells = table(("ID",), ((6083, 2),), ((5141000000, 3),), ((5141, 4),), ((5141, 5),))
    found = [row[0] for _, row in _read(xls(tmp_path / "x.xls", cells)).rows[1:]]
    assert [getattr(cell, "shown", "") for cell in found] == ["06083", "5141", "D-5141", ""]
    assert [type(cell) for cell in found] == [DisguisedNumber] * 3 + [int]


def test_dates_follow_the_epoch_of_the_workbook(tmp_path: Path) -> None:
    cells = table(("ID",), ((44562, 1),))
    assert _read(xls(tmp_path / "x.xls", cells, date1904=True)).rows[1][1] == [dt.date(2026, 1, 2)]


@pytest.mark.parametrize(("codec", "page"), [("cp1251", 1251), ("mac_cyrillic", 10007)])
def test_excel_95_keeps_texts_in_its_code_page(tmp_path: Path, codec: str, page: int) -> None:
    path = tmp_path / "x.xls"
    path.write_bytes(compound({"Book": biff5([["ID", "Имя"], ["5141", "Пётр"]], codec, page)}))
    found = _read(path)
    assert (found.tab.name, found.rows) == ("Лист1", [(1, ["ID", "Имя"]), (2, ["5141", "Пётр"])])


def test_texts_run_on_into_the_next_record(tmp_path: Path) -> None:
    texts = [f"{n} " + "Ж" * (n * 37 % 900) for n in range(400)]
    rows = _read(xls(tmp_path / "x.xls", table(("ID",), *((text,) for text in texts)))).rows
    assert [row[0] for _, row in rows[1:]] == texts


@pytest.mark.parametrize("sector", [512, 4096])
def test_sectors_have_either_size_and_long_files_many_tables(tmp_path: Path, sector: int) -> None:
    cells = table(("ID", "T"), *((number, "x" * 100 + str(number)) for number in range(1, 900)))
    (tmp_path / "x.xls").write_bytes(compound({"Other": b"y" * 70_000, "Workbook": biff8({"Deals": cells})}, sector))
    rows = _read(tmp_path / "x.xls").rows
    assert (len(rows), rows[-1]) == (900, (900, [899, "x" * 100 + "899"]))


@pytest.mark.parametrize(
    ("streams", "said"),
    [
        ({"EncryptedPackage": b"x"}, "password"),
        ({"WordDocument": b"x"}, "Word document"),
        ({"Other": b"x"}, "without a workbook"),
        ({"Workbook": b"x" * 5000}, "damaged|refused"),
        ({"Workbook": biff8({"Deals": {}}, settings=record(0x2F, bytes(54)))}, "password"),
        ({"Workbook": biff8({"Deals": {}}).replace(struct.pack("<HH", 0x0A, 0), b"")}, "cut off"),
        ({"Workbook": biff8({"Deals": {}})}, "no data rows"),
    ],
)
def test_what_is_no_open_workbook_is_said(tmp_path: Path, streams: dict[str, bytes], said: str) -> None:
    path = tmp_path / "x.xls"
    path.write_bytes(compound(streams))
    with pytest.raises(SheetError, match=said) as caught:
        _read(path)
    assert str(caught.value).startswith(str(path))


_VALUES = st.one_of(
    st.integers(-(10**14), 10**14),
    st.floats(allow_nan=False, allow_infinity=False, width=64),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40),
    st.booleans(),
    st.sampled_from(["#N/A", "#REF!"]).map(ErrorCell),
)


@given(st.dictionaries(st.tuples(st.integers(1, 300), st.integers(0, 40)), _VALUES, max_size=30))
def test_every_cell_comes_back_in_its_place(cells: Cells) -> None:
    with TemporaryDirectory() as folder:
        moved = {(row + 2, column): cell for (row, column), cell in cells.items()}
        rows = dict(_read(xls(Path(folder) / "x.xls", table(("a",), ("b",)) | moved)).rows)
    for (row, column), cell in cells.items():
        if isinstance(cell, str) and not cell.strip():
            continue
        found = rows[row + 2][column]
        assert (found, type(found) is type(cell) or cell.is_integer()) == (cell, True)


def test_calamine_reads_the_same(tmp_path: Path) -> None:
    cells = table(("ID", "T", "N"), *((number, f"Сделка {number}", number / 8) for number in range(1, 300)))
    path = xls(tmp_path / "x.xls", cells)
    theirs = python_calamine.CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
    assert [row for _, row in _read(path).rows] == theirs

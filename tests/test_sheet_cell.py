from __future__ import annotations

import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.model import ErrorCell, UncalculatedCell
from bulkstart.sheet_cell import cell_reader, date_kind, read_date, read_number, telling_styles

moment = dt.datetime  # cells have no zone
READ = cell_reader(["", "00099999"], {"1": "date", "2": "datetime", "3": "time", "4": "elapsed"}, 0)


@pytest.mark.parametrize(
    ("cell", "text", "formula", "value"),
    [
        ({}, "5141", None, 5141),
        ({"t": "n"}, "5141.0", None, 5141),
        ({}, "0001", None, 1),
        ({}, "5141.5", None, 5141.5),
        ({"t": "s"}, "1", None, "00099999"),
        ({"t": "s"}, "0", None, None),
        ({"t": "b"}, "1", None, True),
        ({"t": "b"}, "0", None, False),
        ({"t": "str"}, "a_x000D_b", "A1", "a\rb"),
        ({"t": "inlineStr"}, " 5141 ", None, " 5141 "),
        ({"t": "e"}, "#N/A", None, ErrorCell("#N/A")),
        ({"t": "e"}, "#REF!", "A1", ErrorCell("#REF!")),
        ({}, None, "A1+1", UncalculatedCell("=A1+1")),
        ({}, "", "A1+1", UncalculatedCell("=A1+1")),
        ({"t": "str"}, "", '""', None),
        ({}, None, None, None),
        ({"t": "d"}, "2026-01-02", None, dt.date(2026, 1, 2)),
        ({"t": "d"}, "2026-01-02T03:04:05", None, moment(2026, 1, 2, 3, 4, 5)),
        ({"t": "d"}, "soon", None, "soon"),
        ({"s": "1"}, "46024", None, dt.date(2026, 1, 2)),
        ({"s": "2"}, "46024", None, moment(2026, 1, 2)),
        ({"s": "1"}, "abc", None, "abc"),
    ],
)
def test_a_cell_is_what_its_type_says(cell: dict[str, str], text: str | None, formula: str | None, value: object) -> None:
    found = READ(cell, text, formula)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["1e15", "1234567890123456", "4.89290024005183e+17", "-1E+15"])
def test_numbers_of_more_than_fifteen_digits_stay_floats(text: str) -> None:
    assert type(read_number(text)) is float


@pytest.mark.parametrize("text", ["1_000", "abc", "", "5141,5", "1_0.5"])
def test_what_is_no_number_stays_text(text: str) -> None:
    assert read_number(text) == text


def test_infinity_stays_a_float_that_a_check_can_refuse() -> None:
    assert read_number("1e400") == math.inf


@given(st.integers(-(10**15) + 1, 10**15 - 1))
def test_whole_numbers_are_exact(number: int) -> None:
    assert read_number(str(number)) == read_number(f"{number}.0") == number
    assert type(read_number(str(number))) is int


@pytest.mark.parametrize(
    ("number", "style", "shift", "value"),
    [
        (1, "date", 0, dt.date(1900, 1, 1)),
        (59, "date", 0, dt.date(1900, 2, 28)),
        (60, "date", 0, 60),
        (61, "date", 0, dt.date(1900, 3, 1)),
        (0, "date", 1462, dt.date(1904, 1, 1)),
        (44562, "date", 1462, dt.date(2026, 1, 2)),
        (46024.5, "date", 0, moment(2026, 1, 2, 12)),
        (46024.123456, "datetime", 0, moment(2026, 1, 2, 2, 57, 46, 598000)),
        (0.5, "time", 0, dt.time(12)),
        (46024.5, "time", 0, moment(2026, 1, 2, 12)),
        (1.5, "elapsed", 0, dt.timedelta(hours=36)),
        (0.25, "elapsed", 0, dt.time(6)),
        (-1, "date", 0, -1),
        (3e6, "date", 0, 3e6),
        (math.inf, "date", 0, math.inf),
    ],
)
def test_numbers_in_date_formats(number: float, style: str, shift: int, value: object) -> None:
    assert read_date(number, style, shift) == value


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("dd.mm.yyyy", "date"),
        ("[$-419]d mmm yyyy;@", "date"),
        ("mmm", "date"),
        ("yyyy\\-mm\\-dd hh:mm:ss", "datetime"),
        ("h:mm AM/PM", "time"),
        ("mm:ss.0", "time"),
        ("[h]:mm:ss", "elapsed"),
        ("General", None),
        ("0.00", None),
        ('#,##0.00" days"', None),
        ("[Red]0;[Blue]-0", None),
        ("0.00E+00", None),
        ("_-* #,##0\\ \\d_-", None),
        ("00000000", None),
    ],
)
def test_number_formats(code: str, kind: str | None) -> None:
    assert date_kind(code) == kind


def test_only_the_styles_of_cells_count() -> None:
    styles = [
        *(("numFmts", {}), ("numFmt", {"numFmtId": "164", "formatCode": "dd.mm.yyyy"})),
        *(("cellStyleXfs", {}), ("xf", {"numFmtId": "14"}), ("xf", {"numFmtId": "14"})),
        *(("cellXfs", {}), ("xf", {"numFmtId": "0"}), ("xf", {"numFmtId": "164"}), ("xf", {"numFmtId": "22"}), ("xf", {})),
        *(("dxfs", {}), ("numFmt", {"numFmtId": "165", "formatCode": "d"})),
    ]
    assert telling_styles(styles) == {"1": "date", "2": "datetime"}

"""Texts, numbers, yes and no, dates: read exactly, or refused with a sentence."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.cells import CellError
from bulkstart.errors import UsageError
from bulkstart.model import ErrorCell
from bulkstart.values import boolean, date_pattern, integer, moment, number, text


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("0597", "0597"),
        (" spaces stay ", " spaces stay "),
        (5.0, "5"),
        (5.25, "5.25"),
        (np.float64(7.0), "7"),
        (True, "TRUE"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a_x000D_\nb", "a\nb"),
        (dt.datetime.fromisoformat("2026-12-31"), "2026-12-31"),
        (pd.Timestamp("2026-12-31 10:00"), "2026-12-31 10:00:00"),
        (dt.date(2026, 12, 31), "2026-12-31"),
        (dt.time(10, 30), "10:30:00"),
        ("NA", "NA"),
    ],
)
def test_text_keeps_every_character_and_numbers_lose_their_point_zero(cell, expected):
    assert text(cell) == expected


@pytest.mark.parametrize("cell", [None, "", "\ud800", ErrorCell("#N/A"), "#Н/Д", [1], 1e300, float("inf")])
def test_what_is_no_text_is_a_problem(cell):
    with pytest.raises(CellError):
        text(cell)


@pytest.mark.parametrize(
    ("cell", "decimal", "expected"),
    [
        (5, None, 5),
        (5.0, None, 5),
        (Decimal("1.5"), None, 1.5),
        ("5", None, 5),
        ("-5.25", None, -5.25),
        ("5.0", None, 5),
        ("1234,56", ",", 1234.56),
        ("1 234,56", ",", 1234.56),
        ("1\u00a0234\u00a0567,5", ",", 1234567.5),
        ("1.234,56", ",", 1234.56),
        ("1.234", ",", 1234),
        ("1,234.56", ".", 1234.56),
        ("1,234", ".", 1234),
        ("123456789012345678", None, 123456789012345678),
    ],
)
def test_numbers_follow_the_decimal_mark_that_was_said(cell, decimal, expected):
    read = number(cell, decimal)
    assert read == expected
    assert type(read) is type(expected)


@pytest.mark.parametrize(
    ("cell", "decimal"),
    [
        *[(cell, None) for cell in ("1234,56", "1 234", "1,234", "1e3", "", "abc", True, float("nan"), float("inf"), 1e15)],
        *[("12,34", "."), ("5 %", "."), ("1.2.3", ","), ("1,23E+11", ","), ("1 23", ",")],
    ],
)
def test_a_number_that_could_be_another_is_refused(cell, decimal):
    with pytest.raises(CellError):
        number(cell, decimal)


def test_the_decimal_mark_is_asked_for():
    with pytest.raises(CellError, match="--decimal"):
        number("1 234,56")


@pytest.mark.parametrize("cell", [5, 5.0, "5", "5.0", " 5 ", np.int64(5)])
def test_a_whole_number_may_look_like_a_float(cell):
    assert integer(cell) == 5


@pytest.mark.parametrize("cell", [5.5, "5.5", "1e3", True, "5.000", "5,0"])
def test_a_fraction_or_a_doubtful_thousand_is_no_whole_number(cell):
    with pytest.raises(CellError):
        integer(cell)


@given(st.integers(-(10**14), 10**14))
def test_every_spreadsheet_integer_survives_as_float_and_text(value):
    assert integer(float(value)) == integer(str(value)) == integer(f"{value}.0") == value


def test_yes_and_no():
    assert all(boolean(cell) for cell in (True, np.bool_(True), 1, 1.0, "yes", "Y", "TRUE", "да", "ИСТИНА", "1"))
    assert not any(boolean(cell) for cell in (False, 0, 0.0, "no", "n", "False", "Нет", "ложь", "0"))


@pytest.mark.parametrize("cell", ["maybe", 2, 0.5, "", None, dt.date(2026, 1, 1), "+"])
def test_what_is_neither_yes_nor_no_is_a_problem(cell):
    with pytest.raises(CellError):
        boolean(cell)


@pytest.mark.parametrize(
    ("cell", "given_format", "expected"),
    [
        (dt.date(2026, 12, 31), None, "2026-12-31T00:00:00"),
        (pd.Timestamp("2026-12-31 10:00"), None, "2026-12-31T10:00:00"),
        ("2026-12-31", None, "2026-12-31T00:00:00"),
        ("2026-12-31T10:00:05", None, "2026-12-31T10:00:05"),
        ("31.12.2026", "%d.%m.%Y", "2026-12-31T00:00:00"),
        ("31.12.2026", "DD.MM.YYYY", "2026-12-31T00:00:00"),
        ("31.12.2026 15:03:26", "DD.MM.YYYY", "2026-12-31T15:03:26"),
        ("01/02/2026", "%m/%d/%Y", "2026-01-02T00:00:00"),
        ("2026-12-31", "%d.%m.%Y", "2026-12-31T00:00:00"),
        ("2026-01-02", "%Y-%d-%m", "2026-02-01T00:00:00"),
    ],
)
def test_dates_are_read_as_cells_as_iso_or_as_the_format_says(cell, given_format, expected):
    assert moment(cell, given_format).isoformat() == expected


@pytest.mark.parametrize(
    ("cell", "given_format"),
    [
        *[
            (cell, None)
            for cell in ("01.02.2026", "01/02/2026", "2026-02-30", "20260102", "0000-00-00", 46022, dt.time(1), True, "")
        ],
        *[("31.13.2026", "DD.MM.YYYY"), ("2026-12-31", "%Y-%d-%m")],
    ],
)
def test_a_doubtful_date_is_refused(cell, given_format):
    with pytest.raises(CellError):
        moment(cell, given_format)


def test_an_ambiguous_date_asks_for_its_format():
    with pytest.raises(CellError, match="--date-format"):
        moment("01.02.2026")


@pytest.mark.parametrize("pattern", ["%d.%m", "date", "", "%H:%M", "%q"])
def test_a_date_format_must_name_day_month_and_year(pattern):
    with pytest.raises(UsageError):
        date_pattern(pattern)

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.sheet_text import as_text, inert_text, is_missing, looks_like_formula, plain_text, plain_value

moment = dt.datetime  # cells have no zone


@pytest.mark.parametrize("text", ["=1+1", "+49 30", "-5", "@SUM(A1)", "\t=x", "\r=x", "'=x"])
def test_text_that_begins_a_formula_gets_a_quote_before_it(text: str) -> None:
    assert inert_text(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "started", "5-1", "'tis", " =1"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert inert_text(text) == text


@given(st.text(alphabet="'=+-@\t\ra1 "))
def test_plain_text_takes_away_exactly_what_inert_text_added(text: str) -> None:
    assert plain_text(inert_text(text)) == text
    assert inert_text(text)[:1] not in tuple("=+-@\t\r")


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("=A1", True),
        ("@cmd", True),
        ("+cmd|' /C calc'!A0", True),
        ("-2+3", True),
        ("\tx", True),
        ("-12,50", False),
        ("+7 (900) 123-45-67", False),
        ("-", False),
        ("", False),
        ("a=1", False),
    ],
)
def test_signed_numbers_and_telephone_numbers_are_no_formulas(text: str, formula: bool) -> None:
    assert looks_like_formula(text) is formula


@pytest.mark.parametrize("cell", [None, "", float("nan"), pd.NaT, pd.NA, np.float64("nan")])
def test_every_kind_of_nothing_is_missing(cell: object) -> None:
    assert is_missing(cell)
    assert plain_value(cell) is None
    assert as_text(cell) == ""


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (np.int64(5), 5),
        (np.float64(2.5), 2.5),
        (np.bool_(True), True),
        (pd.Timestamp("2026-01-02 03:04"), moment(2026, 1, 2, 3, 4)),
        (pd.Timedelta(hours=26), dt.timedelta(hours=26)),
    ],
)
def test_values_of_numpy_and_pandas_become_plain_ones(cell: object, value: object) -> None:
    assert plain_value(cell) == value
    assert type(plain_value(cell)) is type(value)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (5141, "5141"),
        (1.5, "1.5"),
        (True, "TRUE"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (moment(2026, 1, 2, 3, 4, 5), "2026-01-02 03:04:05"),
        (dt.time(9, 30), "09:30:00"),
        ("00042", "00042"),
    ],
)
def test_cells_as_text(cell: object, text: str) -> None:
    assert as_text(cell) == text

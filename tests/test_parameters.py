"""The table of bitrix24-api 1.5: what each parameter type becomes in the body, and what is refused."""

import datetime as dt
import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.cells import CellError
from bulkstart.errors import UsageError
from bulkstart.model import ErrorCell, Parameter, UncalculatedCell
from bulkstart.parameters import BLANK, Formats, serialise, with_currency

OPTIONS = {"pdf": "PDF file", "docx": "Word", "7": "Seven", "Y": "Да"}
ISO = Formats()
RUSSIAN = Formats(decimal=",", date_format="DD.MM.YYYY", date_output="DD.MM.YYYY", datetime_output="%d.%m.%Y %H:%M:%S")


def sent(kind, cell, formats=ISO, **more):
    return serialise(Parameter("p", type=kind, options=OPTIONS if "select" in kind else {}, **more), cell, formats)


def refused(kind, cell, formats=ISO, **more):
    with pytest.raises(CellError) as caught:
        sent(kind, cell, formats, **more)
    return caught.value.code


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("string", "0597", "0597"),
        ("string", 5.0, "5"),
        ("string", "=1+1", "=1+1"),
        ("string", dt.date(2026, 12, 31), "2026-12-31"),
        ("text", "a\r\nb", "a\nb"),
        ("int", 5, 5),
        ("int", 5.0, 5),
        ("int", "5", 5),
        ("integer", "-5", -5),
        ("double", 1.5, 1.5),
        ("double", "1.5", 1.5),
        ("double", 2.0, 2),
        ("bool", True, "Y"),
        ("bool", "нет", "N"),
        ("bool", 1, "Y"),
        ("bool", "0", "N"),
        ("date", dt.date(2026, 12, 31), "2026-12-31"),
        ("date", pd.Timestamp("2026-12-31"), "2026-12-31"),
        ("date", "2026-12-31", "2026-12-31"),
        ("datetime", pd.Timestamp("2026-12-31 10:00"), "2026-12-31T10:00:00+00:00"),
        ("datetime", "2026-12-31T10:00:00+05:00", "2026-12-31T10:00:00+05:00"),
        ("datetime", dt.date(2026, 12, 31), "2026-12-31T00:00:00+00:00"),
        ("select", "pdf", "pdf"),
        ("select", "PDF FILE ", "pdf"),
        ("select", 7.0, "7"),
        ("internalselect", "word", "docx"),
        ("user", 14, "user_14"),
        ("user", 14.0, "user_14"),
        ("user", "14", "user_14"),
        ("user", "user_14", "user_14"),
        ("user", "USER_14", "user_14"),
        ("user", "group_hr12", "group_hr12"),
        ("file", 99, 99),
        ("money", "300|RUB", "300|RUB"),
        ("UF:money", "300.50 | USD", "300.50|USD"),
        ("uf:crm", "D_5141", "D_5141"),
        ("e:ecrm", "/crm/contact/details/5/", "C_5"),
        ("UF:crm", "DYNAMIC_128_6", "T80_6"),
        ("uf:crm", "company_3", "CO_3"),
        ("E:EList", 17.0, 17),
        ("s:employee", "raw", "raw"),
        ("brandnew", " as it is ", " as it is "),
    ],
)
def test_each_type_is_sent_as_the_table_says(kind, cell, value):
    written = sent(kind, cell)
    assert written == value
    assert type(written) is type(value)


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        ("int", [5.5, "1e3", True, "abc", "5.000", "1 234"]),
        ("double", ["1,5", "1 234.5", True, "1e3", float("inf")]),
        ("bool", ["maybe", 2]),
        ("date", ["31.12.2026", "01/02/2026", 46022, "2026-02-30"]),
        ("datetime", ["31.12.2026 10:00", dt.time(10)]),
        ("user", ["Ivanov", "ivan@example.org", "user_", "0", -1, "user_1 user_2", "[14]", True]),
        ("file", ["contract.pdf"]),
        ("money", [300, "300", "300|", "5000000|", "1 234,50 ₽", "|RUB"]),
        ("uf:crm", [5141, "5141", "XX_5"]),
        ("string", ["\ud800", [1, 2]]),
    ],
)
def test_what_does_not_fit_its_type_is_refused(kind, cells):
    for cell in cells:
        assert refused(kind, cell) in ("type-error", "constraint-error")


@pytest.mark.parametrize(
    "kind", ["string", "int", "double", "bool", "date", "datetime", "select", "user", "file", "money", "uf:crm", "s:x"]
)
def test_blank_cells_leave_the_key_out_and_broken_ones_are_problems(kind):
    for cell in (None, "", "  ", float("nan"), pd.NA, pd.NaT):
        assert sent(kind, cell) is BLANK
        assert sent(kind, cell, multiple=True) is BLANK
        assert serialise(None, cell, ISO) is BLANK
    for multiple in (False, True):
        assert refused(kind, ErrorCell("#N/A"), multiple=multiple) == "error-cell"
        assert refused(kind, "#Н/Д", multiple=multiple) == "error-cell"
        assert refused(kind, UncalculatedCell("=A1;B1"), multiple=multiple) == "uncalculated-cell"


@pytest.mark.parametrize("words", ["{=Document:TITLE}", "a {= User:x} b", "$result[get][0]", "$RESULT[0]", "{{=x}}"])
def test_expressions_are_refused_in_every_text(words):
    assert {refused(kind, words) for kind in ("string", "text", "s:x", "brandnew")} == {"unsafe-text"}
    with pytest.raises(CellError) as caught:
        serialise(None, words, ISO)
    assert caught.value.code == "unsafe-text"
    assert refused("string", f"fine;{words}", multiple=True) == "unsafe-text"


def test_a_label_that_names_two_options_is_never_guessed():
    same = Parameter("p", type="select", options={"a": "Same", "b": " same"})
    digits = Parameter("p", type="select", options={"0": "1", "1": "2"})
    for parameter, cell in ((same, "same"), (digits, 1)):
        with pytest.raises(CellError) as caught:
            serialise(parameter, cell, ISO)
        assert caught.value.code == "constraint-error"
    assert serialise(same, "a", ISO) == "a"
    assert serialise(digits, "[1]", ISO) == "1"


def test_an_unknown_option_is_told_the_nearest_or_all_of_them():
    with pytest.raises(CellError, match="did you mean 'Word'"):
        sent("select", "Wrod")
    with pytest.raises(CellError, match="PDF file, Word, Seven"):
        sent("select", "xyz")


def test_multiple_values_become_a_list_even_when_there_is_one():
    assert sent("user", "1; user_2;;", multiple=True) == ["user_1", "user_2"]
    assert sent("user", 14, multiple=True) == ["user_14"]
    assert sent("select", "pdf ; Word", multiple=True) == ["pdf", "docx"]
    assert sent("string", "Smith, John", multiple=True) == ["Smith, John"]
    assert sent("int", "1|2", Formats(separator="|"), multiple=True) == [1, 2]
    assert sent("int", [1, 2.0, None], multiple=True) == [1, 2]
    assert sent("string", ";;", multiple=True) is BLANK
    assert refused("int", "1,2", multiple=True) == "type-error"


def test_an_unknown_definition_passes_the_value_through_in_its_plain_form():
    cells = ["0597", 5, 5.0, 5.5, True, np.int64(3), dt.date(2026, 1, 2), pd.Timestamp("2026-01-02 03:04"), ["a", 1.0]]
    assert [serialise(None, cell, ISO) for cell in cells] == [
        *("0597", 5, 5, 5.5, "Y", 3, "2026-01-02", "2026-01-02T03:04:00+00:00", ["a", 1])
    ]


def test_a_time_of_another_zone_is_sent_in_the_one_that_was_named():
    portal = Formats(datetime_output="DD.MM.YYYY HH:MI:SS", offset="+03:00")
    assert sent("datetime", "2026-01-01T23:30:00+00:00", portal) == "02.01.2026 02:30:00"
    assert sent("datetime", "2026-01-01T23:30:00", portal) == "01.01.2026 23:30:00"


def test_the_formats_of_a_russian_sheet():
    assert sent("double", "1 234,56", RUSSIAN) == 1234.56
    assert sent("int", "1\u00a0234", RUSSIAN) == 1234
    assert sent("money", "1 234,50|RUB", RUSSIAN) == "1234.5|RUB"
    assert sent("date", "31.12.2026", RUSSIAN) == "31.12.2026"
    assert sent("datetime", "31.12.2026 15:03:26", RUSSIAN) == "31.12.2026 15:03:26"
    assert sent("datetime", "2026-12-31", Formats(offset="-03:30")) == "2026-12-31T00:00:00-03:30"


@pytest.mark.parametrize(
    "wrong",
    [{"decimal": ";"}, {"separator": ""}, {"offset": "3"}, {"offset": "+25:00"}, {"date_format": "%H"}, {"date_output": "MM.DD"}],
)
def test_a_format_that_cannot_be_meant_is_a_usage_error(wrong):
    with pytest.raises(UsageError):
        Formats(**wrong)


@given(
    st.sampled_from(["string", "int", "double", "bool", "date", "datetime", "select", "user", "file", "money", "uf:crm", "s:x"]),
    st.one_of(
        st.text(), st.integers(), st.floats(), st.booleans(), st.decimals(), st.dates(), st.datetimes(), st.times(), st.none()
    ),
    st.booleans(),
)
def test_whatever_is_sent_is_json_and_whatever_is_not_is_a_cell_error(kind, cell, multiple):
    for parameter in (Parameter("p", type=kind, options=OPTIONS, multiple=multiple), None):
        try:
            value = serialise(parameter, cell, ISO)
        except CellError:
            continue
        assert value is BLANK or json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


MONEY = Parameter("budget", type="UF:money")


@pytest.mark.parametrize(
    ("amount", "currency", "value"),
    [
        (300, "RUB", "300|RUB"),
        (300.5, " usd ", "300.5|USD"),
        ("5000000|", "EUR", "5000000|EUR"),
        ("12|RUB", "RUB", "12|RUB"),
        ("12|RUB", None, "12|RUB"),
        ("", "RUB", BLANK),
        (None, None, BLANK),
    ],
)
def test_an_amount_takes_its_currency_from_a_cell_of_its_own(amount, currency, value):
    assert with_currency(MONEY, amount, currency, ISO) == value


@pytest.mark.parametrize(
    ("amount", "currency", "code", "said"),
    [
        (300, "Рубль", "type-error", "'Рубль' is not a currency"),
        (300, "", "type-error", "NAME.currency"),
        ("12|RUB", "USD", "conflicting-value", "USD"),
        ("abc", "RUB", "type-error", "not a number"),
        ("1 234,50", "RUB", "type-error", "--decimal"),
        (300, ErrorCell("#N/A"), "error-cell", "#N/A"),
    ],
)
def test_an_amount_and_a_currency_that_do_not_go_together_are_refused(amount, currency, code, said):
    with pytest.raises(CellError, match=re.escape(said)) as caught:
        with_currency(MONEY, amount, currency, ISO)
    assert caught.value.code == code


def test_several_amounts_share_the_currency_of_their_row():
    several = Parameter("budget", type="money", multiple=True)
    assert with_currency(several, "1; 2,50;", "RUB", RUSSIAN) == ["1|RUB", "2.5|RUB"]


def test_an_e_mail_address_is_refused_with_what_to_write():
    with pytest.raises(CellError, match=r"e-mail address.*write it, as 14 or user_14"):
        sent("user", "ivan@example.org")

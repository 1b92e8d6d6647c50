from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.cells import CellError, entity_id
from bulkstart.model import DisguisedNumber
from bulkstart.sheet_format import as_shown, is_harmless, shows
from bulkstart.values import number, text


@pytest.mark.parametrize(
    ("code", "value", "seen"),
    [
        ("00000", 6083, "06083"),
        ("0,,", 5141000000, "5141"),
        ("##0,", 5000, "5"),
        ("0.0,", 5100, "5.1"),
        ('"D-"0', 5141, "D-5141"),
        ("\\1 0", 7, "1 7"),
        ('0"1"', 5141, "51411"),
        ('0"-1"', 5141, "5141-1"),
        ("00-00", 5141, "51-41"),
        ("0%", 5141, "514100%"),
        ("0.00E+00", 5141, "5.14E+3"),
        (";;;", 5141, ""),
        ('"сделка"', 5141, "сделка"),
        ('General" шт"', 5, "5 шт"),
        ("[<=9999999]###-####;(###) ###-####", 5551234, "555-1234"),
        ('[>5000]"big";0', 5141, "big"),
    ],
)
def test_a_format_that_shows_other_digits_disguises_the_number(code: str, value: int, seen: str) -> None:
    found = as_shown(value, code)
    assert isinstance(found, DisguisedNumber)
    assert (int(found), found.shown) == (value, seen)
    assert not is_harmless(code)


@pytest.mark.parametrize(
    "code",
    [
        *("0", "#", "0.0", "#,##0", "#,##0.00", "# ##0", '#,##0.00 "₽"', "#,##0\\ [$₽-419]", "_-* #,##0_-;-* #,##0_-", "[Red]0"),
        *("00", "0000", "[>1000]0;0.0", "@", "General", "", "#,##0.00_);(#,##0.00)", '0;-0;"none"', "[$$-409]#,##0"),
    ],
)
def test_separators_decimals_currencies_and_colours_change_no_number(code: str) -> None:
    assert type(as_shown(5141, code)) is int


@pytest.mark.parametrize("code", ["?,", "#,", "0,", "#,#,", "##,,", "00", "0#,##0"])
def test_a_comma_behind_the_last_digit_divides_and_a_zero_before_it_pads(code: str) -> None:
    assert not is_harmless(code)
    assert type(as_shown(5141, code)) is DisguisedNumber or code == "00"


@given(st.integers(1, 10**14), st.text('0#?.,;%"\\ _*[]-ED@$<>5aА', max_size=12))
def test_no_format_is_too_odd_and_harmless_ones_agree(value: int, code: str) -> None:
    found = as_shown(value, code)
    assert found == value
    if is_harmless(code):
        assert type(found) is int


@pytest.mark.parametrize("seen", ["5141", "5 141", "5\u00a0141,00", "5,141.00", "5’141", "$5,141", "5141.0", "5.141"])
def test_a_display_text_that_is_the_number(seen: str) -> None:
    assert shows(seen, 5141)


@pytest.mark.parametrize("seen", ["05141", "5141.5", "51,41", "D-5141", "5141%", "", "5.14E+03", "514", "-5141", "5141.000.1"])
def test_a_display_text_that_is_another_one(seen: str) -> None:
    assert not shows(seen, 5141)


def test_a_disguised_id_is_a_problem_and_so_is_a_text_without_its_zeros() -> None:
    for cell in (DisguisedNumber(5141, "D-5141"), DisguisedNumber(5141000000, "5141"), DisguisedNumber(5141, "")):
        with pytest.raises(CellError, match="number format shows it"):
            entity_id(cell)
    assert entity_id(DisguisedNumber(5141, "05141")) == (5141, None), "with zeros in front it is the same number"
    with pytest.raises(CellError, match="'00042'"):
        text(DisguisedNumber(42, "00042"))
    assert text(DisguisedNumber(50, "50 шт")) == "50", "a unit is no part of the number"
    assert number(DisguisedNumber(5141000000, "5141")) == 5141000000


def test_a_disguised_number_survives_copies() -> None:
    cell = DisguisedNumber(7, "007")
    for twin in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        assert (type(twin), twin, twin.shown) == (DisguisedNumber, 7, "007")

"""What cells mean: an id is read whole and exact, or it is a problem."""

import datetime as dt
import re
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.cells import CellError, entity_id, entity_type, is_blank, link_host, plain, shown, template_id
from bulkstart.gateways.documents import NAMES, named
from bulkstart.model import ErrorCell, UncalculatedCell

INVISIBLE = re.compile("[\u200b-\u200f\u202a\u202c\u2060\u2066\u2069\ufeff]")

WHOLE = [5141, 5141.0, Decimal("5141.0"), "5141", "5141.0", "5141.00", "5141,0", " 5141 ", "\u00a05141\u00a0", "\t5141\n"]
WHOLE += ["\u200b5141", "51\u200b41", "\ufeff5141\ufeff", "\u202a5141\u202c", "'5141", '="5141"']
WHOLE += [np.int64(5141), np.float64(5141.0), np.str_("5141"), pd.Series([5141, None], dtype="Int64")[0]]


@pytest.mark.parametrize("cell", WHOLE, ids=repr)
def test_every_spelling_of_one_id_is_that_id(cell):
    assert entity_id(cell) == (5141, None)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("DEAL_5141", (5141, "deal")),
        ("deal_5141", (5141, "deal")),
        (" Lead_7 ", (7, "lead")),
        ("CONTACT_7", (7, "contact")),
        ("COMPANY_7", (7, "company")),
        ("D_5141", (5141, "deal")),
        ("L_1", (1, "lead")),
        ("C_2", (2, "contact")),
        ("CO_3", (3, "company")),
        ("SMART_INVOICE_3", (3, "smart_invoice")),
        ("DYNAMIC_147_1", (1, "dynamic_147")),
        ("T80_6", (6, "dynamic_128")),
        ("/crm/deal/details/5141/", (5141, "deal")),
        ("/crm/deal/details/5141", (5141, "deal")),
        ("https://acme.bitrix24.ru/crm/deal/details/5141/", (5141, "deal")),
        ("http://127.0.0.1:8080/crm/lead/show/9/", (9, "lead")),
        ("HTTPS://Acme.Bitrix24.ru/CRM/Contact/details/12/?IFRAME=Y&id=99", (12, "contact")),
        ("/crm/deal/details/7/?имя=Иван", (7, "deal")),
        ("acme.bitrix24.ru/crm/company/details/3/#tab", (3, "company")),
        ("/crm/type/147/details/5/", (5, "dynamic_147")),
    ],
)
def test_a_document_id_or_a_link_gives_the_id_and_its_entity_type(cell, expected):
    assert entity_id(cell) == expected


PROBLEMS = {
    "type-error": [
        *(5141.5, "5141.5", float("inf"), -float("inf"), "1e400", "1e3", "1,23E+11", "8E467", "+5", "-3", "−3", "5141."),
        *(
            "007",
            "DEAL_007",
            "0001",
            True,
            np.bool_(True),
            "TRUE",
            10**15,
            1234567890123456,
            1.23456789012345e15,
            "1234567890123456",
        ),
        *(
            2**53 + 2,
            10**5000,
            "9" * 400,
            dt.date(2026, 1, 2),
            pd.Timestamp("2026-01-02"),
            dt.time(1),
            dt.timedelta(1),
            "2026-01-02",
        ),
        *("5141, 5142", "5141;5142", "5141 5142", "5141\n5142", "5 141", "5\u00a0141", "5,141", "5.141", "5.000", "5/6", "1-2"),
        *(
            "№ 7841",
            "#7841",
            "٥١٤١",
            "５１４１",
            "5141 - Ivanov",
            "id5141",
            "DEAL_",
            "XX_5",
            "DEAL 5141",
            "D_5_6",
            "-",
            "\u202e1415",
        ),
        *(
            "https://acme.bitrix24.ru/crm/deal/list/",
            "https://acme.bitrix24.ru/5141",
            "/crm/deal/details/0x5/",
            "/crm/deal/details/",
        ),
        *("https://user@evil.example/crm/deal/details/5/", "/crm/deal/details/5/6/", b"5141", [5141], {"id": 5141}, object()),
        *("\x1b[31m5141", "\u017fI_7", "/crm/lead/detail\u017f/7/", "5141\x00", "NaN", "None", 5141 + 0j),
    ],
    "constraint-error": [-3, 0, 0.0, -0.5, "0", "00", "0.0", "DEAL_0", Decimal(-1)],
    "missing-cell": [None, "", "   ", "\u00a0", "\u200b", float("nan"), np.float64("nan"), pd.NA, pd.NaT, Decimal("sNaN")],
    "error-cell": [
        *(ErrorCell("#N/A"), ErrorCell("#whatever"), "#N/A", " #ref! ", "#DIV/0!", "#VALUE!", "#NAME?", "#NULL!", "#NUM!"),
        *("#Н/Д", "#ИМЯ?", "#ЗНАЧ!", "#ДЕЛ/0!", "#ССЫЛКА!", "#ПУСТО!", "#ЧИСЛО!"),
    ],
    "uncalculated-cell": [UncalculatedCell("=A1+1"), UncalculatedCell("5141")],
}


@pytest.mark.parametrize(
    ("code", "cell"), [(code, cell) for code, cells in PROBLEMS.items() for cell in cells], ids=lambda one: shown(one)[:40]
)
def test_whatever_could_be_another_id_is_a_problem(code, cell):
    with pytest.raises(CellError) as caught:
        entity_id(cell)
    assert caught.value.code == code
    assert caught.value.message
    assert not re.search(r"[\x00-\x1f\u200b-\u200f\u202a-\u202e]", caught.value.message)


def test_a_leading_zero_is_asked_about():
    with pytest.raises(CellError, match="did you mean 7"):
        entity_id("007")


def test_a_message_shows_what_stands_in_the_cell_cut_and_visible():
    assert shown("a\x1b[31mb\u200b") == r"'a\x1b[31mb\u200b'"
    assert len(shown("x" * 1000)) < 50
    assert shown(10**5000) == "a number of more than 40 digits"
    assert shown("\udc80") == r"'\udc80'"


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(),
    st.dates(),
    st.datetimes(),
    st.timedeltas(),
    st.binary(),
    st.lists(st.integers()),
    st.text(alphabet="0123456789.,eE+-_ DEALCOT/\u00a0\u200b'=\"", max_size=25),
    st.from_regex(r"\A(DEAL_|T80_|/crm/lead/details/|https://a\.b/crm/deal/details/)?[0-9]{1,17}(\.0|,0|/)?\Z"),
)


@given(CELLS)
def test_an_accepted_id_is_a_whole_run_of_digits_of_its_cell(cell):
    try:
        number, hint = entity_id(cell)
    except CellError as error:
        assert error.code in PROBLEMS  # noqa: PT017  both ways out are the property
        return
    assert type(number) is int
    assert 0 < number < 10**15
    if isinstance(cell, str):
        assert str(number) in re.findall("[0-9]+", INVISIBLE.sub("", cell))
    else:
        assert number == cell
        assert hint is None


@given(CELLS)
def test_reading_a_template_or_an_entity_type_raises_nothing_else(cell):
    for read in (template_id, entity_type, native_type):
        try:
            read(cell)
        except CellError as error:
            assert error.message  # noqa: PT017  both ways out are allowed


@pytest.mark.parametrize("cell", [713, "713", 713.0, " 713 ", np.int64(713), "713.0"])
def test_a_template_id_is_read_with_the_same_care(cell):
    assert template_id(cell) == 713


@pytest.mark.parametrize("cell", ["0713", -1, 0, 7.5, True, "DEAL_713", "/crm/deal/details/713/", "7 13", None, "Договор", 1e16])
def test_what_is_no_template_id_is_a_problem(cell):
    with pytest.raises(CellError):
        template_id(cell)


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ("deal", ["deal", "Deals", "DEAL", "CRM_DEAL", "CCrmDocumentDeal", "Сделка", "сделки", " deal\u00a0"]),
        ("lead", ["lead", "LEADS", "CRM_LEAD", "CCrmDocumentLead", "лид", "Лиды"]),
        ("contact", ["contact", "Contacts", "контакт", "КОНТАКТЫ"]),
        ("company", ["company", "Companies", "компания", "Компании"]),
    ],
)
def test_entity_types_are_known_in_two_languages_and_any_case(expected, words):
    assert {entity_type(word) for word in words} == {expected}


@pytest.mark.parametrize("cell", ["dael", "продажа", 2, True, None, "", "deal lead", "quote", "dynamic_147", ErrorCell("#N/A")])
def test_what_is_no_entity_type_is_a_problem(cell):
    with pytest.raises(CellError):
        entity_type(cell)


def native_type(value):
    return entity_type(value, named=named, names=NAMES)


def test_the_native_dialect_knows_more_entity_types():
    words = ("Quote", "smart_invoice", "DYNAMIC_147", "Смарт-процесс 147", "Счёт", "deal")
    assert [native_type(word) for word in words] == [
        *("quote", "smart_invoice", "dynamic_147", "dynamic_147", "smart_invoice", "deal")
    ]
    with pytest.raises(CellError, match="dynamic_N"):
        native_type("dynamic_0")
    with pytest.raises(CellError):
        native_type(True)


@pytest.mark.parametrize("cell", ["#N/A", ErrorCell(""), UncalculatedCell(""), 0, False, "0", "-"])
def test_errors_and_zeros_are_not_blank(cell):
    assert not is_blank(cell)


def test_plain_leaves_no_numpy_behind():
    values = [np.int8(1), np.float32(0.5), np.bool_(True), np.str_("x"), np.datetime64("2026-01-02T03:04:05", "ns")]
    assert [type(plain(value)) for value in values] == [int, float, bool, str, dt.datetime]


def test_a_link_names_its_host():
    assert link_host("https://Acme.bitrix24.ru/crm/deal/details/5/") == "acme.bitrix24.ru"
    assert link_host("/crm/deal/details/5/") is None
    assert link_host(5) is None

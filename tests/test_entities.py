"""On what a row starts: what options, columns, headers, templates and ids say together, and what may contradict what."""

from __future__ import annotations

import pandas as pd
import pytest

from bulkstart.checks import check_frame
from bulkstart.entities import CheckOptions, said_of
from bulkstart.errors import UsageError
from bulkstart.model import Template
from bulkstart.rows import columns_of

DEALS, LEADS, UNTOLD = Template(713, "Contract", "deal", ()), Template(714, "Call", "lead", ()), Template(715, "Any", None, ())
PORTAL = (DEALS, LEADS, UNTOLD)


def sheet(**columns):
    return pd.DataFrame({name.replace("__", " "): cells for name, cells in columns.items()}, dtype=object)


def check(frame, templates=PORTAL, **options):
    return check_frame(frame, CheckOptions(**options), templates)


def intents(checked):
    return [one and (one.template_id, one.entity_type, one.entity_id) for one in checked.requests]


def codes(checked):
    return [(problem.position, problem.code) for problem in checked.problems]


@pytest.mark.parametrize("options", [{"template": "x"}, {"template": 0}, {"entity_type": "task"}, {"entity_type": ""}])
def test_an_option_that_names_nothing_is_wrong_usage(options):
    frame = sheet(entityId=[1])
    with pytest.raises(UsageError, match="--template or --entity-type"):
        said_of(frame, columns_of(frame), CheckOptions(**options), None)


@pytest.mark.parametrize(
    ("columns", "options", "kind"),
    [
        ({"entityId": [1]}, {"template": 713}, "deal"),
        ({"entityId": [1]}, {"template": 715, "entity_type": "contact"}, "contact"),
        ({"entityId": [1], "entityType": ["Компания"]}, {"template": 715}, "company"),
        ({"contact_id": [1]}, {"template": 715}, "contact"),
        ({"entityId": ["LEAD_1"]}, {"template": 715}, "lead"),
    ],
)
def test_any_one_source_is_enough_for_the_type(columns, options, kind):
    checked = check(sheet(**columns), **options)
    assert [(entity_type, number) for _, entity_type, number in intents(checked)] == [(kind, 1)]


def test_an_id_that_names_another_type_than_its_row_has_is_never_sent():
    checked = check(sheet(entityId=["LEAD_1", "DEAL_2", 3]), template=713)
    assert intents(checked) == [None, (713, "deal", 2), (713, "deal", 3)]
    assert codes(checked) == [(0, "conflicting-value")]


def test_where_some_ids_name_a_type_the_others_must_be_told_theirs():
    checked = check(sheet(entityId=["LEAD_1", 2]), template=715)
    assert (intents(checked), codes(checked)) == ([(715, "lead", 1), None], [(1, "missing-cell")])


def test_where_nothing_names_a_type_one_problem_says_so_for_all_rows():
    checked = check(sheet(entityId=[1, 2, 3]), template=715)
    assert codes(checked) == [(None, "missing-label")]


def test_rows_of_one_sheet_may_be_of_several_templates_and_types():
    checked = check(sheet(entityId=[1, 1], templateId=[713, 714]))
    assert intents(checked) == [(713, "deal", 1), (714, "lead", 1)]


def test_an_empty_template_column_is_filled_by_the_option_and_without_one_asked_for_once():
    frame = sheet(entityId=[1, 2], templateId=[None, ""])
    assert intents(check(frame, template=713)) == [(713, "deal", 1), (713, "deal", 2)]
    assert codes(check(frame, entity_type="deal")) == [(None, "missing-cell")]


def test_links_to_cards_give_id_and_type_where_they_lead_to_this_portal():
    link = "https://acme.bitrix24.ru/crm/deal/details/{}/"
    checked = check(sheet(entityId=[link.format(5), 6]), template=713, portal="Acme.bitrix24.ru:443")
    assert intents(checked) == [(713, "deal", 5), (713, "deal", 6)]
    checked = check(sheet(entityId=[link.format(5), 6]), template=713, portal="other.bitrix24.ru")
    assert (intents(checked), codes(checked)) == ([None, (713, "deal", 6)], [(0, "conflicting-value")])


def test_where_this_portal_is_not_known_links_to_two_portals_are_all_doubted():
    cells = [f"https://{host}.bitrix24.ru/crm/deal/details/5/" for host in ("acme", "other")]
    checked = check(sheet(entityId=cells), template=713)
    assert codes(checked) == [(0, "conflicting-value"), (1, "conflicting-value")]
    known = check(sheet(entityId=cells), template=713, portal="acme.bitrix24.ru")
    assert codes(known) == [(1, "conflicting-value")], "where it is known, its own links are good"
    on_loopback = check(sheet(entityId=cells[:1]), template=713, portal="127.0.0.1:8018")
    assert intents(on_loopback) == [(713, "deal", 5)], "a portal on this machine has no name to compare"


@pytest.mark.parametrize("word", ["Итого", "ИТОГ:", "Всего сделок", "Total", "grand total 12"])
def test_a_line_of_totals_is_one_problem_that_names_it(word):
    checked = check(sheet(entityId=[1, None], title=["a", word]), template=713)
    assert codes(checked) == [(1, "missing-cell")]
    assert "totals" in checked.problems[0].message


def test_a_good_row_whose_title_begins_like_a_total_is_a_row():
    checked = check(sheet(entityId=[1, 2], title=["Total Ltd", "Итоговая встреча"]), template=713)
    assert (len(intents(checked)), codes(checked)) == (2, [])


# ------------------------------------------------------------------------------------------------------------ native


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("Quote", "quote"),
        ("Предложение", "quote"),
        ("Счёт", "smart_invoice"),
        ("SPA 147", "dynamic_147"),
        ("Смарт-процесс 147", "dynamic_147"),
        ("task", "task"),
        ("Сделка", "deal"),
    ],
)
def test_natively_more_words_name_a_type_in_cells_and_as_an_option(word, kind):
    by_cell = check(sheet(entityId=[1], entityType=[word]), None, template=9, dialect="native")
    by_option = check(sheet(entityId=[1]), None, template=9, entity_type=word, dialect="native")
    assert intents(by_cell) == intents(by_option) == [(9, kind, 1)]


def test_natively_a_type_that_there_is_not_is_said_with_those_that_there_are():
    checked = check(sheet(entityId=[1], entityType=["iblock_57"]), None, template=9, dialect="native")
    assert codes(checked) == [(0, "type-error")]
    assert "dynamic_N" in checked.problems[0].message


def test_the_gateway_takes_its_four_types_only():
    checked = check(sheet(entityId=[1], entityType=["quote"]), None, template=9)
    assert codes(checked) == [(0, "type-error")]
    smart = (Template(9, "Smart", "dynamic_147", ()),)
    assert codes(check(sheet(entityId=[1]), smart, template=9)) == [(0, "wrong-entity-type")]
    assert intents(check(sheet(entityId=[1]), smart, template=9, dialect="native")) == [(9, "dynamic_147", 1)]

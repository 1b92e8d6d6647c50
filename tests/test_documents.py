"""Entity types of the native dialect: names for people, document ids, and the way back (bitrix24-api.md 2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.gateways.documents import KINDS, NAMES, document_id, document_of, kind_of, named, type_of
from bulkstart.model import ENTITY_TYPES

CRM = "Bitrix\\Crm\\Integration\\BizProc\\Document\\"
PAGE = {  # the table of the page, written down once more
    "lead": ["crm", "CCrmDocumentLead", "LEAD_777"],
    "deal": ["crm", "CCrmDocumentDeal", "DEAL_777"],
    "contact": ["crm", "CCrmDocumentContact", "CONTACT_777"],
    "company": ["crm", "CCrmDocumentCompany", "COMPANY_777"],
    "quote": ["crm", CRM + "Quote", "QUOTE_777"],
    "smart_invoice": ["crm", CRM + "SmartInvoice", "SMART_INVOICE_777"],
    "dynamic_147": ["crm", CRM + "Dynamic", "DYNAMIC_147_777"],
    "feed_process": ["lists", "BizprocDocument", "777"],
    "list_item": ["lists", "Bitrix\\Lists\\BizprocDocumentLists", "777"],
    "drive_file": ["disk", "Bitrix\\Disk\\BizProcDocument", "777"],
    "task": ["tasks", "Bitrix\\Tasks\\Integration\\Bizproc\\Document\\Task", "777"],
}
ids = st.integers(1, 10**16 - 1)
types = st.sampled_from(sorted(KINDS)) | st.integers(128, 999_999).map(lambda number: f"dynamic_{number}")


@pytest.mark.parametrize(("kind", "triple"), PAGE.items())
def test_a_document_id_is_the_triple_of_the_page(kind, triple):
    assert document_id(kind, 777) == triple


def test_the_page_and_the_table_hold_the_same_types():
    assert set(PAGE) - {"dynamic_147"} == set(KINDS)
    assert set(ENTITY_TYPES) < set(KINDS)
    assert (*KINDS, "dynamic_N") == NAMES
    told = {name: kind_of(name).entity_type_id for name in PAGE}
    assert [told[name] for name in ("lead", "deal", "contact", "company", "quote", "smart_invoice", "dynamic_147", "task")] == [
        1, 2, 3, 4, 7, 31, 147, None,
    ]  # fmt: skip


@given(types, ids)
def test_a_running_row_leads_back_to_the_type_and_id_it_was_built_from(kind, number):
    assert document_of(*document_id(kind, number)) == (kind, number)


@pytest.mark.parametrize("number", [0, -1, True, 1.0, "7", None, 10**16])
def test_an_id_that_is_no_positive_whole_number_is_refused_before_anything_is_sent(number):
    with pytest.raises(ValueError, match="no document"):
        document_id("deal", number)


@pytest.mark.parametrize(
    "kind", ["", "Deal", "DEAL", "invoice", "dynamic_127", "dynamic_0147", "dynamic_147_1", "dynamic_", "iblock_5"]
)
def test_a_type_that_is_none_is_refused_before_anything_is_sent(kind):
    assert kind_of(kind) is None
    with pytest.raises(ValueError, match="no document"):
        document_id(kind, 1)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("deal Deals сделка СДЕЛКИ CRM_DEAL CCrmDocumentDeal", "deal"),
        ("lead leads лид Лиды", "lead"),
        ("contact контакты", "contact"),
        ("company companies Компания", "company"),
        ("quote Quotes estimate предложение КП", "quote"),
        ("smart_invoice SmartInvoice smart-invoices invoice счёт Счета смарт-счёт", "smart_invoice"),
        ("list_item lists список Bitrix\\Lists\\BizprocDocumentLists", "list_item"),
        ("process feed_process процесс BizprocDocument", "feed_process"),
        ("drive_file disk-file файл", "drive_file"),
        ("task tasks задача", "task"),
        ("dynamic_147 DYNAMIC_147 spa147 spa-147 smart_process_147 смарт-процесс_147", "dynamic_147"),
    ],
)
def test_a_word_of_a_person_names_its_type(words, kind):
    assert {word: named(word) for word in words.split()} == dict.fromkeys(words.split(), kind)


@pytest.mark.parametrize("words", ["Smart process 147", "смарт-процесс № 147", "\u200bdynamic_147 "])
def test_a_smart_process_may_be_written_with_spaces(words):
    assert named(words) == "dynamic_147"


@pytest.mark.parametrize(
    "word", ["", "order", "iblock_57", "dynamic", "dynamic_5", "DYNAMIC_147_1", "147", "2", "workflow", "бизнес-процесс"]
)
def test_a_word_that_means_none_or_two_is_not_guessed(word):
    assert named(word) is None


@pytest.mark.parametrize("kind", PAGE)
def test_every_canonical_name_names_itself(kind):
    assert named(kind) == kind


@pytest.mark.parametrize(
    ("text", "entity", "kind"),
    [
        ("LEAD", "CCrmDocumentLead", "lead"),
        ("Deal", None, "deal"),
        ("QUOTE", CRM + "Quote", "quote"),
        ("SMART_INVOICE", "", "smart_invoice"),
        ("DYNAMIC_147", CRM + "Dynamic", "dynamic_147"),
        ("iblock_57", "BizprocDocument", "feed_process"),
        ("iblock_57", "Bitrix\\Lists\\BizprocDocumentLists", "list_item"),
        ("iblock_57", "\\bitrix\\lists\\bizprocdocumentlists", "list_item"),
        ("iblock_57", None, None),
        ("iblock_57", "", None),
        ("iblock_57", "CIBlockDocument", "iblock_57"),
        ("STORAGE_3", "Bitrix\\Disk\\BizProcDocument", "drive_file"),
        ("STORAGE_3", "Bitrix\\Disk\\BizProcDocumentCompatible", "storage_3"),
        ("TASK", None, "task"),
        ("TASK_PROJECT_13", None, "task"),
        ("TASK_SCRUM_PROJECT_13", "Bitrix\\Tasks\\Integration\\Bizproc\\Document\\Task", "task"),
        ("ORDER", CRM + "Order", "order"),
        ("DYNAMIC_31", None, "dynamic_31"),
        ("DEAL", "CCrmDocumentLead", None),
        (["crm", "CCrmDocumentDeal", "DEAL"], None, "deal"),
        (["lists", "BizprocDocument", "iblock_57"], "ignored", "feed_process"),
        (["DEAL"], None, "deal"),
        ([], None, None),
        (None, None, None),
        (5, None, None),
        (" ", None, None),
    ],
)
def test_a_document_type_of_a_template_leads_back_to_our_type(text, entity, kind):
    assert type_of(text, entity) == kind


@pytest.mark.parametrize(
    "row",
    [
        (None, None, "777"),
        ("lists", "", "777"),
        ("lists", "CIBlockDocument", "777"),
        ("crm", "CCrmDocumentDeal", "777"),
        ("crm", "CCrmDocumentLead", "DEAL_777"),
        ("lists", "CCrmDocumentDeal", "DEAL_777"),
        ("disk", "BizprocDocument", "777"),
        ("crm", CRM + "Dynamic", "DYNAMIC_147"),
        ("crm", CRM + "Dynamic", "DYNAMIC_31_5"),
        ("crm", CRM + "Dynamic", "dynamic_147_5"),
        ("crm", CRM + "SmartInvoice", "SMART_INVOICE_"),
        ("crm", CRM + "SmartInvoice", "SMART_INVOICE_05"),
        ("tasks", ["Task"], "5"),
        ("crm", "CCrmDocumentDeal", 5),
    ],
    ids=str,
)
def test_a_running_row_that_contradicts_itself_or_says_too_little_is_no_document_of_ours(row):
    assert document_of(*row) is None


def test_a_crm_document_is_known_without_module_and_class():
    assert document_of(None, None, "DYNAMIC_1030_5") == ("dynamic_1030", 5)
    assert document_of("", "", "SMART_INVOICE_5") == ("smart_invoice", 5)


anything = st.none() | st.integers() | st.text(max_size=20) | st.lists(st.text(max_size=9), max_size=4) | st.sampled_from(
    [part for triple in PAGE.values() for part in triple]
)  # fmt: skip


@given(anything, anything, anything)
def test_reading_never_raises_and_names_only_what_can_be_built(module, entity, element):
    found = document_of(module, entity, element)
    assert found is None or document_id(*found)[2] == element
    type_of(element, entity)


@given(st.text(max_size=20))
def test_a_word_names_only_types_that_can_be_started_on(word):
    assert named(word) is None or kind_of(named(word))

"""Rows of the running list, in the spellings of both dialects: what runs on which document, and what is no document of ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.gateways.running import Running, read_running_row

NATIVE = {
    "ID": "66e4a.1",
    "MODULE_ID": "crm",
    "ENTITY": "CCrmDocumentDeal",
    "DOCUMENT_ID": "DEAL_1633",
    "STARTED": "2023-12-27T19:13:49+02:00",
    "OWNED_UNTIL": None,
    "TEMPLATE_ID": "212",
    "STARTED_BY": "57",
}
CAMEL = {
    "id": "66e4a.1",
    "moduleId": "crm",
    "entity": "CCrmDocumentDeal",
    "documentId": "DEAL_1633",
    "started": "2023-12-27T19:13:49+02:00",
    "templateId": "212",
}


@pytest.mark.parametrize("row", [NATIVE, CAMEL, {**CAMEL, "templateId": 212}], ids=["native", "camel", "a number"])
def test_a_row_is_read_in_either_spelling(row):
    assert read_running_row(row) == Running("66e4a.1", 212, ("deal", 1633), "2023-12-27T19:13:49+02:00")


@pytest.mark.parametrize("kind", ["lead", "deal", "contact", "company"])
def test_a_document_is_known_by_its_third_element_with_module_and_class_or_without(kind):
    last = f"{kind.upper()}_7"
    for more in ({}, {"moduleId": "", "entity": ""}, {"moduleId": None, "entity": None}):
        assert read_running_row({"id": "w", "documentId": last, **more}).document == (kind, 7)
    assert read_running_row({"id": "w", "documentId": ["crm", f"CCrmDocument{kind.title()}", last]}).document == (kind, 7)


@pytest.mark.parametrize(
    "wrong",
    [
        {"ENTITY": "CCrmDocumentLead"},
        {"ENTITY": "Bitrix\\Disk\\Document"},
        {"ENTITY": ["CCrmDocumentDeal"]},
        {"MODULE_ID": "lists"},
        {"MODULE_ID": 1},
        {"DOCUMENT_ID": "DYNAMIC_128_5"},
        {"DOCUMENT_ID": "deal_5"},
        {"DOCUMENT_ID": "DEAL_0"},
        {"DOCUMENT_ID": "DEAL_05"},
        {"DOCUMENT_ID": "DEAL_-5"},
        {"DOCUMENT_ID": "DEAL_5x"},
        {"DOCUMENT_ID": "DEAL_٥"},
        {"DOCUMENT_ID": "DEAL_" + "1" * 17},
        {"DOCUMENT_ID": "1633"},
        {"DOCUMENT_ID": 1633},
        {"DOCUMENT_ID": []},
        {"DOCUMENT_ID": None},
    ],
    ids=str,
)
def test_a_row_of_something_else_is_a_workflow_on_no_document_of_ours(wrong):
    found = read_running_row({**NATIVE, **wrong})
    assert found.document is None
    assert (found.workflow_id, found.template_id) == ("66e4a.1", 212)


@pytest.mark.parametrize("identity", [None, "", 5, [], {}, True])
def test_a_row_without_an_id_of_text_is_no_workflow(identity):
    assert read_running_row({**NATIVE, "ID": identity}) is None


@pytest.mark.parametrize("number", [None, "", "x", "-1", "2.5", "٢", "1" * 16, [], {"a": 1}])
def test_a_template_that_is_no_number_is_0_and_the_row_still_counts_on_its_document(number):
    found = read_running_row({**NATIVE, "TEMPLATE_ID": number})
    assert (found.template_id, found.document) == (0, ("deal", 1633))


leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.sampled_from(list(NATIVE.values()))
)
names = st.one_of(st.sampled_from([*NATIVE, *CAMEL]), st.text(max_size=4))
garbage = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=8), max_leaves=12
)


@given(st.one_of(garbage, st.dictionaries(names, garbage, max_size=9)))
def test_garbage_never_raises_and_names_no_document_that_is_none(row):
    found = read_running_row(row)
    if found is not None:
        assert found.workflow_id
        assert found.template_id >= 0
        assert found.document is None or (found.document[0] in ("lead", "deal", "contact", "company") and found.document[1] > 0)

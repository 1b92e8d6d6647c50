"""Template definitions in every spelling of bitrix24-api.md 1.4."""

from __future__ import annotations

import pytest

from bulkstart.gateways.definitions import read_parameters, read_template
from bulkstart.model import Parameter


def test_a_template_row_is_read_with_its_entity_type():
    row = {
        "id": "525",
        "name": "Contract",
        "documentType": ["crm", "CCrmDocumentDeal", "DEAL"],
        "autoExecute": 1,
        "modified": "2026",
    }
    template = read_template(row)
    assert (template.id, template.name, template.entity_type, template.auto_execute, template.modified) == (
        525,
        "Contract",
        "deal",
        1,
        "2026",
    )
    assert template.parameters is None
    assert read_template({"ID": "7", "DOCUMENT_TYPE": "LEAD", "PARAMETERS": []}).parameters == ()
    assert read_template({"ID": "7", "DOCUMENT_TYPE": "LEAD"}).entity_type == "lead"
    assert read_template({"ID": "7", "DOCUMENT_TYPE": "DYNAMIC_147"}).entity_type == "dynamic_147"


@pytest.mark.parametrize("row", [None, [], {}, {"id": "x"}, {"id": 0}, {"id": None}, {"id": "9" * 30}, "713"])
def test_a_row_without_a_usable_id_is_no_template(row):
    assert read_template(row) is None


@pytest.mark.parametrize("yes", [True, 1, "1", "Y", "y", "true"])
def test_every_spelling_of_required_and_multiple(yes):
    (parameter,) = read_parameters(
        {"a": {"Name": "A", "Type": "Select", "Required": yes, "Multiple": yes, "Options": {"pdf": "PDF"}, "Default": "pdf"}}
    )
    assert parameter == Parameter("a", "A", "select", required=True, multiple=True, options={"pdf": "PDF"}, default="pdf")


@pytest.mark.parametrize("no", [False, 0, "0", "N", "", None])
def test_every_spelling_of_not_required(no):
    (parameter,) = read_parameters({"a": {"Required": no, "Options": ""}})
    assert (parameter.required, parameter.options, parameter.type) == (False, {}, "string")


def test_options_as_a_list_mean_the_keys_from_0_and_form_order_is_kept():
    parameters = read_parameters({"z": {"Options": ["a", "b"]}, "a": {"Options": []}})
    assert [parameter.name for parameter in parameters] == ["z", "a"]
    assert parameters[0].options == {"0": "a", "1": "b"}


def test_none_is_told_apart_from_not_told():
    assert read_parameters([]) == ()
    assert read_parameters({}) == ()
    assert read_parameters(None) is None
    assert read_parameters("x") is None
    assert [p.name for p in read_parameters([{"Id": "a", "Type": "int"}])] == ["a"]

"""The header row of a blank sheet: whatever a template calls its parameters, our own matcher takes each header for its own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkstart.columns import match
from bulkstart.legend import entries_of
from bulkstart.model import Column, Parameter, Template
from bulkstart.parameters import Formats, serialise
from bulkstart.rows import letter

LABELS = [
    "",
    "ID",
    "id",
    "Сумма",
    "сумма ",
    "Тип сущности",
    "param:x",
    "entityId",
    "startStatus",
    "=1",
    "Due date",
    "a",
    "A",
    "#",
    "note *",
]
KINDS = ["string", "text", "int", "double", "bool", "date", "datetime", "select", "user", "file", "money", "UF:crm", "E:EList"]
parameters = st.lists(
    st.builds(
        Parameter,
        name=st.sampled_from(["a", "b", "ID", "note", "entityId", "workflowId", "deal_id", "x", "Сумма", "due"]),
        label=st.sampled_from(LABELS),
        type=st.sampled_from(KINDS),
        required=st.booleans(),
        multiple=st.booleans(),
        options=st.dictionaries(st.sampled_from(["1", "2", "x"]), st.sampled_from(["", "A", "a", "2", "Ёлка", "елка", "p;q"])),
    ),
    unique_by=lambda parameter: parameter.name,
    max_size=6,
)


def columns_of(entries):
    return [Column(index, letter(index), entry.header) for index, entry in enumerate(entries)]


@settings(max_examples=300, deadline=None)
@given(parameters, st.sampled_from([None, "deal"]))
def test_every_header_is_taken_for_what_it_stands_for(found, kind):
    template = Template(713, "x", kind, tuple(found))
    entries = entries_of(template)
    columns = columns_of(entries)
    matched = match(columns, definitions=[template.parameters], entity_types={kind} if kind else ())
    assert matched.problems == ()
    assert matched.entity_id is not None
    assert matched.entity_id.column.index == 0
    assert matched.entity_type is not None
    assert matched.entity_type.column.index == 1
    assert matched.template_id is None
    assert {fed.name: fed.column.index for fed in matched.parameters} == {
        entry.name: index for index, entry in enumerate(entries) if not entry.own
    }
    assert matched.results is None


@settings(max_examples=200, deadline=None)
@given(parameters)
def test_every_choice_of_a_drop_down_is_its_own_option(found):
    for entry, parameter in zip(entries_of(Template(1, "x", "deal", tuple(found)))[2:], found, strict=True):
        if parameter.type != "select":
            continue
        keys = [serialise(parameter, choice, Formats()) for choice in entry.choices]
        assert keys == [[key] if parameter.multiple else key for key in parameter.options]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("multiple", [False, True])
def test_the_example_of_each_type_can_be_sent(kind, multiple):
    parameter = Parameter("p", "P", kind.lower(), multiple=multiple, options={"k": "Label", "l": "Other"})
    (entry,) = entries_of(Template(1, "x", "deal", (parameter,)))[2:]
    if entry.example:
        value = serialise(parameter, entry.example, Formats())
        assert value if not multiple else len(value) == 2


def test_required_columns_bear_a_star_unless_a_default_stands_behind_them():
    found = (Parameter("a", "A", required=True), Parameter("b", "B", required=True, default="x"), Parameter("c", "C"))
    entries = entries_of(Template(1, "x", "deal", found))
    assert [entry.header for entry in entries] == ["entityId *", "entityType", "A *", "B", "C"]
    assert [entry.default for entry in entries][3] == "x"

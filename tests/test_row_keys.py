"""Keys: when two rows mean the same start."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.model import StartRequest
from bulkstart.row_keys import row_key


def key(portal="acme", template=713, kind="deal", entity=1, parameters=None, campaign=""):
    return row_key(portal, StartRequest(template, kind, entity, parameters or {}), campaign)


def test_a_key_changes_with_every_part_of_the_intent_and_with_nothing_else():
    changed = {"portal": "other", "template": 714, "kind": "lead", "entity": 2, "parameters": {"a": ""}, "campaign": "x"}
    keys = {key(), *(key(**{name: value}) for name, value in changed.items())}
    assert len(keys) == len(changed) + 1
    assert key(parameters={"a": 1, "b": 2}) == key(parameters={"b": 2, "a": 1})


@pytest.mark.parametrize("same", [(12, 12.0), (12, "12"), (0.5, "0.5"), ([1, 2.0], ["1", "2"]), ([[1]], [["1"]])], ids=str)
def test_a_number_and_its_digits_are_one_intent(same):
    assert key(parameters={"a": same[0]}) == key(parameters={"a": same[1]})


@pytest.mark.parametrize(
    "apart",
    [
        (1, True),
        ("1", "01"),
        ("a", "A"),
        ("a", "a "),
        ([1], 1),
        ([1], "1"),
        ([], ""),
        ({}, []),
        (["ab", "c"], ["a", "bc"]),
        ([1, 2], [2, 1]),
        (None, ""),
        (True, "true"),
    ],
    ids=str,
)
def test_what_a_template_could_tell_apart_are_two_intents(apart):
    assert key(parameters={"a": apart[0]}) != key(parameters={"a": apart[1]})


def test_a_key_is_the_same_in_every_release():
    """Journals hold keys: another way of making them would start every row again."""
    request = StartRequest(713, "deal", 5141, {"сумма": 12.50, "b": "", "a": [1, "x"], "flag": True, "n": 7.0})
    assert row_key("acme.bitrix24.com", request, "spring") == "1248a9c45e5e42a5a7fc1aebb0ed9bc459d47cabf4d7b3da5a6d1b0d186b82a4"


values = st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers(), max_size=3)


@given(values, values)
def test_no_two_parameter_sets_share_a_key_unless_their_digits_are_equal(one, other):
    spelled = [{name: str(value) for name, value in parameters.items()} for parameters in (one, other)]
    assert (key(parameters=one) == key(parameters=other)) == (spelled[0] == spelled[1])

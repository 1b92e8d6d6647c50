"""The nouns: when two rows mean the same start, where the six result columns stand, and what a fed-back row says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.model import RESULT_COLUMNS, SANDBOX_MARK, Previous, StartRequest, result_places, row_key

SIX = list(RESULT_COLUMNS)


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


values = st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers(), max_size=3)


@given(values, values)
def test_no_two_parameter_sets_share_a_key_unless_their_digits_are_equal(one, other):
    spelled = [{name: str(value) for name, value in parameters.items()} for parameters in (one, other)]
    assert (key(parameters=one) == key(parameters=other)) == (spelled[0] == spelled[1])


@pytest.mark.parametrize(
    ("names", "first"),
    [
        (["ID", *SIX], 1),
        (["attempts", *SIX], 1),
        ([*SIX, *SIX], 6),
        (["ID", *(f" {name} " for name in SIX)], 1),
        ([*SIX[:5], "x", SIX[5]], 0),
        ([*SIX[:5]], None),
        ([*reversed(SIX), "attempts"], None),
        ([], None),
    ],
    ids=str,
)
def test_the_six_are_the_last_that_follow_each_other_or_each_the_only_one_of_its_name(names, first):
    places = result_places(names)
    assert (None if places is None else places["startStatus"]) == first
    if places is not None:
        assert {name: names[place].strip() for name, place in places.items()} == {name: name for name in SIX}


@pytest.mark.parametrize(
    ("status", "workflow", "code", "says"),
    [
        ("started", "w.1", "", "started"),
        ("Already Started", "w.1", "", "started"),
        ("", "w.1", "", "started"),
        ("refused", "w.1", "", "odd"),
        ("started", "", "", "odd"),
        ("", "", "X", "odd"),
        ("запущено", "", "", "odd"),
        ("invalid", "", "foreign-result", "odd"),
        ("IN-DOUBT", "", "", "in_doubt"),
        ("refused", "", "X", "nothing"),
        ("", "", "", "nothing"),
    ],
)
def test_a_fed_back_row_says_that_it_started_or_may_have_or_nothing_or_something_odd(status, workflow, code, says):
    assert Previous(status, workflow, code, "", "").says == says


@pytest.mark.parametrize(
    ("message", "sandbox"),
    [
        (SANDBOX_MARK, True),
        (f"refused; {SANDBOX_MARK}", True),
        (f"{SANDBOX_MARK}; but refused", False),
        (f"refused {SANDBOX_MARK}", False),
        (f"'{SANDBOX_MARK}'", False),
        ("", False),
    ],
)
def test_the_sandbox_is_known_by_its_mark_alone_or_at_the_end(message, sandbox):
    assert Previous("started", "w", "", message, "").from_sandbox is sandbox

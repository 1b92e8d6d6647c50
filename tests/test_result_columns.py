"""Where the six result columns stand, and what a row of them says when it is given back."""

from __future__ import annotations

import pytest

from bulkstart.result_columns import RESULT_COLUMNS, SANDBOX_MARK, Previous, result_places

SIX = list(RESULT_COLUMNS)


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

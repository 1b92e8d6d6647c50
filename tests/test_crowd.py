"""How long rows of one document wait for each other, beside a walk through the looks one by one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.crowd import LOOK, Crowd


def walked(rows, life, per_document):
    """Seconds until the last row leaves, where starts take no time and the running list is looked at every ten seconds."""
    now, ends, left = 0.0, [], rows
    while True:
        ends = [end for end in ends if end > now]
        room = min(per_document - len(ends), left)
        ends += [now + life + 1e-3] * room
        left -= room
        if not left:
            return now
        now += LOOK


@given(rows=st.integers(1, 40), life=st.floats(0.5, 95.0), per_document=st.integers(1, 4))
def test_it_is_the_walk_through_the_looks(rows, life, per_document):
    crowd = Crowd(rows, per_document=per_document, life=life)
    assert crowd.seconds(1e9, 1.0) == pytest.approx(
        walked(rows, life, per_document), abs=1e-3 + LOOK * (life % LOOK > LOOK - 2e-3)
    )


def test_a_turn_that_was_seen_beats_the_users_word():
    assert (
        Crowd(8, per_document=2, life=57.0, turn=30.0).seconds(10, 10)
        == Crowd(8, per_document=2, turn=30.0).seconds(10, 10)
        == 90
    )


def test_what_runs_already_is_waited_for_until_the_look_behind_its_end():
    crowd = Crowd(2, 2, 25.0, 2, life=57.0, look=4.0)
    assert crowd.seconds(10, 10) == 34, "it ends in 32 s; looks come in 4, 14, 24 and 34"
    assert Crowd(2, 2, 100.0, 2, life=57.0, look=4.0).seconds(10, 10) == 4, "it should have ended: the next look tells"
    assert Crowd(2, 2, 8.0, 2, turn=10.0, look=2.0).seconds(10, 10) == 2


def test_the_last_round_of_many_documents_leaves_at_the_rate():
    one, many = (Crowd(8, per_document=2, life=15.0, entities=entities).seconds(20, 20) for entities in (1, 40))
    assert (one, many) == (60, 60 + (80 - 20) / 20)


def test_documents_that_begin_late_in_a_round_meet_a_later_look_once():
    """A round of 80 rows takes 8 s; what starts behind the fifth second still runs at the look after 20 s."""
    assert Crowd(8, per_document=2, life=15.0, entities=40).seconds(10, 1) == 3 * 20 + 10
    assert Crowd(8, per_document=2, life=11.0, entities=40).seconds(10, 1) == pytest.approx(3 * 20 + 7.9)


def test_without_a_bound_nobody_waits_and_without_a_life_nobody_knows():
    assert not Crowd(9).unknown
    assert Crowd(9).seconds(1, 1) == Crowd(9, per_document=2).seconds(1, 1) == 0
    assert Crowd(9, per_document=2).unknown
    assert not Crowd(2, per_document=2).unknown
    assert not Crowd(9, per_document=2, life=math.pi).unknown

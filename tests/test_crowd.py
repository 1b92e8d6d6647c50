"""How long rows of one document wait for each other, beside a walk through the looks one by one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.crowd import LOOK, Crowd, Life


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


def test_what_runs_already_is_waited_for_until_the_look_behind_its_end():
    crowd = Crowd(2, 2, 25.0, 2, life=57.0, look=4.0)
    assert crowd.seconds(10, 10) == 34, "it ends in 32 s; looks come in 4, 14, 24 and 34"
    assert Crowd(2, 2, 100.0, 2, life=57.0, look=4.0).seconds(10, 10) == 4, "it should have ended: the next look tells"


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


def lives(*ends, looks):
    """What is seen of workflows that begin and end at these instants."""
    life, there = Life(), list(ends)
    for now in looks:
        gone = [one for one in there if one[1] <= now]
        there = [one for one in there if one[1] > now]
        life.looked([began for began, _ in gone], [began for began, _ in there if began <= now], now)
    return life.seconds


@given(life=st.floats(1.0, 80.0), begins=st.lists(st.floats(0.0, 30.0), min_size=1, max_size=12))
def test_a_life_that_all_share_is_found_to_half_a_look(life, begins):
    found = lives(*[(began, began + life) for began in begins], looks=[10.0 * n for n in range(1, 14)])
    assert abs(found - life) <= LOOK / 2 + 1e-6


def test_where_lives_differ_the_median_is_told_and_nothing_where_none_ended():
    assert lives((0.0, 500.0), looks=[10.0, 20.0]) is None
    assert lives((0.0, 5.0), (0.0, 44.0), (0.0, 45.0), looks=[10.0, 20.0, 30.0, 40.0, 50.0]) == 45.0

"""Room on a document: which lane goes on, which waits, and that no row is lost or taken twice on the way."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bulkstart.crowd import Crowd
from bulkstart.lanes import Lanes, crowded
from bulkstart.model import StartRequest
from bulkstart.plan import Ready, lanes

DOCUMENT = ("deal", 1)


def rows(*entities):
    return [Ready(n, n + 2, f"key{n}", StartRequest(713, "deal", entity)) for n, entity in enumerate(entities)]


def filled(per_document, *entities):
    found = Lanes(per_document)
    found.fill(lanes(rows(*entities)))
    return found


def positions(lane):
    return [row.position for row in lane]


def test_lanes_are_taken_in_the_order_of_the_sheet_and_a_rest_goes_behind_the_others():
    street = filled(0, 1, 2, 1, 3)
    first = street.take()
    assert positions(first) == [0, 2]
    first.popleft()
    street.put_back(first)
    assert [positions(street.take()) for _ in range(3)] == [[1], [3], [2]]
    assert street.take() is None


def test_a_lane_that_is_done_does_not_come_again():
    street = filled(0, 1)
    lane = street.take()
    lane.popleft()
    street.put_back(lane)
    assert (len(street), street.take()) == (0, None)


def test_without_a_bound_a_document_always_has_room():
    street = Lanes(0)
    for _ in range(1000):
        street.may_run(DOCUMENT)
    assert street.has_room(DOCUMENT)


def test_room_is_counted_for_each_document_by_type_and_id():
    street = Lanes(1)
    street.may_run(DOCUMENT)
    assert not street.has_room(DOCUMENT)
    assert street.has_room(("lead", 1))
    assert street.has_room(("deal", 2))


def test_a_lane_without_room_waits_and_lets_the_next_one_go():
    street = filled(1, 1, 2)
    street.may_run(DOCUMENT)
    assert positions(street.take()) == [1]
    assert street.waiting
    assert street.take() is None, "a lane that waits is not taken before a sweep"
    assert len(street) == 1, "it is still a lane of the run"


def test_a_sweep_frees_the_lane_whose_document_has_room_again():
    street = filled(1, 1)
    street.may_run(DOCUMENT)
    assert street.take() is None
    assert street.swept({}) is True
    assert not street.waiting
    assert positions(street.take()) == [0]


def test_a_sweep_that_shows_no_room_says_so_and_the_lane_waits_on():
    street = filled(1, 1)
    street.may_run(DOCUMENT)
    street.take()
    assert street.swept({DOCUMENT: 1}) is False
    assert street.take() is None
    assert street.waiting


def test_a_sweep_counts_what_others_started_too():
    street = filled(2, 1)
    street.swept({DOCUMENT: 2})
    assert street.take() is None


def test_a_sweep_that_nobody_waited_for_frees_nobody():
    street = filled(1, 1)
    assert street.swept({}) is False
    assert positions(street.take()) == [0]


def test_given_up_are_the_rows_that_wait_and_no_others():
    street = filled(1, 1, 1, 2)
    street.may_run(DOCUMENT)
    assert positions(street.take()) == [2]
    assert positions(street.given_up()) == [0, 1]
    assert (street.waiting, len(street), street.given_up(), street.take()) == (False, 0, [], None)


steps = st.lists(st.one_of(st.just("take"), st.sets(st.integers(0, 30), max_size=31)), max_size=40)


@given(per_document=st.integers(1, 3), entities=st.lists(st.integers(1, 4), max_size=25), steps=steps)
def test_no_document_ever_has_more_than_its_bound_and_every_row_is_taken_or_given_up_once(per_document, entities, steps):
    street, running, taken = filled(per_document, *entities), [], []
    for step in steps:
        if step == "take":  # a worker: one lane, row after row, while there is room
            lane = street.take() or []
            while lane and street.has_room(lane[0].request.document):
                row = lane.popleft()
                street.may_run(row.request.document)
                running.append(row.request.document)
                taken.append(row.position)
                assert max(Counter(running).values()) <= per_document
            street.put_back(lane)
        else:  # some of what runs ends, and the list is swept
            running = [document for place, document in enumerate(running) if place not in step]
            street.swept(Counter(running))
    left = []
    while lane := street.take():
        left += positions(lane)
    assert sorted([*taken, *left, *positions(street.given_up())]) == list(range(len(entities)))
    assert len(street) == 0


def test_the_crowd_is_the_document_with_most_rows_left_and_running():
    street = filled(2, 1, 1, 1, 2, 2, 2, 2, 3)
    crowd = street.crowd(0.0)
    assert (crowd.rows, crowd.running, crowd.per_document) == (4, 0, 2)
    for second in (3.0, 4.0):
        street.may_run(("deal", 1), second)
    for second in (5.0, 6.0):
        street.may_run(("deal", 2), second)
    crowd = street.crowd(10.0)
    assert (crowd.rows, crowd.running, crowd.waited) == (4, 2, 5.0)
    assert street.crowd(10.0, lanes(rows(*[7] * 9))).rows == 9


def test_rows_in_a_workers_hand_are_rows_left_and_rows_given_up_are_not():
    street = filled(1, 1, 1, 1)
    lane = street.take()
    assert street.crowd(0.0).rows == 3
    street.may_run(lane.popleft().request.document, 0.0)
    assert (street.crowd(0.0).rows, street.crowd(0.0).running) == (2, 1)
    street.put_back(lane)
    street.take()
    assert len(street.given_up()) == 2
    assert street.crowd(0.0).rounds == 0


def test_only_of_documents_with_more_rows_than_may_run_at_once_is_it_kept_when_they_began():
    several = rows(1, 1, 1, 2, 2, 3)
    assert crowded(several, 2) == {("deal", 1)}
    street = Lanes(2, None, crowded(several, 2))
    street.fill(lanes(several))
    for document in (("deal", 1), ("deal", 3)):
        street.may_run(document, 1.0)
    assert street.crowd(5.0).running == 1
    assert street._began.keys() == {("deal", 1)}


def test_rows_that_nobody_took_yet_are_counted():
    street = filled(2, 1, 1, 2)
    assert street.rows == 3
    lane = street.take()
    street.first(lane)
    street.put_back(lane)
    assert street.rows == 2
    street.fill(lanes(rows(7)))
    assert street.rows == 3


def test_documents_with_as_many_rounds_to_come_are_counted():
    assert filled(2, 1, 1, 1, 2, 2, 2, 2, 3, 3).crowd(0.0, look=4.0) == Crowd(4, 0, 0.0, 2, None, 2, 4.0)


def test_how_long_a_workflow_runs_is_seen_from_sweeps_and_beats_the_users_word():
    street = Lanes(1, life=90.0)
    street.fill(lanes(rows(1, 1, 2, 2)))
    for second in (2.0, 4.0):
        lane = street.take()
        street.may_run(street.first(lane).request.document, second)
        street.put_back(lane)
    assert street.crowd(9.0).life == 90.0
    street.swept({("deal", 1): 1, ("deal", 2): 1}, 10.0)
    assert street.crowd(11.0).life == 90.0
    street.swept({("deal", 2): 1}, 20.0)
    assert street.crowd(21.0).life == 17.0, "the first ended between 8 and 18, the second lives longer than 16"


def test_where_no_bound_is_set_nobody_waits_and_nothing_is_kept():
    street = filled(0, 1, 1, 1)
    street.may_run(DOCUMENT, 1.0)
    street.swept({}, 5.0)
    assert street.crowd(6.0) == Crowd()

"""The arithmetic of slots that all processes of a machine share: never too many, fair, held together, forgotten in time."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.headroom import LONGEST_HOLD
from bulkstart.slots import (
    HEARD,
    Slots,
    Voice,
    Word,
    answered,
    from_json,
    hold,
    is_over,
    limit,
    look,
    owed,
    reserve,
    to_json,
    without,
)
from bulkstart.throttle import ARRIVAL_BOUND

TEN = Word(10.0, 5.0, firm=False)


def times(word, asks, slots=None, *, who="a"):
    """Slots for one process that asks at these instants."""
    slots, found = slots or Slots(), []
    for now in asks:
        slots, slot = reserve(slots, who, word, now)
        found.append(slot.at)
    return found


def test_a_full_bucket_gives_its_burst_at_once_and_then_one_slot_for_each_token():
    assert times(TEN, [100.0] * 8) == pytest.approx([100.0] * 5 + [100.1, 100.2, 100.3])


def test_the_bucket_fills_up_again_to_its_burst_and_no_further():
    assert times(TEN, [100.0] * 5 + [1000.0] * 6) == pytest.approx([100.0] * 5 + [1000.0] * 5 + [1000.1])


PACES = st.lists(st.tuples(st.floats(0, 2), st.sampled_from("abc"), st.integers(1, 3)), min_size=1, max_size=60)


@given(PACES, st.floats(0.5, 50), st.floats(1, 30))
def test_no_span_of_time_holds_more_slots_than_burst_and_rate_allow(paces, rate, burst):
    slots, now, taken = Slots(), 0.0, []
    for pause, who, places in paces:
        now += pause
        slots, slot = reserve(slots, who, Word(rate, burst, firm=True), now, places=places)
        taken.extend([slot.at] * places)
    taken.sort()
    for first, begin in enumerate(taken):
        for last in range(first, len(taken)):
            allowed = max(burst, 3) + rate * (taken[last] - begin)  # a lease of three is one arrival of three
            assert last - first + 1 <= allowed + 1e-6


@given(st.lists(st.floats(0, 3), min_size=1, max_size=40), st.integers(1, 8))
def test_no_span_of_the_window_holds_more_than_its_places(pauses, places):
    word, slots, now, taken = Word(1000.0, 1000.0, firm=True, window=(places, 10.0)), Slots(), 0.0, []
    for pause in pauses:
        now += pause
        slots, slot = reserve(slots, "a", word, now)
        taken.append(slot.at)
    taken.sort()
    for first, last in zip(taken, taken[places:], strict=False):
        assert last - first >= 10.0 + ARRIVAL_BOUND - 1e-6


def test_an_answer_frees_its_place_of_the_window_sooner():
    word, slots = Word(1000.0, 1000.0, firm=True, window=(1, 10.0)), Slots()
    slots, first = reserve(slots, "a", word, 100.0)
    slots = answered(slots, [(first.at, 100.3), (55.0, 100.3)], 10.0)
    assert reserve(slots, "b", word, 100.4)[1].at == pytest.approx(110.3)


def test_hungry_processes_get_the_same_share():
    slots, now, waiting, got = Slots(), 0.0, dict.fromkeys("abc", 0.0), Counter()
    while now < 60:
        who = min(waiting, key=waiting.__getitem__)
        now = max(now, waiting[who])
        slots, slot = reserve(slots, who, TEN, now)
        got[who] += 1
        waiting[who] = slot.at + 1e-4
    assert sum(got.values()) == pytest.approx(5 + 600, abs=4)
    assert max(got.values()) - min(got.values()) <= 1


def test_nobody_gets_a_slot_before_a_hold_ends():
    slots = hold(Slots(), "a", TEN, 100.0, until=130.0)
    slots, slot = reserve(slots, "b", TEN, 101.0)
    assert (slot.at, slot.held, slot.waits) == (130.0, 130.0, False)
    assert look(slots).held == 130.0
    assert times(TEN, [101.0] * 6, slots, who="c") == pytest.approx([130.0] * 4 + [130.1, 130.2])


def test_no_hold_is_longer_than_the_longest_one_that_makes_sense():
    assert hold(Slots(), "a", TEN, 100.0, until=1e12).held == 100.0 + LONGEST_HOLD


def test_the_smallest_limit_that_the_portal_stated_or_taught_binds_all():
    wish, stated, learned = Word(50.0, 50.0, firm=False), Word(10.0, 20.0, firm=True), Word(3.0, 1.1, firm=True)
    assert limit([wish, stated]) == (10.0, 20.0)
    assert limit([stated, learned, wish]) == (3.0, 1.1)


def test_a_wish_binds_only_the_process_that_has_it():
    assert limit([Word(1.0, 1.0, firm=False), Word(20.0, 10.0, firm=False)]) == (20.0, 10.0)


def test_a_learned_rate_is_everybodys_from_the_next_slot_on_and_ends_with_the_process_that_learned_it():
    slots = Slots()
    for _ in range(5):
        slots, _slot = reserve(slots, "a", TEN, 100.0)
    slots = hold(slots, "b", Word(2.0, 1.0, firm=True), 100.0, until=101.0)
    first = reserve(slots, "a", TEN, 101.0)
    second = reserve(first[0], "a", TEN, 101.0)
    assert second[1].at - first[1].at == pytest.approx(0.5)
    assert reserve(without(second[0], ["b"]), "a", TEN, 101.0)[1].rate == 10.0


def test_a_process_that_asks_no_more_is_no_more_heard_after_a_while():
    slots = reserve(Slots(), "gone", Word(1.0, 1.0, firm=True), 100.0)[0]
    assert reserve(slots, "a", TEN, 100.0 + HEARD - 0.1)[1].rate == 1.0
    assert reserve(slots, "a", TEN, 100.0 + HEARD + 0.1)[1].rate == 10.0


def test_a_question_before_the_limit_is_known_goes_by_what_others_know():
    assumed = Word(5.0, 1.0, firm=True)
    slots, alone = reserve(Slots(), "a", assumed, 100.0, mute=True)
    assert (alone.at, dict(slots.voices), slots.early) == (100.0, {}, 1)
    slots = reserve(slots, "b", TEN, 100.0)[0]
    assert slots.tokens == pytest.approx(5 - 2), "the question takes a slot as soon as somebody knows how many there are"
    slots, beside = reserve(slots, "a", assumed, 100.0, mute=True)
    assert (beside.rate, set(slots.voices)) == (10.0, {"b"})


def test_what_left_without_a_slot_is_made_up_for():
    slots = reserve(owed(Slots(), 5, 100.0), "a", TEN, 100.0)
    assert slots[1].at == pytest.approx(100.1)


def test_each_slot_has_a_number_of_its_own_among_all_the_machines():
    slots, first = reserve(Slots(), "a", TEN, 1.0, places=3)
    slots, second = reserve(slots, "b", TEN, 1.0)
    assert (first.number, second.number) == (3, 4)


# ----------------------------------------------------------------------------------------------------- on the disk


@given(PACES)
def test_what_is_written_is_what_is_read(paces):
    slots, now = hold(Slots(), "z", TEN, 0.0, until=3.0), 0.0
    for pause, who, places in paces:
        now += pause
        slots, _ = reserve(slots, who, replace(TEN, window=(9, 60.0)), now, places=places)
        assert from_json(json.loads(json.dumps(to_json(slots))), now) == slots


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
KEYS = ["tokens", "seen", "held", "count", "early", "voices", "frees"]
GOOD = to_json(reserve(Slots(), "a", TEN, 50.0)[0])


@given(st.one_of(JSON, st.tuples(st.sampled_from(KEYS), JSON).map(lambda one: GOOD | {one[0]: one[1]})))
def test_whatever_stands_in_the_store_a_slot_comes_within_the_longest_hold(found):
    slots = from_json(found, 100.0)
    slot = reserve(slots, "a", replace(TEN, window=(3, 60.0)), 100.0)[1]
    assert slot.at >= 100.0
    assert slot.at <= 100.0 + 2 * LONGEST_HOLD


def test_a_window_that_is_said_to_be_full_for_ever_is_not():
    slots = from_json(GOOD | {"frees": [1e300] * 3}, 100.0)
    assert reserve(slots, "a", replace(TEN, window=(3, 60.0)), 100.0)[1].at <= 100.0 + LONGEST_HOLD


@pytest.mark.parametrize(
    "voice", [[0, 5, True, 101], [-1, 5, True, 101], [1e300, 5, True, 101], [5, 0.2, True, 101], [5, 5, True]]
)
def test_a_voice_that_makes_no_sense_is_not_heard(voice):
    assert from_json(GOOD | {"voices": {"x": voice}}, 100.0) == Slots()


def test_what_nobody_asked_for_an_hour_is_over():
    slots = reserve(Slots(), "a", TEN, 100.0)[0]
    assert not is_over(slots, 100.0 + LONGEST_HOLD)
    assert is_over(slots, 101.0 + HEARD + LONGEST_HOLD)
    assert not is_over(replace(slots, voices={"a": Voice(1.0, 1.0, firm=True, until=1e6)}), 5000.0)

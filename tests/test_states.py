"""STARTED is absorbing, doubts are never forgotten, and nothing leaves that was not announced."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.states import DOUBTED, TABLE, Event, IllegalStepError, State, step


@given(st.lists(st.sampled_from(list(Event)), max_size=30))
def test_started_is_absorbing_and_only_a_send_leads_to_the_wire(events):
    state, doubted = State.NEW, False
    for event in events:
        before = state
        try:
            state = step(state, event, doubted=doubted)
        except IllegalStepError:
            continue
        assert before is not State.STARTED or state is State.STARTED
        if state is State.SENDING:
            assert event is Event.SEND
            assert before in (State.NEW, State.DEFERRED)
        if before is State.IN_DOUBT:
            assert event in (Event.START, Event.RELEASE)
        doubted = doubted or state is State.IN_DOUBT


def test_a_released_doubt_returns_unless_it_started():
    assert step(State.SENDING, Event.REFUSE, doubted=True) is State.IN_DOUBT
    assert step(State.DEFERRED, Event.RESTORE, doubted=True) is State.IN_DOUBT
    assert step(State.SENDING, Event.START, doubted=True) is State.STARTED
    with pytest.raises(IllegalStepError):
        step(State.DEFERRED, Event.RESTORE)


def test_nothing_leads_out_of_started():
    assert {after for table in (TABLE, DOUBTED) for (before, _), after in table.items() if before is State.STARTED} == {
        State.STARTED
    }

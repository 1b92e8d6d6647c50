"""How a run stands is a value that survives the journal, and a wish shows at once in what is told of a run."""

from __future__ import annotations

import json

import pytest

from bulkstart.standing import (
    LIVE,
    Hold,
    Pilot,
    Piloted,
    State,
    Told,
    Watched,
    Wish,
    now_of,
    pilot_from_json,
    pilot_to_json,
)

TOLD = Told(
    State.RUNNING, 7, "host", 60, 50, {"started": 3, "invalid": 1}, 4, 9.5, 10.0, Hold(1.5, "the portal asks for time"), 12.5, "soon",
    (0.1, 0.2, 0.3), 5, None, "", "",
)  # fmt: skip
PILOT = Pilot((Piloted("2", "started", "w.1", "", ""),), (0.5,), 57, {"seconds": 6.0}, "the first 1:\nGo on?")


@pytest.mark.parametrize(
    "told", [TOLD, Told(State.PREPARING), Told(State.ENDED, exit_code=130, code="INTERRUPTED", message="…\ud800")]
)
def test_what_a_run_tells_comes_back_from_the_journal_as_it_was(told):
    assert Told.from_json(told.to_json()) == told
    assert told.to_json().isascii()


def test_what_a_newer_program_tells_besides_is_left_out():
    newer = json.loads(TOLD.to_json()) | {"mood": "good"}
    newer["hold"]["since"] = 3
    assert Told.from_json(json.dumps(newer)) == TOLD


def test_the_pilot_comes_back_from_the_journal_as_it_was():
    assert pilot_from_json(pilot_to_json(PILOT)) == PILOT
    assert pilot_from_json("") is None


@pytest.mark.parametrize(
    ("told", "wishes", "state"),
    [
        (State.PREPARING, [], State.PREPARING),
        (State.PREPARING, [Wish.STOP], State.STOPPING),
        (State.PREPARING, [Wish.PAUSE], State.PREPARING),
        (State.RUNNING, [Wish.PAUSE], State.PAUSED),
        (State.RUNNING, [Wish.PAUSE, Wish.GO_ON], State.RUNNING),
        (State.PAUSED, [Wish.PAUSE, Wish.GO_ON], State.RUNNING),
        (State.PAUSED, [Wish.PAUSE], State.PAUSED),
        (State.PAUSED, [Wish.PAUSE, Wish.STOP, Wish.GO_ON], State.STOPPING),
        (State.RUNNING, [Wish.STOP], State.STOPPING),
        (State.STOPPING, [Wish.GO_ON], State.STOPPING),
        (State.ASKING, [Wish.PAUSE], State.ASKING),
        (State.ENDED, [Wish.STOP], State.ENDED),
    ],
)
def test_a_wish_shows_as_soon_as_it_is_written_down(told, wishes, state):
    assert now_of(Told(told), list(enumerate(wishes, 1))) is state


@pytest.mark.parametrize(("number", "state"), [(5, State.ASKING), (6, State.RUNNING)])
def test_only_a_wish_behind_the_question_answers_it(number, state):
    assert now_of(Told(State.ASKING, asked=5), [(number, Wish.GO_ON)]) is state


@pytest.mark.parametrize("state", State)
def test_a_run_is_over_when_it_has_ended_or_its_process_is_gone(state):
    seen = Watched("r", state, TOLD, 60, {"started": 3, "invalid": 1})
    assert seen.over == (state not in LIVE) == (state in (State.ENDED, State.LOST))
    assert seen.settled == 4
    assert seen.hold == (None if seen.over else TOLD.hold)

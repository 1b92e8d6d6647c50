"""Requests and turns out of what was logged."""

from __future__ import annotations

import pytest

from bulkstart.evidence import MATCHED
from bulkstart.journal_events import ENDED, RECONCILED, RESUMED, WISHED, Logged
from bulkstart.states import Event
from bulkstart.timeline import Request, quantile, requests_of, turns_of


def log(*events):
    """Events as (moment, key, event, …)."""
    return [Logged(at, key, str(event), *more) for at, key, event, *more in events]


def test_each_request_has_its_two_moments_and_what_it_proved():
    found = requests_of(
        log(
            (1.0, "a", Event.SEND),
            (1.5, "b", Event.SEND),
            (2.0, "a", Event.DEFER, "", "RATE_LIMITED"),
            (3.0, "b", Event.REFUSE, "", "BITRIX_ERROR"),
            (4.0, "a", Event.SEND),
            (5.5, "a", Event.START, "w1"),
            (6.0, "c", Event.SEND),
        )
    )
    assert found == [
        Request("a", 1.0, 2.0, "deferred", "RATE_LIMITED"),
        Request("b", 1.5, 3.0, "refused", "BITRIX_ERROR"),
        Request("a", 4.0, 5.5, "started"),
        Request("c", 6.0),
    ]
    assert [request.seconds for request in found] == [1.0, 1.5, 1.5, None]


def test_what_was_settled_later_is_no_answer():
    """A crash is written down by whoever comes next, a doubt is credited by reconcile: neither is how long an answer took."""
    found = requests_of(
        log((1.0, "a", Event.SEND), (900.0, "a", Event.CRASH, "", "CRASHED"), (990.0, "a", Event.START, "w", "", MATCHED))
    )
    assert found == [Request("a", 1.0, None, "in_doubt", "CRASHED")]


def test_a_clock_that_was_set_back_gives_no_negative_duration():
    assert requests_of(log((5.0, "a", Event.SEND), (4.0, "a", Event.START, "w")))[0].seconds == 0.0


def test_what_the_counts_tell_is_no_turn():
    assert (
        turns_of(log((1.0, "a", Event.SEND), (2.0, "a", Event.START, "w"), (1.0, "b", Event.SEND), (2.0, "b", Event.LOSE))) == []
    )


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ((Event.RELEASE, "", "", "released by ann@desk"), "a row allowed to go again: released by ann@desk"),
        ((Event.CRASH, "", "CRASHED", ""), "a row was on the wire when the program ended"),
        ((Event.START, "w", "", MATCHED), f"a row in doubt {MATCHED}"),
        ((Event.START, "w", "", ""), "a second workflow of a row that had started already"),
        ((Event.TERMINATE, "w", "", "x; terminated by ann@desk"), "a workflow ended by undo: terminated by ann@desk"),
        ((Event.TOLD, "", "X", ""), "a row in doubt taken over from the fed-back sheet"),
        ((Event.RESTORE, "", "", ""), "a released doubt was not sent again, and is in doubt as before"),
        ((Event.DEFER, "", "RATE_LIMITED", ""), "nothing was done, and the row may go again: RATE_LIMITED"),
        ((RESUMED, "", "", "by ann@desk"), "taken up again by ann@desk"),
        ((RECONCILED, "", "5", "by ann@desk"), "rows in doubt looked up in the portal's running list by ann@desk"),
        ((WISHED, "", "go on", "by ann@desk"), "asked to go on by ann@desk"),
        ((ENDED, "", "0", ""), "ended with exit code 0"),
        ((ENDED, "", "6", "RUN_STOPPED: why"), "ended with exit code 6; rows were left: RUN_STOPPED: why"),
    ],
)
def test_every_turn_has_a_sentence(event, said):
    (found,) = turns_of(log((7.0, "a", *event)))
    assert (found.text, found.at, found.until, found.count) == (said, 7.0, 7.0, 1)


def test_equal_turns_within_a_minute_are_counted_and_later_ones_stand_alone():
    found = turns_of(
        log(*((at, "a", Event.DEFER, "", code) for at, code in ((1, "X"), (2, "Y"), (50, "X"), (100, "X"), (300, "X"))))
    )
    assert [(turn.text[-1], turn.at, turn.until, turn.count) for turn in found] == [
        ("X", 1, 100, 3),
        ("Y", 2, 2, 1),
        ("X", 300, 300, 1),
    ]


def test_quantiles_lie_between_the_values():
    assert [quantile([1.0, 2.0, 4.0], share) for share in (0.0, 0.5, 0.75, 1.0)] == [1.0, 2.0, 3.0, 4.0]
    assert quantile([3.0], 0.95) == 3.0

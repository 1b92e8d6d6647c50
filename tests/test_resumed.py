"""Going on with a past run: its rows are known by key, and only what certainly did not start is sent, or what a person releases."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from bulkstart.checks import Checked
from bulkstart.columns import ColumnMap
from bulkstart.journal_past import PastRow, PastRun
from bulkstart.model import Outcome, Row
from bulkstart.plan import Ready, Rules, make
from bulkstart.result_columns import Previous, Status
from bulkstart.resumed import Resumed, sheet_of
from bulkstart.row_keys import row_key
from bulkstart.stages import Sheet
from bulkstart.states import State
from tests.test_plan import PORTAL, ask, held, seen

STOPPED = Outcome(0, Status.NOT_ATTEMPTED, "", "RUN_STOPPED", "the run ended before this row")
NOBODY = Outcome(0, Status.NOT_ATTEMPTED)
"""What the journal has of a row whose run died before it told anything."""
NOW, SENT = 10_000.0, 9_900.0


def past(*cells, run_id="run-1", at=9_000.0):
    """A past run of (request, outcome) cells; an outcome may be a status."""
    rows = []
    for position, (request, outcome) in enumerate(cells):
        key = row_key(PORTAL, request) if request else ""
        rows.append(PastRow(replace(outcome, position=position), str(position + 2), key, request))
    return PastRun(run_id, at, PORTAL, "vibecode", "deals.xlsx", "713", "", {}, "", live=False, rows=tuple(rows))


def sheet(*requests, previous=()):
    said = dict(enumerate(previous))
    rows = [Row(at, at + 2, None, None, None, said.get(at)) for at in range(len(requests))]
    keys = tuple(None if request is None else row_key(PORTAL, request) for request in requests)
    return Sheet(Checked(ColumnMap(), rows, list(requests), [], [], ()), keys)


def narrowed(resumed, given, *journal, now=NOW, limit=None, **rules):
    """The plan of a sheet, narrowed to the past run."""
    view = seen(journal, {key for key in given.keys if key}, given.workflow_ids)
    plan = make(given.checked.rows, given.checked.requests, given.keys, view, Rules(limit=limit, **rules))
    return resumed.narrowed(plan, given, view, now, limit)


def positions(plan):
    return [ready.position for ready in plan.ready]


def told(plan, position=0):
    outcome = plan.outcomes[position]
    return outcome.status, outcome.workflow_id or outcome.error_code


def doubt(request=None, *, at=SENT, run="run-1", code="READ_TIMEOUT", message="no answer in time"):
    return replace(held(request or ask(1), State.IN_DOUBT, code=code, message=message, at=at), run_id=run)


def in_doubt(message="no answer in time", attempts=1):
    return Outcome(0, Status.IN_DOUBT, "", "READ_TIMEOUT", message, attempts)


# ----------------------------------------------------------------------------------------------------------- by key


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))), ids=str)
def test_a_sheet_that_was_sorted_is_gone_on_with_by_key(order):
    resumed = Resumed(past((ask(1), STOPPED), (ask(2), STOPPED), (ask(3), Outcome(0, Status.STARTED, "w.3"))))
    journal = [held(ask(2), State.DEFERRED), held(ask(3), State.STARTED, workflow_id="w.3")]
    plan = narrowed(resumed, sheet(*map(ask, order)), *journal)
    assert [ready.request.entity_id for ready in plan.ready] == [entity for entity in order if entity != 3]
    assert told(plan, order.index(3)) == (Status.STARTED, "w.3")


def test_a_row_that_was_added_is_not_sent_and_says_that_it_was_not_in_the_run():
    plan = narrowed(Resumed(past((ask(1), STOPPED))), sheet(ask(9), ask(1), ask(1, a="x")))
    assert positions(plan) == [1]
    for at in (0, 2):
        assert told(plan, at) == (Status.NOT_ATTEMPTED, "NOT_IN_RUN")
        assert "not in run run-1" in plan.outcomes[at].error_message


def test_an_added_row_that_another_run_refused_is_not_in_this_run_either():
    plan = narrowed(Resumed(past((ask(1), STOPPED))), sheet(ask(9)), held(ask(9), State.REFUSED, code="GONE"))
    assert told(plan) == (Status.NOT_ATTEMPTED, "NOT_IN_RUN")


def test_a_problem_of_an_added_row_is_none_of_this_runs_and_one_of_its_own_rows_is():
    journal = [held(ask(entity, a="y"), State.STARTED, workflow_id=f"w.{entity}") for entity in (1, 9)]
    plan = narrowed(Resumed(past((ask(1), STOPPED))), sheet(ask(9), ask(1)), *journal)
    assert [(problem.position, problem.code) for problem in plan.problems] == [(1, "changed-parameters")]
    assert told(plan) == (Status.NOT_ATTEMPTED, "NOT_IN_RUN")
    assert positions(plan) == []


def test_a_row_that_was_taken_away_is_nobodys_concern():
    plan = narrowed(Resumed(past((ask(1), STOPPED), (ask(2), STOPPED))), sheet(ask(2)))
    assert (positions(plan), dict(plan.outcomes)) == ([0], {})


def test_a_row_whose_values_changed_is_another_row():
    plan = narrowed(Resumed(past((ask(1, a="x"), STOPPED))), sheet(ask(1, a="y")))
    assert told(plan) == (Status.NOT_ATTEMPTED, "NOT_IN_RUN")


def test_of_equal_rows_of_the_run_the_one_that_counted_tells_what_became_of_the_key():
    copy = Outcome(0, Status.DUPLICATE, "", "duplicate-row", "the same start as row 2")
    for cells in ([(ask(1), in_doubt()), (ask(1), copy)], [(ask(1), copy), (ask(1), in_doubt())]):
        resumed = Resumed(past(*cells))
        assert resumed.rows[row_key(PORTAL, ask(1))].outcome.status is Status.IN_DOUBT


def test_nothing_counts_as_tried_again_since_the_run_itself_goes_on():
    assert narrowed(Resumed(past((ask(1), STOPPED))), sheet(ask(1)), held(ask(1), State.DEFERRED)).again == 0


# ------------------------------------------------------------------------------------- what certainly did not start


@pytest.mark.parametrize("state", [None, State.NEW, State.DEFERRED], ids=str)
@pytest.mark.parametrize(
    "outcome", [STOPPED, NOBODY, Outcome(0, Status.GAVE_UP, "", "CONNECT_FAILED", "m")], ids=["stopped", "died", "gave up"]
)
def test_what_certainly_did_not_start_is_sent(state, outcome):
    journal = [] if state is None else [held(ask(1), state)]
    plan = narrowed(Resumed(past((ask(1), outcome))), sheet(ask(1)), *journal)
    assert (positions(plan), dict(plan.outcomes)) == ([0], {})


@pytest.mark.parametrize("release", [False, True])
def test_a_refused_row_is_never_sent_again_and_keeps_its_reason(release):
    refused = Outcome(0, Status.REFUSED, "", "ENTITY_NOT_FOUND", "no such deal", 2)
    journal = held(ask(1), State.REFUSED, code="ENTITY_NOT_FOUND", message="no such deal", at=SENT)
    plan = narrowed(Resumed(past((ask(1), refused)), release), sheet(ask(1)), journal)
    assert positions(plan) == []
    assert plan.outcomes == {0: refused}


def test_a_row_that_was_started_by_the_word_of_the_sheet_stays_so_when_the_sheet_has_lost_its_word():
    told_then = Outcome(
        0, Status.ALREADY_STARTED, "w.7", "", "started before, as this sheet says", 0, "2026-01-01T00:00:00+00:00"
    )
    resumed = Resumed(past((ask(9), STOPPED), (ask(1), told_then)))
    for limit in (None, 1):
        plan = narrowed(resumed, sheet(ask(9), ask(1)), limit=limit)
        assert positions(plan) == [0]
        assert plan.outcomes == {1: replace(told_then, position=1)}
    kept = sheet(ask(1), previous=[Previous("started", "w.7", "", "", "")])
    assert told(narrowed(resumed, kept)) == (Status.ALREADY_STARTED, "w.7")


def test_what_the_run_started_is_started_and_what_another_run_started_was_already():
    resumed = Resumed(past((ask(1), Outcome(0, Status.STARTED, "w.1", "", "", 3)), (ask(2), STOPPED)))
    journal = [
        held(ask(1), State.STARTED, workflow_id="w.1", at=0.0, message="m"),
        replace(held(ask(2), State.STARTED, workflow_id="w.2", at=0.0), run_id="run-2"),
    ]
    plan = narrowed(resumed, sheet(ask(2), ask(1)), *journal)
    assert plan.outcomes[1] == Outcome(1, Status.STARTED, "w.1", "", "m", 3, "1970-01-01T00:00:00.000+00:00")
    assert told(plan, 0) == (Status.ALREADY_STARTED, "w.2")
    assert "in run run-2" in plan.outcomes[0].error_message


def test_what_the_run_started_before_it_died_took_one_request_at_least():
    plan = narrowed(Resumed(past((ask(1), NOBODY))), sheet(ask(1)), held(ask(1), State.STARTED, workflow_id="w.1", at=0.0))
    assert plan.outcomes[0].attempts == 1


def test_a_row_that_a_living_run_has_is_left_to_it():
    plan = narrowed(Resumed(past((ask(1), STOPPED)), release=True), sheet(ask(1)), held(ask(1), State.SENDING, live=True))
    assert told(plan) == (Status.NOT_ATTEMPTED, "CLAIMED_BY_RUN")


# ----------------------------------------------------------------------------------------------------------- doubts


def test_a_doubt_is_not_sent_and_says_what_was_found_out_about_it():
    plan = narrowed(Resumed(past((ask(1), in_doubt("no answer in time; not in the running list", 2)))), sheet(ask(1)), doubt())
    assert positions(plan) == []
    assert plan.outcomes == {0: in_doubt("no answer in time; not in the running list", 2)}
    crashed = narrowed(Resumed(past((ask(1), NOBODY))), sheet(ask(1)), doubt(code="CRASHED", message="it died"))
    assert (told(crashed), crashed.outcomes[0].error_message) == ((Status.IN_DOUBT, "CRASHED"), "it died")


@pytest.mark.parametrize(("settle", "sends"), [(0.0, True), (99.0, True), (100.0, True), (101.0, False), (1000.0, False)])
def test_a_released_doubt_is_sent_when_its_settle_time_has_passed_and_not_before(settle, sends):
    resumed = Resumed(past((ask(1), in_doubt())), release=True, settle=settle)
    plan = narrowed(resumed, sheet(ask(1)), doubt())
    assert positions(plan) == ([0] if sends else [])
    if sends:
        assert plan.outcomes == {}
        assert plan.ready[0] == Ready(0, 2, row_key(PORTAL, ask(1)), ask(1), doubt())
        assert plan.ready[0].released
    else:
        assert told(plan) == (Status.IN_DOUBT, "READ_TIMEOUT")
        assert (
            plan.outcomes[0].error_message == f"no answer in time; not sent again: its settle time ends in {settle - 100:.0f} s"
        )


def test_how_long_a_doubt_still_waits_is_said_of_this_moment_only():
    waits = "no answer in time; not sent again: its settle time ends in 60 s"
    later = Resumed(past((ask(1), in_doubt(waits))), release=True, settle=130.0)
    assert narrowed(later, sheet(ask(1)), doubt()).outcomes[0].error_message == waits.replace("60 s", "30 s")
    assert narrowed(replace_release(later), sheet(ask(1)), doubt()).outcomes[0].error_message == "no answer in time"


def replace_release(resumed):
    return Resumed(resumed.past, release=False, settle=resumed.settle)


def test_a_doubt_that_was_sent_nobody_knows_when_waits_from_the_beginning_of_the_run():
    resumed = Resumed(past((ask(1), in_doubt()), at=NOW - 40), release=True, settle=60.0)
    assert resumed.waits(doubt(at=None), NOW) == 20.0
    assert positions(narrowed(resumed, sheet(ask(1)), doubt(at=None))) == []
    assert positions(narrowed(resumed, sheet(ask(1)), doubt(at=None), now=NOW + 20)) == [0]


def test_a_doubt_that_was_not_in_the_run_is_not_released_with_it():
    resumed = Resumed(past((ask(1), in_doubt())), release=True)
    plan = narrowed(resumed, sheet(ask(2), ask(1)), doubt(), doubt(ask(2), run="run-2", code="X"))
    assert positions(plan) == [1]
    assert told(plan, 0) == (Status.IN_DOUBT, "X")


def test_a_doubt_of_the_run_that_another_run_left_is_released_too():
    resumed = Resumed(past((ask(1), in_doubt())), release=True)
    assert positions(narrowed(resumed, sheet(ask(1)), doubt(run="run-2"))) == [0]


def test_released_doubts_and_open_rows_go_in_the_order_of_the_sheet():
    resumed = Resumed(past((ask(1), in_doubt()), (ask(2), STOPPED), (ask(3), in_doubt())), release=True)
    plan = narrowed(resumed, sheet(ask(3), ask(2), ask(1)), doubt(), doubt(ask(3)))
    assert [(ready.position, ready.released) for ready in plan.ready] == [(0, True), (1, False), (2, True)]


def test_equal_rows_in_doubt_are_released_once():
    plan = narrowed(Resumed(past((ask(1), in_doubt())), release=True), sheet(ask(1), ask(1)), doubt())
    assert positions(plan) == [0]


# ------------------------------------------------------------------------------------------------------------ limit


def test_behind_the_limit_nothing_is_sent_not_even_a_released_doubt():
    resumed = Resumed(past((ask(1), STOPPED), (ask(2), STOPPED), (ask(3), in_doubt()), (ask(4), in_doubt())), release=True)
    plan = narrowed(resumed, sheet(ask(3), ask(1), ask(2), ask(4)), doubt(ask(3)), doubt(ask(4)), limit=2)
    assert positions(plan) == [0, 1]
    assert told(plan, 2) == (Status.NOT_ATTEMPTED, "LIMIT")
    assert told(plan, 3) == (Status.IN_DOUBT, "READ_TIMEOUT")


def test_behind_the_limit_a_row_is_told_what_it_is_where_it_would_not_be_sent_without_one_either():
    refused = Outcome(0, Status.REFUSED, "", "GONE", "m", 1)
    resumed = Resumed(past((ask(1), STOPPED), (ask(2), refused)))
    plan = narrowed(resumed, sheet(ask(1), ask(2), ask(9)), held(ask(2), State.REFUSED, code="GONE", message="m"), limit=1)
    assert positions(plan) == [0]
    assert told(plan, 1) == (Status.REFUSED, "GONE")
    assert told(plan, 2) == (Status.NOT_ATTEMPTED, "NOT_IN_RUN")


# ------------------------------------------------------------------------------------- what is written down and told


def test_outcomes_stand_at_the_places_of_the_run_and_strangers_at_none():
    resumed = Resumed(past((ask(1), STOPPED), (ask(2), STOPPED)))
    outcomes = [
        Outcome(0, Status.STARTED, "w.2"),
        Outcome(1, Status.NOT_ATTEMPTED, "", "NOT_IN_RUN"),
        Outcome(2, Status.STARTED, "w.1"),
    ]
    placed = resumed.placed(outcomes, sheet(ask(2), ask(9), ask(1)))
    assert {(outcome.position, outcome.workflow_id) for outcome in placed} == {(0, "w.1"), (1, "w.2")}


def test_a_copy_of_a_row_and_a_row_without_a_key_are_not_written_over_the_row():
    resumed = Resumed(past((ask(1), STOPPED)))
    outcomes = [
        Outcome(0, Status.STARTED, "w.1"),
        Outcome(1, Status.DUPLICATE, "", "duplicate-row"),
        Outcome(2, Status.INVALID, "", "x"),
    ]
    assert [outcome.workflow_id for outcome in resumed.placed(outcomes, sheet(ask(1), ask(1), None))] == ["w.1"]


def test_requests_are_counted_on_from_what_had_left_before():
    resumed = Resumed(past((ask(1), replace(STOPPED, attempts=2)), (ask(2), STOPPED), (ask(3), in_doubt(attempts=1))))
    assert resumed.attempts(sheet(ask(3), ask(2), ask(9), ask(1))) == {0: 1, 3: 2}


def test_rows_that_could_be_sent_and_are_not_tell_what_the_run_told_or_that_it_died():
    resumed = Resumed(past((ask(1), replace(STOPPED, error_code="DEADLINE", attempts=2)), (ask(2), NOBODY)))
    plan = narrowed(resumed, sheet(ask(2), ask(1)))
    left = resumed.left(plan)
    assert left[1] == replace(STOPPED, position=1, error_code="DEADLINE", attempts=2)
    assert (left[0].position, left[0].status, left[0].error_code) == (0, Status.NOT_ATTEMPTED, "RUN_STOPPED")
    assert "bulkstart resume" in left[0].error_message


# --------------------------------------------------------------------------------------------------- a sheet that is gone


def test_where_the_sheet_is_gone_its_rows_come_from_the_journal():
    copy = Outcome(0, Status.DUPLICATE, "", "duplicate-row", "m")
    invalid = Outcome(0, Status.INVALID, "", "bad-id", "m")
    unread = PastRow(replace(invalid, position=4), "6", "", None)
    run = past((ask(2), STOPPED), (ask(1, a="x"), in_doubt()), (ask(2), copy), (ask(3), NOBODY))
    run = replace(run, rows=(*run.rows, unread))
    found = sheet_of(run)
    assert found.from_journal
    assert [row.label for row in found.checked.rows] == ["2", "3", "4", "5", "6"]
    assert [row.position for row in found.checked.rows] == [0, 1, 2, 3, 4]
    assert found.checked.requests == [ask(2), ask(1, a="x"), None, ask(3), None]
    assert [key is not None for key in found.keys] == [True, True, False, True, False]
    assert found.keys[:2] == tuple(row.key for row in run.rows[:2])
    plan = narrowed(Resumed(run), found, doubt(ask(1, a="x")))
    assert positions(plan) == [0, 3]
    assert (told(plan, 1), told(plan, 2), told(plan, 4)) == (
        (Status.IN_DOUBT, "READ_TIMEOUT"),
        (Status.DUPLICATE, "duplicate-row"),
        (Status.INVALID, "bad-id"),
    )


def test_a_row_that_the_journal_has_no_body_of_is_told_as_the_run_told_it():
    behind = Outcome(0, Status.NOT_ATTEMPTED, "", "LIMIT", "m")
    known = Outcome(1, Status.ALREADY_STARTED, "w.7", "", "as this sheet says")
    run = past((ask(1), behind), (ask(2), known))
    run = replace(run, rows=tuple(replace(row, request=None) for row in run.rows))
    plan = narrowed(Resumed(run), sheet_of(run))
    assert (positions(plan), dict(plan.outcomes)) == ([], {0: behind, 1: known})


def test_in_a_sheet_that_is_there_a_row_without_a_key_is_told_by_the_sheet():
    assert dict(narrowed(Resumed(past((ask(1), in_doubt()))), sheet(None)).outcomes) == {}


# ------------------------------------------------------------------------------------------- what a released row is told


def released(**more):
    return Ready(0, 2, "k", ask(1), doubt(**more))


STARTED = Outcome(0, Status.STARTED, "w.2", "", "", 2, "2026-01-01T00:00:00+00:00")


@pytest.mark.parametrize(
    "found", [None, held(ask(1), State.DEFERRED), held(ask(1), State.REFUSED, code="GONE")], ids=["new", "deferred", "refused"]
)
def test_a_row_that_was_in_no_doubt_is_told_what_became_of_it(found):
    ready = Ready(0, 2, "k", ask(1), found)
    assert not ready.released
    for outcome in (STARTED, STOPPED, in_doubt()):
        assert ready.told(outcome) == outcome


def test_a_released_doubt_that_starts_says_that_its_first_attempt_may_run_besides():
    assert released(at=0.0).told(STARTED) == replace(
        STARTED,
        error_message="an earlier attempt stayed in doubt (READ_TIMEOUT, sent 1970-01-01T00:00:00.000+00:00): look whether deal 1 has it twice",
    )
    assert "(IN_DOUBT, sent before)" in released(at=None, code="").told(STARTED).error_message


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(0, Status.REFUSED, "", "GONE", "no such deal", 2),
        Outcome(0, Status.IN_DOUBT, "", "BAD_ANSWER", "the answer was cut", 2),
        Outcome(0, Status.GAVE_UP, "", "CONNECT_FAILED", "not sent", 1),
    ],
    ids=lambda outcome: str(outcome.status),
)
def test_a_released_doubt_that_does_not_start_stays_in_doubt_for_its_first_reason_and_says_both(outcome):
    again = f"sent again on a person's word: {outcome.error_code}: {outcome.error_message}"
    expected = replace(outcome, status=Status.IN_DOUBT, error_code="READ_TIMEOUT", error_message=f"no answer in time; {again}")
    assert released().told(outcome) == expected
    assert released(code="").told(outcome).error_code == "IN_DOUBT"


def test_a_released_doubt_that_was_not_sent_again_stays_in_doubt_and_says_why():
    outcome = released().told(replace(STOPPED, error_code="INTERRUPTED", attempts=1))
    assert outcome == in_doubt("no answer in time; released, but not sent again: INTERRUPTED")

"""How a run ends: no word of an earlier run is lost on the way, and the exit code names the worst that happened."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from bulkstart.ending import INTERRUPTED, NOT_CONFIRMED, SHEET_HAS_PROBLEMS, WHOLE_SHEET, Begun, ending, finished
from bulkstart.forecast import Ways, forecast
from bulkstart.gateways.vibecode import Vibecode
from bulkstart.journal_view import EMPTY
from bulkstart.model import Outcome, Template
from bulkstart.options import Options
from bulkstart.preflight import Met
from bulkstart.result_columns import RESULT_COLUMNS, SANDBOX_MARK, Status
from bulkstart.retry import Stop
from bulkstart.stages import check_sheet, plan_sheet, problems_of
from bulkstart.throttle import Limits

MET = Met("acme.bitrix24.ru", templates=(Template(713, "Plain", "deal", ()),))
OPTIONS = Options(template=713)
ID, NOTHING = "w.{}", ("", "", "", "")
BAD = "5141.5"


def sheet(words, ids=None):
    """A results sheet: an id and (status, workflow id, code, message) for each row."""
    cells = [
        (entity, status, workflow.format(place), code, message, 1, "2026-01-01T00:00:00.000+00:00" if workflow else "")
        for place, (entity, (status, workflow, code, message)) in enumerate(
            zip(ids or range(1, len(words) + 1), words, strict=True)
        )
    ]
    return pd.DataFrame(cells, columns=["entityId", *RESULT_COLUMNS], index=range(2, len(words) + 2), dtype=object)


def begun(frame, options=OPTIONS, *, sandbox=False):
    checked = check_sheet(frame, options, MET, loopback=False)
    plan = plan_sheet(checked, EMPTY, options, sandbox=sandbox)
    cast = forecast(len(plan.ready), Limits(5.0), Ways(in_flight=10))
    return Begun(checked, plan, problems_of(checked, plan, options), MET, cast)


def stop_of(found, options=OPTIONS):
    """What a job says before the first send."""
    if any(problem.position is None for problem in found.problems):
        return WHOLE_SHEET
    return SHEET_HAS_PROBLEMS if found.problems and not options.skip_invalid else None


def told(frame, options=OPTIONS):
    found = begun(frame, options)
    return ending(found, options, stop_of(found, options), {}, {})[0]


STARTED, DOUBT = ("started", ID, "", ""), ("in_doubt", "", "READ_TIMEOUT", "no answer in time; it may have started")
ODD = ("started", "", "", "")
BROKEN = {
    "the row's own id is unreadable": ([BAD, 2], OPTIONS),
    "the same, and other rows start": ([BAD, 2], Options(template=713, skip_invalid=True)),
    "another row's id is unreadable": ([1, BAD], OPTIONS),
    "the whole sheet has a problem": ([1, 2], Options()),
    "the row's own id is unreadable, behind the limit": ([2, BAD], Options(template=713, limit=1)),
    "the whole sheet has a problem, behind the limit": ([2, 1], Options(limit=1)),
}


def broken(name, words):
    """A sheet of one row with ``words`` and one without, and which of them it is."""
    ids, options = BROKEN[name]
    place = int("behind" in name)
    return sheet([words, NOTHING] if place == 0 else [NOTHING, words], ids), options, place


@pytest.mark.parametrize("name", BROKEN)
def test_an_id_of_an_earlier_run_is_kept_where(name):
    frame, options, place = broken(name, STARTED)
    outcome = told(frame, options)[place]
    assert (outcome.status, outcome.workflow_id, outcome.error_code) == (Status.ALREADY_STARTED, f"w.{place}", "")
    assert outcome.started_at == "2026-01-01T00:00:00.000+00:00"


@pytest.mark.parametrize("name", BROKEN)
def test_a_doubt_of_an_earlier_run_is_kept_where(name):
    frame, options, place = broken(name, DOUBT)
    outcome = told(frame, options)[place]
    assert (outcome.status, outcome.error_code) == (Status.IN_DOUBT, "READ_TIMEOUT")
    assert outcome.error_message.startswith("no answer in time; it may have started")


def test_a_row_that_keeps_its_word_says_what_is_wrong_with_it_too():
    outcome = told(sheet([STARTED], [BAD]))[0]
    assert "type-error" in outcome.error_message
    assert BAD in outcome.error_message


words = st.sampled_from(
    [
        NOTHING,
        STARTED,
        DOUBT,
        ("already_started", ID, "", ""),
        ("", ID, "", ""),
        ("refused", "", "X", "no"),
        ("in doubt", "", "", ""),
    ]
)


@effort(max_examples=40)
@given(
    rows=st.lists(st.tuples(words, st.booleans()), min_size=1, max_size=5),
    whole=st.booleans(),
    limit=st.none() | st.integers(1, 5),
    skip_invalid=st.booleans(),
)
def test_what_a_sheet_said_still_keeps_its_row_from_starting_when_the_sheet_is_mended(rows, whole, limit, skip_invalid):
    options = Options(template=None if whole else 713, limit=limit, skip_invalid=skip_invalid)
    frame = sheet([said for said, _ in rows], [BAD if bad else place + 1 for place, (_, bad) in enumerate(rows)])
    found = begun(frame, options)
    stop = stop_of(found, options)
    outcomes, code = ending(found, options, stop, {}, {})
    results = finished(frame, found, options, stop, outcomes, code, sandbox=False, gateway=Vibecode()).results
    mended = begun(results.assign(entityId=range(1, len(rows) + 1)))
    spoke = {place for place, (said, _) in enumerate(rows) if said[1] or said[0].startswith("in")}
    assert {ready.position for ready in mended.plan.ready}.isdisjoint(spoke)


@pytest.mark.parametrize("odd", [ODD, ("refused", ID, "", ""), ("invalid", "", "foreign-result", "look at it")], ids=str)
@pytest.mark.parametrize("name", BROKEN)
def test_words_that_do_not_fit_together_are_not_forgotten_where(name, odd):
    frame, options, place = broken(name, odd)
    found = begun(frame, options)
    stop = stop_of(found, options)
    outcomes, code = ending(found, options, stop, {}, {})
    results = finished(frame, found, options, stop, outcomes, code, sandbox=False, gateway=Vibecode()).results
    mended = begun(results.assign(entityId=[1, 2]))
    assert place not in {ready.position for ready in mended.plan.ready}


@pytest.mark.parametrize("said", [STARTED, DOUBT], ids=["an id", "a doubt"])
@pytest.mark.parametrize("name", BROKEN)
def test_what_the_sandbox_said_is_no_real_start_even_where(name, said):
    status, workflow, code, message = said
    frame, options, place = broken(name, (status, workflow, code, f"{message}; {SANDBOX_MARK}"))
    assert told(frame, options)[place].status not in (Status.ALREADY_STARTED, Status.IN_DOUBT)


def test_the_sandbox_marks_its_own_rows_and_no_real_word():
    rehearsed = ("started", ID, "", SANDBOX_MARK)
    frame = sheet([STARTED, DOUBT, rehearsed, NOTHING])
    found = begun(frame, sandbox=True)
    outcomes, code = ending(found, OPTIONS, None, {3: Outcome(3, Status.STARTED, "w.9", attempts=1)}, {})
    results = finished(frame, found, OPTIONS, None, outcomes, code, sandbox=True, gateway=Vibecode()).results
    assert [message.endswith(SANDBOX_MARK) for message in results["errorMessage"]] == [False, False, True, True]


# ----------------------------------------------------------------------------------------------------------- exit codes

FAULT, DENIED = Stop("RUN_STOPPED", "a fault", 1), Stop("INVALID_API_KEY", "denied", 7)


def code_of(ids, stop, *, start=True, **options):
    wanted = Options(template=713, **options)
    found = begun(sheet([NOTHING] * len(ids), ids), wanted)
    started = {ready.position: Outcome(ready.position, Status.STARTED, "w", attempts=1) for ready in found.plan.ready}
    return ending(found, wanted, stop, started if start else {}, {})[1]


@pytest.mark.parametrize(
    ("ids", "stop", "options", "code"),
    [
        ([1, 2], None, {}, 0),
        ([1, BAD], None, {"skip_invalid": True}, 4),
        ([1, 1], None, {"skip_invalid": True}, 4),
        ([1, BAD], None, {"skip_invalid": True, "limit": 1}, 0),
        ([1, BAD], FAULT, {"skip_invalid": True}, 1),
        ([1, BAD], DENIED, {"skip_invalid": True}, 7),
        ([1, BAD], INTERRUPTED, {"skip_invalid": True}, 130),
        ([1, BAD], SHEET_HAS_PROBLEMS, {}, 3),
        ([1, 2], None, {"dry_run": True}, 0),
        ([1, BAD], None, {"dry_run": True}, 3),
        ([1, BAD], None, {"dry_run": True, "skip_invalid": True}, 4),
        ([1, BAD], DENIED, {"dry_run": True}, 7),
    ],
)
def test_a_run_ends_with(ids, stop, options, code):
    assert code_of(ids, stop, **options) == code


def test_a_row_that_only_keeps_its_word_is_a_problem_all_the_same():
    wanted = Options(template=713, skip_invalid=True)
    outcomes, code = ending(begun(sheet([STARTED], [BAD]), wanted), wanted, None, {}, {})
    assert (outcomes[0].status, code) == (Status.ALREADY_STARTED, 4)


def test_a_run_that_nobody_confirmed_ends_with_6_and_tells_each_row_why():
    found = begun(sheet([NOTHING, NOTHING]))
    outcomes, code = ending(found, OPTIONS, NOT_CONFIRMED, {}, {1: 3})
    assert code == 6
    assert {(one.status, one.error_code, one.error_message) for one in outcomes} == {
        (Status.NOT_ATTEMPTED, "RUN_STOPPED", NOT_CONFIRMED.message)
    }
    assert [one.attempts for one in outcomes] == [0, 3]


def test_a_dry_run_plans_what_it_would_start_and_shows_each_body():
    wanted = Options(template=713, dry_run=True, skip_invalid=True)
    frame = sheet([NOTHING, NOTHING, STARTED], [1, BAD, 3])
    found = begun(frame, wanted)
    outcomes, code = ending(found, wanted, None, {}, {})
    assert [outcome.status for outcome in outcomes] == [Status.PLANNED, Status.INVALID, Status.ALREADY_STARTED]
    results = finished(frame, found, wanted, None, outcomes, code, sandbox=False, gateway=Vibecode()).results
    assert [bool(body) for body in results["requestBody"]] == [True, False, False]


def test_a_dry_run_that_was_stopped_plans_nothing():
    wanted = replace(OPTIONS, dry_run=True)
    outcomes, _ = ending(begun(sheet([NOTHING]), wanted), wanted, DENIED, {}, {})
    assert outcomes[0].status is Status.NOT_ATTEMPTED


def test_the_frame_carries_what_the_run_was():
    frame = sheet([NOTHING, NOTHING], [1, BAD])
    found = begun(frame)
    outcomes, code = ending(found, OPTIONS, SHEET_HAS_PROBLEMS, {}, {})
    end = finished(frame, found, OPTIONS, SHEET_HAS_PROBLEMS, outcomes, code, sandbox=False, gateway=Vibecode(), run_id="run-1")
    attrs = end.results.attrs
    assert (attrs["run_id"], attrs["exit_code"], attrs["portal"]) == ("run-1", 3, "acme.bitrix24.ru")
    assert [(problem["row"], problem["code"]) for problem in attrs["problems"]] == [(3, "type-error")]
    assert end.counts == {"invalid": 1, "not_attempted": 1}

"""The last look before the first send: what moved meanwhile is seen, and either all is written down or nothing is."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pandas as pd
import pytest

from bulkstart.checks import Checked
from bulkstart.claiming import Claimant, LateProblemsError
from bulkstart.columns import ColumnMap
from bulkstart.ending import Begun, ending
from bulkstart.forecast import forecast
from bulkstart.gateways.running import Running
from bulkstart.journal_view import EMPTY, Note
from bulkstart.locks import RunIsLiveError
from bulkstart.model import Outcome, Problem, Row, SheetSource, Template
from bulkstart.options import Options
from bulkstart.portal import Portal
from bulkstart.preflight import Met
from bulkstart.result_columns import Previous, Status
from bulkstart.resumed import Resumed, sheet_of
from bulkstart.row_keys import row_key
from bulkstart.stages import Sheet, plan_sheet
from bulkstart.states import Event, State
from bulkstart.sweep import Sweep
from bulkstart.throttle import Limits
from tests.test_plan import ask

GATE = Portal.vibecode(api_key="vibe_api_PLANTED", base_url="http://127.0.0.1:8018/v1")
HERE = "127.0.0.1:8018"


def key_of(request, campaign=""):
    return row_key(HERE, request, campaign)


def sheet(*requests, previous=(), campaign=""):
    said = dict(enumerate(previous))
    rows = [Row(at, at + 2, None, None, None, said.get(at)) for at in range(len(requests))]
    keys = tuple(None if request is None else key_of(request, campaign) for request in requests)
    return Sheet(Checked(ColumnMap(), rows, list(requests), [], [], ()), keys)


def begun(found, options=None, *, view=EMPTY, resumed=None, templates=()):
    """A run as it stands when the person has said yes, planned by ``view``."""
    plan = plan_sheet(found, view, options or Options(), sandbox=False)
    if resumed:
        plan = resumed.narrowed(plan, found, view, time.time())
    return Begun(found, plan, (), Met(HERE, templates=tuple(templates)), forecast(1, Limits(5, 5)))


def claim(journal, run, at_first, options=None, *, before=None, resumed=None, frame=None):
    claimant = Claimant(run, pd.DataFrame() if frame is None else frame, GATE, options or Options(), resumed)
    return claimant.claim(at_first, journal, before)


def look(journal, found, campaign=""):
    return journal.view(HERE, found.keyed, campaign, found.workflow_ids)


def positions(plan):
    return [ready.position for ready in plan.ready]


def note(journal, run, request, *events, **proof):
    for event in events[:-1]:
        assert journal.record(run, [Note(key_of(request), event)]) == set()
    assert journal.record(run, [Note(key_of(request), events[-1], **proof)]) == set()


def entered(journal):
    return [run["run"] for run in journal.runs()]


def rows(journal, run="run-1"):
    return [row.outcome for row in journal.run(run).rows]


# --------------------------------------------------------------------------------------------------------- a new run


def test_a_run_is_entered_with_all_its_rows_and_takes_those_that_it_will_send(journal):
    found = sheet(ask(1), None, ask(2))
    before = time.time()
    assert positions(claim(journal, "run-1", begun(found)).plan) == [0, 2]
    run = journal.run("run-1")
    assert before <= run.started_at <= time.time()
    assert (run.portal, run.dialect, run.template, run.sheet, run.live) == (HERE, "vibecode", "713", "", True)
    assert [(row.label, row.key) for row in run.rows] == [("2", key_of(ask(1))), ("3", ""), ("4", key_of(ask(2)))]
    held = look(journal, found).held
    assert {(one.state, one.run_id, one.live) for one in held.values()} == {(State.NEW, "run-1", True)}


def test_the_run_keeps_how_it_was_read_and_meant(journal, tmp_path):
    frame = pd.DataFrame({"ID": [1]})
    frame.attrs["sheet"] = SheetSource(
        str(tmp_path / "deals.csv"), "csv", None, 3, ("A",), ("ID",), "cp1251", ";", visible_only=True
    )
    options = Options(template=713, columns={"entityId": "ID"}, campaign="spring", limit=5)
    at_first = begun(
        sheet(ask(1), campaign="spring"), options, templates=[Template(713, modified="yesterday"), Template(9, modified="x")]
    )
    claim(journal, "run-1", at_first, options, frame=frame)
    run = journal.run("run-1")
    assert (run.sheet, run.campaign) == (str(tmp_path / "deals.csv"), "spring")
    kept = {
        name: run.settings.get(name)
        for name in ("template", "columns", "campaign", "limit", "tab", "header_row", "encoding", "delimiter", "visible_only")
    }
    assert kept == {
        "template": 713,
        "columns": {"entityId": "ID"},
        "campaign": "spring",
        "limit": 5,
        "tab": None,
        "header_row": 3,
        "encoding": "cp1251",
        "delimiter": ";",
        "visible_only": True,
    }
    assert run.settings["modified"] == {"713": "yesterday"}, "of the templates that it uses"
    assert "PLANTED" not in json.dumps(run.settings)


def test_what_a_row_means_is_kept_even_where_the_run_does_not_send_it(journal):
    found, options = sheet(ask(1), ask(2, a="x"), None), Options(limit=1)
    claim(journal, "run-1", begun(found, options), options)
    assert [row.request for row in journal.run("run-1").rows] == [ask(1), ask(2, a="x"), None]
    assert set(look(journal, found).held) == {key_of(ask(1))}, "what is not sent is nobody's"


def test_what_is_known_before_the_first_send_is_written_down_at_once(journal):
    found = sheet(ask(1), ask(1), ask(2), previous=[None, None, Previous("started", "w.2", "", "", "")])
    claim(journal, "run-1", begun(found), Options(skip_invalid=True))
    journal.release("run-1")
    assert [(outcome.status, outcome.workflow_id or outcome.error_code) for outcome in rows(journal)] == [
        (Status.NOT_ATTEMPTED, ""),
        (Status.DUPLICATE, "duplicate-row"),
        (Status.ALREADY_STARTED, "w.2"),
    ]


def test_a_doubt_that_the_sheet_brings_is_entered_and_not_taken(journal):
    found = sheet(ask(1), ask(2), previous=[Previous("in_doubt", "", "READ_TIMEOUT", "no answer", "")])
    assert positions(claim(journal, "run-1", begun(found)).plan) == [1]
    held = look(journal, found).held[key_of(ask(1))]
    assert (held.state, held.error_code, held.error_message) == (State.IN_DOUBT, "READ_TIMEOUT", "no answer")
    assert rows(journal)[0].status is Status.IN_DOUBT


def test_what_a_dead_run_left_on_the_wire_is_written_down_as_a_doubt_of_that_run(journal):
    found = sheet(ask(1), ask(2))
    claim(journal, "run-1", begun(found))
    note(journal, "run-1", ask(1), Event.SEND, sent_at=5.0)
    journal.release("run-1")
    assert positions(claim(journal, "run-2", begun(found, view=look(journal, found))).plan) == [1]
    events = journal._db.execute("SELECT run_id, event FROM events WHERE key=? ORDER BY seq", (key_of(ask(1)),)).fetchall()
    assert events == [("run-1", Event.SEND), ("run-1", Event.CRASH)]
    assert (rows(journal, "run-2")[0].status, rows(journal, "run-2")[0].error_code) == (Status.IN_DOUBT, "CRASHED")


# ------------------------------------------------------------------------------------------------- what moved meanwhile


def test_a_row_that_another_run_took_meanwhile_is_left_to_it(journal, other):
    found = sheet(ask(1), ask(2))
    at_first = begun(found, view=look(journal, found))
    claim(other, "run-2", begun(sheet(ask(1))))
    plan = claim(journal, "run-1", at_first).plan
    assert positions(plan) == [1]
    assert rows(journal)[0].error_code == "CLAIMED_BY_RUN"
    assert other.record("run-2", [Note(key_of(ask(1)), Event.SEND)]) == set(), "it is the other run's still"


def test_a_row_that_another_run_started_meanwhile_is_started_already(journal, other):
    found = sheet(ask(1), ask(2))
    at_first = begun(found, view=look(journal, found))
    claim(other, "run-2", begun(sheet(ask(1))))
    note(other, "run-2", ask(1), Event.SEND, Event.START, workflow_id="w.1", sent_at=5.0)
    other.finish("run-2", 0, [])
    assert positions(claim(journal, "run-1", at_first).plan) == [1]
    assert (rows(journal)[0].status, rows(journal)[0].workflow_id) == (Status.ALREADY_STARTED, "w.1")


@pytest.mark.parametrize("skip", [False, True])
def test_a_problem_that_shows_only_now_stops_the_run_and_nothing_is_written_down(journal, other, skip):
    found = sheet(ask(1, a="x"), ask(2))
    at_first = begun(found, view=look(journal, found))
    claim(other, "run-2", begun(sheet(ask(1, a="y"))))
    note(other, "run-2", ask(1, a="y"), Event.SEND, Event.START, workflow_id="w.1")
    other.finish("run-2", 0, [])
    if skip:
        late = claim(journal, "run-1", at_first, Options(skip_invalid=True))
        assert positions(late.plan) == [1]
        assert (rows(journal)[0].status, rows(journal)[0].error_code) == (Status.INVALID, "changed-parameters")
        return
    with pytest.raises(LateProblemsError) as raised:
        claim(journal, "run-1", at_first)
    assert [problem.code for problem in raised.value.begun.problems] == ["changed-parameters"]
    assert entered(journal) == ["run-2"]
    assert look(journal, found).held == {}
    assert positions(claim(other, "run-3", begun(sheet(ask(2)))).plan) == [0], "nobody holds its rows"


def test_rows_whose_entity_was_found_running_are_left_out_though_the_plan_is_made_anew(journal):
    found = sheet(ask(1), ask(2))
    problem = Problem(0, 2, None, "already-running", "deal 1 runs template 713 already")
    at_first = replace(begun(found), probed=(problem,))
    late = claim(journal, "run-1", at_first, Options(skip_invalid=True))
    assert positions(late.plan) == [1]
    assert rows(journal)[0].error_code == "already-running"
    with pytest.raises(LateProblemsError):
        claim(journal, "run-2", at_first)


# ------------------------------------------------------------------------------------------------------------ the sweep


def test_what_ran_before_the_first_send_is_kept_with_the_claim(journal):
    found = sheet(ask(1))
    at = time.time()
    running = {"w.8": Running("w.8", 713, ("deal", 1), ""), "w.9": Running("w.9", 9, None, "")}
    claim(journal, "run-1", begun(found), before=Sweep(at, -7.5, running))
    note(journal, "run-1", ask(1), Event.SEND, Event.LOSE, error_code="READ_TIMEOUT")
    (sent,) = journal.doubts("run-1")[0].sends
    assert (sent.clock_offset, sent.baseline) == (-7.5, {"w.8", "w.9"})


def test_where_the_list_could_not_be_read_nothing_is_taken_for_having_run_before(journal):
    claim(journal, "run-1", begun(sheet(ask(1))))
    note(journal, "run-1", ask(1), Event.SEND, Event.LOSE, error_code="READ_TIMEOUT")
    assert [sent.baseline for sent in journal.doubts("run-1")[0].sends] == [None]


# ----------------------------------------------------------------------------------------------------- a run that goes on


def stopped(journal, *requests):
    """A run of which the first row was lost, the second refused, and the others not attempted."""
    claim(journal, "run-1", begun(sheet(*requests)))
    note(journal, "run-1", requests[0], Event.SEND, sent_at=5.0)
    note(journal, "run-1", requests[0], Event.LOSE, error_code="READ_TIMEOUT", error_message="no answer in time")
    note(journal, "run-1", requests[1], Event.SEND, Event.REFUSE, error_code="GONE", error_message="no such deal")
    told = [
        Outcome(0, Status.IN_DOUBT, "", "READ_TIMEOUT", "no answer in time", 1),
        Outcome(1, Status.REFUSED, "", "GONE", "no such deal", 1),
    ]
    told += [Outcome(at, Status.NOT_ATTEMPTED, "", "DEADLINE", "m") for at in range(2, len(requests))]
    journal.finish("run-1", 6, told)


def goes_on(journal, found, *, release=False, options=None, settle=0.0):
    """The run as the person was asked about it, and how it is claimed."""
    resumed = Resumed(journal.run("run-1"), release, settle)
    return begun(found, options, view=look(journal, found), resumed=resumed), resumed


def test_a_run_goes_on_under_its_own_id_at_its_own_places(journal):
    requests = [ask(number) for number in range(1, 5)]
    stopped(journal, *requests)
    found = sheet(ask(9), *reversed(requests))
    at_first, resumed = goes_on(journal, found)
    plan = claim(journal, "run-1", at_first, resumed=resumed).plan
    assert [found.checked.requests[at].entity_id for at in positions(plan)] == [4, 3]
    assert entered(journal) == ["run-1"]
    (run,) = journal.runs()
    assert (run["live"], run["finished_at"], run["exit_code"], run["rows"]) == (True, None, None, 4)
    assert [outcome.status for outcome in rows(journal)] == [
        Status.IN_DOUBT,
        Status.REFUSED,
        Status.NOT_ATTEMPTED,
        Status.NOT_ATTEMPTED,
    ]
    assert [outcome.error_code for outcome in rows(journal)] == ["READ_TIMEOUT", "GONE", "", ""], (
        "what it sends now is open again"
    )
    assert journal.record("run-1", [Note(key_of(ask(3)), Event.SEND)]) == set()
    assert journal.record("run-1", [Note(key_of(ask(1)), Event.SEND)]) == {key_of(ask(1))}


def test_a_released_doubt_is_taken_and_written_down_as_released(journal):
    stopped(journal, ask(1), ask(2), ask(3))
    at_first, resumed = goes_on(journal, sheet(ask(1), ask(2), ask(3)), release=True)
    plan = claim(journal, "run-1", at_first, resumed=resumed).plan
    assert [(ready.position, ready.released) for ready in plan.ready] == [(0, True), (2, False)]
    assert journal.record("run-1", [Note(key_of(ask(1)), Event.SEND)]) == set()


def test_what_the_person_was_not_asked_about_is_not_sent(journal, other):
    stopped(journal, ask(1), ask(2), ask(3), ask(4))
    claim(other, "run-2", begun(sheet(ask(3))))
    at_first, resumed = goes_on(journal, found := sheet(ask(1), ask(2), ask(3), ask(4)), release=True, settle=time.time() - 4)
    assert positions(at_first.plan) == [3], "row 1 still waits for its settle time, row 3 is another run's"
    other.finish("run-2", 6, [])
    later = Resumed(resumed.past, release=True)  # the settle time passed meanwhile
    assert positions(claim(journal, "run-1", at_first, resumed=later).plan) == [3]
    held = look(journal, found).held
    assert (held[key_of(ask(1))].state, held[key_of(ask(3))].run_id) == (State.IN_DOUBT, "run-2")


def test_a_doubt_whose_settle_time_ended_behind_the_question_is_neither_sent_nor_told_as_anything_else(journal):
    stopped(journal, ask(1), ask(2), ask(3))
    at_first, waiting = goes_on(journal, sheet(ask(1), ask(2), ask(3)), release=True, settle=time.time() - 4)
    assert positions(at_first.plan) == [2]
    late = claim(journal, "run-1", at_first, resumed=Resumed(waiting.past, release=True))
    assert positions(late.plan) == [2]
    outcomes, _ = ending(late, Options(), None, {}, {})
    assert (outcomes[0].status, outcomes[0].error_code, outcomes[0].attempts) == (Status.IN_DOUBT, "READ_TIMEOUT", 1)
    assert (rows(journal)[0].status, rows(journal)[0].error_code) == (Status.IN_DOUBT, "READ_TIMEOUT")


def test_who_was_asked_about_a_plain_row_was_not_asked_about_a_doubt(journal, other):
    claim(journal, "run-1", begun(sheet(ask(1))))
    journal.finish("run-1", 6, [Outcome(0, Status.NOT_ATTEMPTED, "", "DEADLINE", "m")])
    at_first, resumed = goes_on(journal, sheet(ask(1)), release=True)
    assert [(ready.position, ready.released) for ready in at_first.plan.ready] == [(0, False)]
    claim(other, "run-2", begun(sheet(ask(1))))
    note(other, "run-2", ask(1), Event.SEND, Event.LOSE, error_code="READ_TIMEOUT", error_message="no answer in time")
    other.finish("run-2", 5, [])
    late = claim(journal, "run-1", at_first, resumed=resumed)
    assert positions(late.plan) == []
    assert late.plan.outcomes[0].status is Status.IN_DOUBT


def test_what_another_run_did_meanwhile_is_seen_by_a_run_that_goes_on_too(journal, other):
    stopped(journal, ask(1), ask(2), ask(3), ask(4))
    at_first, resumed = goes_on(journal, sheet(ask(1), ask(2), ask(3), ask(4)))
    claim(other, "run-2", begun(sheet(ask(3))))
    note(other, "run-2", ask(3), Event.SEND, Event.START, workflow_id="w.3")
    assert positions(claim(journal, "run-1", at_first, resumed=resumed).plan) == [3]
    assert (rows(journal)[2].status, rows(journal)[2].workflow_id) == (Status.ALREADY_STARTED, "w.3")


def test_a_run_goes_on_in_one_process_only(journal, other):
    stopped(journal, ask(1), ask(2), ask(3))
    at_first, resumed = goes_on(journal, sheet(ask(1), ask(2), ask(3)))
    claim(other, "run-1", at_first, resumed=resumed)
    with pytest.raises(RunIsLiveError):
        claim(journal, "run-1", at_first, resumed=resumed)
    assert other.record("run-1", [Note(key_of(ask(3)), Event.SEND)]) == set()


def test_a_run_whose_sheet_is_gone_goes_on_with_the_rows_of_the_journal(journal):
    stopped(journal, ask(1), ask(2), ask(3, a="x"))
    at_first, resumed = goes_on(journal, sheet_of(journal.run("run-1")))
    plan = claim(journal, "run-1", at_first, resumed=resumed).plan
    assert [(ready.position, ready.request, ready.label) for ready in plan.ready] == [(2, ask(3, a="x"), "4")]


def test_each_stint_keeps_its_own_sweep(journal):
    stopped(journal, ask(1), ask(2))
    at_first, resumed = goes_on(journal, sheet(ask(1), ask(2)), release=True)
    claim(journal, "run-1", at_first, before=Sweep(time.time(), 2.0, {"w.7": Running("w.7", 713, None, "")}), resumed=resumed)
    note(journal, "run-1", ask(1), Event.SEND, Event.LOSE)
    assert [sent.baseline for sent in journal.doubts("run-1")[0].sends] == [None, {"w.7"}]


def test_behind_its_limit_a_run_that_goes_on_takes_nothing(journal):
    stopped(journal, ask(1), ask(2), ask(3), ask(4))
    options = Options(limit=3)
    at_first, resumed = goes_on(journal, sheet(ask(3), ask(2), ask(4), ask(1)), release=True)
    assert positions(at_first.plan) == [0, 2, 3]
    plan = claim(journal, "run-1", at_first, options, resumed=resumed).plan
    assert positions(plan) == [0, 2]
    assert plan.outcomes[3].status is Status.IN_DOUBT

"""A past run read back: its rows as they were told, which runs are meant, and every request of a doubt that may have been carried out."""

from __future__ import annotations

import json
import time

import pytest

from bulkstart.journal_past import TO_RECONCILE, TO_RESUME
from bulkstart.journal_view import Before, Note
from bulkstart.model import Outcome
from bulkstart.result_columns import Status
from bulkstart.row_keys import row_key
from bulkstart.states import Event
from tests.test_journal import PORTAL, ask, begin, entry, key_of, look, told

OTHER = "other.bitrix24.ru"


def lose(journal, run, request, code="READ_TIMEOUT"):
    told(journal, run, request, Event.SEND, Event.LOSE, error_code=code, error_message="no answer in time")


def start(journal, run, request, workflow_id):
    told(journal, run, request, Event.SEND, Event.START, workflow_id=workflow_id)


def again(journal, run, *requests, release=True):
    """The run goes on: it is open again, and has its open rows and what is released."""
    with journal.claiming(run) as claim:
        claim.reopen_run(range(len(requests)))
        held = claim.view(PORTAL, [(key_of(request), request) for request in requests], "", ()).held
        claim.mark_crashed([one for one in held.values() if one.crashed])
        todo = [one for one in held.values() if release or one.open]
        claim.take(PORTAL, "", [(one.key, request, one) for request in requests for one in todo if one.key == key_of(request)])


def swept(journal, run, *ids, at=None, ahead=0.0):
    """A sweep of the running list, kept as a claim does."""
    with journal.claiming(f"{run}-sweeping") as claim:
        claim._run_id = run
        claim.keep_sweep(time.time() if at is None else at, ahead, frozenset(ids))
    journal.release(f"{run}-sweeping")


def open_elsewhere(journal, run, request, portal=OTHER, **more):
    """A run on another portal that has one row."""
    key = row_key(portal, request)
    with journal.claiming(run) as claim:
        claim.open_run(entry(run, 1, **more) | {"portal": portal}, [(0, "2", key)])
        claim.take(portal, "", [(key, request, None)])
    return key


def sends(journal, run, request=None):
    """The sends of one doubt of a run."""
    (found,) = [one.sends for one in journal.doubts(run) if one.key == key_of(request or ask())]
    return found


# ------------------------------------------------------------------------------------------------------------ one run


def test_a_run_is_read_back_as_it_was_entered_and_told(journal, tmp_path):
    begin(journal, "run-1", ask(1), ask(2, amount=5, note="x"), at=5.0)
    outcomes = [
        Outcome(0, Status.STARTED, "w.1", "", "m", 2, "2026-01-01T00:00:00+00:00"),
        Outcome(1, Status.REFUSED, "", "GONE", "why", 1),
    ]
    journal.finish("run-1", 4, outcomes)
    journal.wrote("run-1", tmp_path / "deals.results.xlsx")
    run = journal.run("run-1")
    assert (run.run_id, run.started_at, run.portal, run.dialect, run.sheet) == ("run-1", 5.0, PORTAL, "vibecode", "deals.xlsx")
    assert (run.template, run.campaign, run.settings, run.live) == ("713", "", {}, False)
    assert run.results == str(tmp_path / "deals.results.xlsx")
    assert [row.outcome for row in run.rows] == outcomes
    assert [(row.label, row.key) for row in run.rows] == [("2", key_of(ask(1))), ("3", key_of(ask(2, amount=5, note="x")))]
    assert [row.request for row in run.rows] == [ask(1), ask(2, amount=5, note="x")]


def test_settings_come_back_as_they_were_given(journal):
    settings = {"tab": "Сделки", "header_row": 3, "columns": {"entityId": "ID"}}
    with journal.claiming("run-1") as claim:
        claim.open_run(entry("run-1", 0) | {"settings": json.dumps(settings)}, [])
    assert journal.run("run-1").settings == settings


def test_a_run_that_nobody_knows_is_none(journal):
    begin(journal, "run-1", ask())
    assert journal.run("run-2") is None


def test_a_run_lives_as_long_as_its_process_and_again_when_it_goes_on(journal):
    begin(journal, "run-1", ask())
    assert journal.run("run-1").live
    journal.finish("run-1", 6, [])
    assert not journal.run("run-1").live
    again(journal, "run-1", ask())
    assert journal.run("run-1").live
    journal.release("run-1")
    assert not journal.run("run-1").live


def test_a_row_that_no_run_ever_took_has_no_body(journal):
    with journal.claiming("run-1") as claim:
        claim.open_run(entry("run-1", 2), [(0, "2", key_of(ask())), (1, "3", "")])
    assert [(row.key, row.request) for row in journal.run("run-1").rows] == [(key_of(ask()), None), ("", None)]


def test_rows_come_in_the_order_of_the_sheet_whatever_their_keys(journal):
    requests = [ask(entity) for entity in range(30, 10, -1)]
    begin(journal, "run-1", *requests)
    assert [row.request.entity_id for row in journal.run("run-1").rows] == list(range(30, 10, -1))


def test_a_row_of_a_run_that_died_counts_every_request_that_may_have_left(journal):
    begin(journal, "run-1", ask(1), ask(2), ask(3))
    told(journal, "run-1", ask(1), Event.SEND, Event.DEFER, error_code="RATE_LIMITED")
    told(journal, "run-1", ask(1), Event.SEND, sent_at=5.0)
    told(journal, "run-1", ask(3), Event.SEND, sent_at=5.0)
    told(journal, "run-1", ask(3), Event.DEFER, error_code="CONNECT_FAILED")
    told(journal, "run-1", ask(2), Event.SEND, sent_at=5.0)
    journal.record("run-1", [Note(key_of(ask(2)), Event.DEFER)], [Outcome(1, Status.GAVE_UP, "", "CONNECT_FAILED", "m", 0)])
    journal.release("run-1")
    outcomes = [row.outcome for row in journal.run("run-1").rows]
    assert [outcome.attempts for outcome in outcomes] == [2, 0, 0], "not what never left, and what the run told it counted itself"
    assert [outcome.status for outcome in outcomes] == [Status.NOT_ATTEMPTED, Status.GAVE_UP, Status.NOT_ATTEMPTED]


def test_requests_of_another_run_for_the_same_row_are_not_this_runs(journal):
    begin(journal, "run-1", ask())
    told(journal, "run-1", ask(), Event.SEND, Event.DEFER)
    journal.release("run-1")
    begin(journal, "run-2", ask())
    told(journal, "run-2", ask(), Event.SEND, sent_at=5.0)
    journal.release("run-2")
    assert [journal.run(run).rows[0].outcome.attempts for run in ("run-1", "run-2")] == [1, 1]


# ---------------------------------------------------------------------------------------------------- which run is meant


def test_runs_of_a_kind_come_newest_first_and_only_of_this_portal(journal):
    for number in (1, 2, 3):
        begin(journal, f"run-{number}", ask(number), at=float(number))
        journal.finish(f"run-{number}", 6, [Outcome(0, Status.NOT_ATTEMPTED, "", "RUN_STOPPED", "m")])
    open_elsewhere(journal, "run-4", ask(1), at=4.0)
    journal.release("run-4")
    assert journal.runs_with(PORTAL, TO_RESUME) == journal.runs_with(PORTAL, "") == ["run-3", "run-2", "run-1"]
    assert journal.runs_with(OTHER, TO_RESUME) == ["run-4"]
    assert journal.runs_with(PORTAL, TO_RECONCILE) == []


def test_a_run_that_lives_is_not_gone_on_with(journal):
    begin(journal, "run-1", ask())
    assert journal.runs_with(PORTAL, TO_RESUME) == journal.runs_with(PORTAL, "") == []
    journal.release("run-1")
    assert journal.runs_with(PORTAL, TO_RESUME) == ["run-1"]


@pytest.mark.parametrize(
    ("events", "status", "resumes", "reconciles"),
    [
        ((), "", True, False),
        ((Event.SEND, Event.DEFER), "not_attempted", True, False),
        ((Event.SEND, Event.DEFER), "gave_up", True, False),
        ((Event.SEND, Event.DEFER), "invalid", False, False),
        ((Event.SEND,), "", False, True),
        ((Event.SEND, Event.LOSE), "in_doubt", False, True),
        ((Event.SEND, Event.LOSE), "", False, True),
        ((Event.SEND, Event.REFUSE), "refused", False, False),
        ((Event.SEND, Event.START), "started", False, False),
        ((Event.SEND, Event.START), "", False, False),
        ((Event.SEND, Event.LOSE, Event.RELEASE), "", False, True),
        ((Event.SEND, Event.LOSE, Event.RELEASE, Event.SEND, Event.DEFER), "not_attempted", False, True),
        ((Event.SEND, Event.LOSE, Event.RELEASE, Event.SEND, Event.REFUSE), "in_doubt", False, True),
        ((Event.SEND, Event.LOSE, Event.START), "in_doubt", False, False),
    ],
)
def test_what_is_left_to_do_of_a_run_is_how_its_rows_stand_now(journal, events, status, resumes, reconciles):
    begin(journal, "run-1", ask())
    for event in events:
        told(journal, "run-1", ask(), event, workflow_id="w.1" if event is Event.START else "")
    if status:
        journal.record("run-1", [], [Outcome(0, Status(status), "", "X", "m")])
    journal.release("run-1")
    assert journal.runs_with(PORTAL, TO_RESUME) == (["run-1"] if resumes else [])
    assert journal.runs_with(PORTAL, TO_RECONCILE) == (["run-1"] if reconciles else [])


def test_a_row_without_a_key_is_nothing_to_go_on_with_and_one_that_nobody_took_is(journal):
    for run, key in (("run-1", ""), ("run-2", key_of(ask()))):
        with journal.claiming(run) as claim:
            claim.open_run(entry(run, 1), [(0, "2", key)])
        journal.finish(run, 6, [Outcome(0, Status.NOT_ATTEMPTED, "", "LIMIT", "m")])
    assert journal.runs_with(PORTAL, TO_RESUME) == ["run-2"]


# ------------------------------------------------------------------------------------------------------ doubts, their sends


def test_a_doubt_has_the_moment_of_its_send_and_what_ran_before(journal):
    begin(journal, "run-1", ask(5, template=714))
    swept(journal, "run-1", "a", "b", ahead=7.5)
    before = time.time()
    lose(journal, "run-1", ask(5, template=714))
    (doubt,) = journal.doubts("run-1")
    assert (doubt.key, doubt.template_id, doubt.document, doubt.ours) == (key_of(ask(5, template=714)), 714, ("deal", 5), True)
    (sent,) = doubt.sends
    assert before <= sent.at <= time.time()
    assert (sent.clock_offset, sent.baseline) == (7.5, {"a", "b"})


def test_a_sweep_that_found_nothing_is_a_baseline_and_no_sweep_is_none(journal):
    begin(journal, "run-1", ask())
    lose(journal, "run-1", ask())
    assert [sent.baseline for sent in sends(journal, "run-1")] == [None]
    begin(journal, "run-2", ask(2))
    swept(journal, "run-2")
    lose(journal, "run-2", ask(2))
    assert [sent.baseline for sent in sends(journal, "run-2", ask(2))] == [frozenset()]


def test_a_sweep_behind_the_send_or_of_another_run_is_no_baseline(journal):
    begin(journal, "run-1", ask())
    swept(journal, "run-0", "a")
    lose(journal, "run-1", ask())
    swept(journal, "run-1", "b")
    assert [sent.baseline for sent in sends(journal, "run-1")] == [None]


def test_each_stint_of_a_run_has_its_own_sweep_and_a_released_doubt_both_sends(journal):
    begin(journal, "run-1", ask())
    swept(journal, "run-1", "a", ahead=1.0)
    lose(journal, "run-1", ask())
    journal.finish("run-1", 5, [])
    again(journal, "run-1", ask())
    swept(journal, "run-1", "b", "c", ahead=-2.0)
    lose(journal, "run-1", ask())
    journal.finish("run-1", 5, [])
    first, second = sends(journal, "run-1")
    assert (first.clock_offset, first.baseline) == (1.0, {"a"})
    assert (second.clock_offset, second.baseline) == (-2.0, {"b", "c"})
    assert first.at < second.at


def test_a_stint_that_could_not_read_the_list_does_not_lean_on_the_sweep_of_an_earlier_one(journal):
    begin(journal, "run-1", ask())
    swept(journal, "run-1", "a", ahead=1.0)
    lose(journal, "run-1", ask())
    journal.finish("run-1", 5, [])
    again(journal, "run-1", ask())
    lose(journal, "run-1", ask())
    assert [(sent.clock_offset, sent.baseline) for sent in sends(journal, "run-1")] == [(1.0, {"a"}), (1.0, None)]


def test_each_send_has_the_sweep_of_the_run_that_sent_it(journal):
    begin(journal, "run-1", ask())
    swept(journal, "run-1", "a")
    lose(journal, "run-1", ask())
    journal.finish("run-1", 5, [])
    with journal.claiming("run-2") as claim:
        claim.open_run(entry("run-2", 1), [(0, "2", key_of(ask()))])
        held = claim.view(PORTAL, [(key_of(ask()), ask())], "", ()).held[key_of(ask())]
        claim.keep_sweep(time.time(), 0.0, frozenset({"b"}))
        claim.take(PORTAL, "", [(key_of(ask()), ask(), held)])
    lose(journal, "run-2", ask())
    for run in ("run-1", "run-2"):
        assert [sent.baseline for sent in sends(journal, run)] == [{"a"}, {"b"}]


def test_a_clock_that_a_sweep_did_not_tell_is_that_of_the_portals_last_one_that_did(journal):
    begin(journal, "run-1", ask(1))
    swept(journal, "run-1", ahead=5.0)
    swept(journal, "run-1", ahead=30.0)
    journal.finish("run-1", 0, [])
    key = open_elsewhere(journal, "run-3", ask(1))
    swept(journal, "run-3", ahead=999.0)
    begin(journal, "run-2", ask(2))
    lose(journal, "run-2", ask(2))
    assert [(sent.clock_offset, sent.baseline) for sent in sends(journal, "run-2", ask(2))] == [(30.0, None)]
    journal.finish("run-2", 5, [])
    again(journal, "run-2", ask(2))
    swept(journal, "run-2", "a", ahead=None)
    lose(journal, "run-2", ask(2))
    assert [(sent.clock_offset, sent.baseline) for sent in sends(journal, "run-2", ask(2))] == [(30.0, None), (30.0, {"a"})]
    journal.record("run-3", [Note(key, Event.SEND)])
    assert [sent.clock_offset for one in journal.doubts("run-3") for sent in one.sends] == [999.0]


def test_where_no_portals_clock_was_ever_told_nothing_is_known_of_it(journal):
    begin(journal, "run-1", ask())
    swept(journal, "run-1", ahead=None)
    lose(journal, "run-1", ask())
    assert [sent.clock_offset for sent in sends(journal, "run-1")] == [None]


@pytest.mark.parametrize("undone", [Event.DEFER, Event.REFUSE])
def test_a_send_that_an_answer_proved_undone_is_no_evidence(journal, undone):
    begin(journal, "run-1", ask(1), ask(2))
    told(journal, "run-1", ask(1), Event.SEND, Event.DEFER, error_code="RATE_LIMITED")
    between = time.time()
    lose(journal, "run-1", ask(1))
    journal.finish("run-1", 5, [])
    (lost,) = sends(journal, "run-1", ask(1))
    assert lost.at >= between, "the throttled one is not it"
    again(journal, "run-1", ask(1))
    told(journal, "run-1", ask(1), Event.SEND, undone, error_code="X")
    journal.finish("run-1", 5, [])
    assert sends(journal, "run-1", ask(1)) == (lost,)


def test_a_send_without_any_answer_counts_whether_or_not_its_run_could_write_that_down(journal):
    begin(journal, "run-1", ask())
    told(journal, "run-1", ask(), Event.SEND)
    journal.release("run-1")
    (on_disk,) = sends(journal, "run-1")
    again(journal, "run-1", ask())
    assert sends(journal, "run-1") == (on_disk,), "released, not sent again yet"
    told(journal, "run-1", ask(), Event.SEND)
    assert len(sends(journal, "run-1")) == 2


def test_a_doubt_that_a_sheet_brought_has_no_send(journal):
    with journal.claiming("run-1") as claim:
        claim.open_run(entry("run-1", 1), [(0, "2", key_of(ask()))])
        claim.keep_sweep(time.time(), 0.0, frozenset())
        claim.doubt(PORTAL, "", [(key_of(ask()), ask(), "READ_TIMEOUT", "m")])
    assert sends(journal, "run-1") == ()


def test_only_doubts_are_doubts(journal):
    requests = [ask(number) for number in range(1, 6)]
    begin(journal, "run-1", *requests)
    start(journal, "run-1", ask(1), "w.1")
    told(journal, "run-1", ask(2), Event.SEND, Event.REFUSE)
    told(journal, "run-1", ask(3), Event.SEND, Event.DEFER)
    lose(journal, "run-1", ask(5))
    assert [doubt.document for doubt in journal.doubts("run-1")] == [("deal", 5)]
    assert journal.credit("run-1", {key_of(ask(5)): "w.5"}) == set()
    assert journal.doubts("run-1") == []


def test_doubts_of_other_runs_on_the_same_documents_contend_and_no_others(journal):
    begin(journal, "run-1", ask(1, a="x"))
    lose(journal, "run-1", ask(1, a="x"))
    theirs = [ask(1, a="y"), ask(1, a="z"), ask(1, template=714), ask(2)]
    begin(journal, "run-2", *theirs, allow_changed=True)
    for request in theirs[:1] + theirs[2:]:
        lose(journal, "run-2", request)
    told(journal, "run-2", ask(1, a="z"), Event.SEND)
    begin(journal, "run-3", ask(1), campaign="spring")
    journal.record("run-3", [Note(key_of(ask(1), "spring"), Event.SEND)])
    elsewhere = open_elsewhere(journal, "run-4", ask(1))
    journal.record("run-4", [Note(elsewhere, Event.SEND)])
    found = {doubt.key: doubt.ours for doubt in journal.doubts("run-1")}
    assert found == {
        key_of(ask(1, a="x")): True,
        key_of(ask(1, a="y")): False,
        key_of(ask(1, a="z")): False,
        key_of(ask(1), "spring"): False,
    }


@pytest.mark.parametrize("portal", [PORTAL, OTHER])
def test_a_released_doubt_of_another_run_is_not_one_of_this_run(journal, portal):
    begin(journal, "run-1", ask(1))
    lose(journal, "run-1", ask(1))
    key = open_elsewhere(journal, "run-2", ask(2), portal)
    for event in (Event.SEND, Event.LOSE, Event.RELEASE):
        journal.record("run-2", [Note(key, event)])
    assert [doubt.key for doubt in journal.doubts("run-1")] == [key_of(ask(1))]
    assert [doubt.key for doubt in journal.doubts("run-2")] == [key]


def test_a_released_doubt_that_started_contends_by_the_attempt_that_nobody_has_found(journal):
    begin(journal, "run-1", ask(1, a="x"))
    swept(journal, "run-1", "a")
    lose(journal, "run-1", ask(1, a="x"))
    (first,) = sends(journal, "run-1", ask(1, a="x"))
    journal.finish("run-1", 5, [])
    again(journal, "run-1", ask(1, a="x"))
    start(journal, "run-1", ask(1, a="x"), "w.2")
    begin(journal, "run-2", ask(1, a="y"), ask(1, a="z"), allow_changed=True)
    lose(journal, "run-2", ask(1, a="y"))
    start(journal, "run-2", ask(1, a="z"), "w.3")
    found = {doubt.key: doubt for doubt in journal.doubts("run-2")}
    assert set(found) == {key_of(ask(1, a="x")), key_of(ask(1, a="y"))}
    assert (found[key_of(ask(1, a="x"))].ours, found[key_of(ask(1, a="x"))].sends) == (False, (first,))
    assert journal.doubts("run-1") == []


def test_a_doubt_that_was_found_started_contends_no_more(journal):
    begin(journal, "run-1", ask(1, a="x"))
    lose(journal, "run-1", ask(1, a="x"))
    assert journal.credit("run-1", {key_of(ask(1, a="x")): "w.1"}) == set()
    begin(journal, "run-2", ask(1, a="y"), allow_changed=True)
    lose(journal, "run-2", ask(1, a="y"))
    assert [doubt.sends for doubt in journal.doubts("run-2") if not doubt.ours] == [()]


def test_equal_rows_of_a_run_are_one_doubt(journal):
    begin(journal, "run-1", ask(), ask())
    lose(journal, "run-1", ask())
    assert [doubt.key for doubt in journal.doubts("run-1")] == [key_of(ask())]


# ------------------------------------------------------------------------------------------ what it started, what it used


def test_what_a_run_started_is_what_it_owns_and_got_an_id_for(journal):
    begin(journal, "run-1", ask(1), ask(2), ask(3), ask(4))
    start(journal, "run-1", ask(1), "w.1")
    lose(journal, "run-1", ask(2))
    lose(journal, "run-1", ask(3))
    journal.credit("run-1", {key_of(ask(3)): "w.3"})
    journal.finish("run-1", 5, [])
    begin(journal, "run-2", ask(1), ask(4), ask(5))
    start(journal, "run-2", ask(4), "w.4")
    assert journal.started_by("run-1") == {"w.1": ("deal", 1), "w.3": ("deal", 3)}
    assert journal.started_by("run-2") == {"w.4": ("deal", 4)}
    journal.terminated("run-1", ["w.1"])
    assert set(journal.started_by("run-1")) == {"w.1", "w.3"}, "it was started all the same"


def test_a_template_is_as_the_last_run_on_this_portal_saw_it(journal):
    for number, portal, modified in (
        (2, PORTAL, {"713": "b", "714": "c"}),
        (1, PORTAL, {"713": "a", "9": "z"}),
        (3, OTHER, {"713": "x"}),
        (4, PORTAL, {}),
    ):
        with journal.claiming(f"run-{number}") as claim:
            settings = json.dumps({"modified": modified} if modified else {})
            claim.open_run(entry(f"run-{number}", 0, at=float(number)) | {"portal": portal, "settings": settings}, [])
    assert journal.templates_before(PORTAL) == {713: Before("run-2", "b"), 714: Before("run-2", "c"), 9: Before("run-1", "z")}
    assert look(journal, ask()).held == {}

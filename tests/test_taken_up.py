"""A run taken up where something has changed meanwhile: no row is told as if it had never been, none is started twice."""

from __future__ import annotations

import threading

import pandas as pd
import pytest

import bulkstart
from bulkstart.conduct import conduct
from bulkstart.errors import UsageError
from bulkstart.history import take_up
from bulkstart.portal import Portal
from tests.conftest import FAST, MARK, deals
from tests.past import LIVING, LOST, Person, arrived, committed, living, past, start, start_sheet

MARKED = {**LIVING, "parameters": MARK}
FAULTS = [{"nth": 1, **LOST}, {"nth": 3, "committed": False, "answer": "ERROR_LOOP_DETECTED"}]
"""Row 1 in doubt, row 2 started, row 3 never sent."""
TOLD = ["in_doubt", "started", "not_attempted"]


def stopped(portal, tmp_path):
    """A run of a file whose rows are in doubt, started and left."""
    sheet = tmp_path / "deals.csv"
    sheet.write_text("entityId,mark,own\n1,a,x\n2,b,y\n3,c,z\n", encoding="utf-8")
    finished = start_sheet(portal, sheet)
    assert list(finished.results["startStatus"]) == TOLD
    return finished.run_id, sheet


def taken(run_id, portal, *, resume, person=None):
    found = take_up(run_id, portal, {})
    job = found.resuming(portal, person, release=False, settle=0) if resume else found.reconciling(portal, person, settle=0)
    return conduct(job)


@pytest.mark.parametrize("resume", [True, False], ids=["resume", "reconcile"])
def test_where_the_template_list_fails_that_of_an_earlier_run_tells_what_the_rows_are(tmp_path, resume):
    lists = [{"on": "templates", "nth": [2, 3, 4, 5, 6, 7, 8, 9], "answer": "html_502"}]
    with living({"templates": [MARKED], "faults": FAULTS + lists}) as portal:
        run_id, _ = stopped(portal, tmp_path)
        finished = taken(run_id, portal, resume=resume, person=(person := Person()))
        found = list(finished.results["startStatus"])
        assert found == (["in_doubt", "started", "started"] if resume else ["started", "started", "not_attempted"])
        assert any("as an earlier run found them" in said for said in person.said)
        assert {entity: len(ids) for entity, ids in committed(portal).items()} == {1: 1, 2: 1} | ({3: 1} if resume else {})


@pytest.mark.parametrize("resume", [True, False], ids=["resume", "reconcile"])
def test_where_the_key_is_dead_every_row_keeps_what_the_run_told_of_it(tmp_path, resume):
    with living(
        {"templates": [MARKED], "faults": FAULTS, "keys": [{"key": "vibe_api_x_0123456789", "expires_after_starts": 3}]}
    ) as portal:
        run_id, _ = stopped(portal, tmp_path)
        finished = taken(run_id, portal, resume=resume)
        assert (finished.exit_code, list(finished.results["startStatus"])) == (7, TOLD)


@pytest.mark.parametrize("resume", [True, False], ids=["resume", "reconcile"])
def test_a_sheet_whose_id_column_was_renamed_is_told_as_the_journal_has_it(tmp_path, resume):
    with living({"templates": [MARKED], "faults": FAULTS}) as portal:
        run_id, sheet = stopped(portal, tmp_path)
        sheet.write_text("what,mark\n1,a\n2,b\n3,c\n", encoding="utf-8")
        finished = taken(run_id, portal, resume=resume)
        assert finished.exit_code == (3 if resume else 6)
        assert list(finished.results["startStatus"]) == (TOLD if resume else ["started", "started", "not_attempted"])
        assert len(arrived(portal)) == 3


def test_a_template_that_lost_a_parameter_sends_nothing_and_hides_nothing(tmp_path):
    with living({"templates": [MARKED], "faults": FAULTS}) as first:
        run_id, sheet = stopped(first, tmp_path)
        with living({"templates": [LIVING]}) as second:
            changed = Portal.vibecode(api_key="vibe_api_sandbox_0123456789", base_url=second.base_url)
            with pytest.raises(UsageError, match="went to"):
                conduct(take_up(run_id, changed, {"journal": first.journal}).resuming(changed, None, release=False, settle=0))
        sheet.write_text("entityId,own\n1,x\n2,y\n3,z\n", encoding="utf-8")
        finished = taken(run_id, first, resume=True)
        assert list(finished.results["startStatus"]) == ["not_attempted"] * 3
        assert set(finished.results["errorCode"]) == {"NOT_IN_RUN"}, "other values: other rows"
        assert len(arrived(first)) == 3


@pytest.mark.parametrize("run_id", ["", "  "])
def test_a_run_that_is_named_by_nothing_is_no_run(run_id):
    with living() as portal:
        start(portal, rows=1)
        with pytest.raises(UsageError, match="named by nothing"):
            take_up(run_id, portal, {})
        for nothing in (run_id, None):
            with pytest.raises(UsageError, match="id of a run"):
                bulkstart.Run(nothing, portal=portal)


def test_a_row_that_a_sheet_said_was_started_is_not_started_by_another_run_s_resume(tmp_path):
    with living() as portal:
        first = start(portal, rows=3, limit=2)
        word = pd.DataFrame({"entityId": [3]})
        told = bulkstart.start(word, portal=portal, template=713, journal=tmp_path / "other.sqlite", **FAST)
        assert list(bulkstart.start(told, portal=portal, template=713, **FAST)["startStatus"]) == ["already_started"]
        found = past(first, portal).resume(deals(3))
        assert list(found["startStatus"]) == ["started", "started", "already_started"]
        assert found["workflowId"].iloc[2] == told["workflowId"].iloc[0]
        assert {entity: len(ids) for entity, ids in committed(portal).items()} == {1: 1, 2: 1, 3: 1}


def test_an_equal_row_behind_the_limit_takes_nothing_from_the_one_that_counts():
    frame = pd.DataFrame({"entityId": [1, 2, 3, 1]})
    with living() as portal:
        first = start(portal, frame, limit=2)
        found = past(first, portal).resume(frame, skip_invalid=True)
        assert list(found["startStatus"]) == ["started", "started", "started", "duplicate"]
        assert found["workflowId"].iloc[0] == first["workflowId"].iloc[0]
        assert {entity: len(ids) for entity, ids in committed(portal).items()} == {1: 1, 2: 1, 3: 1}


def test_what_the_run_had_refused_is_not_sent_by_its_resume_although_another_run_took_it_up():
    faults = [
        {"nth": 1, "committed": False, "answer": "VALIDATION_ERROR"},
        {"nth": 2, "committed": False, "answer": "ERROR_LOOP_DETECTED"},
        {"nth": 3, "committed": False, "answer": "ERROR_LOOP_DETECTED"},
    ]
    with living({"faults": faults}) as portal:
        first = start(portal, rows=3)
        assert list(first["startStatus"]) == ["refused", "not_attempted", "not_attempted"]
        start(portal, deals(1))
        found = past(first, portal).resume(max_unknown=1)
        assert list(found["startStatus"]) == ["refused", "started", "started"]


def test_rows_behind_the_limit_go_on_although_the_sheet_is_gone():
    with living() as portal:
        first = start(portal, rows=4, limit=2)
        assert list(past(first, portal).resume()["startStatus"]) == ["started"] * 4


def test_a_sheet_that_is_run_again_while_the_key_is_dead_still_tells_what_had_started(tmp_path):
    keys = [{"key": "vibe_api_x_0123456789", "expires_after_starts": 3}]
    with living({"templates": [MARKED], "faults": FAULTS, "keys": keys}) as portal:
        _, sheet = stopped(portal, tmp_path)
        again = start_sheet(portal, sheet)
        assert again.exit_code == 7
        assert list(again.results["startStatus"]) == ["in_doubt", "already_started", "not_attempted"]
        dry = start_sheet(portal, sheet, dry_run=True)
        assert (dry.exit_code, list(dry.results["startStatus"])) == (7, ["in_doubt", "already_started", "not_attempted"])


def test_a_sheet_that_is_run_again_while_the_template_list_fails_is_the_same_sheet(tmp_path):
    lists = [{"on": "templates", "nth": [2, 3, 4, 5, 6, 7, 8, 9], "answer": "html_502"}]
    with living({"templates": [MARKED], "faults": FAULTS + lists}) as portal:
        _, sheet = stopped(portal, tmp_path)
        dry = start_sheet(portal, sheet, dry_run=True)
        assert list(dry.results["startStatus"]) == ["in_doubt", "already_started", "planned"]
        again = start_sheet(portal, sheet)
        assert list(again.results["startStatus"]) == ["in_doubt", "already_started", "started"]


def test_a_deadline_holds_although_rows_only_wait_for_room_on_their_document():
    frame = pd.DataFrame({"entityId": [1, 1, 1], "param:mark": ["a", "b", "c"]})
    with living({"templates": [{**MARKED, "life_seconds": None}]}) as portal:
        found = start(portal, frame, per_document=1, deadline=0.5)
        assert list(found["startStatus"]) == ["started", "not_attempted", "not_attempted"]
        assert set(found["errorCode"]) == {"", "DEADLINE"}
        assert found.attrs["exit_code"] == 6


def test_a_doubt_that_nobody_was_asked_about_is_not_sent_again():
    """Its settle time ends, or it becomes a doubt, between the question and the claim."""
    with living({"faults": [{"nth": 1, **LOST}, {"nth": 2, "committed": False, "answer": "ERROR_LOOP_DETECTED"}]}) as portal:
        first = start(portal, rows=2)
        assert list(first["startStatus"]) == ["in_doubt", "not_attempted"]
        found = take_up(first.attrs["run_id"], portal, {})

        def thinks(_):
            threading.Event().wait(4.5)  # the question comes within the four seconds, the answer behind them

        person = Person()
        person.ask = lambda question, /: (person.asked.append(question), thinks(question), True)[-1]
        finished = conduct(found.resuming(portal, person, release=True, settle=4.0))
        assert len(person.asked) == 1, "only the plain row was asked about"
        assert list(finished.results["startStatus"]) == ["in_doubt", "started"]
        assert arrived(portal) == [1, 2, 2]

"""Undo ends exactly what the run started and still runs; the portal's own list and its ledger say what became of it."""

from __future__ import annotations

from typing import Any

import pytest

import bulkstart
from bulkstart.conduct import conduct
from bulkstart.errors import UsageError
from bulkstart.history import no_frame, take_up
from bulkstart.undo import Undone
from tests.conftest import deals
from tests.past import GONE, LIVING, LOST, Person, arrived, asked_of, living, past, running_still, runs_now, start

NOT_OURS = {
    "running": [{"templateId": 713, "entityType": "deal", "entityId": n} for n in (1, 2, 77)],
    "others": [{"templateId": 713, "entityType": "deal", "entityId": n, "at": 0.001} for n in (3, 88)],
    "limits": {"per_document": 0},
}
ENDED = {"on": "delete"}


def undone(results: Any, portal: Any, person: Person | None = None, *, erase: bool = False, **options: Any) -> Undone:
    """An undo with a person at hand."""
    taken = take_up(results.attrs["run_id"], portal, options, frame=no_frame())
    return conduct(taken.undoing(portal, person, erase=erase))


def deletes(portal: Any) -> list[dict[str, Any]]:
    """The answers to all requests that would end a workflow."""
    return [line for line in portal.ledger() if line["on"] == "delete" and line["kind"] == "answer"]


# ------------------------------------------------------------------------------------------------ exactly its own


@pytest.mark.parametrize("life", [None, 120])
def test_exactly_the_run_s_own_workflows_end(life):
    with living({"templates": [{**LIVING, "life_seconds": life}], **NOT_OURS}) as portal:
        before = start(portal, deals(3, first=200))
        results = start(portal, rows=20)
        after = start(portal, deals(3, first=300))
        others = set(runs_now(portal)) - set(results["workflowId"])
        assert len(others) == 5 + 3 + 3
        assert past(results, portal).undo() == {"started": 20, "terminated": 20}
        assert set(runs_now(portal)) == others
        assert {*before["workflowId"], *after["workflowId"]} <= others
        assert len(arrived(portal)) == 26, "undo starts nothing"


def test_ids_that_reconcile_found_are_the_run_s_own_too():
    with living({**NOT_OURS, "others": [], "faults": [{"every": 2, **LOST}]}) as portal:
        results = start(portal, rows=6)
        past(results, portal).reconcile(settle=0)
        assert past(results, portal).undo() == {"started": 6, "terminated": 6}
        assert len(runs_now(portal)) == 3


def test_rows_in_doubt_are_nobody_s_and_stay():
    with living({"faults": [{"every": 2, **LOST}]}) as portal:
        results = start(portal, rows=6)
        assert past(results, portal).undo() == {"started": 3, "terminated": 3}
        assert len(runs_now(portal)) == 3


def test_what_an_earlier_run_started_is_not_this_run_s_to_end():
    with living() as portal:
        first = start(portal, rows=2)
        second = start(portal, rows=4)
        assert list(second["startStatus"]) == ["already_started"] * 2 + ["started"] * 2
        assert past(second, portal).undo() == {"started": 2, "terminated": 2}
        assert set(runs_now(portal)) == set(first["workflowId"])


# ---------------------------------------------------------------------------------------------------- dry run, question


def test_a_dry_run_counts_and_ends_nothing():
    with living(NOT_OURS) as portal:
        results = start(portal, rows=7)
        running = set(runs_now(portal))
        person = Person()
        found = undone(results, portal, person, dry_run=True)
        assert (found.counts, found.exit_code) == ({"started": 7, "running": 7}, 0)
        assert past(results, portal).undo(dry_run=True) == {"started": 7, "running": 7}
        assert person.asked == []
        assert any("started 7 workflows" in text and "7 of them still run" in text for text in person.said)
        assert deletes(portal) == []
        assert set(runs_now(portal)) == running


def test_the_person_is_told_the_count_before_anything_ends():
    with living(NOT_OURS) as portal:
        results = start(portal, rows=7)
        running = set(runs_now(portal))
        person = Person(False)
        found = undone(results, portal, person)
        assert (found.exit_code, found.counts) == (6, {"started": 7, "running": 7})
        assert [text for text in person.asked if "7 running workflows would be terminated" in text and "stays as it is" in text]
        assert deletes(portal) == []
        assert set(runs_now(portal)) == running


def test_the_count_is_of_what_still_runs():
    scenario = {"templates": [LIVING, {**GONE, "id": 714}]}
    with living(scenario) as portal:
        results = start(portal, deals(5).assign(templateId=[713, 714, 713, 714, 714]), template=None)
        person = Person()
        found = undone(results, portal, person)
        assert (found.exit_code, found.counts) == (0, {"started": 5, "terminated": 2, "gone": 3})
        assert "2 running workflows" in person.asked[0]
        assert len(deletes(portal)) == 2


def test_nothing_that_runs_is_nothing_to_ask():
    with living({"templates": [GONE]}) as portal:
        results = start(portal, rows=3)
        person = Person()
        found = undone(results, portal, person)
        assert (found.exit_code, found.counts, person.asked) == (0, {"started": 3, "gone": 3}, [])
        assert deletes(portal) == []


def test_a_run_that_started_nothing_has_nothing_to_undo():
    with living({"documents": {"missing": {"any": [[1, 9]]}}}) as portal:
        found = undone(start(portal, rows=2), portal)
        assert (found.exit_code, found.counts) == (0, {"started": 0})


def test_an_interrupt_at_the_question_ends_nothing():
    with living() as portal:
        results = start(portal, rows=3)
        taken = take_up(results.attrs["run_id"], portal, {}, frame=no_frame())
        person = Person(False)
        undoing = taken.undoing(portal, person, erase=False)
        person.ask = lambda _: bool(undoing.interrupt())  # type: ignore[method-assign]
        assert conduct(undoing).exit_code == 130
        assert len(runs_now(portal)) == 3


# ------------------------------------------------------------------------------------------------------------ erase


@pytest.mark.parametrize("erase", [False, True])
def test_data_are_erased_only_where_that_is_asked_for(erase):
    with living() as portal:
        results = start(portal, rows=3)
        person = Person()
        found = undone(results, portal, person, erase=erase)
        assert found.counts == {"started": 3, "terminated": 3}
        assert [bool(line["erased"]) for line in deletes(portal)] == [erase] * 3
        assert ("erased" in person.asked[0]) is erase
        assert runs_now(portal) == {}


def test_the_method_of_a_run_erases_too():
    with living() as portal:
        results = start(portal, rows=2)
        assert past(results, portal).undo(erase=True) == {"started": 2, "terminated": 2}
        assert [bool(line["erased"]) for line in deletes(portal)] == [True, True]


# ------------------------------------------------------------------------------------------------ what stands in the way


@pytest.mark.parametrize("code", ["SCOPE_DENIED", "WRITE_BLOCKED_READONLY_KEY", "INVALID_API_KEY", "BITRIX_ACCESS_DENIED"])
def test_a_denial_stops_it_at_once(code):
    with living({"faults": [{**ENDED, "answer": code}]}) as portal:
        results = start(portal, rows=30)
        found = undone(results, portal)
        assert found.exit_code == 7
        assert found.stop is not None
        assert found.stop.code == code
        assert len(deletes(portal)) <= 4, "those on the wire, and no more"
        assert len(runs_now(portal)) == 30
        assert found.counts == {"started": 30, "running": 30}


def test_a_list_that_is_denied_ends_nothing():
    with living({"faults": [{"on": "list", "nth": list(range(2, 20)), "answer": "SCOPE_DENIED"}]}) as portal:
        found = undone(start(portal, rows=3), portal)
        assert found.exit_code == 7
        assert "nothing was terminated" in found.stop.message
        assert deletes(portal) == []


def test_what_could_not_be_ended_is_told_with_its_reason():
    with living({"faults": [{**ENDED, "nth": 2, "answer": "INTERNAL_ERROR"}]}) as portal:
        results = start(portal, rows=3)
        found = undone(results, portal)
        assert found.counts == {"started": 3, "terminated": 2, "running": 1}
        assert found.exit_code == 4
        assert list(found.running) == list(runs_now(portal))
        assert "INTERNAL_ERROR" in next(iter(found.running.values()))
        assert undone(results, portal).counts == {"started": 3, "terminated": 1, "gone": 2}, "and a second try ends it"


def test_an_answer_that_was_lost_is_no_proof_and_the_list_is_asked_again():
    with living({"faults": [{**ENDED, "nth": [1, 2], "answer": "html_502"}]}) as portal:
        results = start(portal, rows=2)
        found = undone(results, portal)
        assert set(found.running) == set(runs_now(portal))
        assert len(found.terminated) + len(found.running) == 2


def test_what_ended_although_its_answer_was_lost_is_told_as_ended():
    with living({"faults": [{**ENDED, "nth": 1, "answer": {"kind": "delay", "seconds": 5}}]}) as portal:
        results = start(portal, rows=2)
        found = undone(results, portal, timeout=0.5)
        assert runs_now(portal) == {}
        assert found.counts == {"started": 2, "terminated": 2}
        assert found.exit_code == 0


def test_a_limit_on_requests_slows_it_and_loses_nothing():
    limits = {"portal": {"rate": 40, "burst": 5, "retry_after": 0.2, "refusal": "RATE_LIMITED"}}
    with living({"limits": limits}) as portal:
        results = start(portal, rows=12, rate=30, burst=4)
        assert undone(results, portal, rate=400, burst=400).counts == {"started": 12, "terminated": 12}
        assert runs_now(portal) == {}


def test_a_run_of_another_portal_is_a_usage_error():
    with living() as one, living() as other:
        results = start(one, rows=2)
        with pytest.raises(UsageError, match="these credentials are for"):
            bulkstart.Run(results.attrs["run_id"], portal=other, journal=one.journal).undo()
        assert len(runs_now(one)) == 2


def test_a_run_that_is_in_its_midst_must_be_stopped_first():
    with living({"templates": [{**LIVING, "run_seconds": 0.4}]}) as portal, running_still(portal, rows=3) as run_id:
        with pytest.raises(UsageError, match="running right now: stop it first"):
            bulkstart.Run(run_id, portal=portal).undo()
        assert deletes(portal) == []


# -------------------------------------------------------------------------------------------------- what is written down


def test_what_was_undone_was_started_all_the_same_and_never_starts_again():
    with living() as portal:
        results = start(portal, rows=3)
        past(results, portal).undo()
        told = past(results, portal).results
        assert list(told["startStatus"]) == ["started"] * 3
        assert list(told["workflowId"]) == list(results["workflowId"])
        assert all("terminated by " in message for message in told["errorMessage"])
        again = start(portal, rows=3)
        assert list(again["startStatus"]) == ["already_started"] * 3
        assert all("terminated by " in message for message in again["errorMessage"])
        assert len(arrived(portal)) == 3


def test_the_journal_holds_who_ended_a_workflow_and_when():
    with living() as portal:
        results = start(portal, rows=2)
        past(results, portal).undo()
        found = asked_of(portal.journal, "SELECT note, at FROM events WHERE event='terminate'")
        assert len(found) == 2
        assert all("terminated by" in note and "@" in note and at > 0 for note, at in found)


def test_a_dry_run_writes_nothing_down():
    with living() as portal:
        results = start(portal, rows=2)
        past(results, portal).undo(dry_run=True)
        assert asked_of(portal.journal, "SELECT * FROM events WHERE event='terminate'") == []

"""Doubts against the portal's own list: every credit is right, and what the list cannot prove stays in doubt and says where to look."""

from __future__ import annotations

import time
from typing import Any

import pandas as pd
import pytest

import bulkstart
from bulkstart.conduct import conduct
from bulkstart.errors import UsageError
from bulkstart.evidence import MATCHED
from bulkstart.history import take_up
from tests.conftest import FAST, MARK, deals, starts, truth
from tests.past import (
    GONE,
    LIVING,
    LOST,
    Person,
    arrived,
    asked_of,
    committed,
    in_doubt,
    living,
    past,
    running_still,
    runs_now,
    start,
    start_sheet,
    wrong_credits,
)

ALL_LOST = {"faults": [LOST]}
LIST: dict[str, Any] = {"on": "list"}


def settled(results: pd.DataFrame, portal: Any, **options: Any) -> pd.DataFrame:
    """The run of these results after its reconciliation, without waiting."""
    return past(results, portal).reconcile(**{"settle": 0, **options})


# ------------------------------------------------------------------------------------------ what the list proves

SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "rows shift between pages": {"switches": {"modified_moves": True}},
    "half-full pages": {"switches": {"short_pages": True}},
    "names of the other dialect": {"switches": {"list_fields": "camel"}},
    "moments in UTC": {"switches": {"started_form": "utc"}},
    "the portal's clock is 10 minutes ahead": {"switches": {"clock_skew_seconds": 600}},
    "the portal's clock is 10 minutes behind": {"switches": {"clock_skew_seconds": -600}},
    "each document runs the template since yesterday": {
        "running": [{"templateId": 713, "entityType": "deal", "entityId": n} for n in range(1, 101)]
    },
}


@pytest.mark.parametrize("name", SHAPES)
def test_lost_answers_get_their_own_ids_while_their_workflows_run(name):
    rows = 60 if "switches" in SHAPES[name] and "clock" not in name else 100  # more than a page
    with living({**ALL_LOST, **SHAPES[name]}) as portal:
        lost = in_doubt(portal, rows)
        found = settled(lost, portal)
        assert list(found["startStatus"]) == ["started"] * rows
        true = committed(portal)
        assert [[one] for one in found["workflowId"]] == [true[number] for number in range(1, rows + 1)]
        assert all(message.startswith(MATCHED) for message in found["errorMessage"])
        assert found.attrs["exit_code"] == 0
        assert found.attrs["run_id"] == lost.attrs["run_id"]
        truth(found, portal.ledger())
        assert len(arrived(portal)) == rows, "reconcile starts nothing"


def test_a_hundred_that_have_finished_stay_in_doubt_and_say_where_to_look():
    with living({**ALL_LOST, "templates": [GONE]}) as portal:
        lost = in_doubt(portal)
        found = settled(lost, portal)
        assert list(found["startStatus"]) == ["in_doubt"] * 100
        assert list(found["errorCode"]) == list(lost["errorCode"]), "the reason of the doubt stays"
        for number, message in zip(found["entityId"], found["errorMessage"], strict=True):
            assert "may have run and finished" in message
            assert f"open deal {number} and look" in message
        assert found.attrs["exit_code"] == 5
        truth(found, portal.ledger())


OTHERS: dict[str, list[dict[str, Any]]] = {
    "another document": [{"templateId": 713, "entityType": "deal", "entityId": n + 1000} for n in range(1, 101)],
    "another kind of entity": [{"templateId": 713, "entityType": "lead", "entityId": n} for n in range(1, 101)],
    "another template": [{"templateId": 714, "entityType": "deal", "entityId": n} for n in range(1, 101)],
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_others_start_meanwhile_is_credited_to_nobody(name):
    others = [{**one, "at": 0.001, "life_seconds": None} for one in OTHERS[name]]
    with living({**ALL_LOST, "templates": [GONE, {"id": 714, "documentType": "deal"}], "others": others}) as portal:
        lost = in_doubt(portal)
        assert len(runs_now(portal)) == 100
        found = settled(lost, portal)
        assert list(found["startStatus"]) == ["in_doubt"] * 100
        assert wrong_credits(found, portal) == []


def test_what_ran_before_the_run_is_credited_to_nobody():
    before = [{"templateId": 713, "entityType": "deal", "entityId": n, "started_seconds_ago": 1} for n in range(1, 101)]
    with living({**ALL_LOST, "templates": [GONE], "running": before}) as portal:
        found = settled(in_doubt(portal), portal)
        assert list(found["startStatus"]) == ["in_doubt"] * 100
        assert wrong_credits(found, portal) == []


def test_what_started_long_before_the_request_left_is_credited_to_nobody():
    """Others begin behind the baseline, and the first row holds the rest back by more than the window allows."""
    others = [{"templateId": 713, "entityType": "deal", "entityId": n, "at": 0.05} for n in range(2, 102)]
    held = {"nth": 1, "answer": {"kind": "delay", "seconds": 5.6}}
    with living({"templates": [GONE], "others": others, "faults": [held, LOST]}) as portal:
        found = settled(start(portal, rows=101), portal)
        assert len(runs_now(portal)) == 100
        assert list(found["startStatus"]) == ["started"] + ["in_doubt"] * 100
        assert wrong_credits(found, portal) == []


@pytest.mark.parametrize("skew", [600, -600])
def test_a_moment_that_nobody_can_place_is_no_evidence(skew):
    """A clock that is off by ten minutes, and no Date header that tells it."""
    with living({**ALL_LOST, "switches": {"clock_skew_seconds": skew, "date_header": False}}) as portal:
        found = settled(in_doubt(portal, 20), portal)
        assert list(found["startStatus"]) == ["in_doubt"] * 20


def test_a_moment_without_an_offset_is_no_evidence():
    with living({**ALL_LOST, "switches": {"started_form": "naive"}}) as portal:
        assert set(settled(in_doubt(portal, 20), portal)["startStatus"]) == {"in_doubt"}


def test_two_candidates_are_a_suspected_duplicate_and_neither_is_credited():
    others = [{"templateId": 713, "entityType": "deal", "entityId": n, "at": 0.001} for n in range(1, 101)]
    with living({**ALL_LOST, "others": others, "limits": {"per_document": 0}}) as portal:
        found = settled(in_doubt(portal), portal)
        running = runs_now(portal)
        assert list(found["startStatus"]) == ["in_doubt"] * 100
        for number, message in zip(found["entityId"], found["errorMessage"], strict=True):
            assert "suspected duplicate" in message
            both = [one for one, (_, document) in running.items() if document == f"DEAL_{number}"]
            assert len(both) == 2
            assert all(one in message for one in both)


def test_two_starts_of_one_intent_that_the_gateway_made_are_a_suspected_duplicate():
    with living(
        {"faults": [{"nth": 2, **LOST}], "switches": {"upstream_retry_every": 2}, "limits": {"per_document": 0}}
    ) as portal:
        found = settled(start(portal, rows=3), portal)
        assert list(found["startStatus"]) == ["started", "in_doubt", "started"]
        assert "suspected duplicate" in found["errorMessage"].iloc[1]


def two_rows_on_one_deal() -> pd.DataFrame:
    return pd.DataFrame({"entityId": [5, 5], "param:mark": ["a", "b"]})


def test_one_workflow_that_may_be_either_of_two_rows_is_credited_to_neither():
    template = {**LIVING, "parameters": MARK}
    faults = [{"nth": 1, **LOST}, {"nth": 2, "committed": False, "answer": "close"}]
    with living({"templates": [template], "faults": faults}) as portal:
        found = settled(start(portal, two_rows_on_one_deal()), portal)
        assert len(runs_now(portal)) == 1
        assert list(found["startStatus"]) == ["in_doubt", "in_doubt"]
        assert all("may be this row's or another's start" in message for message in found["errorMessage"])


def test_a_workflow_that_another_row_has_as_its_id_is_not_credited_again():
    template = {**LIVING, "parameters": MARK}
    with living({"templates": [template], "faults": [{"nth": 2, "committed": False, "answer": "close"}]}) as portal:
        results = start(portal, two_rows_on_one_deal())
        assert list(results["startStatus"]) == ["started", "in_doubt"]
        assert list(settled(results, portal)["startStatus"]) == ["started", "in_doubt"]


def test_each_of_two_rounds_gets_its_own_workflow():
    with living({"faults": [{"nth": 1, **LOST}]}) as portal:
        first = start(portal, rows=1)
        second = start(portal, rows=1, campaign="again")
        assert list(second["startStatus"]) == ["started"]
        found = settled(first, portal)
        assert list(found["startStatus"]) == ["started"]
        assert found["workflowId"].iloc[0] != second["workflowId"].iloc[0]
        assert wrong_credits(found, portal) == []


def test_without_knowing_what_ran_before_nothing_is_credited():
    with living({"faults": [{**LIST, "nth": 1, "answer": "html_502"}, LOST]}) as portal:
        found = settled(in_doubt(portal, 3), portal)
        assert list(found["startStatus"]) == ["in_doubt"] * 3
        assert "what ran before it was sent is not known" in found["errorMessage"].iloc[0]
        assert "open deal 1" in found["errorMessage"].iloc[0]


# --------------------------------------------------------------------------------------------- what it leaves alone


def test_only_doubts_are_looked_up_and_every_other_row_is_told_as_it_stands():
    faults = [{"nth": 2, **LOST}, {"nth": 4, "committed": False, "answer": "ERROR_LOOP_DETECTED"}]
    with living({"faults": faults, "documents": {"missing": {"deal": [3]}}}) as portal:
        results = start(portal, rows=5)
        assert list(results["startStatus"]) == ["started", "in_doubt", "refused", "not_attempted", "not_attempted"]
        found = settled(results, portal)
        assert list(found["startStatus"]) == ["started", "started", "refused", "not_attempted", "not_attempted"]
        others = [0, 2, 3, 4]
        for name in ("workflowId", "errorCode", "attempts", "startedAt"):
            assert list(found[name].iloc[others]) == list(results[name].iloc[others]), name
        assert found.attrs["exit_code"] == 6
        pd.testing.assert_frame_equal(past(results, portal).results[["startStatus", "workflowId", "errorCode"]].reset_index(drop=True),
                                      found[["startStatus", "workflowId", "errorCode"]].reset_index(drop=True))  # fmt: skip


def test_a_run_without_doubts_asks_the_portal_for_no_list():
    with living({"documents": {"missing": {"deal": [2]}}}) as portal:
        results = start(portal, rows=2)
        seen = sum(line["on"] == "list" for line in portal.ledger())
        found = settled(results, portal)
        assert list(found["startStatus"]) == ["started", "refused"]
        assert found.attrs["exit_code"] == 4
        assert sum(line["on"] == "list" for line in portal.ledger()) == seen


def test_a_second_look_credits_the_same_ids_and_finds_nothing_new():
    with living({"templates": [{**LIVING, "life_seconds": 0}, {**LIVING, "id": 714}], "faults": [LOST]}) as portal:
        frame = deals(4).assign(templateId=[713, 714, 713, 714])
        results = start(portal, frame, template=None)
        first, second = settled(results, portal), settled(results, portal)
        assert list(first["startStatus"]) == ["in_doubt", "started"] * 2
        columns = ["startStatus", "workflowId", "errorCode", "errorMessage", "attempts", "startedAt"]
        pd.testing.assert_frame_equal(first[columns], second[columns])


def test_a_doubt_of_an_earlier_run_is_settled_by_the_run_that_shows_it():
    with living({"faults": [{"nth": 2, **LOST}]}) as portal:
        first = start(portal, rows=3)
        second = start(portal, rows=4)
        assert list(second["startStatus"]) == ["already_started", "in_doubt", "already_started", "started"]
        found = settled(second, portal)
        assert list(found["startStatus"]) == ["already_started"] * 3 + ["started"]
        assert MATCHED in found["errorMessage"].iloc[1]
        earlier = past(first, portal).results
        assert list(earlier["startStatus"]) == ["started"] * 3
        assert earlier["workflowId"].iloc[1] == found["workflowId"].iloc[1] == committed(portal)[2][0]


def test_the_journal_keeps_the_credit_so_that_the_sheet_again_starts_nothing():
    with living(ALL_LOST) as portal:
        found = settled(in_doubt(portal, 5), portal)
        again = start(portal, rows=5)
        assert list(again["startStatus"]) == ["already_started"] * 5
        assert list(again["workflowId"]) == list(found["workflowId"])
        assert all(MATCHED in message for message in again["errorMessage"])
        assert len(arrived(portal)) == 5
        assert bulkstart.runs(portal.journal)["counts"].tolist() == [{"started": 5}]


def test_what_was_looked_for_in_vain_is_kept_with_the_run():
    with living({"faults": [LOST], "templates": [GONE, {**LIVING, "id": 714}]}) as portal:
        results = start(portal, deals(2).assign(templateId=[713, 714]), template=None)
        assert list(settled(results, portal)["startStatus"]) == ["in_doubt", "started"]
        told = past(results, portal).results
        assert "open deal 1 and look" in told["errorMessage"].iloc[0]
        settled(past(results, portal).results, portal)
        again = past(results, portal).results
        assert list(again["errorMessage"]) == list(told["errorMessage"]), "a second look adds no second sentence"


def test_the_run_s_exit_code_follows_what_was_found():
    with living(ALL_LOST) as portal:
        results = in_doubt(portal, 2)
        assert bulkstart.runs(portal.journal)["exit_code"].tolist() == [5]
        settled(results, portal)
        assert bulkstart.runs(portal.journal)["exit_code"].tolist() == [0]


def test_a_sheet_that_is_gone_is_no_hindrance(tmp_path):
    sheet = tmp_path / "deals.csv"
    sheet.write_text("entityId,title\n" + "".join(f"{n},Deal {n}\n" for n in range(1, 6)), encoding="utf-8")
    with living(ALL_LOST) as portal:
        results = in_doubt_of(portal, sheet)
        sheet.unlink()
        found = settled(results, portal)
        assert list(found["startStatus"]) == ["started"] * 5
        assert list(found["entityId"]) == [1, 2, 3, 4, 5]
        assert wrong_credits(found, portal) == []


def in_doubt_of(portal, sheet) -> pd.DataFrame:
    results = start_sheet(portal, sheet).results
    assert set(results["startStatus"]) == {"in_doubt"}
    return results


def test_a_sheet_that_was_sorted_and_cut_since_is_told_in_its_new_order(tmp_path):
    sheet = tmp_path / "deals.csv"
    sheet.write_text("entityId\n1\n2\n3\n4\n", encoding="utf-8")
    with living(ALL_LOST) as portal:
        results = in_doubt_of(portal, sheet)
        sheet.write_text("entityId\n4\n9\n1\n", encoding="utf-8")
        found = settled(results, portal)
        assert list(map(int, found["entityId"])) == [4, 9, 1]
        assert list(found["startStatus"]) == ["started", "not_attempted", "started"]
        assert found["errorCode"].iloc[1] == "NOT_IN_RUN"
        assert wrong_credits(found, portal) == []
        whole = past(results, portal).results
        assert list(whole["startStatus"]) == ["started"] * 4, "the row that was taken away is credited as well"


def test_a_sheet_that_has_lost_its_ids_is_told_as_the_journal_has_it(tmp_path):
    sheet = tmp_path / "deals.csv"
    sheet.write_text("entityId,title\n1,a\n2,b\n", encoding="utf-8")
    with living(ALL_LOST) as portal:
        results = in_doubt_of(portal, sheet)
        sheet.write_text("name,title\nx,a\ny,b\n", encoding="utf-8")
        finished = conduct(take_up(results.attrs["run_id"], portal, {}).reconciling(portal, None, settle=0))
        assert finished.exit_code == 0
        assert list(finished.results["startStatus"]) == ["started"] * 2
        assert list(past(results, portal).results["workflowId"]) == [committed(portal)[n][0] for n in (1, 2)]


def test_what_others_started_with_other_values_since_is_no_concern_of_a_look():
    frame = pd.DataFrame({"entityId": [1, 2], "param:mark": ["a", "a"]})
    faults = [{"nth": 1, **LOST}, {"nth": 2, "committed": False, "answer": "ERROR_LOOP_DETECTED"}]
    with living({"templates": [{**LIVING, "parameters": MARK}], "faults": faults}) as portal:
        first = start(portal, frame)
        assert list(first["startStatus"]) == ["in_doubt", "not_attempted"]
        assert list(start(portal, frame.assign(**{"param:mark": "b"}).iloc[1:])["startStatus"]) == ["started"]
        found = settled(first, portal)
        assert list(found["startStatus"]) == ["started", "not_attempted"]
        assert found["errorCode"].iloc[1] == "ERROR_LOOP_DETECTED"


# ---------------------------------------------------------------------------------------------------- the settle time


def test_a_start_that_may_still_begin_is_waited_for():
    with living({"faults": [{"nth": 1, "committed": True, "commit_after": 1.2, "answer": "close"}]}) as portal:
        results = start(portal, rows=1)
        person = Person()
        taken = take_up(results.attrs["run_id"], portal, {})
        found = conduct(taken.reconciling(portal, person, settle=1.5)).results
        assert list(found["startStatus"]) == ["started"]
        assert any("a lost start may still begin" in text for text in person.said)


def test_the_settle_time_counts_from_the_last_send():
    with living(ALL_LOST) as portal:
        results = in_doubt(portal, 3)
        sent = max(at for (at,) in asked_of(portal.journal, "SELECT sent_at FROM starts"))
        settled(results, portal, settle=0.8)
        first = min(line["time"] for line in portal.ledger() if line["on"] == "list" and line["time"] > sent + 0.1)
        assert first - sent >= 0.8
        began = time.monotonic()
        settled(results, portal, settle=60)
        assert time.monotonic() - began < 20, "nothing is in doubt any more, so nothing is waited for"


def test_an_interrupt_ends_the_wait_and_changes_nothing():
    with living(ALL_LOST) as portal:
        results = in_doubt(portal, 3)
        person = Person(then=lambda text: looking.interrupt() if "waiting" in text else None)
        looking = take_up(results.attrs["run_id"], portal, {}).reconciling(portal, person, settle=30)
        began = time.monotonic()
        finished = conduct(looking)
        assert time.monotonic() - began < 5
        assert finished.exit_code == 130
        assert list(finished.results["startStatus"]) == ["in_doubt"] * 3
        assert list(settled(results, portal)["startStatus"]) == ["started"] * 3


# -------------------------------------------------------------------------------------------------- when it cannot be


@pytest.mark.parametrize(("code", "exit_code"), [("SCOPE_DENIED", 7), ("INVALID_API_KEY", 7), ("INTERNAL_ERROR", 5)])
def test_a_list_that_cannot_be_read_settles_nothing_and_says_so(code, exit_code):
    with living({"faults": [{**LIST, "nth": list(range(2, 30)), "answer": code}, LOST]}) as portal:
        results = in_doubt(portal, 3)
        finished = conduct(take_up(results.attrs["run_id"], portal, {}).reconciling(portal, None, settle=0))
        assert list(finished.results["startStatus"]) == ["in_doubt"] * 3
        assert finished.exit_code == exit_code
        assert finished.stop is not None
        assert finished.stop.code == code
        assert "nothing could be settled" in finished.stop.message


def test_a_run_of_another_portal_is_a_usage_error():
    with living(ALL_LOST) as one, living() as other:
        results = in_doubt(one, 2)
        with pytest.raises(UsageError, match=f"went to 127.0.0.1:{one.fixed_identity().split(':')[1]}"):
            bulkstart.Run(results.attrs["run_id"], portal=other, journal=one.journal).reconcile(settle=0)
        assert not starts(other.ledger(), "arrival")


def test_a_run_that_is_in_its_midst_is_left_alone():
    slow = {**LIVING, "run_seconds": 0.4}
    with (
        living({"templates": [slow]}) as portal,
        running_still(portal, rows=3) as run_id,
        pytest.raises(UsageError, match="is running right now"),
    ):
        bulkstart.Run(run_id, portal=portal).reconcile(settle=0)


# ------------------------------------------------------------------------------------------------- at the end of a run


def test_start_in_python_settles_doubts_where_it_is_asked_to():
    with living({"faults": [{"nth": 2, **LOST}]}) as portal:
        results = start(portal, rows=4, reconcile=True, settle=0)
        assert list(results["startStatus"]) == ["started"] * 4
        assert results["errorMessage"].iloc[1].startswith(MATCHED)
        assert results.attrs["exit_code"] == 0
        truth(results, portal.ledger())


@pytest.mark.parametrize("reconcile", [None, False])
def test_start_in_python_never_looks_unasked(reconcile):
    with living({"faults": [{"nth": 2, **LOST}]}) as portal:
        results = start(portal, rows=4, reconcile=reconcile, settle=0)
        assert list(results["startStatus"]) == ["started", "in_doubt", "started", "started"]
        assert sum(line["on"] == "list" for line in portal.ledger() if line["kind"] == "arrival") == 1, "the baseline alone"


def test_astart_settles_doubts_too():
    import asyncio  # noqa: PLC0415  for this test alone

    with living(ALL_LOST) as portal:
        running = bulkstart.astart(
            deals(2), portal=portal, template=713, canary=0, halt_doubts=0, reconcile=True, settle=0, **FAST
        )  # fmt: skip
        results = asyncio.run(running)
        assert list(results["startStatus"]) == ["started"] * 2
        assert wrong_credits(results, portal) == []

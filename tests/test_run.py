"""A past run in Python: what it tells, and that going on with it sends exactly what certainly did not start and was never refused."""

from __future__ import annotations

import doctest
import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import bulkstart
from bulkstart.conduct import conduct
from bulkstart.ending import Finished
from bulkstart.errors import UsageError
from bulkstart.history import KINDS, take_up
from bulkstart.options import Options
from tests.conftest import SIX, deals, starts, truth, until
from tests.past import (
    LIVING,
    LOST,
    NEVER_RUN,
    Person,
    arrived,
    asked_of,
    committed,
    living,
    past,
    running_still,
    start,
    start_sheet,
    wrong_credits,
)

STOP = {"committed": False, "answer": "ERROR_LOOP_DETECTED"}
MIXED: dict[str, Any] = {"documents": {"missing": {"deal": [2]}}, "faults": [{"nth": 3, **LOST}, {"nth": 5, **STOP}]}
"""Of eight rows: started, refused, in doubt, started, throttled away, and three that were never sent."""
NOTES: dict[str, Any] = {"note": {"Name": "N", "Type": "string", "Required": "0", "Multiple": "0", "Options": "", "Default": ""}}


def mixed(portal: Any) -> pd.DataFrame:
    results = start(portal)
    assert list(results["startStatus"]) == ["started", "refused", "in_doubt", "started"] + ["not_attempted"] * 4
    assert arrived(portal) == [1, 2, 3, 4, 5]
    return results


def resumed(results: Any, portal: Any, person: Person | None = None, **options: Any) -> Finished:
    """The run taken up again, with a person at hand and without a settle time; ``release``: doubts too."""
    release, settle = options.pop("release", False), options.pop("settle", 0)
    kind = KINDS["release" if release else "resume"]
    taken = take_up(getattr(results, "results", results).attrs["run_id"], portal, options, rows=kind)
    return conduct(taken.resuming(portal, person, release=release, settle=settle))


# ------------------------------------------------------------------------------------------------ which rows are sent


def test_going_on_sends_exactly_the_rows_that_certainly_did_not_start_and_were_never_refused():
    with living(MIXED) as portal:
        first = mixed(portal)
        found = past(first, portal).resume()
        assert arrived(portal)[5:] == [5, 6, 7, 8]
        assert list(found["startStatus"]) == ["started", "refused", "in_doubt"] + ["started"] * 5
        assert found.attrs["run_id"] == first.attrs["run_id"]
        assert found.attrs["exit_code"] == 5
        assert list(found["workflowId"].iloc[[0, 3]]) == list(first["workflowId"].iloc[[0, 3]])
        assert list(found["startedAt"].iloc[[0, 3]]) == list(first["startedAt"].iloc[[0, 3]])
        assert list(found["errorCode"].iloc[[1, 2]]) == list(first["errorCode"].iloc[[1, 2]])
        truth(found, portal.ledger())


def test_attempts_are_those_of_the_whole_run():
    faults = [
        {"nth": [5, 7], **STOP},
        {"nth": 9, "committed": False, "answer": {"kind": "error", "code": "RATE_LIMITED", "retryAfter": 0}},
    ]
    with living({**MIXED, "faults": [MIXED["faults"][0], *faults]}) as portal:
        first = mixed(portal)
        assert list(first["attempts"]) == [1, 1, 1, 1, 1, 0, 0, 0]
        second = past(first, portal).resume()
        assert list(second["attempts"]) == [1, 1, 1, 1, 2, 1, 0, 0]
        assert list(second["startStatus"].iloc[5:]) == ["not_attempted"] * 3
        third = past(first, portal).resume()
        assert list(third["attempts"]) == [1, 1, 1, 1, 2, 2, 2, 1]
        truth(third, portal.ledger())
        assert list(past(first, portal).results["attempts"]) == list(third["attempts"])


def test_a_run_that_is_gone_on_with_stays_one_run():
    with living(MIXED) as portal:
        first = mixed(portal)
        past(first, portal).resume()
        history = bulkstart.runs(portal.journal)
        assert list(history["run"]) == [first.attrs["run_id"]]
        assert history["counts"][0] == {"started": 6, "refused": 1, "in_doubt": 1}
        assert list(history["exit_code"]) == [5]


LEFT: dict[str, tuple[dict[str, Any], int]] = {
    "every row started": ({}, 0),
    "one refused": ({"documents": {"missing": {"deal": [2]}}}, 4),
    "one in doubt": ({"faults": [{"nth": 2, **LOST}]}, 5),
}


@pytest.mark.parametrize("name", LEFT)
def test_with_nothing_left_the_rows_are_told_as_they_stand_and_nobody_is_asked(name):
    scenario, code = LEFT[name]
    with living(scenario) as portal:
        first = start(portal, rows=3)
        person = Person()
        finished = resumed(first, portal, person)
        assert finished.exit_code == code
        assert finished.run_id == first.attrs["run_id"]
        assert person.asked == []
        assert len(arrived(portal)) == 3
        for column in ("startStatus", "workflowId", "errorCode", "attempts", "startedAt"):
            assert list(finished.results[column]) == list(first[column]), column


def test_rows_behind_the_limit_are_left_to_a_later_time(tmp_path):
    with living({"templates": STOPS_AT_3["templates"]}) as portal:
        first = start_sheet(portal, written(tmp_path / "deals.csv", [(n, "") for n in range(1, 7)]), limit=2)
        second = resumed(first, portal, limit=4)
        assert list(second.results["startStatus"]) == ["started"] * 4 + ["not_attempted"] * 2
        assert list(second.results["errorCode"].iloc[4:]) == ["LIMIT"] * 2
        assert second.exit_code == 0, "rows behind --limit do not change the code"
        third = resumed(first, portal).results
        assert list(third["startStatus"]) == ["started"] * 6
        truth(third, portal.ledger())


def test_a_dry_run_shows_what_would_be_sent_and_changes_nothing():
    with living(MIXED) as portal:
        first = mixed(portal)
        before = asked_of(portal.journal, "SELECT * FROM run_rows"), asked_of(portal.journal, "SELECT * FROM events")
        found = past(first, portal).resume(dry_run=True)
        assert list(found["startStatus"]) == ["started", "refused", "in_doubt", "started"] + ["planned"] * 4
        assert len(arrived(portal)) == 5
        assert before == (asked_of(portal.journal, "SELECT * FROM run_rows"), asked_of(portal.journal, "SELECT * FROM events"))


def test_two_runs_of_one_sheet_go_on_without_starting_anything_twice():
    with living(MIXED) as portal:
        first = mixed(portal)
        second = start(portal, rows=8)
        assert set(second["startStatus"].iloc[4:]) == {"started"}
        found = past(first, portal).resume()
        assert list(found["startStatus"].iloc[4:]) == ["already_started"] * 4
        assert list(found["workflowId"].iloc[4:]) == list(second["workflowId"].iloc[4:])
        assert len(committed(portal)) == 7


# --------------------------------------------------------------------------------------------------- the sheet since then


def written(path: Path, rows: list[tuple[int, str]]) -> Path:
    path.write_text("entityId,param:note\n" + "".join(f"{number},{note}\n" for number, note in rows), encoding="utf-8")
    return path


def stopped(portal: Any, sheet: Path) -> Finished:
    """A run of the deals 1–6 that was told to stop at its third: 1 and 2 started."""
    finished = start_sheet(portal, written(sheet, [(n, "a") for n in range(1, 7)]))
    assert list(finished.results["startStatus"]) == ["started"] * 2 + ["not_attempted"] * 4
    return finished


STOPS_AT_3: dict[str, Any] = {"templates": [{**LIVING, "parameters": NOTES}], "faults": [{"nth": 3, **STOP}]}


def test_a_sheet_that_was_sorted_since_goes_on_by_key(tmp_path):
    sheet = tmp_path / "deals.csv"
    with living(STOPS_AT_3) as portal:
        first = stopped(portal, sheet)
        written(sheet, [(n, "a") for n in (6, 1, 5, 2, 4, 3)])
        found = resumed(first, portal).results
        assert list(map(int, found["entityId"])) == [6, 1, 5, 2, 4, 3]
        assert list(found["startStatus"]) == ["started"] * 6
        assert arrived(portal)[3:] == [6, 5, 4, 3]
        assert list(found["workflowId"].iloc[[1, 3]]) == list(first.results["workflowId"].iloc[[0, 1]])
        truth(found.rename(columns={"param:note": "note"}), portal.ledger())


def test_rows_that_are_new_and_rows_whose_values_changed_are_not_of_the_run(tmp_path):
    sheet = tmp_path / "deals.csv"
    with living(STOPS_AT_3) as portal:
        first = stopped(portal, sheet)
        written(sheet, [(9, "a"), (1, "a"), (2, "changed"), (3, "changed"), (4, "a"), (10, "b")])
        finished = resumed(first, portal)
        found = finished.results
        assert arrived(portal)[3:] == [4], "neither a new row nor a changed one"
        assert list(found["startStatus"]) == [
            "not_attempted",
            "started",
            "not_attempted",
            "not_attempted",
            "started",
            "not_attempted",
        ]
        assert [code for code in found["errorCode"] if code] == ["NOT_IN_RUN"] * 4
        assert all("was not in run" in message for message in found["errorMessage"].iloc[[0, 2, 3, 5]])
        assert finished.exit_code == 6


def test_rows_that_were_taken_away_are_not_sent_and_stand_in_the_run_as_before(tmp_path):
    sheet = tmp_path / "deals.csv"
    with living(STOPS_AT_3) as portal:
        first = stopped(portal, sheet)
        written(sheet, [(1, "a"), (6, "a")])
        found = resumed(first, portal).results
        assert list(found["startStatus"]) == ["started"] * 2
        assert arrived(portal)[3:] == [6]
        whole = past(first.results, portal).results
        assert list(whole["startStatus"]) == ["started"] * 2 + ["not_attempted"] * 3 + ["started"]
        assert list(whole["errorCode"].iloc[2:5]) == ["ERROR_LOOP_DETECTED"] * 3


def test_a_sheet_that_is_gone_is_sent_from_the_journal_with_the_very_same_bodies(tmp_path):
    sheet = tmp_path / "deals.csv"
    with living(STOPS_AT_3) as portal:
        first = stopped(portal, sheet)
        sheet.unlink()
        found = resumed(first, portal).results
        assert list(found["startStatus"]) == ["started"] * 6
        assert list(found["entityId"]) == [1, 2, 3, 4, 5, 6]
        assert list(found.index) == [2, 3, 4, 5, 6, 7], "the sheet's own row numbers"
        bodies = [(line["entityId"], line["templateId"], line["parameters"]) for line in starts(portal.ledger(), "commit")]
        assert bodies == [(n, 713, {"note": "a"}) for n in range(1, 7)]
        truth(found.rename(columns={"param:note": "note"}), portal.ledger())


def test_a_sheet_with_a_row_that_became_unreadable_still_lets_the_others_go(tmp_path):
    sheet = tmp_path / "deals.csv"
    with living(STOPS_AT_3) as portal:
        first = stopped(portal, sheet)
        sheet.write_text(sheet.read_text(encoding="utf-8").replace("4,a", "4.5,a"), encoding="utf-8")
        finished = resumed(first, portal)
        assert list(finished.results["startStatus"]) == ["started"] * 3 + ["invalid"] + ["started"] * 2
        assert arrived(portal)[3:] == [3, 5, 6]


def test_an_id_that_another_row_names_now_is_nobody_else_s(tmp_path):
    """The entity of a row was changed: what was started for the old one is not told of the new one."""
    sheet = tmp_path / "deals.csv"
    with living(STOPS_AT_3) as portal:
        first = stopped(portal, sheet)
        written(sheet, [(50, "a"), (2, "a"), (3, "a"), (4, "a"), (5, "a"), (6, "a")])
        found = resumed(first, portal).results
        assert found["startStatus"].iloc[0] == "not_attempted"
        assert found["workflowId"].iloc[0] == ""
        assert wrong_credits(found.assign(entityId=found["entityId"].astype(int)), portal) == []


def test_equal_rows_are_one_start_then_and_now(tmp_path):
    sheet = tmp_path / "deals.csv"
    with living(STOPS_AT_3) as portal:
        written(sheet, [(1, "a"), (1, "a"), (2, "a"), (3, "a"), (3, "a")])
        first = start_sheet(portal, sheet, skip_invalid=True)
        assert list(first.results["startStatus"]) == ["started", "duplicate", "started", "not_attempted", "duplicate"]
        found = resumed(first, portal).results
        assert list(found["startStatus"]) == ["started", "duplicate", "started", "started", "duplicate"]
        sheet.unlink()
        gone = resumed(first, portal).results
        assert list(gone["startStatus"]) == list(found["startStatus"])
        assert len(committed(portal)) == 3


def test_a_frame_may_be_given_in_the_place_of_the_run_s_own_rows():
    with living(MIXED) as portal:
        first = mixed(portal)
        frame = deals(8).iloc[::-1].assign(mine="x")
        found = past(first, portal).resume(frame)
        assert list(found.columns) == ["entityId", "mine", *SIX]
        assert arrived(portal)[5:] == [8, 7, 6, 5]
        truth(found, portal.ledger())


# ------------------------------------------------------------------------------------------------------ the questions


def test_the_person_is_asked_as_before_every_start_and_a_no_sends_nothing():
    with living(MIXED) as portal:
        first = mixed(portal)
        person = Person(False)
        finished = resumed(first, portal, person)
        assert len(person.asked) == 1
        assert f"run {first.attrs['run_id']} goes on: 4 workflows would be started" in person.asked[0]
        assert finished.exit_code == 6
        assert len(arrived(portal)) == 5
        found = finished.results
        assert list(found["startStatus"]) == list(first["startStatus"])
        assert list(found["attempts"]) == list(first["attempts"]), "attempts are cumulative in the run"
        assert list(past(first, portal).resume()["startStatus"].iloc[4:]) == ["started"] * 4


def test_a_no_after_the_canary_stops_there_and_can_be_gone_on_with():
    with living(MIXED) as portal:
        first = mixed(portal)
        person = Person(True, False)
        finished = resumed(first, portal, person, canary=2)
        assert len(person.asked) == 2
        assert "started" in person.asked[1]
        assert finished.exit_code == 6
        assert arrived(portal)[5:] == [5, 6]
        found = past(first, portal).resume()
        assert list(found["startStatus"].iloc[4:]) == ["started"] * 4
        truth(found, portal.ledger())


def test_python_is_never_asked():
    with living(MIXED) as portal:
        assert list(past(mixed(portal), portal).resume(canary=1)["startStatus"].iloc[4:]) == ["started"] * 4


# ------------------------------------------------------------------------------------------------------ releasing doubts


def test_a_released_doubt_has_a_question_of_its_own_before_the_other_one():
    with living(MIXED) as portal:
        first = mixed(portal)
        person = Person()
        finished = resumed(first, portal, person, release=True)
        assert len(person.asked) == 2
        assert "1 row in doubt would be sent again" in person.asked[0]
        assert "row 2: deal 3" in person.asked[0]
        assert "runs twice" in person.asked[0]
        assert "5 workflows would be started" in person.asked[1]
        assert arrived(portal)[5:] == [3, 5, 6, 7, 8]
        assert finished.exit_code == 4, "the refused row is left"


@pytest.mark.parametrize("answers", [(False,), (True, False)], ids=["to the release", "to the start"])
def test_a_no_sends_nothing_and_what_is_in_doubt_stays_told_so(answers):
    with living(MIXED) as portal:
        first = mixed(portal)
        finished = resumed(first, portal, Person(*answers), release=True)
        assert finished.exit_code == 6
        assert len(arrived(portal)) == 5
        assert list(finished.results["startStatus"]) == list(first["startStatus"]), "a doubt is never told as not attempted"
        assert finished.results["errorCode"].iloc[2] == first["errorCode"].iloc[2]
        assert list(past(first, portal).results["startStatus"]) == list(first["startStatus"])
        assert asked_of(portal.journal, "SELECT * FROM events WHERE event='release'") == []


@pytest.mark.parametrize("answers", [(False,), (True, False)], ids=["to the release", "to the start"])
def test_a_no_where_only_doubts_are_left_is_exit_code_6_as_well(answers):
    with living({"faults": [{"nth": 2, **LOST}]}) as portal:
        first = start(portal, rows=3)
        finished = resumed(first, portal, Person(*answers), release=True)
        assert finished.exit_code == 6
        assert list(finished.results["startStatus"]) == ["started", "in_doubt", "started"]
        assert len(arrived(portal)) == 3


def test_a_doubt_is_not_released_where_the_portal_denies_the_run():
    with living(
        {"keys": [{"key": "vibe_api_x_0123456789", "expires_after_starts": 3}], "faults": [{"nth": 2, **LOST}]}
    ) as portal:
        first = start(portal, rows=3)
        finished = resumed(first, portal, release=True)
        assert finished.exit_code == 7
        assert list(finished.results["startStatus"]) == ["started", "in_doubt", "started"]
        assert list(finished.results["errorCode"]) == list(first["errorCode"])


def test_a_doubt_is_not_sent_again_before_its_settle_time():
    with living({"faults": [{"nth": 2, **LOST}]}) as portal:
        first = start(portal, rows=3)
        person = Person()
        finished = resumed(first, portal, person, release=True, settle=50)
        assert (finished.exit_code, person.asked) == (5, [])
        assert len(arrived(portal)) == 3
        message = finished.results["errorMessage"].iloc[1]
        assert message.startswith(first["errorMessage"].iloc[1].split(";")[0])
        assert "not sent again: its settle time ends in" in message
        default = past(first, portal).resume(release_doubts=True)
        assert list(default["startStatus"]) == ["started", "in_doubt", "started"], (
            "the portal's own settle time is kept unless one is given"
        )
        later = past(first, portal).resume(release_doubts=True, settle=0)
        assert list(later["startStatus"]) == ["started"] * 3
        assert "settle time" not in later["errorMessage"].iloc[1]


def test_a_released_row_that_starts_says_that_its_first_attempt_stayed_in_doubt():
    with living({"faults": [{"nth": 2, **LOST}]}) as portal:
        first = start(portal, rows=3)
        found = past(first, portal).resume(release_doubts=True, settle=0)
        row = found.iloc[1]
        assert (row["startStatus"], row["errorCode"], row["attempts"]) == ("started", "", 2)
        assert "an earlier attempt stayed in doubt (CONNECTION_RESET" in row["errorMessage"]
        assert "deal 2" in row["errorMessage"]
        assert row["workflowId"] == committed(portal)[2][1], "the second one's own id"
        assert found.attrs["exit_code"] == 0
        again = past(first, portal).results.iloc[1]
        assert "an earlier attempt stayed in doubt" in again["errorMessage"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [("ENTITY_NOT_FOUND", "ENTITY_NOT_FOUND"), ("SCOPE_DENIED", "SCOPE_DENIED"), ("ERROR_LOOP_DETECTED", "ERROR_LOOP_DETECTED")],
)
def test_a_released_row_that_does_not_start_is_in_doubt_for_its_first_reason(answer, code):
    with living({"faults": [{"nth": 2, **LOST}, {"nth": 4, "committed": False, "answer": answer}]}) as portal:
        first = start(portal, rows=3)
        found = past(first, portal).resume(release_doubts=True, settle=0)
        row = found.iloc[1]
        assert (row["startStatus"], row["errorCode"], row["attempts"]) == ("in_doubt", first["errorCode"].iloc[1], 2)
        assert code in row["errorMessage"]
        told = past(first, portal).results.iloc[1]
        assert (told["startStatus"], told["errorCode"]) == ("in_doubt", first["errorCode"].iloc[1])
        assert len(past(first, portal).resume()) == 3
        assert len(arrived(portal)) == 4, "and nothing sends it again unasked"


def test_a_row_that_is_in_doubt_twice_is_settled_by_the_list_of_either_send():
    with living({"faults": [{"nth": 2, **NEVER_RUN}, {"nth": 4, **LOST}]}) as portal:
        first = start(portal, rows=3)
        second = past(first, portal).resume(release_doubts=True, settle=0)
        assert list(second["startStatus"]) == ["started", "in_doubt", "started"]
        third = past(first, portal).reconcile(settle=0)
        assert list(third["startStatus"]) == ["started"] * 3
        assert wrong_credits(third, portal) == []


def test_the_journal_holds_who_released_a_doubt_and_when():
    with living(MIXED) as portal:
        first = mixed(portal)
        past(first, portal).resume(release_doubts=True, settle=0)
        found = asked_of(portal.journal, "SELECT note, at FROM events WHERE event='release'")
        assert len(found) == 1, "the doubt alone; the refused row is not released"
        assert "released by " in found[0][0]
        assert "@" in found[0][0]
        assert abs(found[0][1] - starts(portal.ledger(), "arrival")[5]["time"]) < 10


# -------------------------------------------------------------------------------------------------- who else is at it


def test_the_rows_of_a_run_in_its_midst_are_claimed_and_nothing_is_sent():
    slow = {"templates": [{**LIVING, "run_seconds": 0.4}]}
    with living(slow) as portal:
        with running_still(portal, rows=4) as run_id:
            found = bulkstart.Run(run_id, portal=portal).resume()
            assert set(found["startStatus"]) <= {"not_attempted", "started"}
            assert "not_attempted" in set(found["startStatus"])
            assert set(found["errorCode"]) <= {"CLAIMED_BY_RUN", ""}
            assert found.attrs["exit_code"] == 6
        assert arrived(portal) == [1, 2, 3, 4]
        assert list(bulkstart.Run(run_id, portal=portal).results["startStatus"]) == ["started"] * 4


def test_two_who_go_on_with_one_run_at_once_send_each_row_once():
    stops = {"templates": [{**LIVING, "run_seconds": 0.15}], "faults": [{"nth": 2, **STOP}]}
    with living(stops) as portal:
        first = start(portal, rows=5)
        found: list[pd.DataFrame] = []
        pair = [threading.Thread(target=lambda: found.append(past(first, portal).resume())) for _ in range(2)]
        for thread in pair:
            thread.start()
        for thread in pair:
            thread.join(20)
        assert sorted(arrived(portal)[2:]) == [2, 3, 4, 5]
        assert len(found) == 2
        for results in found:
            assert set(results["startStatus"]) <= {"started", "not_attempted"}
            assert set(results["errorCode"]) <= {"", "CLAIMED_BY_RUN"}
        assert list(past(first, portal).results["startStatus"]) == ["started"] * 5


def test_doubts_of_a_run_in_its_midst_are_not_released_under_its_hands():
    slow = {"templates": [{**LIVING, "run_seconds": 0.4}], "faults": [{"nth": 1, **LOST}]}
    with living(slow) as portal:
        with running_still(portal, rows=4) as run_id:
            until(lambda: len(arrived(portal)) >= 2, what="the second start")
            found = bulkstart.Run(run_id, portal=portal).resume(release_doubts=True, settle=0)
            assert found["startStatus"].iloc[0] == "in_doubt", "a doubt is never told as anything else"
        assert arrived(portal) == [1, 2, 3, 4]


def test_a_run_of_another_portal_sends_nothing_and_is_a_usage_error():
    with living(MIXED) as one, living() as other:
        first = mixed(one)
        with pytest.raises(UsageError, match="these credentials are for"):
            bulkstart.Run(first.attrs["run_id"], portal=other, journal=one.journal).resume()
        assert not starts(other.ledger(), "arrival")


# ------------------------------------------------------------------------------------------------------ what it tells


def test_results_are_those_of_the_run_without_any_portal(tmp_path):
    journal = tmp_path / "own.sqlite"
    with living(MIXED) as portal:
        first = start(portal, journal=journal)
    told = bulkstart.Run(first.attrs["run_id"], journal=journal).results
    assert list(told.index) == list(first.index)
    for name in ("entityId", "startStatus", "workflowId", "errorCode", "attempts", "startedAt"):
        assert list(told[name]) == list(first[name]), name
    assert told.attrs["run_id"] == first.attrs["run_id"]
    assert told.attrs["exit_code"] == first.attrs["exit_code"]


def test_the_user_s_journal_is_the_default(home):
    with living() as portal:
        first = start(portal, rows=2, journal=home / "journal.sqlite")
    assert list(bulkstart.Run(first.attrs["run_id"]).results["startStatus"]) == ["started"] * 2


def test_results_hold_what_was_sent_and_blanks_for_what_could_not_be(tmp_path):
    sheet = tmp_path / "deals.csv"
    sheet.write_text("entityId,param:note\n1,a\nx,b\n2,\n", encoding="utf-8")
    with living(STOPS_AT_3) as portal:
        first = start_sheet(portal, sheet, skip_invalid=True)
        told = past(first.results, portal).results
        assert list(told.columns) == ["entityId", "entityType", "templateId", "param:note", *SIX]
        assert list(told.index) == [2, 3, 4]
        assert list(told["startStatus"]) == ["started", "invalid", "started"]
        assert list(told["param:note"]) == ["a", None, None]
        assert told["errorCode"].iloc[1] == first.results["errorCode"].iloc[1]


def test_results_follow_what_other_runs_and_reconcile_find():
    with living(MIXED) as portal:
        first = mixed(portal)
        past(first, portal).reconcile(settle=0)
        assert past(first, portal).results["startStatus"].iloc[2] == "started"
        start(portal, rows=8)
        assert list(past(first, portal).results["startStatus"].iloc[4:]) == ["already_started"] * 4


@pytest.mark.parametrize("what", ["results", "resume", "reconcile", "undo"])
def test_an_unknown_run_is_a_usage_error_wherever_it_is_asked_for(what, tmp_path):
    with living() as portal:
        for journal in (tmp_path / "none.sqlite", None):
            run = bulkstart.Run("20200101-000000-abcd", portal=portal, journal=journal)
            with pytest.raises(UsageError, match=r"20200101-000000-abcd|no journal"):
                run.results if what == "results" else getattr(run, what)()
        assert not (tmp_path / "none.sqlite").exists()
        start(portal, rows=1)
        with pytest.raises(UsageError, match="has no run 20200101-000000-abcd"):
            run.results if what == "results" else getattr(run, what)()


@pytest.mark.parametrize("what", ["resume", "reconcile", "undo"])
def test_a_name_that_is_no_option_is_a_usage_error(what):
    with living() as portal:
        results = start(portal, rows=1)
        with pytest.raises(UsageError, match="nonsense"):
            getattr(past(results, portal), what)(nonsense=1)


def test_a_run_is_shown_by_its_id_and_shows_no_secret():
    with living() as portal:
        shown = repr(bulkstart.Run("20261122-010203-7f3a", portal=portal, journal="j.sqlite"))
        assert shown == "Run('20261122-010203-7f3a')"


def test_going_on_may_settle_its_doubts_at_the_end_where_that_is_asked_for():
    with living({"faults": [{"nth": [2, 5], **LOST}, {"nth": 4, **STOP}]}) as portal:
        first = start(portal, rows=5)
        found = past(first, portal).resume(reconcile=True, settle=0)
        assert list(found["startStatus"]) == ["started"] * 5
        assert wrong_credits(found, portal) == []
        truth(found, portal.ledger())


def test_the_options_of_the_run_hold_where_none_are_given(tmp_path):
    with living({"faults": [{"nth": 2, **STOP}]}) as portal:
        first = start(portal, rows=4, campaign="autumn", max_unknown=1)
        found = past(first, portal).resume()
        assert list(found["startStatus"]) == ["started"] * 4
        assert {campaign for (campaign,) in asked_of(portal.journal, "SELECT campaign FROM starts")} == {"autumn"}
        with pytest.raises(UsageError, match="--campaign"):
            past(first, portal).resume(campaign="winter")
        assert Options().campaign == ""


@pytest.mark.parametrize("name", ["results", "resume", "reconcile", "undo", "watch", "state", "stop"])
def test_every_method_of_a_run_has_an_example_that_runs(name: str) -> None:
    thing = vars(bulkstart.Run)[name]
    found = doctest.DocTestFinder(recurse=False).find(getattr(thing, "fget", thing), name, globs={})
    examples = [one for one in found if one.examples]
    assert examples
    said: list[str] = []
    for example in examples:
        assert not doctest.DocTestRunner().run(example, out=said.append).failed, "".join(said)

"""How a run stands, and its requests as a frame."""

from __future__ import annotations

import time

import pandas as pd

import bulkstart
from bulkstart.model import Outcome
from bulkstart.result_columns import SANDBOX_MARK, Status
from bulkstart.retold import retold, timeline
from bulkstart.states import Event
from tests.conftest import SIX, deals, starts
from tests.past import LOST, living, past, start
from tests.test_journal import ask, begin, told

BUSY = {"committed": False, "answer": {"kind": "error", "code": "RATE_LIMITED", "retryAfter": 0}}


def test_the_rows_of_a_dead_run_stand_as_its_events_left_them(journal, other):
    """Nobody wrote down what became of them: the process died."""
    requests = [ask(n) for n in range(1, 5)]
    begin(journal, "run-1", *requests)
    told(journal, "run-1", requests[0], Event.SEND, Event.START, workflow_id="w1")
    told(journal, "run-1", requests[1], Event.SEND, Event.REFUSE, error_code="NO", error_message="no")
    told(journal, "run-1", requests[2], Event.SEND)
    journal.close()
    found = retold(other.run("run-1"), other, time.time())
    assert [(o.status, o.workflow_id, o.error_code) for o in found] == [
        (Status.STARTED, "w1", ""),
        (Status.REFUSED, "", "NO"),
        (Status.IN_DOUBT, "", "CRASHED"),
        (Status.NOT_ATTEMPTED, "", "RUN_STOPPED"),
    ]
    assert all(isinstance(outcome, Outcome) for outcome in found)


def test_the_timeline_has_a_line_for_each_request_that_left():
    frame = pd.DataFrame({"entityId": [1, 2, 3, 4]}, index=[10, "b", 12, 13])
    with living({"documents": {"missing": {"deal": [2]}}, "faults": [{"nth": 3, **LOST}, {"nth": 4, **BUSY}]}) as portal:
        results = start(portal, frame)
        found = past(results, portal).timeline
        arrivals = starts(portal.ledger(), "arrival")
    assert list(found.columns) == ["row", "sent_at", "ended_at", "seconds", "status", "code"]
    assert list(found["row"]) == [10, "b", 12, 13, 13]
    assert list(found["status"]) == ["started", "refused", "in_doubt", "deferred", "started"]
    assert list(found["code"]) == ["", "BITRIX_ERROR", "CONNECTION_RESET", "RATE_LIMITED", ""]
    assert found.attrs["run_id"] == results.attrs["run_id"]
    assert found.attrs["limit"]["rate"] == 500
    for line, arrival in zip(found.itertuples(), arrivals, strict=True):
        assert abs(line.sent_at.timestamp() - arrival["time"]) < 5
    assert str(found["sent_at"].dtype).startswith("datetime64[ns, UTC") or "UTC" in str(found["sent_at"].dtype)
    assert (found["seconds"] >= 0).all()
    assert found["row"].value_counts().to_dict() == results["attempts"].to_dict()


def test_a_run_without_requests_has_an_empty_timeline(journal):
    begin(journal, "run-1", ask())
    found = timeline(journal.run("run-1"), journal)
    assert found.empty
    assert str(found["seconds"].dtype) == "float64"
    assert "UTC" in str(found["ended_at"].dtype)


def test_a_request_that_never_ended_has_no_second_moment(journal):
    begin(journal, "run-1", ask())
    told(journal, "run-1", ask(), Event.SEND)
    found = bulkstart.Run("run-1", journal=journal.path).timeline
    assert found["status"].tolist() == ["sending"]
    assert found["ended_at"].isna().all()
    assert found["seconds"].isna().all()


def test_what_a_sandbox_did_stays_a_rehearsal_when_it_is_read_back(tmp_path):
    """Fed to a real portal such rows count as never tried; a run read back from its journal must say so too."""
    with living({"documents": {"missing": {"deal": [2]}}}) as portal:
        run = past(start(portal, rows=3), portal)
        sheet = bulkstart.write_results(run.results, tmp_path / "r.csv")
        assert run.results["errorMessage"].str.endswith(SANDBOX_MARK).all()
    with living() as real:
        object.__setattr__(real, "is_sandbox", False)
        found = start(real, bulkstart.read_sheet(sheet))
        assert found["startStatus"].tolist() == ["started"] * 3


def test_what_a_sheet_said_of_a_real_portal_is_not_a_sandboxs_doing(tmp_path):
    said = {name: ["", ""] for name in SIX} | {"workflowId": ["abc.123", ""], "startStatus": ["started", "in_doubt"]}
    frame = pd.DataFrame({"entityId": [1, 2]} | said | {"errorCode": ["", "TIMEOUT"], "errorMessage": ["", "lost"]})
    with living() as portal:
        results = start(portal, pd.concat([frame, deals(1, 3)], ignore_index=True).fillna(""))
        found = past(results, portal).results
    assert found["startStatus"].tolist() == ["already_started", "in_doubt", "started"]
    marked = [message.endswith(SANDBOX_MARK) for message in found["errorMessage"]]
    assert marked == [message.endswith(SANDBOX_MARK) for message in results["errorMessage"]] == [False, False, True]

"""What a user of the Python API may do without meaning to: no row may lie because of it, and nothing may be lost by it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bulkstart
from bulkstart.conduct import conduct
from bulkstart.errors import UsageError
from bulkstart.filing import check_output, put_out
from bulkstart.job import Job
from bulkstart.options import Options
from tests.conftest import FAST, MARK, PLAIN, deals, run, starts, truth, until
from tests.past import LIVING, LOST, living, past, start

SLOW = {"id": 713, "documentType": "deal", "run_seconds": 0.2}


# -------------------------------------------------------------------------------------------------------- frames


def test_a_frame_that_is_changed_while_its_rows_start_changes_nothing():
    """In a notebook the next cell may sort or fill it, while ``astart`` runs in the background."""
    frame = deals(12)
    with bulkstart.sandbox({"templates": [SLOW]}) as portal:
        found: list[pd.DataFrame] = []
        options: dict[str, Any] = {"template": 713, "canary": 0, "max_unknown": 4, **FAST}
        thread = threading.Thread(target=lambda: found.append(bulkstart.start(frame, portal=portal, **options)))
        thread.start()
        until(lambda: starts(portal.ledger(), "arrival"))
        frame.loc[:, "entityId"] = list(range(101, 113))
        frame["more"] = 1
        thread.join(60)
        assert list(found[0]["entityId"]) == list(range(1, 13))
        truth(found[0], portal.ledger())


@pytest.mark.parametrize(("dtype", "exact"), [("float32", 16_777_215), ("float16", 2_047), ("Float32", 16_777_215)])
def test_an_id_that_a_short_float_column_has_rounded_is_a_problem(dtype, exact):
    """5141 is 5140 in half precision, and 16,777,217 is 16,777,216 in single precision: another entity."""
    frame = pd.DataFrame({"entityId": pd.array([exact, 5.0, exact + 2], dtype=dtype)})
    found = bulkstart.check(frame, template=713, entity_type="deal")
    assert found["row"].tolist() == [2]
    assert "float32" in found["message"][0]
    ran = run({}, frame.iloc[1:], skip_invalid=True)
    assert [line["entityId"] for line in ran.commits()] == [5]
    assert ran.statuses == ["started", "invalid"]


def test_a_parameter_of_a_short_float_column_is_sent_as_it_is_written():
    frame = pd.DataFrame({"entityId": [1, 2, 3], "param:mark": np.array([0.1, 2.5, np.nan], dtype="float32")})
    with bulkstart.sandbox({"templates": [{**PLAIN, "parameters": MARK}]}) as portal:
        bulkstart.start(frame, portal=portal, template=713, **FAST)
        sent = {line["entityId"]: line["parameters"] for line in starts(portal.ledger(), "commit")}
    assert (sent[1], sent[2], sent[3] or {}) == ({"mark": "0.1"}, {"mark": "2.5"}, {})


@pytest.mark.parametrize(
    "thing", [None, "deals.xlsx", {"entityId": [1]}, [1], pd.Series([1], name="entityId")], ids=lambda t: type(t).__name__
)
def test_what_is_no_frame_is_a_usage_error(thing):
    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        for call in (bulkstart.start, bulkstart.check):
            with pytest.raises(UsageError, match="DataFrame"):
                call(thing, portal=portal, template=713)
        with pytest.raises(UsageError, match="DataFrame"):
            asyncio.run(bulkstart.astart(thing, portal=portal, template=713))
        assert portal.ledger() == []


def test_a_label_that_is_digits_with_zeros_in_front_is_no_number():
    frame = pd.DataFrame({"entityId": [1, 2, 3]}, index=["01", "1", "x"])
    with living() as portal:
        results = start(portal, frame)
        run_of = past(results, portal)
        assert list(run_of.results.index) == ["01", 1, "x"], "two rows stay two"
        assert list(run_of.timeline["row"]) == ["01", 1, "x"]


def test_one_frame_started_by_many_threads_at_once_starts_each_row_once():
    faults = [{"nth": [5, 9, 15], "committed": True, "answer": "close"}, {"nth": 7, "committed": False, "answer": "close"}]
    frame = deals(24)
    with living({"templates": [{**LIVING, "run_seconds": [0.005, 0.03]}], "faults": faults}) as portal:
        found: dict[int, pd.DataFrame] = {}

        def shuffled(seed: int) -> None:
            found[seed] = start(portal, frame.sample(frac=1, random_state=seed), max_unknown=5)

        threads = [threading.Thread(target=shuffled, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(found) == 3
        ledger = portal.ledger()
        true = {line["workflowId"]: line["entityId"] for line in starts(ledger, "commit")}
        for results in found.values():
            assert all(true[row.workflowId] == row.entityId for row in results.itertuples() if row.workflowId)
        truth(start(portal, frame), portal.ledger(), arrivals=False)


def test_a_list_that_a_file_holds_as_text_is_a_problem_and_never_one_value(tmp_path):
    """Parameters with several values are lists in a frame, and ``['a', 'b']`` in any file that is made of it."""
    tags = {"tags": {"Name": "Tags", "Type": "string", "Required": "0", "Multiple": "1", "Options": "", "Default": ""}}
    frame = pd.DataFrame({"entityId": [1, 2], "param:tags": [["a", "b"], ["c;d"]]})
    with living({"templates": [{**LIVING, "parameters": tags}]}) as portal:
        first = past(start(portal, frame, limit=1), portal).results
        sheet = bulkstart.write_results(first, tmp_path / "r.csv")
        again = start(portal, bulkstart.read_sheet(sheet), skip_invalid=True)
        assert again["startStatus"].tolist() == ["already_started", "invalid"]
        assert "is a list that a program wrote as text" in again["errorMessage"][again.index[1]]
        resumed = past(start(portal, first), portal).results
        assert resumed["startStatus"].tolist() == ["already_started", "started"], "the frame itself still means what it meant"
        assert [line["parameters"] for line in starts(portal.ledger(), "commit")] == [{"tags": ["a", "b"]}, {"tags": ["c;d"]}]


# ------------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    "options",
    [
        {"skip_invalid": "False"},
        {"dry_run": "no"},
        {"allow_changed": None},
        {"columns": ["entityId"]},
        {"values": [("kind", "nda")]},
        {"campaign": 202610},
        {"campaign": "autumn "},
        {"campaign": " "},
        {"campaign": ["a"]},
    ],
    ids=str,
)
def test_an_option_of_the_wrong_kind_starts_nothing(options):
    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        with pytest.raises(UsageError):
            bulkstart.start(deals(1), portal=portal, template=713, **options)
        assert portal.ledger() == []


def test_no_campaign_is_no_campaign_however_it_is_said():
    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        first = bulkstart.start(deals(1), portal=portal, template=713, campaign=None, **FAST)
        second = bulkstart.start(deals(1), portal=portal, template=713, campaign="", dry_run=np.False_, **FAST)
    assert first["startStatus"].tolist() == ["started"]
    assert second["startStatus"].tolist() == ["already_started"]


# --------------------------------------------------------------------------------------------------------- files


def test_results_are_never_written_over_the_sheet_that_was_read(tmp_path):
    sheet = tmp_path / "deals.csv"
    sheet.write_text("entityId,title\n1,one\n2,two\n", encoding="utf-8")
    before = sheet.read_bytes()
    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        results = bulkstart.start(bulkstart.read_sheet(sheet), portal=portal, template=713, **FAST)
    (tmp_path / "link.csv").symlink_to(sheet)
    for goal in (sheet, tmp_path / "link.csv"):
        with pytest.raises(UsageError, match="never change"):
            bulkstart.write_results(results, goal)
    assert sheet.read_bytes() == before


@pytest.mark.parametrize("name", ["x.pdf", "nowhere/r.csv", ".", ""])
def test_an_output_that_cannot_be_written_is_said_before_anything_starts(tmp_path, name):
    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        with pytest.raises(UsageError):
            bulkstart.start(deals(2), portal=portal, template=713, output=tmp_path / name, **FAST)
        assert portal.ledger() == []


def test_an_output_that_fails_at_the_end_loses_no_result(tmp_path):
    """The folder goes while the run is under way: what was started is told all the same."""
    folder, wanted = tmp_path / "gone", Options(template=713, **FAST)
    folder.mkdir()
    with living() as portal:
        finished = conduct(Job(deals(3), portal, wanted))
        check_output(finished.results, wanted, {"output": folder / "r.csv"})
        folder.rmdir()
        put_out(finished, portal, wanted, {"output": folder / "r.csv"})
        truth(finished.results, portal.ledger())
    assert finished.results.attrs["exit_code"] == 1
    assert any("could not be written" in note for note in finished.results.attrs["notes"])


def test_cancelling_while_doubts_are_looked_up_still_writes_the_results(tmp_path):
    goal = tmp_path / "r.csv"

    async def cancelled(portal: Any) -> None:
        options: dict[str, Any] = {"template": 713, "reconcile": True, "settle": 60, "output": goal, "canary": 0, **FAST}
        running = asyncio.create_task(bulkstart.astart(deals(2), portal=portal, **options))
        await asyncio.to_thread(until, lambda: bulkstart.runs(portal.journal)["exit_code"].tolist() == [5], 60)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    with living({"faults": [{"nth": 1, **LOST}]}) as portal:
        asyncio.run(asyncio.wait_for(cancelled(portal), 90))
        assert sorted(bulkstart.read_sheet(goal)["startStatus"]) == ["in_doubt", "started"]

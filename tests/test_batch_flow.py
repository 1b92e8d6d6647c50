"""Whole runs whose rows share requests, over real sockets: each answer at its own row, and every doubt shown."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pandas as pd
import pytest

import bulkstart
from tests.conftest import FAST, PLAIN, Desk, Json, Ran, deals, run, starts
from tests.test_native_flow import ACCESS, REFRESH, hooked, native

BATCHED: Json = {
    "batch": 5,
    "max_unknown": 10,
    "canary": 1,
    "per_document": 0,
    "halt_doubts": 0,
    "halt_same": 0,
    "halt_percent": 0,
}


def batched(scenario: Json | None = None, rows: int = 21, **options: Any) -> Ran:
    """One row alone, then four batches of five."""
    return run({**native(), **(scenario or {})}, rows=rows, dialect="native", **{**BATCHED, **options})


def requests(ran: Ran) -> list[int]:
    """The starts in each request that arrived, in order."""
    lines = [line for line in ran.ledger if line["kind"] == "arrival" and line["on"] in ("start", "batch")]
    return [len(line["starts"]) if line["on"] == "batch" else 1 for line in lines]


def most_on_wire(ran: Ran) -> int:
    """Rows between arrival and answer at the most, by the ledger."""
    size, wire, most = {}, 0, 0
    for line in ran.ledger:
        if line["on"] in ("start", "batch") and line["kind"] == "arrival":
            size[line["n"]] = len(line["starts"]) if line["on"] == "batch" else 1
            wire += size[line["n"]]
            most = max(most, wire)
        elif line["kind"] == "answer":
            wire -= size.pop(line["n"], 0)
    return most


def test_rows_share_requests_and_each_has_its_own_id():
    ran = batched()
    assert set(ran.statuses) == {"started"}
    assert requests(ran) == [1, 5, 5, 5, 5]
    assert most_on_wire(ran) <= 10
    assert set(ran.results["attempts"]) == {1}


def test_off_and_auto_at_a_high_rate_send_one_row_a_request():
    for batch in ("off", "auto", 1):
        assert requests(batched(rows=8, batch=batch)) == [1] * 8


@pytest.mark.parametrize("cut", [0, 2, 5])
@pytest.mark.parametrize(
    "answer", ["reset_after_reading", "close", "html_504", "garbage", "empty_200", "close_mid_body", "json_500"]
)
def test_a_batch_whose_answer_is_lost_is_that_many_doubts_and_is_never_sent_again(answer, cut):
    ran = batched({"faults": [{"on": "batch", "nth": 2, "commands": cut, "answer": answer}]})
    assert Counter(ran.statuses) == {"started": 16, "in_doubt": 5}
    assert len(ran.commits()) == 16 + cut
    assert set(ran.results["attempts"]) == {1}
    assert ran.code == 5


def test_a_portal_that_hangs_costs_no_more_rows_than_may_be_on_the_wire():
    ran = batched({"faults": [{"on": "batch", "nth": [1, 2, 3, 4, 5, 6], "answer": "hang"}]}, rows=41, timeout=1.0, halt_doubts=3)
    assert Counter(ran.statuses)["in_doubt"] == 10
    assert Counter(ran.codes)["RUN_STOPPED"] == 30
    assert ran.code == 6


ANSWERS: dict[str, tuple[Any, str, str]] = {
    "a refusal": ({"kind": "error", "code": "", "message": "Wrong DOCUMENT_ID!"}, "refused", "BITRIX_ERROR"),
    "an unknown text": ({"kind": "error", "code": "", "message": "Mail server refused"}, "in_doubt", "BITRIX_ERROR"),
    "a fault": ("ERROR_CORE", "in_doubt", "ERROR_CORE"),
    "in no map": ("absent", "in_doubt", "BAD_ANSWER"),
}


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not"])
@pytest.mark.parametrize("name", ANSWERS)
def test_what_one_start_in_a_batch_is_told_is_told_to_its_row_alone(name, committed):
    answer, status, code = ANSWERS[name]
    if status == "refused" and committed:
        committed = False  # the portal does not refuse what it ran
    ran = batched({"faults": [{"entities": [9], "committed": committed, "answer": answer}]})
    assert Counter(ran.statuses) == {"started": 20, status: 1}
    assert (ran.statuses.index(status), ran.codes[ran.statuses.index(status)]) == (8, code)


def test_a_batch_that_came_too_soon_goes_again_and_nothing_starts_twice():
    busy = {"kind": "error", "code": "QUERY_LIMIT_EXCEEDED"}
    ran = batched({"faults": [{"on": "batch", "nth": 2, "committed": False, "answer": busy}]})
    assert set(ran.statuses) == {"started"}
    assert Counter(ran.results["attempts"]) == {1: 16, 2: 5}


def test_a_portal_that_takes_no_batch_gets_one_row_a_request():
    no_batch = {"kind": "error", "code": "ERROR_BATCH_METHOD_NOT_ALLOWED", "status": 405}
    ran = batched({"faults": [{"on": "batch", "every": 1, "committed": False, "answer": no_batch}]})
    assert set(ran.statuses) == {"started"}
    assert set(requests(ran)) == {1, 5}
    assert sum(size == 5 for size in requests(ran)) <= 2, "those that were on the wire already"


def test_operating_time_that_is_used_up_in_the_midst_of_a_batch_loses_nothing():
    slow = [{**PLAIN, "run_seconds": 0.05}]
    limits = {"operating": {"seconds": 0.6, "window": 3.0}}
    ran = run({**native(), "limits": limits, "templates": slow}, rows=21, dialect="native", **BATCHED)
    assert set(ran.statuses) == {"started"}
    assert "OPERATION_TIME_LIMIT" in {one.get("code") for line in ran.ledger for one in line.get("results") or ()}


def test_a_token_that_expires_between_batches_is_renewed_once():
    own = {"access_token": ACCESS, "refresh_token": REFRESH, "lifetime_starts": 11}
    ran = run(native(own), rows=21, dialect="oauth", **BATCHED)
    assert set(ran.statuses) == {"started"}
    assert sum(line["on"] == "oauth" and line["kind"] == "arrival" for line in ran.ledger) == 1


def test_rows_of_one_document_never_share_a_request():
    frame = pd.DataFrame({"entityId": [1] * 6 + [2] * 6 + [3] * 6, "param:mark": [f"m{n}" for n in range(18)]})
    templates = [{**PLAIN, "parameters": [{"name": "mark", "type": "string"}]}]
    ran = run({**native(), "templates": templates}, frame, dialect="native", **BATCHED)
    assert set(ran.statuses) == {"started"}
    for line in ran.ledger:
        if line["kind"] == "arrival" and line["on"] == "batch":
            assert len({one["entityId"] for one in line["starts"]}) == len(line["starts"])
    marks = {1: [], 2: [], 3: []}
    for line in starts(ran.ledger, "commit"):
        marks[line["entityId"]].append(line["parameters"]["mark"])
    assert marks == {deal: [f"m{6 * (deal - 1) + n}" for n in range(6)] for deal in (1, 2, 3)}


def test_a_row_that_would_mean_something_else_in_a_batch_goes_alone():
    frame = deals(11)
    frame["param:Имя"] = ["" if n % 2 else "yes" for n in range(11)]
    templates = [{**PLAIN, "parameters": [{"name": "Имя", "type": "string"}]}]
    ran = run({**native(), "templates": templates}, frame, dialect="native", **BATCHED)
    assert set(ran.statuses) == {"started"}
    for line in ran.ledger:
        if line["kind"] == "arrival" and line["on"] == "batch":
            assert not any(one["parameters"] for one in line["starts"])


@pytest.mark.parametrize("text", ["$result[r1]", "{=Document:TITLE}"])
def test_cell_text_that_a_portal_would_replace_is_refused_before_anything_is_sent(text):
    frame = deals(3).assign(**{"param:mark": ["a", text, "b"]})
    templates = [{**PLAIN, "parameters": [{"name": "mark", "type": "string"}]}]
    ran = run({**native(), "templates": templates}, frame, dialect="native", **BATCHED)
    assert ran.code == 3
    assert ran.statuses[1] == "invalid"
    assert not requests(ran)


def test_where_two_requests_a_second_may_leave_auto_is_six_times_faster_and_slow_starts_go_one_by_one():
    """The burst is gone after two requests: what counts is the rate."""
    took = {}
    for batch in ("auto", "off"):
        begun = time.monotonic()
        limits = {"rate": 2.0, "burst": 2.0, "batch": batch, "canary": 3}
        ran = run({**native(), "templates": [{**PLAIN, "run_seconds": 0.02}]}, rows=24, dialect="native", **{**BATCHED, **limits})
        took[batch] = time.monotonic() - begun
        assert set(ran.statuses) == {"started"}
        assert most_on_wire(ran) <= 10
    assert took["off"] / took["auto"] > 2.5, took
    slow = {"templates": [{**PLAIN, "run_seconds": 0.6}]}
    ran = run(
        {**native(), **slow}, rows=8, dialect="native", **{**BATCHED, "rate": 2.0, "burst": 50.0, "batch": "auto", "canary": 3}
    )
    assert requests(ran) == [1] * 8


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--batch", "51", "--max-unknown", "60"], "50 at most"),
        (["--batch", "20"], "--max-unknown 10"),
        (["--batch", "x"], "auto, off"),
    ],
)
def test_a_batch_that_no_portal_takes_is_refused_before_anything_is_sent(words, what, desk):
    here: Desk = hooked(desk)
    said = here.again(here.sheet(), *words)
    assert said.code == 2
    assert what in said.err
    assert not here.sandbox.ledger()


def test_vibecode_has_no_batch_and_says_so():
    with (
        bulkstart.sandbox({"templates": [PLAIN]}) as portal,
        pytest.raises(bulkstart.BulkstartError, match="no batch for starts"),
    ):
        bulkstart.start(deals(3), portal=portal, template=713, batch=3, **FAST)

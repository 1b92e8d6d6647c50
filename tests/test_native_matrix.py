"""Every line of the table of native errors (bitrix24-api.md 4.3), carried out or not, alone and in a batch; every switch both ways."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from typing import Any

import pytest

from bulkstart.simulator.native_switches import NativeSwitches
from tests.conftest import PLAIN, Json, Ran, deals, run
from tests.test_batch_flow import BATCHED
from tests.test_native_flow import native

DOUBT, REFUSED, STARTED, INERT = "in_doubt", "refused", "started", "not_attempted"
OFF: Json = {"halt_doubts": 0, "halt_same": 0, "halt_percent": 0, "per_document": 0, "timeout": 1.5}
MAYBE, NEVER = (True, False), (False,)


def error(code: str, message: str = "told by the portal", **more: Any) -> Json:
    return {"kind": "error", "code": code, "message": message, **more}


def says(status: int, json: Any = None, **more: Any) -> Json:
    return {"kind": "status", "status": status, **({} if json is None else {"json": json}), **more}


LIMIT_TEXTS = (
    "The limit of simultaneously running workflows on one document has been reached (2).",
    "Превышено количество одновременно запущенных бизнес-процессов (2).",
)
ROWS: list[tuple[str, Any, str, str, tuple[bool, ...]]] = [
    ("400 no document", error("", "Wrong DOCUMENT_ID!"), REFUSED, "BITRIX_ERROR", NEVER),
    ("400 type", error("", "Incorrect document type!"), REFUSED, "BITRIX_ERROR", NEVER),
    ("400 mismatch", error("", "Template type and DOCUMENT_ID mismatch!"), REFUSED, "BITRIX_ERROR", NEVER),
    ("400 argument", error("ERROR_ARGUMENT"), REFUSED, "ERROR_ARGUMENT", NEVER),
    *(("400 limit", error("", text), DOUBT, "BITRIX_ERROR", MAYBE) for text in LIMIT_TEXTS),
    *(
        ("400 near miss", error("", f"{text}"), DOUBT, "BITRIX_ERROR", MAYBE)
        for text in ("wrong document_id!", "Wrong DOCUMENT_ID")
    ),
    ("400 other text", error("", "Mail server refused the letter"), DOUBT, "BITRIX_ERROR", MAYBE),
    ("400 ERROR_CORE", error("ERROR_CORE", "Wrong DOCUMENT_ID!"), DOUBT, "ERROR_CORE", MAYBE),
    ("other", error("NEVER_HEARD_OF", status=400), DOUBT, "NEVER_HEARD_OF", MAYBE),
    ("500 internal", error("INTERNAL_SERVER_ERROR", status=500), DOUBT, "INTERNAL_SERVER_ERROR", MAYBE),
    ("500 unexpected", error("ERROR_UNEXPECTED_ANSWER", status=500), DOUBT, "ERROR_UNEXPECTED_ANSWER", MAYBE),
    ("500 core", error("ERROR_CORE", status=500), DOUBT, "ERROR_CORE", MAYBE),
]
"""Line, what the portal says of the start, what the row is told, its code, whether it may have been carried out."""

WHOLE: list[tuple[str, Any, str]] = [
    *(("200 no id", says(200, {"result": said}), "BAD_ANSWER") for said in (None, False, "", 7, ["x"], {})),
    ("200 absent", says(200, {"time": {}}), "BAD_ANSWER"),
    ("200 with both", says(200, {"result": "wf.1", "error": "ACCESS_DENIED"}), "ACCESS_DENIED"),
    ("200 unknown", says(200, {"error": "ODD", "error_description": "m"}), "ODD"),
    ("200 no JSON", "html_200", "BAD_ANSWER"),
    ("404 no JSON", says(404, text="nginx"), "HTTP_404"),
    ("408", says(408, text="Request Timeout"), "HTTP_408"),
    *(("5xx no JSON", f"html_{status}", f"HTTP_{status}") for status in (502, 503, 504)),
    ("no answer", "hang", "READ_TIMEOUT"),
    ("late", {"kind": "delay", "seconds": 2.5}, "READ_TIMEOUT"),
    *(("reset", kind, "CONNECTION_RESET") for kind in ("close", "reset_after_reading")),
    *(
        ("garbled", kind, "BAD_ANSWER")
        for kind in ("close_mid_body", "close_after_headers", "garbage", "truncated_json", "bad_gzip")
    ),
]
"""What can only befall a whole answer: line, answer, code. Each leaves its rows in doubt."""


def truthful(ran: Ran, cases: list[tuple[int, str, str, bool]]) -> None:
    """Deals of the cases are told so; all others were started; the ledger agrees (``run`` compared every id)."""
    told = {int(row["entityId"]): row for row in ran.results.to_dict("records")}
    committed = Counter(line["entityId"] for line in ran.commits())
    for deal, status, code, done in cases:
        assert (told[deal]["startStatus"], told[deal]["errorCode"], committed[deal]) == (status, code, int(done)), told[deal]
        assert told[deal]["attempts"] == 1, told[deal]
    others = set(told) - {deal for deal, *_ in cases}
    assert {told[deal]["startStatus"] for deal in others} == {STARTED}
    assert max(committed.values()) == 1


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not"])
@pytest.mark.parametrize("batch", ["off", 5])
def test_what_the_portal_says_of_one_start_is_told_in_its_row_alone(batch, committed):
    cases = [case for case in ROWS if committed in case[4]]
    faults = [{"entities": [3 * n], "committed": committed, "answer": case[1]} for n, case in enumerate(cases, 1)]
    ran = run({**native(), "faults": faults}, rows=3 * len(cases) + 2, dialect="native", **{**BATCHED, **OFF, "batch": batch})
    truthful(ran, [(3 * n, case[2], case[3], committed) for n, case in enumerate(cases, 1)])
    assert ran.code == 5


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not"])
def test_what_befalls_the_answer_to_one_start_leaves_its_row_in_doubt(committed):
    faults = [{"entities": [2 * n], "committed": committed, "answer": case[1]} for n, case in enumerate(WHOLE, 1)]
    ran = run({**native(), "faults": faults}, rows=2 * len(WHOLE) + 1, dialect="native", canary=0, **OFF)
    refusal = {"truncated_json": "HTTP_400"}  # what is cut off there is a refusal, and its status is left
    codes = [case[2] if committed else refusal.get(str(case[1]), case[2]) for case in WHOLE]
    truthful(ran, [(2 * n, DOUBT, code, committed) for n, code in enumerate(codes, 1)])


BATCHES = [(case, done) for case in WHOLE for done in ((3,) if case[0] in ("no answer", "late") else (0, 3, 5))]


@pytest.mark.parametrize(("case", "done"), BATCHES, ids=lambda one: str(one)[:60])
def test_what_befalls_the_answer_to_a_batch_leaves_its_rows_in_doubt(case, done):
    """``done``: so many of its five starts were carried out, from the front."""
    ran = run(
        {**native(), "faults": [{"on": "batch", "nth": 1, "commands": done, "answer": case[1]}]},
        rows=11, dialect="native", **{**BATCHED, **OFF, "max_unknown": 5},
    )  # fmt: skip
    shared = next(line["starts"] for line in ran.ledger if line["kind"] == "arrival" and line["on"] == "batch")
    assert len(shared) == 5
    truthful(ran, [(one["entityId"], DOUBT, case[2], place < done) for place, one in enumerate(shared)])


STOPS = {
    **dict.fromkeys(
        """ACCESS_DENIED INVALID_REQUEST INVALID_CREDENTIALS NO_AUTH_FOUND expired_token invalid_token authorization_error
        APPLICATION_NOT_FOUND ERROR_OAUTH WRONG_AUTH_TYPE user_access_error allowed_only_intranet_user insufficient_scope invalid_scope
        METHOD_CONFIRM_WAITING METHOD_CONFIRM_DENIED PAYMENT_REQUIRED ERROR_MANIFEST_IS_NOT_AVAILABLE ERROR_METHOD_NOT_FOUND
        PORTAL_DELETED""".split(),
        7,
    ),
    "OVERLOAD_LIMIT": 6,
}


@pytest.mark.parametrize("status", [200, None, 503])
@pytest.mark.parametrize("batch", ["off", 5])
def test_what_holds_for_every_row_stops_the_run_whatever_its_status_is(batch, status):
    """Code before status: pages, versions and portals differ in it."""
    for code, exit_code in STOPS.items():
        if batch == 5 and status == 503 and code not in ("ACCESS_DENIED", "OVERLOAD_LIMIT"):
            continue  # the code alone decides, and has been seen to
        answer = error(code, **({} if status is None else {"status": status}))
        faults = [{"entities": [3], "committed": False, "answer": answer}]
        ran = run(
            {**native(), "faults": faults}, rows=12, dialect="native", **{**BATCHED, **OFF, "batch": batch, "max_unknown": 5}
        )
        assert ran.code == exit_code, code
        assert ran.statuses[2] == INERT
        assert ran.codes[2].lower() == code.lower()
        assert set(ran.statuses) <= {STARTED, INERT}
        assert ran.statuses[-1] == INERT, "nothing more was sent"


@pytest.mark.parametrize("batch", ["off", 5])
def test_what_asks_to_wait_is_waited_for_and_starts_once(batch):
    """Used up operating time, which is waited for by the minute, is seen in test_native_flow and test_batch_flow."""
    faults = [{"entities": [3], "limit": 1, "committed": False, "answer": error("QUERY_LIMIT_EXCEEDED")}]
    ran = run({**native(), "faults": faults}, rows=8, dialect="native", **{**BATCHED, **OFF, "batch": batch})
    assert set(ran.statuses) == {STARTED}
    assert ran.code == 0


# ---------------------------------------------------------------------------------------------------------- switches

VALUES: dict[str, list[Any]] = {
    "statuses": ["documented", "newer", "older", "all_200"],
    "operating_in_time": ["sent", "omitted", "not_in_batches"],
    "batch_operating": ["inner", "batch"],
    "batch_surplus": ["each", "whole"],
    "batch_cut": ["stops", "goes_on"],
    "numeric_keys": ["list", "object"],
    "result_references": ["anywhere", "whole"],
    "cut_answer": ["html_504", "html_502", "reset"],
    "bucket_by": ["portal", "ip", "credential"],
    "retry_after": [None, 0.2],
    "unreadable_entity": ["ACCESS_DENIED", "Wrong DOCUMENT_ID!"],
    "bare_document_ids": [False, True],
    "unknown_fields": ["ignored", "refused"],
    "template_document_type": ["string", "triple"],
    "template_denied": [400, 403],
    "iso_started": [True, False],
    "filter_lists": ["dropped", "in"],
    "unknown_workflow": ["ERROR_WRONG_WORKFLOW_ID", "empty", "true"],
}
SCENARIO: Json = {
    "templates": [PLAIN, {**PLAIN, "id": 714, "run_seconds": 0.4}],
    "documents": {"missing": {"deal": [13]}},
    "limits": {"native": {"rate": 500, "burst": 500}},
    "faults": [
        {"entities": [3], "committed": True, "answer": "close"},
        {"entities": [5], "committed": True, "answer": "ERROR_CORE"},
    ],
}


def test_the_table_names_every_switch():
    assert set(VALUES) == {entry.name for entry in fields(NativeSwitches)}


@pytest.mark.parametrize("batch", ["off", 4])
@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in VALUES.items() for value in values], ids=lambda value: str(value)[:40]
)
def test_under_each_value_of_a_switch_a_run_ends_truthful(name, value, batch):
    """Ten deals: one is not there, one loses its answer, one meets an error of the portal's own, one runs longer than a request may."""
    frame = deals(12).assign(templateId=713)
    frame.loc[5, "entityId"] = 13
    frame.loc[9, "templateId"] = 714
    made = native(switches={name: value}, request_seconds=0.3)
    options = {**BATCHED, **OFF, "batch": batch, "max_unknown": 4, "template": None, "entity_type": "deal"}
    ran = run({**SCENARIO, **made}, frame, dialect="native", **options)
    odd = {at: status for at, status in enumerate(ran.statuses) if status != STARTED}
    assert (odd[2], odd[4], odd[9]) == (DOUBT, DOUBT, DOUBT)
    if batch == "off":
        assert (set(odd), odd[5], ran.code) == ({2, 4, 5, 9}, REFUSED, 5)
    else:  # an answer that is lost takes its batch with it
        assert set(odd.values()) <= {DOUBT, REFUSED}
        assert odd[5] in (DOUBT, REFUSED)
        assert len(odd) <= 3 * 4

"""The fault matrix over real sockets: what each answer proves (bitrix24-api.md 4.2, 4.4), and that no row lies about it.

Each case is a run of a few rows, one after the other, in which one start meets one fault; ``run`` compares the results with the
portal's ledger. A well-formed refusal is only combined with "not committed": the pages say that it precedes execution.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pandas as pd
import pytest

import bulkstart
from tests.conftest import FAST, MARK, PLAIN, Json, deals, run, truth

FAULTY = 5
"""The row (from 1) that meets the fault, where a start has succeeded before it."""


def one_fault(answer: Any, *, committed: bool | None = None, nth: int = FAULTY, **options: Any):
    rule: Json = {"nth": nth, "answer": answer}
    if committed is not None:
        rule["committed"] = committed
    return run({"faults": [rule]}, timeout=1.0, **options)


# ------------------------------------------------------------------------------------------------------ answers

OWN = [
    "normal",
    {"kind": "delay", "seconds": 0.1},
    {"kind": "slow_loris", "seconds": 0.2},
    {"kind": "chunked", "bytes": 1},
    "gzip",
    "keepalive_close",
]
CUT = {
    "truncated_json": "BAD_ANSWER",
    "close_mid_body": "BAD_ANSWER",
    "close_after_headers": "BAD_ANSWER",
    "wrong_charset": "BAD_ANSWER",
}
HIDDEN = {
    "hang": "READ_TIMEOUT",
    "close": "CONNECTION_RESET",
    "reset_after_reading": "CONNECTION_RESET",
    "html_502": "HTTP_502",
    "html_503": "HTTP_503",
    "html_504": "HTTP_504",
    "html_403": "HTTP_403",
    "html_200": "BAD_ANSWER",
    "json_500": "HTTP_500",
    "empty_200": "BAD_ANSWER",
    "empty_201": "BAD_ANSWER",
    "garbage": "BAD_ANSWER",
    "bad_gzip": "BAD_ANSWER",
}
ODD: list[tuple[Json, str]] = [
    ({"status": 201, "json": {"success": True, "data": {}}}, "BAD_ANSWER"),
    ({"status": 201, "json": {"success": True, "data": {"workflowId": ""}}}, "BAD_ANSWER"),
    ({"status": 201, "json": {"success": True, "data": {"workflowId": None}}}, "BAD_ANSWER"),
    ({"status": 201, "json": {"success": True, "data": [{"workflowId": "x1"}]}}, "BAD_ANSWER"),
    ({"status": 201, "json": [1, 2]}, "BAD_ANSWER"),
    ({"status": 200, "json": {"success": True, "data": {"workflowId": "x1"}}}, "BAD_ANSWER"),
    ({"status": 202, "json": {"success": True, "data": {"workflowId": "x1"}}}, "BAD_ANSWER"),
    ({"status": 204, "text": ""}, "BAD_ANSWER"),
    (
        {"status": 201, "json": {"success": True, "data": {"workflowId": "x1"}, "error": {"code": "MISSING_PARAMS"}}},
        "MISSING_PARAMS",
    ),
    ({"status": 404, "text": "nginx"}, "HTTP_404"),
    ({"status": 408, "text": "Request Timeout"}, "HTTP_408"),
    ({"status": 500, "text": "[" * 100_000}, "HTTP_500"),
]


def matrix(answers: dict[str, Any], *, committed: bool) -> dict[str, dict[str, Any]]:
    """One run in which each row but the first meets one of ``answers``; every row by the name of its answer."""
    faults = [{"entities": [row], "committed": committed, "answer": answer} for row, answer in enumerate(answers.values(), 2)]
    ran = run({"faults": faults}, rows=len(answers) + 1, timeout=1.0, halt_doubts=0, halt_same=0, halt_percent=0)
    first, *rows = ran.results.to_dict("records")
    assert first["startStatus"] == "started"
    return dict(zip(answers, rows, strict=True))


def test_a_whole_answer_is_believed_however_it_travels():
    answers = {str(answer): answer for answer in OWN}
    assert {row["startStatus"] for row in matrix(answers, committed=True).values()} == {"started"}
    for row in matrix(answers, committed=False).values():
        assert (row["startStatus"], row["errorCode"]) == ("refused", "BITRIX_ERROR")


@pytest.mark.parametrize("committed", [True, False])
def test_a_lost_or_garbled_answer_leaves_its_row_in_doubt(committed):
    wanted = CUT | HIDDEN
    for name, row in matrix({name: name for name in wanted}, committed=committed).items():
        code = "HTTP_422" if name in ("truncated_json", "wrong_charset") and not committed else wanted[name]
        assert (row["startStatus"], row["errorCode"], row["attempts"]) == ("in_doubt", code, 1), name


@pytest.mark.parametrize("committed", [True, False])
def test_an_answer_of_no_known_form_leaves_its_row_in_doubt(committed):
    answers = {f"{number}: {answer}"[:80]: {"kind": "status", **answer} for number, (answer, _) in enumerate(ODD)}
    for (name, row), (_, code) in zip(matrix(answers, committed=committed).items(), ODD, strict=True):
        assert (row["startStatus"], row["errorCode"], row["attempts"]) == ("in_doubt", code, 1), name


@pytest.mark.parametrize("rule", [{"nth": 5}, {"entities": [5]}], ids=["before the body", "after the body"])
def test_a_reset_before_reading_leaves_its_row_in_doubt(rule):
    ran = run({"faults": [{**rule, "committed": False, "answer": "reset_before_reading"}]})
    assert ran.statuses[4] == "in_doubt"
    assert ran.code == 5


@pytest.mark.parametrize("answer", ["close_mid_body", "close_after_headers"])
def test_a_cut_by_rst_is_a_cut(answer):
    ran = one_fault({"kind": answer, "with": "rst"}, committed=True)
    assert (ran.statuses[4], ran.code) == ("in_doubt", 5)


@pytest.mark.parametrize("committed", [True, False])
def test_a_proxy_that_answers_a_start_leaves_it_in_doubt_and_stops_the_run(committed):
    ran = one_fault({"kind": "status", "status": 407, "text": "proxy"}, committed=committed)
    assert (ran.statuses[4], ran.codes[4], ran.code) == ("in_doubt", "HTTP_407", 7)
    assert set(ran.statuses[5:]) == {"not_attempted"}
    assert "HTTPS_PROXY" in ran.results["errorMessage"].iloc[5]


@pytest.mark.parametrize("status", [413, 414, 431])
def test_what_the_front_refuses_for_its_size_is_refused(status):
    ran = one_fault({"kind": "status", "status": status, "text": "too large"}, committed=False)
    assert (ran.statuses[4], ran.codes[4], ran.code) == ("refused", f"HTTP_{status}", 4)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_stops_the_run_and_is_not_followed(status):
    moved = {
        "kind": "status",
        "status": status,
        "text": "",
        "headers": {"Location": "https://renamed.bitrix24.example/v1/workflows/start"},
    }
    ran = one_fault(moved, committed=False)
    assert ran.statuses == ["started"] * 4 + ["not_attempted"] * 4
    assert ran.codes[4] == f"HTTP_{status}"
    assert ran.code == 7
    assert "renamed.bitrix24.example" in ran.results["errorMessage"][4]


def test_a_404_that_is_no_portal_before_any_success_is_a_wrong_address():
    ran = one_fault({"kind": "status", "status": 404, "text": "nginx"}, committed=False, nth=1)
    assert set(ran.statuses) == {"not_attempted"}
    assert ran.code == 7


def test_an_id_that_another_row_has_proves_nothing():
    """The gateway gives row 6 the id that row 3 got; row 3's own start is scripted as one, so the ledger cannot speak for it."""
    same = {"kind": "status", "status": 201, "json": {"success": True, "data": {"workflowId": "6b0000000000.00000001"}}}
    with bulkstart.sandbox({"templates": [PLAIN], "faults": [{"nth": [3, 6], "committed": True, "answer": same}]}) as portal:
        results = bulkstart.start(deals(8), portal=portal, template=713, max_unknown=1, **FAST)
    assert results["startStatus"].tolist() == [*["started"] * 5, "in_doubt", *["started"] * 2]
    assert results["errorCode"][5] == "BAD_ANSWER"


# ------------------------------------------------------------------------------------------------- named errors

STOPPED, GONE, REFUSED, DOUBT, AGAIN = "stopped", "gone", "refused", "doubt", "again"


def native(code: str, message: str = "told by the portal") -> Json:
    return {"kind": "error", "code": "BITRIX_ERROR", "status": 422, "b24Code": code, "message": message}


def silent(message: str) -> Json:
    """A native text that comes without its code."""
    return native("", message)


ERRORS: dict[str, tuple[Any, str, int]] = {
    **{name: (name, REFUSED, 4) for name in ("MISSING_PARAMS", "VALIDATION_ERROR", "ENTITY_NOT_FOUND", "BITRIX_ERROR")},
    **{
        name: (name, STOPPED, 7)
        for name in (
            *("MISSING_API_KEY", "INVALID_API_KEY", "INVALID_APP_KEY", "INVALID_SESSION", "TOKEN_MISSING", "TOKEN_EXPIRED"),
            *("SCOPE_DENIED", "OAUTH_REQUIRED", "WRITE_BLOCKED_READONLY_KEY", "KEY_POLICY_READONLY_REQUIRED"),
            *("MANAGEMENT_KEY_NO_ENTITY_ACCESS", "MANAGEMENT_SCOPE_REQUIRED"),
        )
    },
    "BITRIX_ACCESS_DENIED": ("BITRIX_ACCESS_DENIED", REFUSED, 4),
    "ROUTE_NOT_FOUND": ("ROUTE_NOT_FOUND", REFUSED, 4),
    "ERROR_LOOP_DETECTED": ("ERROR_LOOP_DETECTED", STOPPED, 6),
    **{name: (name, DOUBT, 5) for name in ("INTERNAL_ERROR", "BITRIX_UNAVAILABLE", "QUEUE_TIMEOUT")},
    "RATE_LIMITED": ({"kind": "error", "code": "RATE_LIMITED", "retryAfter": 0.1}, AGAIN, 0),
    "RATE_LIMITED without a word": ({"kind": "error", "code": "RATE_LIMITED", "retryAfter": None}, AGAIN, 0),
    "rate_limited as 503": ({"kind": "error", "code": "rate_limited", "status": 503, "message": "", "retryAfter": 0.1}, AGAIN, 0),
    "invalid_api_key as 403": ({"kind": "error", "code": "invalid_api_key", "status": 403, "message": ""}, STOPPED, 7),
    "unknown code": ({"kind": "error", "code": "NEVER_HEARD_OF", "status": 418, "message": "?"}, DOUBT, 5),
    "unknown code as 400": ({"kind": "error", "code": "NEVER_HEARD_OF", "status": 400, "message": "?"}, DOUBT, 5),
    "unknown code as 404": ({"kind": "error", "code": "NEVER_HEARD_OF", "status": 404, "message": "?"}, DOUBT, 5),
    # 422 BITRIX_ERROR relays the native API (4.3)
    **{
        f"native {code}": (native(code), STOPPED, 7)
        for code in (
            *("ACCESS_DENIED", "INVALID_CREDENTIALS", "NO_AUTH_FOUND", "expired_token", "invalid_token", "authorization_error"),
            *("APPLICATION_NOT_FOUND", "ERROR_OAUTH", "WRONG_AUTH_TYPE", "user_access_error", "allowed_only_intranet_user"),
            *("insufficient_scope", "invalid_scope", "METHOD_CONFIRM_WAITING", "METHOD_CONFIRM_DENIED", "PAYMENT_REQUIRED"),
            *("ERROR_MANIFEST_IS_NOT_AVAILABLE", "ERROR_METHOD_NOT_FOUND", "PORTAL_DELETED"),
        )
    },
    "native OVERLOAD_LIMIT": ("OVERLOAD_LIMIT", STOPPED, 6),
    "native ERROR_WRONG_WORKFLOW_ID": ("ERROR_WRONG_WORKFLOW_ID", GONE, 6),
    "native Template not found": (silent("Template not found"), GONE, 6),
    "native Empty TEMPLATE_ID": (silent("Empty TEMPLATE_ID"), GONE, 6),
    **{f"native {code}": (native(code), REFUSED, 4) for code in ("ERROR_ARGUMENT", "ERROR_BATCH_METHOD_NOT_ALLOWED")},
    **{
        f"native {text}": (silent(text), REFUSED, 4)
        for text in ("Wrong DOCUMENT_ID!", "Incorrect document type!", "Template type and DOCUMENT_ID mismatch!")
    },
    **{
        f"native {code}": (native(code), DOUBT, 5)
        for code in ("ERROR_CORE", "INTERNAL_SERVER_ERROR", "ERROR_UNEXPECTED_ANSWER", "NEVER_HEARD_OF")
    },
    "native limit text": (silent("Превышено количество одновременно запущенных бизнес-процессов (2)."), DOUBT, 5),
    "native activity failure": (silent("Mail server refused the letter"), DOUBT, 5),
    "native almost a known text": (silent("Wrong DOCUMENT_ID! "), DOUBT, 5),
    "native QUERY_LIMIT_EXCEEDED": ({**native("QUERY_LIMIT_EXCEEDED"), "retryAfter": 0.1}, AGAIN, 0),
}


def shown_code(name: str) -> str:
    """The API's own code, as it was sent."""
    answer = ERRORS[name][0]
    return answer["code"] if isinstance(answer, dict) else "BITRIX_ERROR" if name.startswith("native") else answer


def of_rows() -> dict[str, Any]:
    """The errors that concern their row alone."""
    return {name: answer for name, (answer, meaning, _) in ERRORS.items() if meaning in (REFUSED, DOUBT)}


def test_an_error_of_a_row_means_what_its_line_of_the_table_says():
    for name, row in matrix(of_rows(), committed=False).items():
        meaning = ERRORS[name][1]
        assert row["startStatus"] == {REFUSED: "refused", DOUBT: "in_doubt"}[meaning], name
        assert (row["errorCode"], row["attempts"]) == (shown_code(name), 1), name


@pytest.mark.parametrize("name", [name for name, (_, meaning, _) in ERRORS.items() if meaning in (STOPPED, GONE)])
def test_an_error_of_the_run_stops_it(name):
    answer, meaning, exit_code = ERRORS[name]
    ran = one_fault(answer, committed=False, rows=7)
    assert ran.statuses == ["started"] * 4 + ["refused" if meaning == GONE else "not_attempted"] + ["not_attempted"] * 2
    assert (ran.codes[4], ran.code) == (shown_code(name), exit_code)
    assert ran.results["attempts"].tolist() == [1] * 5 + [0] * 2


@pytest.mark.parametrize("name", [name for name, (_, meaning, _) in ERRORS.items() if meaning == AGAIN])
def test_a_throttled_start_goes_again(name):
    ran = one_fault(ERRORS[name][0], committed=False)
    assert ran.statuses == ["started"] * 8
    assert ran.results["attempts"].tolist() == [1, 1, 1, 1, 2, 1, 1, 1]
    assert ran.code == 0


def test_an_error_that_proves_nothing_may_hide_a_start():
    answers = {name: answer for name, (answer, meaning, _) in ERRORS.items() if meaning == DOUBT}
    for name, row in matrix(answers, committed=True).items():
        assert (row["startStatus"], row["errorCode"]) == ("in_doubt", shown_code(name)), name


@pytest.mark.parametrize(("name", "code"), [("BITRIX_ERROR", 4), ("INTERNAL_ERROR", 5)])
def test_the_exit_code_tells_the_worst_of_the_rows(name, code):
    ran = run(
        {"faults": [{"nth": 2, "committed": False, "answer": "MISSING_PARAMS"}, {"nth": 5, "committed": False, "answer": name}]}
    )
    assert ran.code == code


@pytest.mark.parametrize("name", ["BITRIX_ACCESS_DENIED", "ROUTE_NOT_FOUND"])
def test_a_refusal_that_no_success_came_before_stops_the_run(name):
    ran = one_fault(name, committed=False, nth=1)
    assert set(ran.statuses) == {"not_attempted"}
    assert set(ran.codes) == {name}
    assert ran.code == 7


def test_access_denied_is_judged_by_template():
    """A success with one template does not make the denial of another one a matter of the row."""
    templates = [{"id": 713, "documentType": "deal"}, {"id": 714, "documentType": "deal"}]
    frame = deals(6).assign(templateId=[713, 713, 713, 714, 714, 714])
    ran = run(
        {"templates": templates, "faults": [{"templateId": 714, "committed": False, "answer": "BITRIX_ACCESS_DENIED"}]},
        frame,
        template=None,
    )
    assert ran.statuses == ["started"] * 3 + ["not_attempted"] * 3
    assert ran.code == 7


def test_a_template_that_is_gone_stops_its_own_rows_only():
    templates = [{"id": 713, "documentType": "deal"}, {"id": 714, "documentType": "deal"}]
    frame = deals(6).assign(templateId=[713, 714, 713, 714, 713, 714])
    ran = run(
        {"templates": templates, "faults": [{"templateId": 713, "committed": False, "answer": "ERROR_WRONG_WORKFLOW_ID"}]},
        frame,
        template=None,
    )
    assert ran.statuses == ["refused", "started", "not_attempted", "started", "not_attempted", "started"]
    assert ran.code == 6


def test_operation_time_limit_is_waited_for_and_not_counted_as_an_error():
    ran = one_fault("OPERATION_TIME_LIMIT", committed=False, deadline=0.6)
    assert ran.statuses == ["started"] * 4 + ["not_attempted"] * 4
    assert ran.code == 6
    assert ran.results["attempts"].tolist() == [1] * 5 + [0] * 3


# ---------------------------------------------------------------------------------------- several at once, halts


@pytest.mark.parametrize("committed", [True, False])
def test_every_row_in_flight_that_is_lost_is_in_doubt(committed):
    ran = run({"faults": [{"committed": committed, "answer": "close"}]}, rows=12, max_unknown=6, halt_doubts=0, halt_same=0)
    assert ran.statuses == ["in_doubt"] * 12
    assert ran.code == 5


def test_three_doubts_in_a_row_stop_the_run():
    ran = run({"faults": [{"nth": [3, 4, 5], "committed": True, "answer": "html_504"}]})
    assert ran.statuses == ["started"] * 2 + ["in_doubt"] * 3 + ["not_attempted"] * 3
    assert ran.code == 6
    assert set(ran.codes[5:]) == {"RUN_STOPPED"}


def test_five_equal_refusals_in_a_row_stop_the_run():
    ran = run({"documents": {"missing": {"deal": [[2, 9]]}}}, rows=10)
    assert ran.statuses == ["started"] + ["refused"] * 5 + ["not_attempted"] * 4
    assert ran.code == 6


def test_too_many_errors_of_late_stop_the_run():
    missing = [number for number in range(1, 70) if number % 4 == 0]
    ran = run({"documents": {"missing": {"deal": missing}}}, rows=60)
    assert ran.statuses.count("not_attempted") == 10
    assert ran.code == 6


def test_denied_access_lets_rows_on_the_wire_finish():
    slow = {"id": 713, "documentType": "deal", "run_seconds": 0.3}
    ran = run({"templates": [slow], "faults": [{"nth": 4, "committed": False, "answer": "SCOPE_DENIED"}]}, rows=12, max_unknown=4)
    assert ran.statuses.count("started") == 3
    assert ran.statuses.count("not_attempted") == 9
    assert ran.code == 7


def test_a_throttled_row_waits_for_everybody_and_costs_no_attempt_of_its_own():
    limits = {"portal": {"rate": 20, "burst": 2, "retry_after": 0.1}}
    ran = run({"limits": limits, "me": {"requests_per_second": None}}, rows=12, max_unknown=4)
    assert ran.statuses == ["started"] * 12
    assert ran.code == 0


def test_rows_of_one_document_go_one_after_the_other():
    slow = {"id": 713, "documentType": "deal", "run_seconds": 0.1, "parameters": MARK}
    frame = pd.DataFrame({"entityId": [7, 7, 8, 8], "param:mark": ["a", "b", "c", "d"]})
    ran = run({"templates": [slow]}, frame, max_unknown=4)
    assert ran.statuses == ["started"] * 4
    on_wire: dict[int, int] = {}
    for line in ran.ledger:
        if line["on"] == "start" and line["kind"] in ("arrival", "answer"):
            on_wire[line["entityId"]] = on_wire.get(line["entityId"], 0) + (1 if line["kind"] == "arrival" else -1)
            assert on_wire[line["entityId"]] <= 1


def test_a_portal_that_is_away_for_a_while_costs_no_row():
    slow = {"id": 713, "documentType": "deal", "run_seconds": 0.05}
    with bulkstart.sandbox({"templates": [slow], "outages": [{"from": 0.12, "to": 0.9}]}) as portal:
        results = bulkstart.start(deals(12), portal=portal, template=713, max_unknown=2, timeout=3, canary=0, **FAST)
        truth(results, portal.ledger(), arrivals=False)  # a request that leaves as the portal goes need not arrive
    statuses = list(results["startStatus"])
    assert set(statuses) <= {"started", "in_doubt"}  # a request on the wire when the portal goes is a doubt
    assert statuses.count("started") >= 10


# --------------------------------------------------------------------------------------------- denied at the door

DOORS: dict[str, Json] = {
    "INVALID_API_KEY": {"state": "expired"},
    "TOKEN_MISSING": {"tokens": False},
    "SCOPE_DENIED": {"scopes": ["crm"]},
    "WRITE_BLOCKED_READONLY_KEY": {"read_only": True},
    "IP_NOT_ALLOWED": {"allowed_ips": ["10.0.0.1"]},
}


@pytest.mark.parametrize("code", [code for code in DOORS if code != "IP_NOT_ALLOWED"])
def test_a_key_that_may_not_start_anything_is_told_as_such(code):
    """Not as a problem of the sheet, although nobody says which entity type the template is for."""
    ran = run({"keys": [{"key": "vibe_api_door_0123456789", **DOORS[code]}]})
    assert set(ran.statuses) == {"not_attempted"}
    assert set(ran.codes) == {code}
    assert ran.code == 7


def test_a_problem_of_a_row_comes_before_a_denial():
    ran = run(
        {"keys": [{"key": "vibe_api_door_0123456789", "state": "expired"}]},
        deals(2).assign(entityId=["x", "2"]),
        entity_type="deal",
    )
    assert ran.code == 3
    assert not ran.commits()


@pytest.mark.parametrize("answer", ["malformed", "not_json", "not_found"])
def test_on_this_machine_a_portal_needs_no_name(answer):
    ran = run({"me": {"answer": answer}})
    assert ran.statuses == ["started"] * 8


def test_a_warning_of_the_portal_halves_the_rate():
    loop = {"warn_after": 2, "after": 50, "same": "endpoint"}
    refused = [{"entities": [[7, 8]], "committed": False, "answer": "MISSING_PARAMS"}]
    ran = run({"error_loop": loop, "faults": refused}, rows=14, rate=20, burst=1, max_unknown=4)
    arrived = [line["mono"] for line in ran.ledger if line["kind"] == "arrival" and line["on"] == "start"]
    gaps = [later - earlier for earlier, later in pairwise(arrived)]
    assert sum(gaps[9:13]) > 1.5 * sum(gaps[1:5]), gaps


# ----------------------------------------------------------------------------------------------- the truth itself


def lie(results: pd.DataFrame, row: int, **cells: object) -> pd.DataFrame:
    told = results.copy()
    for name, value in cells.items():
        told.loc[row, name] = value
    return told


def test_the_truth_sees_a_row_that_lies():
    ran = run({"documents": {"missing": {"deal": [3]}}, "faults": [{"nth": 5, "committed": True, "answer": "close"}]}, rows=6)
    ids = ran.results["workflowId"]
    for told in (
        lie(ran.results, 0, workflowId=ids[1]),
        lie(ran.results, 0, workflowId="6b0000000000.00000001"),
        lie(ran.results, 0, startStatus="not_attempted", workflowId="", errorCode="RUN_STOPPED", startedAt=""),
        lie(ran.results, 0, errorCode="RATE_LIMITED"),
        lie(ran.results, 2, errorCode=""),
        lie(ran.results, 4, startStatus="refused"),
        lie(ran.results, 2, startedAt="2026-11-21T23:24:20+00:00"),
        lie(ran.results, 1, startedAt="2026-11-21T23:24:20"),
        lie(ran.results, 1, attempts=2),
        lie(ran.results, 1, startStatus="done"),
    ):
        with pytest.raises(AssertionError):
            truth(told, ran.ledger)
    twice = [line for line in ran.ledger if line["kind"] == "commit"][:1]
    with pytest.raises(AssertionError, match="more often"):
        truth(ran.results, [*ran.ledger, {**twice[0], "workflowId": "other", "n": 10_000}])

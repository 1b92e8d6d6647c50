"""Fault rules on native requests: committed or not, whatever the client sees; and starts inside of batches."""

import http.client
import json
import threading
import time

import pytest

from bulkstart.simulator.answers import CARRYING, HIDING
from bulkstart.simulator.codes import NATIVE, NATIVE_ONLY, native_status
from tests.simulator.rest_talk import Rest, command

LOSING = ["hang", "close", "reset_before_reading", "reset_after_reading", "close_after_headers", "close_mid_body"]
SHOWN = sorted({*CARRYING, *HIDING} - {*LOSING, "delay", "error", "status", "normal", "slow_loris"})
CONTRADICTING = [("reset_before_reading", True)]


def attempt(rest, send):
    """Status, or the name of what went wrong."""
    try:
        return send(rest).status
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__


SENDS = {
    "start": lambda rest: rest.start(1, timeout=0.3),
    "batch": lambda rest: rest.batch({"a": command(1), "b": command(2)}, timeout=0.3),
}


@pytest.mark.parametrize("on", ["start", "batch"])
@pytest.mark.parametrize(
    ("kind", "committed"),
    [(kind, committed) for kind in (*LOSING, *SHOWN) for committed in (True, False) if (kind, committed) not in CONTRADICTING],
)
def test_commit_and_answer_are_decided_apart(open_rest, until, on, committed, kind):
    rest = open_rest({"faults": [{"on": on, "nth": 1, "committed": committed, "answer": kind}]})
    seen = attempt(rest, SENDS[on])
    assert rest.committed() == ([1] if on == "start" else [1, 2]) * committed
    if kind in LOSING:
        assert isinstance(seen, str)
    elif kind.startswith("html_"):
        assert seen == int(kind[-3:])
    assert [line["rule"] for line in rest.sandbox.commits()] == [0] * len(rest.sandbox.commits())
    assert until(lambda: attempt(rest, SENDS[on]) == 200)


@pytest.mark.parametrize("code", [*NATIVE, *NATIVE_ONLY])
def test_named_codes_are_said_as_the_portal_says_them(open_rest, code):
    answer = code or {"kind": "error", "code": ""}
    rest = open_rest({"faults": [{"committed": True, "answer": answer}]})
    status, said, text = rest.start(1).said
    assert (status, said, text) == (native_status(code, "documented"), code, {**NATIVE, **NATIVE_ONLY}[code])
    assert rest.committed() == [1]


@pytest.mark.parametrize("statuses", ["newer", "older", "all_200"])
def test_statuses_drift_and_codes_stay(open_rest, statuses):
    faults = [{"nth": number, "answer": code} for number, code in enumerate(NATIVE, 1)]
    rest = open_rest({"faults": faults, "native": {"switches": {"statuses": statuses}}})
    for code in NATIVE:
        assert rest.start(1).said[:2] == (native_status(code, statuses), code)


def test_other_errors_can_be_written_out(open_rest):
    faults = [
        {"nth": 1, "answer": {"kind": "error", "code": "BITRIX_ERROR", "b24Code": "OVERLOAD_LIMIT"}},
        {"nth": 2, "answer": {"kind": "error", "code": "BITRIX_ERROR", "message": "Some activity's text"}},
        {"nth": 3, "answer": {"kind": "error", "code": "NEVER_HEARD_OF", "status": 418, "message": "?"}},
        {"nth": 4, "answer": "RATE_LIMITED"},
        {"nth": 5, "answer": {"kind": "error", "code": "ERROR_CORE", "status": 500}},
        {"nth": 6, "answer": {"kind": "status", "status": 200, "json": {"result": None}}},
        {"nth": 7, "answer": "absent"},
    ]
    rest = open_rest({"faults": faults})
    assert [rest.start(1).said[:2] for _ in range(5)] == [
        (503, "OVERLOAD_LIMIT"),
        (400, ""),
        (418, "NEVER_HEARD_OF"),
        (429, "RATE_LIMITED"),
        (500, "ERROR_CORE"),
    ]
    assert [rest.start(1).json for _ in range(2)] == [{"result": None}, {}]


def test_codes_of_native_rest_alone_are_relayed_by_the_gateway(open_portal):
    talk = open_portal({"faults": [{"answer": "APPLICATION_NOT_FOUND"}]})
    assert (talk.start(1).status, talk.start(1).error["b24Code"]) == (422, "APPLICATION_NOT_FOUND")


def test_rules_choose_by_dialect_and_method(open_portal):
    faults = [
        {"dialect": "native", "answer": "html_502"},
        {"on": "me", "method": "Profile", "nth": 2, "answer": "html_403"},
        {"on": "any", "method": "crm.item.list", "every": 2, "answer": "html_503"},
        {"on": "tasks", "answer": "html_200"},
    ]
    talk = open_portal({"faults": faults})
    rest = Rest(talk.sandbox)
    assert (rest.start(1).status, talk.start(1).status) == (502, 201)
    assert [rest.call(method).status for method in ("profile", "scope", "profile", "profile")] == [200, 200, 403, 200]
    assert [rest.call("crm.item.list", entityTypeId=2).status for _ in range(4)] == [200, 503, 200, 503]
    assert rest.call("bizproc.task.list").headers["content-type"] == "text/html"


def test_rules_look_at_the_start_itself(open_rest):
    faults = [
        {"entities": [5], "answer": "html_502"},
        {"entityType": "lead", "answer": "html_503"},
        {"templateId": 714, "answer": "html_504"},
    ]
    rest = open_rest({"faults": faults})
    assert [rest.start(4).status, rest.start(5).status, rest.start(4, template=714).status] == [200, 502, 504]
    lead = ["crm", "CCrmDocumentLead", "LEAD_5"]
    assert rest.call("bizproc.workflow.start", TEMPLATE_ID=713, DOCUMENT_ID=["crm", "CCrmDocumentLead", "LEAD_6"]).status == 503
    assert rest.call("bizproc.workflow.start", TEMPLATE_ID=713, DOCUMENT_ID=lead).status == 502


def test_committed_true_runs_what_the_portal_would_have_refused(open_rest):
    rest = open_rest({"documents": {"missing": {"any": [7]}}, "faults": [{"nth": 2, "committed": True, "answer": "normal"}]})
    assert [rest.start(7).status for _ in range(3)] == [400, 200, 400]
    assert rest.committed() == [7]


@pytest.mark.parametrize("on", ["start", "batch"])
def test_a_commit_may_come_late_and_behind_the_answer(open_rest, until, on):
    faults = [
        {"on": on, "nth": 1, "committed": True, "commit_after": 0.5, "answer": "html_504"},
        {"on": on, "nth": 2, "commit_after": 0.2, "answer": "normal"},
    ]
    rest = open_rest({"faults": faults})
    assert SENDS[on](rest).status == 504
    assert rest.sandbox.commits() == []
    until(lambda: len(rest.committed()) == (1 if on == "start" else 2))
    begun = time.monotonic()
    assert (rest.start(9) if on == "start" else rest.batch({"a": command(9)})).status == 200
    assert time.monotonic() - begun >= 0.2


def test_a_reading_request_that_is_hidden_does_nothing(open_rest):
    rest = open_rest({"templates": [{"id": 713, "life_seconds": None}], "faults": [{"on": "delete", "answer": "close"}]})
    name = rest.start(1).result
    with pytest.raises(OSError, match="without response"):
        rest.call("bizproc.workflow.kill", ID=name)
    assert rest.call("bizproc.workflow.instances").json["total"] == 1


# ------------------------------------------------------------------------------------------------- batches


def test_a_batch_may_be_run_in_part(open_rest):
    rest = open_rest({"faults": [{"on": "batch", "commands": 2, "answer": "normal"}]})
    found = rest.batch({f"c{number}": command(number) for number in range(1, 5)}).result
    assert (list(found["result"]), found["result_error"]) == (["c1", "c2"], [])
    assert rest.committed() == [1, 2]


def test_a_batch_may_be_lost_behind_a_prefix_of_its_starts(open_rest):
    rest = open_rest({"faults": [{"on": "batch", "commands": 3, "answer": "reset_after_reading"}]})
    assert isinstance(attempt(rest, lambda one: one.batch({f"c{number}": command(number) for number in range(1, 9)})), str)
    assert rest.committed() == [1, 2, 3]


def test_a_start_in_a_batch_has_a_number_among_the_starts(open_rest):
    faults = [{"nth": [2, 5], "committed": False, "answer": "OPERATION_TIME_LIMIT"}]
    rest = open_rest({"faults": faults})
    first = rest.batch({f"c{number}": command(number) for number in (1, 2, 3)}).result
    assert list(first["result_error"]) == ["c2"]
    assert rest.start(4).status == 200
    assert rest.start(5).said[:2] == (429, "OPERATION_TIME_LIMIT")
    assert rest.committed() == [1, 3, 4]
    assert [line["rule"] for line in rest.sandbox.commits()] == [None, None, None]


def test_a_command_may_be_committed_and_refused_in_the_answer(open_rest):
    faults = [{"entities": [2], "committed": True, "answer": {"kind": "error", "code": "", "message": "Half done"}}]
    rest = open_rest({"faults": faults})
    found = rest.batch({f"c{number}": command(number) for number in (1, 2, 3)}).result
    assert found["result_error"] == {"c2": {"error": "", "error_description": "Half done"}}
    assert rest.committed() == [1, 2, 3]
    assert [line["rule"] for line in rest.sandbox.commits()] == [None, 0, None]


@pytest.mark.parametrize("committed", [True, False])
def test_a_command_may_stand_in_neither_map(open_rest, committed):
    rest = open_rest({"faults": [{"entities": [2], "committed": committed, "answer": "absent"}]})
    answer = rest.batch({f"c{number}": command(number) for number in (1, 2, 3)})
    assert list(answer.result["result"]) == ["c1", "c3"]
    assert answer.result["result_error"] == []
    assert rest.committed() == ([1, 2, 3] if committed else [1, 3])
    assert [entry["command"] for entry in rest.lines("answer")[0]["results"]] == ["c1", "c3"]


def test_a_batch_that_is_not_committed_but_answered_refuses_each_start(open_rest):
    rest = open_rest({"faults": [{"on": "batch", "committed": False, "answer": "normal"}]})
    found = rest.batch({"a": command(1), "p": "profile"}).result
    assert found["result_error"] == {"a": {"error": "", "error_description": "Wrong DOCUMENT_ID!"}}
    assert list(found["result"]) == ["p"]
    assert rest.sandbox.commits() == []


@pytest.mark.parametrize("committed", [True, False])
def test_an_answer_that_hides_a_start_hides_its_whole_batch(open_rest, committed):
    rest = open_rest({"faults": [{"entities": [2], "committed": committed, "answer": "html_502"}]})
    assert rest.batch({f"c{number}": command(number) for number in (1, 2, 3)}).status == 502
    assert rest.committed() == ([1, 2, 3] if committed else [1, 3])
    assert rest.lines("answer")[0]["rule"] == 0


def test_rules_on_any_count_a_batch_once(open_rest):
    rest = open_rest({"faults": [{"on": "any", "nth": 2, "answer": "html_502"}]})
    assert rest.batch({f"c{number}": command(number) for number in (1, 2, 3)}).status == 200
    assert rest.batch({"a": command(9)}).status == 502
    rest = open_rest(
        {
            "faults": [
                {"on": "any", "nth": [2, 3], "limit": 1, "answer": "html_502"},
                {"on": "any", "limit": 2, "answer": "html_503"},
            ]
        }
    )
    assert [rest.batch({"a": command(1), "b": command(2)}).status for _ in range(4)] == [503, 502, 503, 200]


def test_concurrent_starts_keep_their_own_answers(open_rest):
    rest = open_rest({"templates": [{"id": 713, "run_seconds": [0.0, 0.05]}]})
    found = {}

    def work(entity):
        found[entity] = rest.start(entity).result

    threads = [threading.Thread(target=work, args=(entity,)) for entity in range(1, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {line["entityId"]: line["workflowId"] for line in rest.sandbox.commits()}
    assert json.dumps(found)

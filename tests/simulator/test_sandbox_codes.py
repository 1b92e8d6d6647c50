"""Every error code with its right status, by rule and where the portal or the gateway says it itself."""

import json
import re
from pathlib import Path

import pytest

from bulkstart import simulator

PAGE = Path(simulator.__file__).with_name("SCENARIOS.md").read_text(encoding="utf-8")
TABLE = re.findall(
    r"^\| (\d{3})(?:, (\d{3}))? \| (.+) \|$", PAGE.split("**Named errors.**")[1].split("A name of the native")[0], re.MULTILINE
)
NAMED = [
    (int(second if second and code == "HEADERS_TOO_LARGE" else first), code)
    for first, second, names in TABLE
    for code in re.findall(r"`([A-Z_]+)`", re.sub(r"\([^)]*\)", "", names))
]
NATIVE = re.findall(r"`([A-Za-z_]+)`", PAGE.split("with that `b24Code` and its text:")[1].split("Any other code")[0])


def test_the_page_names_the_whole_table():
    assert len(NAMED) >= 25
    assert len(NATIVE) == 19


@pytest.mark.parametrize("language", ["en", "ru"])
def test_named_errors_have_their_status_and_a_message(open_portal, language):
    faults = [{"nth": number, "committed": False, "answer": code} for number, (_, code) in enumerate(NAMED, 1)]
    talk = open_portal({"faults": faults, "language": language})
    replies = [talk.start(number) for number, _ in enumerate(NAMED, 1)]
    assert [(reply.status, reply.code) for reply in replies] == NAMED
    assert all(reply.json["success"] is False and reply.error["message"] for reply in replies)
    assert any(re.search("[а-я]", reply.error["message"]) for reply in replies) == (language == "ru")
    assert talk.sandbox.commits() == []


def test_native_codes_come_as_422_with_b24_code(open_portal):
    talk = open_portal({"faults": [{"nth": number, "answer": code} for number, code in enumerate(NATIVE, 1)]})
    replies = [talk.start(number) for number, _ in enumerate(NATIVE, 1)]
    assert [reply.error["b24Code"] for reply in replies] == NATIVE
    assert {(reply.status, reply.code) for reply in replies} == {(422, "BITRIX_ERROR")}


def test_retry_times_stand_in_body_and_header(open_portal):
    faults = [
        {"nth": 1, "answer": "RATE_LIMITED"},
        {"nth": 2, "answer": {"kind": "error", "code": "RATE_LIMITED", "retryAfter": 1.2}},
        {"nth": 3, "answer": {"kind": "error", "code": "RATE_LIMITED", "retryAfter": None}},
        {"nth": 4, "answer": {"kind": "error", "code": "RATE_LIMITED", "retryAfter": 7, "retry_after_header": False}},
        {"nth": 5, "answer": "QUEUE_TIMEOUT"},
        {"nth": 6, "answer": "BITRIX_UNAVAILABLE"},
    ]
    talk = open_portal({"faults": faults})
    seen = [
        (reply.error.get("retryAfter"), reply.headers.get("retry-after"))
        for reply in (talk.start(number) for number in range(1, 7))
    ]
    assert seen == [(2, "2"), (1.2, "2"), (None, None), (7, None), (5, "5"), (None, None)]


def test_unheard_of_codes_can_be_written_out(open_portal):
    said = {
        "kind": "error",
        "code": "NEVER_HEARD_OF",
        "status": 418,
        "message": "?",
        "hint": "h",
        "userMessage": "u",
        "b24Code": "X",
    }
    reply = open_portal({"faults": [{"answer": said}]}).start(1)
    assert (reply.status, reply.error) == (
        418,
        {"code": "NEVER_HEARD_OF", "message": "?", "b24Code": "X", "hint": "h", "userMessage": "u"},
    )


# -------------------------------------------------------------------------------- said by the gateway itself


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"templateId": 713, "entityType": "deal"},
        {"templateId": "713", "entityType": "deal", "entityId": 1},
        {"templateId": 713, "entityType": "deal", "entityId": "1"},
        {"templateId": 713, "entityType": "deal", "entityId": True},
        {"templateId": None, "entityType": "deal", "entityId": 1},
        {"templateId": 713, "entityType": "Deal", "entityId": 1},
        {"templateId": 713, "entityType": "quote", "entityId": 1},
        {"templateId": 713, "entityType": ["deal"], "entityId": 1},
        [713, "deal", 1],
        "text",
    ],
)
def test_absent_and_ill_typed_fields_are_missing_params(open_portal, sent):
    reply = open_portal().ask("POST", "/workflows/start", sent)
    assert (reply.status, reply.code) == (400, "MISSING_PARAMS")
    assert reply.error["message"].startswith("Required: templateId (number)")


@pytest.mark.parametrize("body", [b"", b"{", b'{"templateId": NaN}', b"\xff\xfe", b"[" * 100_000])
def test_what_is_not_json_fails_loudly(open_portal, body):
    assert open_portal().ask("POST", "/workflows/start", body).code == "VALIDATION_ERROR"


def test_unknown_fields_fail_loudly(open_portal):
    talk = open_portal()
    assert talk.start(1, dryRun=True).code == "VALIDATION_ERROR"
    assert talk.sandbox.commits() == []


def test_a_body_that_is_not_announced_as_json_has_no_fields(open_portal):
    talk = open_portal()
    headers = {**talk.headers(), "Content-Type": "text/plain"}
    assert talk.start(1, headers=headers).code == "MISSING_PARAMS"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/workflows/start"),
        ("POST", "/workflow/start"),
        ("PUT", "/workflows/start"),
        ("GET", "/ledger"),
        ("POST", "/deals"),
        ("GET", "/quotes"),
        ("DELETE", "/workflows/"),
        ("GET", "/workflows/start/1"),
        ("PATCH", "/deals/1"),
    ],
)
def test_unknown_routes_and_methods_fail_loudly(open_portal, method, path):
    talk = open_portal()
    reply = talk.ask(method, path, {} if method != "GET" else None)
    assert (reply.status, reply.code) == (404, "ROUTE_NOT_FOUND")
    assert talk.lines("answer")[0]["on"] in ("unknown", "entity")


@pytest.mark.parametrize(
    "path", ["/me?x=1", "/bizproc-templates?filter=1", "/workflows?documentId=1", "/workflows?limit=5", "/deals?limit=x"]
)
def test_unknown_query_parameters_fail_loudly(open_portal, path):
    assert open_portal().ask("GET", path).code == "VALIDATION_ERROR"


def test_the_portal_says_no_in_its_own_order_and_words(open_portal):
    documents = {"missing": {"deal": [13]}, "denied": {"deal": [14]}, "max_id": 1000}
    off = [{"id": 713}, {"id": 714, "documentType": "lead"}, {"id": 715, "active": False}]
    talk = open_portal({"documents": documents, "templates": off})
    assert (talk.start(13, 999).error["b24Code"], talk.start(13, 999).error["message"]) == (
        "ERROR_WRONG_WORKFLOW_ID",
        "Template not found",
    )
    assert talk.start(1, 715).error["message"] == "Template not found"
    assert talk.start(1, 713.5).error["message"] == "Template not found"
    for entity in (13, 0, -1, 1001, 5.5, 10**15):
        assert (talk.start(entity, 714).status, talk.start(entity).error["message"]) == (422, "Wrong DOCUMENT_ID!")
    assert talk.start(1, 714).error["message"] == "Template type and DOCUMENT_ID mismatch!"
    assert (talk.start(14).status, talk.start(14).code) == (403, "BITRIX_ACCESS_DENIED")
    assert talk.sandbox.commits() == []


def test_ids_written_as_whole_doubles_are_those_ids(open_portal):
    talk = open_portal()
    assert talk.ask("POST", "/workflows/start", b'{"templateId": 713.0, "entityType": "deal", "entityId": 5141.0}').status == 201
    listed = talk.sandbox.commits()[0]
    assert listed["entityId"] == 5141


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"9" * 400])
def test_numbers_beyond_all_bounds_start_nothing(open_portal, number):
    talk = open_portal()
    assert (
        talk.ask("POST", "/workflows/start", b'{"templateId":713,"entityType":"deal","entityId":' + number + b"}").status == 400
    )
    assert talk.sandbox.commits() == []


def test_too_large_bodies_and_headers_are_refused(open_portal):
    talk = open_portal({"limits": {"body_bytes": 1000, "header_bytes": 2000}})
    got, how = talk.raw(b"POST /v1/workflows/start HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", timeout=3)
    assert (got.split(b" ")[1], how) == (b"413", "fin")  # the phrase is the Python version's own
    got, how = talk.raw(b"GET /v1/me HTTP/1.1\r\nX-Long: " + b"a" * 2000 + b"\r\n\r\n", timeout=3)
    assert (got.split(b" ")[1], how) == (b"431", "fin")
    chunked = b"POST /v1/me HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n" + b"a" * 0xFFF
    assert talk.raw(chunked, timeout=3)[0].startswith(b"HTTP/1.1 413 ")
    assert [line["code"] for line in talk.lines("answer")] == ["BODY_TOO_LARGE", "HEADERS_TOO_LARGE", "BODY_TOO_LARGE"]


# ------------------------------------------------------------------------------------------ repeated errors


def test_repeated_errors_are_warned_about_and_then_stopped(open_portal):
    talk = open_portal({"documents": {"missing": {"any": [7, 8]}}, "error_loop": {"warn_after": 2, "after": 4, "every": 3}})
    seen = [(reply.code, "warning" in reply.error) for reply in (talk.start(7) for _ in range(10))]
    looked_at, stopped = "BITRIX_ERROR", ("ERROR_LOOP_DETECTED", False)
    assert seen == [
        (looked_at, False),
        *[(looked_at, True)] * 3,
        stopped,
        stopped,
        (looked_at, True),
        stopped,
        stopped,
        (looked_at, True),
    ]
    assert talk.start(8).code == looked_at  # another request
    assert talk.start(9).status == 201


def test_the_same_endpoint_can_be_enough_to_be_the_same_request(open_portal):
    loop = {"warn_after": 1, "after": 2, "every": 0, "same": "endpoint"}
    talk = open_portal({"documents": {"missing": {"any": [[7, 99]]}}, "error_loop": loop})
    assert [talk.start(entity).code for entity in (7, 8, 9)] == ["BITRIX_ERROR", "BITRIX_ERROR", "ERROR_LOOP_DETECTED"]


def test_a_success_ends_a_series(open_portal):
    loop = {"warn_after": 2, "after": 3, "same": "endpoint"}
    talk = open_portal({"documents": {"missing": {"any": [[7, 99]]}}, "error_loop": loop})
    assert [talk.start(entity).status for entity in (7, 8, 1, 9, 10, 1, 11, 12)] == [422, 422, 201, 422, 422, 201, 422, 422]


def test_throttled_requests_are_no_repeated_errors(open_portal):
    loop = {"warn_after": 1, "after": 1, "every": 0}
    talk = open_portal({"error_loop": loop, "limits": {"portal": {"rate": 0.01, "burst": 1}}})
    assert [talk.start(1).status for _ in range(4)] == [201, 429, 429, 429]
    assert talk.start(1).code == "RATE_LIMITED"


def test_example_of_the_start_page(open_portal):
    reply = open_portal().start(5141)
    assert reply.status == 201
    assert list(reply.json) == ["success", "data"]
    assert reply.json["success"] is True
    assert re.fullmatch(r"[0-9a-f]{14}\.[0-9]{8}", reply.json["data"]["workflowId"])
    assert json.loads(reply.body) == reply.json
    assert reply.headers["x-request-id"]

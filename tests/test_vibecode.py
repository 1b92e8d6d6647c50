"""What an answer of the Vibecode gateway proves: the table of bitrix24-api.md 4.4, line by line, and everything beside it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.gateways import Me
from bulkstart.gateways.vibecode import Vibecode, body_of
from bulkstart.model import Answer, Busy, Denied, InDoubt, Refused, Started, StartRequest

GATEWAY = Vibecode()
REQUEST = StartRequest(713, "deal", 5141)


def read(status, body, headers=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    (verdict,) = GATEWAY.read_start([REQUEST], Answer(status, headers or {}, raw))
    return verdict


def error(code, message="text", **more):
    return {"success": False, "error": {"code": code, "message": message, **more}}


def test_a_start_is_the_documented_body_and_nothing_more():
    call = GATEWAY.start_call([REQUEST])
    assert (call.method, call.path, call.query) == ("POST", "/workflows/start", ())
    assert json.loads(call.body) == {"templateId": 713, "entityType": "deal", "entityId": 5141}
    assert body_of(StartRequest(1, "lead", 2, {"a": "Ж", "n": 3}))["parameters"] == {"a": "Ж", "n": 3}


def test_201_with_an_id_is_a_start_and_the_id_is_kept_to_the_letter():
    assert read(201, {"success": True, "data": {"workflowId": "69f0c2d5ade389.22457798"}}) == Started("69f0c2d5ade389.22457798")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"success": True, "data": {"workflowId": "a.1"}}),
        (202, {"success": True, "data": {"workflowId": "a.1"}}),
        (201, {"success": True, "data": {}}),
        (201, {"success": True, "data": {"workflowId": ""}}),
        (201, {"success": True, "data": {"workflowId": " "}}),
        (201, {"success": True, "data": {"workflowId": 5}}),
        (201, {"success": "true", "data": {"workflowId": "a.1"}}),
        (201, {"data": {"workflowId": "a.1"}}),
        (201, {"success": True, "data": {"workflowId": "a.1"}, "error": {"code": "RATE_LIMITED", "message": ""}}),
        (201, {"success": True, "data": {"workflowId": "a.1"}, "error": "RATE_LIMITED"}),
        (429, {"success": False, "data": {"workflowId": "a.1"}, "error": {"code": "RATE_LIMITED", "message": ""}}),
        (201, []),
        (201, b""),
        (200, b""),
        (201, b'{"success": true, "data": {"workfl'),
        (200, b"<html>ok</html>"),
        (500, b"<html>"),
        (502, b"<html>bad gateway</html>"),
        (504, b"<html>"),
        (408, b""),
        (429, b"<html>slow down</html>"),
        (403, b"<html>forbidden</html>"),
        (401, b""),
        (500, error("INTERNAL_ERROR")),
        (502, error("BITRIX_UNAVAILABLE")),
        (504, error("QUEUE_TIMEOUT", retryAfter=5)),
        (400, error("SOMETHING_NEW")),
        (403, error("SOMETHING_NEW")),
        (422, {"error": "ERROR_ARGUMENT", "error_description": "native-shaped, so nobody's word here"}),
        (422, error("BITRIX_ERROR", "Mail server refused the letter")),
        (422, error("BITRIX_ERROR", "wrong document_id!")),
        (422, error("BITRIX_ERROR", "Wrong DOCUMENT_ID! ")),
        (422, error("BITRIX_ERROR", "x", b24Code="ERROR_CORE")),
        (422, error("BITRIX_ERROR", "Wrong DOCUMENT_ID!", b24Code="INTERNAL_SERVER_ERROR")),
        (422, error("BITRIX_ERROR", "Template not found", b24Code="NEVER_SEEN")),
    ],
)
def test_what_proves_nothing_is_in_doubt(status, body):
    assert isinstance(read(status, body), InDoubt)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *(
            (code, 401)
            for code in (
                "MISSING_API_KEY",
                "INVALID_API_KEY",
                "INVALID_APP_KEY",
                "INVALID_SESSION",
                "TOKEN_MISSING",
                "TOKEN_EXPIRED",
            )
        ),
        *(
            (code, 403)
            for code in ("SCOPE_DENIED", "OAUTH_REQUIRED", "WRITE_BLOCKED_READONLY_KEY", "KEY_POLICY_READONLY_REQUIRED")
        ),
        ("MANAGEMENT_KEY_NO_ENTITY_ACCESS", 403),
        ("invalid_api_key", 500),
    ],
)
def test_denials_stop_the_run_by_code_whatever_the_status(code, status):
    assert read(status, error(code)) == Denied(code, "text")


def test_access_denied_is_the_rows_own_once_its_template_has_started():
    verdict = read(403, error("BITRIX_ACCESS_DENIED"))
    assert verdict == Denied("BITRIX_ACCESS_DENIED", "text", afterwards=Refused("BITRIX_ACCESS_DENIED", "text"))


@pytest.mark.parametrize(
    ("status", "body", "gone"),
    [
        (400, error("MISSING_PARAMS"), False),
        (400, error("VALIDATION_ERROR"), False),
        (404, error("ENTITY_NOT_FOUND"), False),
        (422, error("BITRIX_ERROR", "Wrong DOCUMENT_ID!"), False),
        (422, error("BITRIX_ERROR", "Incorrect document type!", b24Code=""), False),
        (422, error("BITRIX_ERROR", "Template type and DOCUMENT_ID mismatch!", b24Code=None), False),
        (422, error("BITRIX_ERROR", "x", b24Code="ERROR_ARGUMENT"), False),
        (422, error("BITRIX_ERROR", "Template not found"), True),
        (422, error("BITRIX_ERROR", "Empty TEMPLATE_ID"), True),
        (422, error("BITRIX_ERROR", "что угодно", b24Code="error_wrong_workflow_id"), True),
    ],
)
def test_refusals_before_execution_are_the_rows_own(status, body, gone):
    verdict = read(status, body)
    assert isinstance(verdict, Refused)
    assert verdict.template_gone is gone
    assert verdict.code == body["error"]["code"]


@pytest.mark.parametrize(
    "native", ["ACCESS_DENIED", "expired_token", "PAYMENT_REQUIRED", "insufficient_scope", "ERROR_METHOD_NOT_FOUND"]
)
def test_a_relayed_denial_stops_the_run(native):
    assert isinstance(read(422, error("BITRIX_ERROR", "x", b24Code=native)), Denied)


@pytest.mark.parametrize("body", [error("ERROR_LOOP_DETECTED"), error("BITRIX_ERROR", "x", b24Code="OVERLOAD_LIMIT")])
def test_what_asks_to_stop_ends_with_6(body):
    assert read(429, body).exit_code == 6


def test_rate_limited_is_held_for_as_long_as_it_says_in_body_or_header():
    assert read(429, error("RATE_LIMITED", retryAfter=2)) == Busy("RATE_LIMITED", "text", throttled=True, after=2.0)
    assert read(429, error("RATE_LIMITED"), {"retry-after": "1.5"}).after == 1.5
    assert read(429, error("RATE_LIMITED", retryAfter="3")).after == 3.0
    assert read(429, error("RATE_LIMITED")).after is None
    assert read(429, error("RATE_LIMITED", retryAfter=-1), {"retry-after": "Sat, 21 Nov 2026 10:00:00 GMT"}).after is None
    assert read(422, error("BITRIX_ERROR", "x", b24Code="QUERY_LIMIT_EXCEEDED")).throttled
    assert read(422, error("BITRIX_ERROR", "x", b24Code="OPERATION_TIME_LIMIT")).after == 60.0


def test_a_redirect_stops_the_run_and_names_only_the_new_host():
    verdict = read(302, b"", {"location": "https://new.bitrix24.ru/rest/1/secretcode/"})
    assert isinstance(verdict, Denied)
    assert "new.bitrix24.ru" in verdict.message
    assert "secretcode" not in verdict.message


@pytest.mark.parametrize("status", [413, 414, 431])
def test_a_refusal_by_size_is_the_rows_own(status):
    assert isinstance(read(status, b"<html>"), Refused)


def test_a_missing_route_stops_the_run_until_something_has_started():
    verdict = read(404, b"<html>nothing here</html>")
    assert isinstance(verdict, Denied)
    assert verdict.per_run
    assert isinstance(verdict.afterwards, InDoubt)
    assert isinstance(read(404, error("ROUTE_NOT_FOUND")).afterwards, Refused)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "success",
                    "error",
                    "data",
                    "code",
                    "message",
                    "workflowId",
                    "b24Code",
                    "rateLimit",
                    "portal",
                    "id",
                    "parameters",
                    "documentType",
                ]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(status=st.integers(100, 599), body=st.one_of(st.binary(max_size=60), _json.map(lambda value: json.dumps(value).encode())))
def test_reading_never_raises_and_claims_a_start_only_for_a_whole_success(status, body):
    answer = Answer(status, {"retry-after": "x", "x-ratelimit-remaining": "nan", "location": "//"}, body)
    (verdict,) = GATEWAY.read_start([REQUEST], answer)
    if isinstance(verdict, Started):
        payload = json.loads(body)
        assert status == 201
        assert payload["success"] is True
        assert payload["data"]["workflowId"] == verdict.workflow_id
    GATEWAY.read_me(answer)
    GATEWAY.read_templates(answer)
    GATEWAY.read_warning(answer)
    GATEWAY.read_hint(answer, 1.7e9)


def test_nesting_beyond_reason_is_in_doubt():
    assert isinstance(read(201, b"[" * 100_000), InDoubt)


def test_rate_headers_are_read_as_seconds_or_as_an_epoch():
    def hint(**headers):
        return GATEWAY.read_hint(
            Answer(201, {f"x-ratelimit-{name}": value for name, value in headers.items()}, b""), 1_800_000_000.0
        )

    assert hint(limit="300", remaining="12", reset="30").reset_seconds == 30
    assert hint(limit="300", remaining="12", reset="1800000042").reset_seconds == 42
    assert hint(limit="300", remaining="12", reset="1700000000").reset_seconds == 0
    assert hint(limit="300", remaining="12").reset_seconds is None
    assert hint(limit="300") is None
    assert hint(limit="0", remaining="5") is None
    assert hint(limit="x", remaining="-5") is None


def me(body, status=200):
    return GATEWAY.read_me(Answer(status, {}, json.dumps(body).encode()))


def test_me_names_the_portal_in_every_form_and_its_limit():
    for portal in (
        "Acme.bitrix24.ru",
        "https://acme.bitrix24.ru/",
        {"domain": "acme.Bitrix24.ru"},
        {"name": "Acme", "url": "https://acme.bitrix24.ru"},
    ):
        assert me({"success": True, "data": {"portal": portal, "rateLimit": {"requestsPerSecond": 10}}}) == Me(
            "acme.bitrix24.ru", 10.0
        )
    assert me({"success": True, "data": {"portal": "Acme", "rateLimit": {"requestsPerSecond": 0}}}) == Me()
    assert isinstance(me(error("INVALID_API_KEY"), 401), Denied)
    assert me(error("ROUTE_NOT_FOUND"), 404).code == "ROUTE_NOT_FOUND"
    assert me([]) is None
    assert me(error("INTERNAL_ERROR"), 500) is None

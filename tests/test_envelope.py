"""What an answer of the native dialect proves: the table of bitrix24-api.md 4.3, line by line, and everything beside it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.gateways.envelope import opened, read_start, read_time
from bulkstart.model import Answer, Busy, Denied, InDoubt, Refused, Started
from bulkstart.operating import Spent

ID = "66e81a641752f8.56521481"
TEXTS = ("Wrong DOCUMENT_ID!", "Incorrect document type!", "Template type and DOCUMENT_ID mismatch!")


def read(status, body, headers=None, *, oauth=False):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_start(Answer(status, headers or {}, raw), oauth=oauth)


def error(code, text="text"):
    return {"error": code, "error_description": text}


def test_200_with_an_id_is_a_start_and_the_id_is_kept_to_the_letter():
    assert read(200, {"result": ID, "time": {"operating": 1}}) == Started(ID)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"result": None}),
        (200, {"result": False}),
        (200, {"result": True}),
        (200, {"result": ""}),
        (200, {"result": " "}),
        (200, {"result": 5}),
        (200, {"result": {"id": ID}}),
        (200, {"time": {}}),
        (200, {}),
        (200, []),
        (200, b""),
        (200, b"<html>ok</html>"),
        (200, b'{"result": "66e8'),
        (201, {"result": ID}),
        (202, {"result": ID}),
        (200, {"result": ID, "error": ""}),
        (200, {"result": ID, "error": None}),
        (200, {"result": ID, **error("ACCESS_DENIED")}),
        (400, {"result": ID, **error("", "Wrong DOCUMENT_ID!")}),
        (400, error("", "Достигнут лимит: 2")),
        (400, error("", "wrong document_id!")),
        (400, error("", "Wrong DOCUMENT_ID! ")),
        (400, error("", "Template not found")),
        (400, error("ERROR_CORE", "Wrong DOCUMENT_ID!")),
        (400, error("0")),
        (400, error(" ", "Wrong DOCUMENT_ID!")),
        (400, {"error": 0, "error_description": "Wrong DOCUMENT_ID!"}),
        (400, {"error": None}),
        (400, {"error": {"code": "ACCESS_DENIED", "message": "Access denied!"}}),
        (400, {"error": ["ACCESS_DENIED"]}),
        (400, {"error_description": "Wrong DOCUMENT_ID!"}),
        (500, error("INTERNAL_SERVER_ERROR")),
        (500, error("ERROR_UNEXPECTED_ANSWER")),
        (500, error("ERROR_CORE")),
        (403, error("SOMETHING_NEW", "Access denied!")),
        (503, error("SOMETHING_NEW")),
        (503, b"<html>slow down</html>"),
        (429, b""),
        (401, b"<html>"),
        (403, b"<html>forbidden</html>"),
        (502, b"<html>bad gateway</html>"),
        (504, b""),
        (500, {}),
        (408, b""),
    ],
)
def test_what_proves_nothing_is_in_doubt(status, body):
    verdict = read(status, body)
    assert isinstance(verdict, InDoubt)
    assert verdict.code
    assert verdict.message


@pytest.mark.parametrize(
    "code",
    """INVALID_REQUEST ACCESS_DENIED INVALID_CREDENTIALS NO_AUTH_FOUND expired_token invalid_token authorization_error
    APPLICATION_NOT_FOUND ERROR_OAUTH WRONG_AUTH_TYPE user_access_error allowed_only_intranet_user insufficient_scope invalid_scope
    METHOD_CONFIRM_WAITING METHOD_CONFIRM_DENIED PAYMENT_REQUIRED ERROR_MANIFEST_IS_NOT_AVAILABLE ERROR_METHOD_NOT_FOUND
    PORTAL_DELETED""".split(),
)
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 410, 500])
def test_a_denial_stops_the_run_by_its_code_whatever_the_status(code, status):
    for spelled in (code, code.upper(), code.lower()):
        assert read(status, error(spelled)) == Denied(spelled, "text")


@pytest.mark.parametrize("status", [401, 503])
def test_the_vendors_own_block_stops_the_run_although_it_shares_its_status_with_throttling(status):
    assert read(status, error("OVERLOAD_LIMIT")) == Denied("OVERLOAD_LIMIT", "text", exit_code=6)


@pytest.mark.parametrize("status", [200, 429, 503])
def test_throttling_by_rate_and_by_operating_time_are_told_apart_by_their_code(status):
    assert read(status, error("query_limit_exceeded")) == Busy("query_limit_exceeded", "text", throttled=True)
    assert read(status, error("operation_time_limit")) == Busy("OPERATION_TIME_LIMIT", "text", throttled=True, after=60.0)


def test_a_retry_after_is_honoured_where_there_is_one():
    assert read(503, error("QUERY_LIMIT_EXCEEDED"), {"retry-after": "7"}).after == 7.0
    assert read(429, error("OPERATION_TIME_LIMIT"), {"retry-after": "7"}).after == 7.0


def test_a_front_server_that_counts_requests_asks_to_wait_with_its_status_alone():
    assert read(429, error("RATE_LIMITED"), {"retry-after": "2"}) == Busy("RATE_LIMITED", "text", throttled=True, after=2.0)
    for status in (200, 400, 500, 503):
        assert isinstance(read(status, error("RATE_LIMITED")), InDoubt), "a code of no native table proves nothing"


def test_an_expired_token_is_busy_where_it_can_be_renewed_and_a_denial_where_not():
    assert read(401, error("EXPIRED_TOKEN"), oauth=True) == Busy("expired_token", "text")
    assert isinstance(read(401, error("expired_token")), Denied)


@pytest.mark.parametrize("code", ["ERROR_ARGUMENT", "ERROR_BATCH_METHOD_NOT_ALLOWED", "error_argument"])
def test_a_refusal_before_execution_is_the_rows_own(code):
    assert read(400, error(code)) == Refused(code, "text")
    assert read(404, error(code)) == Refused(code, "text")


@pytest.mark.parametrize("text", ["Empty TEMPLATE_ID", "Template not found", "что угодно"])
def test_a_template_that_is_gone_is_gone_for_every_row_of_it(text):
    assert read(400, error("ERROR_WRONG_WORKFLOW_ID", text)) == Refused("ERROR_WRONG_WORKFLOW_ID", text, template_gone=True)


@pytest.mark.parametrize("text", TEXTS)
def test_three_texts_without_a_code_refuse_the_row_and_have_a_code_all_the_same(text):
    refused = read(400, error("", text))
    assert isinstance(refused, Refused)
    assert refused.code == "BITRIX_ERROR"
    assert refused.message.startswith(text)
    assert not refused.template_gone


@pytest.mark.parametrize(("oauth", "setting"), [(False, "BULKSTART_WEBHOOK_URL"), (True, "BULKSTART_PORTAL_URL")])
def test_another_address_stops_the_run_and_names_host_and_setting_but_no_code(oauth, setting):
    verdict = read(302, b"<html>", {"location": "https://new.bitrix24.ru/rest/1/secretcode/bizproc.workflow.start"}, oauth=oauth)
    assert isinstance(verdict, Denied)
    assert "new.bitrix24.ru" in verdict.message
    assert setting in verdict.message
    assert "secretcode" not in verdict.message
    nobody = read(404, b"<html>", oauth=oauth)
    assert isinstance(nobody, Denied)
    assert setting in nobody.message
    assert isinstance(nobody.afterwards, InDoubt)


@pytest.mark.parametrize("status", [413, 414, 431])
def test_a_refusal_by_size_is_the_rows_own(status):
    assert isinstance(read(status, b"<html>"), Refused)


def test_time_is_read_on_the_portals_own_clock():
    def spent(**time):
        return read_time(Answer(200, {}, json.dumps({"result": ID, "time": time}).encode()))

    assert spent(finish=1726476060.5, operating_reset_at=1726476660, operating=3.25, duration=0.25) == Spent(3.25, 599.5, 0.25)
    assert spent(operating=0, duration=0) == Spent(0.0, None, 0.0)
    assert spent(finish=1726476060, operating_reset_at=1726476000).reset_in == 0.0
    assert spent(finish="x", operating_reset_at=[], operating=None, duration=-1) == Spent()
    assert spent(finish=True, operating_reset_at=0) == Spent()
    assert read_time(Answer(200, {}, b'{"time": 5}')) == Spent()
    assert read_time(Answer(503, {}, b"<html>")) == Spent()


def test_a_result_is_only_that_of_a_success():
    assert opened(Answer(200, {}, b'{"result": [1]}'), oauth=False).result == [1]
    assert opened(Answer(400, {}, b'{"result": [1], "error": ""}'), oauth=False).result is None


TOLD = """result error error_description time operating operating_reset_at finish duration total next result_error result_time
    ID ADMIN TEMPLATE_ID DOCUMENT_ID""".split()
CODES = ["", "ACCESS_DENIED", "expired_token", "OPERATION_TIME_LIMIT", "QUERY_LIMIT_EXCEEDED", "ERROR_CORE", ID, *TEXTS]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(CODES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(TOLD) | st.text(max_size=4), inner, max_size=5),
    max_leaves=12,
)
bodies = st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode())


@given(status=st.integers(100, 599), body=bodies, oauth=st.booleans())
def test_reading_never_raises_and_claims_a_start_only_for_a_whole_success(status, body, oauth):
    answer = Answer(status, {"retry-after": "x", "location": "//"}, body)
    verdict = read_start(answer, oauth=oauth)
    read_time(answer)
    if isinstance(verdict, Started):
        payload = json.loads(body)
        assert status == 200
        assert "error" not in payload
        assert payload["result"] == verdict.workflow_id


KNOWN = {
    code.upper()
    for code in """INVALID_REQUEST ACCESS_DENIED INVALID_CREDENTIALS NO_AUTH_FOUND EXPIRED_TOKEN INVALID_TOKEN AUTHORIZATION_ERROR
    APPLICATION_NOT_FOUND ERROR_OAUTH WRONG_AUTH_TYPE USER_ACCESS_ERROR ALLOWED_ONLY_INTRANET_USER INSUFFICIENT_SCOPE INVALID_SCOPE
    METHOD_CONFIRM_WAITING METHOD_CONFIRM_DENIED PAYMENT_REQUIRED ERROR_MANIFEST_IS_NOT_AVAILABLE ERROR_METHOD_NOT_FOUND
    PORTAL_DELETED OVERLOAD_LIMIT ERROR_WRONG_WORKFLOW_ID ERROR_ARGUMENT ERROR_BATCH_METHOD_NOT_ALLOWED QUERY_LIMIT_EXCEEDED
    OPERATION_TIME_LIMIT""".split()
}


@given(
    status=st.sampled_from([200, 400, 401, 403, 404, 429, 500, 503]),
    code=st.text(min_size=1, max_size=30).filter(lambda code: code.strip() and code.strip().upper() not in KNOWN),
    text=st.sampled_from(["Access denied!", *TEXTS, "Template not found"]),
    oauth=st.booleans(),
)
def test_an_unknown_code_is_in_doubt_whatever_the_status_and_the_text(status, code, text, oauth):
    assert read(status, error(code, text), oauth=oauth) == InDoubt(code.strip(), text)


@given(st.text(max_size=40).filter(lambda text: text not in TEXTS))
def test_an_unknown_text_without_a_code_is_in_doubt(text):
    assert isinstance(read(400, error("", text)), InDoubt)

"""The tables of codes against the page: bitrix24-api.md 4.3 (native) and 4.4 (Vibecode), written down here once more."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.gateways import codes
from bulkstart.gateways.codes import native_answer, native_verdict, vibecode_verdict
from bulkstart.model import Busy, Denied, InDoubt, Refused

NATIVE = {
    "denied": """INVALID_REQUEST ACCESS_DENIED INVALID_CREDENTIALS NO_AUTH_FOUND expired_token invalid_token authorization_error
        APPLICATION_NOT_FOUND ERROR_OAUTH WRONG_AUTH_TYPE user_access_error allowed_only_intranet_user insufficient_scope
        invalid_scope METHOD_CONFIRM_WAITING METHOD_CONFIRM_DENIED PAYMENT_REQUIRED ERROR_MANIFEST_IS_NOT_AVAILABLE
        ERROR_METHOD_NOT_FOUND PORTAL_DELETED""",
    "refused": "ERROR_WRONG_WORKFLOW_ID ERROR_ARGUMENT ERROR_BATCH_METHOD_NOT_ALLOWED",
    "told to stop": "OVERLOAD_LIMIT",
    "throttled": "QUERY_LIMIT_EXCEEDED OPERATION_TIME_LIMIT",
    "unknown": "INTERNAL_SERVER_ERROR ERROR_UNEXPECTED_ANSWER ERROR_CORE",
}
VIBECODE = {
    "denied": """MISSING_API_KEY INVALID_API_KEY INVALID_APP_KEY INVALID_SESSION TOKEN_MISSING TOKEN_EXPIRED SCOPE_DENIED
        OAUTH_REQUIRED WRITE_BLOCKED_READONLY_KEY KEY_POLICY_READONLY_REQUIRED MANAGEMENT_KEY_NO_ENTITY_ACCESS MANAGEMENT_ANY""",
    "denied until a start": "BITRIX_ACCESS_DENIED",
    "no route": "ROUTE_NOT_FOUND NOT_FOUND",
    "refused": "MISSING_PARAMS VALIDATION_ERROR ENTITY_NOT_FOUND",
    "told to stop": "ERROR_LOOP_DETECTED",
    "throttled": "RATE_LIMITED",
    "unknown": "INTERNAL_ERROR BITRIX_UNAVAILABLE QUEUE_TIMEOUT BITRIX_ERROR",
}


def kind_of(verdict):
    match verdict:
        case None | InDoubt():
            return "unknown"
        case Refused():
            return "refused"
        case Busy(throttled=True):
            return "throttled"
        case Denied(exit_code=6):
            return "told to stop"
        case Denied(afterwards=None, exit_code=7):
            return "denied"
        case Denied(afterwards=Refused(), per_run=True):
            return "no route"
        case Denied(afterwards=Refused()):
            return "denied until a start"
    return "something else"


def pairs(page):
    return [(code, kind) for kind, words in page.items() for code in words.split()]


def relayed(code, message="text"):
    return vibecode_verdict("BITRIX_ERROR", message, native_code=code, after=None)


def vibecode(code, message="text", after=None):
    return vibecode_verdict(code, message, native_code="", after=after)


def spellings(code):
    return {code, code.lower(), code.upper(), code.title()}


@pytest.mark.parametrize(("code", "kind"), pairs(NATIVE))
def test_a_native_code_means_what_its_line_of_the_page_says_in_any_case(code, kind):
    assert {kind_of(native_verdict(spelled, "text")) for spelled in spellings(code)} == {kind}


@pytest.mark.parametrize(("code", "kind"), pairs(VIBECODE))
def test_a_vibecode_code_means_what_its_line_of_the_page_says_in_any_case(code, kind):
    assert {kind_of(vibecode(spelled)) for spelled in spellings(code)} == {kind}


@pytest.mark.parametrize(("code", "kind"), pairs(NATIVE))
def test_a_native_code_that_the_gateway_relays_means_the_same(code, kind):
    assert kind_of(relayed(code)) == kind
    assert relayed(code).code == "BITRIX_ERROR", "the row is told the code that the gateway gave"


@pytest.mark.parametrize(
    "tables",
    [
        [codes.NATIVE_DENIED, codes.NATIVE_REFUSED],
        [codes.VIBECODE_DENIED, codes.VIBECODE_REFUSED, codes.VIBECODE_NO_ROUTE],
        [set(codes.REFUSING_TEXTS), set(codes.TEMPLATE_TEXTS)],
    ],
)
def test_nothing_stands_in_two_tables(tables):
    for one, other in itertools.combinations(tables, 2):
        assert not one & other


def test_the_tables_hold_nothing_that_the_page_does_not():
    page = {kind: {code.upper() for code in words.split()} for kind, words in NATIVE.items()}
    assert (page["denied"], page["refused"]) == (codes.NATIVE_DENIED, codes.NATIVE_REFUSED)
    page = {kind: set(words.split()) for kind, words in VIBECODE.items()}
    assert {code for code in page["denied"] if not code.startswith("MANAGEMENT_")} == codes.VIBECODE_DENIED
    assert (page["refused"], page["no route"]) == (codes.VIBECODE_REFUSED, codes.VIBECODE_NO_ROUTE)


KNOWN = {code.upper() for page in (NATIVE, VIBECODE) for words in page.values() for code in words.split()}


@given(st.text(max_size=30).filter(lambda code: code.upper() not in KNOWN and not code.upper().startswith("MANAGEMENT_")))
def test_a_code_that_stands_nowhere_proves_nothing(code):
    assert native_verdict(code, "Access denied!") is None
    assert vibecode(code, "Template not found") == InDoubt(code, "Template not found")
    assert relayed(code or "X", "Wrong DOCUMENT_ID!") == InDoubt("BITRIX_ERROR", "Wrong DOCUMENT_ID!")


@pytest.mark.parametrize("text", ["Wrong DOCUMENT_ID!", "Incorrect document type!", "Template type and DOCUMENT_ID mismatch!"])
def test_a_text_that_is_fixed_in_the_source_refuses_the_row_and_says_what_it_means(text):
    refused = relayed("", text)
    assert isinstance(refused, Refused)
    assert not refused.template_gone
    assert refused.message.startswith(f"{text} (")
    for other in (text.lower(), f"{text} ", f" {text}", text[:-1], f"{text}\n"):
        assert relayed("", other) == InDoubt("BITRIX_ERROR", other), "to the letter, or it proves nothing"


@pytest.mark.parametrize("text", ["Template not found", "Empty TEMPLATE_ID"])
def test_a_template_that_is_not_there_is_gone_for_every_row_of_it(text):
    assert relayed("", text).template_gone
    assert native_verdict("error_wrong_workflow_id", text) == Refused("error_wrong_workflow_id", text, template_gone=True)
    assert not native_verdict("ERROR_ARGUMENT", text).template_gone


def test_throttling_says_how_long_where_that_is_known():
    assert vibecode("RATE_LIMITED", after=7.5).after == 7.5
    assert vibecode("RATE_LIMITED").after is None
    assert native_verdict("QUERY_LIMIT_EXCEEDED", "").after is None
    assert native_verdict("OPERATION_TIME_LIMIT", "").after == 60.0


def native(code, message="text", **more):
    return native_answer(code, message, **more)


@pytest.mark.parametrize(("code", "kind"), pairs(NATIVE))
def test_the_native_dialect_itself_answers_by_the_same_table(code, kind):
    assert kind_of(native(code)) == kind
    assert native(code).code.upper() == code.upper()


def test_an_expired_token_asks_for_a_new_one_only_where_there_can_be_one():
    assert native("Expired_Token", renewable=True) == Busy(codes.EXPIRED_TOKEN, "text")
    assert kind_of(native("expired_token")) == "denied"
    assert kind_of(native("invalid_token", renewable=True)) == "denied"


@pytest.mark.parametrize("text", ["Template not found", "Empty TEMPLATE_ID", "text", ""])
def test_without_a_code_only_the_three_texts_refuse_and_every_row_has_a_code(text):
    assert native("", text) == InDoubt("BITRIX_ERROR", text)
    for known in codes.REFUSING_TEXTS:
        assert native("", known) == relayed("", known)


def test_what_the_portal_says_of_waiting_wins_over_what_we_assume():
    assert native("OPERATION_TIME_LIMIT", after=7.0).after == 7.0
    assert native("QUERY_LIMIT_EXCEEDED", after=7.0).after == 7.0
    assert not hasattr(native("ERROR_ARGUMENT", after=7.0), "after")

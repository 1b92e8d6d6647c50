"""A pair of tokens, the request for a new one, and every answer to it (bitrix24-api.md 5.1)."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.gateways.native import Native
from bulkstart.model import Answer, Denied, HttpCall, StartRequest
from bulkstart.oauth import ADVICE, Client, Tokens, moved, read_refresh, refresh_address, refused, signed
from bulkstart.secret import Secret, redact

CLIENT = Client("local.57df90", Secret("client&secret=1"), "https://oauth.example/")
PAIR = Tokens(Secret("access-token-1"), Secret("refresh/token+1"))
GOOD = {
    "access_token": "access-token-2", "refresh_token": "refresh-token-2", "expires": 1726479660, "expires_in": 3600,
    "client_endpoint": "https://acme.bitrix24.ru/rest/", "server_endpoint": "https://oauth.bitrix.info/rest/", "domain": "x",
    "member_id": "a", "scope": "crm,bizproc", "status": "L", "user_id": 1,
}  # fmt: skip


def read(body, status=200):
    return read_refresh(Answer(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode()))


def test_the_request_is_the_documented_one_and_every_value_is_quoted():
    address = urlsplit(refresh_address(CLIENT, PAIR.refresh).reveal())
    assert (address.scheme, address.netloc, address.path) == ("https", "oauth.example", "/oauth/token/")
    assert parse_qs(address.query, strict_parsing=True) == {
        "grant_type": ["refresh_token"],
        "client_id": ["local.57df90"],
        "client_secret": ["client&secret=1"],
        "refresh_token": ["refresh/token+1"],
    }


def test_nothing_of_it_is_ever_shown():
    address = refresh_address(CLIENT, PAIR.refresh)
    shown = f"{address} {CLIENT!r} {PAIR!r} {redact(address.reveal())} {redact('it is refresh/token+1')}"
    for hidden in ("client&secret", "client%26secret", "refresh/token", "refresh%2Ftoken", "access-token"):
        assert hidden not in shown


def test_a_new_pair_is_read_with_its_endpoint():
    pair = read(GOOD)
    assert (pair.access.reveal(), pair.refresh.reveal(), pair.endpoint) == (
        "access-token-2", "refresh-token-2", "https://acme.bitrix24.ru/rest/",
    )  # fmt: skip


@pytest.mark.parametrize("status", [200, 400, 401, 402, 403])
@pytest.mark.parametrize(
    "code",
    "invalid_request invalid_client invalid_grant insufficient_scope invalid_scope PAYMENT_REQUIRED wrong_client NOT_INSTALLED".split(),
)
def test_a_refusal_is_known_by_its_code_whatever_the_status_and_says_what_to_do(code, status):
    for spelled in (code, code.upper(), code.lower()):
        assert read({"error": spelled}, status) == Denied(code, ADVICE[code])


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, {"error": "something_new"}, "OAUTH_REFUSED"),
        (200, {**GOOD, "error": ""}, "OAUTH_REFUSED"),
        (200, {**GOOD, "error": 5}, "OAUTH_REFUSED"),
        (200, {**GOOD, "access_token": ""}, "OAUTH_UNREACHABLE"),
        (200, {**GOOD, "refresh_token": None}, "OAUTH_UNREACHABLE"),
        (200, {**GOOD, "access_token": "a b"}, "OAUTH_UNREACHABLE"),
        (200, {**GOOD, "access_token": "токен"}, "OAUTH_UNREACHABLE"),
        (201, GOOD, "OAUTH_UNREACHABLE"),
        (200, [], "OAUTH_UNREACHABLE"),
        (200, b"", "OAUTH_UNREACHABLE"),
        (502, b"<html>", "OAUTH_UNREACHABLE"),
        (302, b"", "OAUTH_MOVED"),
    ],
)
def test_anything_else_is_no_new_pair(status, body, code):
    found = read(body, status)
    assert isinstance(found, Denied)
    assert found.code == code
    assert found.exit_code == 7


def test_a_code_nobody_knows_is_shown():
    assert "something_new" in read({"error": "something_new"}, 400).message
    assert refused("invalid_grant").message == ADVICE["invalid_grant"]


@given(status=st.integers(100, 599), body=st.binary(max_size=50) | st.dictionaries(st.sampled_from(["error", *GOOD]), st.none() | st.integers() | st.text(max_size=5)).map(lambda found: json.dumps(found).encode()))  # fmt: skip
def test_no_answer_makes_the_reader_raise(status, body):
    found = read(body, status)
    assert isinstance(found, Tokens) or found.code in ADVICE


def test_the_token_goes_into_the_body_and_nowhere_else():
    call = Native(oauth=True).start_call([StartRequest(1, "deal", 7, {"auth": "mine"})])
    sent = signed(call, PAIR)
    assert (sent.method, sent.path, sent.query) == ("POST", "/bizproc.workflow.start", ())
    assert json.loads(sent.body) == json.loads(call.body) | {"auth": "access-token-1"}
    assert json.loads(sent.body)["PARAMETERS"] == {"auth": "mine"}
    assert json.loads(signed(HttpCall("POST", "/profile"), PAIR).body) == {"auth": "access-token-1"}


def test_pairs_are_known_by_their_token_and_descents_by_a_digest_that_does_not_hold_it():
    assert PAIR.same_as(Tokens(Secret("access-token-1")))
    assert not PAIR.same_as(Tokens(Secret("access-token-2")))
    assert Tokens(Secret("x"), PAIR.refresh).seed == PAIR.seed != Tokens(Secret("x")).seed
    assert "refresh" not in PAIR.seed


@pytest.mark.parametrize(
    ("endpoint", "has_moved"),
    [
        ("", False),
        ("https://acme.bitrix24.ru/rest/", False),
        ("https://ACME.bitrix24.ru/rest/", False),
        ("https://new.bitrix24.ru/rest/", True),
        ("https://[x/rest/", True),
    ],
)
def test_a_portal_at_another_host_has_moved(endpoint, has_moved):
    assert moved("https://acme.bitrix24.ru", Tokens(Secret("a"), None, endpoint)) is has_moved

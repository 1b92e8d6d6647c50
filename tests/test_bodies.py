"""What both dialects share in reading an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.gateways.bodies import (
    WORKFLOW_ID,
    decode,
    domain_of,
    redirected,
    retry_after,
    seconds_of,
    text_of,
    without_envelope,
)  # fmt: skip
from bulkstart.model import Answer, Denied, InDoubt, Refused


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a": ', b"\xff\xfe{}", b"[" * 100_000])
def test_a_body_that_is_no_json_is_nothing(body):
    assert decode(body) is None
    assert decode(b'{"a": "\xd0\x96"}') == {"a": "Ж"}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (2, 2.0),
        ("1.5", 1.5),
        (0, 0.0),
        (1e9, 86_400.0),
        (-1, None),
        (True, None),
        ("x", None),
        (None, None),
        ("nan", None),
        (10**400, None),
        ([], None),
    ],
)
def test_a_wait_is_a_number_or_digits_and_nothing_absurd(value, seconds):
    assert seconds_of(value) == seconds


def test_retry_after_is_seconds_or_a_date_against_the_answers_own():
    date = {"date": "Sat, 21 Nov 2026 10:00:00 GMT"}
    assert retry_after(Answer(503, {"retry-after": "3"}, b"")) == 3.0
    assert retry_after(Answer(503, {"retry-after": "Sat, 21 Nov 2026 10:00:07 GMT", **date}, b"")) == 7.0
    assert retry_after(Answer(503, {"retry-after": "Sat, 21 Nov 2026 09:00:00 GMT", **date}, b"")) == 0.0
    assert retry_after(Answer(503, {"retry-after": "soon"}, b"")) is None


@pytest.mark.parametrize(
    "address", ["https://New.Bitrix24.ru/rest/1/secretcode/", "new.bitrix24.ru", {"url": "http://new.bitrix24.ru"}]
)
def test_a_redirect_names_the_new_host_and_the_setting_and_nothing_of_the_path(address):
    assert domain_of(address) == "new.bitrix24.ru"
    denied = redirected(Answer(302, {"location": address} if isinstance(address, str) else {}, b""), "BULKSTART_X")
    assert isinstance(denied, Denied)
    assert denied.code == "HTTP_302"
    assert "BULKSTART_X" in denied.message
    assert "secretcode" not in denied.message
    assert ("new.bitrix24.ru" in denied.message) is isinstance(address, str)


def test_an_address_with_a_user_in_it_names_no_host():
    assert domain_of("https://user:secret@new.bitrix24.ru/") == ""


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (413, Refused),
        (414, Refused),
        (431, Refused),
        (404, Denied),
        (200, InDoubt),
        (408, InDoubt),
        (407, InDoubt),
        (502, InDoubt),
        (504, InDoubt),
    ],
)
def test_without_the_portals_own_words_only_a_refusal_by_size_and_a_wrong_address_prove_anything(status, kind):
    verdict = without_envelope(Answer(status, {}, b"<html>"), "nobody here")
    assert type(verdict) is kind
    assert bool(getattr(verdict, "stops", "")) is (status == 407)
    if isinstance(verdict, Denied):
        assert (verdict.message, verdict.per_run, type(verdict.afterwards)) == ("nobody here", True, InDoubt)


@given(st.text(max_size=5))
def test_a_workflow_id_is_one_line_of_plain_characters(text):
    fits = bool(text) and all(" " <= sign <= "~" for sign in text) and text.strip() == text
    assert bool(WORKFLOW_ID.fullmatch(text)) is fits
    assert text_of(text) == text
    assert text_of(5) == ""

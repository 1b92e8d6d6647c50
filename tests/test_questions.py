"""The native dialect's questions before a run (bitrix24-api.md 1.10)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from bulkstart.gateways import questions
from bulkstart.gateways.envelope import opened
from bulkstart.gateways.questions import App, Method, Profile
from bulkstart.model import Answer, Denied
from tests.test_envelope import json_values


def reply(result, status=200):
    return opened(Answer(status, {}, json.dumps({"result": result, "time": {}}).encode()), oauth=False)


REFUSED = opened(Answer(400, {}, b'{"error": "ACCESS_DENIED", "error_description": "x"}'), oauth=False)
READERS = [
    questions.read_profile,
    questions.read_admin,
    questions.read_scopes,
    questions.read_method,
    questions.read_app,
    questions.read_clock,
]


@pytest.mark.parametrize(
    ("call", "path", "body"),
    [
        (questions.profile_call(), "/profile", {}),
        (questions.admin_call(), "/user.admin", {}),
        (questions.scope_call(), "/scope", {}),
        (questions.method_call("bizproc.workflow.START"), "/method.get", {"name": "bizproc.workflow.start"}),
        (questions.app_call(), "/app.info", {}),
        (questions.clock_call(), "/server.time", {}),
    ],
)
def test_every_question_is_a_post_of_an_object(call, path, body):
    assert (call.method, call.path, call.query, json.loads(call.body)) == ("POST", path, (), body)


def test_a_profile_tells_who_and_whether_an_administrator():
    assert questions.read_profile(reply({"ID": "1", "ADMIN": True, "NAME": "Анна", "LAST_NAME": ""})) == Profile(
        1, "Анна", admin=True
    )
    assert questions.read_profile(reply({"ID": 7, "ADMIN": False, "NAME": "A", "LAST_NAME": "B"})) == Profile(
        7, "A B", admin=False
    )
    assert questions.read_profile(reply({"ID": "7"})) == Profile(7)
    assert questions.read_profile(reply({"ID": "x"})) is None


def test_flags_come_as_words_or_as_booleans():
    assert [questions.read_admin(reply(value)) for value in (True, False, "Y", "N", "1", 0, None, [])] == [
        True, False, True, False, True, False, None, None,
    ]  # fmt: skip


def test_scopes_are_a_list_or_come_under_keys():
    assert questions.read_scopes(reply(["crm", "BIZPROC"])) == {"crm", "bizproc"}
    assert questions.read_scopes(reply({"0": "crm"})) == {"crm"}
    assert questions.read_scopes(reply("crm")) is None


def test_a_method_exists_and_is_available_or_that_is_not_told():
    assert questions.read_method(reply({"isExisting": True, "isAvailable": False})) == Method(exists=True, available=False)
    assert questions.read_method(reply({"isExisting": True})) is None


@pytest.mark.parametrize(
    ("family", "bucket"), [("ent", (5, 250)), ("ENT1000", (5, 250)), ("pro100", (2, 50)), ("basic", (2, 50)), ("", None)]
)
def test_the_plan_tells_the_bucket(family, bucket):
    assert questions.read_app(reply({"LICENSE_FAMILY": family})).bucket == bucket


def test_the_application_tells_whether_it_is_installed_and_paid_for():
    told = questions.read_app(reply({"LICENSE_FAMILY": "ent", "INSTALLED": True, "PAYMENT_EXPIRED": "N"}))
    assert told == App("ent", installed=True, payment_expired=False)


def test_the_clock_is_iso_with_an_offset_or_nothing():
    assert questions.read_clock(reply("2024-09-16T11:41:00+03:00")) == 1726476060.0
    for odd in ("2024-09-16T11:41:00", "soon", "", None, 5):
        assert questions.read_clock(reply(odd)) is None


@pytest.mark.parametrize("read", READERS)
def test_a_refused_question_has_no_answer_but_says_why(read):
    assert read(REFUSED) is None
    assert REFUSED.failed == Denied("ACCESS_DENIED", "x")


@given(json_values)
def test_no_answer_makes_a_reader_raise(value):
    for read in READERS:
        read(reply(value))

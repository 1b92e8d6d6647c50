"""The native gateway as the rest of the program sees it: what goes out, and what its lists and questions give back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.gateways import Me, Stopped, questions
from bulkstart.gateways.native import Native, body_of
from bulkstart.model import Answer, Busy, Denied, InDoubt, Started, StartRequest
from bulkstart.operating import Spent
from tests.test_envelope import bodies, error

WEBHOOK, OAUTH = Native("acme.bitrix24.ru"), Native("acme.bitrix24.ru", oauth=True)
REQUEST = StartRequest(713, "deal", 5141)
ROW = {
    "ID": "66e4a.1", "MODULE_ID": "crm", "ENTITY": "CCrmDocumentDeal", "DOCUMENT_ID": "DEAL_1633",
    "STARTED": "2023-12-27T19:13:49+02:00", "OWNED_UNTIL": None, "TEMPLATE_ID": "212", "STARTED_BY": "0",
}  # fmt: skip


def answer(body, status=200):
    return Answer(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


def sent(call):
    assert (call.method, call.query) == ("POST", ())
    body = json.loads(call.body)
    assert isinstance(body, dict)
    return call.path, body


def test_a_start_is_the_documented_body_in_upper_case_and_parameters_are_always_an_object():
    path, body = sent(WEBHOOK.start_call([REQUEST]))
    assert path == "/bizproc.workflow.start"
    assert body == {"TEMPLATE_ID": 713, "DOCUMENT_ID": ["crm", "CCrmDocumentDeal", "DEAL_5141"], "PARAMETERS": {}}
    assert body == body_of(REQUEST)
    assert body_of(StartRequest(1, "task", 2, {"a": "Ж", "n": 3}))["PARAMETERS"] == {"a": "Ж", "n": 3}


def test_what_is_no_document_is_never_sent():
    with pytest.raises(ValueError, match="no document"):
        WEBHOOK.start_call([StartRequest(1, "iblock_5", 2)])


def test_several_starts_are_one_batch_and_one_start_is_none():
    rows = [REQUEST, StartRequest(713, "deal", 7)]
    assert sent(WEBHOOK.start_call(rows))[0] == "/batch"
    maps = {"result": {"r0_713_5141": "a.1", "r1_713_7": "a.2"}, "result_error": [], "result_time": {"r1_713_7": {"duration": 2}}}
    assert WEBHOOK.read_start(rows, answer({"result": maps})) == [Started("a.1"), Started("a.2")]
    assert WEBHOOK.read_times(rows, answer({"result": maps})) == [Spent(), Spent(None, None, 2.0), Spent()]
    assert WEBHOOK.read_start([REQUEST], answer({"result": "a.1"})) == [Started("a.1")]
    assert WEBHOOK.read_times([REQUEST], answer({"result": "a.1", "time": {"operating": 2}})) == [Spent(2.0)]
    assert WEBHOOK.max_batch == 50
    assert not WEBHOOK.fits_batch(StartRequest(1, "deal", 1, {"a": "$result[x]"}))


def test_no_call_of_any_kind_knows_a_credential_or_an_address():
    for call in (
        WEBHOOK.start_call([REQUEST]),
        WEBHOOK.me_call(),
        WEBHOOK.template_call(WEBHOOK.template_paths()[0], 0),
        WEBHOOK.running_call(0, None),
        WEBHOOK.stop_call("66e4a.1", erase=False),
        WEBHOOK.stop_call("66e4a.1", erase=True),
        questions.clock_call(),
    ):
        assert call.path.count("/") == 1
        assert "auth" not in sent(call)[1]


def test_an_expired_token_is_seen_only_where_it_can_be_renewed():
    assert OAUTH.is_expired(answer(error("expired_token"), 401))
    assert not WEBHOOK.is_expired(answer(error("expired_token"), 401))
    assert not OAUTH.is_expired(answer(error("invalid_token"), 401))
    assert not OAUTH.is_expired(answer({"result": "a.1"}))


def test_me_is_the_profile_on_the_portal_of_the_address():
    assert WEBHOOK.read_me(answer({"result": {"ID": "1", "NAME": "A", "LAST_NAME": "B"}})) == Me("acme.bitrix24.ru", user="A B")
    assert WEBHOOK.read_me(answer({"result": {"ID": "1"}})).user == "1"
    assert isinstance(WEBHOOK.read_me(answer(error("INVALID_CREDENTIALS"), 401)), Denied)
    assert WEBHOOK.read_me(answer(b"<html>", 502)) is None
    assert WEBHOOK.read_me(answer({"result": []})) is None


def test_templates_are_asked_for_by_page_and_never_with_their_activity_tree():
    (path,) = WEBHOOK.template_paths()
    asked, body = sent(WEBHOOK.template_call(path, 50))
    assert asked == "/bizproc.workflow.template.list"
    assert body["start"] == 50
    assert "TEMPLATE" not in body["SELECT"]
    assert {"ID", "NAME", "ENTITY", "DOCUMENT_TYPE", "PARAMETERS"} <= set(body["SELECT"])


def test_a_page_of_templates_is_read_with_total_and_next():
    rows = [
        {"ID": "525", "NAME": "Contract", "MODULE_ID": "lists", "ENTITY": "BizprocDocument", "DOCUMENT_TYPE": "iblock_57", "PARAMETERS": []},
        {"ID": "x"},
        {"ID": "526", "DOCUMENT_TYPE": ["crm", "CCrmDocumentDeal", "DEAL"], "PARAMETERS": {"a": {"Name": "A", "Type": "user", "Required": "1"}}},
    ]  # fmt: skip
    page = answer({"result": rows, "total": 120, "next": 50})
    templates, total = WEBHOOK.read_templates(page)
    assert [(template.id, template.entity_type) for template in templates] == [(525, "feed_process"), (526, "deal")]
    assert templates[1].parameters[0].required
    assert total == 120
    assert WEBHOOK.read_next(page) == 50
    assert WEBHOOK.read_next(answer({"result": rows, "total": 2})) is None
    assert WEBHOOK.read_templates(answer({"result": {"7": rows[0]}}))[0][0].id == 525
    assert WEBHOOK.read_templates(answer(error("ACCESS_DENIED"), 403)) is None
    assert WEBHOOK.read_templates(answer({"result": "x"})) is None


def test_the_running_list_is_asked_for_in_an_order_that_never_changes():
    path, body = sent(WEBHOOK.running_call(50, 212))
    assert path == "/bizproc.workflow.instances"
    assert (body["ORDER"], body["FILTER"], body["start"]) == ({"ID": "ASC"}, {"TEMPLATE_ID": 212}, 50)
    assert set(ROW) <= set(body["SELECT"])
    assert sent(WEBHOOK.running_call(0, None))[1]["FILTER"] == {}


def test_a_page_of_the_running_list_is_read_with_its_total():
    page = answer({"result": [ROW, {**ROW, "ID": "66e4a.2", "TEMPLATE_ID": "213"}, {"ID": ""}], "total": 2})
    running, total = WEBHOOK.read_running(page)
    assert [(one.workflow_id, one.template_id, one.document) for one in running] == [
        ("66e4a.1", 212, ("deal", 1633)),
        ("66e4a.2", 213, ("deal", 1633)),
    ]
    assert total == 2
    assert WEBHOOK.read_running(answer(error("ACCESS_DENIED"), 403)) is None


def test_a_workflow_is_ended_by_its_id_as_text():
    assert sent(WEBHOOK.stop_call("66e4a.1", erase=False)) == ("/bizproc.workflow.terminate", {"ID": "66e4a.1"})
    assert sent(WEBHOOK.stop_call("66e4a.1", erase=True)) == ("/bizproc.workflow.kill", {"ID": "66e4a.1"})
    assert WEBHOOK.read_stop(answer({"result": True})) == Stopped()
    assert WEBHOOK.read_stop(answer(error("ERROR_WRONG_WORKFLOW_ID"), 400)) == Stopped(before=True)
    assert isinstance(WEBHOOK.read_stop(answer(error("ACCESS_DENIED"), 403)), Denied)
    assert isinstance(WEBHOOK.read_stop(answer(error("QUERY_LIMIT_EXCEEDED"), 503)), Busy)
    assert WEBHOOK.read_stop(answer(error("ERROR_ARGUMENT"), 400)) == InDoubt("ERROR_ARGUMENT", "text")
    for odd in ({"result": False}, {"result": 1}, {"result": "true"}, {}, b""):
        assert isinstance(WEBHOOK.read_stop(answer(odd)), InDoubt)


def test_a_lost_start_is_settled_after_a_minute():
    assert (WEBHOOK.timeout, WEBHOOK.settle, WEBHOOK.late) == (90.0, 60.0, 100.0)


def test_this_dialect_warns_of_nothing_and_has_no_headers():
    assert WEBHOOK.read_warning(answer(error("X"))) == ""
    assert WEBHOOK.read_hint(Answer(200, {"x-ratelimit-remaining": "1"}, b""), 1.7e9) is None


@given(status=st.integers(100, 599), body=bodies, oauth=st.booleans())
def test_no_answer_makes_a_reader_raise(status, body, oauth):
    gateway, got = Native(oauth=oauth), Answer(status, {}, body)
    for rows in ([REQUEST], [REQUEST, StartRequest(713, "lead", 7)]):
        assert len(gateway.read_start(rows, got)) == len(rows)
        assert len(gateway.read_times(rows, got)) >= len(rows)
    gateway.read_me(got)
    gateway.read_templates(got)
    gateway.read_next(got)
    gateway.read_running(got)
    gateway.read_stop(got)
    gateway.is_expired(got)

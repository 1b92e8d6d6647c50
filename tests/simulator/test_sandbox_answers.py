"""Every kind of answer, committed and not: what the client sees, and what the ledger knows."""

import gzip
import http.client
import json
import zlib

import pytest

LOST = ["hang", "close", "reset_after_reading", "close_after_headers", "close_mid_body"]
UNREADABLE = [
    "html_502",
    "html_503",
    "html_504",
    "html_403",
    "html_200",
    "json_500",
    "empty_200",
    "empty_201",
    "garbage",
    "bad_gzip",
]
UNREADABLE += ["truncated_json", "redirect_302"]
READABLE = ["normal", "slow_loris", "chunked", "gzip", "keepalive_close"]


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("kind", [*LOST, *UNREADABLE])
def test_what_is_committed_and_what_is_seen_are_decided_apart(open_portal, kind, committed):
    talk = open_portal({"faults": [{"nth": 2, "committed": committed, "answer": kind}]})
    assert talk.start(1).status == 201
    try:
        reply = talk.start(2, timeout=0.25)
    except (OSError, http.client.HTTPException):
        assert kind in LOST
    else:
        assert kind in UNREADABLE
        with pytest.raises((ValueError, KeyError)):
            _ = reply.json["data"]
    assert talk.start(3).status == 201
    assert talk.committed() == ([1, 2, 3] if committed else [1, 3])


@pytest.mark.parametrize("kind", READABLE)
def test_answers_that_carry_the_reply_say_the_truth(open_portal, kind):
    shape = {"kind": kind, **{"slow_loris": {"seconds": 0.1}, "keepalive_close": {"after": 5}}.get(kind, {})}
    talk = open_portal(
        {"faults": [{"nth": 1, "committed": True, "answer": shape}, {"nth": 2, "committed": False, "answer": shape}]}
    )
    first, second = talk.start(1), talk.start(2)
    read = gzip.decompress if kind == "gzip" else bytes
    assert json.loads(read(first.body))["data"]["workflowId"] == talk.sandbox.commits()[0]["workflowId"]
    assert json.loads(read(second.body))["error"]["message"] == "Wrong DOCUMENT_ID!"
    assert (first.status, second.status, talk.committed()) == (201, 422, [1])


@pytest.mark.parametrize(
    ("kind", "ending", "done"),
    [
        ("hang", "open", "hang"),
        ("close", "fin", "close"),
        ("reset_before_reading", "rst", "reset"),
        ("reset_after_reading", "rst", "reset"),
        ("close_after_headers", "fin", "cut"),
        ({"kind": "close_mid_body", "with": "rst"}, "rst", "cut"),
        ({"kind": "close_mid_body", "bytes": 3}, "fin", "cut"),
    ],
)
def test_connections_end_as_the_rule_says(open_portal, kind, ending, done):
    talk = open_portal({"faults": [{"answer": kind}]})
    got, how = talk.raw(talk.request_bytes(), timeout=0.2)
    assert how == ending
    assert talk.lines("answer")[0]["done"] == done
    assert bool(got) == (done == "cut")


def test_a_body_cut_short_promises_more_than_comes(open_portal):
    talk = open_portal({"faults": [{"answer": {"kind": "close_mid_body", "bytes": 10}}]})
    got, _ = talk.raw(talk.request_bytes())
    head, body = got.split(b"\r\n\r\n")
    assert body == b'{"success"'
    assert b"Content-Length: 64" in head


def test_headers_without_body(open_portal):
    talk = open_portal({"faults": [{"answer": "close_after_headers"}]})
    got, _ = talk.raw(talk.request_bytes())
    assert got.startswith(b"HTTP/1.1 201 Created\r\n")
    assert got.endswith(b"\r\n\r\n")


def test_truncated_json_is_well_framed(open_portal):
    talk = open_portal({"faults": [{"nth": 1, "answer": {"kind": "truncated_json", "bytes": 20}}]})
    assert talk.start(1).body == b'{"success":true,"dat'
    assert talk.start(2).status == 201  # the connection is still good


def test_reset_before_reading_runs_nothing_and_does_not_wait_for_the_body(open_portal):
    talk = open_portal({"faults": [{"nth": 1, "answer": "reset_before_reading"}]})
    head, _, _ = talk.request_bytes().partition(b"\r\n\r\n")
    assert talk.raw(head + b"\r\n\r\n") == (b"", "rst")
    assert talk.sandbox.commits() == []
    assert talk.lines("arrival")[0]["digest"] is None


def test_reset_before_reading_can_be_chosen_by_entity(open_portal):
    talk = open_portal({"faults": [{"entities": [7], "answer": "reset_before_reading"}]})
    assert talk.start(6).status == 201
    with pytest.raises(ConnectionResetError):
        talk.start(7)
    assert talk.committed() == [6]


def test_slow_loris_sends_the_body_byte_by_byte(open_portal):
    talk = open_portal({"faults": [{"answer": {"kind": "slow_loris", "seconds": 0.3}}]})
    reply = talk.start(1)
    arrival, answer = talk.lines()[0], talk.lines("answer")[0]
    assert reply.json["success"] is True
    assert answer["mono"] - arrival["mono"] < 0.2  # sending began at once


def test_delay_answers_late_but_commits_first(open_portal):
    talk = open_portal({"faults": [{"answer": {"kind": "delay", "seconds": 0.15}}]})
    assert talk.start(1).status == 201
    arrival, commit, answer = talk.lines()
    assert commit["mono"] - arrival["mono"] < 0.1
    assert answer["mono"] - commit["mono"] >= 0.15


def test_a_commit_can_come_after_the_client_was_answered(open_portal, until):
    talk = open_portal({"faults": [{"committed": True, "commit_after": 0.15, "answer": "close"}]})
    assert talk.raw(talk.request_bytes(5)) == (b"", "fin")
    assert talk.sandbox.commits() == []
    assert until(talk.committed) == [5]


def test_an_answer_with_the_id_waits_for_a_late_commit(open_portal):
    talk = open_portal({"faults": [{"committed": True, "commit_after": 0.1, "answer": "normal"}]})
    assert talk.start(1).json["data"]["workflowId"] == talk.sandbox.commits()[0]["workflowId"]


def test_chunked_answers_are_chunked(open_portal):
    talk = open_portal({"faults": [{"nth": 1, "answer": {"kind": "chunked", "bytes": 5}}]})
    got, _ = talk.raw(talk.request_bytes())
    assert b"Transfer-Encoding: chunked" in got
    assert b'5\r\n{"suc\r\n' in got
    assert got.endswith(b"0\r\n\r\n")


def test_gzip_and_bad_gzip_are_announced(open_portal):
    talk = open_portal({"faults": [{"nth": 1, "answer": "gzip"}, {"nth": 2, "answer": "bad_gzip"}]})
    first, second = talk.start(1), talk.start(2)
    assert first.headers["content-encoding"] == second.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(first.body))["success"] is True
    with pytest.raises((OSError, EOFError, zlib.error)):
        gzip.decompress(second.body)


def test_wrong_charset_cannot_be_decoded_as_announced(open_portal):
    talk = open_portal({"faults": [{"committed": True, "answer": "wrong_charset"}]})
    reply = talk.start(1)
    assert "utf-8" in reply.headers["content-type"]
    with pytest.raises(UnicodeDecodeError):
        reply.body.decode()


def test_a_redirect_names_its_location(open_portal):
    talk = open_portal(
        {
            "faults": [
                {"nth": 1, "answer": "redirect_302"},
                {"nth": 2, "answer": {"kind": "redirect_302", "location": "http://x/"}},
            ]
        }
    )
    assert talk.start(1).headers["location"].startswith("https://renamed.bitrix24.example/")
    second = talk.start(2)
    assert (second.status, second.headers["location"]) == (302, "http://x/")
    assert talk.committed() == [1, 2]  # "as it would" is the default


def test_html_pages_are_html(open_portal):
    talk = open_portal({"faults": [{"answer": "html_504"}]})
    reply = talk.start(1)
    assert (reply.status, reply.headers["content-type"]) == (504, "text/html")
    assert b"504 Gateway Time-out" in reply.body


def test_a_rule_can_spell_out_any_answer(open_portal):
    said = {"kind": "status", "status": 201, "json": {"success": True, "data": {}}, "headers": {"X-Odd": "1"}}
    talk = open_portal(
        {"faults": [{"nth": 1, "answer": said}, {"nth": 2, "answer": {"kind": "status", "status": 418, "text": "no tea"}}]}
    )
    first, second = talk.start(1), talk.start(2)
    assert (first.status, first.json, first.headers["x-odd"]) == (201, {"success": True, "data": {}}, "1")
    assert (second.status, second.body) == (418, b"no tea")


def test_a_kept_alive_connection_closes_without_a_word(open_portal):
    talk = open_portal({"faults": [{"answer": {"kind": "keepalive_close", "after": 0.05}}]})
    got, how = talk.raw(talk.request_bytes(), timeout=2)
    assert how == "fin"
    assert b"Connection: close" not in got


def test_other_endpoints_have_faults_too_and_are_then_not_done(open_portal):
    paths = {"me": "/me", "templates": "/bizproc-templates", "list": "/workflows", "entity": "/deals/5"}
    talk = open_portal({"faults": [{"on": on, "nth": 1, "answer": "html_502"} for on in (*paths, "search", "delete", "batch")]})
    for path in paths.values():
        assert [talk.ask("GET", path).status for _ in range(2)] == [502, 200]
    assert [talk.ask("POST", "/deals/search", {"filter": {}}).status for _ in range(2)] == [502, 200]
    assert [talk.ask("DELETE", "/workflows/x").status for _ in range(2)] == [502, 404]
    assert talk.ask("POST", "/batch", {"calls": []}).status == 502
    assert talk.start(1).status == 201


def test_a_delete_that_is_answered_with_a_fault_stops_nothing(open_portal):
    slow = [{"id": 713, "life_seconds": None}]
    talk = open_portal({"templates": slow, "faults": [{"on": "delete", "answer": "html_502"}]})
    started = talk.start(1).json["data"]["workflowId"]
    assert talk.ask("DELETE", f"/workflows/{started}").status == 502
    assert len(talk.ask("GET", "/workflows").json["data"]) == 1

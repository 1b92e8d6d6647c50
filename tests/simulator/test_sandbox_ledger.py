"""The ledger: complete, in order, on disk before the answer leaves, and without secrets."""

import hashlib
import json
import socket

import pytest

KEY = "vibe_api_sandbox_0123456789"


def on_disk(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_commit_is_on_disk_before_its_answer_arrives(open_portal, tmp_path):
    book = tmp_path / "ledger.jsonl"
    talk = open_portal(ledger=book)
    for entity in range(1, 30):
        started = talk.start(entity).json["data"]["workflowId"]
        last = on_disk(book)[-2]
        assert (last["kind"], last["entityId"], last["workflowId"]) == ("commit", entity, started)
    assert talk.sandbox.ledger() == on_disk(book)


def test_the_lines_of_a_request_come_in_order_and_say_everything(open_portal):
    talk = open_portal()
    talk.start(5, parameters={"a": "ü"})
    arrival, commit, answer = talk.lines()
    body = json.dumps({"templateId": 713, "entityType": "deal", "entityId": 5, "parameters": {"a": "ü"}}).encode()
    common = {"n": 1, "conn": 1, "method": "POST", "path": "/v1/workflows/start", "on": "start"}
    asked = {"templateId": 713, "entityType": "deal", "entityId": 5, "parameters": {"a": "ü"}}
    assert arrival.items() >= {"kind": "arrival", **common, **asked, "digest": hashlib.sha256(body).hexdigest()}.items()
    assert commit.items() >= {"kind": "commit", **common, **asked, "rule": None, "cause": "start", "complete": True}.items()
    assert (
        answer.items()
        >= {"kind": "answer", **common, **asked, "status": 201, "code": None, "done": "sent", "throttled": False}.items()
    )
    assert commit["workflowId"] == answer["workflowId"]
    assert arrival["time"] <= commit["time"] <= answer["time"]
    assert arrival["mono"] <= commit["mono"] <= answer["mono"]


def test_every_request_has_an_arrival_and_an_answer(open_portal, until):
    kinds = ["hang", "close", "reset_after_reading", "reset_before_reading", "html_502", "truncated_json", "close_mid_body"]
    talk = open_portal(
        {
            "limits": {"portal": {"rate": 0.01, "burst": 9}},
            "faults": [{"nth": number, "committed": False, "answer": kind} for number, kind in enumerate(kinds, 1)],
        }
    )
    for _ in kinds:
        talk.raw(talk.request_bytes(), timeout=0.05)
    talk.ask("GET", "/me")
    talk.ask("GET", "/nope")
    talk.ask("GET", "/me")
    talk.ask("GET", "/me", headers={})
    with socket.create_connection(("127.0.0.1", talk.sandbox.port)) as opened:
        opened.sendall(b"POST /v1/workflows/start HTTP/1.1\r\nContent-Length: 99\r\n\r\n{")
    until(lambda: len(talk.lines("answer")) == 12)
    arrivals, answers = talk.lines("arrival"), talk.lines("answer")
    assert [line["n"] for line in arrivals] == [line["n"] for line in answers] == list(range(1, 13))
    done = ["hang", "close", "reset", "reset", "sent", "cut", "cut", "sent", "sent", "sent", "sent", "gone"]
    assert [line["done"] for line in answers] == done
    assert [line["status"] for line in answers][7:] == [200, 404, 429, 401, None]
    assert [line["throttled"] for line in answers] == [number == 10 for number in range(1, 13)]


def test_secrets_are_never_written(open_portal, tmp_path):
    book = tmp_path / "ledger.jsonl"
    keys = [{"key": "vibe_app_hush_0123456789", "session": "vibe_session_hush"}]
    talk = open_portal({"keys": keys}, ledger=book)
    talk.start(1, parameters={"note": f"{talk.key} {talk.session}"})
    talk.ask("GET", f"/{talk.key}")
    talk.ask("GET", f"/oauth/poll?app_key={talk.key}&state=x")
    assert "hush" not in book.read_text()
    assert "***" in book.read_text()


def test_an_existing_file_is_continued(open_portal, tmp_path):
    book = tmp_path / "ledger.jsonl"
    open_portal(ledger=book).start(1)
    second = open_portal(ledger=book)
    second.start(2)
    assert [line["entityId"] for line in on_disk(book) if line["kind"] == "commit"] == [1, 2]
    assert second.committed() == [2]


@pytest.mark.parametrize("path", ["/ledger", "/../ledger.jsonl", "/%2e%2e/ledger.jsonl", "/workflows/ledger"])
def test_the_ledger_cannot_be_read_through_the_api(open_portal, path):
    assert open_portal().ask("GET", path).status == 404


def test_what_was_received_is_kept_as_received(open_portal):
    talk = open_portal()
    talk.start("5141", 713, "Deal", parameters="x")
    line = talk.lines("arrival")[0]
    assert (line["templateId"], line["entityType"], line["entityId"], line["parameters"]) == (713, "Deal", "5141", "x")


def test_connections_are_numbered(open_portal):
    talk = open_portal()
    talk.ask("GET", "/me")
    talk.ask("GET", "/me")
    talk.raw(talk.request_bytes(), timeout=0.05)
    assert [line["conn"] for line in talk.lines("arrival")] == [1, 1, 2]

"""Golden exchanges of both dialects, each citing the page it is from: what goes out to the letter, and what the answer proves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bulkstart.gateways.native import Native
from bulkstart.gateways.vibecode import Vibecode
from bulkstart.model import Answer, StartRequest

WIRE = Path(__file__).parent / "wire"
GOLDEN = sorted(WIRE.glob("vibecode-*.json"))
BATCHES = sorted(WIRE.glob("native-batch*.json"))
NATIVE = sorted(set(WIRE.glob("native-*.json")) - set(BATCHES))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_exchange_is_sent_and_read_as_its_page_says(path):
    golden = json.loads(path.read_text(encoding="utf-8"))
    assert golden["source"].startswith("https://")
    body = golden["request"]
    request = StartRequest(body["templateId"], body["entityType"], body["entityId"], body.get("parameters", {}))
    call = Vibecode().start_call([request])
    assert (call.method, call.path) == ("POST", "/workflows/start")
    assert json.loads(call.body) == body
    (verdict,) = Vibecode().read_start([request], Answer(golden["status"], {}, json.dumps(golden["answer"]).encode()))
    assert type(verdict).__name__ == golden["proves"]
    assert {name: getattr(verdict, name) for name in golden["shows"]} == golden["shows"]


@pytest.mark.parametrize("path", NATIVE, ids=lambda path: path.stem)
def test_a_golden_native_exchange_is_sent_and_read_as_its_page_says(path):
    golden = json.loads(path.read_text(encoding="utf-8"))
    assert golden["source"].startswith("https://")
    body, gateway = golden["request"], Native(oauth=golden.get("oauth", False))
    request = StartRequest(body["TEMPLATE_ID"], *golden["entity"], body["PARAMETERS"])
    call = gateway.start_call([request])
    assert (call.method, call.path) == ("POST", "/bizproc.workflow.start")
    assert json.loads(call.body) == body
    (verdict,) = gateway.read_start([request], Answer(golden["status"], {}, json.dumps(golden["answer"]).encode()))
    assert type(verdict).__name__ == golden["proves"]
    assert {name: getattr(verdict, name) for name in golden["shows"]} == golden["shows"]


@pytest.mark.parametrize("path", BATCHES, ids=lambda path: path.stem)
def test_a_golden_batch_is_sent_and_read_as_its_page_says(path):
    golden = json.loads(path.read_text(encoding="utf-8"))
    assert golden["source"].startswith("https://")
    rows = [StartRequest(row["template"], *row["entity"], row["parameters"]) for row in golden["rows"]]
    call = Native().start_call(rows)
    assert (call.method, call.path) == ("POST", "/batch")
    assert json.loads(call.body) == golden["request"]
    verdicts = Native().read_start(rows, Answer(golden["status"], {}, json.dumps(golden["answer"]).encode()))
    assert [type(verdict).__name__ for verdict in verdicts] == golden["proves"]


def test_there_are_golden_exchanges():
    assert len(GOLDEN) >= 5
    assert len(NATIVE) >= 10
    assert BATCHES

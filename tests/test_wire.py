"""Golden exchanges of both dialects, each citing the page it is from: what goes out to the letter, and what the answer proves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bulkstart.gateways.vibecode import Vibecode
from bulkstart.model import Answer, StartRequest

GOLDEN = sorted((Path(__file__).parent / "wire").glob("vibecode-*.json"))


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


def test_there_are_golden_exchanges():
    assert len(GOLDEN) >= 5

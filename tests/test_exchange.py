"""One start over the wire: what it proves, whether it left, and what it tells of the portal's limits."""

from __future__ import annotations

import asyncio
import json

import pytest

from bulkstart.exchange import Exchange, Tally
from bulkstart.gate import Gate
from bulkstart.gateways.vibecode import Vibecode
from bulkstart.model import Answer, Busy, InDoubt, Lost, Started, StartRequest
from bulkstart.plan import Ready
from bulkstart.throttle import Limits, Throttle


def ready(position=0):
    return Ready(position, position + 2, f"key-{position}", StartRequest(713, "deal", position + 1))


def started(workflow="w.1"):
    return Answer(201, {}, json.dumps({"success": True, "data": {"workflowId": workflow}}).encode())


def refused(code, warning=""):
    error = {"code": code, "message": "m"} | ({"warning": warning} if warning else {})
    return Answer(400, {}, json.dumps({"success": False, "error": error}).encode())


def sent(*answers):
    """What each start proves, one after the other, and the tally and the gate behind them."""

    async def go():
        given = iter(answers)

        async def send(call):
            assert call.method == "POST"
            return next(given)

        gate, tally = Gate(Throttle(Limits(50, 50), 0.0)), Tally()
        gate.begin()
        wire = Exchange(Vibecode(), send, gate, tally, lambda: 0.5)
        found = []
        for position in range(len(answers)):
            found.append(await wire.start(ready(position), await gate.slot()))
            gate.back()
        return found, tally, gate

    return asyncio.run(go())


def test_a_success_is_a_start_that_left_and_is_measured():
    found, tally, gate = sent(started())
    assert found == [(Started("w.1"), True)]
    assert (tally.connected, tally.templates, tally.ids) == (1, {713}, {"w.1": 2})
    assert len(gate.durations) == 1


def test_an_id_that_another_row_of_the_run_has_proves_nothing():
    found, tally, _ = sent(started(), started())
    assert [type(verdict) for verdict, _ in found] == [Started, InDoubt]
    assert "row 2" in found[1][0].message
    assert tally.ids == {"w.1": 2}


@pytest.mark.parametrize(("left", "kind", "connected"), [(True, InDoubt, 1), (False, Busy, 0)])
def test_a_call_without_an_answer_is_a_doubt_only_where_it_may_have_left(left, kind, connected):
    found, tally, _ = sent(Lost("READ_TIMEOUT" if left else "CONNECT_FAILED", left=left))
    assert (type(found[0][0]), found[0][1], tally.connected) == (kind, left, connected)


def test_a_portal_that_asks_for_time_is_counted_and_holds_everybody():
    found, tally, gate = sent(refused("RATE_LIMITED"))
    assert isinstance(found[0][0], Busy)
    assert tally.throttled == 1
    assert gate.throttle.state(0.0).held_until > 0


def test_a_warning_halves_the_rate_and_is_told_once_however_often_it_comes():
    _, tally, gate = sent(*[refused("VALIDATION_ERROR", "stop repeating this")] * 3)
    assert tally.warnings == ["stop repeating this"]
    assert gate.throttle.state(gate.throttle.state(0.0).held_until).rate == pytest.approx(25, rel=0.1)

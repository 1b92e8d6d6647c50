"""Starts over the wire: what an answer proves for each row, whether it left, and what it tells of the portal's limits."""

from __future__ import annotations

import asyncio
import json

import pytest

from bulkstart.batching import Batching
from bulkstart.exchange import Exchange, Tally
from bulkstart.gate import Gate
from bulkstart.gateways.native import Native
from bulkstart.gateways.vibecode import Vibecode
from bulkstart.model import Answer, Busy, InDoubt, Lost, Refused, Started, StartRequest
from bulkstart.operating import Operating
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


# ------------------------------------------------------------------------------------------------------------ batches


def batch(results, errors=None):
    """A portal's answer to a batch, of ids and errors by place; a place that stands in neither is in no map."""
    key = "r{0}_713_{1}".format
    maps = {
        "result": {key(n, n + 1): f"w.{n}" for n in results},
        "result_error": {key(n, n + 1): e for n, e in (errors or {}).items()},
    }
    return Answer(200, {}, json.dumps({"result": maps, "time": {}}).encode())


def shared(answer, count=3, *, missing=(), operating=None, abandon=False):
    """What ``count`` rows of one request are told, the calls that left, and the gate; rows of ``missing`` give up their seat."""

    async def go():
        calls = []

        async def send(call):
            calls.append(call)
            if abandon:
                await asyncio.sleep(3600)
            if isinstance(answer, Exception):
                raise answer
            return answer

        batching = Batching(count, 10, auto=False)
        gate, tally = Gate(Throttle(Limits(50, 50), 0.0), batching=batching, operating=operating), Tally()
        gate.begin()
        gate.succeeded(0.01)
        wire = Exchange(Native("p.example"), send, gate, tally, lambda: 0.5)
        seats = await asyncio.gather(*(gate.slot(alone=False) for _ in range(count)))
        assert {seat.rows for seat in seats} == {count}
        tasks = []
        for position, seat in enumerate(seats):
            if position in missing:
                wire.give_up(seat)
            else:
                tasks.append(asyncio.ensure_future(wire.start(ready(position), seat)))
            await asyncio.sleep(0)
            assert calls == [] or position == count - 1, "nothing leaves before the last of its rows has come"
        if abandon:
            await asyncio.sleep(0.01)
            for task in tasks:
                task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1, "nothing goes on behind the rows' backs"
        return found, calls, gate, tally

    return asyncio.run(go())


def test_rows_that_share_a_request_get_each_its_own_answer():
    found, calls, gate, tally = shared(batch([0, 2], {1: {"error": "", "error_description": "Wrong DOCUMENT_ID!"}}))
    assert [call.path for call in calls] == ["/batch"]
    assert [type(verdict) for verdict, _ in found] == [Started, Refused, Started]
    assert [found[n][0].workflow_id for n in (0, 2)] == ["w.0", "w.2"]
    assert all(left for _, left in found)
    assert tally.connected == 1
    assert gate.throttle.state(0.0).on_wire == 0


def test_a_row_that_stands_in_no_map_is_in_doubt():
    found, *_ = shared(batch([0, 2]))
    assert [type(verdict) for verdict, _ in found] == [Started, InDoubt, Started]


@pytest.mark.parametrize(("left", "kind"), [(True, InDoubt), (False, Busy)])
def test_a_batch_without_an_answer_is_that_many_doubts_where_it_may_have_left(left, kind):
    found, calls, *_ = shared(Lost("READ_TIMEOUT" if left else "CONNECT_FAILED", left=left))
    assert [(type(verdict), how) for verdict, how in found] == [(kind, left)] * 3
    assert len(calls) == 1


def test_a_row_that_does_not_come_is_waited_for_no_longer():
    found, calls, *_ = shared(batch([0]), count=2, missing={1})
    assert [call.path for call in calls] == ["/bizproc.workflow.start"], "one that is left goes by itself"
    found, calls, *_ = shared(batch([0, 1]), count=3, missing={2})
    assert [verdict for verdict, _ in found] == [Started("w.0"), Started("w.1")]
    found, calls, gate, _ = shared(batch([]), count=3, missing={0, 1, 2})
    assert (found, calls, gate.throttle.state(0.0).on_wire) == ([], [], 0)


def test_a_batch_that_is_refused_as_a_whole_is_no_batch_any_more():
    answer = Answer(405, {}, json.dumps({"error": "ERROR_BATCH_METHOD_NOT_ALLOWED", "error_description": "m"}).encode())
    found, _, gate, tally = shared(answer)
    assert {type(verdict) for verdict, _ in found} == {Busy}
    assert (gate.batching.most, tally.throttled) == (1, 0)


def test_a_batch_that_came_too_soon_stays_one():
    answer = Answer(503, {}, json.dumps({"error": "QUERY_LIMIT_EXCEEDED", "error_description": "m"}).encode())
    found, _, gate, tally = shared(answer)
    assert {type(verdict) for verdict, _ in found} == {Busy}
    assert (gate.batching.most, tally.throttled) == (3, 1)


def test_used_up_operating_time_in_the_midst_of_a_batch_holds_everybody_and_says_nothing_of_the_rate():
    used_up = {"error": "OPERATION_TIME_LIMIT", "error_description": "m"}
    found, _, gate, tally = shared(batch([0], {1: used_up, 2: used_up}), operating=Operating(0.0))
    assert [type(verdict) for verdict, _ in found] == [Started, Busy, Busy]
    state = gate.operating.state(gate.operating.state(0.0).held_until)
    assert (state.pauses, tally.throttled) == (1, 0)


def test_rows_of_an_abandoned_request_are_all_given_up():
    found, calls, *_ = shared(batch([0, 1, 2]), abandon=True)
    assert [type(one) for one in found] == [asyncio.CancelledError] * 3
    assert len(calls) == 1


def test_a_fault_of_the_line_reaches_every_row():
    found, *_ = shared(ValueError("odd"))
    assert [type(one) for one in found] == [ValueError] * 3


def test_a_vibecode_row_and_one_that_means_something_else_in_brackets_go_alone():
    plain, empty = ready(), Ready(0, 2, "key", StartRequest(713, "deal", 1, {"flag": True}))
    for gateway, alone in ((Vibecode(), [True, True]), (Native("p.example"), [False, True])):
        wire = Exchange(gateway, None, Gate(Throttle(Limits(50, 50), 0.0)), Tally(), lambda: 0.5)
        assert [wire.alone(row) for row in (plain, empty)] == alone

"""The runner in virtual time: what leaves, when, how often, and what every row is told in the end."""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from bulkstart.errors import JournalError
from bulkstart.gate import Gate
from bulkstart.gateways.vibecode import Vibecode
from bulkstart.halts import Halts
from bulkstart.lanes import Lanes
from bulkstart.model import Answer, Lost, StartRequest
from bulkstart.plan import Ready, lanes
from bulkstart.recorder import Recorder
from bulkstart.result_columns import Status
from bulkstart.retry import Stop
from bulkstart.runner import Runner
from bulkstart.states import Event
from bulkstart.throttle import Limits, Throttle
from tests.virtual import run

NO_HALTS = (0, 0, 0.0)


def rows(count, *, ids=None, template=713):
    ids = ids or range(1, count + 1)
    return [Ready(n, n + 2, f"key{n}", StartRequest(template, "deal", entity)) for n, entity in enumerate(ids)]


def started(number):
    return Answer(201, {}, json.dumps({"success": True, "data": {"workflowId": f"wf.{number}"}}).encode())


def failed(status, code, message="text", **more):
    return Answer(status, {}, json.dumps({"success": False, "error": {"code": code, "message": message, **more}}).encode())


class Portal:
    """A twin of the portal in memory: answers by a script, and remembers what arrived, when and how many at once."""

    def __init__(self, script=None, seconds=0.05):
        self.script, self.seconds = script or (lambda number, body: started(number)), seconds
        self.arrivals, self.on_wire, self.most = [], 0, 0

    async def send(self, call):
        number, body = len(self.arrivals) + 1, json.loads(call.body)
        answer = self.script(number, body)
        if not (isinstance(answer, Lost) and not answer.left):
            self.arrivals.append((asyncio.get_running_loop().time(), body["entityId"]))
        self.on_wire += 1
        self.most = max(self.most, self.on_wire)
        await asyncio.sleep(self.seconds(body) if callable(self.seconds) else self.seconds)
        self.on_wire -= 1
        return answer


class Book:
    """A journal in memory: keeps the order of events, refuses the sends it is told to."""

    def __init__(self, foreign=(), broken_after=None):
        self.notes, self.outcomes, self.foreign, self.broken_after, self.commits = [], [], set(foreign), broken_after, 0

    def write(self, notes, outcomes):
        self.commits += 1
        if self.broken_after is not None and self.commits > self.broken_after:
            raise JournalError("the journal is full")
        lost = {note.key for note in notes if note.event is Event.SEND and note.key in self.foreign}
        self.notes += [note for note in notes if note.key not in lost]
        self.outcomes += outcomes
        return lost

    def events(self, key):
        return [note.event for note in self.notes if note.key == key]


def play(
    todo, portal, *, book=None, rate=100.0, burst=100.0, halts=NO_HALTS, during=None, max_unknown=10, deadline=math.inf, **more
):
    """One run; returns (outcomes by position, runner, book)."""
    book, settled = book or Book(), {}

    async def go():
        limits = Limits(rate=rate, burst=burst, stated=True)
        throttle = Throttle(limits, asyncio.get_running_loop().time())

        def settle(outcome):
            assert outcome.position not in settled, "a row is told once"
            settled[outcome.position] = outcome

        gate = Gate(throttle, max_unknown=max_unknown, deadline=deadline)
        runner = Runner(
            Vibecode(), portal.send, Recorder(book.write), gate, settle, halts=Halts(*halts), chance=lambda: 1.0, **more
        )
        side = asyncio.ensure_future(during(runner)) if during else None
        await runner.run(lanes(todo))
        if side:
            await side
        return runner

    runner = run(go())
    return settled, runner, book


def test_every_row_gets_its_own_id():
    def script(_, body):
        return Answer(201, {}, json.dumps({"success": True, "data": {"workflowId": f"wf.{body['entityId']}"}}).encode())

    settled, runner, _ = play(rows(200), Portal(script, seconds=lambda body: 0.01 * (body["entityId"] % 7)))
    assert [settled[n].workflow_id for n in range(200)] == [f"wf.{n + 1}" for n in range(200)]
    assert all(outcome.attempts == 1 and outcome.started_at.endswith("+00:00") for outcome in settled.values())
    assert runner.stop is None


def test_nothing_leaves_before_its_intent_is_on_disk():
    book = Book()

    def script(number, body):
        assert book.events(f"key{body['entityId'] - 1}")[-1] is Event.SEND
        return started(number)

    play(rows(20), Portal(script), book=book)
    assert all(book.events(f"key{n}") == [Event.SEND, Event.START] for n in range(20))


def test_events_of_one_loop_turn_share_a_commit():
    _, _, book = play(rows(100), Portal(seconds=1.0), rate=1e6, burst=1e6, max_unknown=50)
    assert book.commits < 100


@pytest.mark.parametrize("bound", [1, 3, 10])
def test_no_more_rows_than_max_unknown_are_ever_on_the_wire(bound):
    portal = Portal(seconds=2.0)
    settled, _, _ = play(rows(60), portal, max_unknown=bound)
    assert len(settled) == 60
    assert portal.most <= bound


def test_as_few_rows_as_needed_are_on_the_wire():
    portal = Portal(seconds=0.05)
    play(rows(60), portal, rate=10.0, burst=1.0)
    assert portal.most <= 4


def test_rows_of_one_document_go_one_after_the_other():
    busy = Counter()

    class Watching(Portal):
        async def send(self, call):
            entity = json.loads(call.body)["entityId"]
            busy[entity] += 1
            assert busy[entity] == 1
            try:
                return await super().send(call)
            finally:
                busy[entity] -= 1

    settled, _, _ = play(rows(40, ids=[1, 2, 3, 4] * 10), Watching())
    assert len(settled) == 40


def test_rate_limited_holds_everyone_and_costs_the_row_no_attempt_that_counts():
    refused_at = {}

    def script(number, body):
        if number == 5:
            refused_at["time"] = asyncio.get_running_loop().time()
            return failed(429, "RATE_LIMITED", retryAfter=7)
        return started(number)

    portal = Portal(script)
    settled, _, book = play(rows(30), portal, max_unknown=4)
    assert {outcome.status for outcome in settled.values()} == {Status.STARTED}
    told = refused_at["time"] + 0.05
    assert not [at for at, _ in portal.arrivals if told < at < told + 7]
    throttled = [outcome for outcome in settled.values() if outcome.attempts == 2]
    assert len(throttled) == 1
    assert book.events(f"key{throttled[0].position}") == [Event.SEND, Event.DEFER, Event.SEND, Event.START]


@pytest.mark.parametrize(
    "answer",
    [
        Lost("READ_TIMEOUT", left=True),
        Lost("CONNECTION_RESET", left=True),
        failed(502, "BITRIX_UNAVAILABLE"),
        Answer(502, {}, b"<html>"),
        Answer(201, {}, b""),
    ],
)
def test_a_lost_answer_is_never_retried(answer):
    portal = Portal(lambda number, _: answer if number == 3 else started(number))
    settled, _, book = play(rows(10), portal)
    doubts = [outcome for outcome in settled.values() if outcome.status is Status.IN_DOUBT]
    assert len(doubts) == 1
    assert doubts[0].error_code
    assert not doubts[0].workflow_id
    assert max(Counter(entity for _, entity in portal.arrivals).values()) == 1
    assert book.events(f"key{doubts[0].position}") == [Event.SEND, Event.LOSE]


def test_a_call_that_never_left_goes_again_and_counts_as_no_attempt():
    failures = iter([True, True, False])

    def script(number, body):
        if body["entityId"] == 4 and next(failures):
            return Lost("CONNECT_FAILED", left=False)
        return started(number)

    settled, _, _ = play(rows(10), Portal(script))
    assert settled[3].status is Status.STARTED
    assert settled[3].attempts == 1


def test_a_row_is_given_up_only_after_five_failures_while_others_got_through():
    def script(number, body):
        return Lost("CONNECT_FAILED", left=False, message="refused") if body["entityId"] == 1 else started(number)

    settled, runner, book = play(rows(2000), Portal(script), rate=20.0, burst=1.0)
    assert settled[0].status is Status.GAVE_UP
    assert settled[0].error_code == "CONNECT_FAILED"
    assert settled[0].attempts == 0
    assert book.events("key0").count(Event.SEND) >= 5
    assert book.events("key0")[-1] is Event.DEFER
    assert runner.stop is None


def test_an_unreachable_portal_is_no_rows_fault_and_stops_the_run_after_five_minutes():
    settled, runner, _ = play(rows(20), Portal(lambda *_: Lost("CONNECT_FAILED", left=False)))
    assert settled == {}
    assert runner.stop.code == "UNREACHABLE"
    assert runner.stop.exit_code == 6


def test_half_an_hour_without_a_success_stops_the_run():
    settled, runner, _ = play(rows(20), Portal(lambda *_: failed(429, "RATE_LIMITED", retryAfter=60)))
    assert settled == {}
    assert runner.stop.exit_code == 6
    assert "30 minutes" in runner.stop.message


def test_a_denial_drains_and_leaves_the_rows_eligible():
    def script(number, _):
        return failed(401, "INVALID_API_KEY", "revoked") if number > 12 else started(number)

    portal = Portal(script, seconds=0.5)
    settled, runner, book = play(rows(100), portal, max_unknown=8)
    assert runner.stop == Stop("INVALID_API_KEY", "revoked", 7)
    assert {outcome.status for outcome in settled.values()} == {Status.STARTED}
    assert len(settled) == 12
    assert len(portal.arrivals) <= 12 + 8
    assert not [key for key in {note.key for note in book.notes} if book.events(key)[-1] not in (Event.START, Event.DEFER)]


def test_access_denied_after_a_success_of_the_template_is_the_rows_own():
    settled, runner, _ = play(
        rows(6), Portal(lambda number, _: failed(403, "BITRIX_ACCESS_DENIED") if number == 6 else started(number)), max_unknown=1
    )
    assert runner.stop is None
    assert settled[5].status is Status.REFUSED
    _, runner, _ = play(rows(6), Portal(lambda *_: failed(403, "BITRIX_ACCESS_DENIED")), max_unknown=1)
    assert runner.stop.exit_code == 7


def test_a_missing_template_stops_the_rows_of_that_template_only():
    todo = rows(10)
    todo += [Ready(10 + n, 12 + n, f"other{n}", StartRequest(9, "deal", 100 + n)) for n in range(10)]

    def script(number, body):
        return failed(422, "BITRIX_ERROR", "Template not found") if body["templateId"] == 713 else started(number)

    settled, _, _ = play(todo, Portal(script), max_unknown=1)
    by_status = Counter(outcome.status for outcome in settled.values())
    assert by_status == {Status.REFUSED: 1, Status.NOT_ATTEMPTED: 9, Status.STARTED: 10}
    assert {settled[n].error_code for n in range(10)} == {"BITRIX_ERROR"}


@pytest.mark.parametrize(
    ("halts", "answer", "least"),
    [
        ((3, 0, 0), Answer(502, {}, b""), 3),
        ((0, 5, 0), failed(400, "VALIDATION_ERROR"), 5),
        ((0, 0, 20.0), failed(400, "VALIDATION_ERROR"), 50),
    ],
)
def test_halts_stop_and_drain(halts, answer, least):
    settled, runner, _ = play(rows(200), Portal(lambda *_: answer), halts=halts, max_unknown=4)
    assert runner.stop.code == "RUN_STOPPED"
    assert runner.stop.exit_code == 6
    assert least <= len(settled) <= least + 4


def test_the_deadline_stops_taking_rows():
    settled, runner, _ = play(rows(1000), Portal(), rate=10.0, burst=1.0, deadline=20.0)
    assert runner.stop.code == "DEADLINE"
    assert 150 < len(settled) < 250


def test_draining_waits_for_the_rows_on_the_wire():
    async def interrupt(runner):
        await asyncio.sleep(1.02)
        runner.drain(Stop("INTERRUPTED", "x", 130))

    portal = Portal(seconds=1.0)
    settled, runner, _ = play(rows(500), portal, during=interrupt, max_unknown=10)
    assert runner.stop.code == "INTERRUPTED"
    assert len(settled) == len(portal.arrivals)
    assert {outcome.status for outcome in settled.values()} == {Status.STARTED}


def test_abandoning_leaves_the_rows_on_the_wire_in_doubt():
    async def interrupt(runner):
        await asyncio.sleep(0.5)
        runner.abandon(Stop("INTERRUPTED", "x", 130))

    portal = Portal(seconds=60.0)
    settled, _, book = play(rows(50), portal, during=interrupt)
    assert len(settled) == len(portal.arrivals) > 0
    assert {(outcome.status, outcome.error_code) for outcome in settled.values()} == {(Status.IN_DOUBT, "ABANDONED")}
    assert all(book.events(f"key{position}") == [Event.SEND, Event.LOSE] for position in settled)


def test_an_id_that_had_come_when_the_run_was_abandoned_is_on_disk_before_the_run_ends():
    """Its row is told as started, so the journal must know it: else the next run would call it a crash."""
    book, may_write, portal = Book(), threading.Event(), Portal(seconds=lambda body: 0.02 * body["entityId"])
    settled = {}

    def write(notes, outcomes):
        if any(note.event is Event.START for note in notes):
            may_write.wait(5)
        return book.write(notes, outcomes)

    async def go():
        with ThreadPoolExecutor(1) as writer:
            gate = Gate(Throttle(Limits(rate=1e6, burst=1e6), asyncio.get_running_loop().time()), max_unknown=2)
            settle = lambda outcome: settled.__setitem__(outcome.position, outcome)  # noqa: E731  one line
            runner = Runner(Vibecode(), portal.send, Recorder(write, writer), gate, settle, halts=Halts(*NO_HALTS))
            running = asyncio.ensure_future(runner.run(lanes(rows(2))))
            while len(portal.arrivals) < 2:  # noqa: ASYNC110  the second answer comes while the first id is being written
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.1)
            runner.abandon(Stop("INTERRUPTED", "x", 130))
            asyncio.get_running_loop().call_later(0.05, may_write.set)
            await running

    asyncio.run(go())
    started_rows = {position for position, outcome in settled.items() if outcome.status is Status.STARTED}
    assert started_rows
    assert {f"key{position}" for position in started_rows} <= {note.key for note in book.notes if note.event is Event.START}


def test_a_row_that_another_run_took_is_not_sent():
    portal = Portal()
    settled, _, _ = play(rows(5), portal, book=Book(foreign={"key2"}))
    assert settled[2].status is Status.NOT_ATTEMPTED
    assert settled[2].error_code == "CLAIMED_BY_RUN"
    assert 3 not in [entity for _, entity in portal.arrivals]


def test_an_id_that_another_row_has_proves_nothing():
    settled, _, _ = play(rows(3), Portal(lambda *_: started(7)), max_unknown=1)
    assert [settled[n].status for n in range(3)] == [Status.STARTED, Status.IN_DOUBT, Status.IN_DOUBT]


def test_when_the_journal_fails_nothing_more_leaves_and_what_is_known_is_told():
    portal = Portal()
    settled, runner, _ = play(rows(50), portal, book=Book(broken_after=9), max_unknown=2)
    assert runner.stop.exit_code == 6
    assert "journal" in runner.stop.message
    assert len(settled) == len(portal.arrivals) < 12
    assert {outcome.status for outcome in settled.values()} == {Status.STARTED}


def test_a_fault_of_ours_loses_no_outcome():
    class Broken(Vibecode):
        def read_start(self, requests, answer, /):
            if requests[0].entity_id == 5:
                raise KeyError("a bug")
            return super().read_start(requests, answer)

    portal, settled = Portal(), {}

    async def go():
        throttle = Throttle(Limits(rate=100, burst=100, stated=True), 0.0)
        gate = Gate(throttle, max_unknown=1)
        runner = Runner(
            Broken(),
            portal.send,
            Recorder(Book().write),
            gate,
            lambda o: settled.__setitem__(o.position, o),
            halts=Halts(*NO_HALTS),
        )
        await runner.run(lanes(rows(20)))
        return runner

    runner = run(go())
    assert runner.stop.exit_code == 1
    assert settled[4].status is Status.IN_DOUBT
    assert [settled[n].status for n in range(4)] == [Status.STARTED] * 4
    assert len(settled) == 5


def test_a_warning_of_the_portal_halves_the_rate():
    rates = []

    def script(number, _):
        rates.append(number)
        return failed(400, "VALIDATION_ERROR", warning="the same error again") if number == 3 else started(number)

    portal = Portal(script)
    _, runner, _ = play(rows(60), portal, rate=10.0, burst=1.0)
    assert runner.tally.warnings == ["the same error again"]
    gaps = [later - earlier for (earlier, _), (later, _) in zip(portal.arrivals[5:], portal.arrivals[6:], strict=False)]
    assert min(gaps[:10]) > 0.15


def test_text_of_a_server_is_one_line_without_escapes():
    settled, _, _ = play(rows(1), Portal(lambda *_: failed(400, "VALIDATION_ERROR", "a\x1b[31mb\r\nc" + "x" * 9000)))
    assert "\x1b" not in settled[0].error_message
    assert "\n" not in settled[0].error_message
    assert len(settled[0].error_message) <= 500


def test_a_third_workflow_on_a_document_waits_until_the_list_shows_room():
    alive, looks = {}, []

    def script(number, body):
        alive.setdefault(body["entityId"], []).append(asyncio.get_running_loop().time())
        assert sum(asyncio.get_running_loop().time() - at < 25 for at in alive[body["entityId"]]) <= 2
        return started(number)

    async def sweep():
        now = asyncio.get_running_loop().time()
        looks.append(now)
        return {("deal", entity): sum(now - at < 25 for at in times) for entity, times in alive.items()}

    settled, runner, _ = play(rows(12, ids=[1, 1, 1, 1, 1, 2, 2, 2, 3, 4, 5, 6]), Portal(script), lanes=Lanes(2), sweep=sweep)
    assert {outcome.status for outcome in settled.values()} == {Status.STARTED}
    assert runner.stop is None
    assert min(later - earlier for earlier, later in pairwise(looks)) >= 10


def test_a_row_that_finds_no_room_for_ten_minutes_is_not_attempted():
    async def sweep():
        return {("deal", 1): 2}

    settled, runner, _ = play(rows(4, ids=[1, 1, 1, 2]), Portal(), lanes=Lanes(2), sweep=sweep)
    assert [settled[n].status for n in range(4)] == [Status.STARTED, Status.STARTED, Status.NOT_ATTEMPTED, Status.STARTED]
    assert settled[2].error_code == "DOCUMENT_LIMIT"
    assert runner.stop is None


def test_where_the_list_cannot_be_read_further_rows_are_not_attempted():
    async def sweep():
        return None

    settled, _, _ = play(rows(3, ids=[1, 1, 1]), Portal(), lanes=Lanes(2), sweep=sweep)
    assert settled[2].error_code == "DOCUMENT_LIMIT"


# ------------------------------------------------------------------------------------------------------------- pause


def test_a_paused_run_takes_no_new_row_finishes_those_on_the_wire_and_goes_on():
    portal = Portal(seconds=1.0)

    async def during(runner):
        await asyncio.sleep(0.5)
        runner.gate.pause()
        at_once = portal.on_wire
        await asyncio.sleep(5000)
        assert (len(portal.arrivals), portal.on_wire) == (at_once, 0)
        runner.gate.go_on()

    settled, runner, _ = play(rows(20), portal, during=during)
    assert runner.stop is None
    assert {outcome.status for outcome in settled.values()} == {Status.STARTED}
    assert len(settled) == len(portal.arrivals) == 20


def test_rows_that_wait_for_room_on_their_document_are_not_given_up_in_a_pause():
    swept = []

    async def sweep():
        swept.append(asyncio.get_running_loop().time())
        return {("deal", 1): 2}

    async def during(runner):
        await asyncio.sleep(30)
        runner.gate.pause()
        seen = len(swept)
        await asyncio.sleep(3600)
        assert len(swept) <= seen + 1, "nothing is asked in a pause"
        assert runner.gate.stop is None
        runner.gate.go_on()

    settled, _, _ = play(rows(4, ids=[1, 1, 1, 1]), Portal(), lanes=Lanes(2), sweep=sweep, during=during)
    assert [settled[n].error_code for n in range(4)] == ["", "", "DOCUMENT_LIMIT", "DOCUMENT_LIMIT"]
    assert max(swept) > 3600 + 500, "the ten minutes begin anew"

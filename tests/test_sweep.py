"""One sweep of the running list: whole or not at all, however its rows move, and how far the portal's clock is ahead. In virtual time."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from email.utils import format_datetime, formatdate
from itertools import pairwise

import pytest

from bulkstart.gateways.running import Running
from bulkstart.model import Answer, Denied, Lost
from bulkstart.portal import Portal
from bulkstart.sweep import MOST_PAGES, Sweep, Unread, sweep
from bulkstart.throttle import Limits, Throttle
from tests.virtual import run

GATEWAY = Portal.vibecode(api_key="vibe_api_PLANTED", base_url="https://gateway.example/v1")
STARTED = "2026-01-01T10:00:00+03:00"


def row(number, template=713, document=None):
    named = {"id": f"w.{number}", "templateId": str(template), "started": STARTED}
    return named | {"documentId": document or f"DEAL_{number}", "moduleId": "crm", "entity": "CCrmDocumentDeal"}


def listed(rows, total=None, **headers):
    payload = {"success": True, "data": rows} | ({} if total is None else {"meta": {"total": total}})
    return Answer(200, headers, json.dumps(payload).encode())


def failed(status, code, **more):
    return Answer(status, {}, json.dumps({"success": False, "error": {"code": code, "message": "m", **more}}).encode())


class List:
    """A running list of pages; ``moves``: what happens to the rows behind an answer; ``faults``: request number → another answer."""

    def __init__(self, rows, *, size=50, tells_total=True, moves=None, faults=None, headers=None):
        self.rows, self.size, self.tells_total, self.moves = list(rows), size, tells_total, moves or (lambda *_: None)
        self.faults, self.headers, self.asked, self.at = faults or {}, headers or {}, [], []

    async def send(self, call):
        assert (call.method, call.path, call.body) == ("GET", "/workflows", None)
        query = dict(call.query)
        self.asked.append(query)
        self.at.append((asyncio.get_running_loop().time(), time.time()))
        number, offset = len(self.asked), int(query.get("offset", 0))
        if number in self.faults:
            return self.faults[number]
        page = listed(self.rows[offset : offset + self.size], len(self.rows) if self.tells_total else None, **self.headers)
        self.moves(number, self.rows)
        return page


def swept(found, template=None, *, rate=1000.0, burst=1000.0):
    async def go():
        throttle = Throttle(Limits(rate=rate, burst=burst, stated=True), asyncio.get_running_loop().time())
        return await sweep(GATEWAY, found.send, throttle, template)

    return run(go())


def ids(found):
    assert isinstance(found, Sweep), found
    return set(found.running)


# -------------------------------------------------------------------------------------------------------- the whole list


@pytest.mark.parametrize("tells_total", [True, False])
@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 100, 137])
def test_every_workflow_is_read_however_many_there_are(count, tells_total):
    found = swept(List(map(row, range(count)), tells_total=tells_total))
    assert ids(found) == {f"w.{number}" for number in range(count)}


def test_a_list_of_one_page_is_asked_for_once():
    portal = List(map(row, range(50)))
    swept(portal)
    assert portal.asked == [{}]


def test_a_workflow_is_what_the_list_says_of_it():
    (found,) = swept(List([row(7, 212)])).running.values()
    assert found == Running("w.7", 212, ("deal", 7), STARTED)


def test_the_list_of_one_template_is_asked_for_where_that_is_enough():
    portal = List(map(row, range(60)))
    swept(portal, 713)
    assert {query["templateId"] for query in portal.asked} == {"713"}
    assert [query.get("offset") for query in portal.asked] == [None, "50", None, "50"], "twice: rows may have shifted"


@pytest.mark.parametrize("page", [1, 2, 3])
def test_a_workflow_that_moves_to_the_head_while_the_list_is_read_is_not_missed(page):
    """Newest MODIFIED first (1.6): what is touched jumps to the head, past the place that is being read."""

    def moves(number, rows):
        if number == page:
            rows.insert(0, rows.pop())

    assert ids(swept(List(map(row, range(150)), moves=moves))) == {f"w.{number}" for number in range(150)}


def test_many_that_move_are_followed_until_the_head_shows_nothing_new():
    def moves(number, rows):
        if number == 4:  # more than a page goes to the head, past the place that is being read
            rows[:] = rows[200:240] + rows[:200] + rows[240:]

    assert ids(swept(List(map(row, range(300)), moves=moves, size=30))) == {f"w.{number}" for number in range(300)}


@pytest.mark.parametrize("size", [2, 7, 50])
@pytest.mark.parametrize("tells_total", [True, False])
@pytest.mark.parametrize("page", [1, 2, 3])
@pytest.mark.parametrize("ended", [1, 20, 70])
def test_what_ends_while_the_list_is_read_makes_no_other_one_missed(ended, page, tells_total, size):
    """What ended makes the rest move up: the next page would begin behind rows that nobody has read."""

    def moves(number, rows):
        if number == page:
            del rows[:ended]

    portal = List(map(row, range(170)), moves=moves, tells_total=tells_total, size=size)
    assert ids(swept(portal)) >= {f"w.{number}" for number in range(ended, 170)}
    assert len(portal.asked) <= 4 * (170 / size + 2), "a few passes"


def test_a_portal_that_pays_no_heed_to_the_offset_ends_the_sweep_all_the_same():
    class Same(List):
        async def send(self, call):
            self.asked.append(call)
            return listed([row(1), row(2)], 500)

    portal = Same([])
    assert ids(swept(portal)) == {"w.1", "w.2"}
    assert len(portal.asked) <= 6


def test_a_list_without_an_end_is_no_list():
    class Endless(List):
        async def send(self, call):
            self.asked.append(call)
            return listed([row(len(self.asked))])

    portal = Endless([])
    assert swept(portal) == Unread("LIST_TOO_LONG")
    assert len(portal.asked) == MOST_PAGES


def test_how_many_run_on_each_document_is_counted_by_type_and_id():
    rows = [row(1), row(2, document="DEAL_1"), row(3, 714, "DEAL_1"), row(4), row(5, document="ORDER_5")]
    assert swept(List(rows)).by_document() == {("deal", 1): 3, ("deal", 4): 1}


def test_every_page_takes_a_slot_of_the_throttle():
    portal = List(map(row, range(120)))
    swept(portal, rate=0.5, burst=1.0)
    at = [virtual for virtual, _ in portal.at]
    assert all(later - earlier >= 1.9 for earlier, later in pairwise(at))
    assert len(at) == 6


# ----------------------------------------------------------------------------------------------------- what is no list


@pytest.mark.parametrize("page", [1, 2, 3])
@pytest.mark.parametrize(
    ("answer", "code", "exit_code"),
    [
        (failed(403, "SCOPE_DENIED"), "SCOPE_DENIED", 7),
        (failed(401, "INVALID_API_KEY"), "INVALID_API_KEY", 7),
        (failed(500, "INTERNAL_ERROR"), "INTERNAL_ERROR", None),
        (Answer(502, {}, b"<html>"), "HTTP_502", None),
        (Answer(200, {}, b"<html>"), "BAD_ANSWER", None),
        (Answer(200, {}, b'{"success": true, "data": {}}'), "BAD_ANSWER", None),
        (Lost("READ_TIMEOUT", left=True), "READ_TIMEOUT", None),
        (Lost("invalid_grant", left=False, message="log in anew"), "invalid_grant", 7),
        (Lost("TLS_CERTIFICATE", left=False), "TLS_CERTIFICATE", 7),
    ],
    ids=["no scope", "no key", "a fault", "a proxy", "a page of HTML", "no list", "silence", "no token", "no trust"],
)
def test_a_list_that_breaks_off_is_no_list_and_the_reason_is_said(page, answer, code, exit_code):
    found = swept(List(map(row, range(120)), faults={page: answer}))
    assert isinstance(found, Unread)
    assert found.code == code
    assert (found.denied and found.denied.exit_code) == exit_code
    assert found.denied is None or isinstance(found.denied, Denied)


def test_a_portal_that_asks_for_time_is_asked_again():
    portal = List(map(row, range(120)), faults={2: failed(429, "RATE_LIMITED", retryAfter=2), 3: failed(429, "RATE_LIMITED")})
    assert len(ids(swept(portal))) == 120
    assert portal.at[2][0] - portal.at[1][0] >= 2


def test_a_page_that_was_lost_is_asked_for_again():
    assert len(ids(swept(List(map(row, range(60)), faults={2: Lost("CONNECT_FAILED", left=False)})))) == 60


# ----------------------------------------------------------------------------------------------------------- the clocks


def test_its_moment_is_before_the_first_request():
    portal, before = List(map(row, range(120))), time.time()
    found = swept(portal)
    assert before <= found.at <= portal.at[0][1]


@pytest.mark.parametrize("ahead", [-7200, -90, 0, 90, 7200])
def test_the_portals_clock_is_read_from_its_date(ahead):
    found = swept(List([row(1)], headers={"date": formatdate(time.time() + ahead, usegmt=True)}))
    assert found.clock_offset == pytest.approx(ahead, abs=1.0)


def test_half_of_the_way_there_and_back_belongs_to_the_answer():
    answer = listed([], 0, date=formatdate(time.time(), usegmt=True))
    found = swept(List([], faults={1: Answer(200, answer.headers, answer.body, seconds=60.0)}))
    assert found.clock_offset == pytest.approx(30.0, abs=1.0)


def test_the_first_page_that_tells_the_clock_counts():
    def page(ahead):
        return listed([row(1)], 2, **({} if ahead is None else {"date": formatdate(time.time() + ahead, usegmt=True)}))

    assert swept(List([row(1)], faults={1: page(600), 2: page(0)})).clock_offset == pytest.approx(600, abs=1.0)
    assert swept(List([row(1)], faults={1: page(None), 2: page(600)})).clock_offset == pytest.approx(600, abs=1.0)


@pytest.mark.parametrize(
    "date",
    [
        None,
        "",
        "today",
        "Thu, 99 Jan 2026 10:00:00 GMT",
        format_datetime(datetime(2026, 1, 1, tzinfo=UTC)).replace("+0000", "-0000"),
        "Thu, 01 Jan 2026 10:00:00",
    ],
    ids=["absent", "blank", "a word", "no such day", "an unknown zone", "no zone"],
)
def test_a_clock_that_is_not_told_is_none(date):
    assert swept(List([row(1)], headers={} if date is None else {"date": date})).clock_offset is None

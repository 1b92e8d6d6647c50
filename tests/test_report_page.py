"""The whole page: in the right order, offline, in the zone that was asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone

import pytest

from bulkstart.report_page import PROMISE, Report, options_of
from bulkstart.report_rows import Account
from bulkstart.result_columns import Status
from bulkstart.timeline import Request, Turn
from tests.read_page import read
from tests.test_report_rows import ALL, row, run_with

ZONE = timezone(timedelta(hours=3))


def page_of(account, turns=(), **more):
    return read(Report(account, turns, 1_000_000.0, ZONE, **more).html)


def test_doubts_come_before_what_failed_and_that_before_the_figures():
    requests = [
        Request("key-5", 1000.0, 1000.5, "in_doubt"),
        Request("key-0", 1000.0, 1000.2, "started"),
        Request("key-6", 1001.0),
    ]
    account = Account(run_with(*ALL, started_at=1000.0).past, ALL, requests)
    page = page_of(account, [Turn(1002.0, 1002.0, "taken up again by ann")])
    assert page.inside("h2") == [
        *("What to type next", "In doubt: 1", "Errors and doubts by kind", "Not started: 2", "Started, with a remark: 2"),
        *("Rate and durations", "What was run", "What happened"),
    ]
    assert PROMISE in page.text
    assert "1970-01-01 03:16:40" in page.text, "in the zone that was asked for"
    assert "Times are those of UTC+03:00." in page.text
    assert "1 more never got an answer" in page.text
    assert ["started", "1", "0.20 s", "0.20 s", "0.20 s", "0.20 s"] in page.rows
    assert any("taken up again by ann" in row for row in page.rows)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"finished_at": 1001.0, "exit_code": 0}, "every row that was to start has started"),
        ({"finished_at": 1001.0, "exit_code": 130}, "interrupted and drained"),
        ({"finished_at": 1001.0, "exit_code": 99}, "ended"),
        ({}, "ended without a word"),
        ({"live": True}, "going on right now"),
    ],
)
def test_the_state_of_the_run_is_said_at_the_top(more, said):
    page = page_of(run_with(ALL[0], **more))
    assert any(said in one for one in page.inside("span"))


def test_a_run_that_needs_nothing_says_so():
    assert "Nothing is left to do." in page_of(run_with(row(0, Status.ALREADY_STARTED, workflow_id="w"))).text


def test_only_options_that_were_given_are_shown():
    given = {
        "rate": 5,
        "polite": True,
        "canary": 3,
        "values": {"a": "b=c"},
        "columns": {},
        "parameters": {"713": []},
        "journal": "x",
        "by": "ann",
    }
    assert options_of(given) == ["--set a=b=c", "--rate 5", "--polite"]


def test_settings_of_an_older_journal_or_odd_ones_break_nothing():
    for settings in (
        {},
        {"portal_limit": {}},
        {"portal_limit": {"rate": None}},
        {"portal_limit": None, "by": 5, "values": {"x": None}},
    ):
        account = run_with(ALL[0])
        account = Account(
            replace(account.past, settings=settings), account.outcomes, [Request("key-0", 1000.0, 1000.1, "started")]
        )
        assert "Requests a second." in page_of(account).text


def test_the_limit_and_shared_requests_are_told():
    limit = {"rate": 2.0, "burst": 50.0, "kept": 1.98, "stated": True}
    past = replace(run_with(ALL[0]).past, settings={"portal_limit": limit}, dialect="native")
    text = page_of(Account(past, [ALL[0]], [Request("key-0", 1000.0, 1000.1, "deferred", "OPERATION_TIME_LIMIT")])).text
    assert "The line is 2 a second, and 50 at once" in text
    assert "several shared a request" in text
    assert "1 requests that did nothing and could go again" in text


def test_the_same_run_gives_the_same_page():
    account = run_with(*ALL)
    assert Report(account, [], 5.0, ZONE).html == Report(account, [], 5.0, ZONE).html

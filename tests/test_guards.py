"""What a person is told before the first send, and rows that run already."""

from __future__ import annotations

import pytest

from bulkstart.gateways import Me
from bulkstart.gateways.running import Running
from bulkstart.guards import notes, running_problems, without
from bulkstart.journal_view import Before
from bulkstart.model import StartRequest, Template
from bulkstart.plan import Plan, Ready
from tests.conftest import PLAIN, deals, run

NOW = 1_800_000_000.0
TEMPLATE = Template(713, "Send", "deal", (), modified="2026-11-01T10:00:00+03:00")
EARLIER = {713: Before("run-1", "2026-10-01T10:00:00+03:00")}


NOBODY = Me()


def said(me=NOBODY, used=(), earlier=None, seconds=600.0):
    return " ".join(notes(me, used, earlier or {}, now=NOW, seconds=seconds))


@pytest.mark.parametrize(
    ("me", "words"),
    [
        (Me(scopes=("crm",)), "lacks the scope bizproc"),
        (Me(read_only=True), "read-only"),
        (Me(expires_at=NOW + 300), "before the run does"),
        (Me(expires_at=NOW - 5), "has ended"),
    ],
)
def test_credentials_that_will_not_do_are_told(me, words):
    assert words in said(me)


@pytest.mark.parametrize("me", [Me(), Me(scopes=("bizproc", "crm")), Me(expires_at=NOW + 601)])
def test_credentials_that_will_do_are_no_news(me):
    assert said(me) == ""


def test_a_template_that_was_changed_since_its_last_run_is_told_with_both_times_and_the_run():
    text = said(used=[TEMPLATE], earlier=EARLIER)
    assert TEMPLATE.modified in text
    assert EARLIER[713].modified in text
    assert "run-1" in text


@pytest.mark.parametrize("earlier", [{}, {713: Before("run-1", TEMPLATE.modified)}, {714: Before("run-1", "x")}])
def test_a_template_that_is_as_it_was_or_is_new_is_no_news(earlier):
    assert said(used=[TEMPLATE], earlier=earlier) == ""


def ready(position, entity, template=713):
    return Ready(position, position + 2, f"key-{position}", StartRequest(template, "deal", entity))


def test_only_rows_whose_entity_runs_the_same_template_are_problems_and_leave_the_plan():
    plan = Plan((ready(0, 1), ready(1, 2), ready(2, 3), ready(3, 1, 714)), {}, ())
    running = [
        Running("w.1", 713, ("deal", 1), ""),
        Running("w.2", 713, ("lead", 2), ""),
        Running("w.3", 714, ("deal", 3), ""),
        Running("w.4", 713, None, ""),
    ]
    found = running_problems(plan, running)
    assert [(p.position, p.row, p.code) for p in found] == [(0, 2, "already-running")]
    assert "w.1" in found[0].message
    left = without(plan, found)
    assert [entry.position for entry in left.ready] == [1, 2, 3]
    assert left.problems == found


def test_a_probed_row_stops_the_sheet_and_with_skip_invalid_only_itself():
    scenario = {"templates": [PLAIN], "running": [{"templateId": 713, "entityType": "deal", "entityId": 2}]}
    stopped = run(scenario, rows=3, probe_running=True)
    assert (stopped.code, stopped.statuses) == (3, ["not_attempted", "invalid", "not_attempted"])
    assert not stopped.commits()
    skipped = run(scenario, rows=3, probe_running=True, skip_invalid=True)
    assert (skipped.code, skipped.statuses, skipped.codes[1]) == (4, ["started", "invalid", "started"], "already-running")
    assert run(scenario, rows=3).statuses == ["started"] * 3, "nobody asked to look"


def test_a_probe_that_cannot_look_sends_nothing():
    denied = run({"switches": {"list_denied": "BITRIX_ACCESS_DENIED"}}, rows=2, probe_running=True)
    assert (denied.code, set(denied.statuses)) == (7, {"not_attempted"})
    assert not denied.commits()


def test_what_a_portal_tells_of_a_key_that_ends_too_early_stands_in_the_notes():
    ran = run({"me": {"expires_in_seconds": 1}}, deals(40), rate=2, burst=1, limit=1)
    assert any("ends" in note for note in ran.results.attrs["notes"]) is False, "one row takes no second"
    ran = run({"me": {"expires_in_seconds": 0.5}}, deals(3), rate=2, burst=1)
    assert any("bulkstart resume goes on" in note for note in ran.results.attrs["notes"])

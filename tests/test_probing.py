"""What is asked of the rows before the first send: absent ones, running ones, both at once, and a list that cannot be read."""

from __future__ import annotations

from typing import Any

from tests.conftest import FAST_WORDS, PLAIN, Json

WORDS = ("--template", "713", "--entity-type", "deal", "--json", *FAST_WORDS)
PORTAL: Json = {
    "templates": [PLAIN],
    "documents": {"missing": {"deal": [2]}},
    "running": [{"templateId": 713, "entityType": "deal", "entityId": number} for number in (2, 3)],
}


def said(here: Any, *words: str) -> Any:
    return here.inside(here.sheet(rows=4), *WORDS, "--yes", "--skip-invalid", *words)


def codes(found: Any) -> list[tuple[int, str]]:
    return [(problem["row"], problem["code"]) for problem in found.json["problems"]]


def test_each_option_speaks_for_itself_and_a_row_has_one_problem(desk):
    here = desk(PORTAL)
    found = said(here, "--check-exists", "--probe-running")
    assert codes(found) == [(3, "entity-not-found"), (4, "already-running")]
    assert {commit["entityId"] for commit in here.commits()} == {1, 4}


def test_an_absent_entity_stops_the_sheet_before_the_first_send(desk):
    here = desk(PORTAL)
    found = here.inside(here.sheet(rows=4), *WORDS, "--yes", "--check-exists")
    assert found.code == 3
    assert not here.arrivals()


def test_a_running_list_that_cannot_be_read_stops_the_run(desk):
    here = desk({**PORTAL, "switches": {"list_denied": "SCOPE_DENIED"}})
    assert said(here, "--check-exists", "--probe-running").code in (6, 7)
    assert not here.arrivals()

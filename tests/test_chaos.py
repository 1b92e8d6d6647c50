"""A piece of chaos on every change: seeded schedules and kills without one fault, and a comparison that catches what is planted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.benchmarks.chaos import play
from tests.benchmarks.chaos_draw import PAIRS, draw, draw_kills
from tests.benchmarks.chaos_truth import Act, Table, Truth

SCHEDULES = ("3", "6", "8", "12", "22", "26", "30", "35", "40", "41", "52", "58")
KILLS = ("kill:23", "kill:30")
START = {"method": "POST", "on": "start", "templateId": 713, "entityType": "deal", "parameters": None, "rule": None}
ONE, TWO = "6b0250000000a1.00000001", "6b0250000000a2.00000002"
AT = "1970-01-01T00:16:40.050+00:00"  # the Unix time 1000.05

Line = dict[str, Any]


def request(n: int, entity: int, moment: float, workflow: str = "", *, answered: bool = True) -> list[Line]:
    """The lines of one start request: it arrived, was carried out, and was answered with the id, or the answer was lost."""
    common = {**START, "n": n, "entityId": entity}
    lines: list[Line] = [{**common, "kind": "arrival", "time": moment, "mono": moment}]
    if workflow:
        lines.append({**common, "kind": "commit", "time": moment, "mono": moment, "workflowId": workflow, "cause": "start"})
    told = {"done": "sent", "status": 201, "workflowId": workflow} if answered else {"done": "close", "status": None}
    return [*lines, {**common, "kind": "answer", "time": moment + 0.01, "mono": moment + 0.01, **told}]


def row(entity: int, status: str, workflow: str = "", attempts: int = 1, at: str = AT) -> Line:
    code = "" if workflow else "SOME_CODE"
    told = {"startStatus": status, "workflowId": workflow, "errorCode": code, "errorMessage": code}
    return {"entityId": entity, **told, "attempts": attempts, "startedAt": at if workflow else ""}


def counts(ledger: list[Line], *tables: Table, acts: tuple[Act, ...] = (Act("start", 1000.0, timeout=1.0),)) -> tuple[int, ...]:
    return Truth(ledger, acts, tables).judge().counts[:3]


TRUE = [*request(1, 7, 1000.1, ONE), *request(2, 8, 1000.2, TWO, answered=False)]
TOLD = Table(0, 1001.0, [row(7, "started", ONE), row(8, "in_doubt")])
AGAIN = (Act("start", 1000.0, timeout=1.0), Act("again", 1010.0, timeout=1.0))


@pytest.mark.parametrize("name", [*SCHEDULES, *KILLS])
def test_nothing_is_started_twice_told_wrongly_or_lost(name):
    outcome = play(name)
    assert outcome.figures.acts, "a case in which nothing is done shows nothing"
    assert outcome.verdict.counts == (0, 0, 0, 0), outcome.verdict


def test_a_true_story_is_found_to_be_true():
    assert counts(TRUE, TOLD) == (0, 0, 0)


def test_a_planted_duplicate_is_caught():
    """The doubtful row is started once more although nobody released it; told or not."""
    twice = [*TRUE, *request(3, 8, 1010.1, "6b0250000000a3.00000003", answered=False)]
    assert counts(twice, TOLD, acts=AGAIN) == (1, 0, 0)
    assert counts([*TRUE, *request(3, 8, 1000.3, "6b0250000000a3.00000003", answered=False)], TOLD) == (1, 0, 0)


def test_a_released_doubt_may_start_once_more_and_a_known_id_may_not():
    released = (AGAIN[0], Act("release", 1010.0, released=1, timeout=1.0))
    once = [*TRUE, *request(3, 8, 1010.1, "6b0250000000a3.00000003", answered=False)]
    assert counts(once, TOLD, acts=released) == (0, 0, 0)
    assert counts([*once, *request(4, 8, 1010.2, "6b0250000000a4.00000004", answered=False)], TOLD, acts=released) == (1, 0, 0)
    assert counts([*TRUE, *request(3, 7, 1010.1, "6b0250000000a3.00000003", answered=False)], TOLD, acts=released) == (1, 0, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        row(8, "refused"),
        row(8, "not_attempted"),
        row(8, "planned"),
        row(8, "started", "6b0250000000a9.00000009"),
        row(8, "started", TWO, at="1970-01-01T00:16:41.050+00:00"),
        row(8, "in_doubt", attempts=0) | {"errorCode": ""},
    ],
    ids=["refused", "not attempted", "planned", "an id that is nobody's", "a later moment", "no code"],
)
def test_a_planted_false_row_is_caught(wrong):
    assert counts(TRUE, Table(0, 1001.0, [row(7, "started", ONE), wrong])) == (0, 1, 0)


def test_of_two_runs_at_once_one_may_leave_a_row_to_the_other():
    """The row that one run told ``not_attempted`` is told by the other; told by neither it is a false row."""
    both = (Act("start+start", 1000.0, timeout=1.0, at_once=True),)
    left = Table(0, 1001.0, [row(7, "not_attempted"), row(8, "not_attempted")])
    assert counts(TRUE, TOLD, left, acts=both) == (0, 0, 0)
    assert counts(TRUE, TOLD, left) == (0, 2, 1)
    assert counts(TRUE, left, left, acts=both) == (0, 4, 2)


def test_what_the_gateway_itself_sent_twice_is_counted_and_only_where_it_cannot_be_told_apart():
    """One request of deal 7, two workflows, one answer; a lost row of the same deal and template has the other one by the list."""
    other = "6b0250000000a7.00000007"
    retry = {**request(1, 7, 1000.1, other)[1], "cause": "gateway_retry"}
    credit = row(7, "started", other) | {"param:mark": "b", "errorMessage": "matched by list, not by answer"}
    acts = (Act("start", 1000.0, timeout=1.0),)

    def judged(ledger: list[Line], row: Line) -> tuple[int, int]:
        verdict = Truth(ledger, acts, [Table(0, 1001.0, [TOLD.rows[0], TOLD.rows[1], row])]).judge()
        return len(verdict.false), len(verdict.twins)

    assert judged([*TRUE, retry], credit) == (0, 1)
    assert judged([*TRUE, {**retry, "cause": "start"}], credit)[0] > 0
    assert judged([*TRUE, retry], credit | {"entityId": 9})[0] > 0
    assert judged([*TRUE, retry], credit | {"errorMessage": ""})[0] > 0


def test_an_id_in_two_rows_and_a_start_that_no_row_means_are_caught():
    assert counts(TRUE, Table(0, 1001.0, [row(7, "started", ONE), row(8, "started", ONE)]))[1] >= 2
    assert counts([*TRUE, *request(3, 9, 1000.3, "6b0250000000a3.00000003")], TOLD) == (0, 1, 0)


def test_requests_that_attempts_does_not_count_are_caught():
    acts = (Act("start", 1000.0, timeout=1.0, run="r1"),)
    told = Table(0, 1001.0, [row(7, "already_started", ONE, attempts=0), row(8, "in_doubt")], run="r1")
    assert counts(TRUE, told, acts=acts) == (0, 1, 0)


def test_a_planted_lost_id_is_caught():
    """It was received whole and is not told; or it was told, and a later table does not tell it any more."""
    assert counts(TRUE, Table(0, 1001.0, [row(7, "in_doubt"), row(8, "in_doubt")])) == (0, 0, 1)
    later = Table(1, 1011.0, [row(7, "in_doubt"), row(8, "in_doubt")])
    assert counts([*TRUE[:3]], Table(0, 1001.0, [row(7, "started", ONE)]), later, acts=AGAIN) == (0, 0, 1)


def test_an_id_may_be_unknown_where_the_process_died_or_the_answer_came_late():
    doubts = Table(1, 1011.0, [row(7, "in_doubt"), row(8, "in_doubt")])
    killed = (Act("start", 1000.0, timeout=1.0, lived=1000.2), AGAIN[1])
    assert counts(TRUE, doubts, acts=killed) == (0, 0, 0)
    assert counts(TRUE, doubts, acts=(Act("start", 1000.0, timeout=0.02), AGAIN[1])) == (0, 0, 0)


def test_the_same_number_and_seed_draw_the_same_case():
    assert draw(17, 1) == draw(17, 1) != draw(17, 2)
    assert draw_kills(3, 1) == draw_kills(3, 1) != draw_kills(4, 1)


def test_every_kind_of_act_is_drawn_and_no_other():
    acts = [act for number in range(300) for act in draw(number, 1).acts]
    assert {act["do"] for act in acts} == {"start", "fed_back", "dry", "resume", "release", "reconcile", *PAIRS}
    assert {act.get("end", "") for act in acts} == {"", "drain", "abandon", "kill"}
    kills = [act["when"] for number in range(100) for act in draw_kills(number, 1).acts]
    assert set(kills) == {"time", "arrivals", "results", "written", "checkpoint"}

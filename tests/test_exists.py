"""``--check-exists`` by both dialects: each missing id is a problem of its row, in few requests, and silence proves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import PLAIN, Json
from tests.test_native_flow import hooked


def scenario(**more: Any) -> Json:
    return {"templates": [PLAIN], "documents": {"max_id": 600}, **more}


def asked_for(here: Any) -> int:
    """Requests that asked for entities."""
    return sum(line["kind"] == "arrival" and line["on"] in ("search", "batch") for line in here.sandbox.ledger())


def sheet(here: Any, ids: list[int]) -> Any:
    path = here.folder / "deals.csv"
    path.write_text("ID\n" + "".join(f"{number}\n" for number in ids), encoding="utf-8")
    return path


def missing(said: Any) -> list[tuple[int, str, str]]:
    return [(p["row"], p["column"], p["code"]) for p in said.json["problems"]]


WORDS = ("--template", "713", "--entity-type", "deal", "--check-exists", "--json", "--rate", "500", "--burst", "500")
"""Options of the main job; ``check`` takes them but the last four."""


@pytest.fixture(params=["vibecode", "native"])
def portal(request, desk):
    def made(**more: Any) -> Any:
        if request.param == "vibecode":
            return desk(scenario(**more))
        return hooked(desk, scenario(**more))

    return made


def test_each_missing_id_is_a_problem_of_its_row_and_nothing_is_sent(portal):
    here = portal()
    said = here.inside("check", sheet(here, [1, 700, 2, 701, 700]), *WORDS[:-4])
    assert said.code == 3
    assert (2, "A", "entity-not-found") not in missing(said)
    assert {(row, code) for row, _, code in missing(said)} >= {(3, "entity-not-found"), (5, "entity-not-found")}
    assert not here.arrivals()


def test_many_ids_take_few_requests(portal):
    here = portal()
    said = here.inside("check", sheet(here, [*range(1, 601), *range(1001, 1401)]), *WORDS[:-4])
    assert len(missing(said)) == 400
    assert asked_for(here) <= 2


def test_the_good_rows_start_where_the_person_says_so(portal):
    here = portal()
    said = here.inside(sheet(here, [1, 700, 2]), *WORDS, "--yes", "--skip-invalid")
    assert said.json["counts"] == {"started": 2, "invalid": 1}
    assert {commit["entityId"] for commit in here.commits()} == {1, 2}
    assert not [line for line in here.arrivals() if line["entityId"] == 700]


def test_without_the_option_nobody_asks(portal):
    here = portal()
    here.inside("check", sheet(here, [1, 700]), *WORDS[:4])
    assert asked_for(here) == 0


def test_what_could_not_be_asked_is_said_and_is_no_problem(portal):
    faults = [{"on": on, "every": 1, "answer": "html_502"} for on in ("search", "batch")]
    here = portal(faults=faults)
    said = here.inside("check", sheet(here, [1, 700]), *WORDS[:-4])
    assert said.code == 0, said
    assert "does not tell whether 2 ids of type deal exist" in said.err


@pytest.mark.parametrize("switches", [{"search_in_limit": 60}, {"short_pages": True}, {"search_ids": "string"}])
def test_a_portal_with_odd_pages_is_asked_until_it_is_clear(desk, switches):
    here = desk(scenario(switches=switches))
    said = here.inside("check", sheet(here, list(range(501, 701))), *WORDS[:-4])
    assert {row for row, _, _ in missing(said)} == set(range(102, 202))


def test_a_batch_of_which_a_part_is_missing_tells_nothing_of_that_part(desk):
    cut = {"on": "batch", "every": 1, "commands": 1, "answer": "normal"}
    here = hooked(desk, scenario(faults=[cut]))
    said = here.inside("check", sheet(here, list(range(571, 671))), *WORDS[:-4])
    assert {row for row, _, _ in missing(said)} == set(range(32, 52))
    assert "does not tell whether 50 ids of type deal exist" in said.err

"""SIGKILL of real processes at seeded moments, then the same sheet again: nothing starts twice, nothing is lost, doubts are shown."""

from __future__ import annotations

import random
import signal
import threading

import pytest

from tests.conftest import FAST_WORDS, truth, until

ROWS = 40
QUICK = {"id": 713, "name": "Quick", "documentType": "deal", "run_seconds": [0.02, 0.12]}


@pytest.mark.parametrize("seed", range(8))
def test_a_run_that_is_killed_goes_on_without_starting_anything_twice(seed, desk):
    """The kill comes when a seeded number of requests has arrived, a seeded moment later: between any two steps of a start."""
    chance = random.Random(seed)
    here = desk({"seed": seed, "templates": [QUICK]})
    sheet = here.sheet(rows=ROWS)
    process = here.begin(sheet, "--template", 713, "--yes", "--json", *FAST_WORDS, "--canary", "0")
    wanted = chance.randrange(0, ROWS - 6)
    until(lambda: len(here.sandbox.ledger()) > 2 and len(here.arrivals()) >= wanted, what=f"arrival {wanted}")
    threading.Event().wait(chance.uniform(0, 0.05))
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGKILL
    before = here.sandbox.ledger()

    said = here.again(sheet, "--canary", "0", "--halt-doubts", "0", "--halt-percent", "0", "--halt-same", "0")
    results = here.results(said)
    truth(results, here.sandbox.ledger(), arrivals=False)
    assert set(results["startStatus"]) <= {"started", "already_started", "in_doubt"}
    in_doubt = results[results["startStatus"] == "in_doubt"]
    assert set(in_doubt["errorCode"]) <= {"CRASHED"}
    assert len(in_doubt) <= 10, "no more than were on the wire"
    assert said.code == (5 if len(in_doubt) else 0)
    answered = {line["workflowId"] for line in before if line["kind"] == "commit"}
    known = set(results.loc[results["startStatus"] == "already_started", "workflowId"])
    assert known <= answered
    assert len(answered - known) <= len(in_doubt), "a commit of the killed run is known by its id, or its row is in doubt"
    assert len({line["entityId"] for line in here.commits()} | set(map(int, in_doubt["entityId"]))) == ROWS


def test_rows_in_doubt_after_a_crash_stay_so_and_are_never_sent_again(desk):
    here = desk({"faults": [{"nth": [3, 4], "committed": True, "answer": "hang"}]})
    sheet = here.sheet(rows=6)
    process = here.begin(sheet, "--template", 713, "--yes", "--json", *FAST_WORDS, "--canary", "0", "--max-unknown", "2")
    until(lambda: len(here.arrivals()) >= 4, what="two starts that hang")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    for counts in ({"started": 2, "already_started": 2, "in_doubt": 2}, {"already_started": 4, "in_doubt": 2}):
        said = here.again(sheet)
        assert (said.code, said.json["counts"]) == (5, counts)
        truth(here.results(said), here.sandbox.ledger(), arrivals=False)
    assert len(here.arrivals()) == 6

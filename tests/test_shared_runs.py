"""Whole runs, as processes, that share one budget: every request takes a slot, a killed one keeps nothing, a broken store stops nobody."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

import bulkstart
from bulkstart.meeting import entrance
from tests.conftest import PLAIN, deals, until

SLOWLY = ["--rate", "50", "--burst", "50"]
NO_LIMIT = {"me": {"requests_per_second": None}, "limits": {"per_document": 0}}


def told(rate, burst):
    """A portal with this limit, and the options that state it."""
    limit = {"rate": rate, "burst": burst}
    return {**NO_LIMIT, "limits": {"portal": limit, "per_document": 0}}, ["--rate", rate, "--burst", burst]


def kept(here):
    """The one portal in the store."""
    (found,) = json.loads((here.folder / "home" / "budget.sqlite").read_text())["portals"].values()
    return found


def asked(here):
    return [line for line in here.sandbox.ledger() if line["kind"] == "arrival"]


def times(here, first, count):
    """When the starts of these deals arrived."""
    return [line["mono"] for line in here.arrivals() if first <= line["entityId"] < first + count]


def begin(here, sheet, *words):
    return here.begin(sheet, "--template", 713, "--yes", "--json", "--canary", 0, *words)


@pytest.mark.parametrize("words", [(), ("--dialect", "native", "--batch", "5")], ids=["vibecode", "native"])
def test_every_request_takes_a_slot_whatever_it_asks_for(desk, words):
    here = desk(NO_LIMIT | {"templates": [PLAIN | {"life_seconds": 60}]})
    if words:
        here.env |= {"BULKSTART_WEBHOOK_URL": here.sandbox.webhook_url}
    dialect = words[:2]
    sheet = here.sheet(rows=6)
    assert here.inside("templates", *dialect).code == 0
    assert here.inside("doctor", *dialect).code in (0, 4)
    assert here.inside(sheet, "--template", "713", "--dry-run", *dialect).code == 0
    said = here.inside(sheet, "--template", "713", "--yes", "--json", *SLOWLY, *words)
    assert said.code == 0, said
    assert here.inside("reconcile", said.json["run"], "--settle", "0", *SLOWLY, *dialect).code == 0
    assert here.inside("undo", said.json["run"], "--yes", *SLOWLY, *dialect).code == 0
    until(lambda: kept(here)["count"] == len(asked(here)), 5, f"{kept(here)['count']} slots for {len(asked(here))} requests")


def test_two_runs_at_once_keep_one_limit_and_share_it(desk):
    limit, words = told(40, 10)
    here = desk(limit)
    runs = [begin(here, here.sheet(f"{first}.csv", 100, first), *words) for first in (1000, 2000)]
    assert [here.end(run).code for run in runs] == [0, 0]
    assert [line for line in here.sandbox.ledger() if line["kind"] == "answer" and line.get("throttled")] == []
    one, two = times(here, 1000, 100), times(here, 2000, 100)
    since, to = max(one[0], two[0]), min(one[-1], two[-1])
    counts = [sum(since <= at <= to for at in found) for found in (one, two)]
    assert max(counts) <= 1.2 * min(counts) + 2


def test_a_run_that_is_killed_keeps_nothing(desk):
    limit, words = told(30, 5)
    here = desk(limit)
    killed, other = (begin(here, here.sheet(f"{first}.csv", 150, first), *words) for first in (1000, 2000))
    until(lambda: len(times(here, 1000, 150)) > 20 and len(times(here, 2000, 150)) > 20)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    gone = here.arrivals()[-1]["mono"]
    assert here.end(other).code == 0
    after = [at for at in times(here, 2000, 150) if at > gone + 0.3]
    assert (len(after) - 1) / (after[-1] - after[0]) >= 0.9 * 30, "what was left of the limit belongs to the other one"
    until(lambda: kept(here)["voices"] == {}, 5)


def test_what_the_portal_tells_one_run_to_wait_the_other_waits_too(desk):
    limit, words = told(40, 10)
    answer = {"kind": "error", "code": "RATE_LIMITED", "retryAfter": 2}
    here = desk(limit | {"faults": [{"entities": [1030], "limit": 1, "committed": False, "answer": answer}]})
    other = begin(here, here.sheet("other.csv", 280, 2000), *words)
    until(lambda: times(here, 2000, 20))  # the rest takes 6 seconds and more: time for the other one to begin
    told_to_wait = begin(here, here.sheet("told.csv", 60, 1000), *words)
    assert [here.end(run).code for run in (told_to_wait, other)] == [0, 0]
    (refused,) = [line for line in here.sandbox.ledger() if line["kind"] == "answer" and line["status"] == 429]
    for first in (1000, 2000):
        found = times(here, first, 280)
        assert found[0] < refused["mono"] < found[-1]
        assert not [at for at in found if refused["mono"] + 0.5 < at < refused["mono"] + 2]


def broken(kind, folder):
    path = folder / "broken"
    if kind == "foreign":
        path.write_text("somebody's notes")
    elif kind == "folder":
        path.mkdir()
    elif kind == "no folder":
        (folder / "file").touch()
        path = folder / "file" / "budget"
    else:
        path = Path("/proc/version")
    return path


@pytest.mark.parametrize("kind", ["foreign", "folder", "no folder", "read-only"])
def test_where_the_store_cannot_be_used_one_line_says_so_and_the_run_goes_on(desk, tmp_path, kind):
    here = desk(NO_LIMIT)
    path = broken(kind, tmp_path)
    here.env["BULKSTART_BUDGET"] = str(path)
    said = here.start(here.sheet(rows=5))
    assert said.json["counts"] == {"started": 5}
    assert said.code == 0
    (line,) = [line for line in said.err.splitlines() if "shared budget" in line]
    assert str(path) in line
    assert len(here.commits()) == 5


def test_an_embedded_sandbox_shares_nothing_unless_a_store_is_named(monkeypatch):
    async def has_one(portal):
        return entrance(portal, print) is not None

    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        bulkstart.start(deals(2), portal=portal, template=713)
        assert Path(os.environ["BULKSTART_BUDGET"]).exists()
        monkeypatch.delenv("BULKSTART_BUDGET")
        assert not asyncio.run(has_one(portal))
        assert asyncio.run(has_one(bulkstart.Portal.vibecode(api_key="vibe_api_0123456789")))

"""Runs as processes of their own: they outlive who launched them, hear wishes from anywhere, and every row tells the truth."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import bulkstart
from bulkstart.detached import Detached, launch, launch_past, said_of
from bulkstart.errors import UsageError
from bulkstart.portal import Portal
from bulkstart.standing import State, Watched, Wish
from bulkstart.watch import look, wish
from tests.conftest import BOUND, Desk, deals, table, truth, until
from tests.test_secrets import KEYS, files, nothing_planted

SLOW: dict[str, Any] = {"template": 713, "rate": 30, "burst": 1}
QUICK: dict[str, Any] = {"template": 713, "rate": 500, "burst": 500, "canary": 0}
PARENT = """
import sys
from bulkstart.detached import launch
started = launch(sys.argv[1], template=713, rate=20, burst=1, canary=0)
print(started.run_id, started.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results that have no other place go into the working directory."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def ended() -> Iterator[Callable[[Detached], Detached]]:
    """Takes note of what was launched; what a failed test leaves running is ended."""
    launched: list[Detached] = []

    def noted(one: Detached) -> Detached:
        launched.append(one)
        return one

    yield noted
    for one in launched:
        if look(one.run_id, one.journal).alive:
            os.kill(one.pid, signal.SIGKILL)


def portal_of(here: Desk) -> Portal:
    return Portal.vibecode(api_key=here.sandbox.api_key, session_token=here.sandbox.session_token, base_url=here.sandbox.url)


def seen(one: Detached, holds: Callable[[Watched], Any], what: str) -> Watched:
    """How a run stands as soon as something holds of it."""

    def looked() -> Watched | None:
        found = look(one.run_id, one.journal)
        return found if holds(found) else None

    found = until(looked, BOUND, what)
    assert isinstance(found, Watched)
    return found


def over(one: Detached) -> Watched:
    """The run behind its end, with its process gone."""
    return seen(one, lambda found: found.over and not found.alive, "the end of the run")


def test_a_run_outlives_the_kill_of_its_launcher_and_nobody_sees_a_secret_of_it(desk, tmp_path):
    here = desk({"keys": KEYS})
    sheet = here.sheet(rows=400)
    command = [sys.executable, "-c", PARENT, str(sheet)]
    parent = subprocess.Popen(
        command,
        env=here.settings(),
        cwd=here.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    run_id, pid = parent.stdout.readline().split()
    journal = Path(here.settings()["BULKSTART_JOURNAL"])
    one = Detached(run_id, int(pid), journal, journal.with_name(journal.name + "-launched") / run_id)
    seen(one, lambda found: found.counts.get("started", 0) >= 3, "three starts")
    arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
    os.killpg(parent.pid, signal.SIGKILL)
    parent.communicate(timeout=BOUND)
    arrived = len(here.arrivals())
    until(lambda: len(here.arrivals()) > arrived + 2, what="starts behind the end of the parent")
    wish(run_id, Wish.STOP, journal)

    found = over(one)
    assert (found.state, found.exit_code) == (State.ENDED, 130)
    truth(table(Path(found.results)), here.sandbox.ledger())
    assert b"--yes" in arguments
    nothing_planted(arguments, *(path.read_bytes() for path in files(here.folder)))
    assert {stat.S_IMODE(path.stat().st_mode) for path in (one.folder, one.folder.parent)} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files(one.folder)} == {0o600}


def test_the_pilot_waits_until_somebody_says_go_on_from_anywhere(desk, ended):
    here = desk()
    one = ended(launch(here.sheet(rows=9), portal=portal_of(here), pilot=True, **SLOW))
    asking = seen(one, lambda found: found.state is State.ASKING, "the question")
    assert len(here.arrivals()) == 3
    assert asking.told.on_wire == 0
    assert [row.workflow_id for row in asking.pilot.rows] == [line["workflowId"] for line in here.commits()]
    assert [row.row for row in asking.pilot.rows] == ["2", "3", "4"]
    assert (asking.pilot.left, len(asking.pilot.durations), asking.pilot.forecast["requests"]) == (6, 3, 6)
    assert f"bulkstart continue {one.run_id}" in one.notes
    assert len(here.arrivals()) == 3, "nothing leaves before the answer"

    said = here.inside("continue", one.run_id, "--journal", one.journal, "--json")
    assert said.json["run"] == one.run_id
    found = over(one)
    assert (found.exit_code, found.counts) == (0, {"started": 9})
    assert said_of(one.run_id, one.journal)["counts"] == {"started": 9}
    truth(table(Path(found.results)), here.sandbox.ledger())


def test_a_run_is_paused_goes_on_and_is_stopped_from_another_process(desk, ended):
    here = desk()
    one = ended(launch(here.sheet(rows=600), portal=portal_of(here), canary=0, **SLOW))
    run = bulkstart.Run(one.run_id, journal=one.journal)
    seen(one, lambda found: found.counts.get("started", 0) >= 5, "five starts")
    with pytest.raises(UsageError, match="is running: resume it when it has ended"):
        launch_past("resume", one.run_id, portal=portal_of(here), journal=one.journal)
    assert run.pause().state is State.PAUSED
    seen(one, lambda found: found.told.state is State.PAUSED and not found.told.on_wire, "the pause")
    assert "(paused)" in here.inside("runs", "--journal", one.journal).out
    arrived = len(here.arrivals())
    threading.Event().wait(0.4)
    assert len(here.arrivals()) == arrived < 600
    assert run.go_on().state is State.RUNNING
    with pytest.raises(UsageError, match="neither paused nor asking"):
        run.go_on()
    until(lambda: len(here.arrivals()) > arrived, what="a start behind the pause")

    said = here.cli("stop", one.run_id, "--journal", one.journal)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"run {one.run_id} is stopping: ")
    found = over(one)
    assert (found.state, found.exit_code, found.told.code) == (State.ENDED, 130, "INTERRUPTED")
    results = table(Path(found.results))
    truth(results, here.sandbox.ledger())
    assert set(results["startStatus"]) == {"started", "not_attempted"}
    assert found.counts == results["startStatus"].value_counts().to_dict()
    assert run.results["startStatus"].value_counts().to_dict() == found.counts, "the journal tells the same as the file"


def test_what_is_stopped_before_it_began_sends_nothing(desk, ended):
    here = desk({"faults": [{"on": "me", "answer": {"kind": "delay", "seconds": 20}}]})
    one = ended(launch(here.sheet(rows=9), portal=portal_of(here), **QUICK))
    assert wish(one.run_id, Wish.STOP, one.journal).state is State.STOPPING
    found = over(one)
    assert (found.exit_code, here.arrivals()) == (130, [])
    assert set(table(Path(said_of(one.run_id, one.journal)["results"]))["errorCode"]) == {"INTERRUPTED"}


def test_a_killed_run_is_lost_leaves_no_zombie_and_is_gone_on_with(desk, ended):
    here = desk()
    one = ended(launch(here.sheet(rows=150), portal=portal_of(here), template=713, canary=0, rate=10, burst=1))
    seen(one, lambda found: found.counts.get("started", 0) >= 5, "five starts")
    os.kill(one.pid, signal.SIGKILL)
    lost = seen(one, lambda found: found.over, "the loss")
    assert (lost.state, lost.exit_code, lost.alive) == (State.LOST, None, False)
    assert sum(lost.counts.values()) == 150
    until(lambda: not Path(f"/proc/{one.pid}").exists(), what="the end of the zombie")

    again = ended(launch_past("resume", one.run_id, portal=portal_of(here), journal=one.journal, rate=500, burst=500))
    found = over(again)
    assert found.state is State.ENDED
    assert found.counts["started"] >= 140
    truth(table(Path(found.results)), here.sandbox.ledger(), arrivals=False)


def test_a_reconciliation_that_waits_can_be_stopped_too(desk, ended):
    here = desk({"faults": [{"nth": 2, "committed": True, "answer": "close"}]})
    results = bulkstart.start(deals(2), portal=portal_of(here), max_unknown=1, **QUICK)
    one = ended(launch_past("reconcile", results.attrs["run_id"], portal=portal_of(here), settle=600))
    seen(one, lambda found: found.told.pid, "its first word")
    assert wish(one.run_id, Wish.STOP, one.journal).state is State.STOPPING
    found = over(one)
    assert (found.exit_code, found.counts) == (130, {"in_doubt": 1, "started": 1})


def test_a_frame_is_started_as_it_is_and_keeps_its_labels(desk, ended, tmp_path):
    here = desk()
    frame = pd.DataFrame({"entityId": [1, "2", 3.0], "note": ["a", None, "=1+1"]}, index=["x", "x", 9])
    output = tmp_path / "out.csv"
    one = ended(launch(frame, portal=portal_of(here), output=output, **QUICK))
    found = over(one)
    assert (found.exit_code, found.results) == (0, str(output))
    truth(table(output).assign(entityId=["1", "2", "3"]), here.sandbox.ledger())
    assert bulkstart.Run(one.run_id, journal=one.journal).results.index.tolist() == ["x", "x", 9]
    assert {path.name for path in files(one.folder)} == {"errors.log", "said.json"}


def test_what_never_came_to_a_run_says_why(desk, ended):
    here = desk()
    one = ended(launch(here.sheet(), portal=portal_of(here), reading={"header_row": 90}, **QUICK))
    found = over(one)
    assert (found.state, found.exit_code, found.started_at) == (State.ENDED, 2, None)
    assert "header" in said_of(one.run_id, one.journal)["problems"][0]["message"]
    assert here.arrivals() == []


def test_nothing_is_launched_for_a_word_that_makes_no_sense(desk, tmp_path):
    portal = portal_of(desk())
    for options in ({"canary": -1}, {"nonsense": 1}, {"tab": "Deals"}):
        with pytest.raises(UsageError):
            launch("deals.csv", portal=portal, **options)
    with pytest.raises(UsageError, match="there is no sheet"):
        launch(tmp_path / "none.csv", portal=portal)
    with pytest.raises(UsageError, match="not by 'undo'"):
        launch_past("undo", "r1", portal=portal)
    journal = Path(os.environ["BULKSTART_JOURNAL"])
    assert not journal.exists()
    assert said_of("r1", journal) is None

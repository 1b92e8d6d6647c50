"""A sandbox portal in a process of its own: it says what it is, has a journal of its own, and ends by itself."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path

import pytest

import bulkstart
from bulkstart.errors import UsageError
from bulkstart.journal import Journal
from bulkstart.rehearsal import LEDGER, journal_with, lasting_sandbox, sandbox_beside
from bulkstart.result_columns import SANDBOX_MARK
from bulkstart.standing import State, Told
from tests.conftest import FAST, PLAIN, deals, truth, until


def test_a_lasting_sandbox_starts_what_it_is_told_and_ends_when_nobody_comes_any_more():
    portal = lasting_sandbox({"templates": [PLAIN]}, idle=60)
    assert (portal.is_sandbox, portal.loopback) == (True, True)
    results = bulkstart.start(deals(3), portal=portal, template=713, canary=0, **FAST)
    ledger = [json.loads(line) for line in (portal.journal.parent / LEDGER).read_text(encoding="utf-8").splitlines()]
    truth(results, ledger)
    assert set(results["errorMessage"]) == {SANDBOX_MARK}
    assert portal.journal.exists()
    assert not Path(os.environ["BULKSTART_JOURNAL"]).exists(), "the user's journal hears nothing of it"
    assert bulkstart.Run(results.attrs["run_id"], portal=portal).state == "ended"

    run_id = results.attrs["run_id"]
    assert journal_with(run_id) == portal.journal
    again = sandbox_beside(portal.journal)
    assert (again.base_url, again.journal, again.is_sandbox) == (portal.base_url, portal.journal, True)
    assert bulkstart.Run(run_id, portal=again).undo(dry_run=True)["started"] == 3
    os.kill(serving(portal.journal.parent)[0], signal.SIGTERM)
    until(lambda: not serving(portal.journal.parent), 30, "the end of the portal")


def test_a_run_of_the_users_own_journal_is_found_there_and_belongs_to_no_sandbox(tmp_path):
    own = Path(os.environ["BULKSTART_JOURNAL"])
    assert journal_with("r1") is None
    with contextlib.closing(Journal(own)) as journal:
        journal.begin("r1", Told(State.PREPARING))
    assert journal_with("r1") == own
    assert sandbox_beside(own) is None


def test_what_nobody_used_for_a_week_is_removed():
    first = lasting_sandbox({"templates": [PLAIN]}, idle=0.2).journal.parent
    until(lambda: not serving(first), 30, "the end of the portal")
    second = lasting_sandbox({"templates": [PLAIN]}, idle=0.2).journal.parent
    assert first.exists()
    os.utime(first / LEDGER, (1e9, 1e9))
    lasting_sandbox({"templates": [PLAIN]}, idle=0.2)
    assert (first.exists(), second.exists()) == (False, True)


def serving(folder: Path) -> list[int]:
    """The processes that serve the ledger in this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(folder / LEDGER).encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def test_the_native_dialect_is_there_too_and_another_is_none():
    scenario = {"templates": [PLAIN]}
    assert lasting_sandbox(scenario, dialect="native", idle=0.2).dialect == "native"
    with pytest.raises(UsageError, match="dialect must be vibecode"):
        lasting_sandbox(scenario, dialect="oauth", idle=0.2)


def test_a_scenario_that_makes_no_sense_is_said_in_its_own_words():
    with pytest.raises(UsageError, match=r"the sandbox portal did not begin.*templates"):
        lasting_sandbox({"templates": 7})

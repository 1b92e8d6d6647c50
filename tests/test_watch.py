"""One look at a run from anywhere, and what may be wished of it."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing

import pytest

import bulkstart
from bulkstart.errors import UsageError
from bulkstart.journal import Journal
from bulkstart.locks import RunLock
from bulkstart.standing import State, Told, Wish
from bulkstart.watch import GRACE, look, wish
from tests.past import living, start

RUN = "20261121-224031-7f3a"


def test_a_run_that_the_journal_does_not_know_is_said(journal, tmp_path):
    with pytest.raises(UsageError, match="has no run nobody: bulkstart runs"):
        look("nobody", journal.path)
    with pytest.raises(UsageError, match="there is no journal"):
        look(RUN, tmp_path / "none.sqlite")
    assert not (tmp_path / "none.sqlite").exists(), "a look makes no journal"


def test_an_ended_run_shows_how_it_ended_and_hears_nothing():
    with living({"faults": [{"nth": 2, "committed": True, "answer": "close"}]}) as portal:
        results = start(portal, rows=3)
        run = bulkstart.Run(results.attrs["run_id"], portal=portal)
        seen = run.watch()
        assert (seen.state, seen.over, seen.exit_code, seen.rows) == (State.ENDED, True, 5, 3)
        assert seen.counts == {"in_doubt": 1, "started": 2}
        assert (seen.portal, seen.dialect, seen.template) == (portal.fixed_identity(), "vibecode", "713")
        assert not seen.alive
        assert seen.finished_at >= seen.started_at
        for act in (run.stop, run.pause, run.go_on):
            with pytest.raises(UsageError, match=r"is not running: it ended \(exit code 5\)"):
                act()


def test_a_reconciliation_shows_in_the_next_look():
    with living({"faults": [{"nth": 2, "committed": True, "answer": "close"}]}) as portal:
        run = bulkstart.Run(start(portal, rows=3).attrs["run_id"], portal=portal)
        run.reconcile(settle=0)
        seen = run.watch()
    assert (seen.exit_code, seen.counts) == (0, {"started": 3})


def test_a_run_whose_owner_is_gone_is_lost_and_may_be_resumed(journal):
    journal.begin(RUN, Told(State.RUNNING, pid=1))
    seen = look(RUN, journal.path)
    assert (seen.state, seen.over, seen.exit_code) == (State.LOST, True, None)
    with pytest.raises(UsageError, match=f"its process is gone; bulkstart resume {RUN}"):
        wish(RUN, Wish.STOP, journal.path)


def test_a_launched_process_has_a_while_to_begin(journal):
    journal.begin(RUN, Told(State.PREPARING))
    assert look(RUN, journal.path).state is State.PREPARING
    assert wish(RUN, Wish.STOP, journal.path).state is State.STOPPING
    with closing(sqlite3.connect(journal.path)) as db, db:
        db.execute("UPDATE progress SET at=?", (time.time() - GRACE - 1,))
    assert look(RUN, journal.path).state is State.LOST


def test_a_run_of_an_older_program_is_seen_and_says_that_it_cannot_hear(journal):
    with living() as portal:
        run_id = start(portal, rows=2).attrs["run_id"]
        with closing(sqlite3.connect(portal.journal)) as db, db:
            db.execute("DELETE FROM progress")
            db.execute("UPDATE runs SET finished_at=NULL, exit_code=NULL")
        lock = RunLock(portal.journal, run_id)
        seen = look(run_id, portal.journal)
        assert (seen.state, seen.alive, seen.rows) == (State.RUNNING, True, 2)
        with pytest.raises(UsageError, match="an older bulkstart"):
            wish(run_id, Wish.STOP, portal.journal)
        lock.release()
        seen = look(run_id, portal.journal)
        assert (seen.state, seen.counts) == (State.LOST, {"started": 2}), "rows are told as they truly stand"


@pytest.mark.parametrize(
    ("told", "wished", "sentence"),
    [
        (State.RUNNING, Wish.GO_ON, "neither paused nor asking"),
        (State.STOPPING, Wish.PAUSE, "is stopping already"),
        (State.STOPPING, Wish.GO_ON, "neither paused nor asking"),
    ],
)
def test_a_wish_that_means_nothing_now_is_refused(journal, told, wished, sentence):
    journal.begin(RUN, Told(told, pid=1))
    journal.attend(RUN)
    with pytest.raises(UsageError, match=sentence):
        wish(RUN, wished, journal.path)
    assert look(RUN, journal.path).wish is None


def test_a_run_that_ends_between_the_look_at_its_entry_and_the_look_at_its_lock_is_never_lost(tmp_path):
    """Runs end as fast as they can while somebody looks without a pause."""
    path, seen, going = tmp_path / "journal.sqlite", [], threading.Event()
    Journal(path).close()

    def ending() -> None:
        for number in range(60):
            with closing(Journal(path)) as journal:
                journal.attend(f"r{number}")
                journal.begin(f"r{number}", Told(State.RUNNING, pid=1))
                journal.tell(f"r{number}", Told(State.ENDED, pid=1, exit_code=0))
        going.set()

    thread = threading.Thread(target=ending)
    thread.start()
    number = 0
    while not going.is_set() and number < 60:
        try:
            seen.append(look(f"r{number}", path).state)
        except UsageError:
            continue
        number += seen[-1] is State.ENDED
    thread.join()
    assert State.LOST not in seen

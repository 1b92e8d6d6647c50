"""Wishes and what runs tell of themselves: in order, for the present stint only, and beside a journal of before."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from bulkstart.journal import VERSION, Journal
from bulkstart.journal_control import glance
from bulkstart.journal_tables import open_database
from bulkstart.standing import Pilot, State, Told, Wish

PILOT = Pilot((), (), 7, {}, "Go on?")
RUN = "20261121-224031-7f3a"


def test_wishes_come_in_the_order_in_which_they_were_written_and_each_run_has_its_own(journal, other):
    journal.begin(RUN, Told(State.PREPARING))
    numbers = [other.wish(RUN, Wish.PAUSE), journal.wish("another", Wish.STOP), journal.wish(RUN, Wish.GO_ON)]
    assert journal.wishes(RUN) == ((numbers[0], Wish.PAUSE), (numbers[2], Wish.GO_ON))
    assert journal.wishes(RUN, numbers[0]) == ((numbers[2], Wish.GO_ON),)


def test_a_run_that_is_taken_up_again_hears_nothing_of_what_was_wished_before(journal):
    journal.begin(RUN, Told(State.RUNNING))
    journal.wish(RUN, Wish.STOP)
    journal.begin(RUN, Told(State.PREPARING))
    assert journal.wishes(RUN) == ()
    number = journal.wish(RUN, Wish.PAUSE)
    journal.tell(RUN, Told(State.RUNNING))
    assert journal.wishes(RUN) == ((number, Wish.PAUSE),), "what it tells takes nothing away"


def test_a_wish_names_who_wrote_it_and_when(journal):
    journal.wish(RUN, Wish.STOP)
    with closing(sqlite3.connect(journal.path)) as db:
        who, at = db.execute("SELECT who, at FROM controls").fetchone()
    assert "@" in who
    assert at > 1.7e9


def test_a_question_is_answered_by_what_comes_behind_it(journal):
    journal.begin(RUN, Told(State.RUNNING))
    before = journal.wish(RUN, Wish.GO_ON)
    asked = journal.ask(RUN, PILOT, Told(State.ASKING, counts={"started": 3}))
    assert asked == before
    seen = journal.glance(RUN)
    assert (seen.told, seen.pilot) == (Told(State.ASKING, counts={"started": 3}, asked=before), PILOT)
    assert journal.wish(RUN, Wish.GO_ON) > asked


def test_the_pilot_stays_readable_while_the_run_goes_on(journal):
    journal.begin(RUN, Told(State.RUNNING))
    journal.ask(RUN, PILOT, Told(State.ASKING))
    journal.record(RUN, [], now=Told(State.RUNNING, on_wire=3))
    assert journal.glance(RUN).pilot == PILOT
    assert journal.glance(RUN).told == Told(State.RUNNING, on_wire=3)


def test_a_run_that_nobody_knows_has_nothing_to_be_seen(journal):
    seen = journal.glance("nobody")
    assert (seen.entry, seen.told, seen.pilot, seen.at, seen.wishes) == (None, None, None, None, ())


@pytest.mark.parametrize("missing", [("controls", "progress"), ("progress",)])
def test_a_journal_of_before_is_given_the_tables_and_keeps_its_version(tmp_path, missing):
    path = tmp_path / "journal.sqlite"
    with closing(open_database(path)) as db:
        db.execute("INSERT INTO portals VALUES ('base', 'credential', 'acme')")
        for name in missing:
            db.execute(f"DROP TABLE {name}")
    with closing(Journal(path)) as journal:
        journal.begin(RUN, Told(State.RUNNING))
        journal.wish(RUN, Wish.STOP)
        assert journal.remembered_portal("base", "credential") == "acme"
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert glance(db, RUN).wishes[0][1] is Wish.STOP


def test_the_exit_code_that_is_told_follows_a_reconciliation(journal):
    journal.begin(RUN, Told(State.RUNNING))
    journal.retell(RUN, 0, [])
    assert journal.glance(RUN).told == Told(State.RUNNING)
    journal.tell(RUN, Told(State.ENDED, exit_code=5))
    journal.retell(RUN, 0, [])
    assert journal.glance(RUN).told == Told(State.ENDED, exit_code=0)

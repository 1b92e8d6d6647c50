"""One run step by step: what stops it before the first send, and what a change in the last moment does."""

from __future__ import annotations

import asyncio
from contextlib import closing, contextmanager

import pandas as pd
import pytest

import bulkstart
from bulkstart.job import Job
from bulkstart.journal import Journal
from bulkstart.options import Options
from bulkstart.standing import Wish
from bulkstart.work import Silent
from tests.conftest import FAST, MARK, PLAIN, deals, starts

MARKED = {"templates": [{**PLAIN, "parameters": MARK}]}
DENIED = {"templates": [PLAIN], "keys": [{"key": "vibe_api_dead_0123456789", "state": "expired"}]}


class Person(Silent):
    """Does something when asked, and then answers."""

    def __init__(self, acts=None, *, yes=True):
        self.asked, self.said, self.acts, self.yes = [], [], acts, yes

    def say(self, text, /):
        self.said.append(text)

    def ask(self, question, /):
        self.asked.append(question)
        if self.acts:
            self.acts()
        return self.yes


@contextmanager
def portal(scenario=None):
    with bulkstart.sandbox({"templates": [PLAIN], **(scenario or {})}) as opened:
        yield opened


def job(frame, on, person=None, **options):
    return Job(frame, on, Options(**{"template": 713, "canary": 0, **FAST, **options}), person or Person())


def ended(work):
    finished = asyncio.run(work.run())
    return finished.exit_code, list(finished.results["startStatus"]), list(finished.results["errorCode"])


def arrivals(on):
    return starts(on.ledger(), "arrival")


def marked(*marks, first=1):
    return pd.DataFrame({"entityId": range(first, first + len(marks)), "param:mark": marks})


# ----------------------------------------------------------------------------------------- while the person thought


def meanwhile(on, frame):
    """Another run on the same portal and journal, while the person thinks."""
    return lambda: bulkstart.start(frame, portal=on, template=713, canary=0, **FAST)


def test_rows_that_another_run_started_while_the_person_thought_are_not_started_again():
    with portal() as on:
        assert ended(job(deals(3), on, Person(meanwhile(on, deals(2))))) == (0, ["already_started"] * 2 + ["started"], [""] * 3)
        assert len(arrivals(on)) == 3


def test_a_problem_that_shows_only_under_the_lock_stops_the_run_before_the_first_send():
    with portal(MARKED) as on:
        code, statuses, codes = ended(job(marked("b", "c"), on, Person(meanwhile(on, marked("a")))))
        assert (code, statuses) == (3, ["invalid", "not_attempted"])
        assert codes == ["changed-parameters", "SHEET_HAS_PROBLEMS"]
        assert len(arrivals(on)) == 1
        assert len(bulkstart.runs(on.journal)) == 1, "a run that claimed nothing is none"


def test_with_skip_invalid_the_other_rows_start_all_the_same():
    with portal(MARKED) as on:
        work = job(marked("b", "c"), on, Person(meanwhile(on, marked("a"))), skip_invalid=True)
        assert ended(work)[:2] == (4, ["invalid", "started"])


# --------------------------------------------------------------------------------------- interrupts before the first send


def test_an_interrupt_before_anything_ends_with_130_and_sends_nothing():
    with portal() as on:
        work = job(deals(2), on)
        work.interrupt()
        assert ended(work) == (130, ["not_attempted"] * 2, ["INTERRUPTED"] * 2)
        assert not arrivals(on)


@pytest.mark.parametrize("yes", [True, False])
def test_an_interrupt_at_the_question_sends_nothing_whatever_the_answer(yes):
    with portal() as on:
        work = job(deals(2), on, person := Person(yes=yes))
        person.acts = work.interrupt
        assert ended(work) == (130, ["not_attempted"] * 2, ["INTERRUPTED"] * 2)
        assert not arrivals(on)
        assert ended(job(deals(2), on))[1] == ["started"] * 2, "the rows are still to be started"


def test_an_interrupt_behind_the_end_changes_nothing():
    with portal() as on:
        work = job(deals(1), on)
        assert ended(work)[0] == 0
        work.interrupt()


# ------------------------------------------------------------------------------------------------------- questions


def test_a_no_sends_nothing_and_enters_no_run():
    with portal() as on:
        assert ended(job(deals(2), on, Person(yes=False))) == (6, ["not_attempted"] * 2, ["RUN_STOPPED"] * 2)
        assert (arrivals(on), len(bulkstart.runs(on.journal))) == ([], 0)


def test_where_nothing_is_left_to_start_nobody_is_asked():
    with portal() as on:
        ended(job(deals(2), on))
        assert ended(job(deals(2), on, person := Person()))[:2] == (0, ["already_started"] * 2)
        assert person.asked == []


@pytest.mark.parametrize(("rows", "canary", "questions"), [(3, 3, 1), (4, 3, 2), (4, 0, 1), (1, 3, 1)])
def test_the_canary_asks_again_only_where_rows_are_left_behind_it(rows, canary, questions):
    with portal() as on:
        assert ended(job(deals(rows), on, person := Person(), canary=canary))[0] == 0
        assert len(person.asked) == questions


# ------------------------------------------------------------------------------------------------- dry runs and denials


def test_a_dry_run_leaves_no_journal_file_and_asks_nobody():
    with portal() as on:
        code, statuses, _ = ended(job(deals(2), on, person := Person(), dry_run=True))
        assert (code, statuses, person.asked) == (0, ["planned"] * 2, [])
        assert not list(on.journal.parent.iterdir())
        assert not arrivals(on)


def test_a_dry_run_behind_a_run_knows_of_it_and_enters_none():
    with portal() as on:
        ended(job(deals(1), on))
        assert ended(job(deals(2), on, dry_run=True))[1] == ["already_started", "planned"]
        assert len(bulkstart.runs(on.journal)) == 1


@pytest.mark.parametrize(
    ("frame", "options", "code", "why"),
    [
        (deals(2), {}, 7, "INVALID_API_KEY"),
        (deals(2), {"entity_type": "deal"}, 7, "INVALID_API_KEY"),
        (pd.DataFrame({"entityId": ["x", 2]}), {"entity_type": "deal"}, 3, "SHEET_HAS_PROBLEMS"),
        (pd.DataFrame({"entityId": ["x", 2]}), {"entity_type": "deal", "skip_invalid": True}, 7, "INVALID_API_KEY"),
        (pd.DataFrame({"title": ["x", "y"]}), {}, 3, "SHEET_HAS_PROBLEMS"),
    ],
    ids=["ids", "ids and type", "a bad row", "a bad row that is skipped", "no id column"],
)
def test_a_denied_key_ends_with_7_but_a_problem_of_the_sheet_comes_first(frame, options, code, why):
    with portal(DENIED) as on:
        ran = ended(job(frame, on, **options))
        assert (ran[0], ran[2][1]) == (code, why)
        assert not arrivals(on)


# -------------------------------------------------------------------------------------------------------- wishes


def test_a_stop_that_is_written_down_while_the_person_is_asked_lets_nothing_leave():
    with portal() as on:

        def wished():
            with closing(Journal(on.journal)) as journal:
                journal.wish("r1", Wish.STOP)

        work = Job(deals(3), on, Options(template=713, canary=0, **FAST), Person(wished), run_id="r1")
        assert ended(work) == (130, ["not_attempted"] * 3, ["INTERRUPTED"] * 3)
        assert starts(on.ledger(), "arrival") == []
        assert bulkstart.Run("r1", portal=on).watch().exit_code == 130


def test_a_pause_that_is_written_down_before_the_first_send_holds_from_the_first_row_on():
    with portal() as on:

        def wished():
            with closing(Journal(on.journal)) as journal:
                journal.wish("r1", Wish.PAUSE)

        work = Job(deals(3), on, Options(template=713, canary=0, deadline=1.0, **FAST), Person(wished), run_id="r1")
        assert ended(work) == (6, ["not_attempted"] * 3, ["DEADLINE"] * 3)
        assert starts(on.ledger(), "arrival") == []

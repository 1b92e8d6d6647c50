"""A stint of a run: the canary and what it shows come first, and a journal that fails at the question sends nothing more."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import bulkstart
from bulkstart.job import Job
from bulkstart.options import Options
from bulkstart.work import Silent
from tests.conftest import FAST, PLAIN, deals, starts, truth


class Noting(Silent):
    """Asked, it says yes; what it is told it keeps."""

    def __init__(self, then=lambda: None):
        self.asked, self.said, self.then = [], [], then

    def ask(self, question, /):
        self.asked.append(question)
        return True

    def say(self, text, /):
        self.said.append(text)
        self.then()


def ended(portal, front, rows=5, **options):
    finished = asyncio.run(Job(deals(rows), portal, Options(template=713, **FAST, **options), front).run())
    truth(finished.results, portal.ledger())
    return finished


def test_the_person_is_asked_before_the_first_start_and_behind_the_canary():
    front = Noting()
    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        assert ended(portal, front, canary=2).exit_code == 0
    assert [text.splitlines()[0].split(":")[0] for text in front.asked][1:] == ["the first 2"]
    assert len(front.asked) == 2


def test_without_a_canary_and_where_it_is_the_whole_sheet_nobody_is_asked_again():
    for canary in (0, 5):
        front = Noting()
        with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
            assert ended(portal, front, canary=canary, pilot=True).exit_code == 0
        assert len(front.asked) == 1


def test_a_question_that_cannot_be_written_down_ends_the_run_with_its_rows_told():
    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:

        def spoil():
            if starts(portal.ledger(), "commit"):
                with closing(sqlite3.connect(portal.journal)) as db, db:
                    db.execute("DROP TABLE IF EXISTS progress")

        finished = ended(portal, Noting(spoil), canary=2, pilot=True)
    assert finished.exit_code == 6
    assert list(finished.results["startStatus"]) == ["started"] * 2 + ["not_attempted"] * 3
    assert "journal" in finished.stop.message

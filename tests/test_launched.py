"""A launched process tells of its beginning and its end, whatever its work comes to."""

from __future__ import annotations

from contextlib import closing

import pytest

from bulkstart.journal import Journal
from bulkstart.launched import RUN_ID, lived
from bulkstart.standing import State, Told
from bulkstart.watch import look

RUN = "20261121-224031-7f3a"


@pytest.fixture
def path(monkeypatch, tmp_path):
    monkeypatch.setenv(RUN_ID, RUN)
    monkeypatch.setenv("BULKSTART_JOURNAL", str(tmp_path / "journal.sqlite"))
    return tmp_path / "journal.sqlite"


def test_it_is_preparing_while_it_works_and_ended_afterwards(path, monkeypatch):
    seen = []
    code = lived(lambda run_id: seen.append((run_id, look(run_id, path))) or 6)
    assert code == 6
    (run_id, during), after = seen[0], look(RUN, path)
    assert (run_id, during.state, during.alive) == (RUN, State.PREPARING, True)
    assert (after.state, after.exit_code, after.alive) == (State.ENDED, 6, False)
    assert after.told.pid == during.told.pid > 0


def test_its_children_are_not_launched_under_the_same_name(path, monkeypatch):
    import os  # noqa: PLC0415

    lived(lambda _: 0)
    assert RUN_ID not in os.environ


def test_the_exit_code_of_the_process_is_the_last_word(path):
    """A run may end with doubts that the same process settles before it ends."""

    def work(_):
        with closing(Journal(path)) as journal:
            journal.tell(RUN, Told(State.ENDED, pid=1, exit_code=5, counts={"started": 3}, code="X"))
        return 0

    lived(work)
    after = look(RUN, path)
    assert (after.exit_code, after.counts, after.told.code) == (0, {"started": 3}, "X")


def test_a_second_process_of_the_same_run_says_nothing_in_the_firsts_place(path, monkeypatch):
    with closing(Journal(path)) as first:
        first.attend(RUN)
        first.tell(RUN, Told(State.RUNNING, pid=1))
        assert lived(lambda _: 2) == 2
        assert look(RUN, path).state is State.RUNNING


def test_a_journal_that_cannot_be_opened_leaves_the_word_to_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv(RUN_ID, RUN)
    monkeypatch.setenv("BULKSTART_JOURNAL", str(tmp_path / "file" / "journal.sqlite"))
    assert lived(lambda _: 2) == 2

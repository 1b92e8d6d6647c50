"""The journal's work for a row does not grow with what it holds: steps of SQLite's machine, counted, not seconds."""

from __future__ import annotations

from contextlib import closing

import pytest

from bulkstart.journal import Journal
from bulkstart.journal_view import Note
from bulkstart.states import Event
from tests.test_journal import PORTAL, ask, begin, key_of, look, told

FEW, MANY = 20, 1000


def steps(journal, work):
    """Hundreds of steps that SQLite takes for ``work``."""
    taken = 0

    def count():
        nonlocal taken
        taken += 1

    journal._db.set_progress_handler(count, 100)
    work()
    journal._db.set_progress_handler(None, 0)
    return taken


def filled(path, rows):
    """A journal with a run of so many rows, one on each document, all of them started; and one more that is on the wire."""
    journal = Journal(path)
    begin(journal, "run-1", *(ask(number) for number in range(1, rows + 1)))
    keys = [key_of(ask(number)) for number in range(1, rows + 1)]
    journal.record("run-1", [Note(key, Event.SEND, sent_at=5.0) for key in keys])
    journal.record("run-1", [Note(key, Event.START, workflow_id=f"w.{place}") for place, key in enumerate(keys)])
    journal.finish("run-1", 0, [])
    begin(journal, "run-2", ask(rows + 1))
    told(journal, "run-2", ask(rows + 1), Event.SEND)
    return journal


LOOKS = {
    "an id is written": lambda journal, rows: told(journal, "run-2", ask(rows + 1), Event.START, workflow_id="w.new"),
    "ids are looked up": lambda journal, _: journal.known_ids(["w.3", "w.4", "foreign"]),
    "ids of a sheet are looked up": lambda journal, _: look(journal, ask(2), ids=["w.3", "w.4"]),
    "rows with other parameters are looked up": lambda journal, _: look(journal, ask(1, note="a"), ask(2, note="b")),
    "rows of another campaign are looked up": lambda journal, _: look(journal, ask(1), ask(2), campaign="again"),
    "workflows are terminated": lambda journal, _: journal.terminated("run-1", ["w.1", "w.2"]),
    "columns and templates are remembered": lambda journal, _: (
        journal.kept_templates(PORTAL),
        journal.remembered_columns(PORTAL, "f", "c"),
    ),
}


@pytest.mark.parametrize("what", LOOKS)
def test_work_for_a_row_does_not_grow_with_the_journal(tmp_path, what):
    taken = []
    for rows in (FEW, MANY):
        with closing(filled(tmp_path / f"{rows}.sqlite", rows)) as journal:
            taken.append(steps(journal, lambda journal=journal, rows=rows: LOOKS[what](journal, rows)))
    assert taken[1] <= taken[0] + 5, f"{taken[0]} hundred steps with {FEW} rows, {taken[1]} with {MANY}"


def test_a_sheet_whose_rows_all_changed_is_looked_up_in_steps_that_grow_with_its_rows_alone(tmp_path):
    taken = []
    for rows in (100, 800):
        with closing(filled(tmp_path / f"{rows}.sqlite", rows)) as journal:
            changed = [ask(number, note="changed") for number in range(1, rows + 1)]
            taken.append(steps(journal, lambda journal=journal, changed=changed: look(journal, *changed)))
    assert taken[1] <= 12 * taken[0], f"{taken[0]} hundred steps for 100 rows, {taken[1]} for 800"

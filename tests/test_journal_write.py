"""Writing to the journal: who released what, what may be credited to whom, and that no event loses what an earlier one said."""

from __future__ import annotations

import getpass
import json
import socket
from contextlib import closing

import pytest

from bulkstart.evidence import MATCHED
from bulkstart.journal import Journal
from bulkstart.journal_view import Note
from bulkstart.journal_write import who
from bulkstart.model import Outcome
from bulkstart.result_columns import Status
from bulkstart.states import Event, State
from tests.test_journal import PORTAL, ask, begin, entry, key_of, look, positions, told
from tests.test_journal_past import again, lose, open_elsewhere, start


def held(journal, request=None):
    request = request or ask()
    return look(journal, request).held[key_of(request)]


def events(journal, request=None):
    """What happened to a start, in order: (event, run, [workflow id, code, message])."""
    query = "SELECT event, run_id, note FROM events WHERE key=? ORDER BY seq"
    found = journal._db.execute(query, (key_of(request or ask()),)).fetchall()
    return [(event, run, json.loads(note) if note else ["", "", ""]) for event, run, note in found]


def names(journal, request=None):
    return [event for event, _, _ in events(journal, request)]


def rows(journal, run="run-1"):
    return [row.outcome for row in journal.run(run).rows]


def doubted(journal, run="run-1", *requests):
    """A run that ended with its rows in doubt."""
    begin(journal, run, *(requests or (ask(),)))
    for request in requests or (ask(),):
        told(journal, run, request, Event.SEND, sent_at=5.0)
        told(journal, run, request, Event.LOSE, error_code="READ_TIMEOUT", error_message="no answer in time")
    journal.finish(run, 5, [])


# ------------------------------------------------------------------------------------------------------------ events


def test_an_event_is_kept_with_what_it_proved_and_with_the_run_that_saw_it(journal):
    begin(journal, "run-1", ask())
    told(journal, "run-1", ask(), Event.SEND, Event.DEFER, error_code="RATE_LIMITED", error_message="«подождите»")
    start(journal, "run-1", ask(), "w.1")
    assert events(journal) == [
        (Event.SEND, "run-1", ["", "", ""]),
        (Event.DEFER, "run-1", ["", "RATE_LIMITED", "«подождите»"]),
        (Event.SEND, "run-1", ["", "", ""]),
        (Event.START, "run-1", ["w.1", "", ""]),
    ]
    assert "подождите" in journal._db.execute("SELECT note FROM events WHERE event='defer'").fetchone()[0], "as a person reads it"


def test_the_moment_of_a_send_stays_where_a_later_event_names_none(journal):
    begin(journal, "run-1", ask())
    told(journal, "run-1", ask(), Event.SEND, sent_at=5.0)
    told(journal, "run-1", ask(), Event.DEFER)
    assert held(journal).sent_at == 5.0
    told(journal, "run-1", ask(), Event.SEND, sent_at=9.0)
    told(journal, "run-1", ask(), Event.LOSE)
    assert held(journal).sent_at == 9.0


def test_an_answer_with_the_id_of_another_start_of_the_portal_is_a_doubt(journal):
    begin(journal, "run-1", ask(1), ask(2))
    start(journal, "run-1", ask(1), "w.1")
    assert told(journal, "run-1", ask(2), Event.SEND, Event.START, workflow_id="w.1") == {key_of(ask(2))}
    found = held(journal, ask(2))
    assert (found.state, found.workflow_id, found.error_code) == (State.IN_DOUBT, "", "BAD_ANSWER")
    assert "w.1" in found.error_message
    assert held(journal, ask(1)).workflow_id == "w.1"


def test_the_same_id_on_another_portal_is_another_workflow(journal):
    key = open_elsewhere(journal, "run-9", ask(1))
    for note in (Note(key, Event.SEND), Note(key, Event.START, "w.1")):
        assert journal.record("run-9", [note]) == set()
    begin(journal, "run-1", ask(1))
    start(journal, "run-1", ask(1), "w.1")
    assert held(journal, ask(1)).state is State.STARTED


def test_the_first_reason_of_a_doubt_stays_until_it_is_found_started(journal):
    doubted(journal)
    again(journal, "run-1", ask())
    lose(journal, "run-1", ask(), code="BAD_ANSWER")
    assert (held(journal).error_code, held(journal).error_message) == ("READ_TIMEOUT", "no answer in time")
    journal.credit("run-1", {key_of(ask()): "w.1"})
    assert (held(journal).error_code, held(journal).error_message) == ("", MATCHED)


# ----------------------------------------------------------------------------------------------------------- releases


def test_a_release_says_who_it_was_and_in_which_run(journal):
    doubted(journal)
    again(journal, "run-1", ask())
    assert who() == f"{getpass.getuser()}@{socket.gethostname()}"
    assert events(journal)[-1] == (Event.RELEASE, "run-1", ["", "", f"released by {who()}"])
    assert held(journal).state is State.DEFERRED
    assert (held(journal).error_code, held(journal).error_message) == ("READ_TIMEOUT", "no answer in time"), "it is not forgotten"


def test_a_person_is_known_as_the_machine_knows_them(monkeypatch):
    monkeypatch.setenv("LOGNAME", "olga")
    assert who() == f"olga@{socket.gethostname()}"


def test_a_refused_row_that_runs_again_is_released_by_somebody_too(journal):
    begin(journal, "run-1", ask())
    told(journal, "run-1", ask(), Event.SEND, Event.REFUSE, error_code="GONE", error_message="no such deal")
    journal.finish("run-1", 4, [])
    begin(journal, "run-2", ask())
    assert events(journal)[-1] == (Event.RELEASE, "run-2", ["", "", f"released by {who()}"])
    assert (held(journal).run_id, held(journal).error_code) == ("run-2", "")


def test_a_doubt_whose_release_was_never_used_is_restored_and_released_anew(journal):
    doubted(journal)
    again(journal, "run-1", ask())
    journal.release("run-1")
    again(journal, "run-1", ask())
    assert names(journal) == [Event.SEND, Event.LOSE, Event.RELEASE, Event.RESTORE, Event.RELEASE]
    start(journal, "run-1", ask(), "w.1")
    assert held(journal).workflow_id == "w.1"


def test_what_a_dead_run_had_on_the_wire_is_written_down_and_can_be_released(journal):
    begin(journal, "run-1", ask())
    told(journal, "run-1", ask(), Event.SEND, sent_at=5.0)
    journal.release("run-1")
    again(journal, "run-1", ask())
    assert names(journal) == [Event.SEND, Event.CRASH, Event.RELEASE]
    assert journal.record("run-1", [Note(key_of(ask()), Event.SEND)]) == set()
    told(journal, "run-1", ask(), Event.REFUSE, error_code="GONE")
    assert (held(journal).state, held(journal).error_code) == (State.IN_DOUBT, "CRASHED")


def test_a_row_that_is_released_belongs_to_the_run_that_released_it(journal):
    doubted(journal)
    with journal.claiming("run-2") as claim:
        claim.open_run(entry("run-2", 1), [(0, "2", key_of(ask()))])
        claim.take(PORTAL, "", [(key_of(ask()), ask(), held_of(claim))])
    assert held(journal).run_id == "run-2"
    assert journal.record("run-1", [Note(key_of(ask()), Event.SEND)]) == {key_of(ask())}
    assert journal.record("run-2", [Note(key_of(ask()), Event.SEND)]) == set()


def held_of(claim):
    return claim.view(PORTAL, [(key_of(ask()), ask())], "", ()).held[key_of(ask())]


# ------------------------------------------------------------------------------------------------------------- credit


def test_a_credit_is_a_start_by_evidence_and_says_so(journal):
    doubted(journal)
    assert journal.credit("run-1", {key_of(ask()): "w.1"}) == set()
    found = held(journal)
    assert (found.state, found.workflow_id, found.error_code, found.error_message) == (State.STARTED, "w.1", "", MATCHED)
    assert (found.sent_at, found.run_id) == (5.0, "run-1")
    assert events(journal)[-1] == (Event.START, "run-1", ["w.1", "", MATCHED])


def test_a_credit_keeps_the_moment_of_the_send_that_it_came_of(journal):
    doubted(journal, "run-1", ask(1), ask(2))
    assert journal.credit("run-1", {key_of(ask(number)): f"w.{number}" for number in (1, 2)}, {key_of(ask(1)): 3.0}) == set()
    assert [held(journal, ask(number)).sent_at for number in (1, 2)] == [3.0, 5.0]


def test_a_credit_by_another_runs_reconcile_leaves_the_row_to_its_owner(journal):
    doubted(journal)
    plan = begin(journal, "run-2", ask())
    assert positions(plan) == []
    journal.finish("run-2", 5, [])
    assert journal.credit("run-2", {key_of(ask()): "w.1"}) == set()
    assert held(journal).run_id == "run-1"
    assert events(journal)[-1][1] == "run-2", "who found it is told all the same"


def test_what_a_living_process_of_the_same_run_has_released_and_sent_is_not_credited_either(journal, other):
    doubted(journal)
    again(other, "run-1", ask())
    assert journal.credit("run-1", {key_of(ask()): "w.1"}) == {key_of(ask())}
    told(other, "run-1", ask(), Event.SEND)
    assert journal.credit("run-1", {key_of(ask()): "w.1"}) == {key_of(ask())}
    assert told(other, "run-1", ask(), Event.START, workflow_id="w.2") == set()
    assert held(journal).workflow_id == "w.2"


def test_an_answer_that_comes_behind_a_credit_is_written_down_and_the_first_id_counts(journal):
    begin(journal, "run-1", ask())
    told(journal, "run-1", ask(), Event.SEND)
    with closing(Journal(journal.path)) as elsewhere:
        journal.release("run-1")  # its process is taken for dead, and answers all the same
        assert elsewhere.credit("run-1", {key_of(ask()): "w.1"}) == set()
    assert told(journal, "run-1", ask(), Event.START, workflow_id="w.2") == {key_of(ask())}
    assert (held(journal).state, held(journal).workflow_id) == (State.STARTED, "w.1")
    assert events(journal)[-1] == (Event.START, "run-1", ["w.2", "", ""])


@pytest.mark.parametrize("last", [Event.START, Event.REFUSE, Event.DEFER, None], ids=str)
def test_what_is_settled_or_never_was_in_doubt_is_not_credited(journal, last):
    begin(journal, "run-1", ask())
    if last:
        told(journal, "run-1", ask(), Event.SEND, last, workflow_id="w.1" if last is Event.START else "", error_code="X")
    journal.finish("run-1", 4, [])
    before = (held(journal), names(journal))
    assert journal.credit("run-1", {key_of(ask()): "w.9"}) == {key_of(ask())}
    assert (held(journal), names(journal)) == before


def test_an_id_that_another_start_has_is_not_credited(journal):
    doubted(journal, "run-1", ask(1), ask(2))
    begin(journal, "run-2", ask(3))
    start(journal, "run-2", ask(3), "w.3")
    assert journal.credit("run-1", {key_of(ask(1)): "w.3"}) == {key_of(ask(1))}
    assert held(journal, ask(1)).state is State.IN_DOUBT
    both = {key_of(ask(1)): "w.1", key_of(ask(2)): "w.1"}
    assert journal.credit("run-1", both) == {key_of(ask(2))}, "the first one has it"
    assert [held(journal, ask(number)).workflow_id for number in (1, 2)] == ["w.1", ""]


def test_the_same_id_of_another_portal_is_no_hindrance(journal):
    key = open_elsewhere(journal, "run-9", ask(1))
    for note in (Note(key, Event.SEND), Note(key, Event.START, "w.1")):
        journal.record("run-9", [note])
    doubted(journal)
    assert journal.credit("run-1", {key_of(ask()): "w.1"}) == set()


def test_what_a_living_run_has_on_the_wire_is_not_credited(journal, other):
    begin(other, "run-2", ask())
    told(other, "run-2", ask(), Event.SEND)
    assert journal.credit("run-1", {key_of(ask()): "w.1"}) == {key_of(ask())}
    assert held(journal).state is State.SENDING
    other.release("run-2")
    assert journal.credit("run-1", {key_of(ask()): "w.1"}) == set()
    assert names(journal) == [Event.SEND, Event.CRASH, Event.START]
    assert held(journal).workflow_id == "w.1"


def test_what_a_living_run_has_released_is_not_credited_and_of_a_dead_one_it_is(journal, other):
    doubted(journal)
    with other.claiming("run-2") as claim:
        claim.open_run(entry("run-2", 1), [(0, "2", key_of(ask()))])
        claim.take(PORTAL, "", [(key_of(ask()), ask(), held_of(claim))])
    assert journal.credit("run-1", {key_of(ask()): "w.1"}) == {key_of(ask())}
    other.release("run-2")
    assert journal.credit("run-1", {key_of(ask()): "w.1"}) == set()
    assert names(journal)[-2:] == [Event.RESTORE, Event.START]
    assert held(journal).workflow_id == "w.1"


def test_a_credited_row_is_never_sent_again_not_even_when_it_was_released(journal, other):
    doubted(journal)
    stale = held(journal)
    journal.credit("run-1", {key_of(ask()): "w.1"})
    assert positions(begin(other, "run-2", ask())) == []
    assert other.record("run-2", [Note(key_of(ask()), Event.SEND)]) == {key_of(ask())}
    assert stale.state is State.IN_DOUBT


# ---------------------------------------------------------------------------------------------------------- terminate


def test_what_was_terminated_was_started_all_the_same_and_keeps_what_was_said_of_it(journal):
    doubted(journal, "run-1", ask(1))
    journal.credit("run-1", {key_of(ask(1)): "w.1"})
    begin(journal, "run-2", ask(2))
    start(journal, "run-2", ask(2), "w.2")
    journal.terminated("run-1", ["w.1", "w.2", "w.9"])
    found = held(journal, ask(1))
    assert (found.state, found.workflow_id, found.error_code, found.sent_at) == (State.STARTED, "w.1", "", 5.0)
    assert found.error_message == f"{MATCHED}; terminated by {who()}"
    assert events(journal, ask(1))[-1] == (Event.TERMINATE, "run-1", ["w.1", "", f"{MATCHED}; terminated by {who()}"])
    assert held(journal, ask(2)).error_message == "", "another run's start is not this run's to undo"
    journal.terminated("run-2", ["w.2"])
    assert held(journal, ask(2)).error_message == f"terminated by {who()}"
    assert positions(begin(journal, "run-3", ask(1), ask(2))) == []


# --------------------------------------------------------------------------------------------------------------- rows


def test_outcomes_are_written_at_the_places_of_their_own_run(journal):
    begin(journal, "run-1", ask(1), ask(2))
    begin(journal, "run-2", ask(1), ask(2))
    outcome = Outcome(1, Status.REFUSED, "", "GONE", "no such deal", 2)
    journal.record("run-1", [], [outcome])
    assert rows(journal)[1] == outcome
    assert rows(journal)[0].error_code == ""
    assert rows(journal, "run-2")[1].error_code == "CLAIMED_BY_RUN"


def test_a_run_that_goes_on_is_open_again_with_the_rows_it_goes_on_with(journal):
    begin(journal, "run-1", ask(1), ask(2))
    first = [Outcome(0, Status.GAVE_UP, "", "CONNECT_FAILED", "m", 2), Outcome(1, Status.REFUSED, "", "GONE", "m", 1)]
    journal.finish("run-1", 6, first)
    with journal.claiming("run-1") as claim:
        claim.reopen_run([0])
    (run,) = journal.runs()
    assert (run["finished_at"], run["exit_code"], run["live"]) == (None, None, True)
    assert rows(journal) == [Outcome(0, Status.NOT_ATTEMPTED, "", "", "", 2), first[1]], "what it sent before still counts"


def test_what_reconcile_found_is_told_of_the_run_and_changes_neither_its_end_nor_a_living_one(journal):
    doubted(journal)
    (before,) = journal.runs()
    outcome = Outcome(0, Status.STARTED, "w.1", "", MATCHED, 1, "2026-01-01T00:00:00+00:00")
    journal.retell("run-1", 0, [outcome])
    (run,) = journal.runs()
    assert (run["exit_code"], run["finished_at"]) == (0, before["finished_at"])
    assert rows(journal) == [outcome]
    begin(journal, "run-2", ask(2))
    journal.retell("run-2", 0, [])
    assert journal.runs()[0]["exit_code"] is None


def test_a_doubt_that_a_sheet_brings_is_told_of_a_row_that_nobody_started(journal):
    begin(journal, "run-1", ask(1), ask(2), ask(3))
    told(journal, "run-1", ask(1), Event.SEND, Event.DEFER)
    told(journal, "run-1", ask(2), Event.SEND, Event.REFUSE, error_code="GONE")
    journal.finish("run-1", 4, [])
    with journal.claiming("run-2") as claim:
        claim.open_run(entry("run-2", 3), [])
        claim.doubt(PORTAL, "", [(key_of(ask(number)), ask(number), "READ_TIMEOUT", "m") for number in (1, 2, 3, 4)])
    found = [held(journal, ask(number)) for number in (1, 2, 3, 4)]
    assert {(one.state, one.error_code) for one in found} == {(State.IN_DOUBT, "READ_TIMEOUT")}
    assert [one.run_id for one in found] == ["run-1", "run-1", "run-1", "run-2"], "what was known keeps its owner"

"""What keeps a row from ever starting twice: claims, deaths, released doubts, and files that cannot be trusted."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

import bulkstart
from bulkstart.errors import JournalError
from bulkstart.journal import VERSION, Journal, new_run_id
from bulkstart.journal_view import Note
from bulkstart.locks import is_alive
from bulkstart.model import Outcome, Row, StartRequest
from bulkstart.plan import Rules, make
from bulkstart.result_columns import Status
from bulkstart.row_keys import row_key
from bulkstart.states import Event, IllegalStepError, State

PORTAL = "acme.bitrix24.ru"


def ask(entity=1, template=713, **parameters):
    return StartRequest(template, "deal", entity, parameters)


def key_of(request, campaign=""):
    return row_key(PORTAL, request, campaign)


def entry(run, rows, *, at=None, campaign=""):
    named = {"id": run, "started_at": time.time() if at is None else at, "portal": PORTAL, "dialect": "vibecode", "rows": rows}
    return named | {"sheet": "deals.xlsx", "template": "713", "campaign": campaign, "settings": "{}"}


def look(journal, *requests, campaign="", ids=()):
    return journal.view(PORTAL, [(key_of(request, campaign), request) for request in requests], campaign, ids)


def begin(journal, run, *requests, campaign="", at=None, allow_changed=False):
    """Enter a run as a job does: look, plan, open, write down the dead, take."""
    keys = [key_of(request, campaign) for request in requests]
    rows = [Row(place, place + 2, None, None, None) for place in range(len(requests))]
    with journal.claiming(run) as claim:
        view = claim.view(PORTAL, list(zip(keys, requests, strict=True)), campaign, ())
        plan = make(rows, requests, keys, view, Rules(campaign=campaign, allow_changed=allow_changed))
        claim.open_run(entry(run, len(rows), at=at, campaign=campaign), [(n, str(n + 2), key) for n, key in enumerate(keys)])
        claim.mark_crashed(plan.crashed)
        claim.doubt(PORTAL, campaign, ((one.key, one.request, one.code, one.message) for one in plan.doubts))
        claim.take(PORTAL, campaign, ((ready.key, ready.request, ready.held) for ready in plan.ready))
        claim.settle(list(plan.outcomes.values()))
    return plan


def positions(plan):
    return [ready.position for ready in plan.ready]


def told(journal, run, request, *events, **proof):
    """Record events one after the other; the last one carries the proof."""
    for event in events[:-1]:
        assert journal.record(run, [Note(key_of(request), event)]) == set()
    return journal.record(run, [Note(key_of(request), events[-1], **proof)])


def state_of(journal, request):
    return look(journal, request).held[key_of(request)].state


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite"


# ------------------------------------------------------------------------------------------------------------ claims


def test_a_row_goes_from_new_over_the_wire_to_started(journal):
    begin(journal, "run-1", ask())
    assert state_of(journal, ask()) is State.NEW
    assert told(journal, "run-1", ask(), Event.SEND, sent_at=5.0) == set()
    assert state_of(journal, ask()) is State.SENDING
    told(journal, "run-1", ask(), Event.START, workflow_id="w.1", sent_at=5.5)
    held = look(journal, ask()).held[key_of(ask())]
    assert (held.state, held.workflow_id, held.sent_at, held.live) == (State.STARTED, "w.1", 5.5, False)


def test_what_one_journal_writes_another_one_on_the_same_file_reads(journal, other):
    begin(journal, "run-1", ask())
    told(journal, "run-1", ask(), Event.SEND, Event.START, workflow_id="w.1")
    assert look(other, ask()).held[key_of(ask())].workflow_id == "w.1"


def test_rows_of_a_living_run_are_claimed_and_nobody_else_may_have_them(journal, other):
    begin(journal, "run-1", ask(1), ask(2))
    plan = begin(other, "run-2", ask(1), ask(2), ask(3))
    assert positions(plan) == [2]
    assert {plan.outcomes[at].error_code for at in (0, 1)} == {"CLAIMED_BY_RUN"}


def test_rows_of_a_run_that_ended_are_taken_over(journal, other):
    begin(journal, "run-1", ask(1), ask(2))
    told(journal, "run-1", ask(2), Event.SEND, Event.DEFER, error_code="RATE_LIMITED")
    journal.finish("run-1", 6, [])
    assert positions(begin(other, "run-2", ask(1), ask(2))) == [0, 1]


def test_closing_a_journal_frees_its_rows_without_a_finish(journal, other):
    begin(journal, "run-1", ask())
    journal.release("run-1")
    assert positions(begin(other, "run-2", ask())) == [0]


def test_a_send_of_a_row_that_another_run_took_over_may_not_go_out(journal, other):
    begin(journal, "run-1", ask(1), ask(2))
    journal.release("run-1")
    begin(other, "run-2", ask(1))
    lost = journal.record("run-1", [Note(key_of(ask(1)), Event.SEND), Note(key_of(ask(2)), Event.SEND)])
    assert lost == {key_of(ask(1))}
    assert other.record("run-2", [Note(key_of(ask(1)), Event.SEND)]) == set()


def test_a_second_send_of_one_row_may_not_go_out(journal):
    begin(journal, "run-1", ask())
    told(journal, "run-1", ask(), Event.SEND)
    assert journal.record("run-1", [Note(key_of(ask()), Event.SEND)]) == {key_of(ask())}


@pytest.mark.parametrize("last", [Event.START, Event.LOSE, Event.REFUSE])
def test_no_send_follows_a_settled_row(journal, last):
    begin(journal, "run-1", ask())
    told(journal, "run-1", ask(), Event.SEND, last)
    assert journal.record("run-1", [Note(key_of(ask()), Event.SEND)]) == {key_of(ask())}


def test_an_illegal_step_raises_and_changes_nothing_of_its_commit(journal):
    begin(journal, "run-1", ask(1), ask(2))
    with pytest.raises(IllegalStepError):
        journal.record("run-1", [Note(key_of(ask(1)), Event.SEND), Note(key_of(ask(2)), Event.START, workflow_id="w.2")])
    assert state_of(journal, ask(1)) is State.NEW
    assert state_of(journal, ask(2)) is State.NEW


def test_a_claim_that_fails_leaves_nothing_behind(journal, other):
    def fail():
        with journal.claiming("run-1") as claim:
            claim.open_run(entry("run-1", 1), [(0, "2", key_of(ask()))])
            claim.take(PORTAL, "", [(key_of(ask()), ask(), None)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert look(other, ask()).held == {}
    assert other.runs() == []
    assert positions(begin(other, "run-2", ask())) == [0]


def test_a_refused_row_is_released_when_the_sheet_runs_again(journal):
    begin(journal, "run-1", ask())
    told(journal, "run-1", ask(), Event.SEND, Event.REFUSE, error_code="ENTITY_NOT_FOUND", error_message="no such deal")
    journal.finish("run-1", 4, [])
    plan = begin(journal, "run-2", ask())
    assert (positions(plan), plan.again) == ([0], 1)
    assert told(journal, "run-2", ask(), Event.SEND, Event.START, workflow_id="w.1") == set()
    assert state_of(journal, ask()) is State.STARTED


def test_a_doubt_stays_a_doubt_however_often_the_sheet_runs(journal):
    begin(journal, "run-1", ask(1))
    told(journal, "run-1", ask(1), Event.SEND, Event.LOSE, error_code="READ_TIMEOUT", error_message="no answer in time")
    journal.finish("run-1", 5, [])
    for number in (2, 3):
        plan = begin(journal, f"run-{number}", ask(1), ask(number))
        journal.finish(f"run-{number}", 5, [])
        assert positions(plan) == [1]
        assert (plan.outcomes[0].error_code, plan.outcomes[0].error_message) == ("READ_TIMEOUT", "no answer in time")


def test_a_doubt_that_the_sheet_brings_is_entered_once_and_is_never_sent(journal):
    for run in ("run-1", "run-2"):
        with journal.claiming(run) as claim:
            claim.open_run(entry(run, 1), [(0, "2", key_of(ask()))])
            claim.doubt(PORTAL, "", [(key_of(ask()), ask(), "READ_TIMEOUT", f"said by {run}")])
        journal.finish(run, 5, [])
    held = look(journal, ask()).held[key_of(ask())]
    assert (held.state, held.error_code, held.error_message) == (State.IN_DOUBT, "READ_TIMEOUT", "said by run-1")
    assert positions(begin(journal, "run-3", ask())) == []


# ---------------------------------------------------------------------------------------------------- released doubts


def doubted(journal, run="run-1"):
    """One row in doubt since ``run``, which has ended."""
    begin(journal, run, ask())
    told(journal, run, ask(), Event.SEND, Event.LOSE, error_code="READ_TIMEOUT", error_message="no answer in time")
    journal.finish(run, 5, [])


def released(journal, run="run-2"):
    """A run of its own that released the doubt and has not sent it yet."""
    doubted(journal)
    with journal.claiming(run) as claim:
        claim.open_run(entry(run, 1), [(0, "2", key_of(ask()))])
        held = claim.view(PORTAL, [(key_of(ask()), ask())], "", ()).held[key_of(ask())]
        claim.take(PORTAL, "", [(key_of(ask()), ask(), held)])


@pytest.mark.parametrize("last", [Event.REFUSE, Event.LOSE])
def test_a_released_doubt_that_does_not_start_is_in_doubt_again_for_its_first_reason(journal, last):
    released(journal)
    told(journal, "run-2", ask(), Event.SEND, last, error_code="OTHER", error_message="another reason")
    held = look(journal, ask()).held[key_of(ask())]
    assert (held.state, held.error_code, held.error_message) == (State.IN_DOUBT, "READ_TIMEOUT", "no answer in time")


def test_a_released_doubt_that_starts_is_started(journal):
    released(journal)
    told(journal, "run-2", ask(), Event.SEND, Event.START, workflow_id="w.1")
    assert state_of(journal, ask()) is State.STARTED


def test_a_released_doubt_that_was_not_sent_is_in_doubt_again_when_its_run_ends(journal):
    released(journal)
    journal.finish("run-2", 6, [])
    assert state_of(journal, ask()) is State.IN_DOUBT
    assert positions(begin(journal, "run-3", ask())) == []


@pytest.mark.parametrize("events", [(), (Event.SEND, Event.DEFER)], ids=["never sent", "deferred"])
def test_a_released_doubt_whose_run_died_is_in_doubt_again_and_no_plain_run_sends_it(journal, other, events):
    released(journal)
    if events:
        told(journal, "run-2", ask(), *events)
    journal.release("run-2")
    assert state_of(other, ask()) is State.IN_DOUBT
    assert positions(begin(other, "run-3", ask())) == []


# -------------------------------------------------------------------------------------------------------------- death


def test_a_start_on_the_wire_of_a_dead_run_is_in_doubt_and_is_never_sent_again(journal, other):
    begin(journal, "run-1", ask(1), ask(2))
    told(journal, "run-1", ask(1), Event.SEND)
    journal.release("run-1")
    held = look(other, ask(1)).held[key_of(ask(1))]
    assert (held.state, held.error_code, held.live) == (State.IN_DOUBT, "CRASHED", False)
    plan = begin(other, "run-2", ask(1), ask(2))
    assert positions(plan) == [1]
    assert plan.outcomes[0].status is Status.IN_DOUBT


def test_a_crash_is_written_down_once_and_every_later_run_still_works(journal):
    begin(journal, "run-1", ask(1))
    told(journal, "run-1", ask(1), Event.SEND)
    journal.release("run-1")
    for number in (2, 3, 4):
        plan = begin(journal, f"run-{number}", ask(1), ask(number))
        journal.finish(f"run-{number}", 5, [])
        assert positions(plan) == [1]
        assert plan.outcomes[0].error_code == "CRASHED"


def dying(path, *requests):
    """Another process that runs ``serve_rows`` below: it has sent the first row, deferred the second, and waits."""
    source = Path(bulkstart.__file__).parents[1]
    words = [sys.executable, "-m", "tests.test_journal", str(path), *map(str, requests)]
    process = subprocess.Popen(words, cwd=source, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "on the wire\n"
    return process


def serve_rows(path, *entities):
    requests = [ask(int(entity)) for entity in entities]
    journal = Journal(Path(path))
    begin(journal, "run-1", *requests)
    told(journal, "run-1", requests[0], Event.SEND)
    told(journal, "run-1", requests[1], Event.SEND, Event.DEFER, error_code="RATE_LIMITED")
    print("on the wire", flush=True)
    sys.stdin.read()


def test_a_killed_process_leaves_its_wire_in_doubt_and_the_rest_to_be_taken_over(path, journal):
    process = dying(path, 1, 2, 3)
    try:
        assert is_alive(path, "run-1")
        plan = begin(journal, "run-2", ask(1), ask(2), ask(3))
        assert [plan.outcomes[at].error_code for at in range(3)] == ["CLAIMED_BY_RUN"] * 3
        journal.finish("run-2", 6, list(plan.outcomes.values()))
        assert journal.runs()[1]["live"]
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert not is_alive(path, "run-1")
    plan = begin(journal, "run-3", ask(1), ask(2), ask(3))
    assert positions(plan) == [1, 2]
    assert (plan.outcomes[0].status, plan.outcomes[0].error_code) == (Status.IN_DOUBT, "CRASHED")
    assert state_of(journal, ask(1)) is State.IN_DOUBT


# --------------------------------------------------------------------------------------------------------------- runs


def test_a_finished_run_counts_its_rows_by_what_they_were_told(journal):
    begin(journal, "run-1", ask(1), ask(2), ask(3), at=5.0)
    settled = [
        Outcome(0, Status.STARTED, "w.1", attempts=1),
        Outcome(1, Status.REFUSED, "", "X", "why"),
        Outcome(2, Status.IN_DOUBT),
    ]
    journal.finish("run-1", 5, settled)
    (run,) = journal.runs()
    assert (run["run"], run["portal"], run["sheet"], run["rows"], run["exit_code"]) == ("run-1", PORTAL, "deals.xlsx", 3, 5)
    assert run["counts"] == {"in_doubt": 1, "refused": 1, "started": 1}
    assert not run["live"]
    assert run["started_at"] == 5.0
    assert run["finished_at"] is not None


def test_a_run_that_died_counts_its_rows_as_they_truly_stand(journal):
    begin(journal, "run-1", *(ask(number) for number in range(1, 6)))
    told(journal, "run-1", ask(1), Event.SEND, Event.START, workflow_id="w.1")
    told(journal, "run-1", ask(2), Event.SEND)
    told(journal, "run-1", ask(3), Event.SEND, Event.REFUSE, error_code="X")
    told(journal, "run-1", ask(4), Event.SEND, Event.DEFER)
    journal.release("run-1")
    (run,) = journal.runs()
    assert run["counts"] == {"in_doubt": 1, "not_attempted": 2, "refused": 1, "started": 1}
    assert (run["finished_at"], run["exit_code"], run["live"]) == (None, None, False)


def test_runs_come_newest_first_and_tell_which_one_lives(journal):
    begin(journal, "run-1", ask(1), at=1.0)
    journal.finish("run-1", 0, [])
    begin(journal, "run-2", ask(2), at=2.0)
    assert [(run["run"], run["live"]) for run in journal.runs()] == [("run-2", True), ("run-1", False)]


def test_run_ids_can_be_typed_and_sort_by_time():
    assert len(new_run_id()) == len("20261121-224031-7f3a")
    assert new_run_id()[:15] <= new_run_id()[:15]


# --------------------------------------------------------------------------------------------------------- the view


def test_the_view_shows_siblings_that_do_not_stand_in_the_sheet(journal):
    begin(journal, "run-1", ask(1, a="x"), ask(2, a="x"))
    told(journal, "run-1", ask(1, a="x"), Event.SEND, Event.START, workflow_id="w.1")
    view = look(journal, ask(1, a="y"))
    (sibling,) = view.siblings[713, "deal", 1]
    assert (sibling.workflow_id, view.held, view.together) == ("w.1", {}, frozenset())
    assert look(journal, ask(1, a="y"), ask(1, a="x")).siblings == {}
    assert look(journal, ask(1, a="y"), campaign="autumn").siblings == {}
    assert look(journal, ask(1, template=9, a="y")).siblings == {}


def test_rows_that_stood_together_in_one_run_are_remembered_as_a_pair(journal):
    begin(journal, "run-1", ask(1, a="x"), ask(1, a="y"))
    told(journal, "run-1", ask(1, a="x"), Event.SEND, Event.START, workflow_id="w.1")
    journal.finish("run-1", 6, [])
    assert look(journal, ask(1, a="y")).together == {(key_of(ask(1, a="x")), key_of(ask(1, a="y")))}
    assert positions(begin(journal, "run-2", ask(1, a="y"))) == [0]
    assert look(journal, ask(1, a="z")).together == frozenset()


def test_a_changed_row_that_was_only_asked_for_is_no_pair_with_the_started_one(journal):
    begin(journal, "run-1", ask(1, a="x"))
    told(journal, "run-1", ask(1, a="x"), Event.SEND, Event.START, workflow_id="w.1")
    journal.finish("run-1", 0, [])
    for number in (2, 3):
        plan = begin(journal, f"run-{number}", ask(1, a="y"), ask(number))
        journal.finish(f"run-{number}", 4, [])
        assert [problem.code for problem in plan.problems] == ["changed-parameters"]


def test_the_view_finds_ids_wherever_they_are_held(journal):
    begin(journal, "run-1", ask(7), campaign="spring")
    key = key_of(ask(7), "spring")
    journal.record("run-1", [Note(key, Event.SEND)])
    journal.record("run-1", [Note(key, Event.START, workflow_id="w.7")])
    view = look(journal, ask(1), ids=["w.7", "w.8"])
    assert [held.campaign for held in view.ids["w.7"]] == ["spring"]
    assert "w.8" not in view.ids
    assert journal.known_ids(["w.7", "w.8"]) == {"w.7"}


def test_a_view_of_many_rows_holds_every_one_of_them(journal):
    requests = [ask(number) for number in range(1, 3001)]
    begin(journal, "run-1", *requests)
    assert len(look(journal, *requests).held) == 3000


# ---------------------------------------------------------------------------------------------------- salt, portals


def test_the_salt_is_one_for_each_journal_and_stays(tmp_path):
    with closing(Journal(tmp_path / "a.sqlite")) as one, closing(Journal(tmp_path / "b.sqlite")) as two:
        assert len(one.salt) >= 32
        assert one.salt != two.salt
        salt = one.salt
    with closing(Journal(tmp_path / "a.sqlite")) as again:
        assert again.salt == salt


def test_a_portal_is_remembered_by_address_and_credential(journal, other):
    journal.remember_portal("https://gateway.example/v1", "digest-1", "old.bitrix24.ru")
    journal.remember_portal("https://gateway.example/v1", "digest-1", PORTAL)
    assert other.remembered_portal("https://gateway.example/v1", "digest-1") == PORTAL
    assert other.remembered_portal("https://gateway.example/v1", "digest-2") is None
    assert other.remembered_portal("https://other.example/v1", "digest-1") is None


# -------------------------------------------------------------------------------------------- files that are no good


def test_a_file_that_is_no_database_is_left_alone_and_said(tmp_path):
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"this is not a journal " * 500)
    with pytest.raises(JournalError, match="damaged"):
        Journal(path)
    assert path.read_bytes() == b"this is not a journal " * 500


def test_a_journal_with_damaged_pages_is_said_by_whatever_reads_it(tmp_path):
    path = tmp_path / "journal.sqlite"
    with closing(Journal(path)) as journal:
        begin(journal, "run-1", *(ask(number) for number in range(1, 200)))
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))
    reads = (
        lambda journal: journal.salt,
        lambda journal: journal.runs(),
        lambda journal: journal.remembered_portal("a", "b"),
        lambda journal: journal.known_ids(["w.1"]),
        lambda journal: look(journal, ask()),
    )
    for read in reads:
        with pytest.raises(JournalError), closing(Journal(path)) as journal:
            read(journal)


def test_a_journal_of_a_newer_program_is_left_alone_and_said(tmp_path):
    path = tmp_path / "journal.sqlite"
    Journal(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version={VERSION + 1}")
    with pytest.raises(JournalError, match="newer"):
        Journal(path)


@pytest.mark.parametrize("version", [0, VERSION])
def test_another_programs_database_is_left_alone_and_said(tmp_path, version):
    path = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
        db.execute(f"PRAGMA user_version={version}")
        db.commit()
    with pytest.raises(JournalError, match="another program"):
        Journal(path)
    with closing(sqlite3.connect(path)) as db:
        assert [name for (name,) in db.execute("SELECT name FROM sqlite_master")] == ["bookmarks"]


def test_a_journal_in_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "journal.sqlite", tmp_path / "folder"):
        with pytest.raises(JournalError, match="--journal"):
            Journal(path)


def test_a_run_whose_lock_cannot_be_written_takes_nothing(journal):
    journal.path.with_name(journal.path.name + "-runs").write_text("in the way")
    with pytest.raises(JournalError):
        begin(journal, "run-1", ask())
    assert journal.runs() == []
    assert look(journal, ask()).held == {}


def test_a_locked_journal_is_said_and_nothing_is_half_written(journal):
    begin(journal, "run-1", ask())
    journal._db.execute("PRAGMA busy_timeout=10")
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="locked"):
            journal.record("run-1", [Note(key_of(ask()), Event.SEND)])
        db.execute("ROLLBACK")
    assert state_of(journal, ask()) is State.NEW
    assert journal.record("run-1", [Note(key_of(ask()), Event.SEND)]) == set()


def test_every_commit_is_durable(journal):
    assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_no_credential_and_no_parameter_leaves_the_journal_by_a_lock_file(journal):
    begin(journal, "run-1", ask(1, secret="planted-value"))
    for found in journal.path.parent.rglob("*"):
        if found.is_file() and "-runs" in str(found):
            assert found.read_bytes() == b""


if __name__ == "__main__":
    serve_rows(*sys.argv[1:])

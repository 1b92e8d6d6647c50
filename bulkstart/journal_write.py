"""Writing to the journal: one event of a start, what became of rows, and what a run does inside its claiming transaction."""

from __future__ import annotations

import getpass
import json
import socket
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bulkstart import journal_control
from bulkstart.evidence import MATCHED
from bulkstart.journal_look import CRASHED, Alive, Look
from bulkstart.journal_past import keep_sweep
from bulkstart.journal_view import Held, Note, View
from bulkstart.model import Outcome, StartRequest
from bulkstart.standing import Told
from bulkstart.states import Event, State, step


def apply(db: sqlite3.Connection, run_id: str, note: Note) -> bool:
    """Write one event; false for a ``send`` of a row that is not this run's to send. Raises ``IllegalStepError``."""
    state, owner, doubted = db.execute("SELECT state, run_id, doubted FROM starts WHERE key=?", (note.key,)).fetchone()
    if note.event is Event.SEND and (owner != run_id or state not in (State.NEW, State.DEFERRED)):
        return False
    if note.event is Event.START and state == State.STARTED:
        # it has two workflows now: both are written down, the first one counts
        _log(db, run_id, note)
        return False
    if note.event is Event.START and _is_taken(db, note):
        apply(
            db,
            run_id,
            Note(
                note.key,
                Event.LOSE,
                error_code="BAD_ANSWER",
                error_message=f"answered with {note.workflow_id}, the id of another start",
            ),
        )
        return False
    after = step(State(state), note.event, doubted=bool(doubted))
    first_doubt_stays = bool(doubted) and after is not State.STARTED
    db.execute(
        """UPDATE starts SET state=?, doubted=?, sent_at=coalesce(?, sent_at), workflow_id=?,
           error_code=CASE WHEN ? THEN error_code ELSE ? END, error_message=CASE WHEN ? THEN error_message ELSE ? END WHERE key=?""",
        (
            *(after, int(doubted or after is State.IN_DOUBT), note.sent_at, note.workflow_id),
            *(first_doubt_stays, note.error_code, first_doubt_stays, note.error_message, note.key),
        ),
    )
    _log(db, run_id, note)
    return True


def _log(db: sqlite3.Connection, run_id: str, note: Note) -> None:
    told_all = [note.workflow_id, note.error_code, note.error_message]
    detail = json.dumps(told_all, ensure_ascii=False) if any(told_all) else ""
    db.execute(
        "INSERT INTO events (at, run_id, key, event, note) VALUES (?, ?, ?, ?, ?)",
        (time.time(), run_id, note.key, note.event, detail),
    )


def credit(db: sqlite3.Connection, run_id: str, key: str, workflow_id: str, alive: Alive, sent_at: float | None = None) -> bool:
    """Write down that a doubt was found started; false where it was settled in the meantime, or is a living run's."""
    owner, stored, doubted = db.execute("SELECT run_id, state, doubted FROM starts WHERE key=?", (key,)).fetchone()
    state, note = State(stored), Note(key, Event.START, workflow_id, error_message=MATCHED, sent_at=sent_at)
    if _is_taken(db, note) or (state is not State.IN_DOUBT and alive[owner]):
        return False
    if state is State.SENDING:
        apply(db, run_id, Note(key, Event.CRASH, error_code="CRASHED", error_message=CRASHED))
    elif state is State.DEFERRED and doubted:
        apply(db, run_id, Note(key, Event.RESTORE))
    elif state is not State.IN_DOUBT:
        return False
    return apply(db, run_id, note)


def who() -> str:
    """The person at this machine, as the machine knows them."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user in the system's list
        name = "somebody"
    return f"{name}@{socket.gethostname()}"


def _is_taken(db: sqlite3.Connection, note: Note) -> bool:
    """Whether another start of the same portal has this id: each start has one of its own (facts 1.2)."""
    clause = "workflow_id=? AND key<>? AND portal=(SELECT portal FROM starts WHERE key=?)"
    return db.execute(f"SELECT 1 FROM starts WHERE {clause}", (note.workflow_id, note.key, note.key)).fetchone() is not None  # noqa: S608  a literal


def settle(db: sqlite3.Connection, run_id: str, settled: Iterable[Outcome]) -> None:
    """Write what became of rows of a run."""
    db.executemany(
        """UPDATE run_rows SET status=?, workflow_id=?, error_code=?, error_message=?, attempts=?, started_at=?
           WHERE run_id=? AND position=?""",
        (
            (o.status, o.workflow_id, o.error_code, o.error_message, o.attempts, o.started_at, run_id, o.position)
            for o in settled
        ),
    )  # fmt: skip


def _body(request: StartRequest) -> str:
    return json.dumps([request.template_id, request.entity_type, request.entity_id, dict(request.parameters)])


class Claim:
    """What a run does inside its claiming transaction."""

    def __init__(self, db: sqlite3.Connection, path: Path, run_id: str) -> None:
        self._db, self._path, self._run_id = db, path, run_id

    def view(self, portal: str, keyed: Sequence[tuple[str, StartRequest]], campaign: str, workflow_ids: Iterable[str]) -> View:
        """The same as ``Journal.view``, now under the lock."""
        return Look(self._db, Alive(self._path, self._run_id)).view(portal, keyed, campaign, workflow_ids)

    def reopen_run(self, positions: Iterable[int]) -> None:
        """Go on with a run that ended or died: its rows at ``positions`` are open again, and what runs now is yet to be read."""
        self._db.execute("UPDATE runs SET finished_at=NULL, exit_code=NULL WHERE id=?", (self._run_id,))
        query = "UPDATE run_rows SET status='', error_code='', error_message='' WHERE run_id=? AND position=?"
        self._db.executemany(query, ((self._run_id, position) for position in positions))
        keep_sweep(self._db, self._run_id, time.time(), None, None)

    def keep_sweep(self, at: float, clock_offset: float | None, workflow_ids: frozenset[str]) -> None:
        """Keep what ran on the portal before the first send, and how far its clock was ahead."""
        keep_sweep(self._db, self._run_id, at, clock_offset, workflow_ids)

    def open_run(
        self, run: Mapping[str, Any], rows: Iterable[tuple[int, str, str]], unsent: Mapping[int, StartRequest] | None = None
    ) -> None:
        """Enter the run and all rows of its sheet as (position, label, key or ``""``); ``unsent``: requests that it will not send."""
        self._db.execute(
            """INSERT INTO runs (id, started_at, portal, dialect, sheet, template, campaign, rows, settings)
               VALUES (:id, :started_at, :portal, :dialect, :sheet, :template, :campaign, :rows, :settings)""",
            run,
        )
        self._db.executemany(
            "INSERT INTO run_rows (run_id, position, label, key) VALUES (?, ?, ?, ?)", ((self._run_id, *row) for row in rows)
        )
        self._db.executemany(
            "UPDATE run_rows SET body=? WHERE run_id=? AND position=?",
            ((_body(request), self._run_id, position) for position, request in (unsent or {}).items()),
        )

    def tell(self, now: Told, *, begun: bool) -> None:
        """What the run tells of itself first; ``begun``: wishes concern it already, else those of before do not."""
        (journal_control.tell if begun else journal_control.begin)(self._db, self._run_id, now)

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Outcomes that are known before the first send."""
        settle(self._db, self._run_id, outcomes)

    def take(self, portal: str, campaign: str, todo: Iterable[tuple[str, StartRequest, Held | None]]) -> None:
        """Make rows this run's own: new ones, ones whose owner is gone, and what a person runs again: refused ones, released doubts."""
        for key, request, held in todo:
            if held is None:
                self._enter(portal, campaign, key, request)
                continue
            if held.state is State.IN_DOUBT and self._stored(key) is State.DEFERRED:
                apply(self._db, self._run_id, Note(key, Event.RESTORE))  # the run that released it before has died
            if held.state in (State.REFUSED, State.IN_DOUBT):
                apply(self._db, self._run_id, Note(key, Event.RELEASE, error_message=f"released by {who()}"))
            self._db.execute("UPDATE starts SET run_id=? WHERE key=?", (self._run_id, key))

    def _stored(self, key: str) -> State:
        return State(self._db.execute("SELECT state FROM starts WHERE key=?", (key,)).fetchone()[0])

    def _enter(self, portal: str, campaign: str, key: str, request: StartRequest) -> None:
        document = (request.template_id, request.entity_type, request.entity_id)
        parameters = json.dumps(dict(request.parameters), sort_keys=True)
        self._db.execute(
            """INSERT OR IGNORE INTO starts (key, portal, template_id, entity_type, entity_id, campaign, parameters, state, run_id)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            (key, portal, *document, campaign, parameters, State.NEW, self._run_id),
        )

    def doubt(self, portal: str, campaign: str, doubts: Iterable[tuple[str, StartRequest, str, str]]) -> None:
        """Enter doubts that a fed-back sheet brought: (key, request, code, message)."""
        for key, request, code, message in doubts:
            self._enter(portal, campaign, key, request)
            if self._stored(key) is not State.IN_DOUBT:
                apply(self._db, self._run_id, Note(key, Event.TOLD, error_code=code, error_message=message))

    def mark_crashed(self, crashed: Iterable[Held]) -> None:
        """Write down as in doubt what a dead run left on the wire."""
        for held in crashed:
            apply(
                self._db, held.run_id, Note(held.key, Event.CRASH, error_code=held.error_code, error_message=held.error_message)
            )

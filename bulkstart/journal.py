"""Events on disk, durable before the call returns: what keeps a row from ever starting twice.

SQLite in WAL mode with ``synchronous=FULL``. A start is one row of ``starts``, known by its key across runs; a run owns its rows
as long as it holds the lock file of its id, so that a run that died is told from one that is alive.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bulkstart.journal_look import Alive, Look, past_runs
from bulkstart.journal_tables import VERSION, open_database, told
from bulkstart.journal_view import Held, Note, View
from bulkstart.locks import RunLock
from bulkstart.model import Outcome, StartRequest
from bulkstart.states import Event, State, step

__all__ = ["VERSION", "Claim", "Journal", "new_run_id"]


def new_run_id() -> str:
    """An id that sorts by time and can be typed: ``20261121-224031-7f3a``."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + "-" + secrets.token_hex(2)


class Journal:
    """One journal file. Every writing method is one transaction that is on disk when it returns; all raise ``JournalError``."""

    def __init__(self, path: Path) -> None:
        self.path = path = path.resolve()  # its locks are found by whatever name it is reached
        self._locks: dict[str, RunLock] = {}
        self._db = open_database(path)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with told(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file and free the locks of this journal's runs."""
        for lock in self._locks.values():
            lock.release()
        self._locks.clear()
        self._db.close()

    # ------------------------------------------------------------------------------------------------- reading

    @property
    def salt(self) -> str:
        """A secret of this journal that keeps digests of credentials from being guessed."""
        with told(self.path):
            return str(self._db.execute("SELECT value FROM meta WHERE name='salt'").fetchone()[0])

    def remembered_portal(self, base: str, credential: str) -> str | None:
        """The identity kept for this base URL and credential, if any."""
        with told(self.path):
            found = self._db.execute("SELECT identity FROM portals WHERE base=? AND credential=?", (base, credential)).fetchone()
        return str(found[0]) if found else None

    def view(self, portal: str, keyed: Sequence[tuple[str, StartRequest]], campaign: str, workflow_ids: Iterable[str]) -> View:
        """What is known of these keys, their documents and these workflow ids."""
        with self._transaction() as db:
            return Look(db, Alive(self.path)).view(portal, keyed, campaign, workflow_ids)

    def known_ids(self, workflow_ids: Iterable[str]) -> set[str]:
        """Those of ``workflow_ids`` that the journal holds."""
        one = "SELECT 1 FROM starts WHERE workflow_id=?"
        with told(self.path):
            return {found for found in workflow_ids if self._db.execute(one, (found,)).fetchone()}

    def runs(self) -> list[dict[str, Any]]:
        """Every run, newest first, with its counts by status."""
        with told(self.path):
            return past_runs(self._db, Alive(self.path))

    # ------------------------------------------------------------------------------------------------- writing

    def remember_portal(self, base: str, credential: str, identity: str) -> None:
        """Keep the identity that a base URL and a credential (digest) turned out to have."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO portals VALUES (?, ?, ?)", (base, credential, identity))

    @contextmanager
    def claiming(self, run_id: str) -> Iterator[Claim]:
        """A transaction in which a new run looks once more and takes its rows; nobody else can between."""
        with self._transaction() as db:
            self._locks[run_id] = RunLock(self.path, run_id)
            try:
                yield Claim(db, self.path, run_id)
            except BaseException:
                self.release(run_id)
                raise

    def record(self, run_id: str, notes: Sequence[Note], settled: Sequence[Outcome] = ()) -> set[str]:
        """Write events and outcomes in one commit.

        Returns the keys whose event was refused: a ``send`` of a row that another run owns now, a ``start`` with an id that another
        start of the portal has already, which is written down as a doubt.
        """
        with self._transaction() as db:
            lost = {note.key for note in notes if not apply(db, run_id, note)}
            settle(db, run_id, settled)
        return lost

    def finish(self, run_id: str, exit_code: int, settled: Sequence[Outcome]) -> None:
        """Close a run: its last outcomes, its exit code; doubts that it was allowed to try and did not are doubts again."""
        try:
            with self._transaction() as db:
                released = db.execute(
                    "SELECT key FROM starts WHERE run_id=? AND state='deferred' AND doubted", (run_id,)
                ).fetchall()
                for (key,) in released:
                    apply(db, run_id, Note(key, Event.RESTORE))
                settle(db, run_id, settled)
                db.execute("UPDATE runs SET finished_at=?, exit_code=? WHERE id=?", (time.time(), exit_code, run_id))
        finally:
            self.release(run_id)

    def release(self, run_id: str) -> None:
        """Free the lock of a run that ended, however it ended."""
        if lock := self._locks.pop(run_id, None):
            lock.release()


def apply(db: sqlite3.Connection, run_id: str, note: Note) -> bool:
    """Write one event; false for a ``send`` of a row that is not this run's to send. Raises ``IllegalStepError``."""
    state, owner, doubted = db.execute("SELECT state, run_id, doubted FROM starts WHERE key=?", (note.key,)).fetchone()
    if note.event is Event.SEND and (owner != run_id or state not in (State.NEW, State.DEFERRED)):
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
    told_all = [note.workflow_id, note.error_code, note.error_message]
    detail = json.dumps(told_all, ensure_ascii=False) if any(told_all) else ""
    db.execute(
        "INSERT INTO events (at, run_id, key, event, note) VALUES (?, ?, ?, ?, ?)",
        (time.time(), run_id, note.key, note.event, detail),
    )
    return True


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


class Claim:
    """What a run does inside its claiming transaction."""

    def __init__(self, db: sqlite3.Connection, path: Path, run_id: str) -> None:
        self._db, self._path, self._run_id = db, path, run_id

    def view(self, portal: str, keyed: Sequence[tuple[str, StartRequest]], campaign: str, workflow_ids: Iterable[str]) -> View:
        """The same as ``Journal.view``, now under the lock."""
        return Look(self._db, Alive(self._path)).view(portal, keyed, campaign, workflow_ids)

    def open_run(self, run: Mapping[str, Any], rows: Iterable[tuple[int, str, str]]) -> None:
        """Enter the run and all rows of its sheet as (position, label, key or ``""``)."""
        self._db.execute(
            "INSERT INTO runs VALUES (:id, :started_at, NULL, NULL, :portal, :dialect, :sheet, :template, :campaign, :rows, :settings)",
            run,
        )
        self._db.executemany(
            "INSERT INTO run_rows (run_id, position, label, key) VALUES (?, ?, ?, ?)", ((self._run_id, *row) for row in rows)
        )

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Outcomes that are known before the first send."""
        settle(self._db, self._run_id, outcomes)

    def take(self, portal: str, campaign: str, todo: Iterable[tuple[str, StartRequest, Held | None]]) -> None:
        """Make rows this run's own: new ones, ones whose owner is gone, and refused ones that a person runs again."""
        for key, request, held in todo:
            if held is None:
                self._enter(portal, campaign, key, request)
                continue
            if held.state is State.REFUSED:
                apply(self._db, self._run_id, Note(key, Event.RELEASE))
            self._db.execute("UPDATE starts SET run_id=? WHERE key=?", (self._run_id, key))

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
            (state,) = self._db.execute("SELECT state FROM starts WHERE key=?", (key,)).fetchone()
            if state != State.IN_DOUBT:
                apply(self._db, self._run_id, Note(key, Event.TOLD, error_code=code, error_message=message))

    def mark_crashed(self, crashed: Iterable[Held]) -> None:
        """Write down as in doubt what a dead run left on the wire."""
        for held in crashed:
            apply(
                self._db, held.run_id, Note(held.key, Event.CRASH, error_code=held.error_code, error_message=held.error_message)
            )

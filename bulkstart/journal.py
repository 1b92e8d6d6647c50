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

from bulkstart.errors import JournalError
from bulkstart.journal_view import Held, Note, View
from bulkstart.locks import RunLock, is_alive
from bulkstart.model import Outcome, StartRequest
from bulkstart.states import Event, State, step

VERSION = 1
"""Version of the tables; a journal with a higher one was written by a newer program and is left alone."""

UNFINISHED = frozenset({State.NEW, State.SENDING, State.DEFERRED})
CRASHED = "the program ended while this start was on the wire; it may have started"

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS portals (
  base TEXT NOT NULL, credential TEXT NOT NULL, identity TEXT NOT NULL, PRIMARY KEY (base, credential));
CREATE TABLE IF NOT EXISTS runs (
  id TEXT PRIMARY KEY, started_at REAL NOT NULL, finished_at REAL, exit_code INTEGER, portal TEXT NOT NULL, dialect TEXT NOT NULL,
  sheet TEXT NOT NULL, template TEXT NOT NULL, campaign TEXT NOT NULL, rows INTEGER NOT NULL, settings TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS starts (
  key TEXT PRIMARY KEY, portal TEXT NOT NULL, template_id INTEGER NOT NULL, entity_type TEXT NOT NULL, entity_id INTEGER NOT NULL,
  campaign TEXT NOT NULL, parameters TEXT NOT NULL, state TEXT NOT NULL, run_id TEXT NOT NULL, doubted INTEGER NOT NULL DEFAULT 0,
  workflow_id TEXT NOT NULL DEFAULT '', error_code TEXT NOT NULL DEFAULT '', error_message TEXT NOT NULL DEFAULT '',
  sent_at REAL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS starts_by_document ON starts (portal, template_id, entity_type, entity_id, campaign);
CREATE INDEX IF NOT EXISTS starts_by_workflow ON starts (workflow_id) WHERE workflow_id <> '';
CREATE TABLE IF NOT EXISTS run_rows (
  run_id TEXT NOT NULL, position INTEGER NOT NULL, label TEXT NOT NULL, key TEXT NOT NULL, status TEXT NOT NULL DEFAULT '',
  workflow_id TEXT NOT NULL DEFAULT '', error_code TEXT NOT NULL DEFAULT '', error_message TEXT NOT NULL DEFAULT '',
  attempts INTEGER NOT NULL DEFAULT 0, started_at TEXT NOT NULL DEFAULT '', PRIMARY KEY (run_id, position)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS run_rows_by_key ON run_rows (key) WHERE key <> '';
CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY, at REAL NOT NULL, run_id TEXT NOT NULL, key TEXT NOT NULL, event TEXT NOT NULL, note TEXT NOT NULL);
"""


def new_run_id() -> str:
    """An id that sorts by time and can be typed: ``20261121-224031-7f3a``."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + "-" + secrets.token_hex(2)


class Journal:
    """One journal file. Every writing method is one transaction that is on disk when it returns."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self._locks: dict[str, RunLock] = {}
        try:
            if create:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._open()
        except (sqlite3.Error, OSError) as error:
            raise self._trouble(error) from error

    def _trouble(self, error: Exception) -> JournalError:
        text = str(error)
        advice = "choose another file with --journal or BULKSTART_JOURNAL"
        if "locked" in text or "busy" in text:
            advice = "another program keeps it locked: end that program, then run again"
        elif "malformed" in text or "not a database" in text:
            advice = "it is damaged: keep the file, restore it from a copy, or start a new one with --journal (which knows of no earlier start)"
        elif "full" in text:
            advice = "the disk is full: make room, then run the same sheet again; nothing starts twice"
        return JournalError(f"the journal {self.path} cannot be used ({text}): {advice}")

    def _open(self) -> None:
        db = self._db
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found > VERSION:
            raise JournalError(
                f"the journal {self.path} was written by a newer bulkstart (version {found}): update this program, or use --journal"
            )
        if found == 0 and db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
            raise JournalError(
                f"{self.path} is another program's database, not a bulkstart journal: choose another file with --journal"
            )
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        if found < VERSION:
            with self._transaction():
                for statement in _TABLES.split(";\n"):
                    db.execute(statement)
                db.execute("INSERT OR IGNORE INTO meta VALUES ('salt', ?)", (secrets.token_hex(16),))
                db.execute(f"PRAGMA user_version={VERSION}")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise self._trouble(error) from error

    def close(self) -> None:
        """Close the file and free the locks of this journal's runs."""
        for lock in self._locks.values():
            lock.release()
        self._locks.clear()
        self._db.close()

    # ------------------------------------------------------------------------------------------ portal identity

    @property
    def salt(self) -> str:
        """A secret of this journal that keeps digests of credentials from being guessed."""
        return str(self._db.execute("SELECT value FROM meta WHERE name='salt'").fetchone()[0])

    def remember_portal(self, base: str, credential: str, identity: str) -> None:
        """Keep the identity that a base URL and a credential (digest) turned out to have."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO portals VALUES (?, ?, ?)", (base, credential, identity))

    def remembered_portal(self, base: str, credential: str) -> str | None:
        """The identity kept for this base URL and credential, if any."""
        found = self._db.execute("SELECT identity FROM portals WHERE base=? AND credential=?", (base, credential)).fetchone()
        return str(found[0]) if found else None

    # ------------------------------------------------------------------------------------------------- reading

    def view(self, portal: str, keyed: Sequence[tuple[str, StartRequest]], campaign: str, workflow_ids: Iterable[str]) -> View:
        """What is known of these keys, their documents and these workflow ids."""
        if not self._db.in_transaction:
            with self._transaction():
                return self._view(portal, keyed, campaign, workflow_ids)
        return self._view(portal, keyed, campaign, workflow_ids)

    def _view(self, portal: str, keyed: Sequence[tuple[str, StartRequest]], campaign: str, workflow_ids: Iterable[str]) -> View:
        db, alive = self._db, _Alive(self.path)
        db.execute(
            "CREATE TEMP TABLE asked (key TEXT PRIMARY KEY, template_id INT, entity_type TEXT, entity_id INT) WITHOUT ROWID"
        )
        db.execute("CREATE TEMP TABLE asked_ids (workflow_id TEXT PRIMARY KEY) WITHOUT ROWID")
        try:
            db.executemany(
                "INSERT OR IGNORE INTO asked VALUES (?, ?, ?, ?)",
                ((key, request.template_id, request.entity_type, request.entity_id) for key, request in keyed),
            )
            db.executemany("INSERT OR IGNORE INTO asked_ids VALUES (?)", ((found,) for found in workflow_ids))
            held = {found.key: found for found in self._held("JOIN asked USING (key)", (), alive)}
            siblings: dict[tuple[int, str, int], list[Held]] = {}
            clause = """WHERE portal=? AND campaign=? AND key NOT IN (SELECT key FROM asked)
                        AND (template_id, entity_type, entity_id) IN (SELECT template_id, entity_type, entity_id FROM asked)"""
            for found in self._held(clause, (portal, campaign), alive):
                siblings.setdefault((found.template_id, found.entity_type, found.entity_id), []).append(found)
            together = self._together([found.key for group in siblings.values() for found in group])
            ids: dict[str, list[Held]] = {}
            for found in self._held("JOIN asked_ids USING (workflow_id)", (), alive):
                ids.setdefault(found.workflow_id, []).append(found)
        finally:
            db.execute("DROP TABLE asked")
            db.execute("DROP TABLE asked_ids")
        return View(held, {k: tuple(v) for k, v in siblings.items()}, together, {k: tuple(v) for k, v in ids.items()})

    def _held(self, clause: str, arguments: tuple[str, ...], alive: _Alive) -> Iterator[Held]:
        fields = """key, portal, starts.template_id, starts.entity_type, starts.entity_id, campaign, state, run_id, workflow_id,
                    error_code, error_message, sent_at"""
        for entry in self._db.execute(f"SELECT {fields} FROM starts {clause}", arguments):  # noqa: S608  clauses are literals of this file
            key, portal, template_id, entity_type, entity_id, campaign, stored, run_id, workflow_id, code, message, sent_at = (
                entry
            )
            state = State(stored)
            live = state in UNFINISHED and alive[run_id]
            if state is State.SENDING and not live:
                state, code, message = State.IN_DOUBT, "CRASHED", CRASHED
            document = (template_id, entity_type, entity_id)
            yield Held(key, portal, *document, campaign, state, run_id, live, workflow_id, code, message, sent_at)

    def _together(self, keys: Sequence[str]) -> frozenset[tuple[str, str]]:
        """Pairs (key of a sibling, asked key) that stood together in the sheet of one run."""
        pairs: set[tuple[str, str]] = set()
        for key in keys:
            found = self._db.execute(
                """SELECT DISTINCT other.key FROM run_rows AS one JOIN run_rows AS other USING (run_id)
                   WHERE one.key=? AND other.key IN (SELECT key FROM asked)""",
                (key,),
            )
            pairs.update((key, row[0]) for row in found)
        return frozenset(pairs)

    def known_ids(self, workflow_ids: Iterable[str]) -> set[str]:
        """Those of ``workflow_ids`` that the journal holds."""
        one = "SELECT 1 FROM starts WHERE workflow_id=?"
        return {found for found in workflow_ids if self._db.execute(one, (found,)).fetchone()}

    def runs(self) -> list[dict[str, Any]]:
        """Every run, newest first, with its counts by status; rows of a run that died are counted as they truly stand."""
        found = []
        for entry in self._db.execute(
            "SELECT id, started_at, finished_at, exit_code, portal, dialect, sheet, template, campaign, rows FROM runs ORDER BY started_at DESC, id DESC"
        ):
            names = (
                "run",
                "started_at",
                "finished_at",
                "exit_code",
                "portal",
                "dialect",
                "sheet",
                "template",
                "campaign",
                "rows",
            )
            run = dict(zip(names, entry, strict=True))
            run["counts"] = self._counts(run["run"])
            run["live"] = run["finished_at"] is None and is_alive(self.path, run["run"])
            found.append(run)
        return found

    def _counts(self, run_id: str) -> dict[str, int]:
        found = self._db.execute(
            """SELECT CASE WHEN run_rows.status <> '' THEN run_rows.status
                           WHEN starts.state = 'started' THEN 'started'
                           WHEN starts.state IN ('sending', 'in_doubt') THEN 'in_doubt'
                           WHEN starts.state = 'refused' THEN 'refused' ELSE 'not_attempted' END AS status, COUNT(*)
               FROM run_rows LEFT JOIN starts USING (key) WHERE run_rows.run_id=? GROUP BY 1 ORDER BY 1""",
            (run_id,),
        )
        return {str(status): int(count) for status, count in found}

    # ------------------------------------------------------------------------------------------------- writing

    @contextmanager
    def claiming(self) -> Iterator[Claim]:
        """A transaction in which a new run looks once more and takes its rows; nobody else can between."""
        with self._transaction():
            yield Claim(self)

    def record(self, run_id: str, notes: Sequence[Note], settled: Sequence[Outcome] = ()) -> set[str]:
        """Write events and outcomes in one commit. Returns the keys whose ``send`` may not go out: another run owns them now."""
        lost: set[str] = set()
        with self._transaction() as db:
            for note in notes:
                if not self._apply(db, run_id, note):
                    lost.add(note.key)
            self._settle(db, run_id, settled)
        return lost

    def _apply(self, db: sqlite3.Connection, run_id: str, note: Note) -> bool:
        found = db.execute("SELECT state, run_id, doubted FROM starts WHERE key=?", (note.key,)).fetchone()
        if note.event is Event.SEND and (found[1] != run_id or found[0] not in (State.NEW, State.DEFERRED)):
            return False
        state = step(State(found[0]), note.event, doubted=bool(found[2]))
        doubted = found[2] or state is State.IN_DOUBT
        keep_first_doubt = state is State.IN_DOUBT and bool(found[2])
        db.execute(
            """UPDATE starts SET state=?, doubted=?, sent_at=coalesce(?, sent_at), workflow_id=?,
               error_code=CASE WHEN ? THEN error_code ELSE ? END, error_message=CASE WHEN ? THEN error_message ELSE ? END WHERE key=?""",
            (
                *(state, int(doubted), note.sent_at, note.workflow_id),
                *(keep_first_doubt, note.error_code, keep_first_doubt, note.error_message, note.key),
            ),
        )
        detail = (
            json.dumps([note.workflow_id, note.error_code, note.error_message], ensure_ascii=False)
            if note.error_code or note.workflow_id
            else ""
        )
        db.execute(
            "INSERT INTO events (at, run_id, key, event, note) VALUES (?, ?, ?, ?, ?)",
            (time.time(), run_id, note.key, note.event, detail),
        )
        return True

    def _settle(self, db: sqlite3.Connection, run_id: str, settled: Sequence[Outcome]) -> None:
        db.executemany(
            """UPDATE run_rows SET status=?, workflow_id=?, error_code=?, error_message=?, attempts=?, started_at=?
               WHERE run_id=? AND position=?""",
            (
                (o.status, o.workflow_id, o.error_code, o.error_message, o.attempts, o.started_at, run_id, o.position)
                for o in settled
            ),
        )

    def finish(self, run_id: str, exit_code: int, settled: Sequence[Outcome]) -> None:
        """Close a run: its last outcomes, its exit code; its lock is freed."""
        with self._transaction() as db:
            self._settle(db, run_id, settled)
            db.execute("UPDATE runs SET finished_at=?, exit_code=? WHERE id=?", (time.time(), exit_code, run_id))
        self.release(run_id)

    def release(self, run_id: str) -> None:
        """Free the lock of a run that ended, however it ended."""
        if lock := self._locks.pop(run_id, None):
            lock.release()


class _Alive(dict[str, bool]):
    """Whether a run's owner lives, asked once for each run."""

    def __init__(self, journal: Path) -> None:
        super().__init__()
        self._journal = journal

    def __missing__(self, run_id: str) -> bool:
        self[run_id] = is_alive(self._journal, run_id)
        return self[run_id]


class Claim:
    """What a run does inside its claiming transaction."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def view(self, portal: str, keyed: Sequence[tuple[str, StartRequest]], campaign: str, workflow_ids: Iterable[str]) -> View:
        """The same as ``Journal.view``, now under the lock."""
        return self._journal.view(portal, keyed, campaign, workflow_ids)

    def open_run(self, run: Mapping[str, Any], rows: Sequence[tuple[int, str, str]]) -> None:
        """Enter a run and all rows of its sheet as (position, label, key or ``""``), and take the run's lock."""
        journal = self._journal
        journal._locks[run["id"]] = RunLock(journal.path, run["id"])  # noqa: SLF001  a claim is the journal's own hand
        journal._db.execute(  # noqa: SLF001
            "INSERT INTO runs VALUES (:id, :started_at, NULL, NULL, :portal, :dialect, :sheet, :template, :campaign, :rows, :settings)",
            run,
        )
        journal._db.executemany(  # noqa: SLF001
            "INSERT INTO run_rows (run_id, position, label, key) VALUES (?, ?, ?, ?)", ((run["id"], *row) for row in rows)
        )

    def settle(self, run_id: str, outcomes: Sequence[Outcome]) -> None:
        """Outcomes that are known before the first send."""
        self._journal._settle(self._journal._db, run_id, outcomes)  # noqa: SLF001

    def take(self, run_id: str, portal: str, campaign: str, todo: Iterable[tuple[str, StartRequest, Held | None]]) -> None:
        """Make rows this run's own: new ones, ones whose owner is gone, and refused ones that a person runs again."""
        db = self._journal._db  # noqa: SLF001
        for key, request, held in todo:
            if held is None:
                document = (request.template_id, request.entity_type, request.entity_id)
                parameters = json.dumps(dict(request.parameters), ensure_ascii=False, sort_keys=True)
                db.execute(
                    "INSERT INTO starts (key, portal, template_id, entity_type, entity_id, campaign, parameters, state, run_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (key, portal, *document, campaign, parameters, State.NEW, run_id),
                )
                continue
            if held.state is State.REFUSED:
                self._journal._apply(db, run_id, Note(key, Event.RELEASE))  # noqa: SLF001
            db.execute("UPDATE starts SET run_id=? WHERE key=?", (run_id, key))

    def doubt(self, run_id: str, portal: str, campaign: str, doubts: Iterable[tuple[str, StartRequest, str, str]]) -> None:
        """Enter doubts that a fed-back sheet brought and this journal did not hold: (key, request, code, message)."""
        db = self._journal._db  # noqa: SLF001
        for key, request, code, message in doubts:
            db.execute(
                "INSERT OR IGNORE INTO starts (key, portal, template_id, entity_type, entity_id, campaign, parameters, state, run_id, doubted, error_code, error_message) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?)",
                (
                    *(key, portal, request.template_id, request.entity_type, request.entity_id, campaign),
                    *(
                        json.dumps(dict(request.parameters), ensure_ascii=False, sort_keys=True),
                        State.IN_DOUBT,
                        run_id,
                        code,
                        message,
                    ),
                ),
            )

    def mark_crashed(self, held: Iterable[Held]) -> None:
        """Write down as in doubt what a dead run left on the wire."""
        for found in held:
            note = Note(found.key, Event.CRASH, error_code=found.error_code, error_message=found.error_message)
            self._journal._apply(self._journal._db, found.run_id, note)  # noqa: SLF001

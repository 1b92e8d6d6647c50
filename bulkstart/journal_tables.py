"""The journal's file: its tables, how it is opened, and what to tell a person when it cannot be used."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bulkstart.errors import JournalError

VERSION = 2
"""Version of the tables; a journal with a higher one was written by a newer program and is left alone."""

_WAIT = 30.0
"""Seconds to wait for another process that writes."""

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS portals (
  base TEXT NOT NULL, credential TEXT NOT NULL, identity TEXT NOT NULL, PRIMARY KEY (base, credential));
CREATE TABLE IF NOT EXISTS templates (portal TEXT PRIMARY KEY, listing TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS mappings (
  portal TEXT NOT NULL, fingerprint TEXT NOT NULL, context TEXT NOT NULL, columns TEXT NOT NULL,
  PRIMARY KEY (portal, fingerprint, context)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS runs (
  id TEXT PRIMARY KEY, started_at REAL NOT NULL, finished_at REAL, exit_code INTEGER, portal TEXT NOT NULL, dialect TEXT NOT NULL,
  sheet TEXT NOT NULL, template TEXT NOT NULL, campaign TEXT NOT NULL, rows INTEGER NOT NULL, settings TEXT NOT NULL,
  results TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS sweeps (id INTEGER PRIMARY KEY, run_id TEXT NOT NULL, at REAL NOT NULL, clock_offset REAL);
CREATE TABLE IF NOT EXISTS baselines (sweep INTEGER NOT NULL, workflow_id TEXT NOT NULL, PRIMARY KEY (sweep, workflow_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS starts (
  key TEXT PRIMARY KEY, portal TEXT NOT NULL, template_id INTEGER NOT NULL, entity_type TEXT NOT NULL, entity_id INTEGER NOT NULL,
  campaign TEXT NOT NULL, parameters TEXT NOT NULL, state TEXT NOT NULL, run_id TEXT NOT NULL, doubted INTEGER NOT NULL DEFAULT 0,
  workflow_id TEXT NOT NULL DEFAULT '', error_code TEXT NOT NULL DEFAULT '', error_message TEXT NOT NULL DEFAULT '',
  sent_at REAL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS starts_by_document ON starts (portal, template_id, entity_type, entity_id, campaign);
CREATE INDEX IF NOT EXISTS starts_by_workflow ON starts (workflow_id) WHERE workflow_id <> '';
CREATE TABLE IF NOT EXISTS run_rows (
  run_id TEXT NOT NULL, position INTEGER NOT NULL, label TEXT NOT NULL, key TEXT NOT NULL, body TEXT, status TEXT NOT NULL DEFAULT '',
  workflow_id TEXT NOT NULL DEFAULT '', error_code TEXT NOT NULL DEFAULT '', error_message TEXT NOT NULL DEFAULT '',
  attempts INTEGER NOT NULL DEFAULT 0, started_at TEXT NOT NULL DEFAULT '', PRIMARY KEY (run_id, position)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS run_rows_by_key ON run_rows (key) WHERE key <> '';
CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY, at REAL NOT NULL, run_id TEXT NOT NULL, key TEXT NOT NULL, event TEXT NOT NULL, note TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_by_key ON events (key);
CREATE TABLE IF NOT EXISTS controls (
  seq INTEGER PRIMARY KEY, run_id TEXT NOT NULL, at REAL NOT NULL, wish TEXT NOT NULL, who TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS controls_by_run ON controls (run_id, seq);
CREATE TABLE IF NOT EXISTS progress (
  run_id TEXT PRIMARY KEY, at REAL NOT NULL, since INTEGER NOT NULL DEFAULT 0, told TEXT NOT NULL, pilot TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
"""
_LATER = {"controls", "progress"}
"""Tables that came without a new version: a program of before works with the journal as ever, and knows nothing of them."""

_ADVICE = (
    (("locked", "busy"), "another program keeps it locked: end that program, then run again"),
    (
        ("malformed", "not a database", "no such table", "no such column"),
        "it is damaged: keep the file, restore it from a copy, or start a new one with --journal (which knows of no earlier start)",
    ),
    (
        ("full", "disk I/O", "File too large", "No space"),
        "the disk is full or failing: make room, then run the same sheet again; nothing starts twice",
    ),
    (
        ("readonly", "read-only", "Permission denied", "unable to open"),
        "it cannot be written there: choose another file with --journal or BULKSTART_JOURNAL",
    ),
)


def trouble(path: Path, error: Exception) -> JournalError:
    """The error for a person: what is wrong with the journal, and what to do."""
    text = str(error)
    advice = next((advice for words, advice in _ADVICE if any(word in text for word in words)), None)
    return JournalError(
        f"the journal {path} cannot be used ({text}): {advice or 'choose another file with --journal or BULKSTART_JOURNAL'}"
    )


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what SQLite and the disk raise into ``JournalError``."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise trouble(path, error) from error


def open_database(path: Path) -> sqlite3.Connection:
    """Open the journal, making it where it is not there. Raises ``JournalError``."""
    with told(path), ExitStack() as undo:
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        undo.callback(db.close)
        _prepare(db, path)
        undo.pop_all()
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.execute("BEGIN")  # one look: another process may be making this very file
    complete = _version(db, path) == VERSION and _tables(db) >= _LATER
    db.execute("COMMIT")
    _write_ahead(db)
    db.execute("PRAGMA synchronous=FULL")
    if not complete:
        db.execute("BEGIN IMMEDIATE")
        if _version(db, path) < VERSION or not _tables(db) >= _LATER:
            for statement in _TABLES.split(";\n"):
                db.execute(statement)
            db.execute("INSERT OR IGNORE INTO meta VALUES ('salt', ?)", (secrets.token_hex(16),))
            db.execute(f"PRAGMA user_version={VERSION}")
        db.execute("COMMIT")


def _version(db: sqlite3.Connection, path: Path) -> int:
    """The version of the tables, 0 in an empty file. Raises ``JournalError`` for a file that is not this program's to use."""
    found = int(db.execute("PRAGMA user_version").fetchone()[0])
    tables = _tables(db)
    if (found == 0 and tables) or (found == VERSION and not {"starts", "run_rows"} <= tables):
        raise JournalError(f"{path} is another program's database, not a bulkstart journal: choose another file with --journal")
    if found > VERSION:
        raise JournalError(
            f"the journal {path} was written by a newer bulkstart (version {found}): update this program, or use --journal"
        )
    return found


def _tables(db: sqlite3.Connection) -> set[str]:
    return {str(row[0]) for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}


def _write_ahead(db: sqlite3.Connection) -> None:
    """Switch to WAL. SQLite does not wait where two processes switch at once (no busy handler is asked then), so this does."""
    until = time.monotonic() + _WAIT
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return

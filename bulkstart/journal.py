"""Events on disk, durable before the call returns: what keeps a row from ever starting twice.

SQLite in WAL mode with ``synchronous=FULL``. A start is one row of ``starts``, known by its key across runs; a run owns its rows
as long as it holds the lock file of its id, so that a run that died is told from one that is alive.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bulkstart import journal_control
from bulkstart.evidence import Doubtful
from bulkstart.journal_control import PROCESS, Glance
from bulkstart.journal_look import Alive, Look, counts_of, past_runs
from bulkstart.journal_past import PastRun, doubts_of, past_run, runs_with, started_by, templates_before
from bulkstart.journal_tables import VERSION, open_database, told
from bulkstart.journal_view import Before, Note, View
from bulkstart.journal_write import Claim, apply, credit, settle, who
from bulkstart.locks import RunLock
from bulkstart.model import Outcome, Parameter, StartRequest, Template
from bulkstart.standing import Pilot, Told, Wish
from bulkstart.states import Event

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

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent look that waits for nobody who writes."""
        with told(self.path):
            self._db.execute("BEGIN")
            try:
                yield self._db
            finally:
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

    def run(self, run_id: str) -> PastRun | None:
        """One past run with all its rows, or ``None`` where there is none of this id."""
        with self._transaction() as db:
            return past_run(db, run_id, Alive(self.path))

    def templates_before(self, portal: str) -> dict[int, Before]:
        """What the last run of each template on a portal saw of it."""
        with told(self.path):
            return templates_before(self._db, portal)

    def is_sheet(self, path: str) -> bool:
        """Whether some run read this file."""
        with told(self.path):
            return self._db.execute("SELECT 1 FROM runs WHERE sheet=?", (path,)).fetchone() is not None

    def kept_templates(self, portal: str) -> tuple[Template, ...] | None:
        """The portal's templates as they were listed last; ``None`` where none are kept."""
        with told(self.path):
            found = self._db.execute("SELECT listing FROM templates WHERE portal=?", (portal,)).fetchone()
        return tuple(_template(entry) for entry in json.loads(found[0])) if found else None

    def remembered_columns(self, portal: str, fingerprint: str, context: str) -> dict[str, str]:
        """The mapping that was confirmed for these headers, by name; empty where there is none."""
        query = "SELECT columns FROM mappings WHERE portal=? AND fingerprint=? AND context=?"
        with told(self.path):
            found = self._db.execute(query, (portal, fingerprint, context)).fetchone()
        return {str(name): str(column) for name, column in json.loads(found[0]).items()} if found else {}

    def runs_with(self, portal: str, rows: str) -> list[str]:
        """Runs of a portal that have rows of a kind (``journal_past.TO_RESUME``, …; ``""``: all) and are not running, newest first."""
        with told(self.path):
            alive = Alive(self.path)
            return [run_id for run_id in runs_with(self._db, portal, rows) if not alive[run_id]]

    def doubts(self, run_id: str) -> list[Doubtful]:
        """A run's doubts with every send, and other runs' doubts on the same documents."""
        with self._transaction() as db:
            return doubts_of(db, run_id)

    def started_by(self, run_id: str) -> dict[str, tuple[str, int]]:
        """Workflow id → (entity type, entity id) of what a run started."""
        with told(self.path):
            return started_by(self._db, run_id)

    def glance(self, run_id: str) -> Glance:
        """A run's entry, what it told of itself last, and what is wished of it; cheap for runs of any size."""
        with self._reading() as db:
            return journal_control.glance(db, run_id)

    def wishes(self, run_id: str, behind: int | None = None) -> tuple[tuple[int, Wish], ...]:
        """What is wished of a run behind a wish's number; without one since it was begun or taken up again last."""
        with told(self.path):
            return journal_control.wishes(self._db, run_id, behind)

    def counts(self, run_id: str) -> dict[str, int]:
        """A run's rows by status as they truly stand; looks at every row."""
        with told(self.path):
            return counts_of(self._db, run_id)

    # ------------------------------------------------------------------------------------------------- writing

    def wish(self, run_id: str, wish: Wish) -> int:
        """Write down what the person at this machine wants of a run; the record's number."""
        with self._transaction() as db:
            return journal_control.wished(db, run_id, wish, who())

    def attend(self, run_id: str) -> None:
        """Hold, until the journal is closed, the lock that says that the process of a launched run lives. Raises ``RunIsLiveError``."""
        self._locks[run_id + PROCESS] = RunLock(self.path, run_id + PROCESS)

    def begin(self, run_id: str, now: Told) -> float:
        """A run begins or is taken up again: wishes of before do not concern it. Returns the Unix time that was written down."""
        with self._transaction() as db:
            return journal_control.begin(db, run_id, now)

    def tell(self, run_id: str, now: Told) -> None:
        """What a run tells of itself now."""
        with self._transaction() as db:
            journal_control.tell(db, run_id, now)

    def ask(self, run_id: str, pilot: Pilot, now: Told) -> int:
        """Put the question behind the pilot; returns the number of the last wish before it: later ones answer."""
        with self._transaction() as db:
            return journal_control.ask(db, run_id, pilot, now)

    def credit(self, run_id: str, found: Mapping[str, str], sent_at: Mapping[str, float | None] | None = None) -> set[str]:
        """Write down that doubts were found started (key → workflow id); returns the keys for which that could not be.

        ``sent_at``: Unix times at which the requests left that they came of, by key.

        What was settled in the meantime, or is a living run's, stays as it is.
        """
        with self._transaction() as db:
            alive = Alive(self.path)
            at = sent_at or {}
            return {key for key, workflow_id in found.items() if not credit(db, run_id, key, workflow_id, alive, at.get(key))}

    def retell(self, run_id: str, exit_code: int, settled: Sequence[Outcome]) -> None:
        """Write what is told of a run's rows now, after ``reconcile``."""
        with self._transaction() as db:
            settle(db, run_id, settled)
            db.execute("UPDATE runs SET exit_code=? WHERE id=? AND finished_at IS NOT NULL", (exit_code, run_id))
            journal_control.retell(db, run_id, exit_code)

    def wrote(self, run_id: str, path: Path) -> None:
        """Remember the results file of a run."""
        with self._transaction() as db:
            db.execute("UPDATE runs SET results=? WHERE id=?", (str(path), run_id))

    def terminated(self, run_id: str, workflow_ids: Iterable[str]) -> None:
        """Write down that workflows which a run started were terminated by ``undo``."""
        query = "SELECT key, error_message FROM starts WHERE run_id=? AND workflow_id=? AND state='started'"
        with self._transaction() as db:
            for workflow_id in workflow_ids:
                for key, message in db.execute(query, (run_id, workflow_id)).fetchall():
                    text = "; ".join(filter(None, (message, f"terminated by {who()}")))
                    apply(db, run_id, Note(key, Event.TERMINATE, workflow_id, error_message=text))

    def remember_portal(self, base: str, credential: str, identity: str) -> None:
        """Keep the identity that a base URL and a credential (digest) turned out to have."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO portals VALUES (?, ?, ?)", (base, credential, identity))

    def remember_columns(self, portal: str, fingerprint: str, context: str, columns: Mapping[str, str]) -> None:
        """Keep the mapping that a confirmed run had, for the next sheet with these headers."""
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO mappings VALUES (?, ?, ?, ?)", (portal, fingerprint, context, json.dumps(dict(columns)))
            )

    def keep_templates(self, portal: str, templates: Sequence[Template]) -> None:
        """Keep the portal's templates, so that a sheet can be compared with the journal while the portal is silent."""
        listing = json.dumps([dataclasses.asdict(template) for template in templates], default=str)
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO templates VALUES (?, ?)", (portal, listing))

    @contextmanager
    def claiming(self, run_id: str) -> Iterator[Claim]:
        """A transaction in which a new run looks once more and takes its rows; nobody else can between."""
        with self._transaction() as db, ExitStack() as undo:
            self._locks[run_id] = RunLock(self.path, run_id)
            undo.callback(self.release, run_id)
            yield Claim(db, self.path, run_id)
            undo.pop_all()

    def record(self, run_id: str, notes: Sequence[Note], settled: Sequence[Outcome] = (), *, now: Told | None = None) -> set[str]:
        """Write events, outcomes and what the run tells of itself in one commit.

        Returns the keys whose event was refused: a ``send`` of a row that another run owns now, a ``start`` with an id that another
        start of the portal has already, which is written down as a doubt.
        """
        with self._transaction() as db:
            lost = {note.key for note in notes if not apply(db, run_id, note)}
            settle(db, run_id, settled)
            if now is not None:
                journal_control.tell(db, run_id, now)
        return lost

    def finish(self, run_id: str, exit_code: int, settled: Sequence[Outcome], *, now: Told | None = None) -> None:
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
                if now is not None:
                    journal_control.tell(db, run_id, now)
        finally:
            self.release(run_id)

    def release(self, run_id: str) -> None:
        """Free the lock of a run that ended, however it ended."""
        if lock := self._locks.pop(run_id, None):
            lock.release()


def _template(entry: dict[str, Any]) -> Template:
    own = entry.pop("parameters")
    return Template(**entry, parameters=None if own is None else tuple(Parameter(**parameter) for parameter in own))

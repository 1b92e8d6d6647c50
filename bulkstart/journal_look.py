"""Reading the journal: what it holds of a sheet, and past runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from bulkstart.journal_view import Held, View
from bulkstart.locks import is_alive
from bulkstart.model import StartRequest
from bulkstart.states import State

UNFINISHED = frozenset({State.NEW, State.SENDING, State.DEFERRED})
CRASHED = "the program ended while this start was on the wire; it may have started"

_FIELDS = """key, portal, starts.template_id, starts.entity_type, starts.entity_id, campaign, state, run_id, workflow_id,
             error_code, error_message, sent_at, doubted"""
_RUN = ("run", "started_at", "finished_at", "exit_code", "portal", "dialect", "sheet", "template", "campaign", "rows")


class Alive(dict[str, bool]):
    """Whether a run's owner lives, asked once for each run; ``mine`` counts as gone: whoever asks goes on with it."""

    def __init__(self, journal: Path, mine: str | None = None) -> None:
        super().__init__({} if mine is None else {mine: False})
        self._journal = journal

    def __missing__(self, run_id: str) -> bool:
        self[run_id] = is_alive(self._journal, run_id)
        return self[run_id]


class Look:
    """One look at the journal for one sheet, inside a transaction."""

    def __init__(self, db: sqlite3.Connection, alive: Alive) -> None:
        self._db, self._alive = db, alive

    def view(self, portal: str, keyed: Sequence[tuple[str, StartRequest]], campaign: str, workflow_ids: Iterable[str]) -> View:
        """What is known of these keys, their documents and these workflow ids."""
        db = self._db
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
            return self._asked(portal, campaign)
        finally:
            db.execute("DROP TABLE asked")
            db.execute("DROP TABLE asked_ids")

    def _asked(self, portal: str, campaign: str) -> View:
        held = {found.key: found for found in self._held("JOIN asked USING (key)", ())}
        for found in self._by_word(portal):
            held.setdefault(found.key, found)
        same_document = "(template_id, entity_type, entity_id) IN (SELECT template_id, entity_type, entity_id FROM asked)"
        siblings: dict[tuple[int, str, int], list[Held]] = {}
        clause = f"WHERE portal=? AND campaign=? AND key NOT IN (SELECT key FROM asked) AND {same_document}"  # noqa: S608  literals of this file
        for found in self._held(clause, (portal, campaign)):
            siblings.setdefault((found.template_id, found.entity_type, found.entity_id), []).append(found)
        ids: dict[str, list[Held]] = {}
        for found in self._held("JOIN asked_ids USING (workflow_id)", ()):
            ids.setdefault(found.workflow_id, []).append(found)
        elsewhere = f"portal=? AND campaign<>? AND state='started' AND {same_document}"
        query = f"SELECT DISTINCT template_id, entity_type, entity_id FROM starts WHERE {elsewhere}"  # noqa: S608  literals
        others = self._db.execute(query, (portal, campaign))
        return View(
            held,
            {document: tuple(found) for document, found in siblings.items()},
            self._together([found.key for group in siblings.values() for found in group]),
            {workflow_id: tuple(found) for workflow_id, found in ids.items()},
            frozenset((template, kind, number) for template, kind, number in others),
        )

    def _by_word(self, portal: str) -> Iterator[Held]:
        """Keys that a fed-back sheet said were started, in some run of this portal, and that no run has a start of."""
        query = """SELECT asked.key, template_id, entity_type, entity_id, run_rows.run_id, workflow_id, run_rows.started_at
                   FROM asked JOIN run_rows USING (key) JOIN runs ON runs.id=run_rows.run_id
                   WHERE runs.portal=? AND workflow_id <> '' AND status='already_started'
                     AND asked.key NOT IN (SELECT key FROM starts)"""
        for key, template_id, entity_type, entity_id, run_id, workflow_id, at in self._db.execute(query, (portal,)):
            sent_at = datetime.fromisoformat(at).timestamp() if at else None
            yield Held(
                key, portal, template_id, entity_type, entity_id, "", State.STARTED, run_id, live=False, workflow_id=workflow_id,
                error_code="", error_message="as a sheet said", sent_at=sent_at, by_word=True,
            )  # fmt: skip

    def _held(self, clause: str, arguments: tuple[str, ...]) -> Iterator[Held]:
        for entry in self._db.execute(f"SELECT {_FIELDS} FROM starts {clause}", arguments):  # noqa: S608  clauses are literals of this file
            (
                key,
                portal,
                template_id,
                entity_type,
                entity_id,
                campaign,
                stored,
                run_id,
                workflow_id,
                code,
                message,
                sent_at,
                doubted,
            ) = entry
            state = State(stored)
            live = state in UNFINISHED and self._alive[run_id]
            crashed = state is State.SENDING and not live
            if crashed and not doubted:
                code, message = "CRASHED", CRASHED
            if crashed or (doubted and state is State.DEFERRED and not live):
                state = State.IN_DOUBT  # design.md 3: nobody is at it, and it may have started
            document = (template_id, entity_type, entity_id)
            yield Held(
                key, portal, *document, campaign, state, run_id, live, workflow_id, code, message, sent_at, crashed, bool(doubted)
            )

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


def past_runs(db: sqlite3.Connection, alive: Alive) -> list[dict[str, Any]]:
    """Every run, newest first, with its counts by status; rows of a run that died are counted as they truly stand."""
    found = []
    for entry in db.execute(
        "SELECT id, started_at, finished_at, exit_code, portal, dialect, sheet, template, campaign, rows FROM runs ORDER BY started_at DESC, id DESC"
    ).fetchall():
        run: dict[str, Any] = dict(zip(_RUN, entry, strict=True))
        run["counts"] = counts_of(db, run["run"])
        run["live"] = run["finished_at"] is None and alive[run["run"]]
        found.append(run)
    return found


def counts_of(db: sqlite3.Connection, run_id: str) -> dict[str, int]:
    """A run's rows by status as they truly stand."""
    found = db.execute(
        """SELECT CASE WHEN run_rows.status = 'in_doubt' AND starts.state = 'started'
                         THEN CASE WHEN starts.run_id = run_rows.run_id THEN 'started' ELSE 'already_started' END
                       WHEN run_rows.status <> '' THEN run_rows.status
                       WHEN starts.state = 'started' THEN 'started'
                       WHEN starts.state IN ('sending', 'in_doubt') OR starts.doubted THEN 'in_doubt'
                       WHEN starts.state = 'refused' THEN 'refused' ELSE 'not_attempted' END AS status, COUNT(*)
           FROM run_rows LEFT JOIN starts USING (key) WHERE run_rows.run_id=? GROUP BY 1 ORDER BY 1""",
        (run_id,),
    )
    return {str(status): int(count) for status, count in found}

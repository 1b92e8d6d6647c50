"""A past run read back from the journal: its rows, its settings, and its doubts with every send that may have been carried out."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any

from bulkstart.evidence import Doubtful, Sent
from bulkstart.journal_look import Alive
from bulkstart.journal_view import Before
from bulkstart.model import Outcome, StartRequest
from bulkstart.result_columns import Status
from bulkstart.states import Event

NEVER_LEFT = frozenset({"CONNECT_FAILED", "CONNECT_TIMEOUT", "PROXY_REFUSED", "TLS_CERTIFICATE", "REQUEST_NOT_BUILT"})
"""Reasons of requests of which no byte left this machine (``transport``)."""
_OPEN = "starts.key IS NULL OR (starts.state IN ('new', 'deferred') AND NOT starts.doubted)"
_UNREAD = ""
"""Stands for a workflow in a baseline that nobody could read."""
_DOUBTFUL = "(starts.state IN ('in_doubt', 'sending') OR (starts.state='deferred' AND starts.doubted))"
TO_RESUME = f"run_rows.key <> '' AND run_rows.status IN ('', 'not_attempted', 'gave_up') AND ({_OPEN})"
"""Rows that certainly did not start and were never refused, as they stand now."""
TO_RECONCILE = _DOUBTFUL
"""Rows whose start may or may not have happened, as they stand now."""


@dataclass(frozen=True, slots=True)
class PastRow:
    """One row of a run as the run told of it; ``request`` is ``None`` where no run ever took the row."""

    outcome: Outcome
    label: str
    key: str
    request: StartRequest | None = None


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run as the journal has it. ``sheet``: the file it read, ``""`` for a frame; ``template``: the ids it used; ``results``: the file it wrote, if any.

    ``settings`` are the options it was started with; times are Unix times. Neither live nor finished: it was killed, or it crashed.
    """

    run_id: str
    started_at: float
    portal: str
    dialect: str
    sheet: str
    template: str
    campaign: str
    settings: Mapping[str, Any]
    results: str
    live: bool
    rows: tuple[PastRow, ...]
    finished_at: float | None = None
    exit_code: int | None = None


def past_run(db: sqlite3.Connection, run_id: str, alive: Alive) -> PastRun | None:
    """The run of this id, or ``None``."""
    columns = "started_at, portal, dialect, sheet, template, campaign, settings, results, finished_at, exit_code"
    found = db.execute(f"SELECT {columns} FROM runs WHERE id=?", (run_id,)).fetchone()  # noqa: S608  literals of this file
    if found is None:
        return None
    started_at, portal, dialect, sheet, template, campaign, settings, results, finished_at, exit_code = found
    live = finished_at is None and alive[run_id]
    rows = tuple(_rows(db, run_id))
    return PastRun(
        run_id, started_at, portal, dialect, sheet, template, campaign, json.loads(settings), results, live, rows, finished_at, exit_code
    )  # fmt: skip


def _rows(db: sqlite3.Connection, run_id: str) -> Iterator[PastRow]:
    """The rows in the order of the sheet; one whose run died before it could tell counts the requests that it may have sent."""
    query = """SELECT position, label, key, run_rows.status, run_rows.workflow_id, run_rows.error_code, run_rows.error_message,
                      attempts, run_rows.started_at, template_id, entity_type, entity_id, parameters, sent_at, body
               FROM run_rows LEFT JOIN starts USING (key) WHERE run_rows.run_id=? ORDER BY position"""
    for position, label, key, status, workflow_id, code, message, attempts, at, *start, sent_at, body in db.execute(
        query, (run_id,)
    ):
        sent = _requests(db, run_id, key) if not status and sent_at is not None else 0
        told = Status(status or "not_attempted"), workflow_id, intern(code), intern(message)  # a million rows have few texts
        outcome = Outcome(position, *told, max(attempts, sent), at)
        template_id, entity_type, entity_id, parameters = start
        request = None
        if parameters is not None:
            request = StartRequest(template_id, intern(entity_type), entity_id, json.loads(parameters))
        yield PastRow(outcome, label, key, request or (StartRequest(*json.loads(body)) if body else None))


def _requests(db: sqlite3.Connection, run_id: str, key: str) -> int:
    """How many requests of a run may have left for a row."""
    sends = 0
    for event, note in db.execute("SELECT event, note FROM events WHERE key=? AND run_id=?", (key, run_id)):
        sends += event == Event.SEND
        sends -= event == Event.DEFER and bool(note) and json.loads(note)[1] in NEVER_LEFT
    return sends


def runs_with(db: sqlite3.Connection, portal: str, rows: str) -> list[str]:
    """Runs of a portal that have rows of a kind (``TO_RESUME``, ``TO_RECONCILE``), newest first; ``""``: all runs."""
    has = f"EXISTS (SELECT 1 FROM run_rows LEFT JOIN starts USING (key) WHERE run_rows.run_id=runs.id AND {rows or 'TRUE'})"  # noqa: S608  literals of this file
    query = f"SELECT id FROM runs WHERE portal=? AND {has} ORDER BY started_at DESC, id DESC"  # noqa: S608  literals of this file
    return [str(found[0]) for found in db.execute(query, (portal,))]


def doubts_of(db: sqlite3.Connection, run_id: str) -> list[Doubtful]:
    """The doubts of a run, and others on the same documents that contend for the same workflows.

    Others: doubts of other runs, rows that are on the wire now, and released doubts whose first attempt nobody has found.
    """
    sweeps = _Sweeps(db, run_id)
    query = f"""
        WITH ours AS (SELECT DISTINCT starts.* FROM run_rows JOIN starts USING (key) WHERE run_rows.run_id=? AND {_DOUBTFUL})
        SELECT key, template_id, entity_type, entity_id, key IN (SELECT key FROM ours) FROM starts
        WHERE (portal, template_id, entity_type, entity_id) IN (SELECT portal, template_id, entity_type, entity_id FROM ours)
          AND ({_DOUBTFUL} OR starts.doubted)
        """  # noqa: S608  literals of this file
    found = db.execute(query, (run_id,)).fetchall()
    return [
        Doubtful(key, template, (kind, number), _sends(db, key, sweeps), bool(ours))
        for key, template, kind, number, ours in found
    ]


def _sends(db: sqlite3.Connection, key: str, sweeps: _Sweeps) -> tuple[Sent, ...]:
    """Every request of a start whose fate is unknown: no answer proved that it did nothing, and no workflow is known to be its own."""
    sends: list[Sent] = []
    for at, run_id, event in db.execute("SELECT at, run_id, event FROM events WHERE key=? ORDER BY seq", (key,)):
        if event == Event.SEND:
            sends.append(sweeps.sent(run_id, at))
        elif event in (Event.DEFER, Event.REFUSE, Event.START) and sends:
            sends.pop()
    return tuple(sends)


class _Sweeps:
    """What ran before each send, by the last sweep of its run before it; a clock that it did not tell is that of the last one that did."""

    def __init__(self, db: sqlite3.Connection, run_id: str) -> None:
        self._db = db
        self._baselines: dict[int, frozenset[str] | None] = {}
        same_portal = "run_id IN (SELECT id FROM runs WHERE portal=(SELECT portal FROM runs WHERE id=?))"
        query = f"SELECT clock_offset FROM sweeps WHERE clock_offset IS NOT NULL AND {same_portal} ORDER BY id DESC LIMIT 1"  # noqa: S608  literals of this file
        told = db.execute(query, (run_id,)).fetchone()
        self._clock_offset = float(told[0]) if told else None

    def sent(self, run_id: str, at: float) -> Sent:
        found = self._db.execute(
            "SELECT id, clock_offset FROM sweeps WHERE run_id=? AND at<=? ORDER BY id DESC LIMIT 1", (run_id, at)
        ).fetchone()
        if found is None:
            return Sent(at, self._clock_offset, None)
        sweep, offset = found
        if sweep not in self._baselines:
            found = frozenset(row[0] for row in self._db.execute("SELECT workflow_id FROM baselines WHERE sweep=?", (sweep,)))
            self._baselines[sweep] = None if _UNREAD in found else found
        return Sent(at, self._clock_offset if offset is None else offset, self._baselines[sweep])


def keep_sweep(
    db: sqlite3.Connection, run_id: str, at: float, clock_offset: float | None, workflow_ids: frozenset[str] | None
) -> None:
    """Write down what ran on the portal before a run's first send (``None``: not known), and how far its clock was ahead."""
    sweep = db.execute("INSERT INTO sweeps (run_id, at, clock_offset) VALUES (?, ?, ?)", (run_id, at, clock_offset)).lastrowid
    seen = {_UNREAD} if workflow_ids is None else workflow_ids
    db.executemany("INSERT INTO baselines VALUES (?, ?)", ((sweep, workflow_id) for workflow_id in seen))


def started_by(db: sqlite3.Connection, run_id: str) -> dict[str, tuple[str, int]]:
    """The workflows that a run started, with their documents: (entity type, entity id)."""
    query = "SELECT workflow_id, entity_type, entity_id FROM starts WHERE run_id=? AND state='started' AND workflow_id <> ''"
    return {workflow_id: (kind, number) for workflow_id, kind, number in db.execute(query, (run_id,))}


def templates_before(db: sqlite3.Connection, portal: str) -> dict[int, Before]:
    """What the last run of each template on a portal saw of it."""
    found: dict[int, Before] = {}
    for run_id, settings in db.execute("SELECT id, settings FROM runs WHERE portal=? ORDER BY started_at, id", (portal,)):
        for number, modified in json.loads(settings).get("modified", {}).items():
            found[int(number)] = Before(run_id, modified)
    return found

"""What the journal logged of a run: each event of its starts, and the run's own turns (taken up again, ended, reconciled)."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkstart.model import Outcome
from bulkstart.result_columns import Status

if TYPE_CHECKING:
    import sqlite3

RESUMED, ENDED, RECONCILED, WISHED = "resumed", "ended", "reconciled", "wished"
"""Turns of a run as a whole; they stand among its events under the key ``""``."""
_LEFT_ON_PURPOSE = frozenset({"LIMIT", "NOT_IN_RUN", "duplicate-row"})


@dataclass(frozen=True, slots=True)
class Logged:
    """One event as it was written down: ``at`` is a Unix time, ``event`` one of ``states.Event`` or, where ``key`` is ``""``, a turn of the run."""

    at: float
    key: str
    event: str
    workflow_id: str = ""
    code: str = ""
    message: str = ""


def events_of(db: sqlite3.Connection, run_id: str) -> list[Logged]:
    """Everything that was logged of a run, in the order in which it happened."""
    query = "SELECT at, key, event, note FROM events WHERE run_id=? ORDER BY seq"
    found = [Logged(at, key, event, *(json.loads(note) if note else ())) for at, key, event, note in db.execute(query, (run_id,))]
    for at, wish, who in db.execute("SELECT at, wish, who FROM controls WHERE run_id=? ORDER BY seq DESC", (run_id,)):
        place = next(
            (place for place, one in enumerate(found) if one.at > at), len(found)
        )  # the order of events is not the clock's
        found.insert(place, Logged(at, "", WISHED, "", wish, f"by {who}"))
    return found


def log_turn(db: sqlite3.Connection, run_id: str, turn: str, *, code: str = "", message: str = "") -> None:
    """Write down a turn of a run. ``code``: the exit code, for ``ENDED``; ``message``: who did it, or why it ended."""
    note = json.dumps(["", code, message], ensure_ascii=False)
    db.execute("INSERT INTO events (at, run_id, key, event, note) VALUES (?, ?, '', ?, ?)", (time.time(), run_id, turn, note))


def why_it_ended(settled: Sequence[Outcome]) -> str:
    """Why rows were left, in the words of the first of them that nobody meant to leave; ``""`` where none was."""
    left = (o for o in settled if o.status is Status.NOT_ATTEMPTED and o.error_code not in _LEFT_ON_PURPOSE)
    return next((f"{o.error_code}: {o.error_message}" for o in left), "")

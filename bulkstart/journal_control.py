"""What is wished of runs and what they tell of themselves, in the journal: two small tables beside those of the starts."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass, replace

from bulkstart.standing import Pilot, State, Told, Wish, pilot_from_json, pilot_to_json

PROCESS = ".process"
"""Behind a run's id the name of the lock that a launched process holds from its first to its last moment."""


@dataclass(frozen=True, slots=True)
class Glance:
    """One run as the two tables and its own entry have it; ``told is None``: it has told nothing (an older program's run)."""

    entry: dict[str, object] | None
    told: Told | None
    pilot: Pilot | None
    at: float | None
    wishes: tuple[tuple[int, Wish], ...]


_ENTRY = ("portal", "dialect", "sheet", "template", "campaign", "rows", "results", "started_at", "finished_at", "exit_code")


def wished(db: sqlite3.Connection, run_id: str, wish: Wish, by: str) -> int:
    """Write a wish down; its number."""
    query = "INSERT INTO controls (run_id, at, wish, who) VALUES (?, ?, ?, ?)"
    return int(db.execute(query, (run_id, time.time(), wish, by)).lastrowid or 0)


def wishes(db: sqlite3.Connection, run_id: str, behind: int | None = None) -> tuple[tuple[int, Wish], ...]:
    """The wishes behind a number, in order; without one those since the run was begun or taken up again last."""
    if behind is None:
        found = db.execute("SELECT since FROM progress WHERE run_id=?", (run_id,)).fetchone()
        behind = found[0] if found else 0
    query = "SELECT seq, wish FROM controls WHERE run_id=? AND seq>? ORDER BY seq"
    return tuple((int(number), Wish(wish)) for number, wish in db.execute(query, (run_id, behind)))


def begin(db: sqlite3.Connection, run_id: str, told: Told) -> float:
    """A run begins, or is taken up again: wishes of before are none of its concern. Returns when that was."""
    at = time.time()
    query = "INSERT OR REPLACE INTO progress (run_id, at, since, told) VALUES (?, ?, ?, ?)"
    db.execute(query, (run_id, at, _last(db, run_id), told.to_json()))
    return at


def tell(db: sqlite3.Connection, run_id: str, told: Told) -> None:
    """What a run tells of itself now, in place of what it told before."""
    db.execute(
        """INSERT INTO progress (run_id, at, told) VALUES (?, ?, ?)
           ON CONFLICT (run_id) DO UPDATE SET at=excluded.at, told=excluded.told""",
        (run_id, time.time(), told.to_json()),
    )


def retell(db: sqlite3.Connection, run_id: str, exit_code: int) -> None:
    """The exit code of a run whose doubts were settled since."""
    found = db.execute("SELECT told FROM progress WHERE run_id=?", (run_id,)).fetchone()
    if found and (told := Told.from_json(found[0])).state is State.ENDED:
        tell(db, run_id, replace(told, exit_code=exit_code))


def ask(db: sqlite3.Connection, run_id: str, pilot: Pilot, told: Told) -> int:
    """Put the question behind the pilot; returns the number of the last wish before it: later ones answer."""
    last = _last(db, run_id)
    tell(db, run_id, replace(told, asked=last))
    db.execute("UPDATE progress SET pilot=? WHERE run_id=?", (pilot_to_json(pilot), run_id))
    return last


def glance(db: sqlite3.Connection, run_id: str) -> Glance:
    """One run at a glance: three rows by their keys, whatever its size."""
    entry = db.execute(f"SELECT {', '.join(_ENTRY)} FROM runs WHERE id=?", (run_id,)).fetchone()  # noqa: S608  names of this file
    found = db.execute("SELECT told, pilot, at FROM progress WHERE run_id=?", (run_id,)).fetchone()
    told, pilot, at = found or (None, "", None)
    return Glance(
        None if entry is None else dict(zip(_ENTRY, entry, strict=True)),
        None if told is None else Told.from_json(told),
        pilot_from_json(pilot),
        at,
        wishes(db, run_id),
    )


def _last(db: sqlite3.Connection, run_id: str) -> int:
    return int(db.execute("SELECT coalesce(max(seq), 0) FROM controls WHERE run_id=?", (run_id,)).fetchone()[0])

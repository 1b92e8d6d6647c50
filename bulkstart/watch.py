"""A run watched from anywhere: one look at the journal is one value, whoever runs it and whether it still runs; and wishes for it.

A look costs the same for ten rows and for 100,000 as long as the run goes on; behind its end the rows are counted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bulkstart.errors import UsageError
from bulkstart.journal import Journal
from bulkstart.journal_control import PROCESS, Glance
from bulkstart.locks import is_alive
from bulkstart.settings import journal_path, settings
from bulkstart.standing import LIVE, State, Told, Watched, Wish, now_of

GRACE = 60.0
"""Seconds that a launched process may take until it has its lock."""

_DONE = {Wish.STOP: "stop", Wish.PAUSE: "pause", Wish.GO_ON: "go on with"}


def look(run_id: str, journal: str | os.PathLike[str] | None = None) -> Watched:
    """A run as it stands now. ``journal``: by default that of the environment, else the user's.

    Raises ``UsageError`` where the journal knows nothing of this run, ``JournalError`` where it cannot be read.
    """
    with _opened(run_id, journal) as opened:
        return _look(opened, run_id)


def wish(run_id: str, wanted: Wish, journal: str | os.PathLike[str] | None = None) -> Watched:
    """Write down what is wanted of a run, which obeys within half a second; how it stands then.

    Raises ``UsageError`` where it does not run, cannot hear, or where there is nothing to go on with; ``JournalError``.
    """
    with _opened(run_id, journal) as opened:
        seen = _look(opened, run_id)
        _check(seen, wanted, heard=opened.glance(run_id).told is not None)
        opened.wish(run_id, wanted)
        return _look(opened, run_id)


@contextmanager
def _opened(run_id: str, journal: str | os.PathLike[str] | None) -> Iterator[Journal]:
    path = journal_path(journal, settings())
    if not path.exists():
        raise UsageError(f"there is no journal at {path}, so run {run_id} is not known: name it with --journal")
    opened = Journal(path)
    try:
        yield opened
    finally:
        opened.close()


def _look(journal: Journal, run_id: str) -> Watched:
    glance = journal.glance(run_id)
    if glance.entry is None and glance.told is None:
        raise UsageError(f"the journal {journal.path} has no run {run_id}: bulkstart runs lists them")
    state = _living(journal.path, run_id, glance)
    if state is None:  # it may have ended between the two looks, at the tables and at the locks
        glance = journal.glance(run_id)
        state = _gone(glance)
    if state in LIVE or glance.entry is None:
        counts = dict(glance.told.counts) if glance.told else {}
    else:
        counts = journal.counts(run_id)
    return _watched(run_id, state, glance, counts, alive=any(_locks(journal.path, run_id)))


def _locks(path: Path, run_id: str) -> tuple[bool, bool]:
    return is_alive(path, run_id), is_alive(path, run_id + PROCESS)


def _living(path: Path, run_id: str, glance: Glance) -> State | None:
    """The state of a run whose process lives, or is about to; ``None``: it lives no more."""
    owner, process = _locks(path, run_id)
    told = glance.told
    if told is None:
        return State.RUNNING if owner else None
    starting = told.state is State.PREPARING and not told.pid and time.time() - (glance.at or 0.0) < GRACE
    if owner or ((process or starting) and told.state in LIVE):
        return now_of(told, glance.wishes) if told.state in LIVE else State.RUNNING
    return None


def _gone(glance: Glance) -> State:
    """The state of a run that nobody is at."""
    entry, told = glance.entry, glance.told
    if entry is not None and entry["finished_at"] is not None:
        return State.ENDED
    return State.ENDED if entry is None and told is not None and told.state is State.ENDED else State.LOST


def _watched(run_id: str, state: State, glance: Glance, counts: dict[str, int], *, alive: bool) -> Watched:
    entry, told = glance.entry or {}, glance.told or Told(state)
    results, code = str(entry.get("results") or told.results), None
    if state is State.ENDED:
        code = entry.get("exit_code") if told.exit_code is None else told.exit_code
    return Watched(
        run_id,
        state,
        told,
        rows=int(str(entry.get("rows") or told.rows)),
        counts=counts,
        wish=glance.wishes[-1][1] if glance.wishes else None,
        pilot=glance.pilot,
        exit_code=None if code is None else int(str(code)),
        results=results,
        **{name: str(entry.get(name) or "") for name in ("portal", "dialect", "template", "sheet", "campaign")},
        started_at=_moment(entry.get("started_at")),
        finished_at=_moment(entry.get("finished_at")),
        at=glance.at,
        alive=alive,
    )


def _moment(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _check(seen: Watched, wanted: Wish, *, heard: bool) -> None:
    """Raises ``UsageError`` where the wish could not be obeyed."""
    doing = _DONE[wanted]
    if seen.state is State.ENDED:
        raise UsageError(
            f"run {seen.run_id} is not running: it ended (exit code {seen.exit_code}), so there is nothing to {doing}"
        )
    if seen.state is State.LOST:
        raise UsageError(f"run {seen.run_id} is not running: its process is gone; bulkstart resume {seen.run_id} goes on with it")
    if not heard:
        raise UsageError(f"run {seen.run_id} is run by an older bulkstart, which hears nothing: press Ctrl-C where it runs")
    if wanted is Wish.GO_ON and seen.state not in (State.PAUSED, State.ASKING):
        raise UsageError(f"run {seen.run_id} is {seen.state}, neither paused nor asking: there is nothing to go on with")
    if wanted is Wish.PAUSE and seen.state is State.STOPPING:
        raise UsageError(f"run {seen.run_id} is stopping already: no more rows are taken")

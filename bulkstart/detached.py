"""A run as a process of its own, which outlives the page, the cell and the kernel it was launched from; followed through the journal.

How a panel uses it, whole::

    from bulkstart.detached import launch, launch_past, said_of
    from bulkstart.watch import look, wish
    from bulkstart.standing import State, Wish

    started = launch("deals.xlsx", portal=portal, template=713, pilot=True)   # returns at once; .run_id is known already
    seen = look(started.run_id, started.journal)      # a value, cheap: look twice a second, in a thread or between two awaits
    seen.state                                        # preparing → running → asking → running → (paused) → stopping → ended | lost
    seen.counts, seen.rows, seen.told.on_wire, seen.told.rate, seen.told.seconds_left, seen.hold    # live figures
    if seen.state is State.ASKING: show(seen.pilot)   # rows with ids, durations, forecast; nothing is on the wire
    wish(started.run_id, Wish.GO_ON, started.journal) # or STOP, PAUSE; from any process; ``Run(run_id).stop()`` is the same
    if seen.over: results = bulkstart.Run(started.run_id, portal=portal, journal=started.journal).results
    if seen.over and seen.started_at is None: said_of(started.run_id, started.journal)   # why nothing was sent: the ``--json`` object

Another panel attaches with the run id (and journal) alone. ``seen.alive`` stays true a moment behind the end: the process writes the
results file (``seen.results``) and settles doubts. Credentials go through the child's environment, never into arguments or files.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from bulkstart.arguments import words_of
from bulkstart.errors import BulkstartError, UsageError
from bulkstart.handed import handed_over
from bulkstart.journal import Journal, new_run_id
from bulkstart.launched import RUN_ID
from bulkstart.meeting import journal_file
from bulkstart.options import CallOptions, Options, options_of
from bulkstart.portal import Portal
from bulkstart.rehearsal import lasting_sandbox
from bulkstart.spawning import credentials_of, private, spawn, text_of
from bulkstart.standing import State, Told
from bulkstart.watch import look

if TYPE_CHECKING:
    import pandas as pd

_SAID, _ERRORS = "said.json", "errors.log"


@dataclass(frozen=True, slots=True)
class Detached:
    """A process that was launched. ``folder``: private, holds what it says (``said.json``) and its notes (``errors.log``)."""

    run_id: str
    pid: int
    journal: Path
    folder: Path

    @property
    def notes(self) -> str:
        """What it has told a person so far."""
        return text_of(self.folder / _ERRORS)


def launch(
    sheet: str | os.PathLike[str] | pd.DataFrame,
    *,
    portal: Portal | None = None,
    reading: Mapping[str, Any] | None = None,
    **options: Unpack[CallOptions],
) -> Detached:
    """Start a sheet in a process of its own and return at once; its rows are confirmed by this very call.

    ``options``: those of ``start``; ``pilot=True`` waits behind the first rows until the journal says "go on"; ``sandbox=True`` uses a
    portal of ``rehearsal.lasting_sandbox``. ``reading``: how a file is read (``tab header_row encoding delimiter visible_only``).
    A frame is started as it is, and its results go to ``output``. Raises ``UsageError`` and its kin before anything is launched.
    """
    options_of(options)
    chosen = _portal(portal, options)
    journal = journal_file(chosen, Options(journal=options.get("journal"))).absolute()
    run_id, folder = _place_of_new(journal)
    given: dict[str, Any] = {**options, **(reading or {}), "journal": journal, "sandbox": None, "yes": True, "json": True}
    if isinstance(sheet, str | os.PathLike):
        path = Path(sheet).absolute()
        if not path.is_file():
            raise UsageError(f"there is no sheet {os.fspath(sheet)}")
    else:
        path = handed_over(sheet, folder)
        given["output"] = options.get("output") or f"bulkstart-{run_id}.results.csv"
    return _launched(run_id, ["start", *words_of("start", given), "--", str(path)], chosen, journal, folder)


def launch_past(command: str, run_id: str, *, portal: Portal | None = None, **options: Unpack[CallOptions]) -> Detached:
    """The same for a past run: ``command`` is ``"resume"`` or ``"reconcile"``.

    Raises ``UsageError`` and its kin: also where the run goes on already, or there is none.
    """
    if command not in ("resume", "reconcile"):
        raise UsageError(f"a past run is gone on with by resume or reconcile, not by {command!r}")
    options_of(options)
    chosen = _portal(portal, options)
    journal = journal_file(chosen, Options(journal=options.get("journal"))).absolute()
    if not (seen := look(run_id, journal)).over:
        raise UsageError(f"run {run_id} is {seen.state}: {command} it when it has ended")
    given: dict[str, Any] = {**options, "journal": journal, "sandbox": None, "json": True}
    given |= {"yes": True} if command == "resume" else {}
    return _launched(
        run_id, [command, *words_of(command, given), "--", run_id], chosen, journal, private(_place(journal, run_id))
    )


def said_of(run_id: str, journal: str | os.PathLike[str]) -> dict[str, Any] | None:
    """What a launched process said when it ended: the object of ``--json``; ``None`` before its end, and for runs that were not launched."""
    try:
        found = json.loads(text_of(_place(Path(journal), run_id) / _SAID))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _portal(portal: Portal | None, options: CallOptions) -> Portal:
    dialect = options.get("dialect")
    if portal is None and options.get("sandbox"):
        return lasting_sandbox(dialect=dialect or "vibecode")
    return portal or Portal.from_env(dialect)


def _launched(run_id: str, words: list[str], portal: Portal, journal: Path, folder: Path) -> Detached:
    with contextlib.closing(Journal(journal)) as opened:
        at = opened.begin(run_id, Told(State.PREPARING))  # wishes count from here on, before there is a process
    settings = credentials_of(portal) | {RUN_ID: run_id, "BULKSTART_JOURNAL": str(journal)}
    ended = partial(_reaped, journal, run_id, at)
    try:
        pid = spawn(words, settings, folder / _SAID, folder / _ERRORS, ended)
    except UsageError:
        ended(1)
        raise
    return Detached(run_id, pid, journal, folder)


def _reaped(journal: Path, run_id: str, at: float, code: int) -> None:
    """The process has ended; one that could not say so itself, since it died before its first word, is told of."""
    with contextlib.suppress(BulkstartError), contextlib.closing(Journal(journal)) as opened:
        if opened.glance(run_id).at == at:  # nothing was told since it was launched
            opened.tell(run_id, Told(State.ENDED, exit_code=code))


def _place(journal: Path, run_id: str) -> Path:
    path = journal.resolve()
    return path.with_name(path.name + "-launched") / run_id


def _place_of_new(journal: Path) -> tuple[str, Path]:
    """The id of a new run, which is nobody else's, and its private folder."""
    while True:
        run_id = new_run_id()
        with contextlib.suppress(FileExistsError):
            return run_id, private(_place(journal, run_id), new=True)

"""A past run as a value in Python: its results, and what can still be done about it."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from bulkstart.conduct import conduct
from bulkstart.errors import UsageError
from bulkstart.history import no_frame, take_up
from bulkstart.journal import Journal
from bulkstart.journal_past import PastRun
from bulkstart.meeting import journal_file
from bulkstart.options import CallOptions, Options, options_of
from bulkstart.plan import Rules, make
from bulkstart.portal import Portal
from bulkstart.result_columns import Status
from bulkstart.results import completed, counts, exit_code, frame_of, invalid_outcomes, results_frame
from bulkstart.resumed import Resumed, sheet_of
from bulkstart.retry import Stop
from bulkstart.standing import Watched, Wish
from bulkstart.watch import look, wish

if TYPE_CHECKING:
    import pandas as pd


class Run:
    """A past run by its id. ``portal``: by default that of the environment; ``journal``: by default the portal's, else the user's.

    Every method raises ``UsageError`` where the journal has no such run, or the portal is another one than the run's.

    >>> import bulkstart, pandas
    >>> with bulkstart.sandbox() as portal:
    ...     results = bulkstart.start(pandas.DataFrame({"entityId": [5141]}), portal=portal, template=713, values={
    ...         "contract_number": "7", "kind": "nda"})
    ...     run = bulkstart.Run(results.attrs["run_id"], portal=portal)
    ...     run.results["startStatus"].tolist(), run.undo()
    (['started'], {'started': 1, 'terminated': 1})
    """

    def __init__(
        self, run_id: str, *, portal: Portal | None = None, journal: str | os.PathLike[str] | None = None
    ) -> None:  # fmt: skip
        if not isinstance(run_id, str) or not run_id.strip():
            raise UsageError(f"Run needs the id of a run, not {run_id!r}: a start that sent nothing has none")
        self.run_id = run_id
        self._portal, self._journal = portal, journal

    def __repr__(self) -> str:
        return f"Run({self.run_id!r})"

    @property
    def results(self) -> pd.DataFrame:
        """Every row as it stands now, from the journal alone: index as in the sheet, ids and parameters as they were sent, the six columns.

        >>> import bulkstart, pandas
        >>> with bulkstart.sandbox() as portal:
        ...     results = bulkstart.start(pandas.DataFrame({"entityId": [5141]}), portal=portal, template=720)
        ...     bulkstart.Run(results.attrs["run_id"], portal=portal).results["startStatus"].tolist()
        ['started']
        """
        past, journal = self._past()
        with closing(journal):
            sheet, resumed = sheet_of(past), Resumed(past)
            view = journal.view(past.portal, sheet.keyed, past.campaign, ())
        plan = make(sheet.checked.rows, sheet.checked.requests, sheet.keys, view, Rules(past.campaign, allow_changed=True))
        plan = resumed.narrowed(plan, sheet, view, time.time())
        outcomes = completed(
            len(past.rows),
            plan,
            invalid_outcomes(sheet.checked.rows, plan.problems),
            resumed.left(plan),
            Stop("RUN_STOPPED", "the run ended before this row", 6),
            {},
        )
        frame = results_frame(frame_of([(row.label, row.request) for row in past.rows]), outcomes)
        frame.attrs |= {
            "run_id": past.run_id,
            "portal": past.portal,
            "exit_code": exit_code(outcomes, None),
            "counts": counts(outcomes),
        }
        return frame

    def watch(self) -> Watched:
        """The run as it stands now, whoever runs it: state, counts, rate, hold, time left. Cheap while it runs.

        >>> import bulkstart, pandas
        >>> with bulkstart.sandbox() as portal:
        ...     results = bulkstart.start(pandas.DataFrame({"entityId": [5141]}), portal=portal, template=720)
        ...     seen = bulkstart.Run(results.attrs["run_id"], portal=portal).watch()
        >>> str(seen.state), seen.counts, seen.exit_code
        ('ended', {'started': 1}, 0)
        """
        return look(self.run_id, self._file())

    @property
    def state(self) -> str:
        """``preparing``, ``asking``, ``running``, ``paused``, ``stopping``, ``ended``, or ``lost``: its process is gone without an end.

        >>> import bulkstart, pandas
        >>> with bulkstart.sandbox() as portal:
        ...     results = bulkstart.start(pandas.DataFrame({"entityId": [5141]}), portal=portal, template=720)
        ...     bulkstart.Run(results.attrs["run_id"], portal=portal).state
        'ended'
        """
        return str(self.watch().state)

    def stop(self) -> Watched:
        """Let it stop wherever it runs: rows on the wire finish, the others are not attempted. Raises ``UsageError`` where it does not run.

        >>> import bulkstart, pandas
        >>> with bulkstart.sandbox() as portal:
        ...     results = bulkstart.start(pandas.DataFrame({"entityId": [5141]}), portal=portal, template=720)
        ...     try:
        ...         bulkstart.Run(results.attrs["run_id"], portal=portal).stop()
        ...     except bulkstart.BulkstartError as error:
        ...         print(str(error).partition(" is ")[2])
        not running: it ended (exit code 0), so there is nothing to stop
        """
        return wish(self.run_id, Wish.STOP, self._file())

    def pause(self) -> Watched:
        """Let it take no more rows; those on the wire finish. Raises ``UsageError`` where it does not run."""
        return wish(self.run_id, Wish.PAUSE, self._file())

    def go_on(self) -> Watched:
        """Let it go on after a pause, or say yes to what its pilot showed. Raises ``UsageError`` where there is nothing to go on with."""
        return wish(self.run_id, Wish.GO_ON, self._file())

    def resume(
        self, frame: pd.DataFrame | None = None, *, release_doubts: bool = False, **options: Unpack[CallOptions]
    ) -> pd.DataFrame:
        """Go on with rows that certainly did not start and were never refused; with ``release_doubts`` with rows in doubt too.

        ``frame``: the rows to look for, by default those of the run. Returns the results frame, like ``start``. ``settle``: seconds since a
        doubtful send before it may be sent again; ``reconcile=True``: settle doubts when it ends.

        >>> import bulkstart, pandas
        >>> frame = pandas.DataFrame({"entityId": [5141, 5143]})
        >>> with bulkstart.sandbox() as portal:
        ...     results = bulkstart.start(frame, portal=portal, template=720, limit=1)
        ...     bulkstart.Run(results.attrs["run_id"], portal=portal).resume()["startStatus"].tolist()
        ['started', 'started']
        """
        portal, settle = self._chosen(), options.get("settle")
        taken = take_up(self.run_id, portal, self._given(options), frame=frame)
        finished = conduct(taken.resuming(portal, None, release=release_doubts, settle=settle))
        wanted = taken.options.reconcile and not taken.options.dry_run and finished.exit_code not in (7, 130)
        if wanted and finished.counts.get(Status.IN_DOUBT):
            again = take_up(self.run_id, portal, self._given(options), frame=frame)  # what it sent a moment ago is in doubt too
            finished = conduct(again.reconciling(portal, None, settle=settle))
        return finished.results

    def reconcile(self, frame: pd.DataFrame | None = None, **options: Unpack[CallOptions]) -> pd.DataFrame:
        """Settle doubts by the portal's list of running workflows, ``settle`` seconds after the last send.

        ``frame``: the rows to tell of, by default those of the run. Returns the results frame, like ``start``.

        >>> import bulkstart, pandas
        >>> lost = {"templates": [{"id": 713, "life_seconds": 60}], "faults": [{"nth": 1, "committed": True, "answer": "close"}]}
        >>> with bulkstart.sandbox(lost) as portal:
        ...     results = bulkstart.start(pandas.DataFrame({"entityId": [5141]}), portal=portal, template=713)
        ...     settled = bulkstart.Run(results.attrs["run_id"], portal=portal).reconcile(settle=0)
        >>> results["startStatus"].tolist(), settled["startStatus"].tolist()
        (['in_doubt'], ['started'])
        """
        portal = self._chosen()
        taken = take_up(self.run_id, portal, self._given(options), frame=frame)
        return conduct(taken.reconciling(portal, None, settle=options.get("settle"))).results

    def undo(self, *, erase: bool = False, **options: Unpack[CallOptions]) -> dict[str, int]:
        """Terminate what the run started and still runs; returns counts: ``started terminated gone running``. ``dry_run``: only count.

        >>> import bulkstart, pandas
        >>> with bulkstart.sandbox() as portal:
        ...     results = bulkstart.start(pandas.DataFrame({"entityId": [5141]}), portal=portal, template=713, values={
        ...         "contract_number": "7", "kind": "nda"})
        ...     bulkstart.Run(results.attrs["run_id"], portal=portal).undo(dry_run=True)
        {'started': 1, 'running': 1}
        """
        portal = self._chosen()
        taken = take_up(self.run_id, portal, self._given(options), frame=no_frame())
        return conduct(taken.undoing(portal, None, erase=erase)).counts

    def _chosen(self) -> Portal:
        return self._portal or Portal.from_env()

    def _given(self, options: CallOptions) -> dict[str, Any]:
        options_of(options)  # a name that is none is an error here as in ``start``
        if "output" in options:
            raise UsageError("output: a past run's results are a frame; bulkstart.write_results writes them")
        given: dict[str, Any] = dict(options)
        return given | ({"journal": self._journal} if self._journal else {})

    def _file(self) -> Path:
        return journal_file(self._portal, Options(journal=self._journal))

    def _past(self) -> tuple[PastRun, Journal]:
        path = self._file()
        if not path.exists():
            raise UsageError(f"there is no journal at {path}, so run {self.run_id} is not known")
        journal = Journal(path)
        past = journal.run(self.run_id)
        if past is None:
            journal.close()
            raise UsageError(f"the journal {path} has no run {self.run_id}: bulkstart.runs() lists them")
        return past, journal

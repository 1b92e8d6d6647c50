"""The walk with its run: begun as a process of its own, followed through the journal, stopped, gone on with, reconciled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkstart import api
from bulkstart.cli_run import ELSEWHERE
from bulkstart.detached import Detached, launch, launch_past, said_of
from bulkstart.errors import BulkstartError, UsageError
from bulkstart.mapping import name_of
from bulkstart.meeting import journal_file
from bulkstart.model import Outcome
from bulkstart.notebook.walk import FIRST, Walk
from bulkstart.outputs import wanted_path
from bulkstart.result_columns import RESULT_COLUMNS, Status
from bulkstart.results import results_frame
from bulkstart.run import Run
from bulkstart.standing import Watched, Wish
from bulkstart.summary import advice_for
from bulkstart.watch import look, wish

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from bulkstart.portal import Portal

_OF_A_STINT = {
    "resume": frozenset({"settle", "rate", "burst", "max_unknown"}),
    "reconcile": frozenset({"settle", "rate", "burst"}),
}
"""Options of the panel that a past run is gone on with; what its rows mean is the run's own."""
_ENTITY = ("entityType", "entityId")
_SHOWN = {"startStatus": "status", "workflowId": "workflow", "errorCode": "code", "errorMessage": "message"}


class Course(Walk):
    """A walk and its run, this panel's own or one that was attached to."""

    run_id: str | None = None
    watched: Watched | None = None
    told: pd.DataFrame | None = None
    """Every row as the journal tells it, behind the end of the run."""
    _journal: Path | None = None
    _tabled: pd.DataFrame | None = None
    _own: pd.DataFrame | None = None
    """The frame that the run was begun with."""

    def __init__(self, frame: pd.DataFrame | None, portal: Portal | None, options: Mapping[str, Any]) -> None:
        super().__init__(frame, portal, options)
        self._tables: dict[Status | None, pd.DataFrame] = {}

    # ------------------------------------------------------------------------------------------------ begin, wish

    def begin(self) -> None:
        """Start what was planned. Raises ``UsageError`` where problems stand in the way."""
        self._check_free()
        if self.frame is None or self.portal is None or not self.mended or not self.planned:
            raise UsageError("there is nothing that may be started: look at the checks")
        if self.changed:
            raise UsageError(f"{self.path} was changed since it was read: read it again, so that you see what would be started")
        canary = int(self.options.get("canary", FIRST))
        columns = {one.name: name_of(one.column, self.columns) for one in self.matches() if one.column and one.reason == "--map"}
        given: dict[str, Any] = {**self.options, "columns": {**columns, **self.options.get("columns", {})}}
        sheet = self.path if self.whole_file and self.path else self.frame
        if sheet is self.frame and self.path:  # a frame that came from a file: its results go beside that file
            given.setdefault("output", wanted_path(Path(self.path), None, dry_run=False))
        begun = launch(sheet, portal=self.portal, reading=self.reader, **{**given, "canary": canary, "pilot": canary > 0})
        self._own = self.frame
        self._follow(begun)

    def resume(self) -> None:
        """Go on with what certainly did not start."""
        self._past("resume")

    def reconcile(self) -> None:
        """Look the rows in doubt up."""
        self._past("reconcile")

    def _past(self, command: str) -> None:
        self._check_free()
        if self.run_id is None or self.portal is None:
            raise UsageError("connect to the portal of the run first")
        kept = {name: value for name, value in self.options.items() if name in _OF_A_STINT[command]}
        self._follow(launch_past(command, self.run_id, portal=self.portal, **kept, journal=self._journal))

    def _check_free(self) -> None:
        """Raise ``UsageError`` while a run goes on here: the second half of a double click."""
        if self.goes_on:
            raise UsageError(f"run {self.run_id} goes on: wait for its end, or stop it")

    def _follow(self, begun: Detached) -> None:
        self.run_id, self._journal, self.told = begun.run_id, begun.journal, None
        self.look()

    def wish(self, wanted: Wish) -> None:
        """Stop, pause, or go on."""
        if self.run_id is not None:
            self.watched = wish(self.run_id, wanted, self._journal)

    def attach(self, run_id: str) -> None:
        """Follow a run by its id, whoever began it. Raises ``UsageError`` where the journal has none."""
        journal = journal_file(self.portal or self.given, self.chosen)
        self.watched = look(run_id, journal)
        self.run_id, self._journal, self.told, self._own = run_id, journal, None, None
        self.look()

    # ------------------------------------------------------------------------------------------------------ follow

    def look(self) -> None:
        """See how the run stands; behind its end read every row, and plan anew what is left of the sheet."""
        if self.run_id is None:
            return
        self.watched = look(self.run_id, self._journal)
        if not self.goes_on and self.told is None and self.watched.started_at is not None:
            self.told = Run(self.run_id, journal=self._journal).results
            try:
                self.check()
            except BulkstartError:  # the portal is silent now; what was told of the run counts
                self.dry = None

    @property
    def kept(self) -> dict[str, Any]:
        """Where the run is found by its id: ``journal``, where that is none of the usual place."""
        asked = self.options.get("journal")
        return {"journal": self._journal} if asked or self.in_sandbox else {}

    @property
    def goes_on(self) -> bool:
        """Whether there is more to see of the run."""
        return self.watched is not None and (not self.watched.over or self.watched.alive)

    @property
    def unsent(self) -> str:
        """Why a run ended before it had any row; ``""`` where it has some."""
        if (
            self.watched is None
            or self.run_id is None
            or self._journal is None
            or self.goes_on
            or self.watched.started_at is not None
        ):
            return ""
        said = said_of(self.run_id, self._journal) or {}
        found = [str(problem["message"]) for problem in said.get("problems", ())]
        return "\n".join(found[:5]) or f"exit code {self.watched.exit_code}"

    def past(self, most: int) -> list[dict[str, Any]]:
        """The last runs of the journal, newest first."""
        found = api.runs(journal_file(self.portal or self.given, self.chosen)).head(most)
        return [{str(name): value for name, value in run.items()} for run in found.to_dict("records")]

    # ----------------------------------------------------------------------------------------------------- results

    @property
    def left(self) -> int:
        """Rows that a resume would go on with."""
        if self.told is None:
            return 0
        waiting = (self.told["startStatus"] == Status.NOT_ATTEMPTED) & ~self.told["errorCode"].isin(list(ELSEWHERE))
        return int(waiting.sum())

    @property
    def began_here(self) -> bool:
        """Whether the run began with the sheet of this panel."""
        return self._own is not None

    @property
    def settle(self) -> float:
        """Seconds that a lost start may still begin in."""
        wanted = self.options.get("settle")
        return float(wanted if wanted is not None else self.portal.gateway.settle if self.portal else 0.0)

    @property
    def results(self) -> pd.DataFrame | None:
        """Every row with what became of it so far: the sheet's own columns where the run began with this sheet, then the six."""
        told = self.told
        if told is None and self.run_id is not None and self.watched is not None and self.watched.started_at is not None:
            told = Run(self.run_id, journal=self._journal).results
        if told is None or self._own is None or len(self._own) != len(told):
            return told
        rows = zip(*(told[name].tolist() for name in RESULT_COLUMNS), strict=True)
        outcomes = [Outcome(place, Status(status), *rest) for place, (status, *rest) in enumerate(rows)]
        found = results_frame(self._own, outcomes)
        found.attrs |= told.attrs
        return found

    def table(self, only: Status | None = None) -> pd.DataFrame:
        """The results as they are shown: ``row entity status workflow code message advice``; the same frame until there are others."""
        if self._tabled is not self.told:
            self._tabled, self._tables = self.told, {}
        if only not in self._tables:
            self._tables[only] = self._table(only)
        return self._tables[only]

    def _table(self, only: Status | None) -> pd.DataFrame:
        import pandas as pd  # noqa: PLC0415  beside its use

        told = pd.DataFrame(columns=[*_ENTITY, *RESULT_COLUMNS]) if self.told is None else self.told
        told = told if only is None else told[told["startStatus"] == only]
        entity = [
            " ".join("" if one is None else str(one) for one in pair)
            for pair in zip(*(told[name] for name in _ENTITY), strict=True)
        ]
        found = pd.DataFrame({"row": told.index.tolist(), "entity": entity})
        for name, shown in _SHOWN.items():
            found[shown] = told[name].tolist()
        rows = zip(found["status"], found["code"], found["message"], strict=True)
        found["advice"] = [_unsaid(advice_for(Status(status), code), message) for status, code, message in rows]
        return found.astype(object)


def _unsaid(advice: str, message: str) -> str:
    """The advice, unless the message says it already."""
    return "" if advice in message else advice

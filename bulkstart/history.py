"""A past run taken up again: found in the journal, its sheet read as it was read then, resumed, reconciled, undone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkstart.conduct import in_thread
from bulkstart.errors import UsageError
from bulkstart.job import Job
from bulkstart.journal import Journal
from bulkstart.journal_past import TO_RECONCILE, TO_RESUME, PastRun
from bulkstart.meeting import entrance, journal_file, journal_of, line_to, meeting, nobody
from bulkstart.options import Options
from bulkstart.portal import Portal
from bulkstart.preflight import Met
from bulkstart.reconcile import Reconcile
from bulkstart.results import frame_of
from bulkstart.resumed import Resumed, sheet_of
from bulkstart.stages import Sheet, check_sheet
from bulkstart.undo import Undo
from bulkstart.work import Front

if TYPE_CHECKING:
    import pandas as pd

    from bulkstart.model import SheetSource

OF_THE_RUN = (
    *("template", "entity_type", "columns", "values", "decimal", "date_format", "separator", "date_output", "datetime_output"),
    *("time_zone", "campaign"),
)
"""Options that decide what a row means: a run that goes on keeps its own (interface.md 1)."""
_OF_ONE_STINT = frozenset({"limit", "deadline", "dry_run", "journal", "reconcile", "pilot"})


@dataclass(frozen=True, slots=True)
class Taken:
    """A past run with its frame and how its rows are read; ``options`` are the run's own, with what was given besides."""

    past: PastRun
    frame: pd.DataFrame
    options: Options
    reader: Callable[[Met], Sheet]
    source: Path | None
    """The sheet it was read from; ``None`` where the rows come from the journal."""
    notes: tuple[str, ...] = ()
    results_are_input: bool = False
    """Another run has read the file that its results went to: it is an analyst's sheet now."""

    @property
    def goal(self) -> Path:
        """Where its results go: where they went before, else beside its sheet, else into the working directory."""
        from bulkstart.outputs import numbered, wanted_path  # noqa: PLC0415  beside its use

        if self.past.results and not self.options.dry_run:
            named = Path(self.past.results)
            return next(path for path in numbered(named) if not path.exists()) if self.results_are_input else named
        sheet = Path(self.past.sheet or f"bulkstart-{self.past.run_id}.csv")
        goal = wanted_path(sheet, None, dry_run=self.options.dry_run)
        return goal if goal.parent.is_dir() else Path(goal.name)

    def resuming(
        self, portal: Portal, front: Front | None, *, release: bool, settle: float | None, launched: bool = False
    ) -> Job:
        """The job that goes on with it; ``launched``: wishes for it are heard from the first moment on."""
        resumed = Resumed(self.past, release, portal.gateway.settle if settle is None else settle)
        run_id = self.past.run_id if launched else None
        return Job(self.frame, portal, self.options, front, resumed=resumed, reader=self.reader, run_id=run_id)

    def reconciling(self, portal: Portal, front: Front | None, *, settle: float | None, launched: bool = False) -> Reconcile:
        """The job that settles its doubts; ``launched`` as for ``resuming``."""
        wait = portal.gateway.settle if settle is None else settle
        return Reconcile(self.frame, portal, self.options, Resumed(self.past), self.reader, front, settle=wait, launched=launched)

    def undoing(self, portal: Portal, front: Front | None, *, erase: bool) -> Undo:
        """The job that terminates what it started."""
        return Undo(self.past, portal, self.options, front, erase=erase)


def take_up(
    run_id: str | None, portal: Portal, given: Mapping[str, Any], *, rows: str = TO_RESUME, frame: pd.DataFrame | None = None
) -> Taken:
    """The past run of this id, or the last one of the portal that has ``rows`` of the kind meant (else its last one).

    ``given``: options by their names in Python; what decides about the meaning of rows must be the run's own. Raises ``UsageError``.
    """
    if run_id is not None and not run_id.strip():
        raise UsageError("the run is named by nothing: give its id, as bulkstart runs lists it")
    asked = Options(**{name: value for name, value in given.items() if name in Options.__dataclass_fields__})
    path = journal_file(portal, asked)
    if not path.exists():
        raise UsageError(f"there is no journal at {path}, so no run is known: name it with --journal")
    with _opened(path) as journal:
        found = _last(portal, journal, asked, rows) if run_id is None else run_id
        past = journal.run(found)
        read = past is not None and bool(past.results) and journal.is_sheet(past.results)
    if past is None:
        raise UsageError(f"the journal {path} has no run {found}: bulkstart runs lists them")
    options = _options(past, given)
    source = Path(past.sheet) if past.sheet else None
    if frame is not None:
        return Taken(
            past,
            frame,
            options,
            partial(check_sheet, frame, options, dialect=portal.dialect, loopback=portal.loopback),
            source,
            results_are_input=read,
        )
    if source is not None and source.exists() and past.settings.get("whole_file"):
        frame = _read(past, source, given)
        return Taken(
            past,
            frame,
            options,
            partial(check_sheet, frame, options, dialect=portal.dialect, loopback=portal.loopback),
            source,
            results_are_input=read,
        )
    gone = "is gone" if past.settings.get("whole_file") else "was changed in Python before the run"
    note = f"the sheet {past.sheet} {gone}: going on with what the journal holds of run {past.run_id}"
    return Taken(
        past,
        frame_of([(row.label, row.request) for row in past.rows]),
        options,
        lambda _: sheet_of(past),
        None,
        (note,) if past.sheet else (),
    )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Journal]:
    journal = Journal(path)
    try:
        yield journal
    finally:
        journal.close()


def _last(portal: Portal, journal: Journal, options: Options, rows: str) -> str:
    """The last run of this portal that has such rows, else its last one; one that is running now where there is no other."""
    identity = portal.fixed_identity() or journal.remembered_portal(portal.base_url, portal.digest(journal.salt))
    identity = identity or in_thread(_identity(portal, options))
    found = [*journal.runs_with(identity, rows), *journal.runs_with(identity, "")]
    found = found or [str(run["run"]) for run in journal.runs() if run["portal"] == identity]
    if not found:
        raise UsageError(f"no run on {identity} stands in the journal {journal.path}: start a sheet first")
    return found[0]


async def _identity(portal: Portal, options: Options) -> str:
    async with line_to(portal, options) as line:
        with journal_of(portal, options) as journal:
            met = (await meeting(portal, line, journal, options, entrance(portal, nobody))).met
    if met.identity is None:
        why = met.stop.message if met.stop else "it does not say who it is"
        raise UsageError(f"the portal of the run cannot be told ({why}): name the run, as bulkstart runs lists it")
    return met.identity


def _options(past: PastRun, given: Mapping[str, Any]) -> Options:
    """The run's own options, and what was given besides. Raises ``UsageError`` where the two contradict each other."""
    known = Options.__dataclass_fields__
    kept = {name: value for name, value in past.settings.items() if name in known and name not in _OF_ONE_STINT}
    for name in OF_THE_RUN:
        value = given.get(name)
        if value not in (None, "", {}) and not _agrees(past, name, value):
            option = {"columns": "--map", "values": "--set"}.get(name, "--" + name.replace("_", "-"))
            raise UsageError(
                f"{option} differs from that of run {past.run_id} ({kept.get(name) or 'none'}): a run goes on under its own; leave it out"
            )
    for name in ("tab", "header_row"):
        value = given.get(name)
        if value is not None and not _agrees(past, name, value):
            kept_one = past.settings.get(name)
            raise UsageError(
                f"--{name.replace('_', '-')} {value} differs from that of run {past.run_id} ({kept_one}): leave it out"
            )
    if given.get("visible_only") and not past.settings.get("visible_only"):
        raise UsageError(f"--visible-only differs from run {past.run_id}, which took hidden rows too: leave it out")
    more = {name: value for name, value in given.items() if name in known and name not in OF_THE_RUN}
    return Options(**(kept | {"skip_invalid": True} | more))


def _agrees(past: PastRun, name: str, value: object) -> bool:
    """Whether a given option means what the run meant."""
    own = past.settings.get(name)
    if isinstance(value, Mapping):
        return {key: str(one) for key, one in value.items()} == {key: str(one) for key, one in (own or {}).items()}
    if name == "template":
        return str(value) in (str(own), past.template)
    if name == "entity_type" and own is None:
        return {row.request.entity_type for row in past.rows if row.request} == {str(value).casefold()}
    if name == "tab" and str(value) != str(own):
        return _tab_of(past, str(value)) == own
    if name == "entity_type":
        return str(value).casefold() == str(own).casefold()
    return str(value) == str(own)


def _tab_of(past: PastRun, named: str) -> str | None:
    """The name of the tab that is called by a name or a number; a CSV file's is ``None``. Raises ``SheetError`` where there is none."""
    from bulkstart.sheet import read_sheet  # noqa: PLC0415  lazy: pandas

    found: SheetSource = read_sheet(past.sheet, tab=named, header_row=past.settings.get("header_row")).attrs["sheet"]
    return found.tab


def _read(past: PastRun, source: Path, given: Mapping[str, Any]) -> pd.DataFrame:
    """The sheet, read as it was read then; encoding and delimiter may be given anew, for a file that was saved again."""
    from bulkstart.sheet import read_sheet  # noqa: PLC0415  lazy: pandas

    own = past.settings
    return read_sheet(
        source,
        tab=own.get("tab"),
        header_row=own.get("header_row"),
        encoding=given.get("encoding") or own.get("encoding"),
        delimiter=given.get("delimiter") or own.get("delimiter"),
        visible_only=bool(own.get("visible_only")),
        expected=tuple((own.get("columns") or {}).values()),
    )


KINDS = {"resume": TO_RESUME, "release": f"({TO_RESUME} OR {TO_RECONCILE})", "reconcile": TO_RECONCILE, "undo": ""}
"""Which runs are meant where none is named."""


def no_frame() -> pd.DataFrame:
    """A frame without rows: for what needs none of the sheet."""
    import pandas as pd  # noqa: PLC0415  lazy: --help loads no pandas

    return pd.DataFrame()

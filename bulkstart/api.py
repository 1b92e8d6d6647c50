"""The whole flow on one screen: a frame in, workflows started, a results frame out.

    read_sheet → Job.run: meet → check → plan → ask → claim → start → told → write_results

Front ends (``cli``, notebooks) hold no rule: whatever they do is a call of this module.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from bulkstart.conduct import conduct, in_thread
from bulkstart.ending import Finished
from bulkstart.errors import DeniedError, UsageError
from bulkstart.filing import check_output, put_out
from bulkstart.history import take_up
from bulkstart.job import Job
from bulkstart.journal import Journal
from bulkstart.journal_view import EMPTY
from bulkstart.meeting import asking, entrance, journal_of, line_to, nobody, with_file
from bulkstart.model import Problem, SheetSource, Template
from bulkstart.options import CallOptions, Options, options_of
from bulkstart.portal import Portal
from bulkstart.preflight import QUESTION_SECONDS, Met, list_templates
from bulkstart.reconcile import Reconcile
from bulkstart.result_columns import Status
from bulkstart.rows import own_copy
from bulkstart.settings import journal_path, settings
from bulkstart.stages import check_sheet, plan_sheet, problems_of
from bulkstart.work import Front, Silent

if TYPE_CHECKING:
    import pandas as pd


def start(frame: pd.DataFrame, *, portal: Portal | None = None, **options: Unpack[CallOptions]) -> pd.DataFrame:
    """Start one workflow for each row of ``frame``; each row is started at most once, and every doubt is shown.

    ``portal``: by default ``Portal.from_env()``; ``options``: those of the command line with underscores (``bulkstart.options``).
    Returns a new frame: the same rows, order and index, the analyst's columns untouched, then ``startStatus``, ``workflowId``,
    ``errorCode``, ``errorMessage``, ``attempts``, ``startedAt``; ``attrs`` holds ``run_id``, ``exit_code``, ``problems``, ``forecast``.
    Never asks. Raises only ``UsageError`` and its kin; problems, denials and halts come back in the frame. An interrupt drains.

    >>> import bulkstart, pandas
    >>> with bulkstart.sandbox() as portal:
    ...     results = bulkstart.start(pandas.DataFrame({"entityId": [5141]}), portal=portal, template=720)
    >>> results["startStatus"].tolist()
    ['started']
    """
    wanted, frame = options_of(options), own_copy(frame)
    check_output(frame, wanted, options)
    with _chosen(portal, options) as chosen:
        finished = conduct(Job(frame, chosen, wanted))
        if looking := _reconciling(finished, frame, chosen, wanted, options):
            finished = conduct(looking)
        put_out(finished, chosen, wanted, options)
    return finished.results


async def astart(frame: pd.DataFrame, *, portal: Portal | None = None, **options: Unpack[CallOptions]) -> pd.DataFrame:
    """The async twin of ``start``. Cancelling it drains once, writes the journal, and then raises ``CancelledError``.

    >>> import asyncio, bulkstart, pandas
    >>> with bulkstart.sandbox() as portal:
    ...     results = asyncio.run(bulkstart.astart(pandas.DataFrame({"entityId": [5141]}), portal=portal, template=720))
    >>> results.attrs["exit_code"]
    0
    """
    wanted, frame = options_of(options), own_copy(frame)
    check_output(frame, wanted, options)
    with _chosen(portal, options) as chosen:
        finished, cancelled = await _drained(Job(frame, chosen, wanted))
        if not cancelled and (looking := _reconciling(finished, frame, chosen, wanted, options)):
            finished, cancelled = await _drained(looking)
        put_out(finished, chosen, wanted, options)
    if cancelled:
        raise asyncio.CancelledError
    return finished.results


async def _drained(work: Job | Reconcile) -> tuple[Finished, bool]:
    """The end of a job, and whether it was cancelled meanwhile: each cancelling is an interrupt, and never tears it."""
    running, cancelled = asyncio.ensure_future(work.run()), False
    while not running.done():
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            if running.cancelled():
                raise
            work.interrupt()
            cancelled = True
    return running.result(), cancelled


@contextlib.contextmanager
def _chosen(portal: Portal | None, options: CallOptions) -> Iterator[Portal]:
    """The portal given, an embedded sandbox, or the one of the environment."""
    if options.get("sandbox"):
        from bulkstart.sandboxed import sandbox  # noqa: PLC0415  lazy: the simulator

        with sandbox(dialect=options.get("dialect") or "vibecode") as own:
            yield own
    else:
        yield portal or Portal.from_env(options.get("dialect"))


def _reconciling(
    finished: Finished, frame: pd.DataFrame, portal: Portal, wanted: Options, options: CallOptions
) -> Reconcile | None:
    """The job that settles the doubts of a run that has just ended, where ``reconcile=True`` asks for it."""
    if not (wanted.reconcile and finished.run_id and finished.counts.get(Status.IN_DOUBT)) or finished.exit_code in (1, 7, 130):
        return None
    given = {} if wanted.journal is None else {"journal": wanted.journal}
    taken = take_up(finished.run_id, portal, given, frame=frame)
    return taken.reconciling(portal, None, settle=options.get("settle"))


def check(frame: pd.DataFrame, *, portal: Portal | None = None, **options: Unpack[CallOptions]) -> pd.DataFrame:
    """Every problem of every row, one line each: ``row``, ``column``, ``code``, ``message``; ``.empty`` means fit. Sends no start.

    Without ``portal`` nothing is asked of any portal: parameters are then checked as far as a sheet alone can be.

    >>> import bulkstart, pandas
    >>> bulkstart.check(pandas.DataFrame({"entityId": [5141, 5141.5]}), template=713, entity_type="deal")["code"].tolist()
    ['type-error']
    """
    wanted, frame = options_of(options), own_copy(frame)
    if options.get("sandbox"):
        with _chosen(None, options) as own:
            return problem_frame(checked(frame, own, wanted)[0])
    return problem_frame(checked(frame, portal, wanted, dialect=options.get("dialect"))[0])


def problem_frame(problems: Sequence[Problem]) -> pd.DataFrame:
    """Problems as ``check`` gives them: one line each, ``row``, ``column``, ``code``, ``message``."""
    import pandas as pd  # noqa: PLC0415  lazy: --help loads no pandas

    columns = ("row", "column", "code", "message")
    return pd.DataFrame([(p.row, p.column, p.code, p.message) for p in problems], columns=list(columns), dtype=object)


def checked(
    frame: pd.DataFrame, portal: Portal | None, options: Options, front: Front | None = None, *, dialect: str | None = None,
    planned: bool = False,
) -> tuple[tuple[Problem, ...], Finished | None]:  # fmt: skip
    """What ``check`` finds: all problems, and with a portal the dry run behind them, which sends nothing and writes nothing down.

    ``dialect``: whose entity types are known where there is no portal. ``planned``: the dry run's results are wanted, too.
    """
    dry = dataclasses.replace(options, dry_run=True, skip_invalid=False)
    if portal is not None:
        finished = conduct(Job(frame, portal, dry, front, checking=not planned))
        return tuple(finished.problems), finished
    met = with_file(Met(None), dry)
    sheet = check_sheet(frame, dry, met, loopback=True, dialect=dialect or "vibecode")
    for note in (*met.notes, *sheet.checked.notes):
        (front or Silent()).say(note)
    return problems_of(sheet, plan_sheet(sheet, EMPTY, dry, sandbox=False), dry), None


def write_results(results: pd.DataFrame, path: str | os.PathLike[str], *, source: str | os.PathLike[str] | None = None) -> Path:
    """Write a results frame to ``path`` (.xlsx, .xlsm, .csv, .tsv, .txt), atomically.

    ``source``: the sheet it came from. A workbook is copied and given the results, as long as the frame's rows are still its rows;
    a CSV file's shape is kept.

    Raises ``SheetError`` for an unknown format, ``UsageError`` where ``path`` is the source itself, or the sheet that was read, ``OSError`` where it is locked.

    >>> import bulkstart, pandas, pathlib, tempfile
    >>> with bulkstart.sandbox() as portal, tempfile.TemporaryDirectory() as folder:
    ...     results = bulkstart.start(pandas.DataFrame({"entityId": [5141]}), portal=portal, template=720)
    ...     bulkstart.write_results(results, pathlib.Path(folder) / "deals.results.xlsx").name
    'deals.results.xlsx'
    """
    from bulkstart.sheet import write_sheet  # noqa: PLC0415  lazy: openpyxl

    goal = Path(path)
    read = results.attrs.get("sheet")
    for sheet in (source, read.path if isinstance(read, SheetSource) else None):
        if sheet is not None and goal.exists() and Path(sheet).exists() and goal.samefile(sheet):
            raise UsageError(f"{goal} is the source itself, whose bytes never change: give another name")
    write_sheet(results, goal, source=None if source is None else Path(source))
    return goal


def templates(portal: Portal | None = None) -> pd.DataFrame:
    """The portal's workflow templates: ``id``, ``name``, ``entityType``, ``parameters`` (names; None where the portal gives none).

    Raises ``DeniedError`` where the portal gives no list.

    >>> import bulkstart
    >>> with bulkstart.sandbox() as portal:
    ...     listing = bulkstart.templates(portal)
    >>> listing.columns.tolist()
    ['id', 'name', 'entityType', 'parameters']
    """
    import pandas as pd  # noqa: PLC0415  lazy: --help loads no pandas

    found = template_list(portal or Portal.from_env())
    rows = [(t.id, t.name, t.entity_type, None if t.parameters is None else [p.name for p in t.parameters]) for t in found]
    return pd.DataFrame(rows, columns=["id", "name", "entityType", "parameters"])


def template_list(portal: Portal, journal: str | os.PathLike[str] | None = None) -> tuple[Template, ...]:
    """The templates as values; raises ``DeniedError`` where the portal gives none. ``journal``: beside it renewed tokens are kept."""

    async def listed() -> tuple[tuple[Template, ...] | None, str]:
        options = Options(journal=journal, dry_run=True)
        with journal_of(portal, options) as kept:
            known = portal.fixed_identity() or (kept and kept.remembered_portal(portal.base_url, portal.digest(kept.salt)))
        enter = entrance(portal, nobody)
        throttle = asking(portal, options, enter(known)) if enter and known else None
        async with line_to(portal, options) as line:
            return await list_templates(portal, partial(line.send, within=QUESTION_SECONDS), throttle)

    found, why = in_thread(listed())
    if found is None:
        raise DeniedError(f"the portal gives no template list: {why}")
    return found


def runs(journal: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """Past runs of the journal, newest first: ``run``, ``started_at``, ``portal``, ``sheet``, ``template``, ``rows`` and counts by status.

    >>> import bulkstart
    >>> bulkstart.runs(journal="no-such-journal.sqlite").empty
    True
    """
    import pandas as pd  # noqa: PLC0415  lazy: --help loads no pandas

    with _opened(journal) as opened:
        found = opened.runs() if opened else []
    for run in found:
        for name in ("started_at", "finished_at"):
            run[name] = None if run[name] is None else datetime.fromtimestamp(run[name], UTC).isoformat(timespec="seconds")
    columns = [
        "run",
        "started_at",
        "finished_at",
        "exit_code",
        "portal",
        "dialect",
        "sheet",
        "template",
        "campaign",
        "rows",
        "counts",
        "live",
    ]
    return pd.DataFrame(found, columns=columns)


@contextlib.contextmanager
def _opened(journal: str | os.PathLike[str] | None) -> Iterator[Journal | None]:
    path = journal_path(journal, settings())
    if not path.exists():
        yield None
        return
    opened = Journal(path)
    try:
        yield opened
    finally:
        opened.close()


def problem_entry(problem: Problem) -> dict[str, object]:
    """A problem as ``--json`` shows it."""
    row = problem.row.item() if hasattr(problem.row, "item") else problem.row
    return {
        "row": row if isinstance(row, int | str | None) else str(row),
        "column": problem.column,
        "code": problem.code,
        "message": problem.message,
    }

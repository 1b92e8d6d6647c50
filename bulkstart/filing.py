"""Where a run's results go, and what the journal keeps of that: no file is replaced that holds what nobody else knows."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bulkstart.ending import Finished
from bulkstart.errors import BulkstartError, JournalError
from bulkstart.journal import Journal
from bulkstart.meeting import journal_file
from bulkstart.model import SheetSource
from bulkstart.options import CallOptions, Options
from bulkstart.portal import Portal
from bulkstart.preflight import Met
from bulkstart.result_columns import Status
from bulkstart.stages import check_sheet

if TYPE_CHECKING:
    import pandas as pd


def _goal(frame: pd.DataFrame, wanted: Options, options: CallOptions) -> tuple[Path, Path | None] | None:
    """The results file that ``output`` names and the sheet of the frame; ``None`` where no file is wanted. Raises ``UsageError``."""
    output = options.get("output")
    if output is None:
        return None
    from bulkstart import outputs  # noqa: PLC0415  lazy: only where a file is wanted

    sheet = frame.attrs.get("sheet")
    source = Path(sheet.path) if isinstance(sheet, SheetSource) else None
    return outputs.wanted_path(source or Path("frame.csv"), output, dry_run=wanted.dry_run), source


def check_output(frame: pd.DataFrame, wanted: Options, options: CallOptions) -> None:
    """Raise ``UsageError`` for a results file that could not be written at the end, before anything is sent."""
    from bulkstart.outputs import check_folder  # noqa: PLC0415  as above

    if goal := _goal(frame, wanted, options):
        check_folder(goal[0])


def put_out(finished: Finished, portal: Portal, wanted: Options, options: CallOptions) -> None:
    """Write the results file that ``output`` names, by the command line's own rules.

    Where it cannot be written now, the frame says so, in ``attrs["notes"]`` and with exit code 1: what was started is told all the same.
    """
    goal = _goal(finished.results, wanted, options)
    if goal is None:
        return
    from bulkstart import outputs  # noqa: PLC0415  as above

    known, safe_csv = known_elsewhere(finished, portal, wanted), bool(options.get("safe_csv"))
    try:
        written, _ = outputs.write_beside(finished.results, goal[0], source=goal[1], safe_csv=safe_csv, known=known)
    except (OSError, BulkstartError) as error:
        attrs = finished.results.attrs
        attrs["notes"] = [*attrs.get("notes", ()), f"the results could not be written to {goal[0]}: {error}"]
        attrs["exit_code"] = finished.exit_code or 1
        return
    remember_results(finished, portal, wanted, written)


def remember_results(finished: Finished, portal: Portal, options: Options, path: Path) -> None:
    """Keep in the journal which file a run's results went to; a journal that cannot be written now loses nothing by it."""
    if finished.run_id is None or options.dry_run:
        return
    with contextlib.suppress(JournalError):
        journal = Journal(journal_file(portal, options))
        try:
            journal.wrote(finished.run_id, path.absolute())
        finally:
            journal.close()


def known_elsewhere(finished: Finished, portal: Portal, options: Options) -> Callable[[pd.DataFrame], bool]:
    """Tells of an existing results frame whether its ids and doubts are known to the journal, or to the results about to be written."""
    own = {outcome.workflow_id for outcome in finished.outcomes if outcome.workflow_id}

    def known(existing: pd.DataFrame) -> bool:
        path = journal_file(portal, options)
        if not path.exists():
            return False
        met = Met(finished.portal, templates=tuple(finished.templates) or None)
        whole = dataclasses.replace(options, limit=None)
        sheet = check_sheet(existing, whole, met, loopback=portal.loopback, dialect=portal.dialect)
        journal = Journal(path)
        try:
            view = journal.view(finished.portal or "", sheet.keyed, options.campaign, ())
            ids = journal.known_ids(sheet.workflow_ids) | own
        finally:
            journal.close()
        in_doubt = [row.position for row in sheet.checked.rows if row.previous and row.previous.status == Status.IN_DOUBT]
        return sheet.workflow_ids <= ids and all(sheet.keys[position] in view.held for position in in_doubt)

    return known

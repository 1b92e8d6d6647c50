"""The report of a past run: gathered from the journal, put into a file of its own. Asks no portal."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bulkstart.errors import UsageError
from bulkstart.journal import Journal
from bulkstart.journal_past import PastRun
from bulkstart.outputs import check_folder, numbered
from bulkstart.replacing import replacing
from bulkstart.report_page import MARK, Report
from bulkstart.report_rows import Account
from bulkstart.retold import retold
from bulkstart.timeline import requests_of, turns_of

_ENDINGS = (".html", ".htm")
_HEAD = 4096  # bytes in which a report says what it is
_OURS = re.compile(rb'<meta name="' + MARK.encode() + rb'" content="([0-9a-zA-Z-]{1,60})">')


@dataclass(frozen=True, slots=True)
class Written:
    """A report that was written: where, counts by status, and what a person should know of it."""

    path: Path
    past: PastRun
    counts: dict[str, int]
    notes: tuple[str, ...] = ()


def run_of(journal: Journal, run_id: str | None) -> PastRun:
    """The run of this id, by default the last one. Raises ``UsageError``."""
    if run_id is None:
        run_id = next((str(run["run"]) for run in journal.runs()), None)
    if run_id is None:
        raise UsageError(f"no run stands in the journal {journal.path}: start a sheet first")
    past = journal.run(run_id)
    if past is None:
        raise UsageError(f"the journal {journal.path} has no run {run_id}: bulkstart runs lists them")
    return past


def write(journal: Journal, past: PastRun, output: str | os.PathLike[str] | None, carried: Sequence[str] = ()) -> Written:
    """Write the page of a run to ``output``, by default beside its sheet; ``carried``: words that each command about the run needs.

    A file that is no report, or one of a run that this journal does not know, is never replaced: the next free number is taken.
    Raises ``UsageError`` where nothing can be written.
    """
    now = time.time()
    found = Account(past, retold(past, journal, now), requests_of(logged := journal.events(past.run_id)))
    names = {str(template.id): template.name for template in journal.kept_templates(past.portal) or ()}
    page = Report(found, turns_of(logged), now, carried=tuple(carried), names=names).html.encode()
    notes: list[str] = []
    wanted = _wanted(past, output)
    for goal in islice(_free(journal, past.run_id, wanted), 100):
        try:
            with replacing(Path(os.path.realpath(goal))) as file:
                file.write(page)
        except PermissionError:
            notes.append(f"{goal.name} is locked by another program")
            continue
        except OSError as error:
            raise UsageError(
                f"the report could not be written to {goal} ({error.strerror or error}): name another file with -o"
            ) from error
        if goal != wanted:
            why = notes[-1] if notes else f"{wanted.name} is no report of a run in this journal, so it is kept"
            notes.append(f"{why}: written to {goal.name}")
        return Written(goal, past, found.counts, tuple(notes[-1:]))
    raise UsageError(f"no free name beside {wanted}: name another file with -o")


def _wanted(past: PastRun, output: str | os.PathLike[str] | None) -> Path:
    """The first choice: ``deals.report.html`` beside ``deals.xlsx``, or in the working directory. Raises ``UsageError``."""
    if output is None:
        sheet = Path(past.sheet or f"bulkstart-{past.run_id}")
        goal = sheet.with_name(f"{sheet.stem if past.sheet else sheet.name}.report.html")
        folder = goal.absolute().parent
        return goal if folder.is_dir() and os.access(folder, os.W_OK) else Path(goal.name)
    goal = Path(output)
    if goal.suffix.lower() not in _ENDINGS:
        raise UsageError(f"-o {goal}: a report is a page of HTML; give a name that ends in .html")
    if goal.is_dir():
        raise UsageError(f"-o {goal} is a folder: give a file name")
    check_folder(goal)
    return goal


def _free(journal: Journal, run_id: str, wanted: Path) -> Iterator[Path]:
    """Names that may be written to: new ones, and reports of runs that this journal knows."""
    for path in numbered(wanted):
        of_run = _reported(path) if path.exists() else ""
        if not path.exists() or (of_run and (of_run == run_id or journal.run(of_run) is not None)):
            yield path


def _reported(path: Path) -> str:
    """The run that a file is a report of; ``""`` for a file that is none."""
    try:
        with path.open("rb") as file:
            found = _OURS.search(file.read(_HEAD))
    except OSError:
        return ""
    return found[1].decode() if found else ""

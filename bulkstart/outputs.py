"""Which file the results go to, and the writing itself: never the input, never over ids that nobody else knows."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bulkstart.errors import BulkstartError, UsageError
from bulkstart.result_columns import SANDBOX_MARK, Status, result_places

if TYPE_CHECKING:
    import pandas as pd

_RESULTS_NAME = re.compile(r"^(?P<stem>.+)\.results(?:-\d+)?$")
_WRITTEN = {".csv": ".csv", ".tsv": ".tsv", ".txt": ".txt", ".xlsm": ".xlsm"}
_MOST_NAMES = 10_000

Known = Callable[["pd.DataFrame"], bool]
"""Whether every id and every doubtful row of an existing results frame is in the journal or in the input."""


def wanted_path(sheet: Path, output: str | os.PathLike[str] | None, *, dry_run: bool) -> Path:
    """The first choice. Raises ``UsageError`` where ``output`` names the input, an unknown format or a folder that is not there."""
    if output is None:
        suffix = _WRITTEN.get(sheet.suffix.lower(), ".xlsx")
        if dry_run:
            found = _RESULTS_NAME.match(sheet.stem)
            return sheet.with_name((found["stem"] if found else sheet.stem) + ".planned" + suffix)
        found = _RESULTS_NAME.match(sheet.stem)
        return sheet.with_name(f"{found['stem']}.results-2{suffix}" if found else f"{sheet.stem}.results{suffix}")
    path = Path(output)
    if path.exists() and sheet.exists() and path.samefile(sheet):
        raise UsageError(f"-o {path} is the input itself, whose bytes never change: give another name")
    if path.suffix.lower() not in (*_WRITTEN, ".xlsx"):
        raise UsageError(f"-o {path}: results are written as .xlsx, .xlsm, .csv, .tsv or .txt; give one of these endings")
    if path.is_dir():
        raise UsageError(f"-o {path} is a folder: give a file name")
    return path


def check_folder(path: Path) -> None:
    """Raise ``UsageError`` where the results could not be written at the end, before anything is sent."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise UsageError(f"the folder {folder} for the results is not there: make it, or name another file with -o")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"the folder {folder} for the results cannot be written to: name another file with -o")


def numbered(path: Path) -> Iterator[Path]:
    """``path`` itself, then ``-2``, ``-3``, … beside it."""
    yield path
    found = re.match(r"^(.*?)(?:-(\d+))?$", path.stem)
    stem, first = (found[1], int(found[2] or 1)) if found else (path.stem, 1)
    for number in range(first + 1, first + _MOST_NAMES):
        yield path.with_name(f"{stem}-{number}{path.suffix}")


def write_beside(
    results: pd.DataFrame, path: Path, *, source: Path | None, safe_csv: bool, known: Known
) -> tuple[Path, list[str]]:
    """Write to ``path``, or to the next free number where that file is locked or holds what nobody else knows."""
    from bulkstart.sheet import write_sheet  # noqa: PLC0415  lazy: pandas

    said: list[str] = []
    for candidate in numbered(path):
        if candidate.exists():
            if source is not None and source.exists() and candidate.samefile(source):
                continue
            if not replaceable(candidate, known) or (results.attrs.get("from_journal") and _has_more(candidate, results)):
                continue
        try:
            notes = write_sheet(results, candidate, source=source, safe_csv=safe_csv)
        except PermissionError:
            said.append(f"{candidate.name} is locked by another program")
            continue
        if candidate != path:
            why = said[-1] if said else f"{path.name} holds results that are known nowhere else, so it is kept"
            notes = [f"{why}: written to {candidate.name}", *notes]
        return candidate, notes
    raise UsageError(f"no free name beside {path}: clear the folder, or name another file with -o")


def _has_more(path: Path, results: pd.DataFrame) -> bool:
    """Whether an existing file has columns of the analyst's own that rows from the journal lack."""
    from bulkstart.sheet import read_results  # noqa: PLC0415  lazy: pandas

    own = {str(name) for name in results.columns}
    return any(not {str(name) for name in frame.columns} <= own for frame in read_results(path))


def replaceable(path: Path, known: Known) -> bool:
    """Whether an existing file holds nothing that would be lost: no results at all is somebody else's file, and is kept."""
    from bulkstart.errors import SheetError  # noqa: PLC0415  beside the reader that raises it
    from bulkstart.sheet import read_results  # noqa: PLC0415  lazy: pandas

    try:
        tables = read_results(path)
    except SheetError:
        return False
    return bool(tables) and all(_is_known(frame, known) for frame in tables)


def _is_known(frame: pd.DataFrame, known: Known) -> bool:
    names = [str(name) for name in frame.columns]
    places = result_places(names) or {}
    texts = {name: [str(cell or "") for cell in frame.iloc[:, place].tolist()] for name, place in places.items()}
    if all(SANDBOX_MARK in message for message in texts["errorMessage"]):
        return True
    claims = [
        bool(found) or status == Status.IN_DOUBT for found, status in zip(texts["workflowId"], texts["startStatus"], strict=True)
    ]
    try:
        return not any(claims) or known(frame if all(claims) else frame[claims])
    except BulkstartError:  # it cannot be judged, so it is kept
        return False

"""A run's results as a file: the analyst's own workbook, CSV, or the failed rows alone."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bulkstart.sheet_write import write_sheet
from bulkstart.sheet_write_xlsx import FAILED

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("workbook", "csv", "failed")
_MEDIA = {
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xlsm": "application/vnd.ms-excel.sheet.macroEnabled.12",
    ".csv": "text/csv",
}


@dataclass(frozen=True, slots=True)
class Download:
    """A file in memory. ``notes``: what could not be kept of the source, for people."""

    name: str
    media: str
    content: bytes
    notes: tuple[str, ...] = ()


def named(kind: str, path: str | None) -> str:
    """What the file is called: after the sheet, where there is one."""
    source = Path(path) if path else Path("bulkstart.xlsx")
    suffix = ".csv" if kind == "csv" else ".xlsm" if source.suffix.lower() == ".xlsm" and kind == "workbook" else ".xlsx"
    return f"{source.stem}.{'failed' if kind == 'failed' else 'results'}{suffix}"


def made(kind: str, results: pd.DataFrame, path: str | None, written: Path | None = None) -> Download | None:
    """The file; ``None`` where no row has failed. ``path``: the sheet that the results came from.

    ``written``: a workbook that the run itself has written, which is the analyst's own where the sheet is not at hand.
    """
    if kind == "workbook" and written is not None and written.suffix in (".xlsx", ".xlsm") and written.exists():
        return Download(written.name, _MEDIA[written.suffix], written.read_bytes())
    source = Path(path) if path and Path(path).exists() else None
    if kind == "failed":
        results, source = results[results["startStatus"].isin(list(FAILED))], None
        if results.empty:
            return None
    name = named(kind, path)
    with tempfile.TemporaryDirectory(prefix="bulkstart-download-") as folder:
        goal = Path(folder) / name
        notes = write_sheet(results, goal, source=source if kind != "csv" or _is_text(source) else None)
        return Download(name, _MEDIA[goal.suffix], goal.read_bytes(), tuple(notes))


def _is_text(source: Path | None) -> bool:
    return source is not None and source.suffix.lower() in (".csv", ".tsv", ".txt")

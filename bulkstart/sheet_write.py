"""A frame becomes a file, whole or not at all."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from xml.parsers.expat import ExpatError

from bulkstart.errors import SheetError
from bulkstart.replacing import replacing
from bulkstart.sheet_bytes import format_of
from bulkstart.sheet_layout import Table, layout_of, table_of
from bulkstart.sheet_patch import patch_workbook
from bulkstart.sheet_spans import CannotPatchError
from bulkstart.sheet_write_csv import write_csv
from bulkstart.sheet_write_xlsx import write_workbook

if TYPE_CHECKING:
    import pandas as pd

_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, ExpatError, KeyError, ValueError, IndexError, EOFError, OverflowError),
    *(NotImplementedError, RuntimeError, StopIteration, OSError),
)
"""What the standard library raises on packages that a plain reader may still read, or that are locked by now: the results are written
all the same. What is wrong with the new file itself, as a full disk, the plain writer meets again."""
_KINDS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".xlsx": "xlsx", ".xlsm": "xlsx"}


def write_sheet(
    results: pd.DataFrame, path: str | os.PathLike[str], *, source: str | os.PathLike[str] | None = None, safe_csv: bool = False
) -> list[str]:
    """Write a results frame, and return sentences for people about what could not be kept or had to be changed.

    ``results`` has the analyst's own columns, then the six of ``result_columns.RESULT_COLUMNS``. The format follows the name (``.csv``,
    ``.tsv``, ``.txt``; ``.xlsx``, ``.xlsm``). ``source`` is the file that the frame was read from: a workbook is copied, and the
    results are put into the copy (``sheet_patch``). Where that cannot be, title rows, blank rows and columns stay in their places, a
    CSV file keeps its encoding, delimiter, quoting and line ends, and cells come from the frame.

    No cell of the result columns can become a formula: in a CSV file a ``'`` stands before what could (``plain_text`` takes it
    away again), in a workbook they are typed texts. ``safe_csv`` does the same to the analyst's own cells.

    The file is written beside its place and then moved there, so that a crash leaves the old one or the new one.
    Raises ``SheetError`` (no such folder, a name of another kind, too many rows) and ``OSError`` as it comes where the file
    itself cannot be replaced, ``PermissionError`` above all: it is open in Excel.
    """
    target = Path(os.path.realpath(path))
    kind = _KINDS.get(target.suffix.lower())
    if kind is None:
        raise SheetError(f"{path}: results are written as .xlsx, .csv, .tsv or .txt; give a name that ends so")
    table = table_of(results)
    origin = Path(source) if source is not None else None
    ending = target.suffix.lower()
    with replacing(target) as file:
        if kind == "csv":
            layout = layout_of(results, table, origin, kind)
            notes = write_csv(file, table, layout, tabbed=ending == ".tsv", safe=safe_csv)
        else:
            patched = _patched(file, results, table, origin, macros=ending == ".xlsm")
            if not isinstance(patched, str):
                return patched
            layout = layout_of(results, table, origin, kind, patched)
            notes = write_workbook(file, table, layout, macros=ending == ".xlsm")
    formulas = [f"{table.uncalculated:,} formulas without a result are written as #N/A"] if table.uncalculated else []
    return [*layout.notes, *formulas, *notes]


def _patched(file: BinaryIO, results: pd.DataFrame, table: Table, source: Path | None, *, macros: bool) -> list[str] | str:
    """Write the results into a copy of the workbook they come from and return its notes, or return why that cannot be done."""
    try:
        if source is None or format_of(source) != "zip":
            return ""
        return patch_workbook(file, results, table, source, macros=macros)
    except CannotPatchError as error:
        why = str(error)
    except SheetError:  # the layout says it
        why = ""
    except _BROKEN as error:
        why = f"it cannot be copied ({error})"
    file.seek(0)
    file.truncate()
    return why

"""What of a file holds results: its table, or each tab of a workbook that has the six result columns."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bulkstart.result_columns import result_places
from bulkstart.sheet_bytes import format_of
from bulkstart.sheet_grid import SEARCHED_ROWS, header_text
from bulkstart.sheet_read import read_sheet
from bulkstart.sheet_xlsx import read_tab, tab_names

if TYPE_CHECKING:
    import pandas as pd


def read_results(path: str | os.PathLike[str]) -> list[pd.DataFrame]:
    """Return whatever in a file has the six result columns: its table, or each such tab of a workbook that has rows.

    Raises ``SheetError`` like ``sheet.read_sheet``.
    """
    file = Path(path)
    if format_of(file) != "zip":
        frame = read_sheet(file)
        return [frame] if result_places([str(name) for name in frame.columns]) else []
    found = []
    for tab in tab_names(file):
        top = read_tab(file, tab, until=SEARCHED_ROWS).rows
        header = next((number for number, cells in top if result_places([header_text(cell) for cell in cells])), None)
        if header is not None and read_tab(file, tab).rows[-1][0] > header:
            found.append(read_sheet(file, tab=tab, header_row=header))
    return found

"""Rows that are not what a row should be: broken ones, headers again, lines of totals, ids with zeros in front.

Each gets one problem, or one note, that says what it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkstart.cells import clean, is_blank, shown
from bulkstart.headers import ENTITY_ID, folded, recognise
from bulkstart.model import DisguisedNumber
from bulkstart.rows import cells_of

if TYPE_CHECKING:
    import pandas as pd

    from bulkstart.columns import ColumnMap
    from bulkstart.findings import Findings

_TOTALS = ("итог", "всего", "total", "grand total")


def note_ragged(frame: pd.DataFrame, width: int, findings: Findings) -> None:
    """Note the rows of a CSV file whose fields do not fit the header: behind the break each may stand in a wrong column."""
    ragged = frame.attrs.get("ragged")
    if not isinstance(ragged, dict) or not ragged:
        return
    for position, label in enumerate(frame.index.tolist()):
        if label in ragged:
            found = ragged[label]
            odd = (
                f"the row has {found} fields, the sheet {width} columns"
                if found != width
                else "its last field is not ended like those of other rows"
            )
            why = f"{odd}, or a quote, or HTML above it, is broken; mend it, or export the list again: nothing is shifted"
            findings.add_instead(position, None, "ragged-row", why)  # behind the break nothing else means anything


def note_padded(frame: pd.DataFrame, column_map: ColumnMap, findings: Findings) -> None:
    """Say how many ids are shown with zeros in front by their number format: the number counts (sheets.md, trap 7)."""
    if column_map.entity_id is None:
        return
    padded = [
        cell for cell in cells_of(frame, column_map.entity_id.column.index) if isinstance(cell, DisguisedNumber) and cell.padded
    ]
    if padded:
        first = padded[0]
        findings.notes.append(
            f"{len(padded):,} ids are shown with zeros in front by their number format ({first.shown} for {first:d}); the number counts"
        )


def explain_rows(frame: pd.DataFrame, column_map: ColumnMap, findings: Findings) -> None:
    """Name the rows for what they are where the header stands again, or a sum is drawn: one problem, not one for each cell."""
    if column_map.entity_id is None or not findings.positions:
        return
    column = column_map.entity_id.column
    ids = cells_of(frame, column.index)
    every: list[list[object]] = []
    results = {one.index for one in (column_map.results or {}).values()}
    for position in list(findings.positions):
        cell = ids[position]
        if isinstance(cell, str) and (folded(cell) == folded(column.header) or recognise(cell) == ENTITY_ID):
            findings.add_instead(position, column, "type-error", "the header stands here again; delete this row")
            continue
        every = every or [cells_of(frame, index) for index in range(frame.shape[1]) if index not in results]
        there = [values[position] for values in every if not is_blank(values[position])]
        words = there[0] if there else None
        if (is_blank(cell) or words is cell) and isinstance(words, str) and clean(words).lower().startswith(_TOTALS):
            findings.add_instead(
                position, column, "missing-cell", f"{shown(words)}: this looks like a line of totals; delete this row"
            )
        elif len(every) > 1 and there == [cell] and isinstance(cell, str) and not any(map(str.isdigit, cell)) and clean(cell):
            findings.add_instead(
                position,
                column,
                "type-error",
                f"{shown(cell)} stands alone in its row: a remark or a footer, perhaps; delete this row",
            )

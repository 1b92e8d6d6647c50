"""Properties of reading and writing together: nothing that an analyst has in a sheet is lost or changed on the way."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkstart.model import ErrorCell
from bulkstart.result_columns import RESULT_COLUMNS
from bulkstart.sheet import read_sheet, write_sheet

IDS = st.integers(1, 10**15 - 1)
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
MOMENTS = st.datetimes(dt.datetime(1900, 3, 1), dt.datetime(2100, 1, 1)).map(  # noqa: DTZ001  cells have no zone
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
CELLS = st.one_of(
    *(TEXTS, IDS, st.integers(-(10**15) + 1, 0), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), MOMENTS),
    *(
        MOMENTS.map(dt.datetime.date),
        MOMENTS.map(dt.datetime.time),
        st.sampled_from([ErrorCell("#N/A"), ErrorCell("#REF!"), None]),
    ),
)


def _with_results(frame: pd.DataFrame) -> pd.DataFrame:
    results = frame.copy()
    for name in RESULT_COLUMNS:
        results[name] = "=x"
    return results


def _again(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Write a frame, read it, add results, write those beside the first file, and read them."""
    with tempfile.TemporaryDirectory() as folder:
        source, goal = Path(folder) / f"a.{name}", Path(folder) / f"b.{name}"
        write_sheet(frame, source)
        write_sheet(_with_results(read_sheet(source, header_row=1)), goal, source=source)
        return read_sheet(goal, header_row=1)


def _whole(cell: object) -> object:
    """What a cell is once a workbook has held it: a whole float is a whole number, an empty text is a blank cell."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 10**15:
        return int(cell)
    return None if cell == "" else cell


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(IDS, TEXTS, CELLS), min_size=1, max_size=5))
def test_a_workbook_keeps_every_id_and_every_cell(rows: list[tuple[int, str, object]]) -> None:
    found = _again(pd.DataFrame(rows, columns=["ID", "Title", "Any"], dtype=object), "xlsx")
    assert found["ID"].tolist() == [row[0] for row in rows]
    assert found["Title"].tolist() == [row[1] or None for row in rows]
    for cell, (_, _, before) in zip(found["Any"].tolist(), rows, strict=True):
        assert cell == _whole(before)
        assert type(cell) is type(_whole(before))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(IDS.map(str), TEXTS, TEXTS), min_size=1, max_size=5))
def test_a_csv_file_keeps_every_id_and_every_cell(rows: list[tuple[str, str, str]]) -> None:
    found = _again(pd.DataFrame(rows, columns=["ID", "Title", "Note"], dtype=object), "csv")
    assert found[["ID"]].to_numpy().tolist() == [[row[0]] for row in rows]
    for place, name in ((1, "Title"), (2, "Note")):
        assert found[name].tolist() == [row[place] for row in rows]


@pytest.mark.parametrize("module", ["openpyxl", "pandas", "numpy", "python_calamine"])
def test_importing_the_sheet_rooms_loads_no_library(module: str) -> None:
    code = f"import sys, bulkstart.sheet; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

from __future__ import annotations

from pathlib import Path

import pytest

from bulkstart.sheet_csv import Dialect
from bulkstart.sheet_frame import Reading, counted, frame_of
from bulkstart.sheet_grid import Header

DIALECT = Dialect("utf-8", b"", ";", False, "", "\n", "")


def reading(*rows: list[str]) -> Reading:
    return Reading(Path("deals.csv"), [*enumerate(rows, 1)], "csv", (), dialect=DIALECT)


def ragged(*rows: str) -> dict[int, int]:
    frame = frame_of(reading(*(row.split(";") for row in rows)), Header(0))
    found: dict[int, int] = frame.attrs["ragged"]
    return found


def test_cells_labels_numbers_and_letters_come_from_the_rows() -> None:
    frame = frame_of(reading(["title"], ["ID", "", "Name"], ["1", "", "a"], ["2", "", "b"]), Header(1))
    assert (frame.index.tolist(), list(frame.columns), frame.to_numpy().tolist()) == (
        [3, 4],
        ["ID", "Name"],
        [["1", "a"], ["2", "b"]],
    )
    sheet = frame.attrs["sheet"]
    assert (sheet.letters, sheet.header_row, sheet.blank_rows) == (("A", "C"), 2, 0)
    assert sheet.notes[0] == "header in row 2, 2 data rows"


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (["ID;T", "1;a", "2"], {3: 1}),
        (["ID;T", "1;a", "2;b;c"], {3: 3}),
        (["ID;T", "1;a;", "2;b;"], {}),  # only the header lost its last ;
        (["ID;T;", "1;a;", "2;b"], {3: 2}),  # the file's end: cut off in b, perhaps
        (["ID;T;", "1;", "2;b;", "3;c;", "4;d;"], {2: 2}),  # T was never written
        (["ID;T;", "1;a", "2;b;", "3;c;", "4;d;"], {}),  # somebody wrote it
        (["ID;T;", "1;a", "2;b", "3;"], {}),  # a tool trims them all
    ],
)
def test_a_row_whose_cells_do_not_fit_the_header_is_marked(rows: list[str], found: dict[int, int]) -> None:
    assert ragged(*rows) == found


@pytest.mark.parametrize(("count", "text"), [(1, "1 row"), (0, "0 rows"), (2000, "2,000 rows")])
def test_numbers_have_their_noun(count: int, text: str) -> None:
    assert counted(count, "row") == text

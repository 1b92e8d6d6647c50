"""Problems are found column by column and told row by row, each once, with the sheet's own labels."""

from __future__ import annotations

from bulkstart.cells import CellError
from bulkstart.findings import Findings, read_cells
from bulkstart.headers import whole_sheet
from bulkstart.model import Column

A, B = Column(0, "A", "ID"), Column(1, "B", "Note")


def told(findings):
    return [(problem.row, problem.column, problem.code) for problem in findings.problems()]


def test_problems_stand_in_the_order_of_the_sheet_however_they_were_found():
    findings = Findings([2, 3, 4])
    findings.add(2, B, "b", "")
    findings.add(0, B, "b", "")
    findings.add(0, A, "a", "")
    findings.add(0, None, "row", "")
    findings.sheet.append(whole_sheet("sheet", ""))
    assert told(findings) == [(None, None, "sheet"), (2, None, "row"), (2, "A", "a"), (2, "B", "b"), (4, "B", "b")]
    assert set(findings.positions) == {0, 2}


def test_two_problems_of_one_cell_keep_the_order_in_which_they_were_found():
    findings = Findings([2])
    findings.add(0, A, "z", "")
    findings.add(0, A, "a", "")
    assert [code for *_, code in told(findings)] == ["z", "a"]


def test_labels_may_repeat_and_be_anything():
    findings = Findings(["x", "x", None])
    for position in range(3):
        findings.add(position, A, "a", "")
    assert told(findings) == [("x", "A", "a"), ("x", "A", "a"), (None, "A", "a")]
    assert [problem.position for problem in findings.problems()] == [0, 1, 2]


def test_an_explanation_takes_the_place_of_all_problems_of_its_row_and_of_no_other():
    findings = Findings([2, 3])
    for position in (0, 1):
        findings.add(position, A, "a", "")
        findings.add(position, B, "b", "")
    findings.add_instead(0, A, "header", "")
    assert told(findings) == [(2, "A", "header"), (3, "A", "a"), (3, "B", "b")]


def test_only_readings_that_failed_are_problems_each_at_its_own_position():
    findings = Findings(range(10, 20))
    findings.add_errors([1, CellError("bad", "why"), None, "bad"], A, [0, 5, 6, 7])
    assert told(findings) == [(15, "A", "bad")]


def test_equal_cells_are_read_once_and_values_that_only_look_equal_apart():
    seen = []

    def read(value):
        seen.append(value)
        return repr(value)

    cells = [1, True, 1.0, "1", 1, None, None, "1"]
    assert read_cells(cells, read) == [repr(cell) for cell in cells]
    assert [repr(value) for value in seen] == ["1", "True", "1.0", "'1'", "None"]


def test_cells_that_cannot_be_compared_are_read_one_by_one():
    assert read_cells([[1], [1], {}], len) == [1, 1, 0]


def test_a_cell_that_cannot_be_read_is_its_own_reading_every_time_it_stands_there():
    def read(value):
        raise CellError("bad", f"{value} is bad")

    first, second = read_cells(["x", "x"], read)
    assert first is second
    assert (first.code, first.message, first.__traceback__) == ("bad", "x is bad", None)

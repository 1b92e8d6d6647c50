from __future__ import annotations

import pandas as pd
import pytest

from bulkstart.columns import match
from bulkstart.findings import Findings
from bulkstart.model import DisguisedNumber
from bulkstart.odd_rows import explain_rows, note_padded, note_ragged
from bulkstart.result_columns import RESULT_COLUMNS
from bulkstart.rows import columns_of


def sheet(**columns: list[object]) -> tuple[pd.DataFrame, Findings]:
    frame = pd.DataFrame(columns, dtype=object)
    frame.index = range(2, len(frame) + 2)
    return frame, Findings(frame.index.tolist())


@pytest.mark.parametrize(
    ("cell", "word", "said"),
    [("ID", "Title", "header stands here again"), ("", "Итого:", "line of totals"), (None, "Grand total", "line of totals")],
)
def test_a_row_that_is_none_has_one_problem_that_says_what_it_is(cell: object, word: str, said: str) -> None:
    frame, findings = sheet(ID=["1", cell], Title=["a", word])
    for code in ("type-error", "missing-cell"):
        findings.add(1, None, code, "something")
    explain_rows(frame, match(columns_of(frame)), findings)
    (problem,) = findings.problems()
    assert said in problem.message


def test_a_row_without_a_problem_is_left_alone_whatever_its_words_are() -> None:
    frame, findings = sheet(ID=["1", "2"], Title=["a", "Total"])
    explain_rows(frame, match(columns_of(frame)), findings)
    assert findings.problems() == ()


@pytest.mark.parametrize(("count", "said"), [(3, "3 fields, the sheet 2 columns"), (2, "last field is not ended")])
def test_a_ragged_row_says_how(count: int, said: str) -> None:
    frame, findings = sheet(ID=["1", "2"], Title=["a", "b"])
    frame.attrs["ragged"] = {3: count}
    note_ragged(frame, 2, findings)
    (problem,) = findings.problems()
    assert (problem.row, problem.code, said in problem.message) == (3, "ragged-row", True)


def test_ids_with_zeros_in_front_are_counted_and_shown() -> None:
    frame, findings = sheet(ID=[DisguisedNumber(7, "007"), 8, DisguisedNumber(9, "009")])
    note_padded(frame, match(columns_of(frame)), findings)
    (note,) = findings.notes
    assert note.startswith("2 ids")
    assert "007 for 7" in note


def test_a_remark_that_stands_alone_in_its_row_is_named_as_such() -> None:
    words = {name: [None, "0", None, None] for name in RESULT_COLUMNS}
    frame, findings = sheet(ID=["1", "Confidential", "2", "5141 x"], Title=["a", "", "Itd", None], **words)
    for position in (1, 2, 3):
        findings.add(position, None, "type-error", "something")
    explain_rows(frame, match(columns_of(frame)), findings)
    assert [(problem.row, "a remark or a footer" in problem.message) for problem in findings.problems()] == [
        (3, True),
        (4, False),
        (5, False),
    ]

"""The tables of a report: bounded, and honest about what is left out."""

from __future__ import annotations

import pytest

from bulkstart.report_rows import MOST_DOUBTS, MOST_REMARKS, MOST_ROWS
from bulkstart.report_tables import doubts, filters, history, kinds, not_started, remarked, word
from bulkstart.result_columns import Status
from bulkstart.timeline import Turn
from tests.test_report_rows import row, run_with


def when(at: float) -> str:
    return f"2026-01-01 00:00:{at:02.0f}"


@pytest.mark.parametrize(
    ("status", "most", "made"),
    [
        (Status.IN_DOUBT, MOST_DOUBTS, lambda account: doubts(account, when, "the results")),
        (Status.REFUSED, MOST_ROWS, lambda account: not_started(account, "the results")),
        (Status.STARTED, MOST_REMARKS, lambda account: remarked(account, "the results")),
    ],
)
def test_a_table_that_leaves_rows_out_says_how_many_and_where_they_stand(status, most, made):
    code = "" if status is Status.STARTED else "X"
    rows = [row(n, status, code, "said", "w" if not code else "") for n in range(most + 7)]
    whole, cut = made(run_with(*rows[:most])), made(run_with(*rows))
    assert "left out" not in whole
    assert "7 more rows are left out here" in cut
    assert "All of them stand in the results." in cut
    assert whole.count("<tr") == cut.count("<tr") == most + 1


def test_there_are_never_too_many_kinds():
    made = kinds(run_with(*(row(n, Status.REFUSED, f"CODE-{n}", "no") for n in range(100))))
    assert made.count("<tr") == 41
    assert "and 60 more kinds" in made


def test_a_kind_says_what_to_do_once():
    made = kinds(run_with(row(0, Status.REFUSED, "X", "no"), row(1, Status.NOT_ATTEMPTED, "DEADLINE", "late")))
    assert "→ nothing was started: mend the cause" in made
    assert "→ run the sheet again to go on" in made


def test_long_texts_are_cut():
    made = not_started(run_with(row(0, Status.REFUSED, "C" * 500, "m" * 5000)), "the results")
    assert len(made) < 2_000
    assert "…" in made


def test_a_long_history_keeps_its_beginning_and_its_end():
    made = history([Turn(float(n), float(n), f"turn {n}.") for n in range(400)], when)
    assert "turn 0." in made
    assert "turn 399." in made
    assert "250 more" in made
    assert made.count("<tr") == 152
    assert "to 00:00:09 " in history([Turn(1.0, 9.0, "busy", 3)], when).replace("</td>", " ")
    assert "busy (× 3)" in history([Turn(1.0, 9.0, "busy", 3)], when)


def test_a_remark_stands_behind_its_status():
    made = remarked(run_with(row(0, Status.STARTED, "", "matched by list", "w")), "the results")
    assert "started: matched by list" in made


def test_a_few_rows_need_no_filter():
    assert filters([row(n, Status.REFUSED, "X", "no") for n in range(6)]) is None
    made = filters([row(n, Status.REFUSED, "X", "no") for n in range(7)])
    assert made is not None
    assert made.startswith('<div class="filter" hidden>')


def test_every_status_has_words():
    assert [word(name) for name in ("in_doubt", "already_started", "open", "refused")] == [
        "in doubt",
        "started before",
        "still to come",
        "refused",
    ]

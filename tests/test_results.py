"""Outcomes → frame and exit code: the six columns, the index as it came, and which code wins."""

from __future__ import annotations

import itertools
import json

import pandas as pd
import pytest

from bulkstart.model import Outcome, Problem, Row
from bulkstart.plan import Plan
from bulkstart.result_columns import RESULT_COLUMNS, SANDBOX_MARK, Status
from bulkstart.results import completed, counts, exit_code, invalid_outcomes, own_columns, results_frame
from bulkstart.retry import Stop

SIX = list(RESULT_COLUMNS)
STARTED = Outcome(0, Status.STARTED, "w.1", attempts=2, started_at="2026-01-01T00:00:00.000+00:00")


def refused(position=0):
    return Outcome(position, Status.REFUSED, "", "ENTITY_NOT_FOUND", "no such deal", 1)


def told(*statuses):
    return [Outcome(position, status) for position, status in enumerate(statuses)]


# -------------------------------------------------------------------------------------------------------- exit codes

CODES = {
    Status.STARTED: 0,
    Status.ALREADY_STARTED: 0,
    Status.PLANNED: 0,
    Status.INVALID: 4,
    Status.DUPLICATE: 4,
    Status.REFUSED: 4,
    Status.GAVE_UP: 4,
    Status.IN_DOUBT: 5,
    Status.NOT_ATTEMPTED: 6,
}


@pytest.mark.parametrize("status", list(Status))
def test_each_status_has_its_exit_code(status):
    assert exit_code(told(status), None) == CODES[status]


@pytest.mark.parametrize("pair", list(itertools.permutations(Status, 2)))
def test_of_rows_that_differ_the_highest_code_wins(pair):
    assert exit_code(told(*pair), None) == max(CODES[status] for status in pair)


@pytest.mark.parametrize("code", [1, 130, 7])
def test_a_fault_an_interrupt_and_a_denial_win_over_what_became_of_the_rows(code):
    for statuses in ((), (Status.STARTED,), tuple(Status)):
        assert exit_code(told(*statuses), Stop("X", "", code)) == code


def test_a_run_that_was_told_to_stop_ends_with_6_where_rows_are_left():
    stop = Stop("RUN_STOPPED", "", 6)
    assert exit_code(told(Status.NOT_ATTEMPTED, Status.IN_DOUBT, Status.REFUSED), stop) == 6
    assert exit_code(told(Status.STARTED), stop) == 0
    assert exit_code(told(Status.IN_DOUBT, Status.REFUSED), stop) == 5


def test_rows_behind_the_limit_do_not_change_the_code():
    outcomes = told(Status.STARTED, Status.REFUSED, Status.NOT_ATTEMPTED, Status.IN_DOUBT)
    assert [exit_code(outcomes, None, limit) for limit in (1, 2, 3, 4, None)] == [0, 4, 6, 6, 6]


def test_a_sheet_without_rows_ends_well():
    assert exit_code([], None) == 0


# --------------------------------------------------------------------------------------------------------- the frame


@pytest.mark.parametrize("index", [[2, 3, 5], [7, 7, 7], ["a", "b", "a"], [None, 1.5, "x"]])
def test_the_index_comes_back_untouched_unique_or_not(index):
    frame = pd.DataFrame({"ID": [10, 20, 30]}, index=index)
    results = results_frame(frame, [STARTED, refused(1), STARTED])
    assert results.index.tolist() == frame.index.tolist()
    assert results["ID"].tolist() == [10, 20, 30]
    assert results["startStatus"].tolist() == ["started", "refused", "started"]


def test_the_input_frame_is_not_changed():
    frame = pd.DataFrame({"ID": [10], "startStatus": ["mine"]}, index=[7])
    frame.attrs["sheet"] = "where it came from"
    before = frame.copy(deep=True)
    results = results_frame(frame, [STARTED])
    results.iloc[0, 0] = 99
    results.attrs["run_id"] = "run-1"
    pd.testing.assert_frame_equal(frame, before)
    assert frame.attrs == {"sheet": "where it came from"}


def test_the_six_columns_follow_the_own_ones_with_their_types():
    results = results_frame(pd.DataFrame({"B": [1], "A": ["x"]}), [STARTED])
    assert list(results.columns) == ["B", "A", *SIX]
    row = results.iloc[0].to_dict()
    own, six = {"B": 1, "A": "x"}, ("started", "w.1", "", "", 2, "2026-01-01T00:00:00.000+00:00")
    assert row == own | dict(zip(SIX, six, strict=True))
    assert results["attempts"].dtype == "int64"
    assert {type(row[name]) for name in SIX if name != "attempts"} == {str}


def test_own_columns_keep_their_types_and_their_repeated_names():
    frame = pd.DataFrame([[1, 2.5, True]], columns=["x", "x", "y"])
    results = results_frame(frame, [STARTED])
    assert list(results.columns) == ["x", "x", "y", *SIX]
    assert [str(kind) for kind in results.dtypes][:3] == ["int64", "float64", "bool"]


def test_an_own_column_with_a_result_name_is_kept_where_not_all_six_are_there():
    results = results_frame(pd.DataFrame({"attempts": ["mine"], "workflowId": ["mine too"]}), [STARTED])
    assert list(results.columns) == ["attempts", "workflowId", *SIX]
    assert results.iloc[0, 0] == "mine"
    assert results.iloc[0, 1] == "mine too"


def test_the_new_six_replace_the_old_six_wherever_they_stood():
    first = results_frame(pd.DataFrame({"ID": [1]}), [refused()])
    moved = first[["workflowId", "ID", "startStatus", "errorCode", "errorMessage", "attempts", "startedAt"]]
    for fed in (first, moved):
        again = results_frame(fed, [STARTED])
        assert list(again.columns) == ["ID", *SIX]
        assert again["workflowId"].tolist() == ["w.1"]


def test_an_own_column_beside_all_six_is_kept_and_the_last_of_each_name_is_the_old_result():
    frame = results_frame(pd.DataFrame({"attempts": ["mine"]}), [refused()])
    own = own_columns(frame)
    assert list(own.columns) == ["attempts"]
    assert own.iloc[0, 0] == "mine"


def test_every_row_of_the_sandbox_says_so_and_its_own_message_stays():
    rows = pd.DataFrame({"ID": [1, 2]})
    assert results_frame(rows, [STARTED, refused(1)], rehearsed=[0, 1])["errorMessage"].tolist() == [
        SANDBOX_MARK,
        f"no such deal; {SANDBOX_MARK}",
    ]


def test_a_dry_run_has_a_seventh_column_with_the_request_as_json():
    outcomes = [Outcome(0, Status.PLANNED), Outcome(1, Status.INVALID, "", "type-error", "not a number")]
    results = results_frame(pd.DataFrame({"ID": [1, "x"]}), outcomes, bodies={0: {"entityId": 1, "p": "Ж"}})
    assert list(results.columns) == ["ID", *SIX, "requestBody"]
    assert json.loads(results["requestBody"].iloc[0]) == {"entityId": 1, "p": "Ж"}
    assert results["requestBody"].iloc[1] == ""


def test_a_planned_sheet_that_is_fed_back_does_not_gather_request_bodies():
    planned = results_frame(pd.DataFrame({"ID": [1]}), [Outcome(0, Status.PLANNED)], bodies={0: {}})
    again = results_frame(planned, [Outcome(0, Status.PLANNED)], bodies={0: {}})
    assert list(again.columns).count("requestBody") == 1


def test_a_frame_without_rows_gets_the_six_columns_too():
    results = results_frame(pd.DataFrame({"ID": []}), [])
    assert list(results.columns) == ["ID", *SIX]


# ----------------------------------------------------------------------------------------------- one outcome per row

ROWS = [Row(position, position + 2, None, None, None) for position in range(4)]


def problem(position, code="type-error", column="B", message="12x is no number"):
    return Problem(position, position, column, code, message)


def test_a_row_with_problems_is_invalid_and_says_all_of_them_with_their_columns():
    found = invalid_outcomes(ROWS, [problem(1), problem(1, "missing-cell", "C", "it is blank"), problem(None, "no-id")])
    assert list(found) == [1]
    assert (found[1].status, found[1].error_code) == (Status.INVALID, "type-error")
    assert found[1].error_message == "column B: 12x is no number; column C: it is blank"


def test_a_row_is_a_duplicate_only_where_nothing_else_is_wrong_with_it():
    found = invalid_outcomes(ROWS, [problem(0, "duplicate-row", None), problem(1, "duplicate-row", None), problem(1)])
    assert (found[0].status, found[0].error_code) == (Status.DUPLICATE, "duplicate-row")
    assert found[1].status is Status.INVALID


def test_a_row_with_very_many_problems_says_how_many_more_there_are():
    found = invalid_outcomes(ROWS, [problem(0, column=letter) for letter in "ABCDEFGHIJ"])
    assert found[0].error_message.endswith("and 5 more")


def test_every_row_has_one_outcome_in_order_and_what_the_run_settled_wins():
    plan = Plan((), {1: Outcome(1, Status.ALREADY_STARTED, "w.1")}, ())
    invalid = {2: Outcome(2, Status.INVALID, "", "type-error")}
    left = Stop("DEADLINE", "the deadline has passed", 6)
    found = completed(5, plan, invalid, {0: STARTED}, left, {3: 4})
    assert [outcome.position for outcome in found] == [0, 1, 2, 3, 4]
    assert [str(outcome.status) for outcome in found] == [
        "started",
        "already_started",
        "invalid",
        "not_attempted",
        "not_attempted",
    ]
    assert (found[3].error_code, found[3].attempts, found[4].attempts) == ("DEADLINE", 4, 0)


def test_counts_name_only_what_there_is_in_the_order_of_the_statuses():
    found = counts(told(Status.REFUSED, Status.STARTED, Status.STARTED))
    assert list(found.items()) == [("started", 2), ("refused", 1)]

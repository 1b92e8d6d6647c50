"""A run on one screen: nothing is hidden, and the next command is told."""

from __future__ import annotations

import shlex

import pytest

from bulkstart import oauth
from bulkstart.model import Outcome, Problem
from bulkstart.result_columns import Status
from bulkstart.summary import next_step, problem_lines, summary


def refused(position, code="ENTITY_NOT_FOUND"):
    return Outcome(position, Status.REFUSED, "", code, "no such deal")


def test_every_status_is_counted_in_words():
    outcomes = [Outcome(place, status, error_code="CODE") for place, status in enumerate(Status)]
    first = summary(outcomes, range(20), results=None, command=None).splitlines()[0]
    words = ("started", "started before", "planned", "invalid", "duplicate", "refused", "given up", "in doubt", "not attempted")
    assert first == "9 rows: " + ", ".join(f"1 {word}" for word in words)


def test_equal_errors_are_one_group_with_their_rows_message_and_advice():
    text = summary(
        [Outcome(0, Status.STARTED, "w.1"), *(refused(n) for n in range(1, 10))], range(2, 99), results="r.csv", command="c"
    )
    assert "refused · ENTITY_NOT_FOUND × 9 · rows 3, 4, 5, 6, 7, 8, …" in text
    assert "no such deal" in text
    assert "results: r.csv" in text
    assert text.endswith("next: c")
    assert text.count("→") == 1


def test_every_doubt_is_shown_with_its_row():
    text = summary([Outcome(0, Status.IN_DOUBT, "", "READ_TIMEOUT", "no answer in time")], [7], results=None, command=None)
    assert "in doubt · READ_TIMEOUT × 1 · row 7" in text
    assert "may have started" in text


def test_very_many_kinds_of_errors_are_counted_to_the_end():
    text = summary([refused(n, f"CODE_{n}") for n in range(20)], range(20), results=None, command=None)
    assert "and 8 more kinds of error" in text


def test_problem_lines_name_row_column_code_and_message_and_never_cut_the_counts():
    problems = [Problem(None, None, None, "no-id", "no column")] + [Problem(n, n + 2, "B", "type-error", "bad") for n in range(9)]
    lines = problem_lines(problems, 2)
    assert lines == [
        "  sheet: [no-id] no column",
        "  row 2, column B: [type-error] bad",
        "  … and 8 more; all of them stand in the results and in --json",
        "10 problems: type-error × 9, no-id × 1",
    ]
    assert problem_lines([], 5) == []
    assert problem_lines(problems[:1], 5)[-1] == "1 problem: no-id × 1"


@pytest.mark.parametrize(("code", "named"), [(3, "r.csv"), (4, "my r.csv"), (6, "r.csv"), (7, "r.csv"), (130, "r.csv")])
def test_what_is_left_to_do_is_the_same_command_on_the_sheet_or_on_its_results(code, named):
    words = ["bulkstart", "my deals.csv", "--template", "713", "--sandbox"]
    command = next_step(code, words, "my deals.csv", named)
    assert command.endswith(f"bulkstart {shlex.quote(named if code == 4 else 'my deals.csv')} --template 713 --sandbox")


RUN = ["bulkstart", "{}", "20261122-1", "--journal", "my j.sqlite"]


@pytest.mark.parametrize("code", [6, 7, 130])
def test_a_run_that_is_kept_goes_on_by_its_id(code):
    command = next_step(code, ["bulkstart", "deals.csv"], "deals.csv", "r.csv", run=RUN)
    assert command == "bulkstart resume 20261122-1 --journal 'my j.sqlite'"


def test_doubts_are_looked_up_first_and_only_then_sent_again_on_a_person_s_word():
    words = ["bulkstart", "deals.csv"]
    assert next_step(5, words, "deals.csv", "r.csv", run=RUN) == "bulkstart reconcile 20261122-1 --journal 'my j.sqlite'"
    looked = next_step(5, words, "deals.csv", "r.csv", run=RUN, looked=True)
    assert looked.startswith("look at the rows in doubt in the portal")
    assert looked.endswith("bulkstart resume 20261122-1 --journal 'my j.sqlite' --release-doubts")


def test_doubts_of_a_run_that_is_not_kept_are_a_person_s_to_look_at():
    assert (
        next_step(5, ["bulkstart", "deals.csv", "--sandbox"], "deals.csv", "r.csv") == "look at the rows in doubt in the portal"
    )


def test_refused_rows_of_a_past_run_are_mended_in_its_results():
    assert next_step(4, ["bulkstart", "resume"], "deals.csv", "r.csv", run=RUN) == "mend these rows in r.csv, then run that file"


def test_a_run_that_is_done_leaves_nothing_to_type():
    assert next_step(0, ["bulkstart", "deals.csv"], "deals.csv", "deals.results.csv") is None


@pytest.mark.parametrize("code", ["INVALID_CREDENTIALS", "insufficient_scope", "OVERLOAD_LIMIT", "ACCESS_DENIED"])
def test_what_a_native_portal_denies_has_its_own_advice(code):
    text = summary([Outcome(0, Status.NOT_ATTEMPTED, "", code, "m")], [2], results=None, command=None)
    other = summary([Outcome(0, Status.NOT_ATTEMPTED, "", "CODE", "m")], [2], results=None, command=None)
    assert text.splitlines()[-1].startswith("      → ")
    assert text.splitlines()[-1] != other.splitlines()[-1]


@pytest.mark.parametrize("code", sorted(oauth.ADVICE))
def test_why_there_is_no_token_is_advice_enough(code):
    text = summary([Outcome(0, Status.NOT_ATTEMPTED, "", code, oauth.ADVICE[code])], [2], results=None, command=None)
    assert oauth.ADVICE[code] in text
    assert "→" not in text

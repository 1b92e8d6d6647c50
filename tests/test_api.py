"""The functions behind the front ends: problems as entries, checks without a portal, lists that are denied."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import bulkstart
from bulkstart.api import checked, problem_entry
from bulkstart.errors import DeniedError, UsageError
from bulkstart.model import Problem
from bulkstart.options import Options
from tests.conftest import PLAIN, deals, starts

CHECKED = Options(template=713, entity_type="deal")


@pytest.mark.parametrize(
    ("row", "shown"), [(5, 5), ("5a", "5a"), (None, None), (np.int64(5), 5), (pd.Timestamp("2026-01-01"), "2026-01-01 00:00:00")]
)
def test_the_row_of_a_problem_is_json_whatever_the_index_holds(row, shown):
    entry = problem_entry(Problem(0, row, "A", "type-error", "why"))
    assert json.loads(json.dumps(entry)) == {"row": shown, "column": "A", "code": "type-error", "message": "why"}


def test_a_check_without_a_portal_finds_what_a_sheet_alone_can_show():
    problems, finished = checked(deals(3).assign(entityId=[1, "x", 1]), None, CHECKED)
    assert [(problem.row, problem.code) for problem in problems] == [(1, "type-error"), (2, "duplicate-row")]
    assert finished is None


def test_a_check_with_a_portal_is_a_dry_run_whatever_the_options_say():
    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        frame = deals(2).assign(entityId=[1, "x"])
        problems, finished = checked(frame, portal, Options(template=713, skip_invalid=True, dry_run=False))
        assert [problem.code for problem in problems] == ["type-error"]
        assert (finished.exit_code, finished.run_id) == (3, None)
        assert not starts(portal.ledger(), "arrival")
        assert not portal.journal.exists()


def test_a_sheet_that_is_fit_has_an_empty_table_with_its_four_columns():
    found = bulkstart.check(deals(2), template=713, entity_type="deal")
    assert found.empty
    assert list(found.columns) == ["row", "column", "code", "message"]


def test_a_template_list_that_is_denied_is_an_error_that_says_why():
    with (
        bulkstart.sandbox({"templates": [PLAIN], "keys": [{"key": "vibe_api_dead_0123456789", "state": "expired"}]}) as portal,
        pytest.raises(DeniedError, match="INVALID_API_KEY"),
    ):
        bulkstart.templates(portal)


def test_results_are_never_written_over_their_source_however_it_is_spelled(tmp_path):
    sheet = tmp_path / "deals.csv"
    sheet.write_text("entityId\n1\n", encoding="utf-8")
    (tmp_path / "sub").mkdir()
    with pytest.raises(UsageError, match="source itself"):
        bulkstart.write_results(deals(1), tmp_path / "sub" / ".." / "deals.csv", source=sheet)
    assert sheet.read_text(encoding="utf-8") == "entityId\n1\n"


def test_a_check_makes_no_results_that_nobody_looks_at():
    frame = pd.DataFrame({"entityId": [5141, 5142]})
    with bulkstart.sandbox() as portal:
        problems, finished = checked(frame, portal, Options(template=720))
    assert problems == ()
    assert finished.results is frame
    assert finished.counts == {"planned": 2}

"""Results as files in memory: the analyst's own workbook, CSV, the failed rows alone."""

from __future__ import annotations

import io

import openpyxl
import pandas as pd
import pytest

import bulkstart
from bulkstart.notebook.downloads import made, named
from tests.conftest import ROOT

SIX = {"workflowId": "", "errorCode": "X", "errorMessage": "why", "attempts": 1, "startedAt": ""}


@pytest.fixture
def results():
    frame = bulkstart.read_sheet(ROOT / "sample_data" / "deals.xlsx")
    found = frame.assign(startStatus=["started", "refused", *["in_doubt"] * (len(frame) - 2)], **SIX)
    found.attrs = dict(frame.attrs)
    return found


def test_the_workbook_is_the_analyst_s_own_with_results(results):
    path = str(ROOT / "sample_data" / "deals.xlsx")
    found = made("workbook", results, path)
    book = openpyxl.load_workbook(io.BytesIO(found.content))
    assert found.name == "deals.results.xlsx"
    assert book.sheetnames[:2] == openpyxl.load_workbook(path).sheetnames
    assert "startStatus" in [cell.value for cell in book.worksheets[0][1]]


def test_csv_has_every_row_and_failed_rows_those_that_failed_and_none_in_doubt(results):
    text = made("csv", results, None).content.decode("utf-8-sig")
    assert len(text.splitlines()) == len(results) + 1
    book = openpyxl.load_workbook(io.BytesIO(made("failed", results, None).content))
    rows = list(book.worksheets[0].iter_rows(values_only=True))
    assert len(rows) == 2
    assert made("failed", results[results["startStatus"] == "in_doubt"], None) is None


def test_the_workbook_that_the_run_wrote_is_given_where_the_sheet_is_not_at_hand(tmp_path):
    written = tmp_path / "deals.results.xlsx"
    written.write_bytes(b"as it is")
    assert made("workbook", pd.DataFrame(), None, written).content == b"as it is"


def test_a_file_is_called_after_its_sheet():
    assert named("workbook", None) == "bulkstart.results.xlsx"
    assert named("workbook", "a/deals.xlsm") == "deals.results.xlsm"
    assert named("csv", "a/deals.xlsx") == "deals.results.csv"
    assert named("failed", "a/deals.xlsm") == "deals.failed.xlsx"

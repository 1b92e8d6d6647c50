"""Which file the results go to: never the input, never over ids that nobody else knows."""

from __future__ import annotations

import itertools
import os

import pandas as pd
import pytest

from bulkstart.errors import UsageError
from bulkstart.model import Outcome
from bulkstart.outputs import check_folder, numbered, replaceable, wanted_path, write_beside
from bulkstart.result_columns import Status
from bulkstart.results import results_frame

FRAME = pd.DataFrame({"entityId": [5141]})
STARTED = Outcome(0, Status.STARTED, "69f0c2d5ade389.22457798", attempts=1)
DOUBT = Outcome(0, Status.IN_DOUBT, "", "READ_TIMEOUT", "no answer in time", 1)
REFUSED = Outcome(0, Status.REFUSED, "", "ENTITY_NOT_FOUND", "no such deal", 1)


def written(path, outcome, *, sandbox=False):
    results = results_frame(FRAME, [outcome], rehearsed=[0] if sandbox else [])
    return write_beside(results, path, source=None, safe_csv=False, known=lambda _: True)[0]


def never(_):
    return False


@pytest.fixture(params=["deals.results.xlsx", "deals.results.csv"])
def output(request, tmp_path):
    return tmp_path / request.param


@pytest.mark.parametrize(
    ("sheet", "results", "planned"),
    [
        ("deals.xlsx", "deals.results.xlsx", "deals.planned.xlsx"),
        ("deals.csv", "deals.results.csv", "deals.planned.csv"),
        ("deals.tsv", "deals.results.tsv", "deals.planned.tsv"),
        ("deals.CSV", "deals.results.csv", "deals.planned.csv"),
        ("Сделки 2026.xlsx", "Сделки 2026.results.xlsx", "Сделки 2026.planned.xlsx"),
        ("a.b.xlsx", "a.b.results.xlsx", "a.b.planned.xlsx"),
        ("results.xlsx", "results.results.xlsx", "results.planned.xlsx"),
        ("deals.results.xlsx", "deals.results-2.xlsx", "deals.planned.xlsx"),
    ],
)
def test_results_are_named_after_the_sheet_and_stand_beside_it(tmp_path, sheet, results, planned):
    path = tmp_path / sheet
    assert wanted_path(path, None, dry_run=False) == tmp_path / results
    assert wanted_path(path, None, dry_run=True) == tmp_path / planned


@pytest.mark.parametrize("number", ["", "-2", "-3"])
def test_fed_back_results_go_to_a_number_that_is_free(tmp_path, number):
    names = [f"deals.results{end}.xlsx" for end in ("", "-2", "-3")]
    for name in names:
        written(tmp_path / name, STARTED)
    sheet = tmp_path / f"deals.results{number}.xlsx"
    before = {name: (tmp_path / name).read_bytes() for name in names}
    goal = wanted_path(sheet, None, dry_run=False)
    path, _ = write_beside(results_frame(FRAME, [STARTED]), goal, source=sheet, safe_csv=False, known=never)
    assert path == tmp_path / "deals.results-4.xlsx"
    assert {name: (tmp_path / name).read_bytes() for name in names} == before


def test_the_output_may_not_be_the_input_however_it_is_spelled(tmp_path):
    sheet = tmp_path / "deals.csv"
    sheet.write_text("entityId\n1\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.csv").symlink_to(sheet)
    os.link(sheet, tmp_path / "twin.csv")
    for other in (sheet, tmp_path / "folder" / ".." / "deals.csv", tmp_path / "link.csv", tmp_path / "twin.csv"):
        with pytest.raises(UsageError, match="input"):
            wanted_path(sheet, other, dry_run=False)
    with pytest.raises(UsageError, match="input"):
        wanted_path(tmp_path / "link.csv", sheet, dry_run=False)


@pytest.mark.parametrize("name", ["results.pdf", "results", "results.xls"])
def test_an_output_of_an_unknown_kind_is_said_before_anything_is_sent(tmp_path, name):
    with pytest.raises(UsageError, match=r"\.xlsx"):
        wanted_path(tmp_path / "deals.csv", tmp_path / name, dry_run=False)


def test_an_output_that_is_a_folder_or_in_no_folder_is_said_before_anything_is_sent(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UsageError, match="folder"):
        wanted_path(tmp_path / "deals.csv", tmp_path / "folder.csv", dry_run=False)
    with pytest.raises(UsageError, match="-o"):
        check_folder(tmp_path / "absent" / "results.csv")
    check_folder(tmp_path / "results.csv")


def test_numbers_follow_the_name_without_end(tmp_path):
    assert [path.name for path in itertools.islice(numbered(tmp_path / "a.results.xlsx"), 3)] == [
        "a.results.xlsx",
        "a.results-2.xlsx",
        "a.results-3.xlsx",
    ]
    assert [path.name for path in itertools.islice(numbered(tmp_path / "a.results-2.csv"), 2)] == [
        "a.results-2.csv",
        "a.results-3.csv",
    ]


# -------------------------------------------------------------------------------------- what may be written over


@pytest.mark.parametrize("outcome", [STARTED, DOUBT])
def test_ids_and_doubts_that_are_known_nowhere_else_are_never_written_over(output, outcome):
    written(output, outcome)
    before = output.read_bytes()
    assert not replaceable(output, never)
    results = results_frame(FRAME, [STARTED])
    path, notes = write_beside(results, output, source=None, safe_csv=False, known=never)
    assert path.name == output.name.replace("results", "results-2")
    assert output.read_bytes() == before
    assert path.name in notes[0]


@pytest.mark.parametrize("outcome", [STARTED, DOUBT])
def test_ids_and_doubts_that_are_known_elsewhere_are_written_over(output, outcome):
    written(output, outcome)
    assert replaceable(output, lambda _: True)
    assert written(output, STARTED) == output


def test_results_without_an_id_or_a_doubt_are_written_over(output):
    written(output, REFUSED)
    assert replaceable(output, never)


@pytest.mark.parametrize("outcome", [STARTED, DOUBT])
def test_results_of_the_sandbox_are_always_written_over(output, outcome):
    written(output, outcome, sandbox=True)
    assert replaceable(output, never)


def test_results_of_which_one_row_is_real_are_not_the_sandboxs_own(output):
    frame = pd.DataFrame({"entityId": [1, 2]})
    results = results_frame(frame, [STARTED, Outcome(1, Status.STARTED, "w.2")], rehearsed=[0, 1])
    results.iloc[1, results.columns.get_loc("errorMessage")] = ""
    write_beside(results, output, source=None, safe_csv=False, known=never)
    assert not replaceable(output, never)


def test_what_is_no_results_file_is_somebody_elses_and_is_kept(tmp_path):
    for name, content in (("a.csv", "entityId,name\n1,x\n"), ("b.csv", ""), ("c.xlsx", "not a workbook")):
        (tmp_path / name).write_text(content)
        assert not replaceable(tmp_path / name, lambda _: True)


def test_the_input_is_never_written_over_even_where_its_name_is_wanted(tmp_path):
    sheet = written(tmp_path / "deals.results-2.csv", REFUSED)
    before = sheet.read_bytes()
    results = results_frame(FRAME, [STARTED])
    goal = wanted_path(sheet, None, dry_run=False)
    path, _ = write_beside(results, goal, source=sheet, safe_csv=False, known=lambda _: True)
    assert path.name == "deals.results-3.csv"
    assert sheet.read_bytes() == before


def test_the_file_that_is_asked_about_is_shown_as_it_stands(output):
    written(output, STARTED)
    asked = []
    replaceable(output, lambda frame: bool(asked.append(frame["workflowId"].tolist())))
    assert asked == [["69f0c2d5ade389.22457798"]]

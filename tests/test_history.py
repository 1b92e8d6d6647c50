"""Which past run is meant, how its rows are read again, and that it goes on under its own meaning of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

import bulkstart
from bulkstart.errors import UsageError
from bulkstart.history import KINDS, take_up
from bulkstart.options import Options
from tests.conftest import deals
from tests.past import LIVING, LOST, living, running_still, start, start_sheet

STOP_AT_3 = {"faults": [{"nth": 3, "committed": False, "answer": "ERROR_LOOP_DETECTED"}]}
TEXTS = {
    name: {"Name": name, "Type": kind, "Required": "0", "Multiple": "0", "Options": "", "Default": ""}
    for name, kind in (("note", "string"), ("due", "date"), ("amount", "double"))
}
RICH = {"templates": [{**LIVING, "parameters": TEXTS}, {**LIVING, "id": 714, "documentType": "lead"}]}


def chosen(portal: Any, kind: str = "resume", **given: Any) -> str:
    """The run that is meant where none is named."""
    return take_up(None, portal, given, rows=KINDS[kind]).past.run_id


def run_id(results: Any) -> str:
    return str(getattr(results, "results", results).attrs["run_id"])


# ------------------------------------------------------------------------------------------------- which run is meant


def test_the_last_run_with_rows_left_is_gone_on_with_and_not_a_later_one_that_is_done():
    with living(STOP_AT_3) as portal:
        stopped = start(portal, rows=5)
        done = start(portal, deals(3, first=50))
        assert list(done["startStatus"]) == ["started"] * 3
        assert chosen(portal) == run_id(stopped)
        later = start(portal, deals(3, first=90), limit=1)
        assert chosen(portal) == run_id(later), "rows behind --limit are left as well"


def test_a_refused_row_is_nothing_to_go_on_with():
    with living({**STOP_AT_3, "documents": {"missing": {"deal": [60]}}}) as portal:
        stopped = start(portal, rows=5)
        start(portal, deals(1, first=60))
        assert chosen(portal) == run_id(stopped)


def test_rows_that_another_run_has_started_since_are_nothing_to_go_on_with():
    with living({"faults": [{"nth": [2, 5], "committed": False, "answer": "ERROR_LOOP_DETECTED"}]}) as portal:
        first = start(portal, deals(2, first=50))
        second = start(portal, deals(3, first=1))
        assert list(second["startStatus"]) == ["started", "started", "not_attempted"]
        start(portal, deals(3, first=1))
        assert chosen(portal) == run_id(first)


def test_where_nothing_is_left_the_last_run_is_shown():
    with living() as portal:
        start(portal, rows=2)
        last = start(portal, deals(2, first=50))
        assert {chosen(portal, kind) for kind in KINDS} == {run_id(last)}


def test_a_run_with_doubts_is_the_one_to_reconcile_and_to_release():
    with living({"faults": [{"nth": 2, **LOST}]}) as portal:
        doubted = start(portal, rows=3)
        start(portal, deals(2, first=50))
        assert chosen(portal, "reconcile") == chosen(portal, "release") == run_id(doubted)
        take_up(run_id(doubted), portal, {})
        bulkstart.Run(run_id(doubted), portal=portal).reconcile(settle=0)
        assert chosen(portal, "reconcile") != run_id(doubted)


def test_a_run_of_another_portal_is_never_meant(tmp_path):
    journal = tmp_path / "shared.sqlite"
    with living(STOP_AT_3) as one, living(STOP_AT_3) as other:
        mine = start(one, rows=5, journal=journal)
        theirs = start(other, rows=5, journal=journal)
        assert chosen(one, journal=journal) == run_id(mine)
        assert chosen(other, journal=journal) == run_id(theirs)


def test_a_run_in_its_midst_gives_way_to_one_that_stopped():
    with living({**STOP_AT_3, "templates": [{**LIVING, "run_seconds": 0.2}]}) as portal:
        stopped = start(portal, rows=4)
        with running_still(portal, rows=3, frame=deals(3, first=50)):
            assert chosen(portal) == run_id(stopped)


def test_the_only_run_is_told_to_be_running_and_not_to_be_missing():
    with living({"templates": [{**LIVING, "run_seconds": 0.2}]}) as portal, running_still(portal, rows=3) as live:
        assert chosen(portal) == live


def test_a_run_that_no_journal_has_is_a_usage_error_that_says_where_to_look(tmp_path):
    with living() as portal:
        with pytest.raises(UsageError, match="there is no journal"):
            take_up(None, portal, {"journal": tmp_path / "none.sqlite"})
        assert not (tmp_path / "none.sqlite").exists(), "looking makes no journal"
        start(portal, rows=1)
        with pytest.raises(UsageError, match="has no run 20200101-000000-abcd: bulkstart runs lists them"):
            take_up("20200101-000000-abcd", portal, {})


def test_a_portal_without_a_run_is_a_usage_error(tmp_path):
    journal = tmp_path / "shared.sqlite"
    with living() as one, living() as other:
        start(one, rows=1, journal=journal)
        with pytest.raises(UsageError, match=r"no run on 127\.0\.0\.1"):
            take_up(None, other, {"journal": journal})


# -------------------------------------------------------------------------------------- a run goes on under its own

OWN: dict[str, tuple[dict[str, Any], list[tuple[dict[str, Any], str]], list[dict[str, Any]]]] = {
    "template": ({}, [({"template": 714}, "--template")], [{"template": 713}, {"template": None}]),
    "entity type": (
        {"entity_type": "deal"},
        [({"entity_type": "lead"}, "--entity-type")],
        [{"entity_type": "deal"}, {"entity_type": "Deal"}, {"entity_type": None}],
    ),
    "entity type by the template": ({}, [({"entity_type": "lead"}, "--entity-type")], [{"entity_type": "deal"}]),
    "map": (
        {"columns": {"entityId": "number"}},
        [({"columns": {"entityId": "other"}}, "--map"), ({"columns": {"entityId": "number", "note": "other"}}, "--map")],
        [{"columns": {"entityId": "number"}}, {"columns": {}}],
    ),
    "no map": ({}, [({"columns": {"note": "other"}}, "--map")], [{"columns": {}}]),
    "set": (
        {"values": {"note": "a"}},
        [({"values": {"note": "b"}}, "--set"), ({"values": {"note": "a", "amount": "1"}}, "--set")],
        [{"values": {"note": "a"}}, {"values": {}}],
    ),
    "no set": ({}, [({"values": {"note": "a"}}, "--set")], [{"values": {}}]),
    "campaign": (
        {"campaign": "Autumn"},
        [({"campaign": "spring"}, "--campaign"), ({"campaign": "autumn"}, "--campaign")],
        [{"campaign": "Autumn"}, {"campaign": ""}],
    ),
    "no campaign": ({}, [({"campaign": "spring"}, "--campaign")], [{"campaign": ""}]),
    "date format": (
        {"date_format": "%d.%m.%Y"},
        [({"date_format": "%m.%d.%Y"}, "--date-format"), ({"date_format": "%d.%M.%Y"}, "--date-format")],
        [{"date_format": "%d.%m.%Y"}, {"date_format": None}],
    ),
    "decimal": ({"decimal": ","}, [({"decimal": "."}, "--decimal")], [{"decimal": ","}]),
    "header row": ({"header_row": 2}, [({"header_row": 1}, "--header-row")], [{"header_row": 2}, {"header_row": None}]),
    "a header row that was found": ({}, [({"header_row": 1}, "--header-row")], [{"header_row": 2}]),
}


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "deals.csv"
    path.write_text("Our deals,,\nentityId,number,other\n1,1,x\n2,2,y\n3,3,z\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", OWN)
def test_a_different_meaning_is_refused_and_the_same_one_is_fine(name, csv):
    own, different, same = OWN[name]
    with living(RICH) as portal:
        finished = start_sheet(portal, csv, limit=1, **{"header_row": 2} | own)
        assert finished.exit_code == 0, finished.results
        for given, option in different:
            with pytest.raises(UsageError, match=f"{option}.* differs from that of run {finished.run_id}"):
                take_up(finished.run_id, portal, given)
        for given in same:
            taken = take_up(finished.run_id, portal, given)
            for option, value in own.items():
                assert option == "header_row" or getattr(taken.options, option) == value, given


def book(path: Path) -> Path:
    """Two tabs of deals: ``First`` with 1–3, ``Second`` with 11–13."""
    made = openpyxl.Workbook()
    made.active.title = "First"
    for tab, first in ((made.active, 1), (made.create_sheet("Second"), 11)):
        for row in [["entityId"], *([number] for number in range(first, first + 3))]:
            tab.append(row)
    made.save(path)
    return path


@pytest.mark.parametrize("own", ["Second", "2", 2])
def test_the_tab_is_the_run_s_own_however_it_was_named(own, tmp_path):
    sheet = book(tmp_path / "deals.xlsx")
    with living() as portal:
        finished = start_sheet(portal, sheet, tab=own, limit=1)
        assert list(map(int, take_up(finished.run_id, portal, {}).frame["entityId"])) == [11, 12, 13]
        for same in ("Second", "2", None):
            assert list(map(int, take_up(finished.run_id, portal, {"tab": same}).frame["entityId"])) == [11, 12, 13], same
        for different in ("First", "1"):
            with pytest.raises(UsageError, match="--tab"):
                take_up(finished.run_id, portal, {"tab": different})


def test_the_tab_that_was_found_is_named_by_its_number_or_its_name(tmp_path):
    sheet = book(tmp_path / "deals.xlsx")
    with living() as portal:
        finished = start_sheet(portal, sheet, limit=1)
        for same in ("First", "1", None):
            assert list(map(int, take_up(finished.run_id, portal, {"tab": same}).frame["entityId"])) == [1, 2, 3], same
        with pytest.raises(UsageError, match="--tab"):
            take_up(finished.run_id, portal, {"tab": "2"})


def test_a_tab_that_has_moved_is_still_the_run_s_own(tmp_path):
    sheet = book(tmp_path / "deals.xlsx")
    with living() as portal:
        finished = start_sheet(portal, sheet, tab="2", limit=1)
        made = openpyxl.load_workbook(sheet)
        made.move_sheet("Second", -1)
        made.save(sheet)
        assert list(map(int, take_up(finished.run_id, portal, {}).frame["entityId"])) == [11, 12, 13]


def test_how_the_file_is_encoded_may_have_changed_since(tmp_path):
    sheet = tmp_path / "deals.csv"
    sheet.write_bytes("entityId;param:note\n1;Договор\n2;Заказ\n".encode("cp1251"))
    with living(RICH) as portal:
        finished = start_sheet(portal, sheet, limit=1)
        assert finished.exit_code == 0
        sheet.write_bytes("entityId,param:note\n1,Договор\n2,Заказ\n".encode("utf-16"))
        taken = take_up(finished.run_id, portal, {"encoding": "utf-16", "delimiter": ","})
        assert list(taken.frame["param:note"]) == ["Договор", "Заказ"]


def test_what_concerns_only_how_fast_or_how_far_may_be_given_anew_and_the_rest_is_kept(csv):
    with living() as portal:
        finished = start_sheet(portal, csv, limit=1, deadline=60, polite=False, per_document=1, halt_doubts=7)
        kept = take_up(finished.run_id, portal, {}).options
        assert (kept.limit, kept.deadline, kept.dry_run) == (None, None, False), "they were of that stint alone"
        assert (kept.per_document, kept.halt_doubts, kept.rate) == (1, 7, 500)
        assert kept.skip_invalid, "rows that cannot be read now do not keep the others back"
        new = take_up(finished.run_id, portal, {"rate": 2.0, "limit": 2, "halt_doubts": 0, "per_document": 3}).options
        assert (new.rate, new.limit, new.halt_doubts, new.per_document) == (2.0, 2, 0, 3)


def test_an_option_that_makes_no_sense_is_refused_here_as_everywhere():
    with living(STOP_AT_3) as portal:
        start(portal, rows=4)
        with pytest.raises(UsageError, match="--limit"):
            take_up(None, portal, {"limit": 0})


# --------------------------------------------------------------------------------------------- reading its rows again


def test_a_file_is_read_again_as_it_was_read(csv):
    with living(RICH) as portal:
        finished = start_sheet(portal, csv, limit=1, columns={"entityId": "number", "note": "other"}, decimal=",")
        taken = take_up(finished.run_id, portal, {})
        assert taken.source == csv
        assert taken.notes == ()
        assert list(taken.frame.columns) == ["entityId", "number", "other"]
        assert taken.options.columns == {"entityId": "number", "note": "other"}
        assert taken.options.decimal == ","
        assert taken.goal == csv.with_name("deals.results.csv")


def test_a_file_that_is_gone_is_told_and_the_journal_s_rows_are_taken(csv):
    with living(RICH) as portal:
        finished = start_sheet(portal, csv, limit=1, columns={"entityId": "number", "note": "other"})
        csv.unlink()
        taken = take_up(finished.run_id, portal, {})
        assert taken.source is None
        assert len(taken.notes) == 1
        assert str(csv) in taken.notes[0]
        assert "is gone" in taken.notes[0]
        assert list(taken.frame.index) == [3, 4, 5], "rows are known by their numbers in the sheet"


def test_a_frame_that_was_changed_in_python_is_never_taken_from_its_file(csv):
    with living() as portal:
        frame = bulkstart.read_sheet(csv).tail(2)
        results = start(portal, frame, limit=1)
        taken = take_up(run_id(results), portal, {})
        assert len(taken.frame) == 2
        assert taken.source is None


def test_results_go_where_they_went_before(csv, tmp_path):
    with living() as portal:
        results = start(portal, bulkstart.read_sheet(csv), limit=1, output=tmp_path / "mine.csv")
        assert take_up(run_id(results), portal, {}).goal == tmp_path / "mine.csv"


def test_a_dry_run_never_goes_where_results_went(csv, tmp_path):
    with living() as portal:
        results = start(portal, bulkstart.read_sheet(csv), limit=1, output=tmp_path / "mine.csv")
        assert take_up(run_id(results), portal, {"dry_run": True}).goal.name == "deals.planned.csv"


def test_results_of_a_frame_go_into_the_working_directory(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with living(STOP_AT_3) as portal:
        results = start(portal, rows=4)
        goal = take_up(run_id(results), portal, {}).goal
        assert (goal.parent, goal.suffix) == (Path(), ".csv")
        assert run_id(results) in goal.name


def test_values_of_every_kind_mean_the_same_when_the_run_goes_on():
    """What ``values=`` held in Python is written down and read again: the keys of the rows must not change by that."""
    values = {"note": "a", "amount": 2.5, "due": pd.Timestamp("2026-12-01").date()}
    with living({**RICH, "faults": STOP_AT_3["faults"]}) as portal:
        results = start(portal, rows=4, values=values)
        assert list(results["startStatus"]) == ["started", "started", "not_attempted", "not_attempted"]
        found = bulkstart.Run(run_id(results), portal=portal).resume()
        assert list(found["startStatus"]) == ["started"] * 4
        bodies = [line["parameters"] for line in portal.ledger() if line["kind"] == "commit" and line["on"] == "start"]
        assert bodies == [bodies[0]] * 4
        assert take_up(run_id(results), portal, {"values": {"note": "a", "amount": "2.5", "due": "2026-12-01"}})


def test_the_kinds_of_rows_are_those_of_the_commands():
    assert set(KINDS) == {"resume", "release", "reconcile", "undo"}
    assert set(Options.__dataclass_fields__) >= {"journal", "limit"}

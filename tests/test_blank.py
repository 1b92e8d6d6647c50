"""``bulkstart new`` through the front door: made, read back empty, filled with one row, started; and what stands in its way."""

from __future__ import annotations

import openpyxl

from bulkstart.simulator.default import TEMPLATES as DEFAULT
from tests.conftest import PLAIN

CONTRACT = next(template for template in DEFAULT if template["id"] == 713)


def fill(path, row=2, **cells):
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    places = {str(cell.value).rstrip(" *"): cell.column for cell in sheet[1]}
    for name, value in cells.items():
        sheet.cell(row, places[name.replace("_", " ")]).value = value
    book.save(path)


def test_a_new_sheet_is_empty_and_starts_once_it_is_filled(desk):
    here = desk({"templates": [CONTRACT]})
    made = here.inside("new", "713", "-o", "t.xlsx", "--json")
    assert made.json["template"] == 713
    assert here.inside("t.xlsx", "--yes").code == 2
    fill(here.folder / "t.xlsx", entityId=5141, Contract_number="007", Kind="NDA", Tags="a;b", Urgent="yes")
    said = here.inside("t.xlsx", "--yes", "--json")
    assert said.code == 0, said.err
    (commit,) = here.commits()
    assert commit["parameters"] == {"contract_number": "007", "kind": "nda", "tags": ["a", "b"], "urgent": "Y"}
    assert "the sheet was made for it" in said.err
    other = here.inside("t.xlsx", "--yes", "--template", "714", "--json")
    assert (other.code, other.json["problems"][0]["code"]) == (3, "conflicting-value")
    assert len(here.commits()) == 1


def test_a_template_can_be_named_and_a_wrong_name_gets_the_nearest(desk):
    here = desk({"templates": [CONTRACT, PLAIN | {"id": 7, "name": "Plain"}]})
    assert here.inside("new", "send CONTRACT").code == 0
    assert (here.folder / "template-713.xlsx").exists()
    wrong = here.inside("new", "Send contrat")
    assert wrong.code == 2
    assert "did you mean 713" in wrong.err


def test_a_sheet_that_is_there_is_not_replaced(desk):
    here = desk({"templates": [CONTRACT]})
    assert here.inside("new", "713", "-o", "t.xlsx").code == 0
    before = (here.folder / "t.xlsx").read_bytes()
    assert here.inside("new", "713", "-o", "t.xlsx").code == 2
    assert (here.folder / "t.xlsx").read_bytes() == before


def test_a_template_that_changed_since_is_a_warning(desk):
    here = desk({"templates": [CONTRACT]})
    here.inside("new", "713", "-o", "t.xlsx")
    fill(here.folder / "t.xlsx", entityId=5141, Contract_number="007", Kind="NDA")
    fewer = {name: value for name, value in CONTRACT["parameters"].items() if name != "comment"}
    later = desk({"templates": [CONTRACT | {"parameters": fewer}]})
    said = later.inside(here.folder / "t.xlsx", "--dry-run")
    assert said.code == 0
    assert "were changed on the portal since this sheet was made" in said.err


def test_a_portal_without_definitions_is_helped_by_a_file(desk):
    told = desk({"templates": [CONTRACT]})
    (told.folder / "t.json").write_text(told.inside("templates", "--json").out, encoding="utf-8")
    here = desk({"templates": [CONTRACT], "switches": {"template_parameters_key": None}})
    assert len(here.inside("new", "713", "-o", "a.xlsx", "--json").json["columns"]) == 2
    made = here.inside("new", "713", "-o", "b.xlsx", "--json", "--template-file", told.folder / "t.json")
    assert len(made.json["columns"]) == 12
    fill(here.folder / "b.xlsx", entityId=5141, Contract_number="007", Kind="Wrong")
    said = here.inside("check", "b.xlsx", "--template-file", told.folder / "t.json", "--json")
    assert [problem["code"] for problem in said.json["problems"]] == ["constraint-error"]


def test_a_file_and_no_portal_will_do(desk):
    told = desk({"templates": [CONTRACT]})
    (told.folder / "t.json").write_text(told.inside("templates", "--json").out, encoding="utf-8")
    told.env = {"BULKSTART_API_KEY": "", "BULKSTART_BASE_URL": ""}
    assert told.inside("new", "713", "-o", "t.xlsx", "--template-file", "t.json").code == 0
    fill(told.folder / "t.xlsx", entityId="x", Contract_number="007", Kind="NDA")
    said = told.inside("check", "t.xlsx", "--template-file", "t.json", "--json")
    assert (said.code, [problem["column"] for problem in said.json["problems"]]) == (3, ["A"])
    assert told.inside("new", "713").code == 2


def test_no_templates_is_told(desk):
    here = desk({"templates": [CONTRACT], "switches": {"template_listing": "OAUTH_REQUIRED"}})
    said = here.inside("new", "713")
    assert said.code == 7
    assert "--template-file" in said.err


def test_the_next_command_names_the_template_that_a_plain_results_file_lost(desk):
    here = desk({"templates": [CONTRACT]})
    here.inside("new", "713", "-o", "t.xlsx")
    fill(here.folder / "t.xlsx", entityId=5141, Contract_number="007", Kind="NDA")
    fill(here.folder / "t.xlsx", row=3, entityId=5142, Contract_number="007", Kind="Wrong")
    said = here.inside("t.xlsx", "--yes", "--skip-invalid")
    assert said.code == 4
    assert "t.results.xlsx --yes --skip-invalid --template 713" in said.out
    assert here.inside("t.results.xlsx", "--yes", "--skip-invalid", "--template", "713").code == 4
    assert len(here.commits()) == 1


def test_a_run_of_such_a_sheet_goes_on_without_a_template(desk):
    here = desk({"templates": [CONTRACT]})
    here.inside("new", "713", "-o", "t.xlsx")
    for row in (2, 3):
        fill(here.folder / "t.xlsx", row=row, entityId=5139 + row, Contract_number="007", Kind="NDA")
    stopped = here.inside("t.xlsx", "--yes", "--limit", "1", "--json")
    said = here.inside("resume", stopped.json["run"], "--yes", "--json")
    assert said.code == 0, said.err
    assert {commit["entityId"] for commit in here.commits()} == {5141, 5142}

"""Columns that the headers leave open: asked on a terminal, refused without one, remembered, and said when they are used again."""

from __future__ import annotations

import csv
from typing import Any

import pandas as pd
import pytest

from bulkstart.mapping import known_by
from bulkstart.options import Options
from tests.conftest import FAST_WORDS, MARK, PLAIN, SIX, Desk, table
from tests.test_flow import Terminal

NOTE = {"note": {**MARK["mark"], "Name": "Примечание"}}
PORTAL: dict[str, Any] = {"templates": [{**PLAIN, "parameters": NOTE}, {**PLAIN, "id": 714, "parameters": []}]}
HEADERS = ["Название сделки", "ID", "Имя", "ID", "Примичание"]
WORDS = ("--template", "713", "--entity-type", "deal", "--json")


def sheet(here: Desk, name: str = "deals.csv", headers: list[str] = HEADERS, first: int = 1) -> Any:
    path = here.folder / name
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([headers, *([f"T{n}", n, f"N{n}", 100 + n, f"P{n}"] for n in range(first, first + 2))])
    return path


def entities(here: Desk) -> list[int]:
    return sorted(commit["entityId"] for commit in here.commits())


def mapping_of(said: Any) -> list[str]:
    return [line for line in said.err.splitlines() if "←" in line]


def confirm(here: Desk, **more: Any) -> Any:
    return here.inside(sheet(here, **more), *WORDS, "--yes", "--map", "entityId=D", "--map", "note=E", *FAST_WORDS)


def test_without_a_terminal_a_doubt_is_refused(desk):
    here = desk(PORTAL)
    said = here.inside(sheet(here), *WORDS, "--yes", *FAST_WORDS)
    assert said.code == 3
    assert not here.arrivals()


def test_a_person_chooses_and_the_choice_is_remembered(desk):
    here = desk(PORTAL)
    screen = Terminal(here, sheet(here), *WORDS[:-1], *FAST_WORDS)
    shown = screen.read(r"none of them\)")
    assert "1  column B 'ID'" in shown
    assert "2  column D 'ID'" in shown
    screen.type("2\n")
    assert "Примичание" in screen.read(r"parameter note\?[\s\S]*none of them\)")
    screen.type("1\n")
    screen.read(r"\[y/N\]")
    screen.type("y\n")
    assert screen.end()[0] == 0, screen.shown
    assert entities(here) == [101, 102]
    assert {commit["parameters"]["note"] for commit in here.commits()} == {"P1", "P2"}
    again = here.inside(sheet(here, "later.csv", first=3), *WORDS, "--yes", *FAST_WORDS)
    assert again.code == 0, again.err
    assert "as you confirmed them" in here.inside("check", here.folder / "later.csv", *WORDS, "--quiet").err
    assert "as you confirmed them for these headers before: entityId ← D, note ← " in again.err
    assert sum("as confirmed before" in line for line in mapping_of(again)) == 2
    assert entities(here) == [101, 102, 103, 104]


def test_a_label_that_two_parameters_share_is_asked_about(desk):
    both = {"note": {**MARK["mark"], "Name": "Примечание"}, "mark": {**MARK["mark"], "Name": "примечание"}}
    here = desk({"templates": [{**PLAIN, "parameters": both}]})
    headers = ["Название сделки", "ID", "Имя", "№", "Примечание"]
    assert here.inside(sheet(here, headers=headers), *WORDS, "--yes", *FAST_WORDS).code == 3
    screen = Terminal(here, sheet(here, headers=headers), *WORDS[:-1], *FAST_WORDS)
    assert "2  parameter note" in screen.read(r"Which parameter does column E 'Примечание' feed\?[\s\S]*none of them\)")
    screen.type("2\n")
    screen.read(r"\[y/N\]")
    screen.type("y\n")
    assert screen.end()[0] == 0, screen.shown
    assert [commit["parameters"] for commit in here.commits()] == [{"note": "P1"}, {"note": "P2"}]


@pytest.mark.parametrize("typed", ["\n", "3\n", "0\n", "x\n"])
def test_whoever_points_at_nothing_is_refused(desk, typed):
    here = desk(PORTAL)
    screen = Terminal(here, sheet(here), *WORDS[:-1], *FAST_WORDS)
    screen.read(r"entityId\?[\s\S]*none of them\)")
    screen.type(typed)
    assert screen.end()[0] == 3
    assert not here.arrivals()


def test_a_confirmed_map_is_remembered_for_the_same_headers_only(desk):
    here = desk(PORTAL)
    assert confirm(here).code == 0
    assert here.inside("check", sheet(here, "b.csv", first=5), *WORDS).code == 0
    assert here.inside("check", sheet(here, "c.csv", ["Имя", *HEADERS[1:]]), *WORDS).code == 3
    assert here.inside("check", here.folder / "b.csv", *WORDS, "--forget-mapping").code == 3
    assert here.inside("check", here.folder / "b.csv", "--template", "714", "--entity-type", "deal", "--json").code == 3
    assert here.inside("check", here.folder / "b.csv", "--template", "713", "--json").code == 3


def test_what_is_said_now_wins_name_by_name(desk):
    here = desk(PORTAL)
    confirm(here)
    said = here.inside("check", sheet(here, "b.csv", first=5), *WORDS, "--map", "entityId=B", "--set", "note=x")
    assert said.code == 0, said.err
    assert mapping_of(said) == ["entityId ← column B 'ID' (--map)", "parameter note ← the same value for every row (--set)"]


def test_a_parameter_named_by_its_label_is_the_same_one(desk):
    here = desk(PORTAL)
    here.inside(sheet(here), *WORDS, "--yes", "--map", "entityId=D", "--map", "Примечание=E", *FAST_WORDS)
    later = sheet(here, "b.csv", first=5)
    assert "parameter note ← column E" in "\n".join(mapping_of(here.inside("check", later, *WORDS)))
    assert here.inside("check", later, *WORDS, "--set", "note=x").code == 0
    assert here.inside("check", later, *WORDS, "--map", "note=C").code == 0


def test_results_are_fed_back_under_the_same_mapping(desk):
    here = desk(PORTAL)
    first = confirm(here)
    said = here.inside(here.folder / first.json["results"], *WORDS, "--yes", *FAST_WORDS)
    assert said.code == 0, said.err
    assert table(here.folder / said.json["results"])["startStatus"].tolist() == ["already_started"] * 2


def test_a_run_goes_on_under_the_mapping_that_was_remembered(desk):
    here = desk(PORTAL)
    confirm(here)
    stopped = here.inside(sheet(here, "b.csv", first=5), *WORDS, "--yes", "--limit", "1", *FAST_WORDS)
    assert stopped.json["counts"] == {"started": 1, "not_attempted": 1}
    said = here.inside("resume", stopped.json["run"], "--yes", "--json")
    assert said.code == 0, said.err
    assert entities(here) == [101, 102, 105, 106]


def test_a_dry_run_and_a_refused_sheet_teach_nothing(desk):
    here = desk(PORTAL)
    here.inside(sheet(here), *WORDS, "--dry-run", "--map", "entityId=D")
    here.inside(sheet(here), *WORDS, "--yes", "--map", "entityId=A")
    assert here.inside("check", sheet(here, "b.csv", first=5), *WORDS).code == 3


def test_a_parameter_that_the_template_lost_is_left_out(desk):
    here = desk(PORTAL)
    confirm(here)
    later = desk({"templates": [{**PLAIN, "parameters": []}]})
    later.env = {"BULKSTART_JOURNAL": here.settings()["BULKSTART_JOURNAL"]}
    said = later.inside("check", sheet(here, "b.csv", first=5), *WORDS)
    assert not [problem for problem in said.json["problems"] if problem["code"] == "unknown-parameter"]


def test_headers_template_and_type_are_what_a_mapping_is_known_by():
    frame = pd.DataFrame([[1, 2]], columns=["ID", "ID"])
    one = known_by(frame, Options(template=713, entity_type="Deal "), "p")
    assert one == known_by(frame.set_axis(["ID", "ID"], axis=1), Options(template=713, entity_type="deal"), "p")
    assert one != known_by(frame.set_axis(["ID", "Id"], axis=1), Options(template=713, entity_type="deal"), "p")
    assert one != known_by(frame, Options(template=714, entity_type="deal"), "p")
    six = pd.DataFrame([[1, 2, *SIX]], columns=["ID", "ID", *SIX])
    assert one == known_by(six, Options(template=713, entity_type="deal"), "p")

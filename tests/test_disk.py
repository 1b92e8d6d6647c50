"""Disks that are full, cannot be written, or hold a journal that cannot be used: nothing is sent twice, no id is lost, the person is told."""

from __future__ import annotations

import resource
import sqlite3
from pathlib import Path

import pytest

from bulkstart.journal_tables import VERSION
from tests.conftest import FAST_WORDS, starts, table, truth, until

LIMIT = 260_000
"""Bytes that no file may exceed: room for the tables, and for some dozens of starts."""


def small_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))


def test_a_disk_that_fills_up_in_mid_run_stops_it_and_what_had_started_is_told(desk):
    here = desk()
    sheet = here.sheet(rows=200)
    words = [sheet, "--template", 713, "--yes", "--json", *FAST_WORDS, "--canary", 0]
    said = here.end(here.begin(*words, preexec_fn=small_files))
    assert said.code == 6, said
    assert "disk is full or failing: make room" in said.json["problems"].__repr__() + said.out + said.err + results_text(
        here, said
    )
    results = here.results(said)
    truth(results, here.sandbox.ledger())
    told = results.set_index("entityId")["workflowId"]
    counts = results["startStatus"].value_counts().to_dict()
    assert 0 < counts["started"] < 200
    assert counts["started"] == len(here.commits()), "every id that came is told, although the journal could not take it"

    again = here.cli("resume", "--yes", "--json", *FAST_WORDS)
    goes_on = here.results(again)
    assert set(goes_on["startStatus"]) <= {"started", "in_doubt"}
    assert again.code == (5 if "in_doubt" in set(goes_on["startStatus"]) else 0), again
    truth(goes_on, here.sandbox.ledger(), arrivals=False)
    looked = here.cli("reconcile", "--settle", 0, "--json")
    for entity, status, workflow in here.results(looked)[["entityId", "startStatus", "workflowId"]].itertuples(index=False):
        assert status != "started" or not told[entity] or workflow == told[entity]
    assert len(here.commits()) == 200
    assert len({line["entityId"] for line in here.commits()}) == 200


def results_text(here, said):
    return "" if said.json["results"] is None else (here.folder / said.json["results"]).read_text(encoding="utf-8-sig")


def test_ids_that_no_file_could_take_are_told_row_by_row(desk):
    here = desk({"templates": [{"id": 713, "name": "Slow", "documentType": "deal", "run_seconds": 0.2}]})
    sheet = here.sheet(rows=12)
    process = here.begin(sheet, "--template", 713, "--yes", *FAST_WORDS, "--canary", 0, "--max-unknown", 2, "--quiet")
    until(lambda: len(here.arrivals()) > 3, what="the fourth start")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (100, 100))  # from now on no file can be written, the journal neither
    said = here.end(process)
    assert said.code == 6, said
    assert "could not be written" in said.err
    commits = here.commits()
    assert 0 < len(commits) < 12
    for line in commits:
        assert f"row {line['entityId'] + 1}: started {line['workflowId']}" in said.err
    again = here.again(sheet)
    assert set(again.json["counts"]) <= {"started", "already_started", "in_doubt"}
    truth(here.results(again), here.sandbox.ledger(), arrivals=False)
    assert len({line["entityId"] for line in here.commits()}) == len(here.commits())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(parents=True), "journal"),
        (lambda path: path.write_bytes(b"not a database at all" * 500), "damaged"),
        ("newer", "newer"),
        ("other", "another program"),
    ],
    ids=["a folder", "rubbish", "newer", "another program's"],
)
@pytest.mark.parametrize("command", ["start", "resume", "reconcile"])
def test_a_journal_that_cannot_be_used_is_said_and_nothing_is_sent(desk, make, words, command):
    here = desk()
    path = here.folder / "home" / "journal.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    {"newer": newer, "other": other}.get(make, make)(path)
    before = path.read_bytes() if path.is_file() else b""
    sheet = here.sheet()
    given = {"start": [sheet, "--template", 713, "--yes"], "resume": ["resume", "--yes"], "reconcile": ["reconcile"]}[command]
    said = here.cli(*given, "--json")
    assert said.code == 2, said
    assert words in said.err
    assert "--journal" in said.err or "update" in said.err
    assert not starts(here.sandbox.ledger(), "arrival")
    assert before == (path.read_bytes() if path.is_file() else b""), "a file that is not ours is left as it is"


def newer(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE starts (key TEXT)")
        db.execute(f"PRAGMA user_version={VERSION + 1}")


def other(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE customers (name TEXT)")


def test_a_journal_that_another_program_keeps_locked_is_said_and_nothing_is_sent_twice(desk):
    here = desk()
    sheet = here.sheet(rows=4)
    assert here.start(sheet).code == 0
    path = here.folder / "home" / "journal.sqlite"
    with sqlite3.connect(path, isolation_level=None) as db:
        db.execute("BEGIN EXCLUSIVE")
        process = here.begin(sheet, "--template", 713, "--yes", "--json")
        db.execute("ROLLBACK")
    said = here.end(process)
    assert (said.code, said.json["counts"]) == (0, {"already_started": 4})
    assert len(here.commits()) == 4
    assert table(here.folder / said.json["results"])["workflowId"].is_unique

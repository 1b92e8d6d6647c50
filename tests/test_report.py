"""The page about a run, as people get it: from the command line and from Python, whatever became of the run and of its sheet."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import bulkstart
from bulkstart.cli import main
from bulkstart.errors import UsageError
from bulkstart.model import Outcome, StartRequest
from bulkstart.result_columns import SANDBOX_MARK, Status
from bulkstart.states import Event
from tests.conftest import FAST_WORDS, deals, until
from tests.past import LIVING, LOST, NEVER_RUN, living, past, start, start_sheet
from tests.read_page import read
from tests.test_journal import PORTAL, ask, begin, entry, key_of, told

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>&#60;svg onload=alert(3)></style></title>\u202e\x1b[31m"
STOP = {"committed": False, "answer": "ERROR_LOOP_DETECTED"}
MIXED: dict[str, Any] = {"documents": {"missing": {"deal": [2]}}, "faults": [{"nth": 3, **LOST}, {"nth": 7, **STOP}]}


# ------------------------------------------------------------------------------------------------ what it tells


def test_a_run_with_every_status_is_told_row_by_row(tmp_path):
    scenario = {"documents": {"missing": {"deal": [6]}}, "faults": [{"nth": 3, **LOST}, {"nth": 7, **STOP}]}
    frame = pd.DataFrame({"entityId": [1, 2, 3, 4, "x", 1, 5, 6, 7, 8]}, index=[f"A{n}" for n in range(10)])
    with living(scenario) as portal:
        start(portal, deals(1, 4))
        results = start(portal, frame, skip_invalid=True)
        found = dict(zip(results.index, results["startStatus"], strict=True))
        page = read(past(results, portal).report(tmp_path / "run.html"))
    assert list(found.values()) == [
        *("started", "in_doubt", "started", "already_started", "invalid", "duplicate", "started", "refused", "not_attempted"),
        *("not_attempted",),
    ]
    told_rows = {row[0]: " ".join(row) for row in page.rows if row and row[0] in found}
    for label, status in found.items():
        if status in ("started", "already_started"):
            assert label not in told_rows, "rows that started are counted, not listed"
        else:
            line = results.loc[label]
            assert status.replace("_", " ") in told_rows[label]
            assert line["errorCode"] in told_rows[label]
            assert line["errorMessage"].replace(f"; {SANDBOX_MARK}", "") in told_rows[label]
    for status, count in results["startStatus"].value_counts().items():
        words = {"already_started": "started before", "in_doubt": "in doubt", "not_attempted": "not attempted"}.get(
            status, status
        )
        assert f"{count} {words}" in page.text
    assert "Each row is started at most once, and every doubt is shown." in page.text
    assert f"bulkstart resume {results.attrs['run_id']}" in page.text
    assert f"bulkstart reconcile {results.attrs['run_id']}" in page.text


def test_what_was_run_stands_in_it(tmp_path):
    sheet = tmp_path / "Сделки & co.csv"
    sheet.write_text("ID;Сумма\n1;5\n2;6\n", encoding="utf-8")
    template = {
        **LIVING,
        "parameters": {"note": {"Name": "N", "Type": "string", "Required": "0", "Multiple": "0", "Options": "", "Default": ""}},
    }
    with bulkstart.sandbox({"templates": [template]}) as portal:
        finished = start_sheet(portal, sheet, campaign="autumn <1>", values={"note": "a&b"})
        page = read(bulkstart.Run(finished.run_id, portal=portal).report())
        assert (tmp_path / "Сделки & co.report.html").exists(), "beside its sheet"
    for word in ("Сделки & co.csv", "autumn <1>", "713 Living", "vibecode", "--set note=a&b", "--rate 500", "delimiter ;", "UTC"):
        assert word in page.text, word
    assert "Nothing is left to do" not in page.text, "what was started can be ended"
    assert [row[0] for row in page.rows if row[0] == "started"], "durations"


def test_resume_reconcile_release_undo_and_crash_stand_in_its_history(tmp_path):
    with living(MIXED) as portal:
        results = start(portal)
        run = past(results, portal)
        run.reconcile(settle=0)
        run.resume(release_doubts=True, settle=0)
        run.undo()
        page = read(run.report(tmp_path / "run.html"))
    history = [row[1] for row in page.rows if len(row) == 2 and row[0][:2] == "20"]
    assert history[0].startswith("begun by ")
    for word in (
        "ended with exit code 6; rows were left: ERROR_LOOP_DETECTED",
        "looked up in the portal's running list by ",
        "a row in doubt matched by list, not by answer",
        "taken up again by ",
        "ended with exit code 4",
        "a workflow ended by undo: terminated by ",
    ):
        assert any(word in line for line in history), (word, history)


def test_a_doubt_that_a_person_released_says_who_and_when(tmp_path):
    with living({"faults": [{"nth": 1, **NEVER_RUN}]}) as portal:
        run = past(start(portal, rows=2), portal)
        run.resume(release_doubts=True, settle=0)
        page = read(run.report(tmp_path / "run.html"))
    assert any("a row allowed to go again: released by " in row[-1] for row in page.rows)
    assert "Started, with a remark: 1" in page.text
    assert "an earlier attempt" in page.text


def test_natively_too(tmp_path):
    scenario = {"templates": [LIVING], "documents": {"missing": {"deal": [2]}}}
    with bulkstart.sandbox(scenario, dialect="native") as portal:
        results = start(portal, rows=3)
        page = read(past(results, portal).report(tmp_path / "run.html"))
    assert "native" in page.text
    assert any("refused" in " ".join(row) for row in page.rows)


# ------------------------------------------------------------------------------------------------------- hostile


def test_nothing_from_a_server_or_a_sheet_becomes_markup(tmp_path):
    scenario = {
        "templates": [{**LIVING, "name": EVIL}],
        "faults": [
            {
                "entities": [2],
                "committed": False,
                "answer": {"kind": "error", "code": "BITRIX_ERROR", "message": EVIL, "status": 400},
            },
            {"entities": [3], "committed": False, "answer": {"kind": "error", "code": EVIL, "message": EVIL, "status": 418}},
        ],
    }
    frame = pd.DataFrame({"entityId": [1, 2, 3, EVIL], EVIL: 1}, index=[EVIL, EVIL * 9, 3, EVIL])
    with bulkstart.sandbox(scenario) as portal:
        results = start(portal, frame, skip_invalid=True, campaign=EVIL)
        path = past(results, portal).report(tmp_path / "run.html")
    page = read(path)
    raw = path.read_text(encoding="utf-8")
    assert "alert(1)" in page.text, "it is shown, as text"
    assert "<img" not in raw
    assert "\x1b" not in raw
    assert "\u202e" not in raw
    assert len(page.of("script")) == 1
    assert path.stat().st_size < 100_000


def test_a_portal_with_a_hostile_name_gets_no_link(tmp_path, journal):
    for number, name in enumerate(("javascript:alert(1)", "evil.com/@x", 'a"b.com', "127.0.0.1:99", "acme.bitrix24.ru")):
        request = ask(7)
        with journal.claiming(run := f"run-{number}") as claim:
            claim.open_run(entry(run, 1) | {"portal": name}, [(0, "2", f"key-{number}")], {0: request})
            claim.settle([Outcome(0, Status.REFUSED, "", "X", "no", 1)])
        links = read(bulkstart.Run(run, journal=journal.path).report(tmp_path / f"{number}.html")).of("a")
        assert [one["href"] for one in links] == (["https://acme.bitrix24.ru/crm/deal/details/7/"] if number == 4 else [])


# -------------------------------------------------------------------------------------- whatever became of the run


def test_a_run_that_was_killed_says_so_and_shows_what_was_on_the_wire(desk):
    here = desk({"faults": [{"nth": [3, 4], "committed": True, "answer": "hang"}]})
    process = here.begin(here.sheet(rows=6), "--template", 713, "--yes", *FAST_WORDS, "--canary", "0", "--max-unknown", "2")
    until(lambda: len(here.arrivals()) >= 4, what="two starts that hang")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    (here.folder / "deals.csv").unlink()
    said = here.inside("report", "--json")
    page = read(here.folder / said.json["results"])
    assert said.code == 0
    assert said.json["counts"] == {"started": 2, "in_doubt": 2, "not_attempted": 2}
    assert "the program was killed, or the machine went down" in page.text
    assert sum("CRASHED" in " ".join(row) for row in page.rows) >= 2
    assert f"bulkstart resume {said.json['run']}" in page.text


def test_a_run_that_is_going_on_shows_what_is_still_to_come(tmp_path, journal, other):
    """It lives as long as its process holds its lock, as this one does."""
    begin(journal, "run-1", *(ask(n) for n in range(1, 5)))
    told(journal, "run-1", ask(1), Event.SEND, Event.START, workflow_id="w1")
    journal.record("run-1", [], [Outcome(0, Status.STARTED, "w1", "", "", 1, "2026-01-01T00:00:00+00:00")])
    told(journal, "run-1", ask(2), Event.SEND)
    page = read(bulkstart.Run("run-1", journal=other.path).report(tmp_path / "run.html"))
    assert "going on right now" in page.text
    assert "1 started" in page.text
    assert "3 still to come" in page.text
    assert "Not started" not in page.text
    assert "1 more never got an answer" in page.text
    assert "bulkstart report run-1" in page.text


def test_a_run_that_sent_nothing_has_a_page_too(tmp_path, journal):
    with journal.claiming("run-1") as claim:
        claim.open_run(entry("run-1", 1), [(0, "2", "")])
        claim.settle([Outcome(0, Status.INVALID, "", "type-error", "no id", 0)])
    journal.finish("run-1", 4, [])
    page = read(bulkstart.Run("run-1", journal=journal.path).report(tmp_path / "run.html"))
    assert "No request left in this run." in page.text
    assert "type-error" in page.text


def test_a_large_run_gives_a_page_of_bounded_size_and_says_where_the_rest_is(tmp_path, journal):
    rows = 20_000
    requests = [StartRequest(713, "deal", n + 1, {}) for n in range(rows)]
    keys = [key_of(request) for request in requests]
    with journal.claiming("run-1") as claim:
        claim.open_run(entry("run-1", rows), [(n, str(n + 2), key) for n, key in enumerate(keys)])
        claim.take(PORTAL, "", [(key, request, None) for key, request in zip(keys, requests, strict=True)])
        claim.settle([Outcome(n, Status.REFUSED, "", f"CODE_{n % 90}", "x" * 500, 1) for n in range(rows)])
        now = time.time()
        claim._db.executemany(
            "INSERT INTO events (at, run_id, key, event, note) VALUES (?, 'run-1', ?, ?, '')",
            ((now + n / 9 + late, key, event) for n, key in enumerate(keys) for event, late in (("send", 0.0), ("refuse", 0.3))),
        )
        claim._db.execute("UPDATE starts SET state='refused', error_code='CODE_0', error_message='x'")
    journal.finish("run-1", 4, [])
    began = time.monotonic()
    path = bulkstart.Run("run-1", journal=journal.path).report(tmp_path / "run.html")
    assert time.monotonic() - began < 30
    page = read(path)
    assert path.stat().st_size < 2_000_000
    assert f"{rows:,}" in page.text
    assert "19,000 more rows are left out here" in page.text
    assert "bulkstart.Run('run-1').results" in page.text


# --------------------------------------------------------------------------------------------------- where it goes


@pytest.fixture
def two(journal):
    """Two runs of a journal, the second one the later."""
    for number, run in enumerate(("run-1", "run-2")):
        begin(journal, run, ask(number + 1), at=1000.0 + number)
        told(journal, run, ask(number + 1), Event.SEND, Event.START, workflow_id=f"w{number}")
        journal.finish(run, 0, [Outcome(0, Status.STARTED, f"w{number}", "", "", 1, "2026-01-01T00:00:00+00:00")])
    return journal.path


def test_the_last_run_is_meant_where_none_is_named(two, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["report", "--journal", str(two), "-o", "a.html"]) == 0
    assert capsys.readouterr().out == "report: a.html\n"
    assert "Run run-2" in read(tmp_path / "a.html").text
    assert main(["report", "run-1", "--journal", str(two)]) == 0
    assert "Run run-1" in read(tmp_path / "deals.report.html").text, "its sheet's name"


def test_a_report_of_this_journal_is_replaced_and_nothing_else_is(two, tmp_path):
    def written(run: str, path: Path, journal: Path = two) -> Path:
        return bulkstart.Run(run, journal=journal).report(path)

    page = tmp_path / "a.html"
    assert written("run-1", page) == page
    assert written("run-1", page) == page
    assert written("run-2", page) == page, "the first one can be made again"
    page.write_text(page.read_text().replace("run-2", "run-9"))
    assert written("run-1", page) == tmp_path / "a-2.html", "a run that nobody here knows"
    own = tmp_path / "mine.html"
    own.write_text("<p>mine</p>")
    assert written("run-1", own) == tmp_path / "mine-2.html"
    assert own.read_text() == "<p>mine</p>"
    assert not list(tmp_path.glob(".*.tmp"))


def test_what_cannot_be_written_or_found_is_a_usage_error(two, tmp_path):
    run = bulkstart.Run("run-1", journal=two)
    (tmp_path / "folder.html").mkdir()
    for wrong in (tmp_path / "a.txt", tmp_path / "folder.html", tmp_path / "nowhere" / "a.html", two):
        with pytest.raises(UsageError):
            run.report(wrong)
    with pytest.raises(UsageError, match="run-7"):
        bulkstart.Run("run-7", journal=two).report(tmp_path / "b.html")


@pytest.mark.parametrize("words", [["run-7"], ["-o", "a.xlsx"], ["--journal", "none.sqlite"], ["run-1", "extra"]])
def test_the_command_answers_wrong_words_with_2(two, tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BULKSTART_JOURNAL", str(two))
    assert main(["report", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("bulkstart: ")
    assert not list(tmp_path.glob("*.html"))


def test_a_journal_without_runs_says_so(journal, capsys):
    assert main(["report", "--journal", str(journal.path)]) == 2
    assert "no run" in capsys.readouterr().err


def test_the_report_asks_no_portal_and_needs_no_credentials(two, tmp_path):
    with bulkstart.sandbox() as portal:
        bulkstart.Run("run-1", portal=portal, journal=two).report(tmp_path / "a.html")
        assert portal.ledger() == []

"""Whole runs of the program as its users run it: a process, a sheet, a portal, an exit code, a results file, a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import openpyxl
import pytest

from tests.conftest import FAST_WORDS, MARK, SIX, Desk, interrupt, table, truth, until

SLOW = {"id": 713, "name": "Slow", "documentType": "deal", "run_seconds": 0.5}
GIVEN = {"templates": [{"id": 713, "name": "Send contract", "documentType": "deal", "parameters": MARK}]}


def told(desk: Desk, said: Any, **options: Any):
    """The results file of a run, compared with the whole ledger of the portal."""
    results = desk.results(said)
    assert list(results.columns[-6:]) == SIX
    assert said.json["counts"] == results["startStatus"].value_counts().to_dict()
    assert said.json["rows"] == len(results)
    truth(results, desk.sandbox.ledger(), **options)
    return results


# --------------------------------------------------------------------------------------------------- exit codes

ENDS: dict[str, tuple[dict[str, Any], list[str], int, dict[str, int]]] = {
    "every row started": ({}, [], 0, {"started": 8}),
    "one refused": ({"documents": {"missing": {"deal": [4]}}}, [], 4, {"started": 7, "refused": 1}),
    "one in doubt": ({"faults": [{"nth": 4, "committed": True, "answer": "close"}]}, [], 5, {"started": 7, "in_doubt": 1}),
    "told to stop": (
        {"faults": [{"nth": 4, "committed": False, "answer": "ERROR_LOOP_DETECTED"}]},
        ["--max-unknown", "1"],
        6,
        {"started": 3, "not_attempted": 5},
    ),
    "deadline": ({"templates": [SLOW]}, ["--deadline", "0.3", "--max-unknown", "1"], 6, {"started": 1, "not_attempted": 7}),
    "denied": (
        {"faults": [{"nth": 4, "committed": False, "answer": "SCOPE_DENIED"}]},
        ["--max-unknown", "1"],
        7,
        {"started": 3, "not_attempted": 5},
    ),
    "behind the limit": ({}, ["--limit", "2"], 0, {"started": 2, "not_attempted": 6}),
    "the session expires in mid-run": (
        {"keys": [{"key": "vibe_app_shop_0123456789", "session": "vibe_session_abc", "session_expires_after_starts": 5}]},
        ["--max-unknown", "1"],
        7,
        {"started": 5, "not_attempted": 3},
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_run_ends_with_the_code_of_its_worst_row(name, desk):
    scenario, words, code, counts = ENDS[name]
    here = desk(scenario)
    said = here.start(here.sheet(), *words)
    assert (said.code, said.json["counts"]) == (code, counts), said
    results = told(here, said)
    if name == "the session expires in mid-run":
        assert set(results["errorCode"][5:]) == {"TOKEN_EXPIRED"}
    if name == "behind the limit":
        assert set(results["errorCode"][2:]) == {"LIMIT"}


def test_a_key_that_is_refused_at_once_starts_nothing(desk):
    here = desk({"keys": [{"key": "vibe_api_dead_0123456789", "state": "expired"}]})
    said = here.start(here.sheet())
    assert said.code == 7
    assert not here.arrivals() or not here.commits()
    results = told(here, said)
    assert set(results["startStatus"]) == {"not_attempted"}
    assert set(results["errorCode"]) == {"INVALID_API_KEY"}


def test_a_bad_row_stops_the_run_before_the_first_send_and_skip_invalid_starts_the_good_ones(desk):
    here = desk()
    sheet = here.folder / "deals.csv"
    sheet.write_text("entityId\n1\n5141.5\n2\n2\n", encoding="utf-8")
    stopped = here.start(sheet)
    assert stopped.code == 3
    assert stopped.json["run"] is None
    assert {problem["row"] for problem in stopped.json["problems"]} == {3, 5}
    assert not here.arrivals()
    assert told(here, stopped)["errorCode"].tolist()[0] == "SHEET_HAS_PROBLEMS"
    journal = here.folder / "home" / "journal.sqlite"
    assert not journal.exists() or json.loads(here.cli("runs", "--json").out)["runs"] == []
    skipped = here.again(sheet, "--skip-invalid")
    assert skipped.code == 4
    assert told(here, skipped)["startStatus"].tolist() == ["started", "invalid", "started", "duplicate"]


USAGE: dict[str, list[str]] = {
    "no such sheet": ["nosuch.csv", "--yes"],
    "no such option": ["deals.csv", "--yes", "--no-such-option"],
    "a number that is none": ["deals.csv", "--yes", "--rate", "fast"],
    "output is the input": ["deals.csv", "--yes", "-o", "deals.csv"],
    "output of unknown kind": ["deals.csv", "--yes", "-o", "deals.pdf"],
    "output in no folder": ["deals.csv", "--yes", "-o", "nosuch/deals.csv"],
    "nobody to ask": ["deals.csv"],
    "a batch of starts": ["deals.csv", "--yes", "--batch", "20"],
}


@pytest.mark.parametrize("name", USAGE)
def test_wrong_usage_is_told_in_one_json_object_and_nothing_is_sent(name, desk):
    here = desk()
    before = here.sheet().read_bytes()
    said = here.cli(*USAGE[name], "--json")
    assert said.code == 2, said
    assert said.json["results"] is None
    assert said.json["problems"][0]["message"]
    assert "Traceback" not in said.err
    assert not here.sandbox.ledger()
    assert (here.folder / "deals.csv").read_bytes() == before


def test_without_credentials_the_variables_and_the_sandbox_are_named(desk):
    here = desk()
    here.env = {"BULKSTART_API_KEY": ""}
    said = here.start(here.sheet())
    assert said.code == 2
    assert "BULKSTART_API_KEY" in said.err
    assert "--sandbox" in said.err


@pytest.mark.parametrize("text", ["", "entityId,title\n"], ids=["empty", "header only"])
def test_a_sheet_without_data_rows_cannot_be_started(text, desk):
    here = desk()
    (here.folder / "none.csv").write_text(text, encoding="utf-8")
    said = here.again(here.folder / "none.csv")
    assert said.code == 2
    assert said.json["problems"]


def test_without_json_standard_output_is_the_summary_and_standard_error_the_progress(desk):
    here = desk({"documents": {"missing": {"deal": [2]}}})
    said = here.cli(here.sheet(rows=4), "--template", 713, "--yes", *FAST_WORDS)
    assert said.code == 4
    assert "4 rows: 3 started, 1 refused" in said.out
    assert "deals.results.csv" in said.out
    assert "header in row 1" in said.err
    assert "header in row 1" not in said.out
    assert not re.search(r"\d+%\|", said.err), "no bar without a terminal"


# ---------------------------------------------------------------------------------------------- again and again


def test_a_dry_run_journals_nothing_and_shows_each_request(desk):
    here = desk()
    said = here.start(here.sheet(rows=3), "--dry-run")
    assert said.code == 0
    results = table(here.folder / said.json["results"])
    assert Path(said.json["results"]).name == "deals.planned.csv"
    assert set(results["startStatus"]) == {"planned"}
    bodies = [json.loads(body) for body in results["requestBody"]]
    assert bodies == [{"templateId": 713, "entityType": "deal", "entityId": number} for number in (1, 2, 3)]
    assert not here.arrivals()
    assert not (here.folder / "home" / "journal.sqlite").exists()


def test_the_same_sheet_again_its_results_and_its_rows_in_another_order_start_nothing_twice(desk):
    here = desk({"documents": {"missing": {"deal": [4]}}, "faults": [{"entities": [6], "committed": True, "answer": "close"}]})
    sheet = here.sheet()
    first = here.start(sheet)
    before = told(here, first)
    assert first.json["counts"] == {"started": 6, "refused": 1, "in_doubt": 1}
    assert first.code == 5

    again = here.again(sheet)
    after = told(here, again, arrivals=False)
    assert again.json["counts"] == {"already_started": 6, "refused": 1, "in_doubt": 1}
    assert after["workflowId"].tolist() == before["workflowId"].tolist()
    assert after["startedAt"].tolist() == before["startedAt"].tolist()

    fed = here.again(here.folder / first.json["results"])
    assert Path(fed.json["results"]).name == "deals.results-2.csv"
    assert told(here, fed, arrivals=False)["workflowId"].tolist() == before["workflowId"].tolist()

    lines = sheet.read_text(encoding="utf-8").splitlines()
    (here.folder / "sorted.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n", encoding="utf-8")
    turned = here.again(here.folder / "sorted.csv")
    assert told(here, turned, arrivals=False)["workflowId"].tolist() == before["workflowId"].tolist()[::-1]
    assert len(here.commits()) == 7
    assert len(here.arrivals()) == 8 + 3, "only the refused row was tried again, once in each run"


def test_a_results_file_alone_keeps_what_it_says_where_the_journal_is_lost(desk):
    here = desk({"documents": {"missing": {"deal": [4]}}, "faults": [{"entities": [6], "committed": True, "answer": "close"}]})
    first = here.start(here.sheet(rows=6))
    second = here.again(here.folder / first.json["results"], "--journal", here.folder / "other.sqlite")
    assert second.json["counts"] == {"already_started": 4, "refused": 1, "in_doubt": 1}
    told(here, second, arrivals=False)
    assert len(here.commits()) == 5


def test_a_campaign_starts_again_on_purpose_and_only_once(desk):
    here = desk()
    sheet = here.sheet(rows=3)
    first = told(here, here.start(sheet))
    earlier = here.sandbox.ledger()
    round_two = here.again(sheet, "--campaign", "autumn")
    results = here.results(round_two)
    truth(results, here.sandbox.ledger()[len(earlier) :], earlier=earlier, rounds=2)
    assert set(results["startStatus"]) == {"started"}
    assert not set(results["workflowId"]) & set(first["workflowId"])
    third = here.again(sheet, "--campaign", "autumn")
    assert third.json["counts"] == {"already_started": 3}
    assert len(here.commits()) == 6


def test_changed_parameters_are_a_problem_until_they_are_allowed(desk):
    here = desk(GIVEN)
    sheet = here.sheet(rows=2)
    assert here.start(sheet, "--set", "mark=one").code == 0
    changed = here.again(sheet, "--set", "mark=two")
    assert changed.code == 3
    assert {problem["code"] for problem in changed.json["problems"]} == {"changed-parameters"}
    assert len(here.commits()) == 2
    allowed = here.again(sheet, "--set", "mark=two", "--allow-changed")
    assert allowed.json["counts"] == {"started": 2}
    assert len(here.commits()) == 4


def test_two_processes_on_one_sheet_start_each_row_once(desk):
    here = desk({"templates": [{**SLOW, "run_seconds": 0.2}]})
    sheet = here.sheet(rows=12)
    words = [sheet, "--template", 713, "--yes", "--json", *FAST_WORDS]
    pair = [here.begin(*words, "-o", f"{name}.results.csv") for name in "ab"]
    both = [here.end(process) for process in pair]
    assert sorted(said.code for said in both) in ([0, 6], [0, 0]), both
    tables = [here.results(said) for said in both]
    statuses = [tuple(pair) for pair in zip(tables[0]["startStatus"], tables[1]["startStatus"], strict=True)]
    for status in statuses:
        assert sorted(status) in (["not_attempted", "started"], ["already_started", "started"]), statuses
    for results in tables:
        waiting = results[results["startStatus"] == "not_attempted"]
        assert set(waiting["errorCode"]) <= {"CLAIMED_BY_RUN"}
    assert len(here.commits()) == 12
    last = here.again(sheet)
    assert last.json["counts"] == {"already_started": 12}
    told(here, last, arrivals=False)


# -------------------------------------------------------------------------------------------------- interrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_one_interrupt_lets_the_wire_finish(number, desk):
    here = desk({"templates": [SLOW]})
    sheet = here.sheet(rows=30)
    process = here.begin(sheet, "--template", 713, "--yes", "--json", *FAST_WORDS, "--canary", "0")
    until(lambda: len(here.arrivals()) >= 4, what="four starts on the wire")
    os.kill(process.pid, number)
    said = here.end(process)
    assert said.code == 130
    results = told(here, said)
    assert set(results["startStatus"]) == {"started", "not_attempted"}
    assert set(results["errorCode"]) == {"", "INTERRUPTED"}
    if number == signal.SIGINT:
        later = here.again(sheet, "--max-unknown", "30")
        assert later.code == 0
        assert len(here.commits()) == 30
        told(here, later, arrivals=False)


def test_two_interrupts_abandon_the_wire(desk):
    here = desk({"faults": [{"nth": [3, 4, 5, 6, 7, 8], "committed": True, "answer": "hang"}]})
    process = here.begin(here.sheet(), "--template", 713, "--yes", "--json", *FAST_WORDS, "--canary", "0", "--max-unknown", "3")
    until(lambda: len(here.arrivals()) >= 5, what="three starts that hang")
    interrupt(process)
    threading.Event().wait(0.7)  # the system merges two signals that come before the first is heard
    assert process.poll() is None, "once: those on the wire are waited for"
    interrupt(process)
    said = here.end(process)
    assert said.code == 130
    results = told(here, said)
    assert results["startStatus"].tolist() == ["started"] * 2 + ["in_doubt"] * 3 + ["not_attempted"] * 3
    assert set(results["errorCode"][2:5]) == {"ABANDONED"}


@pytest.mark.parametrize(
    "silent", [{"me": {"answer": "hang"}}, {"faults": [{"on": "templates", "answer": "hang"}]}], ids=["me", "templates"]
)
def test_an_interrupt_ends_a_program_that_waits_for_a_silent_portal(silent, desk):
    here = desk(silent)
    process = here.begin(here.sheet(), "--template", 713, "--yes", "--json", *FAST_WORDS)
    asked = "me" if "me" in silent else "templates"
    until(lambda: any(line["on"] == asked for line in here.sandbox.ledger()), what="the question")
    interrupt(process)
    until(lambda: process.poll() is not None, 5, "the end after Ctrl-C")
    said = here.end(process)
    assert said.code == 130
    assert not here.arrivals()


# ------------------------------------------------------------------------------------------------------- files


def test_a_workbook_becomes_a_workbook_and_its_input_stays_as_it_was(desk):
    here = desk()
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in [["ID", "Title"], [1, "one"], [2, "two"]]:
        book.active.append(row)
    sheet = here.folder / "deals.xlsx"
    book.save(sheet)
    before = sheet.read_bytes()
    said = here.start(sheet)
    assert said.code == 0
    assert Path(said.json["results"]).name == "deals.results.xlsx"
    results = table(here.folder / "deals.results.xlsx").rename(columns={"ID": "entityId"})
    truth(results, here.sandbox.ledger())
    assert openpyxl.load_workbook(here.folder / "deals.results.xlsx").sheetnames == ["Sheet", "Failed rows"]
    assert sheet.read_bytes() == before
    fed = here.again(here.folder / "deals.results.xlsx")
    assert Path(fed.json["results"]).name == "deals.results-2.xlsx"
    assert fed.json["counts"] == {"already_started": 2}


def test_a_results_file_of_other_ids_is_kept_and_the_next_number_taken(desk):
    here = desk()
    sheet = here.sheet(rows=2)
    first = here.start(sheet)
    same = here.again(sheet)
    assert Path(same.json["results"]).name == "deals.results.csv", "all its ids are known: it may be replaced"
    kept = (here.folder / first.json["results"]).read_bytes()
    other = here.again(sheet, "--journal", here.folder / "other.sqlite", "--campaign", "b")
    assert Path(other.json["results"]).name == "deals.results-2.csv"
    assert (here.folder / "deals.results.csv").read_bytes() == kept
    (here.folder / "mine.csv").write_text("my own notes\n1\n", encoding="utf-8")
    named = here.again(sheet, "-o", here.folder / "mine.csv")
    assert Path(named.json["results"]).name == "mine-2.csv"
    assert (here.folder / "mine.csv").read_text(encoding="utf-8") == "my own notes\n1\n"


@pytest.mark.parametrize("encoding", ["cp1251", "utf-8", "utf-8-sig", "utf-16"])
def test_results_keep_the_encoding_and_the_delimiter_of_their_sheet(encoding, desk):
    here = desk()
    sheet = here.folder / "сделки.csv"
    sheet.write_bytes("ID;Название сделки\r\n5001;Поставка мебели\r\n5002;Договор услуг\r\n".encode(encoding))
    said = here.again(sheet) if encoding.startswith("utf") else here.start(sheet)
    assert said.code == 0, said
    lines = (here.folder / said.json["results"]).read_bytes().decode(encoding).lstrip("\ufeff").splitlines()
    assert lines[0] == "ID;Название сделки;" + ";".join(SIX)
    assert lines[1].startswith("5001;Поставка мебели;started;")
    assert sorted(line["entityId"] for line in here.commits()) == [5001, 5002]


# ---------------------------------------------------------------------------------------------------- terminal


class Terminal:
    """The program on a terminal of its own: standard input and error are the terminal, standard output is a pipe."""

    def __init__(self, desk: Desk, *words: object) -> None:
        self._own, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self._desk, self.shown = desk, ""
        self.process = desk.begin(*words, stdin=theirs, stderr=theirs)
        os.close(theirs)

    def read(self, pattern: str, seconds: float = 60.0) -> str:
        """Everything shown so far, once ``pattern`` is in it."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.shown):
            assert time.monotonic() < end, f"{pattern!r} was never shown; this was:\n{self.shown}"
            if not self._more(0.1) and self.process.poll() is not None and not self._more(0.1):
                assert re.search(pattern, self.shown), f"it ended without {pattern!r}:\n{self.shown}"
        return self.shown

    def _more(self, seconds: float) -> bool:
        if not select.select([self._own], [], [], seconds)[0]:
            return False
        try:
            piece = os.read(self._own, 65536)
        except OSError:  # the other side is closed: the program has ended
            return False
        self.shown += piece.decode("utf-8", "replace")
        return bool(piece)

    def type(self, text: str) -> None:
        os.write(self._own, text.encode())

    def end(self) -> tuple[int, str]:
        """Exit code and standard output."""
        drain = threading.Thread(target=self._drain)
        drain.start()
        try:
            out, _ = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            drain.join(5)
            os.close(self._own)
        return self.process.returncode, out

    def _drain(self) -> None:
        while self._more(0.3) or self.process.poll() is None:
            continue


def test_a_no_sends_nothing_and_the_question_tells_what_would_be_done(desk):
    here = desk(GIVEN)
    screen = Terminal(here, here.sheet(), "--template", 713, *FAST_WORDS)
    shown = screen.read(r"\[y/N\]")
    assert "8 workflows would be started" in shown
    assert f"127.0.0.1:{here.sandbox.port}" in shown
    assert "713" in shown
    assert "Send contract" in shown
    assert re.search(r"about|a few seconds|less than|\d+ (s|min)", shown), "how long it will take"
    screen.type("n\n")
    code, out = screen.end()
    assert code == 6
    assert "8 not attempted" in out
    assert not here.arrivals()


def test_two_yes_start_every_row_and_a_bar_is_shown_on_a_terminal_only(desk):
    here = desk()
    screen = Terminal(here, here.sheet(), "--template", 713, *FAST_WORDS)
    screen.read(r"\[y/N\]")
    screen.type("y\n")
    shown = screen.read(r"Go on\? \[y/N\]")
    assert shown.count("started 6") == 3, "the canary's rows and their ids"
    assert "5 workflows left" in shown
    assert len(here.commits()) == 3
    screen.type("да\n")
    code, out = screen.end()
    assert code == 0, screen.shown
    assert "8 started" in out
    assert re.search(r"\d+%\|", screen.shown), "a bar"
    assert not re.search(r"\d+%\|", out)
    assert len(here.commits()) == 8


def test_a_no_after_the_canary_stops_there_and_can_be_gone_on_with(desk):
    here = desk()
    sheet = here.sheet()
    screen = Terminal(here, sheet, "--template", 713, *FAST_WORDS)
    screen.read(r"\[y/N\]")
    screen.type("y\n")
    screen.read(r"Go on\? \[y/N\]")
    screen.type("\n")
    code, out = screen.end()
    assert code == 6
    assert "3 started" in out
    assert "5 not attempted" in out
    assert len(here.commits()) == 3
    rest = here.again(sheet)
    assert rest.json["counts"] == {"started": 5, "already_started": 3}
    told(here, rest, arrivals=False)


def test_an_interrupt_at_the_question_sends_nothing(desk):
    here = desk()
    screen = Terminal(here, here.sheet(), "--template", 713, *FAST_WORDS)
    screen.read(r"\[y/N\]")
    interrupt(screen.process)
    code, _ = screen.end()
    assert code == 130
    assert not here.arrivals()


def expiring(desk: Any) -> Any:
    key = {"key": "vibe_app_shop_0123456789", "session": "vibe_session_abc", "session_expires_after_starts": 5, "renewable": True}
    return desk({"keys": [key]})


def fresh_session(here: Desk) -> str:
    """Sign in again, as a person does in a browser."""
    asked = f"?app_key=vibe_app_shop_0123456789&state={'s' * 20}"
    with urlopen(f"{here.sandbox.url}/oauth/authorize{asked}"), urlopen(f"{here.sandbox.url}/oauth/poll{asked}") as answer:
        return str(json.load(answer)["access_token"])


def test_a_session_that_expires_in_mid_run_is_asked_for_on_a_terminal_and_never_shown(desk):
    here = expiring(desk)
    screen = Terminal(here, here.sheet(), "--template", 713, "--yes", "--max-unknown", 2, *FAST_WORDS)
    screen.read("paste the new session")
    session = fresh_session(here)
    screen.type(f"{session}\n")
    code, out = screen.end()
    assert code == 0, screen.shown
    assert "8 started" in out
    assert session not in screen.shown + out
    assert len(here.commits()) == 8


def test_nothing_at_the_question_for_a_session_stops_the_run_and_resume_goes_on(desk):
    here = expiring(desk)
    screen = Terminal(here, here.sheet(), "--template", 713, "--yes", "--max-unknown", 2, *FAST_WORDS)
    screen.read("paste the new session")
    screen.type("\n")
    code, out = screen.end()
    assert code == 7, screen.shown
    assert "bulkstart resume" in out
    assert len(here.commits()) == 5
    here.env["BULKSTART_SESSION_TOKEN"] = fresh_session(here)
    went_on = here.cli("resume", "--yes", "--json")
    assert (went_on.code, went_on.json["counts"]) == (0, {"started": 8})
    truth(here.results(went_on), here.sandbox.ledger(), arrivals=False)

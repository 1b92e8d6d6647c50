"""resume, reconcile and undo as commands: words, files, questions, exit codes; and what a run offers when it ends."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FAST_WORDS, SIX, Desk, Said, interrupt, table, truth, until
from tests.past import GONE, LIVING, LOST, NEVER_RUN
from tests.test_cli import called
from tests.test_flow import Terminal

STOP = {"committed": False, "answer": "ERROR_LOOP_DETECTED"}
STOPS: dict[str, Any] = {"templates": [LIVING], "faults": [{"nth": 3, **STOP}]}
"""Of the sheet's eight rows two start, then the run is told to stop."""
DOUBTS: dict[str, Any] = {"templates": [LIVING], "faults": [{"nth": 2, **LOST}]}
NO_HALTS = ["--halt-doubts", 0, "--halt-same", 0, "--halt-percent", 0]
ONE = ["--max-unknown", 1, "--canary", 0]


def say(here: Desk, *words: object) -> Said:
    """The program in this process."""
    code, out, err = called(here, *words)
    return Said(code, out, err)


def begin(here: Desk, sheet: Path, *words: object) -> Said:
    """The main job, one row after the other."""
    return here.again(sheet, *ONE, *words)


def resume(here: Desk, *words: object) -> Said:
    return say(here, "resume", "--yes", "--json", *words)


def ids(here: Desk) -> dict[int, str]:
    """What was truly started: entity → workflow id."""
    return {line["entityId"]: line["workflowId"] for line in here.commits()}


def ended(here: Desk) -> list[str]:
    """The workflows that were ended by request."""
    lines = [line for line in here.sandbox.ledger() if line["on"] == "delete" and line["kind"] == "arrival"]
    return [line["path"].partition("?")[0].rsplit("/", 1)[-1] for line in lines]


# --------------------------------------------------------------------------------------------------------- resume


def test_a_killed_run_goes_on_under_its_own_id_and_its_doubts_are_settled_by_the_list(desk):
    here = desk({"templates": [{**LIVING, "run_seconds": 0.15}]})
    sheet = here.sheet(rows=12)
    process = here.begin(sheet, "--template", 713, "--yes", "--json", *FAST_WORDS, "--canary", 0, "--max-unknown", 3)
    until(lambda: len(here.commits()) >= 3 and len(here.arrivals()) >= 5, what="some starts")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    (run,) = json.loads(say(here, "runs", "--json").out)["runs"]
    assert run["exit_code"] is None

    said = resume(here, *NO_HALTS)
    assert said.json["run"] == run["run"]
    assert Path(said.json["results"]) == here.folder / "deals.results.csv"
    results = here.results(said)
    truth(results, here.sandbox.ledger())
    in_doubt = results[results["startStatus"] == "in_doubt"]
    assert 1 <= len(in_doubt) <= 3
    assert set(in_doubt["errorCode"]) == {"CRASHED"}
    assert set(results["startStatus"]) == {"started", "in_doubt"}
    assert said.code == 5

    settled = say(here, "reconcile", "--settle", 0, "--json")
    assert (settled.code, settled.json["run"], settled.json["counts"]) == (0, run["run"], {"started": 12})
    told = here.results(settled)
    truth(told, here.sandbox.ledger())
    found = told[told["entityId"].isin(in_doubt["entityId"])]
    assert set(found["errorMessage"]) == {"matched by list, not by answer"}
    assert len(here.arrivals()) == 12, "each row once, over crash, resume and reconcile"


def test_results_go_where_the_run_s_results_went(desk):
    here = desk(STOPS)
    first = begin(here, here.sheet(), "-o", "mine.csv")
    assert (first.code, first.json["counts"]) == (6, {"started": 2, "not_attempted": 6})
    before = here.results(first)
    said = resume(here)
    assert (said.code, said.json["run"]) == (0, first.json["run"])
    assert Path(said.json["results"]).name == "mine.csv"
    assert sorted(path.name for path in here.folder.glob("*.csv")) == ["deals.csv", "mine.csv"]
    results = here.results(said)
    assert list(results.columns) == ["entityId", "title", *SIX]
    truth(results, here.sandbox.ledger())
    assert list(results["workflowId"][:2]) == list(before["workflowId"][:2])
    assert list(results["attempts"]) == ["1", "1", "2", "1", "1", "1", "1", "1"]


def test_a_run_is_named_by_its_id_or_is_the_last_that_has_rows_left(desk):
    here = desk(STOPS)
    first = begin(here, here.sheet("a.csv"))
    later = begin(here, here.sheet("b.csv", first=50, rows=2))
    assert (first.code, later.code) == (6, 0)
    named = resume(here, later.json["run"])
    assert (named.code, named.json["run"], named.json["counts"]) == (0, later.json["run"], {"started": 2})
    assert resume(here).json["run"] == first.json["run"]
    assert len(here.arrivals()) == 3 + 2 + 6


def test_a_sheet_that_is_gone_is_told_and_gone_on_with(desk):
    here = desk(STOPS)
    sheet = here.sheet()
    begin(here, sheet)
    sheet.unlink()
    said = resume(here)
    assert (said.code, said.json["counts"]) == (0, {"started": 8})
    assert "is gone" in said.err
    assert Path(said.json["results"]).name == "deals.results-2.csv", "the first one has columns that the journal does not know"
    truth(here.results(said), here.sandbox.ledger())


DIFFERENT = {
    "--template": 714,
    "--entity-type": "lead",
    "--map": "entityId=B",
    "--set": "mark=x",
    "--header-row": 2,
    "--campaign": "other",
    "--date-format": "%m/%d/%Y",
    "--decimal": ",",
}
OWN: dict[str, object] = {
    "--template": 713,
    "--entity-type": "deal",
    "--map": "entityId=entityId",
    "--set": "mark=a",
    "--tab": "1",
    "--header-row": 1,
    "--campaign": "mine",
    "--date-format": "%d.%m.%Y",
    "--decimal": ".",
}


def test_another_meaning_of_its_rows_is_exit_2_and_the_same_one_is_fine(desk):
    mark = {"mark": {"Name": "M", "Type": "string", "Required": "0", "Multiple": "0", "Options": "", "Default": ""}}
    here = desk({**STOPS, "templates": [{**LIVING, "parameters": mark}]})
    same = [word for pair in OWN.items() for word in pair if pair[0] != "--template"]
    first = begin(here, here.sheet(), *same)
    assert first.code == 6, first
    for option, value in DIFFERENT.items():
        said = resume(here, option, value)
        assert said.code == 2, option
        assert said.json["problems"][0]["message"].startswith(option), said
    assert resume(here, "--tab", 2).code == resume(here, "--visible-only").code == 2
    assert len(here.arrivals()) == 3
    said = resume(here, *same, "--template", 713)
    assert (said.code, said.json["counts"]) == (0, {"started": 8})


def test_nobody_to_ask_and_no_word_given_is_exit_2_and_nothing_is_sent(desk):
    here = desk(STOPS)
    run = begin(here, here.sheet()).json["run"]
    for words in (["resume"], ["resume", "--release-doubts"], ["undo", run]):
        said = say(here, *words, "--json")
        assert said.code == 2, words
        assert "--yes" in said.json["problems"][0]["message"]
    assert len(here.arrivals()) == 3
    assert ended(here) == []


@pytest.mark.parametrize(
    "words",
    [
        ["resume", "20200101-000000-abcd", "--yes"],
        ["reconcile", "20200101-000000-abcd"],
        ["undo", "20200101-000000-abcd", "--yes"],
        ["undo", "--yes"],
        ["resume", "--yes", "--journal", "none.sqlite"],
        ["reconcile", "--journal", "none.sqlite"],
        ["reconcile", "--settle", "-1"],
        ["resume", "--yes", "--limit", "0"],
    ],
    ids=" ".join,
)
def test_a_run_that_cannot_be_meant_is_wrong_usage(words, desk):
    here = desk(STOPS)
    begin(here, here.sheet())
    said = say(here, *words, "--json")
    assert said.code == 2, said
    assert said.json["problems"][0]["message"]
    assert "Traceback" not in said.err
    assert not (here.folder / "none.sqlite").exists()
    assert len(here.arrivals()) == 3


def test_a_results_file_that_cannot_be_is_told_before_anything_is_done(desk):
    here = desk(STOPS)
    begin(here, here.sheet())
    asked = len(here.sandbox.ledger())
    for goal in ("nosuch/deals.csv", "deals.pdf", "deals.csv", "."):
        for words in (["resume", "--yes"], ["reconcile"]):
            said = say(here, *words, "--json", "-o", goal)
            assert said.code == 2, said
    assert len(here.sandbox.ledger()) == asked, "nothing was even asked"


def test_a_run_of_another_portal_is_exit_2(desk):
    one, other = desk(STOPS), desk({"templates": [LIVING]}, folder="other")
    run = begin(one, one.sheet()).json["run"]
    other.env["BULKSTART_JOURNAL"] = one.settings()["BULKSTART_JOURNAL"]
    for words in (["resume", run, "--yes"], ["reconcile", run], ["undo", run, "--yes"]):
        said = say(other, *words, "--json")
        assert said.code == 2, words
        assert f"127.0.0.1:{one.sandbox.port}" in said.json["problems"][0]["message"]
    assert say(other, "resume", "--yes", "--json").code == 2, "no run of this portal stands in the journal"
    assert not other.arrivals()
    assert ended(other) == []


def test_a_run_that_another_process_is_at_is_left_to_it(desk):
    here = desk({"templates": [{**LIVING, "run_seconds": 0.35}]})
    sheet = here.sheet(rows=6)
    process = here.begin(sheet, "--template", 713, "--yes", "--json", *FAST_WORDS, *ONE)
    until(lambda: len(here.commits()) >= 1, what="the first start")
    (run,) = json.loads(say(here, "runs", "--json").out)["runs"]
    assert run["live"]
    said = resume(here, run["run"])
    assert process.poll() is None, "it is still at it"
    assert said.code == 6
    results = here.results(said)
    assert "not_attempted" in set(results["startStatus"]) <= {"started", "not_attempted"}
    assert "CLAIMED_BY_RUN" in set(results["errorCode"]) <= {"", "CLAIMED_BY_RUN"}
    for words in (["reconcile", run["run"]], ["undo", run["run"], "--yes"]):
        assert say(here, *words, "--json").code == 2
    first = here.end(process)
    assert (first.code, first.json["counts"]) == (0, {"started": 6})
    assert len(here.arrivals()) == 6
    truth(here.results(first), here.sandbox.ledger())


@pytest.mark.parametrize(
    ("scenario", "code", "counts"),
    [
        ({}, 0, {"started": 4}),
        ({"documents": {"missing": {"deal": [2]}}}, 4, {"started": 3, "refused": 1}),
        ({"faults": [{"nth": 2, **LOST}]}, 5, {"started": 3, "in_doubt": 1}),
    ],
    ids=["done", "refused", "in doubt"],
)
def test_with_nothing_left_the_code_is_that_of_the_rows_and_they_are_told_once_more(scenario, code, counts, desk):
    here = desk(scenario)
    first = begin(here, here.sheet(rows=4))
    Path(first.json["results"]).unlink()
    said = resume(here)
    assert (said.code, said.json["counts"], said.json["run"]) == (code, counts, first.json["run"])
    truth(here.results(said), here.sandbox.ledger())
    assert len(here.arrivals()) == 4


def test_a_yes_answers_the_question_about_doubts_too_and_the_settle_time_is_kept(desk):
    here = desk(DOUBTS)
    begin(here, here.sheet(rows=3))
    kept = resume(here, "--release-doubts")
    assert (kept.code, kept.json["counts"]) == (5, {"started": 2, "in_doubt": 1})
    assert len(here.arrivals()) == 3
    assert "settle time ends in" in here.results(kept)["errorMessage"][1]
    sent = resume(here, "--release-doubts", "--settle", 0)
    assert (sent.code, sent.json["counts"]) == (0, {"started": 3})
    assert len(here.arrivals()) == 4
    assert "an earlier attempt stayed in doubt" in here.results(sent)["errorMessage"][1]


def test_a_sandbox_of_its_own_knows_no_past_run(desk):
    here = desk(STOPS)
    begin(here, here.sheet())
    said = say(here, "resume", "--sandbox", "--json")
    assert said.code == 2
    assert len(here.arrivals()) == 3


# ------------------------------------------------------------------------------------------------ at the end of a run


def test_reconcile_at_the_end_is_done_where_the_options_say_so(desk):
    here = desk(DOUBTS)
    said = begin(here, here.sheet(rows=3), "--reconcile", "--settle", 0)
    assert (said.code, said.json["counts"]) == (0, {"started": 3})
    results = here.results(said)
    truth(results, here.sandbox.ledger())
    assert results["errorMessage"][1] == "matched by list, not by answer"
    assert [path.name for path in here.folder.glob("*.results*")] == ["deals.results.csv"], "written twice, to one file"


@pytest.mark.parametrize("words", [["--no-reconcile"], []], ids=["told not to", "told nothing, and nobody to ask"])
def test_reconcile_at_the_end_is_not_done_and_its_command_is_printed(words, desk):
    here = desk(DOUBTS)
    said = say(here, here.sheet(rows=3), "--template", 713, "--yes", *FAST_WORDS, *ONE, *words, "--settle", 0)
    assert said.code == 5
    assert sum(line["on"] == "list" for line in here.sandbox.ledger() if line["kind"] == "arrival") == 1, "the baseline alone"
    (run,) = json.loads(say(here, "runs", "--json").out)["runs"]
    assert re.search(rf"^next: .*\breconcile {run['run']}$", said.out, re.MULTILINE), said.out


def test_a_run_that_goes_on_settles_its_doubts_at_the_end_too(desk):
    here = desk({"templates": [LIVING], "faults": [{"nth": 2, **LOST}, {"nth": 4, **STOP}, {"nth": 5, **LOST}]})
    assert begin(here, here.sheet(rows=5)).code == 6
    said = resume(here, "--reconcile", "--settle", 0)
    assert (said.code, said.json["counts"]) == (0, {"started": 5})
    truth(here.results(said), here.sandbox.ledger())


def test_after_a_look_the_next_command_is_not_to_look_again(desk):
    here = desk({"templates": [GONE], "faults": [{"nth": 2, **LOST}]})
    said = say(here, here.sheet(rows=3), "--template", 713, "--yes", *FAST_WORDS, *ONE, "--reconcile", "--settle", 0)
    assert said.code == 5
    assert "may have run and finished" in said.out
    assert re.search(r"^next: look at the rows in doubt.* resume \S+ --release-doubts$", said.out, re.MULTILINE), said.out
    by_hand = say(here, "reconcile", "--settle", 0)
    assert by_hand.code == 5
    assert re.search(r"^next: look at the rows in doubt.* resume \S+ --release-doubts$", by_hand.out, re.MULTILINE), by_hand.out


def test_the_next_command_of_a_run_that_stopped_is_to_go_on_with_it_and_it_works(desk):
    here = desk(STOPS)
    journal = here.folder / "my own.sqlite"
    words = ["--template", 713, "--yes", *FAST_WORDS, *ONE, "--journal", journal]
    said = say(here, here.sheet(), *words)
    assert said.code == 6
    (run,) = json.loads(say(here, "runs", "--json", "--journal", journal).out)["runs"]
    assert re.search(rf"^next: .*\bresume {run['run']} --journal '{re.escape(str(journal))}'$", said.out, re.MULTILINE), said.out
    assert say(here, "resume", run["run"], "--journal", journal, "--yes").code == 0
    assert len(ids(here)) == 8


# ------------------------------------------------------------------------------------------------------ on a terminal


def test_results_are_written_before_the_person_is_asked_about_doubts(desk):
    here = desk(DOUBTS)
    screen = Terminal(here, here.sheet(rows=3), "--template", 713, *FAST_WORDS, *ONE, "--settle", 0)
    screen.read(r"\[y/N\]")
    screen.type("y\n")
    screen.read(r"1 row in doubt\. Look them up .*\[y/N\]")
    before = table(here.folder / "deals.results.csv")
    assert list(before["startStatus"]) == ["started", "in_doubt", "started"]
    truth(before, here.sandbox.ledger())
    screen.type("y\n")
    code, out = screen.end()
    assert code == 0, screen.shown
    assert "3 started" in out
    after = table(here.folder / "deals.results.csv")
    assert list(after["startStatus"]) == ["started"] * 3
    assert after["errorMessage"][1] == "matched by list, not by answer"
    truth(after, here.sandbox.ledger())


def test_a_no_to_the_look_leaves_the_doubts_and_prints_the_command(desk):
    here = desk(DOUBTS)
    screen = Terminal(here, here.sheet(rows=3), "--template", 713, *FAST_WORDS, *ONE)
    screen.read(r"\[y/N\]")
    screen.type("y\n")
    screen.read(r"Look them up")
    screen.type("n\n")
    code, out = screen.end()
    assert code == 5
    assert re.search(r"^next: .* reconcile ", out, re.MULTILINE)
    assert list(table(here.folder / "deals.results.csv")["startStatus"]) == ["started", "in_doubt", "started"]


def test_an_interrupt_at_the_question_about_doubts_ends_the_program_with_its_results_told(desk):
    here = desk(DOUBTS)
    screen = Terminal(here, here.sheet(rows=3), "--template", 713, *FAST_WORDS, *ONE)
    screen.read(r"\[y/N\]")
    screen.type("y\n")
    screen.read(r"Look them up")
    interrupt(screen.process)
    code, out = screen.end()
    assert code in (5, 130)
    assert "1 in doubt" in out
    assert list(table(here.folder / "deals.results.csv")["startStatus"]) == ["started", "in_doubt", "started"]


def test_doubts_have_a_question_of_their_own_and_a_no_sends_nothing(desk):
    here = desk(DOUBTS)
    first = begin(here, here.sheet(rows=3))
    screen = Terminal(here, "resume", "--release-doubts", "--settle", 0, "--no-reconcile")
    shown = screen.read(r"Send them again\? \[y/N\]")
    assert first.json["run"] in shown
    assert "deal 2" in shown
    screen.type("n\n")
    code, out = screen.end()
    assert code == 6, screen.shown
    assert "1 in doubt" in out
    assert len(here.arrivals()) == 3
    assert list(table(here.folder / "deals.results.csv")["startStatus"]) == ["started", "in_doubt", "started"]


def test_undo_counts_first_and_a_no_ends_nothing(desk):
    here = desk({"templates": [LIVING]})
    run = begin(here, here.sheet(rows=4)).json["run"]
    screen = Terminal(here, "undo", run)
    shown = screen.read(r"\[y/N\]")
    assert "started 4 workflows" in shown
    assert "4 of them still run" in shown
    screen.type("n\n")
    code, out = screen.end()
    assert code == 6
    assert ended(here) == []
    assert "not confirmed" in out
    assert "run the sheet again" not in out


# ----------------------------------------------------------------------------------------------------------- reconcile


def test_reconcile_takes_the_last_run_that_has_doubts_and_rewrites_its_results(desk):
    here = desk(DOUBTS)
    first = begin(here, here.sheet("a.csv", rows=3), "-o", "mine.csv")
    begin(here, here.sheet("b.csv", first=50, rows=2))
    said = say(here, "reconcile", "--settle", 0, "--json")
    assert (said.code, said.json["run"], said.json["counts"]) == (0, first.json["run"], {"started": 3})
    assert Path(said.json["results"]).name == "mine.csv"
    results = here.results(said)
    assert results["workflowId"][1] == ids(here)[2]
    truth(results, [line for line in here.sandbox.ledger() if line.get("entityId", 0) < 50])
    assert len(here.arrivals()) == 5


def test_a_hundred_lost_answers_as_a_person_meets_them(desk):
    here = desk({"templates": [LIVING], "faults": [{"committed": True, "answer": "reset_after_reading"}]})
    first = here.again(here.sheet(rows=100), "--canary", 0, *NO_HALTS)
    assert (first.code, first.json["counts"]) == (5, {"in_doubt": 100})
    said = say(here, "reconcile", "--settle", 0, "--json")
    assert (said.code, said.json["counts"]) == (0, {"started": 100})
    results = here.results(said)
    assert [int(number) for number in results["entityId"]] == list(range(1, 101))
    true = ids(here)
    assert list(results["workflowId"]) == [true[number] for number in range(1, 101)]
    assert set(results["errorMessage"]) == {"matched by list, not by answer"}


def test_what_the_list_cannot_settle_is_exit_5_and_says_where_to_look(desk):
    here = desk({"templates": [GONE], "faults": [{"nth": 1, **LOST}, {"nth": 2, **NEVER_RUN}]})
    begin(here, here.sheet(rows=3))
    said = say(here, "reconcile", "--settle", 0, "--json")
    assert (said.code, said.json["counts"]) == (5, {"started": 1, "in_doubt": 2})
    messages = here.results(said)["errorMessage"]
    assert "open deal 1 and look" in messages[0]
    assert "open deal 2 and look" in messages[1]


def test_a_list_that_is_denied_is_exit_7_and_changes_nothing(desk):
    here = desk({**DOUBTS, "faults": [{"on": "list", "nth": [2, 3, 4], "answer": "SCOPE_DENIED"}, *DOUBTS["faults"]]})
    begin(here, here.sheet(rows=3))
    said = say(here, "reconcile", "--settle", 0)
    assert said.code == 7
    assert "nothing could be settled" in said.out
    assert list(table(here.folder / "deals.results.csv")["startStatus"]) == ["started", "in_doubt", "started"]


# ---------------------------------------------------------------------------------------------------------------- undo


def test_undo_in_words_and_in_json(desk):
    here = desk({"templates": [LIVING]})
    run = begin(here, here.sheet(rows=3)).json["run"]
    counted = say(here, "undo", run, "--dry-run", "--json")
    assert (counted.code, counted.json["run"], counted.json["counts"]) == (0, run, {"started": 3, "running": 3})
    assert ended(here) == []
    said = say(here, "undo", run, "--yes")
    assert said.code == 0
    assert f"run {run} on 127.0.0.1:{here.sandbox.port}: 3 started, 3 terminated" in said.out
    assert sorted(ended(here)) == sorted(ids(here).values())
    again = say(here, "undo", run, "--yes", "--json")
    assert (again.code, again.json["counts"]) == (0, {"started": 3, "gone": 3})


def test_erase_is_what_its_name_says(desk):
    here = desk({"templates": [LIVING]})
    run = begin(here, here.sheet(rows=2)).json["run"]
    assert say(here, "undo", run, "--erase", "--yes", "--json").code == 0
    answers = [line for line in here.sandbox.ledger() if line["on"] == "delete" and line["kind"] == "answer"]
    assert [line["erased"] for line in answers] == [True, True]


def test_an_undo_that_is_denied_is_exit_7_and_says_why(desk):
    here = desk({"templates": [LIVING], "faults": [{"on": "delete", "answer": "WRITE_BLOCKED_READONLY_KEY"}]})
    run = begin(here, here.sheet(rows=2)).json["run"]
    said = say(here, "undo", run, "--yes")
    assert said.code == 7
    assert "stopped: WRITE_BLOCKED_READONLY_KEY" in said.out
    machine = say(here, "undo", run, "--yes", "--json")
    assert (machine.code, machine.json["counts"]) == (7, {"started": 2, "running": 2})
    assert [problem["code"] for problem in machine.json["problems"]] == ["WRITE_BLOCKED_READONLY_KEY"]


def test_what_was_undone_stays_started_for_every_later_run(desk):
    here = desk({"templates": [LIVING]})
    sheet = here.sheet(rows=3)
    run = begin(here, sheet).json["run"]
    say(here, "undo", run, "--yes")
    again = begin(here, sheet)
    assert again.json["counts"] == {"already_started": 3}
    gone_on = resume(here, run)
    assert (gone_on.code, gone_on.json["counts"]) == (0, {"started": 3})
    assert all("terminated by" in message for message in here.results(gone_on)["errorMessage"])
    assert len(here.arrivals()) == 3
    assert os.environ["BULKSTART_JOURNAL"] != here.settings()["BULKSTART_JOURNAL"], "a desk has a journal of its own"

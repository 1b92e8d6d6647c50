"""What is said: one JSON object whose shape never changes, or a run on one screen, without secrets, in any encoding."""

from __future__ import annotations

import argparse
import io
import json
import sys
from contextlib import redirect_stdout

import pandas as pd
import pytest

from bulkstart.ending import Finished
from bulkstart.forecast import Forecast
from bulkstart.model import Outcome, Problem
from bulkstart.result_columns import Status
from bulkstart.retry import Stop
from bulkstart.secret import Secret
from bulkstart.telling import entries, print_json, print_object, program, show_problems, tell, tell_undone
from bulkstart.undo import Undone

KEYS = ["run", "portal", "exitCode", "counts", "rows", "results", "forecast", "problems"]
"""The keys of the interface page, in its order."""


def words(**given: object) -> argparse.Namespace:
    return argparse.Namespace(**{"json": False, "quiet": False, "verbose": False, **given})


def a_run(*outcomes: Outcome, **more: object) -> Finished:
    frame = pd.DataFrame({"entityId": range(len(outcomes))}, index=range(2, 2 + len(outcomes)))
    known = {"exit_code": 5, "problems": (), "portal": "acme.bitrix24.ru", "run_id": "20261122-1", "counts": {"in_doubt": 1}}
    return Finished(frame, list(outcomes), **{**known, **more})


DOUBT = Outcome(0, Status.IN_DOUBT, "", "READ_TIMEOUT", "no answer in time")


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("\n") == 1
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


# ------------------------------------------------------------------------------------------------------------ JSON


def test_an_error_has_every_key_of_the_object_too(capsys):
    print_json(2)
    found = told(capsys)
    assert set(found) == set(KEYS)
    assert found == {
        "run": None,
        "portal": None,
        "exitCode": 2,
        "counts": {},
        "rows": 0,
        "results": None,
        "forecast": None,
        "problems": [],
    }


def test_a_run_tells_its_id_its_portal_its_counts_and_its_file(capsys, tmp_path):
    cast = Forecast(1, 2.0, "request rate", "10 requests a second")
    print_json(5, a_run(DOUBT, forecast=cast), tmp_path / "r.csv", [{"row": 2, "column": "A", "code": "c", "message": "m"}])
    found = told(capsys)
    assert set(found) == set(KEYS)
    assert (found["run"], found["portal"], found["exitCode"], found["rows"]) == ("20261122-1", "acme.bitrix24.ru", 5, 1)
    assert found["counts"] == {"in_doubt": 1}
    assert found["results"] == str(tmp_path / "r.csv")
    assert found["forecast"] == cast.to_json()
    assert found["problems"] == [{"row": 2, "column": "A", "code": "c", "message": "m"}]


def test_letters_that_the_output_cannot_hold_are_escaped_and_read_back():
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with redirect_stdout(narrow):
        print_object({"message": "сделка №5"})
    shown = narrow.buffer.getvalue()
    assert shown.isascii()
    assert json.loads(shown) == {"message": "сделка №5"}


def test_no_secret_is_told(capsys):
    kept = Secret("vibe_api_very_secret_0123456789")
    print_json(2, problems=[{"row": None, "column": None, "code": "x", "message": f"key {kept.reveal()} is wrong"}])
    assert "very_secret" not in json.dumps(told(capsys))


def test_problems_are_told_with_row_column_code_and_message():
    assert entries([Problem(0, 5, "A", "type-error", "why"), Problem(None, None, None, "no-id", "none")]) == [
        {"row": 5, "column": "A", "code": "type-error", "message": "why"},
        {"row": None, "column": None, "code": "no-id", "message": "none"},
    ]


# ---------------------------------------------------------------------------------------------------------- screens


def test_a_screen_has_the_stop_the_counts_the_file_and_the_next_command(capsys, tmp_path):
    tell(words(), a_run(DOUBT, stop=Stop("DEADLINE", "time is up", 6)), tmp_path / "r.csv", "bulkstart reconcile 20261122-1")
    out = capsys.readouterr().out
    assert "stopped: DEADLINE: time is up" in out
    assert "1 row: 1 in doubt" in out
    assert "row 2" in out
    assert f"results: {tmp_path / 'r.csv'}" in out
    assert out.endswith("next: bulkstart reconcile 20261122-1\n")


def test_problems_are_shown_first_and_left_out_where_quiet_was_asked_for(capsys):
    run = a_run(DOUBT, problems=[Problem(0, 2, "A", "type-error", "not a number")])
    tell(words(), run, None, None)
    shown = capsys.readouterr().out
    assert shown.index("[type-error] not a number") < shown.index("1 row:")
    tell(words(quiet=True), run, None, None)
    assert "type-error" not in capsys.readouterr().out


@pytest.mark.parametrize(("verbose", "lines"), [(False, 40), (True, 60)])
def test_many_problems_are_cut_unless_everything_was_asked_for(verbose, lines, capsys):
    show_problems(words(verbose=verbose), [Problem(n, n + 2, "A", "type-error", "bad") for n in range(60)])
    out = capsys.readouterr().out
    assert out.count("[type-error] bad") == lines
    assert "60 problems: type-error × 60" in out


def test_terminal_escapes_of_a_portal_are_made_visible(capsys):
    tell(words(), a_run(DOUBT, stop=Stop("X", "\x1b[2Jgone", 6)), None, None)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "gone" in out


# ------------------------------------------------------------------------------------------------------------- undo


def test_an_undo_is_told_in_one_line_and_what_still_runs_with_its_reason(capsys):
    tell_undone(words(), Undone("20261122-1", "acme.bitrix24.ru", 1200, ("w.1",), ("w.2",), {"w.3": "INTERNAL_ERROR"}))
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "run 20261122-1 on acme.bitrix24.ru: 1,200 started, 1 terminated, 1 gone, 1 running",
        "  w.3 still runs: INTERNAL_ERROR",
    ]


def test_an_undo_in_json_has_the_same_keys_and_its_reason_to_stop(capsys):
    tell_undone(
        words(json=True), Undone("20261122-1", "acme.bitrix24.ru", 2, running={"w.3": "x"}, stop=Stop("DENIED", "why", 7))
    )
    found = told(capsys)
    assert set(found) == set(KEYS)
    assert (found["run"], found["portal"], found["exitCode"]) == ("20261122-1", "acme.bitrix24.ru", 7)
    assert found["counts"] == {"started": 2, "running": 1}
    assert found["problems"] == [{"row": None, "column": None, "code": "DENIED", "message": "why"}]


CODES: dict[str, tuple[Undone, int]] = {
    "all of it ended": (Undone("r", "p", 2, ("w.1", "w.2")), 0),
    "some still run": (Undone("r", "p", 2, ("w.1",), (), {"w.2": "INTERNAL_ERROR"}), 4),
    "a count alone": (Undone("r", "p", 2, (), (), {"w.1": "it runs", "w.2": "it runs"}, dry_run=True), 0),
    "stopped": (Undone("r", "p", 2, ("w.1",), (), {"w.2": "not asked"}, stop=Stop("INTERRUPTED", "", 130)), 130),
}


@pytest.mark.parametrize("name", CODES)
def test_an_undo_ends_with_the_code_of_what_is_left(name):
    undone, code = CODES[name]
    assert undone.exit_code == code


def test_the_program_is_called_by_the_words_it_was_called_by():
    before = sys.argv[0]
    try:
        sys.argv[0] = "/somewhere/bulkstart/__main__.py"
        assert program() == ["python", "-m", "bulkstart"]
        sys.argv[0] = "/usr/bin/bulkstart"
        assert program() == ["bulkstart"]
    finally:
        sys.argv[0] = before

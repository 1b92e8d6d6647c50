"""Words in, words out: one JSON object on standard output, whatever the streams are."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

from bulkstart.cli import main
from tests.conftest import BOUND

EMOJI = "\N{GRINNING FACE}"


def called(desk, *words, encoding="utf-8"):
    """The program in this process, with the settings of the desk: exit code, standard output and error as text."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in desk.settings().items():
            patch.setenv(name, value)
        patch.chdir(desk.folder)
        code = main([str(word) for word in words])
    out.flush()
    err.flush()
    return code, out.buffer.getvalue().decode(encoding), err.buffer.getvalue().decode(encoding)


def test_templates_and_runs_are_one_json_object_each(desk):
    here = desk()
    assert here.again(here.sheet(rows=2)).code == 0
    code, out, err = called(here, "templates", "--json")
    found = json.loads(out)
    assert (code, err, found["exitCode"]) == (0, "", 0)
    assert [(template["id"], template["entity_type"]) for template in found["templates"]] == [(713, "deal")]
    code, out, err = called(here, "runs", "--json")
    found = json.loads(out)
    assert (code, err, found["exitCode"]) == (0, "", 0)
    assert [(run["rows"], run["counts"], run["live"]) for run in found["runs"]] == [(2, {"started": 2}, False)]


def test_templates_and_runs_for_people_are_a_line_each(desk):
    here = desk()
    assert called(here, "runs")[:2] == (0, "no runs yet\n")
    here.again(here.sheet(rows=2))
    assert "713  deal" in called(here, "templates")[1]
    line = called(here, "runs")[1]
    assert line.endswith("2 started\n")
    assert line.count("\n") == 1


@pytest.mark.parametrize("encoding", ["cp1251", "ascii", "cp866"])
def test_an_output_that_lacks_letters_shows_their_numbers_and_its_json_is_still_json(desk, encoding):
    here = desk()
    sheet = here.folder / "deals.csv"
    sheet.write_text(f"entityId\n{EMOJI} №1\n", encoding="utf-8")
    code, out, _ = called(here, "check", sheet, "--template", 713, encoding=encoding)
    assert code == 3
    assert "\\U0001f600" in out
    code, out, _ = called(here, "check", sheet, "--template", 713, "--json", encoding=encoding)
    assert code == 3
    assert EMOJI in json.loads(out)["problems"][0]["message"]


def test_closed_streams_swallow_what_is_said_and_nothing_else(desk):
    here = desk()
    here.sheet(rows=2)
    words = [sys.executable, "-m", "bulkstart", "deals.csv", "--template", "713", "--yes", "--json", "--rate", "500"]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *words],
        env=here.settings(), cwd=here.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=BOUND, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert json.loads(done.stdout)["counts"] == {"started": 2}


def test_a_check_without_credentials_says_so_and_checks_what_it_can(desk):
    here = desk(BULKSTART_API_KEY="", BULKSTART_BASE_URL="")
    code, out, err = called(here, "check", here.sheet(rows=2), "--template", 713, "--entity-type", "deal")
    assert (code, out) == (0, "2 rows, no problems\n")
    assert "checking without a portal" in err


def test_quiet_leaves_standard_error_empty_and_the_results_told(desk):
    here = desk()
    code, out, err = called(here, here.sheet(rows=2), "--template", 713, "--yes", "--quiet", "--rate", 500)
    assert (code, err) == (0, "")
    assert "2 started" in out or "started: 2" in out, out


def test_a_scenario_that_cannot_be_read_is_a_sentence_and_no_traceback(desk):
    here = desk()
    scenario = here.folder / "mine.json"
    scenario.write_text('{"nonsense": 1}', encoding="utf-8")
    code, out, err = called(here, "sandbox", "--scenario", scenario, "--port", 0)
    assert (code, out) == (2, "")
    assert "unknown key 'nonsense'" in err
    assert "Traceback" not in err

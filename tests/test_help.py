"""``--help`` and ``--version`` of every command: complete, light, and understood in the order people type them."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from bulkstart.arguments import COMMANDS, parser_of
from bulkstart.version import VERSION
from tests.conftest import ROOT

HEAVY = tuple("pandas numpy openpyxl python_calamine httpx tqdm ipywidgets sqlite3 asyncio bulkstart.simulator".split())
SHEET = (
    "--tab --header-row --visible-only --encoding --delimiter --decimal --date-format --separator --date-output --datetime-output --time-zone "
    "--template --template-file --entity-type --map --forget-mapping --set --check-exists --limit --campaign --allow-changed"
)
START = (
    "--output --yes --dry-run --skip-invalid --canary --pilot --rate --burst --polite --max-unknown --batch --halt-doubts --halt-same "
    "--halt-percent --per-document --reconcile --probe-running --window --deadline --timeout --settle --safe-csv"
)
GENERAL = "--json --quiet --verbose --journal --help --version"
CONTRACT = {
    "start": f"{SHEET} {START} {GENERAL} --sandbox",
    "check": f"{SHEET} {GENERAL} --sandbox",
    "templates": f"{GENERAL} --sandbox",
    "new": f"--output --template-file {GENERAL} --sandbox",
    "runs": GENERAL,
    "resume": f"--release-doubts {SHEET} {START} {GENERAL} --sandbox",
    "reconcile": f"--settle --output --safe-csv --rate --burst {GENERAL} --sandbox",
    "undo": f"--erase --dry-run --yes --rate --burst {GENERAL} --sandbox",
    "doctor": f"--template --entity-type --rate --burst {GENERAL} --sandbox",
    "stop": GENERAL,
    "pause": GENERAL,
    "continue": GENERAL,
    "sandbox": "--port --scenario --idle --ledger --help --version",
}
"""The options of the interface page that this version has, by command."""
DEFAULTS = {"--canary": 3, "--max-unknown": 10, "--halt-doubts": 3, "--halt-same": 5, "--halt-percent": 20, "--per-document": 2}


def program(*words: str, code: str = "") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "COLUMNS": "200", "NO_COLOR": "1"}
    start = ["-c", code] if code else ["-m", "bulkstart"]
    return subprocess.run(
        [sys.executable, *start, *words], env=env, capture_output=True, encoding="utf-8", timeout=30, check=False
    )


def entry(text: str, option: str) -> str:
    """What a help text says of one option, on one line."""
    found = re.search(rf"^ +(?:-\w[^\n]*, )?{option}\b.*(?:\n {{9,}}.*)*", text, re.MULTILINE)
    assert found, f"{option} has no entry"
    return " ".join(found[0].split())


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_ends_well_and_has_every_option_of_the_contract(command: str) -> None:
    ended = program(command, "--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    for option in CONTRACT[command].split():
        assert len(entry(ended.stdout, option)) > len(option) + 5, f"{option} is not explained"


def test_the_contract_above_names_every_command() -> None:
    assert set(CONTRACT) == set(COMMANDS)


def test_every_option_has_a_sentence_and_every_placeholder_a_name() -> None:
    for command in COMMANDS:
        for action in parser_of(command)._actions:
            assert action.help, f"{command} {action.option_strings}"


def test_the_help_of_the_program_is_that_of_the_main_job() -> None:
    assert program("--help").stdout == program("start", "--help").stdout


def test_the_help_of_the_program_names_every_command_and_every_exit_code() -> None:
    text = program("--help").stdout
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", text, re.MULTILINE), command
    codes = " ".join(text[text.index("exit codes") :].split())
    for code in (0, 1, 2, 3, 4, 5, 6, 7, 130):
        assert re.search(rf" {code} \w", codes), code


def test_the_defaults_that_help_states_are_the_real_ones() -> None:
    text, parsed = program("--help").stdout, parser_of("start").parse_args(["sheet.csv"])
    for option, value in DEFAULTS.items():
        assert getattr(parsed, option.removeprefix("--").replace("-", "_")) == value
        assert f"(default: {value})" in entry(text, option)


@pytest.mark.parametrize(("command", "place"), [("resume", "[RUN]"), ("reconcile", "[RUN]"), ("undo", "RUN")])
def test_a_command_about_a_past_run_says_how_the_run_is_named(command: str, place: str) -> None:
    text = program(command, "--help").stdout
    assert re.search(rf"^usage: bulkstart {command} .*{re.escape(place)}$", text.split("\n\n")[0], re.MULTILINE | re.DOTALL), text
    assert "as bulkstart runs lists it" in " ".join(text.split())


def test_help_loads_nothing_heavy() -> None:
    code = f"""
import sys
from bulkstart.cli import main
codes = [main([*words, "--help"]) for words in ([], {", ".join(f"[{command!r}]" for command in sorted(COMMANDS))})]
codes.append(main(["--version"]))
print(codes, [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    ended = program(code=code)
    assert ended.stderr.splitlines()[-1] == f"{[0] * (len(COMMANDS) + 2)} []"


@pytest.mark.parametrize("words", [("--version",), ("check", "--version"), ("sandbox", "--version")])
def test_version_is_one_line(words: tuple[str, ...]) -> None:
    ended = program(*words)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"bulkstart {VERSION}\n", "")


def test_help_asks_for_no_credentials_and_no_sheet() -> None:
    assert program("templates", "--help").returncode == 0
    assert program("check", "--help").returncode == 0


def test_an_unknown_option_names_itself_and_the_help_to_read() -> None:
    ended = program("check", "sheet.csv", "--nonsense")
    assert ended.returncode == 2
    assert "--nonsense" in ended.stderr
    assert "bulkstart check --help" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_nothing_at_all_points_to_the_help() -> None:
    ended = program()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--help" in ended.stderr


def test_no_option_takes_a_secret() -> None:
    every = {option for command in COMMANDS for action in parser_of(command)._actions for option in action.option_strings}
    assert not [option for option in every if re.search(r"key|token|secret|password|webhook", option)]

"""Words → command and options: the first word decides, and every option of the interface has its place."""

from __future__ import annotations

import datetime as dt

import pytest

from bulkstart.arguments import COMMANDS, CONTROLS, command_of, given_of, options_from, parser_of, words_of
from bulkstart.errors import UsageError


def parsed(*words, command="start"):
    return parser_of(command).parse_args(["deals.csv", *words])


def options(*words):
    return options_from(parsed(*words))


OPTIONS = {
    "--template 713": ("template", 713),
    "--entity-type lead": ("entity_type", "lead"),
    "--map entityId=ID": ("columns", {"entityId": "ID"}),
    "--set note=x": ("values", {"note": "x"}),
    "--limit 5": ("limit", 5),
    "--decimal ,": ("decimal", ","),
    "--date-format %d.%m.%Y": ("date_format", "%d.%m.%Y"),
    "--separator |": ("separator", "|"),
    "--date-output DD.MM.YYYY": ("date_output", "DD.MM.YYYY"),
    "--datetime-output %Y-%m-%dT%H:%M": ("datetime_output", "%Y-%m-%dT%H:%M"),
    "--time-zone +03:00": ("time_zone", "+03:00"),
    "--template-file t.json": ("template_file", "t.json"),
    "--check-exists": ("check_exists", True),
    "--forget-mapping": ("forget_mapping", True),
    "--dry-run": ("dry_run", True),
    "--skip-invalid": ("skip_invalid", True),
    "--canary 0": ("canary", 0),
    "--pilot": ("pilot", True),
    "--rate 2.5": ("rate", 2.5),
    "--burst 10": ("burst", 10.0),
    "--polite": ("polite", True),
    "--max-unknown 4": ("max_unknown", 4),
    "--batch off": ("batch", "off"),
    "--batch auto": ("batch", "auto"),
    "--halt-doubts 0": ("halt_doubts", 0),
    "--halt-same 9": ("halt_same", 9),
    "--halt-percent 0": ("halt_percent", 0.0),
    "--per-document 0": ("per_document", 0),
    "--campaign autumn": ("campaign", "autumn"),
    "--allow-changed": ("allow_changed", True),
    "--journal j.sqlite": ("journal", "j.sqlite"),
    "--deadline 60": ("deadline", 60.0),
    "--timeout 90": ("timeout", 90.0),
}
WORDS = {
    "--tab 2": ("tab", "2"),
    "--header-row 4": ("header_row", 4),
    "--visible-only": ("visible_only", True),
    "--encoding cp1251": ("encoding", "cp1251"),
    "--delimiter ;": ("delimiter", ";"),
    "-o out.csv": ("output", "out.csv"),
    "--output out.csv": ("output", "out.csv"),
    "--yes": ("yes", True),
    "--reconcile": ("reconcile", True),
    "--no-reconcile": ("reconcile", False),
    "--json": ("json", True),
    "--quiet": ("quiet", True),
    "--verbose": ("verbose", True),
    "--sandbox": ("sandbox", True),
    "--safe-csv": ("safe_csv", True),
}


@pytest.mark.parametrize("words", OPTIONS)
def test_an_option_of_the_interface_becomes_an_option_of_the_run(words):
    name, value = OPTIONS[words]
    assert getattr(options(*words.split()), name) == value


@pytest.mark.parametrize("words", WORDS)
def test_a_word_of_the_interface_is_understood(words):
    name, value = WORDS[words]
    assert getattr(parsed(*words.split()), name) == value


def test_a_dialect_can_be_chosen():
    assert parsed("--dialect", "vibecode").dialect == "vibecode"


def test_the_command_line_and_python_have_the_same_defaults():
    assert options() == type(options())()


def test_the_commands_of_this_version_are_there():
    controls = {"stop", "pause", "continue"}
    assert set(CONTROLS) == controls
    assert set(COMMANDS) == controls | set("start check templates new runs resume reconcile undo doctor sandbox".split())


# ----------------------------------------------------------------------------------------------------- NAME=VALUE


def test_map_and_set_split_at_the_first_equals_sign():
    found = options("--map", "entityId=Сделка=ID", "--map", "note=B", "--set", "formula==1+1", "--set", "empty=")
    assert dict(found.columns) == {"entityId": "Сделка=ID", "note": "B"}
    assert dict(found.values) == {"formula": "=1+1", "empty": ""}


@pytest.mark.parametrize("words", [("--map", "entityId"), ("--map", "=ID"), ("--set", "note"), ("--set", " =x")])
def test_a_pair_without_a_name_or_an_equals_sign_is_a_usage_error(words):
    with pytest.raises(UsageError, match="NAME=VALUE"):
        parsed(*words)


@pytest.mark.parametrize("option", ["--map", "--set"])
def test_one_name_given_twice_is_a_usage_error(option):
    with pytest.raises(UsageError, match="twice"):
        options(option, "a=1", option, "a=2")


@pytest.mark.parametrize(
    "words", [("--limit", "many"), ("--no-such-option",), ("--decimal", ";"), ("--dry",), ("--limit",), ("another.csv",)]
)
def test_words_that_cannot_be_meant_are_a_usage_error(words):
    with pytest.raises(UsageError, match="--help"):
        parsed(*words)


def test_no_option_takes_a_secret():
    for command in COMMANDS:
        names = {option for action in parser_of(command)._actions for option in action.option_strings}
        assert not [name for name in names if any(word in name for word in ("key", "token", "secret", "webhook", "password"))]


# -------------------------------------------------------------------------------------------------- the first word


@pytest.fixture
def sheet(tmp_path):
    path = tmp_path / "deals.csv"
    path.write_text("entityId\n1\n")
    return str(path)


def test_an_existing_file_is_a_sheet_and_a_command_is_a_command(sheet):
    assert command_of([sheet]) == ("start", [sheet])
    assert command_of(["start", sheet]) == ("start", [sheet])
    assert command_of(["check", sheet, "--json"]) == ("check", [sheet, "--json"])


def test_words_that_are_values_of_options_decide_nothing(sheet):
    words = ["--limit", "5", "-o", "check", "--campaign", "runs", "--json", sheet]
    assert command_of(words) == ("start", words)
    assert command_of(["--journal", "start", "runs"]) == ("runs", ["--journal", "start"])
    assert command_of(["--limit=5", sheet]) == ("start", ["--limit=5", sheet])
    assert command_of(["--sandbox", "check", sheet]) == ("check", ["--sandbox", sheet])


def test_a_file_with_the_name_of_a_command_is_a_sheet_only_with_its_folder(tmp_path, monkeypatch):
    (tmp_path / "check").write_text("entityId\n1\n")
    monkeypatch.chdir(tmp_path)
    assert command_of(["check"]) == ("check", [])
    assert command_of(["./check"]) == ("start", ["./check"])


@pytest.mark.parametrize(("word", "near"), [("chek", "check"), ("template", "templates"), ("run", "runs"), ("sandbx", "sandbox")])
def test_a_word_that_is_nothing_names_the_nearest_command(word, near):
    with pytest.raises(UsageError, match=f"'{near}'"):
        command_of([word])


@pytest.mark.parametrize("word", ["deals-that-are-not-there.xlsx", "x" * 300, "a\0b"])
def test_a_word_that_is_like_nothing_is_a_usage_error(word):
    with pytest.raises(UsageError):
        command_of([word])


def test_without_a_word_the_main_job_is_meant():
    assert command_of(["--help"]) == ("start", ["--help"])
    assert command_of(["--version"]) == ("start", ["--version"])


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_and_version_are_everywhere(command, word, capsys):
    with pytest.raises(SystemExit) as ended:
        parser_of(command).parse_args([word])
    assert ended.value.code == 0
    assert "bulkstart" in capsys.readouterr().out


def test_help_names_every_exit_code_and_every_command():
    text = parser_of("start").format_help()
    for word in ("0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "7 ", "130 ", *COMMANDS):
        assert word in text


# ------------------------------------------------------------------------------------------------ Python → words


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"template": 713, "canary": 0, "rate": 2.5, "batch": 7, "campaign": "spring = 1", "skip_invalid": True, "pilot": True},
        {"columns": {"entityId": "Deal=ID", "note": "B"}, "values": {"a": "-1", "b": "=x", "c": ""}},
        {"reconcile": True, "settle": 0.5},
        {"reconcile": False, "window": "20:00-06:00", "per_document": 0},
        {"tab": "-o", "header_row": 3, "encoding": "cp1251", "delimiter": ";", "visible_only": True},
        {"journal": "a b.sqlite", "output": "-x.csv", "quiet": True, "dialect": "native"},
    ],
    ids=str,
)
def test_options_become_words_that_mean_the_same(given):
    words = words_of("start", given)
    command, rest = command_of(["start", *words, "--", "-sheet.csv"])
    parsed = parser_of(command).parse_args(rest)
    assert parsed.sheet == "-sheet.csv"
    found, plain = given_of(parsed), given_of(parser_of("start").parse_args(["-"]))
    typed = {name: str(value) if name == "batch" else value for name, value in given.items()}
    assert found == plain | typed | {"sheet": "-sheet.csv"}


def test_what_is_default_or_not_given_needs_no_word():
    assert words_of("start", {"limit": None, "canary": 3, "polite": False, "values": {}}) == []
    assert words_of("resume", {"skip_invalid": False, "release_doubts": True, "rate": None}) == ["--release-doubts"]


def test_constants_are_typed_as_a_person_would():
    values = {"several": ["a", "b"], "day": dt.date(2026, 12, 31), "yes": True, "n": 2.5}
    assert words_of("start", {"values": values}) == ["--set=several=a;b", "--set=day=2026-12-31", "--set=yes=True", "--set=n=2.5"]
    assert words_of("start", {"values": {"several": ["a", "b"]}, "separator": "|"})[-1] == "--set=several=a|b"


def test_a_name_that_is_no_option_has_no_word():
    with pytest.raises(UsageError, match="unknown option 'nonsense' of bulkstart start"):
        words_of("start", {"nonsense": 1})

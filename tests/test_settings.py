"""Options over environment over ``.env``; what an ``.env`` file may look like."""

from __future__ import annotations

from pathlib import Path

import pytest

from bulkstart.errors import UsageError
from bulkstart.settings import budget_path, journal_path, read_env_file, settings


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME=value", "value"),
        ("  NAME = value  ", "value"),
        ("export NAME=value", "value"),
        ('NAME="two words"', "two words"),
        ("NAME='two words'", "two words"),
        ('NAME="a # b"', "a # b"),
        ("NAME=value # a comment", "value"),
        ('NAME="value" # a comment', "value"),
        ("NAME=a#b", "a#b"),
        ("NAME=a=b==", "a=b=="),
        ("NAME=", ""),
        ('NAME="', '"'),
        ("NAME=пароль", "пароль"),
        ("\ufeffNAME=value", "value"),
    ],
)
def test_a_line_of_an_env_file_is_read(line, value):
    assert read_env_file(line) == {"NAME": value}


@pytest.mark.parametrize("line", ["", "# NAME=value", "#NAME=value", "NAME", "=value", "a b=c", "1A=2", "[section]"])
def test_a_line_that_is_no_setting_is_left_out(line):
    assert read_env_file(line) == {}


def test_lines_end_as_on_any_system_and_the_last_word_counts():
    assert read_env_file("A=1\r\nB=2\nA=3\r\n") == {"A": "3", "B": "2"}


def test_the_environment_wins_over_the_env_file(tmp_path):
    (tmp_path / ".env").write_text("BULKSTART_API_KEY=file\nBULKSTART_BASE_URL=file\n")
    found = settings({"BULKSTART_API_KEY": "environment", "HOME": "x"}, tmp_path)
    assert found == {"BULKSTART_API_KEY": "environment", "BULKSTART_BASE_URL": "file"}


def test_blank_settings_and_other_programs_settings_are_none(tmp_path):
    (tmp_path / ".env").write_text("BULKSTART_API_KEY=  \nOTHER=1\n")
    assert settings({"BULKSTART_JOURNAL": "  "}, tmp_path) == {}


def test_without_an_env_file_the_environment_is_all(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / ".env").mkdir()
    assert settings({"BULKSTART_JOURNAL": " a b "}, tmp_path) == {"BULKSTART_JOURNAL": "a b"}
    assert settings({"BULKSTART_JOURNAL": "a"}, tmp_path / "folder") == {"BULKSTART_JOURNAL": "a"}


def test_an_env_file_that_is_no_text_is_said_without_showing_it(tmp_path):
    (tmp_path / ".env").write_bytes("BULKSTART_API_KEY=planted".encode("utf-16"))
    with pytest.raises(UsageError, match="UTF-8") as error:
        settings({}, tmp_path)
    assert "planted" not in str(error.value)


def test_the_journal_is_the_option_then_the_variable_then_the_users_own(tmp_path):
    named = {"BULKSTART_JOURNAL": str(tmp_path / "b.sqlite")}
    assert journal_path(tmp_path / "a.sqlite", named) == tmp_path / "a.sqlite"
    assert journal_path(None, named) == tmp_path / "b.sqlite"
    assert journal_path(None, {}).parts[-2:] == ("bulkstart", "journal.sqlite")
    assert journal_path("~/j.sqlite", {}) == Path.home() / "j.sqlite"


def test_the_machines_budget_is_the_variable_else_one_place_for_all_its_users(tmp_path, monkeypatch):
    assert budget_path({"BULKSTART_BUDGET": str(tmp_path / "b")}) == tmp_path / "b"
    (tmp_path / "aim").touch()
    (tmp_path / "link").symlink_to(tmp_path / "aim")
    assert budget_path({"BULKSTART_BUDGET": str(tmp_path / "link")}) == tmp_path / "aim", "a link that a person named is meant"
    default = budget_path({})
    monkeypatch.setenv("HOME", "elsewhere")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert budget_path({}) == default
    assert default.parent.is_dir()

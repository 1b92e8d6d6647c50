"""The options of each command, group by group: what is taken, what is refused, what its value may be."""

from __future__ import annotations

import pytest

from bulkstart.arguments import given_of, parser_of
from bulkstart.errors import UsageError


@pytest.mark.parametrize("command", ["start", "resume", "reconcile"])
@pytest.mark.parametrize("seconds", ["0", "2.5", "100"])
def test_a_settle_time_may_be_nothing(command, seconds):
    words = ["deals.csv"] if command == "start" else []
    assert given_of(parser_of(command).parse_args([*words, "--settle", seconds]))["settle"] == float(seconds)


@pytest.mark.parametrize("seconds", ["-1", "soon", "nan", "inf"])
def test_a_settle_time_that_is_none_is_said(seconds):
    with pytest.raises(UsageError, match="number of seconds"):
        parser_of("reconcile").parse_args(["--settle", seconds])


def test_resume_knows_only_what_was_given():
    """Everything else is the run's own."""
    given = given_of(parser_of("resume").parse_args(["run-1", "--rate", "3", "--map", "entityId=A"]))
    general = {"run", "yes", "output", "json", "quiet", "verbose", "sandbox", "dialect", "journal"}
    assert set(given) - general == {"rate", "columns"}
    assert given["columns"] == {"entityId": "A"}


@pytest.mark.parametrize(
    ("command", "option"), [("undo", "--settle"), ("reconcile", "--erase"), ("check", "--yes"), ("start", "--erase")]
)
def test_an_option_of_another_command_is_refused(command, option):
    with pytest.raises(UsageError, match="unrecognized"):
        parser_of(command).parse_args(["x", option])


def test_undo_needs_its_run():
    with pytest.raises(UsageError, match="RUN"):
        parser_of("undo").parse_args([])


@pytest.mark.parametrize("text", ["=x", "name", " =x"])
def test_a_pair_needs_a_name_and_an_equals_sign(text):
    with pytest.raises(UsageError, match="NAME=VALUE"):
        parser_of("start").parse_args(["deals.csv", "--set", text])

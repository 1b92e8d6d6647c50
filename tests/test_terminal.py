"""A person at a terminal: what counts as a yes, that a session is never shown, and that an interrupt is heard while a question stands."""

from __future__ import annotations

import os
import pty
import signal
import sys
import threading
from pathlib import Path

import pytest

from bulkstart.terminal import asked_between, asker, chooser, sessions


@pytest.fixture
def terminal(monkeypatch):
    """Standard input is a terminal; what is written to the descriptor is typed there."""
    own, theirs = pty.openpty()
    with os.fdopen(theirs, "r", encoding="utf-8") as there:
        monkeypatch.setitem(sys.__dict__, "stdin", there)
        yield own
    os.close(own)


@pytest.mark.parametrize(
    ("typed", "yes"), [("y", True), ("YES", True), ("да", True), (" д ", True), ("", False), ("n", False), ("yep", False)]
)
def test_only_a_yes_is_a_yes(terminal, capsys, typed, yes):
    os.write(terminal, f"{typed}\n".encode())
    assert asker("Start now?") is yes
    assert capsys.readouterr().err.endswith("Start now? [y/N] ")


def test_a_question_shows_no_terminal_escape(terminal, capsys):
    os.write(terminal, b"n\n")
    asker("row \x1b[2J 5?")
    assert "\x1b" not in capsys.readouterr().err


def test_an_interrupt_while_the_question_stands_is_a_no_and_the_handlers_come_back(terminal):
    before = signal.getsignal(signal.SIGINT)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    assert asked_between("Look them up?") is False
    timer.join()
    assert signal.getsignal(signal.SIGINT) is before


def test_nobody_is_asked_for_a_session_where_there_is_no_terminal(monkeypatch):
    with Path(os.devnull).open(encoding="utf-8") as nothing:
        monkeypatch.setitem(sys.__dict__, "stdin", nothing)
        assert sessions() is None


@pytest.mark.parametrize(
    ("typed", "place"), [("1", 0), (" 2 ", 1), ("", None), ("3", None), ("0", None), ("-1", None), ("x", None)]
)
def test_one_of_several_is_chosen_by_its_number_and_anything_else_is_none(terminal, capsys, typed, place):
    os.write(terminal, f"{typed}\n".encode())
    assert chooser("Which?", ["column B \x1b[2J", "column D"]) == place
    shown = capsys.readouterr().err
    assert "  2  column D" in shown
    assert "\x1b" not in shown

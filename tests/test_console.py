"""What a person at the terminal is told: nothing that moves a cursor, no secret, and nothing at all where they asked for quiet."""

from __future__ import annotations

import argparse
import io
from contextlib import redirect_stderr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.console import Console, plain
from bulkstart.model import Outcome
from bulkstart.result_columns import Status
from bulkstart.secret import Secret


def console(*, quiet=False, ask=lambda _: True):
    stream = io.StringIO()
    with redirect_stderr(stream):
        return Console(argparse.Namespace(quiet=quiet), ask), stream


@given(st.text(max_size=60))
def test_whatever_is_told_moves_no_cursor_and_keeps_its_lines(text):
    shown = plain(text)
    assert all(c == "\n" or c.isprintable() for c in shown)
    assert shown.count("\n") == text.count("\n")
    assert len(shown) == len(text)


def test_letters_of_any_language_stay_and_escapes_become_visible():
    assert plain("Сделка 5 — «é»\n\x1b[2J\r\u202e") == "Сделка 5 — «é»\n\ufffd[2J\ufffd\ufffd"


def test_a_living_secret_is_not_shown():
    planted = Secret("vibe_api_PLANTED_4567")
    assert plain("key=vibe_api_PLANTED_4567!") == "key=***!"
    assert len(planted) == 21


def test_notes_go_to_standard_error_one_a_line(capsys):
    front, stream = console()
    front.say("one")
    front.say("two\x1b")
    assert stream.getvalue() == "one\ntwo\ufffd\n"
    assert capsys.readouterr().out == ""


def test_quiet_is_quiet_but_still_asks():
    asked = []
    front, stream = console(quiet=True, ask=lambda text: asked.append(text) or True)
    front.say("one")
    assert stream.getvalue() == ""
    assert front.ask("sure?") is True
    assert asked == ["sure?"]


@pytest.mark.parametrize("answer", [True, False])
def test_the_answer_is_the_persons(answer):
    assert console(ask=lambda _: answer)[0].ask("sure?") is answer


def test_where_there_is_no_terminal_there_is_no_bar():
    front, stream = console()
    front.begin(None, 5)  # without a bar the runner is not looked at
    front.settle(Outcome(0, Status.STARTED, "w"))
    front.end()
    assert stream.getvalue() == ""

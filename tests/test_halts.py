"""When a run stops by itself, and that 0 turns each bar off."""

from __future__ import annotations

import pytest

from bulkstart.halts import WINDOW, Halts
from bulkstart.model import Outcome
from bulkstart.result_columns import Status

OFF = {"doubts": 0, "same": 0, "percent": 0.0}
WORDS = {"s": Status.STARTED, "d": Status.IN_DOUBT, "r": Status.REFUSED, "g": Status.GAVE_UP}


def first_stop(halts, letters, code=None):
    """How many outcomes it took to stop, and the stop; each error has a code of its own unless ``code`` says one."""
    for count, sign in enumerate(letters, 1):
        good = sign == "s"
        stop = halts.told(Outcome(count, WORDS[sign], "w" if good else "", "" if good else code or f"CODE_{count}", "text"))
        if stop:
            return count, stop
    return None


def count_of(halts, letters, code=None):
    found = first_stop(halts, letters, code)
    return found and found[0]


def test_the_bars_are_those_of_the_interface():
    halts = Halts()
    assert (halts.doubts, halts.same, halts.percent, WINDOW) == (3, 5, 20.0, 50)


@pytest.mark.parametrize(
    ("letters", "after"),
    [("dd", None), ("ddd", 3), ("ddsdd", None), ("ddrdd", None), ("sdddd", 4), ("ddsddd", 6)],
)
def test_three_doubts_in_a_row_stop_a_run(letters, after):
    assert count_of(Halts(3, 0, 0.0), letters) == after


@pytest.mark.parametrize(("letters", "after"), [("rrrr", None), ("rrrrr", 5), ("rrrrsrrrr", None), ("rrgdr", 5), ("srrrrrr", 6)])
def test_five_equal_codes_in_a_row_stop_a_run(letters, after):
    assert count_of(Halts(0, 5, 0.0), letters, "SAME") == after


def test_five_errors_of_different_codes_do_not_count_as_equal():
    assert count_of(Halts(0, 5, 0.0), "r" * 20) is None


def test_a_different_code_begins_the_count_anew():
    halts = Halts(0, 3, 0.0)
    assert count_of(halts, "rr", "A") is None
    assert count_of(halts, "rr", "B") is None
    assert count_of(halts, "r", "B") == 1


@pytest.mark.parametrize(
    ("letters", "after"),
    [
        ("r" * 49, None),
        ("r" * 50, 50),
        ("r" * 10 + "s" * 40, None),
        ("r" * 11 + "s" * 39, 50),
        ("s" * 39 + "r" * 11, 50),
        ("s" * 1000 + "r" * 10, None),
        ("s" * 1000 + "r" * 11, 1011),
        (("r" + "s" * 4) * 40, None),
        ("r" * 10 + "s" * 50 + "r" * 10, None),
    ],
)
def test_more_than_a_fifth_of_the_last_fifty_stops_a_run_and_not_before_there_are_fifty(letters, after):
    assert count_of(Halts(0, 0, 20.0), letters) == after


def test_every_bar_is_off_at_zero():
    assert count_of(Halts(**OFF), "d" * 200, "SAME") is None
    assert count_of(Halts(3, 0, 0.0), "r" * 200, "SAME") is None
    assert count_of(Halts(0, 5, 0.0), "d" * 200) is None


def test_a_halt_is_an_early_stop_that_says_why():
    _, stop = first_stop(Halts(0, 5, 0.0), "rrrrr", "ENTITY_NOT_FOUND")
    assert (stop.code, stop.exit_code) == ("RUN_STOPPED", 6)
    assert "5" in stop.message
    assert "ENTITY_NOT_FOUND" in stop.message


def test_the_bars_may_be_set_to_one():
    assert count_of(Halts(1, 0, 0.0), "sd") == 2
    assert count_of(Halts(0, 1, 0.0), "sr") == 2

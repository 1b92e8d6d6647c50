"""A daily window: when it is open, how long until then, and when work ends that may only go on in it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.daily import Daily

NIGHT, NOON = Daily.read("20:00-06:00"), Daily.read("11:30-13:00")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-22T{text}")


@pytest.mark.parametrize(
    ("window", "moment", "seconds"),
    [
        (NIGHT, "20:00:00", 0),
        (NIGHT, "05:59:59", 0),
        (NIGHT, "06:00:00", 14 * 3600),
        (NIGHT, "19:59:30", 30),
        (NIGHT, "00:00:00", 0),
        (NOON, "11:29:00", 60),
        (NOON, "12:59:59", 0),
        (NOON, "13:00:00", 22.5 * 3600),
    ],
)
def test_it_is_open_from_its_begin_to_its_end_and_says_how_long_it_is_shut(window, moment, seconds):
    assert window.shut(at(moment)) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("window", "begin", "hours", "end"),
    [
        (NIGHT, "21:00:00", 1, "2026-11-22T22:00:00"),
        (NIGHT, "12:00:00", 1, "2026-11-22T21:00:00"),
        (NIGHT, "22:00:00", 10, "2026-11-23T22:00:00"),
        (NOON, "12:30:00", 1, "2026-11-23T12:00:00"),
        (NOON, "14:00:00", 4.5, "2026-11-25T13:00:00"),
    ],
)
def test_work_goes_on_in_the_next_one_where_it_does_not_fit(window, begin, hours, end):
    assert window.ends(at(begin), hours * 3600) == datetime.fromisoformat(end)


@pytest.mark.parametrize("text", ["", "20:00", "20:00-20:00", "00:00-24:00", "25:00-06:00", "20:61-06:00", "8-9", "a:b-c:d"])
def test_what_is_no_window_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="20:00-06:00"):
        Daily.read(text)


def test_it_is_written_as_it_is_read():
    assert [Daily.read(text).text for text in ("20:00-06:00", " 8:05 – 9:00 ", "22:00-24:00")] == [
        "20:00-06:00",
        "08:05-09:00",
        "22:00-00:00",
    ]


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 86_399), st.floats(1, 200_000))
def test_work_ends_in_an_open_moment_and_takes_at_least_its_own_time(begin, end, second, seconds):
    if begin == end:
        return
    window, moment = Daily(begin, end), at("00:00:00") + timedelta(seconds=second)
    done = window.ends(moment, seconds)
    assert (done - moment).total_seconds() >= seconds - 1e-3
    assert window.shut(done - timedelta(seconds=0.5)) < 1
    assert window.shut(moment + timedelta(seconds=window.shut(moment))) < 1e-3 or window.shut(moment) == 0

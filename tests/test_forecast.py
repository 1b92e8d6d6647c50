"""The forecast beside simulated runs, and how a person hears it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.crowd import Crowd
from bulkstart.daily import Daily
from bulkstart.forecast import Ways, about, forecast
from bulkstart.throttle import Limits, Throttle
from tests.portal_limits import Both, LeakyBucket, Road, SlidingWindow, drive

PLATFORM = (300, 60.0)
RUNS = {
    "10+10/s": (Limits(10, 10), lambda: LeakyBucket(10, 10), 500, 10, (0, 0)),
    "10/s alone": (Limits(10), lambda: LeakyBucket(10, 10), 500, 10, (0, 0)),
    "50+2/s": (Limits(2, 50), lambda: LeakyBucket(50, 2), 400, 10, (0, 0)),
    "250+5/s": (Limits(5, 250), lambda: LeakyBucket(250, 5), 2000, 64, (0, 0)),
    "50+50/s": (Limits(50, 50), lambda: LeakyBucket(50, 50), 1000, 64, (0, 0)),
    "300 in 60 s": (Limits(300, 300, window=PLATFORM), lambda: SlidingWindow(*PLATFORM), 900, 64, (0, 0)),
    "300 in 60 s, ten in flight": (Limits(300, 300, window=PLATFORM), lambda: SlidingWindow(*PLATFORM), 1000, 10, (0.5, 1.5)),
    "10/s and 300 in 60 s": (
        Limits(10, window=PLATFORM),
        lambda: Both(SlidingWindow(*PLATFORM), LeakyBucket(10, 10)),
        2000,
        10,
        (0, 0),
    ),
    "starts of a second": (Limits(20, 20), lambda: LeakyBucket(20, 20), 500, 10, (0.8, 1.2)),
    "starts of three seconds": (Limits(2, 50), lambda: LeakyBucket(50, 2), 200, 4, (2.5, 3.5)),
}


@pytest.mark.parametrize("name", RUNS)
def test_the_forecast_is_within_a_tenth_of_the_simulated_run(name):
    limits, portal, rows, workers, service = RUNS[name]
    done = drive(Throttle(limits, 0.0), portal(), rows, Road(latency=(0.005, 0.055), service=service, workers=workers))
    each = 0.06 + sum(service) / 2
    cast = forecast(rows, limits, Ways(seconds_per_start=each, in_flight=workers))
    assert cast.seconds - each == pytest.approx(done.left[-1] - done.left[0], rel=0.10)


@pytest.mark.parametrize(
    ("limits", "each", "binds"),
    [
        (Limits(2, 50), 0.5, "request rate"),
        (Limits(10, 10, window=PLATFORM), 0.1, "platform window"),
        (Limits(4, 4, window=PLATFORM), 0.1, "request rate"),
        (Limits(10, 10, window=PLATFORM), 5.0, "answer time"),
        (Limits(10, 10), None, "request rate"),
    ],
)
def test_what_binds_is_named(limits, each, binds):
    cast = forecast(10_000, limits, Ways(seconds_per_start=each))
    assert cast.binds == binds
    assert cast.why in cast.text


def test_a_hold_comes_on_top():
    assert forecast(100, Limits(10, 10), Ways(held=30.0)).seconds == forecast(100, Limits(10, 10)).seconds + 30


def test_nothing_to_do_takes_no_time():
    assert forecast(0, Limits(10), Ways(held=30.0)).to_json() == {
        "requests": 0,
        "seconds": 0.0,
        "binds": "request rate",
        "text": "a few seconds (10 requests a second, as stated)",
    }


def test_nobody_in_flight_is_refused():
    with pytest.raises(ValueError, match="in flight"):
        forecast(1, Limits(10), Ways(in_flight=0))


@given(
    rows=st.integers(0, 3000),
    rate=st.floats(0.5, 100),
    burst=st.none() | st.floats(1, 100),
    window=st.none() | st.tuples(st.integers(1, 300), st.floats(1, 60)),
    each=st.floats(0, 5),
)
def test_more_rows_slower_answers_and_fewer_in_flight_never_take_less_time(rows, rate, burst, window, each):
    def seconds(count: int, answer: float, in_flight: int) -> float:
        limits = Limits(rate, burst, window=window)
        return forecast(count, limits, Ways(seconds_per_start=answer, in_flight=in_flight)).seconds

    assert seconds(rows + 100, each, 10) >= seconds(rows, each, 10) - 1e-6
    assert seconds(rows, each + 1, 10) >= seconds(rows, each, 10) - 1e-6
    assert seconds(rows, each, 4) >= seconds(rows, each, 10) - 1e-6


@pytest.mark.parametrize("rows", [19_999, 20_001, 20_250, 33_333, 1_000_000])
def test_so_it_is_for_any_number_of_rows(rows):
    cast = forecast(rows, Limits(10, 10, window=PLATFORM), Ways(seconds_per_start=0.1))
    windows, rest = divmod(rows - 1, 300)
    assert cast.seconds == pytest.approx(windows * 60.1 + rest / 9.9, rel=0.01)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "a few seconds"),
        (12, "about 10 seconds"),
        (52, "about 50 seconds"),
        (89, "about 90 seconds"),
        (116, "about 2 minutes"),
        (151, "about 2.5 minutes"),
        (356, "about 6 minutes"),
        (1480, "about 25 minutes"),
        (3599, "about 1 hour"),
        (4900, "about 1 hour 20 minutes"),
        (7150, "about 2 hours"),
        (86_390, "about 1 day"),
        (200_000, "about 2 days 8 hours"),
    ],
)
def test_a_time_is_said_as_people_say_it(seconds, text):
    assert about(seconds) == text


@given(st.floats(10, 1e6))
def test_what_is_said_is_never_off_by_more_than_a_quarter(seconds):
    units = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
    words = about(seconds).removeprefix("about ").split()
    said = sum(float(number) * units[unit.rstrip("s")] for number, unit in zip(words[::2], words[1::2], strict=True))
    assert said == pytest.approx(seconds, rel=0.25)


# ------------------------------------------------------------------------------------ what else holds a run back


def test_operating_time_binds_where_starts_are_long_and_comes_in_rounds():
    """300 starts of a second, of which 48 s fit into a minute: 299 // 48 = 6 rounds of a minute."""
    cast = forecast(300, Limits(2, 50), Ways(seconds_per_start=1.0, operating=(48.0, 60.0, 1.0)))
    assert cast.binds == "operating time"
    assert cast.seconds == pytest.approx(6 * 61, rel=0.05)
    assert "operating time of 48 seconds in 60 seconds" in cast.text
    assert forecast(300, Limits(2, 50), Ways(seconds_per_start=0.02, operating=(48.0, 60.0, 0.02))).binds == "request rate"


def test_operating_time_that_is_used_already_leaves_more_for_the_next_round():
    def cast(rows, used, ago=0.0):
        spent = [(ago, 1.0)] * used
        return forecast(rows, Limits(50, 50), Ways(seconds_per_start=1.0, operating=(48.0, 60.0, 1.0), spent=spent)).seconds

    assert 58 < cast(50, 0) < 62, "two of them behind the first window"
    assert 61 < cast(50, 40) < 68, "42 of them, ten at a time"
    assert cast(10, 48) > 57
    assert 5 < cast(10, 48, 53.0) < 8, "it is free again in five seconds"
    assert cast(50, 48, 53.0) < 72, "48 of them then, and two behind their window"


def test_rows_of_one_entity_wait_for_each_other():
    """Ten rows on one entity, two at a time, each for 57 s: five rounds, of which the last is not waited for; a look is every 10 s."""
    cast = forecast(20, Limits(10, 10), Ways(seconds_per_start=0.1, crowd=Crowd(10, per_document=2, life=57.0)))
    assert cast.binds == "per-document waits"
    assert cast.seconds == pytest.approx(4 * 60, rel=0.01)
    assert "10 rows on one entity, 2 at a time, a turn of 60 seconds" in cast.text
    for free in (Crowd(10, per_document=0, life=60.0), Crowd(2, per_document=2, life=60.0)):
        assert forecast(20, Limits(10, 10), Ways(crowd=free)).seconds < 5


def test_waits_that_nobody_can_foretell_are_not_counted_and_said():
    cast = forecast(20, Limits(10, 10), Ways(crowd=Crowd(10, per_document=2)))
    assert cast.seconds < 5
    assert "not counted: up to 10 rows on one entity, 2 at a time; --life says for how long" in cast.text
    assert "not counted" not in forecast(20, Limits(10, 10), Ways(crowd=Crowd(2, per_document=2))).text


def test_places_of_the_window_that_are_taken_now_are_waited_for():
    """300 places, of which 5 are free again in 40 s: of 300 requests the last 5 leave then, and the 596th waits for the first of those."""
    limits = Limits(300, 300, window=PLATFORM)

    def seconds(rows, taken=()):
        return forecast(rows, limits, Ways(seconds_per_start=0.01, in_flight=100, taken=taken)).seconds

    assert seconds(300) < 1
    assert seconds(300, [40.0] * 5) == pytest.approx(40, abs=1)
    assert seconds(595, [40.0] * 5) == pytest.approx(60, abs=1)
    assert seconds(596, [40.0] * 5) == pytest.approx(100, abs=1)


def test_a_request_with_many_rows_takes_what_was_measured_of_such():
    slow, known = (
        forecast(1000, Limits(20, 50), Ways(seconds_per_start=0.1, batch=10, seconds_per_request=each)).seconds
        for each in (None, 0.6)
    )
    assert slow == pytest.approx(100, rel=0.01)
    assert known == pytest.approx(60, rel=0.01)


def test_rows_that_share_requests_leave_faster_and_say_so():
    alone, shared = (forecast(400, Limits(2, 50), Ways(seconds_per_start=0.02, batch=batch)) for batch in (1, 10))
    assert (alone.requests, shared.requests) == (400, 40)
    assert shared.seconds < alone.seconds / 6
    assert "10 rows in each" in forecast(4000, Limits(2, 50), Ways(seconds_per_start=0.02, batch=10)).text


def test_a_burst_that_is_spent_is_counted_no_more():
    assert forecast(40, Limits(2, 50)).seconds < 1
    assert forecast(40, Limits(2, 50), Ways(spare=0.0)).seconds == pytest.approx(39 / 1.98, rel=0.01)


NOON = datetime(2026, 11, 22, 12, 0, 0).astimezone()


def test_when_it_ends_is_said_from_two_minutes_on():
    cast = forecast(1000, Limits(10, 10)).beginning(NOON)
    assert cast.ends == NOON + timedelta(seconds=cast.seconds)
    assert ", until 12:01" not in forecast(600, Limits(10, 10)).beginning(NOON).text
    assert "about 5 minutes, until 12:05 (" in forecast(3000, Limits(10, 10)).beginning(NOON).text
    assert "until 2026-11-23" in forecast(500_000, Limits(10, 10)).beginning(NOON).text


def test_a_window_is_waited_for_and_a_deadline_leaves_rows():
    cast = forecast(3000, Limits(10, 10))
    night = cast.beginning(NOON, Daily.read("20:00-06:00"))
    assert night.ends == NOON.replace(hour=20) + timedelta(seconds=cast.seconds)
    assert night.wait == pytest.approx(8 * 3600 + cast.seconds)
    late = cast.beginning(NOON, None, cast.seconds / 4, rows=3000)
    assert late.ends == NOON + timedelta(seconds=cast.seconds / 4)
    assert late.left == pytest.approx(2250, abs=2)
    assert "the deadline comes first and leaves about 2,250 rows" in late.text
    assert cast.beginning(NOON, None, cast.seconds + 1, rows=3000).left == 0


def test_its_json_names_the_end_and_what_would_change_it():
    cast = forecast(3000, Limits(10, 10))
    told = replace(cast, others=(("--rate 20", forecast(3000, Limits(20, 20))),)).beginning(NOON, None, 100, rows=3000).to_json()
    assert told["ends"] == (NOON + timedelta(seconds=100)).isoformat(timespec="seconds")
    assert told["left"] > 0
    assert told["others"][0]["change"] == "--rate 20"
    assert told["others"][0]["seconds"] < told["seconds"]

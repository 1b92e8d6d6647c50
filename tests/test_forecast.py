"""The forecast beside simulated runs, and how a person hears it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.forecast import about, forecast
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
    cast = forecast(rows, limits, seconds_per_start=each, in_flight=workers)
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
    cast = forecast(10_000, limits, seconds_per_start=each)
    assert cast.binds == binds
    assert cast.why in cast.text


def test_a_hold_comes_on_top():
    assert forecast(100, Limits(10, 10), held=30.0).seconds == forecast(100, Limits(10, 10)).seconds + 30


def test_nothing_to_do_takes_no_time():
    assert forecast(0, Limits(10), held=30.0).to_json() == {
        "requests": 0,
        "seconds": 0.0,
        "binds": "request rate",
        "text": "a few seconds (10 requests a second, as stated)",
    }


def test_nobody_in_flight_is_refused():
    with pytest.raises(ValueError, match="in flight"):
        forecast(1, Limits(10), in_flight=0)


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
        return forecast(count, limits, seconds_per_start=answer, in_flight=in_flight).seconds

    assert seconds(rows + 100, each, 10) >= seconds(rows, each, 10) - 1e-6
    assert seconds(rows, each + 1, 10) >= seconds(rows, each, 10) - 1e-6
    assert seconds(rows, each, 4) >= seconds(rows, each, 10) - 1e-6


@pytest.mark.parametrize("rows", [19_999, 20_001, 20_250, 33_333, 1_000_000])
def test_so_it_is_for_any_number_of_rows(rows):
    cast = forecast(rows, Limits(10, 10, window=PLATFORM), seconds_per_start=0.1)
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

"""The bar: how many rows are settled, at what rate, and why nothing happens when nothing happens."""

from __future__ import annotations

import io
import threading
import time

import pytest

from bulkstart.gate import Gate
from bulkstart.gateways.vibecode import Vibecode
from bulkstart.halts import Halts
from bulkstart.model import Outcome
from bulkstart.progress import Bar
from bulkstart.recorder import Recorder
from bulkstart.result_columns import Status
from bulkstart.retry import Stop
from bulkstart.runner import Runner
from bulkstart.throttle import Limits, Throttle


async def never(_):
    raise AssertionError("nothing is sent here")


@pytest.fixture
def runner():
    gate = Gate(Throttle(Limits(rate=5.0, burst=5.0), time.monotonic()))
    return Runner(Vibecode(), never, Recorder(lambda *_: set()), gate, lambda _: None, halts=Halts())


def shown(runner, *statuses, rows=4):
    """The last line of a bar that was told these outcomes."""
    stream = io.StringIO()
    bar = Bar(runner, rows, stream)
    for position, status in enumerate(statuses):
        bar.settle(Outcome(position, status))
    bar.end()
    return stream.getvalue().rstrip("\n").split("\r")[-1]


def test_the_bar_counts_settled_rows_and_names_those_that_did_not_start(runner):
    line = shown(runner, Status.STARTED, Status.REFUSED, Status.REFUSED, Status.IN_DOUBT)
    assert "4/4" in line
    assert "2 refused, 1 in_doubt" in line
    assert "started" not in line
    assert "held" not in line


def test_the_bar_tells_the_rate_that_is_allowed(runner):
    rate = runner.gate.throttle.state(time.monotonic()).rate
    assert f"{rate:.1f}/s allowed" in shown(runner, Status.STARTED)


def test_the_bar_tells_for_how_long_everybody_is_held(runner):
    runner.gate.throttle.hold(time.monotonic() + 1000.0)
    assert any(f"held {seconds} s" in shown(runner) for seconds in [1000, 999])


def test_the_bar_tells_that_the_run_is_stopping(runner):
    runner.drain(Stop("INTERRUPTED", "a person wants it", 130))
    assert "stopping" in shown(runner, Status.STARTED)


def test_the_bar_tells_that_somebody_paused_the_run(runner):
    runner.gate.pause()
    assert "paused" in shown(runner, Status.STARTED)
    runner.gate.paused = False
    assert "paused" not in shown(runner, Status.STARTED)


def test_an_ended_bar_leaves_no_thread(runner):
    shown(runner)
    assert "bulkstart-bar" not in {thread.name for thread in threading.enumerate()}

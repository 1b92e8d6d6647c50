"""The clock on the wall: a daily window is waited for, and the forecast says when a run ends."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

import bulkstart
from bulkstart.batching import Batching
from bulkstart.errors import UsageError
from bulkstart.model import StartRequest
from bulkstart.options import Options
from bulkstart.plan import Plan, Ready
from bulkstart.throttle import Limits
from bulkstart.timing import beginning, expected, shut
from tests.conftest import FAST, PLAIN, deals, starts


def plan(rows):
    return Plan(tuple(Ready(n, n, f"key{n}", StartRequest(713, "deal", n + 1)) for n in range(rows)), {}, ())


def around(hours_from, hours_to):
    """A window from so many hours from now to so many, as it is typed."""
    ends = (datetime.now().astimezone() + timedelta(hours=hours) for hours in (hours_from, hours_to))
    return "-".join(f"{end:%H:%M}" for end in ends)


def test_a_window_is_open_or_says_how_long_it_is_shut():
    assert shut(Options()) == shut(Options(window=around(-1, 1))) == 0
    assert shut(Options(window=around(2, 3))) == pytest.approx(7200, abs=61)


def test_a_run_is_forecast_to_its_end_and_with_what_would_change_it():
    cast = expected(plan(3000), Limits(10, 10), Options(), Batching())
    assert abs((cast.ends - datetime.now().astimezone()).total_seconds() - cast.seconds) < 5
    ((change, other),) = cast.others
    assert change.startswith("--rate 20")
    assert other.seconds == pytest.approx(cast.seconds / 2, rel=0.05)
    assert expected(plan(300), Limits(10, 10), Options(), Batching()).others == ()


def test_the_forecast_counts_the_window_and_the_deadline():
    cast = expected(plan(3000), Limits(10, 10), Options(window=around(2, 4)), Batching())
    assert cast.wait == pytest.approx(7200 + cast.seconds, abs=61)
    assert beginning(cast, Options(deadline=60.0), 3000).left > 2000


def test_a_window_that_is_shut_starts_nothing_and_the_deadline_still_holds():
    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        results = bulkstart.start(deals(5), portal=portal, template=713, window=around(3, 4), deadline=1.0, canary=0, **FAST)
        assert list(results["errorCode"]) == ["DEADLINE"] * 5
        assert results.attrs["forecast"]["left"] == 5
        assert not starts(portal.ledger(), "arrival")
        again = bulkstart.start(deals(5), portal=portal, template=713, window=around(-1, 1), canary=0, **FAST)
        assert list(again["startStatus"]) == ["started"] * 5


def test_a_window_that_is_none_is_refused():
    with pytest.raises(UsageError, match="--window"):
        Options(window="at night")


def test_rows_on_one_entity_are_forecast_by_what_the_user_knows_of_a_workflows_life():
    crowded = Plan(tuple(Ready(n, n, f"key{n}", StartRequest(713, "deal", 1 + n // 8)) for n in range(16)), {}, ())
    known = expected(crowded, Limits(10, 10), Options(life=25.0), Batching())
    assert (known.binds, known.seconds) == ("per-document waits", pytest.approx(3 * 30, rel=0.01))
    assert "--life" in expected(crowded, Limits(10, 10), Options(), Batching()).text


def test_what_the_canary_forecast_of_the_rest_is_told_beside_the_first_forecast():
    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        results = bulkstart.start(deals(9), portal=portal, template=713, **FAST)
        alone = bulkstart.start(deals(2), portal=portal, template=713, campaign="again", canary=0, **FAST)
    told = results.attrs["forecast"]
    assert (told["requests"], told["afterCanary"]["requests"]) == (9, 6)
    assert told["afterCanary"]["seconds"] < 30
    assert "ends" in told["afterCanary"]
    assert "afterCanary" not in alone.attrs["forecast"]

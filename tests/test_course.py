"""The panel's run: a process of its own, followed through the journal, stopped and gone on with, its rows told."""

from __future__ import annotations

import pytest

import bulkstart
from bulkstart.errors import UsageError
from bulkstart.notebook.course import Course
from bulkstart.standing import Wish
from tests.conftest import PLAIN, deals, truth, until

OPTIONS = {"template": 713, "rate": 500, "burst": 500}


def over(course: Course) -> bool:
    course.look()
    return not course.goes_on


def test_a_run_asks_behind_its_pilot_is_stopped_resumed_and_attached_to_by_another():
    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        frame = deals(6).assign(mine="kept")
        course = Course(frame, portal, {**OPTIONS, "canary": 2})
        course.connect()
        course.begin()
        run_id = course.run_id

        def asks() -> bool:
            course.look()
            return course.watched.state == "asking"

        until(asks, 30)
        assert [row.status for row in course.watched.pilot.rows] == ["started", "started"]
        course.wish(Wish.STOP)
        until(lambda: over(course), 30)
        assert course.left == 4
        assert course.results["startStatus"].tolist() == ["started"] * 2 + ["not_attempted"] * 4
        other = Course(None, portal, OPTIONS)
        other.attach(run_id)
        assert other.table()["status"].tolist() == course.table()["status"].tolist()
        assert not other.began_here
        other.connect()
        other.resume()
        until(lambda: over(other), 30)
        assert other.left == 0
        course.attach(run_id)
        assert over(course)
        results = course.results
        assert results["startStatus"].tolist() == ["started"] * 6
        assert results.columns.tolist()[0] == "entityId"
        assert course.past(5)[0]["run"] == run_id
        truth(bulkstart.Run(run_id, portal=portal).results.assign(attempts=1), portal.ledger())


def test_rows_in_doubt_are_looked_up():
    faults = [{"nth": 2, "committed": True, "answer": "close"}]
    with bulkstart.sandbox({"templates": [{**PLAIN, "life_seconds": 60}], "faults": faults}) as portal:
        course = Course(deals(3).assign(mine="kept"), portal, {**OPTIONS, "canary": 0, "settle": 0, "max_unknown": 1})
        course.connect()
        course.begin()
        until(lambda: over(course), 30)
        assert course.table()["status"].tolist() == ["started", "in_doubt", "started"]
        assert course.results["mine"].tolist() == ["kept"] * 3
        assert course.table()["advice"].tolist()[1]
        assert course.settle == 0
        course.reconcile()
        until(lambda: over(course), 30)
        assert course.table()["status"].tolist() == ["started"] * 3


def test_nothing_begins_where_problems_stand_in_the_way():
    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        course = Course(deals(2).assign(entityId=["x", 2]), portal, OPTIONS)
        course.connect()
        with pytest.raises(UsageError, match="nothing that may be started"):
            course.begin()
        assert course.results is None
        assert course.left == 0
        with pytest.raises(UsageError, match="connect"):
            course.resume()
        with pytest.raises(UsageError, match="no-such-run"):
            course.attach("no-such-run")


def test_a_run_that_could_not_begin_says_why(monkeypatch):
    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        course = Course(deals(2), portal, OPTIONS)
        course.connect()
        monkeypatch.setattr(course, "options", {**OPTIONS, "window": "00:00-00:01", "deadline": 0.001})
        course.begin()
        until(lambda: over(course), 30)
        assert course.watched.counts.get("started", 0) == 0

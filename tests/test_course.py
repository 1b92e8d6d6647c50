"""The panel's run: a process of its own, followed through the journal, stopped and gone on with, its rows told."""

from __future__ import annotations

import pytest

import bulkstart
from bulkstart.errors import UsageError
from bulkstart.notebook.course import Course
from bulkstart.standing import Wish
from tests.conftest import PLAIN, deals, starts, truth, until

OPTIONS = {"template": 713, "rate": 500, "burst": 500}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where the results of frames are written."""
    monkeypatch.chdir(tmp_path)


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


def test_a_sheet_that_was_changed_since_it_was_checked_is_not_started(tmp_path):
    path = tmp_path / "deals.csv"
    path.write_text("entityId\n1\n", encoding="utf-8")
    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        course = Course(None, portal, OPTIONS)
        course.connect()
        course.read(str(path))
        path.write_text("entityId\n2\n", encoding="utf-8")
        with pytest.raises(UsageError, match="changed since"):
            course.begin()
        course.read(str(path))
        course.begin()
        until(lambda: over(course), 30)
        assert [line["entityId"] for line in starts(portal.ledger(), "commit")] == [2]
        assert (tmp_path / "deals.results.csv").exists()


def test_a_run_that_had_no_row_says_why():
    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        course = Course(deals(1), portal, OPTIONS)
        course.connect()
        course.options["output"] = "deals.unknown"
        course.begin()
        until(lambda: over(course), 30)
        assert "deals.unknown" in course.unsent
        assert course.results is None

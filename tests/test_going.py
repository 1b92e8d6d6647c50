"""The start and the run: what a button says it does, the pilot's question, Pause and Stop, what is left."""

from __future__ import annotations

import pytest

import bulkstart
from tests.conftest import deals, starts, until
from tests.panels import ended, is_shown, panel_on, troubles, wait, words


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where the results of frames are written."""
    monkeypatch.chdir(tmp_path)


def test_the_one_button_that_starts_says_how_many_and_where():
    with panel_on(deals(5)) as panel:
        pilot, place = panel.sections["pilot"], panel.portal.fixed_identity()
        assert pilot.start.description == f"Start the first 3 of 5 workflows on {place}"
        pilot.pilot.value = 0
        assert pilot.start.description == f"Start 5 workflows on {place}"
        assert panel.run_id is None
        assert not starts(panel.portal.ledger(), "arrival")


def test_no_button_starts_anything_while_problems_stand():
    with panel_on(deals(2).assign(entityId=[1, "x"])) as panel:
        pilot = panel.sections["pilot"]
        assert not is_shown(pilot.start)
        pilot.start.click()
        assert "nothing that may be started" in troubles(panel)
        assert not starts(panel.portal.ledger(), "arrival")


def test_a_run_is_answered_paused_stopped_and_gone_on_with():
    slow = {"rate": 5, "burst": 1, "canary": 1}
    with panel_on(deals(40), **slow) as panel:
        pilot, run, place = panel.sections["pilot"], panel.sections["run"], panel.portal.fixed_identity()
        pilot.start.click()
        pilot.start.click()
        assert "goes on" in troubles(panel), "a double click starts one run"
        wait(panel, "asking")
        until(lambda: is_shown(pilot.answer), 15, "the question")
        assert pilot.go_on.description == f"Start the other 39 workflows on {place}"
        assert "started" in words(pilot.told.value)
        assert panel.sections["portal"].sandbox.disabled
        pilot.go_on.click()
        until(lambda: is_shown(run.pause) and panel.walk.watched.told.state == "running", 15, "Pause")
        run.pause.click()
        assert panel.walk.watched.state == "paused"
        assert is_shown(run.go_on)
        run.go_on.click()
        run.stop.click()
        ended(panel)
        left = panel.walk.left
        assert left > 0
        assert run.resume.description == f"Start the remaining {left} workflows on {place}"
        assert "ended" in words(run.told.value)
        assert len(starts(panel.portal.ledger(), "commit")) == 40 - left
        panel.walk.options["rate"] = panel.walk.options["burst"] = 500
        run.resume.click()
        ended(panel)
        assert panel.results["startStatus"].tolist() == ["started"] * 40
        assert run.bar.value == run.bar.max == 40
        assert not is_shown(run.resume)
        assert "nothing to start" in words(pilot.why.value)
        assert len(starts(panel.portal.ledger(), "commit")) == 40
        attached = bulkstart.panel(run=panel.run_id, portal=panel.portal, language="ru")
        assert "завершён" in words(attached.sections["run"].told.value)
        assert attached.results["startStatus"].tolist() == ["started"] * 40
        assert f"Run('{panel.run_id}'" in attached.sections["run"].lines()[0]

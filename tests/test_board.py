"""The panel as a whole: its values, its size and secrets when saved, its place in a notebook."""

from __future__ import annotations

import json
import subprocess
import sys

import ipywidgets
import pandas as pd
import pytest

import bulkstart
from bulkstart.errors import UsageError
from tests.conftest import ROOT, deals
from tests.panels import panel_on

PROGRAM = "import sys, bulkstart; bulkstart.panel; print('ipywidgets' in sys.modules)"


def saved(panel) -> str:
    """All that a notebook would save of the panel's controls."""
    found = [panel.widget]
    for one in found:
        found += getattr(one, "children", ())
    return json.dumps([one.get_state() for one in found], default=str)


def test_values_stand_at_every_step():
    with panel_on(deals(3)) as panel:
        assert len(panel.frame) == 3
        assert panel.problems.empty
        assert panel.plan["startStatus"].tolist() == ["planned"] * 3
        assert panel.run_id is None
        assert panel.results is None
    empty = bulkstart.panel()
    assert empty.frame is None
    assert empty.plan is None
    assert empty.problems.columns.tolist() == ["row", "column", "code", "message"]


def test_a_saved_panel_is_small_and_holds_no_secret_and_no_html_of_others():
    frame = pd.DataFrame(
        {"entityId": [f"<script>{number}" * 40 for number in range(3000)], **{f"c{at}": ["&" * 3000] * 3000 for at in range(9)}}
    )
    with panel_on(frame) as panel:
        text = saved(panel)
        assert len(text) < 500_000
        assert "<script>" not in text
        assert panel.portal.credential.reveal() not in text


def test_a_notebook_shows_the_controls_and_saves_the_text():
    panel = bulkstart.panel(deals(1))
    bundle = panel._repr_mimebundle_()
    assert bundle["text/plain"] == repr(panel)
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_standard_controls_only():
    panel = bulkstart.panel()
    found = [panel.widget]
    for one in found:
        found += getattr(one, "children", ())
    assert {type(one).__module__.split(".")[0] for one in found} == {ipywidgets.__name__}


def test_the_name_alone_loads_no_ipywidgets():
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(UsageError, match="language"):
        bulkstart.panel(language="xx")
    with pytest.raises(UsageError, match="unknown option"):
        bulkstart.panel(nonsense=1)
    with pytest.raises(UsageError):
        bulkstart.panel(run="no-such-run")

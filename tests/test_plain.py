"""The panel as text, where there is no front end."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT, deals
from tests.panels import panel_on


def test_the_text_tells_each_step():
    with panel_on(deals(2).assign(entityId=[1, "x"])) as panel:
        text = repr(panel)
        assert "Good rows: 1 of 2" in text
        assert "type-error" in text
        assert "SANDBOX" in text
        assert panel.portal.credential.reveal() not in text
    with panel_on(language="ru") as panel:
        assert "Годных строк: 8 из 8" in repr(panel)


def test_plain_python_prints_it():
    program = "import bulkstart, pandas; print(bulkstart.panel(pandas.DataFrame({'entityId': [1]})))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "a frame of 1 rows" in done.stdout

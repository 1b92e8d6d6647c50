"""Results with advice and files to download, rows in doubt."""

from __future__ import annotations

import base64
import re

import pytest

from tests.conftest import deals
from tests.panels import ended, is_shown, panel_on, troubles, words

FAULTS = [
    {"entities": [2], "answer": "BITRIX_ERROR"},
    {"entities": [3], "committed": True, "answer": "close"},
]


@pytest.fixture
def panel(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scenario = {"faults": FAULTS}
    with panel_on(deals(4).assign(mine="kept"), scenario, canary=0, settle=0, max_unknown=1, halt_percent=0) as found:
        found.sections["pilot"].start.click()
        ended(found)
        yield found


def test_results_are_filtered_advised_downloaded_and_doubts_settled(panel):
    results = panel.sections["results"]
    assert panel.results["startStatus"].tolist() == ["started", "refused", "in_doubt", "started"]
    results.listing.filters["status"].value = "refused"
    assert "mend the cause" in words(results.listing.table.value)
    for kind, name in (
        ("workbook", "bulkstart.results.xlsx"),
        ("csv", "bulkstart.results.csv"),
        ("failed", "bulkstart.failed.xlsx"),
    ):
        results.files[kind].click()
        assert not troubles(panel)
        assert f'download="{name}"' in results.link.value
    results.files["csv"].click()
    text = base64.b64decode(re.search('base64,([^"]+)', results.link.value)[1]).decode("utf-8-sig")
    assert text.splitlines()[0].startswith("entityId,mine,startStatus")
    results.take_away()
    assert results.link.value == ""
    doubts = panel.sections["doubts"]
    assert "Rows in doubt: 1" in words(doubts.told.value)
    assert doubts.look.description.startswith("Look 1 rows up on 127.0.0.1")
    doubts.look.click()
    ended(panel)
    assert panel.results["startStatus"].tolist()[2] in ("started", "in_doubt")
    if panel.results["startStatus"].tolist()[2] == "started":
        assert not is_shown(doubts.look)

"""Checks with cell addresses, counts and filters; the forecast."""

from __future__ import annotations

import bulkstart
from tests.conftest import ROOT
from tests.panels import is_shown, panel_on, words


def test_problems_stand_with_their_cells_counted_by_code_and_the_good_rows_are_counted():
    with bulkstart.sandbox() as portal:
        panel = bulkstart.panel(bulkstart.read_sheet(ROOT / "sample_data" / "leads_messy.xlsx"), portal=portal)
        checks = panel.sections["checks"]
        assert "Good rows: 14 of 29" in words(checks.told.value)
        assert "<b>9</b>" in checks.told.value
        listing = checks.listing
        assert len(listing.found) == len(panel.problems)
        assert listing.found["cell"].str.fullmatch(r"[A-Z]+[0-9]+|[0-9]+").all()
        listing.filters["code"].value = "duplicate-row"
        assert set(listing.found["code"]) == {"duplicate-row"}
        assert not panel.walk.mended
        checks.skip.value = True
        assert panel.walk.mended
        assert panel.walk.options["skip_invalid"] is True
        checks.skip.value = False
        assert "skip_invalid" not in panel.walk.options


def test_a_sheet_without_problems_says_so_and_shows_no_table():
    with panel_on() as panel:
        checks = panel.sections["checks"]
        assert "No problems." in checks.told.value
        assert not is_shown(checks.listing.box)
        assert "8 workflows would be started on 127.0.0.1" in panel.sections["forecast"].told.value
        assert "?" not in words(panel.sections["forecast"].told.value)
        checks.again.click()
        assert panel.walk.planned == 8


def test_a_portal_that_denies_says_so():
    with panel_on(scenario={"faults": [{"on": "any", "answer": "INVALID_API_KEY"}]}) as panel:
        assert "INVALID_API_KEY" in panel.sections["checks"].told.value
        assert not is_shown(panel.sections["pilot"].start)

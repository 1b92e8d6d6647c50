"""A section: it waits for the step before it, says what went wrong in it, and shows the code that repeats it."""

from __future__ import annotations

import html

import bulkstart
from tests.conftest import deals
from tests.panels import is_shown, panel_on, words


def test_sections_wait_for_the_step_above():
    panel = bulkstart.panel()
    waiting = [name for name, section in panel.sections.items() if not is_shown(section.body)]
    assert waiting == ["template", "columns", "checks", "forecast", "pilot", "run", "results", "doubts"]
    assert all("Waits" in panel.sections[name].hint.value for name in waiting)


def test_what_goes_wrong_is_said_in_its_section_and_goes_away_again():
    panel = bulkstart.panel(deals(1))
    portal = panel.sections["portal"]
    portal.connect.click()
    assert "BULKSTART_API_KEY" in portal.trouble.value
    sheet = panel.sections["sheet"]
    sheet.path.value = "no-such-sheet.xlsx"
    assert "no-such-sheet.xlsx" in sheet.trouble.value
    assert 'role="alert"' in sheet.trouble.value


def test_a_fault_of_ours_is_said_and_not_swallowed():
    panel = bulkstart.panel(deals(1))
    panel.sections["sheet"].act(lambda: 1 / 0)
    assert "ZeroDivisionError" in panel.sections["sheet"].trouble.value


def test_every_step_shows_the_line_that_repeats_it():
    with panel_on(deals(2), template=713, campaign="autumn") as panel:
        for name, call in {"checks": "bulkstart.check(", "forecast": "dry_run=True", "pilot": "bulkstart.start("}.items():
            line = html.unescape(words(panel.sections[name].code.value))
            assert call in line
            assert "campaign='autumn'" in line
            assert panel.portal.credential.reveal() not in line

"""How a report looks, in itself: no address in it, both themes, paper; the script that filters is the only one."""

from __future__ import annotations

import re

from bulkstart.report_style import POLICY, SCRIPT, STYLE
from bulkstart.result_columns import Status


def test_nothing_leads_out_of_the_page():
    for text in (STYLE, SCRIPT):
        assert not re.search(r"https?:|//[a-z]|url\(|@import|fetch|XMLHttp|import\s*\(|innerHTML|eval|</", text)
    assert "default-src 'none'" in POLICY
    assert "unsafe" not in POLICY


def test_light_dark_and_paper_are_thought_of():
    assert "prefers-color-scheme: dark" in STYLE
    assert "@media print" in STYLE


def test_every_status_has_a_colour():
    for status in (*Status, "open"):
        assert re.search(rf"--{status}: #[0-9a-f]{{6}};", STYLE), status
        assert f".{status} {{ fill: var(--{status}); }}" in STYLE, status

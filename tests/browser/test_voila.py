"""The journeys in Voila."""

from __future__ import annotations

import pytest

from tests.browser import journeys

HOST = "voila"
pytestmark = pytest.mark.timeout(400)  # they wait for states, a minute for each at most; this is for what hangs


def test_from_upload_to_downloaded_results(served, chromium):
    journeys.from_upload_to_downloaded_results(served, chromium)


def test_stopped_reloaded_and_gone_on_with(served, chromium):
    journeys.stopped_reloaded_and_gone_on_with(served, chromium)


def test_too_large_to_upload(served, chromium):
    journeys.too_large_to_upload(served, chromium)

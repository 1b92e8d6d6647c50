"""One server of each kind and one browser for all journeys of a module; where they cannot be had, why."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.browser import hosts


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser. Under ``CI=true`` it must be there; elsewhere its absence is a reason to skip, and is shown."""
    why = hosts.missing()
    if why and os.environ.get("CI") == "true":
        pytest.fail(f"the journeys through a browser cannot be made: {why}")
    if why:
        pytest.skip(why)
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  where it is installed

    with sync_playwright() as playwright, hosts.browser(playwright) as found:
        yield found


@pytest.fixture(scope="module")
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, chromium: Any) -> Iterator[hosts.Place]:
    """The host that the module names, beside a portal with faults."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp(request.module.HOST)
        portal = stack.enter_context(hosts.portal())
        host = stack.enter_context(hosts.serving(request.module.HOST, folder, portal))
        yield hosts.Place(host, portal, Path(folder))

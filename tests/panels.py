"""A panel clicked through without a browser: its controls are values that can be set, its buttons can be clicked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd

import bulkstart
from tests.conftest import PLAIN, deals, until

KINDS: dict[str, Any] = {
    "id": 714,
    "name": "Contract",
    "documentType": "deal",
    "parameters": {
        "number": {"Name": "Number", "Type": "string", "Required": "1", "Multiple": "0", "Options": "", "Default": ""},
        "copies": {"Name": "Copies", "Type": "int", "Required": "0", "Multiple": "0", "Options": "", "Default": ""},
    },
}
FAST: dict[str, Any] = {"template": 713, "rate": 500, "burst": 500}


@contextmanager
def panel_on(frame: pd.DataFrame | None = None, scenario: dict[str, Any] | None = None, **options: Any) -> Iterator[Any]:
    """A panel connected to a sandbox portal; ``panel.portal`` is that portal."""
    with bulkstart.sandbox({"templates": [PLAIN, KINDS], **(scenario or {})}) as portal:
        panel: Any = bulkstart.panel(deals(8) if frame is None else frame, portal=portal, **{**FAST, **options})
        panel.portal = portal
        yield panel


def troubles(panel: Any) -> str:
    """What the sections say that went wrong."""
    return " ".join(words(section.trouble.value) for section in panel.sections.values()).strip()


def words(html: str) -> str:
    """The text of some HTML."""
    return re.sub(r"<[^>]+>", " ", html)


def is_shown(widget: Any) -> bool:
    """Whether a control is there for the person."""
    return widget.layout.display != "none"


def wait(panel: Any, state: str) -> None:
    """Wait until the panel shows its run in a state."""
    until(lambda: panel.walk.watched is not None and panel.walk.watched.state == state, 30, state)


def ended(panel: Any) -> None:
    """Wait until the panel has the results of its run, and has planned anew."""
    until(lambda: panel.walk.told is not None and not panel._follower.is_set(), 30, "the end")
    with panel.lock:  # the last look is shown
        pass
    assert not troubles(panel)

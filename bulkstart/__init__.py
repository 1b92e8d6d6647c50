"""Bulk start of Bitrix24 workflows from a spreadsheet: each row is started at most once, and every doubt is shown.

The street, house by house; a value walks from the top to the bottom:

    sheet        files ⇄ frames
    rows         frame → rows, by ``columns``
    checks       rows + templates → start requests, or problems (``cells``, ``values``, ``parameters``)
    plan         requests + what the journal knows → what is left to do (``row_keys``, ``states``, ``journal``)
    steering     wishes in the journal → the run, and how the run stands → the journal (``standing``, ``watch``)
    runner       plan → outcomes (``exchange``, ``throttle``, ``retry``, ``halts``, ``recorder``)
    sharing      one limit for all processes of a machine (``slots``, ``budget``)
    gateways     requests → HTTP calls, answers → verdicts
    transport    HTTP calls → answers
    results      outcomes → frame
    job, api     the whole flow; ``cli`` and notebooks are its front ends
    detached     a run as a process of its own (``spawning``, ``launched``, ``rehearsal``)
    notebook     the panel: ipywidgets over all of this
    history      a past run taken up again: ``resumed``, ``reconcile`` (``sweep``, ``evidence``), ``undo``
    doctor       a portal looked at before a run (``diagnosis``)
    simulator    the sandbox portal, which shares nothing with the rest
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bulkstart.version import VERSION

if TYPE_CHECKING:
    from bulkstart.api import astart, check, runs, start, templates, write_results
    from bulkstart.errors import BulkstartError
    from bulkstart.notebook import panel
    from bulkstart.portal import Portal
    from bulkstart.result_columns import Status
    from bulkstart.run import Run
    from bulkstart.sandboxed import sandbox
    from bulkstart.sheet import read_sheet

__version__ = VERSION

__all__ = [
    "BulkstartError",
    "Portal",
    "Run",
    "Status",
    "__version__",
    "astart",
    "check",
    "panel",
    "read_sheet",
    "runs",
    "sandbox",
    "start",
    "templates",
    "write_results",
]

_HOMES = {
    "BulkstartError": "errors",
    "Portal": "portal",
    "Run": "run",
    "Status": "result_columns",
    "astart": "api",
    "check": "api",
    "panel": "notebook",
    "read_sheet": "sheet",
    "runs": "api",
    "sandbox": "sandboxed",
    "start": "api",
    "templates": "api",
    "write_results": "api",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its house when it is first used: importing the package loads nothing heavy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'bulkstart' has no attribute {name!r}")
    return getattr(import_module(f"bulkstart.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__

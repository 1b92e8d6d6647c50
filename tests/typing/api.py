"""Typed use of every public name, checked by ``mypy --strict`` and never run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import pandas as pd

import bulkstart
from bulkstart import BulkstartError, Portal, Status


def portals() -> list[Portal]:
    return [
        bulkstart.Portal.from_env(),
        Portal.vibecode(api_key="vibe_api_0123456789"),
        Portal.vibecode(api_key="vibe_app_0123456789", session_token="session", base_url="https://vibecode.bitrix24.tech/v1"),
    ]


def whole_run(portal: Portal) -> pd.DataFrame:
    frame = assert_type(bulkstart.read_sheet("deals.xlsx"), pd.DataFrame)
    found = assert_type(bulkstart.check(frame, portal=portal, template=713), pd.DataFrame)
    if not found.empty:
        return found
    results = assert_type(bulkstart.start(frame, portal=portal, template=713), pd.DataFrame)
    path = assert_type(bulkstart.write_results(results, "deals.results.xlsx", source="deals.xlsx"), Path)
    assert_type(bulkstart.write_results(results, path), Path)
    return results


def every_option(frame: pd.DataFrame) -> pd.DataFrame:
    return bulkstart.start(
        frame,
        template=713,
        entity_type="deal",
        columns={"entityId": "ID", "param:comment": "C"},
        values={"comment": "text", "amount": 12.5},
        decimal=",",
        date_format="%d.%m.%Y",
        limit=10,
        dry_run=False,
        skip_invalid=True,
        canary=0,
        rate=5,
        burst=10.0,
        polite=False,
        max_unknown=10,
        batch="auto",
        halt_doubts=3,
        halt_same=5,
        halt_percent=20,
        per_document=2,
        reconcile=True,
        probe_running=True,
        settle=100.0,
        campaign="autumn",
        allow_changed=True,
        journal=Path("journal.sqlite"),
        deadline=3600,
        timeout=130.0,
    )


async def in_a_loop(frame: pd.DataFrame, portal: Portal) -> pd.DataFrame:
    return assert_type(await bulkstart.astart(frame, portal=portal, template=713), pd.DataFrame)


def looking_back(portal: Portal) -> tuple[pd.DataFrame, pd.DataFrame]:
    return assert_type(bulkstart.templates(portal), pd.DataFrame), assert_type(bulkstart.runs(), pd.DataFrame)


def a_past_run(results: pd.DataFrame, portal: Portal) -> dict[str, int]:
    run = bulkstart.Run(results.attrs["run_id"], portal=portal, journal=Path("journal.sqlite"))
    assert_type(run.run_id, str)
    assert_type(run.results, pd.DataFrame)
    assert_type(run.timeline, pd.DataFrame)
    assert_type(run.report(), Path)
    assert_type(run.report("page.html"), Path)
    assert_type(run.reconcile(settle=60, rate=5), pd.DataFrame)
    assert_type(run.resume(), pd.DataFrame)
    assert_type(run.resume(release_doubts=True, settle=100.0, limit=10), pd.DataFrame)
    assert_type(bulkstart.Run("20261122-010203-7f3a").undo(dry_run=True), dict[str, int])
    return assert_type(run.undo(erase=True), dict[str, int])


def with_a_sandbox(scenario: dict[str, Any]) -> list[str]:
    with bulkstart.sandbox(scenario) as portal:
        results = bulkstart.start(pd.DataFrame({"entityId": [1]}), portal=portal, template=720)
        return [line["kind"] for line in portal.ledger()] + results["startStatus"].tolist()


def statuses() -> list[Status]:
    return [status for status in Status if status not in (Status.STARTED, Status.IN_DOUBT)]


def errors(frame: pd.DataFrame) -> int:
    try:
        bulkstart.start(frame)
    except BulkstartError as error:
        return assert_type(error.exit_code, int)
    return 0


def wrong(frame: pd.DataFrame) -> None:
    """Each comment is needed: ``mypy --strict`` warns of one that is not."""
    bulkstart.start(frame, tempalte=713)  # type: ignore[call-arg]
    bulkstart.start(frame, rate="fast")  # type: ignore[arg-type]
    bulkstart.start("deals.xlsx")  # type: ignore[arg-type]
    bulkstart.Run(7)  # type: ignore[arg-type]
    bulkstart.Run("7").results = frame  # type: ignore[misc]
    bulkstart.Run("7").resume(release_doubts="yes")  # type: ignore[arg-type]
    bulkstart.Run("7").undo(True)  # type: ignore[call-arg]
    Portal.vibecode("vibe_api_0123456789")  # type: ignore[call-arg]


def panels(frame: pd.DataFrame, portal: Portal) -> None:
    panel = bulkstart.panel(frame, portal=portal, language="ru", template=713, canary=5)
    assert_type(panel.problems, pd.DataFrame)
    assert_type(panel.run_id, str | None)
    assert_type(panel.results, pd.DataFrame | None)
    bulkstart.panel(run="20261122-101500-1a2b")

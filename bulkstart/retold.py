"""How a past run stands now: every row's outcome, and every request with its times, from the journal alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bulkstart.journal import Journal
from bulkstart.journal_look import HEARSAY
from bulkstart.journal_past import PastRun
from bulkstart.model import Outcome
from bulkstart.plan import Rules, make
from bulkstart.result_columns import Status
from bulkstart.results import completed, frame_of, invalid_outcomes
from bulkstart.resumed import Resumed, sheet_of
from bulkstart.retry import Stop
from bulkstart.timeline import requests_of

if TYPE_CHECKING:
    import pandas as pd


def retold(past: PastRun, journal: Journal, now: float) -> list[Outcome]:
    """What is told of every row of a run at the Unix time ``now``, in the order of its sheet."""
    sheet, resumed = sheet_of(past), Resumed(past)
    view = journal.view(past.portal, sheet.keyed, past.campaign, ())
    plan = make(sheet.checked.rows, sheet.checked.requests, sheet.keys, view, Rules(past.campaign, allow_changed=True))
    plan = resumed.narrowed(plan, sheet, view, now)
    return completed(
        len(past.rows),
        plan,
        invalid_outcomes(sheet.checked.rows, plan.problems),
        resumed.left(plan),
        Stop("RUN_STOPPED", "the run ended before this row", 6),
        {},
    )


def rehearsed(past: PastRun, outcomes: Sequence[Outcome]) -> set[int]:
    """Rows that a sandbox decided about, by position; what a sheet said of a real portal is none of its doing (``results.real_words``)."""
    if not past.settings.get("sandbox"):
        return set()
    repeated = {o.position for o in outcomes if not o.attempts and (o.status is Status.IN_DOUBT or HEARSAY in o.error_message)}
    return set(range(len(outcomes))) - repeated


def timeline(past: PastRun, journal: Journal) -> pd.DataFrame:
    """One line for each request of a run, in the order in which they left; see ``Run.timeline``."""
    import pandas as pd  # noqa: PLC0415  lazy: --help loads no pandas

    found = requests_of(journal.events(past.run_id))
    places = {key: row.outcome.position for key, row in Resumed(past).rows.items()}
    labels = frame_of([(row.label, row.request) for row in past.rows]).index
    frame = pd.DataFrame(
        {
            "row": pd.Series([labels[places[request.key]] for request in found], dtype=object),
            "sent_at": pd.to_datetime([request.sent_at for request in found], unit="s", utc=True),
            "ended_at": pd.to_datetime(
                [math.nan if request.ended_at is None else request.ended_at for request in found], unit="s", utc=True
            ),
            "seconds": pd.Series([request.seconds for request in found], dtype="float64"),
            "status": pd.Series([request.status for request in found], dtype=object),
            "code": pd.Series([request.code for request in found], dtype=object),
        }
    )
    frame.attrs |= {"run_id": past.run_id, "portal": past.portal, "limit": past.settings.get("portal_limit")}
    return frame

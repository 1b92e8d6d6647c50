"""One sweep of the portal's running list: which workflows live now, and how far the portal's clock is ahead of ours."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial

from bulkstart.gateways.running import Running
from bulkstart.model import Answer, Denied, Lost
from bulkstart.plan import Plan
from bulkstart.portal import Portal
from bulkstart.preflight import Ask, asked, busy_of, code_of
from bulkstart.retry import lost_verdict
from bulkstart.throttle import Throttle

MOST_PAGES = 400
BASELINE_SECONDS = 10.0
"""Seconds to wait for a page of the running list before the first send."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """What runs: by workflow id. ``at``: Unix time; ``clock_offset``: seconds that the portal's clock is ahead, ``None``: not told."""

    at: float
    clock_offset: float | None
    running: Mapping[str, Running]

    def by_document(self) -> Counter[tuple[str, int]]:
        """How many workflows run on each document."""
        return Counter(workflow.document for workflow in self.running.values() if workflow.document is not None)


@dataclass(frozen=True, slots=True)
class Unread:
    """The list cannot be read; ``denied``: the portal said no, for good."""

    code: str
    denied: Denied | None = None


async def sweep(portal: Portal, send: Ask, throttle: Throttle, template_id: int | None = None) -> Sweep | Unread:
    """Read the whole list, or that of one template.

    Rows shift between pages while workflows move: a list of several pages is read again and again, until a whole pass brings nothing
    new and no fewer rows are known than the portal counts (or two passes bring nothing: it may count what it does not show).
    """
    at, offset = time.time(), None
    seen: dict[str, Running] = {}
    place, fresh, passes, quiet = 0, False, 0, 0
    last: list[Running] = []
    for _ in range(MOST_PAGES):
        call = portal.gateway.running_call(place, template_id)
        answer = await asked(send, call, throttle, lambda got: busy_of(portal, got))
        page = portal.gateway.read_running(answer) if isinstance(answer, Answer) else None
        if page is None or isinstance(answer, Lost):
            return _unread(portal, answer)
        offset = ahead(answer) if offset is None else offset
        rows, total = page
        fresh = fresh or any(running.workflow_id not in seen for running in rows)
        seen |= {running.workflow_id: running for running in rows}
        place += len(rows)
        same, last = rows == last, rows
        if rows and not same and (total is None or place < total):
            continue
        passes, quiet = passes + 1, 0 if fresh else quiet + 1
        one_page = passes == 1 and place == len(rows)
        if one_page or (quiet and len(seen) >= (total or 0)) or quiet > 1:
            return Sweep(at, offset, {key: one for key, one in seen.items() if template_id in (None, one.template_id)})
        place, fresh = 0, False
    return Unread("LIST_TOO_LONG")  # what was not read would count as ended


async def baseline(
    portal: Portal, send: Callable[..., Awaitable[Answer | Lost]], throttle: Throttle, plan: Plan, say: Callable[[str], None]
) -> Sweep | None:
    """What runs on the portal before the first send: without it, no doubt could ever be settled by the list."""
    if not plan.ready:
        return None
    templates = {ready.request.template_id for ready in plan.ready}
    only = templates.pop() if len(templates) == 1 else None
    found = await sweep(portal, partial(send, within=BASELINE_SECONDS), throttle, only)
    if isinstance(found, Unread):
        say(f"the list of running workflows cannot be read ({found.code}): doubts of this run must be settled by hand")
        return None
    return found


async def count_running(portal: Portal, send: Ask, throttle: Throttle) -> Mapping[tuple[str, int], int] | None:
    """How many workflows run on each document; ``None`` where the list cannot be read."""
    found = await sweep(portal, send, throttle)
    return None if isinstance(found, Unread) else found.by_document()


def reason_unread(portal: Portal, answer: Answer | Lost) -> str:
    """Why a page of the running list cannot be read, as the portal's code; ``""`` where it can."""
    if isinstance(answer, Answer) and portal.gateway.read_running(answer) is not None:
        return ""
    return _unread(portal, answer).code


def _unread(portal: Portal, answer: Answer | Lost) -> Unread:
    if isinstance(answer, Lost):
        denied = lost_verdict(answer)
        return Unread(answer.reason, denied if isinstance(denied, Denied) else None)
    verdict = portal.gateway.read_stop(answer)
    return Unread(code_of(portal, answer), verdict if isinstance(verdict, Denied) else None)


def ahead(answer: Answer) -> float | None:
    """The portal's clock against ours, by the ``Date`` header, which tells whole seconds."""
    try:
        told = parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError):
        return None
    return None if told.tzinfo is None else told.timestamp() + 0.5 - (time.time() - answer.seconds / 2)

"""What both dialects share in reading an answer: JSON, texts, waits, addresses, ids. Pure; nothing here raises on any answer."""

from __future__ import annotations

import json
import math
import re
from email.utils import parsedate_to_datetime
from typing import Any

from bulkstart.model import Answer, Denied, InDoubt, Refused, Verdict

WORKFLOW_ID = re.compile(r"[!-~](?:[ -~]{0,198}[!-~])?")
"""Any one line of plain characters; a real id is 14 hex digits, a dot, 8 digits (bitrix24-api 1.3)."""

REFUSED_BY_SIZE = frozenset({413, 414, 431})
"""Statuses by which a front server refuses a request for its size: nothing was started (4.2)."""

PROXY = "a proxy asks for a login in the portal's place: check HTTPS_PROXY"
LONGEST_WAIT = 86_400.0
_DOMAIN = re.compile(r"^(?:https?://)?([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\.[a-z0-9-]+(?::\d+)?)(?:/.*)?$", re.IGNORECASE)


def decode(body: bytes) -> Any:
    """The JSON value of a body, or ``None`` where it is none: cut, empty, HTML, wrong charset, nested beyond reason."""
    try:
        return json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return None


def text_of(value: object) -> str:
    """The text, or ``""`` where it is none."""
    return value if isinstance(value, str) else ""


def seconds_of(value: object) -> float | None:
    """A wait as a number or as digits; anything absurd is as good as unsaid."""
    try:
        wait = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return min(wait, LONGEST_WAIT) if 0 <= wait < math.inf else None


def retry_after(answer: Answer) -> float | None:
    """``Retry-After`` in seconds, or as a date against the answer's own ``Date``."""
    told = answer.headers.get("retry-after", "")
    if (seconds := seconds_of(told)) is not None:
        return seconds
    try:
        return max(0.0, (parsedate_to_datetime(told) - parsedate_to_datetime(answer.headers.get("date", ""))).total_seconds())
    except (ValueError, TypeError):
        return None


def domain_of(value: object) -> str:
    """A portal's domain in lower case, from ``"x.bitrix24.ru"``, a URL, or an object that has one; else ``""``."""
    if isinstance(value, dict):
        named = (domain_of(text_of(value.get(name))) for name in ("domain", "host", "url", "name"))
        return next((domain for domain in named if domain), "")
    found = _DOMAIN.match(value.strip()) if isinstance(value, str) else None
    return found.group(1).lower() if found else ""


def redirected(answer: Answer, setting: str) -> Denied:
    """What a 3xx proves: nothing was carried out. It is never followed, since the credentials would travel (4.2)."""
    location = domain_of(answer.headers.get("location"))
    goal = f" to {location}" if location else ""
    return Denied(
        f"HTTP_{answer.status}", f"the address redirects{goal}; it is never followed with a key: set {setting} to the right one"
    )


def without_envelope(answer: Answer, nowhere: str) -> Verdict:
    """What an answer proves that is not the portal's own: only its status is left to go by (4.2). ``nowhere``: what a 404 means."""
    code = f"HTTP_{answer.status}"
    if answer.status in REFUSED_BY_SIZE:
        return Refused(code, "the request was refused for its size; shorten the parameters of this row")
    if answer.status == 407:  # noqa: PLR2004
        return InDoubt(code, "a proxy asks for a login in the portal's place; it may have started", stops=PROXY)
    if answer.status == 404:  # noqa: PLR2004
        doubt = InDoubt(code, "an answer that is not the portal's own; it may have started")
        return Denied(code, nowhere, afterwards=doubt, per_run=True)
    if answer.status < 300:  # noqa: PLR2004
        return InDoubt("BAD_ANSWER", f"HTTP {answer.status} with a body that proves nothing; it may have started")
    return InDoubt(code, f"HTTP {answer.status} without the portal's own words; it may have started")

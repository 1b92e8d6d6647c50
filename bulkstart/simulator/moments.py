"""Moments as a portal writes them: whole seconds of its own clock, in its own zone (bitrix24-api 1.6)."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .switches import Switches

ZONE = timezone(timedelta(hours=3))
"""The portal's own time zone."""


def local(epoch: float, switches: Switches) -> datetime:
    """Return the moment as the portal's clock shows it, in whole seconds; ``epoch``: true seconds since 1970."""
    return datetime.fromtimestamp(math.floor(epoch + switches.clock_skew_seconds), ZONE)


def listed(epoch: float, switches: Switches) -> str:
    """Return the moment as lists of workflows write it (``started_form``)."""
    moment, form = local(epoch, switches), switches.started_form
    if form == "utc":
        return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"
    return (moment if form == "offset" else moment.replace(tzinfo=None)).isoformat()

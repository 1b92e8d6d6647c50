"""A daily span of local time in which starts may leave, such as 20:00-06:00. Pure: the time is an argument."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

_FORM = re.compile(r"(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})")
_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Daily:
    """Minutes of the day from which on and up to which it is open; ``end`` before ``begin``: it lasts over midnight."""

    begin: int
    end: int

    @classmethod
    def read(cls, text: str) -> Self:
        """From ``HH:MM-HH:MM``. Raises ``ValueError`` with one sentence."""
        found = _FORM.fullmatch(text.strip())
        hours = [int(found[n]) for n in (1, 3)] if found else [24]
        minutes = [int(found[n]) for n in (2, 4)] if found else [60]
        if not found or max(hours) > 24 or max(minutes) > 59:  # noqa: PLR2004  24:00 is midnight
            raise ValueError(f"{text!r} is not a daily window like 20:00-06:00")
        begin, end = (60 * hour + minute for hour, minute in zip(hours, minutes, strict=True))
        if max(begin, end) > _DAY or begin % _DAY == end % _DAY:
            raise ValueError(f"{text!r} is not a daily window like 20:00-06:00: it is always open, or never")
        return cls(begin % _DAY, end % _DAY)

    def shut(self, moment: datetime) -> float:
        """Seconds until it is open; 0 where it is open at ``moment`` of local time."""
        now = _minutes(moment)
        if self._open(now):
            return 0.0
        return ((self.begin - now) % _DAY) * 60

    def ends(self, moment: datetime, seconds: float) -> datetime:
        """When work that takes ``seconds`` of open time ends, if it begins at ``moment`` of local time or as soon as it is open."""
        at = moment + timedelta(seconds=self.shut(moment))
        while True:
            span = ((self.end - _minutes(at)) % _DAY) * 60
            if seconds <= span:
                return at + timedelta(seconds=seconds)
            seconds -= span
            at += timedelta(seconds=span)
            at += timedelta(seconds=self.shut(at))

    def _open(self, now: float) -> bool:
        if self.begin < self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end

    @property
    def text(self) -> str:
        """``20:00-06:00``."""
        return "-".join(f"{at // 60:02}:{at % 60:02}" for at in (self.begin, self.end))


def _minutes(moment: datetime) -> float:
    return moment.hour * 60 + moment.minute + (moment.second + moment.microsecond / 1e6) / 60

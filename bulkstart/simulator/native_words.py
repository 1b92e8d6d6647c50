"""How a native portal answers: a result with its times, or an error of exactly two keys (bitrix24-api 1.3, 4.3)."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .codes import GATEWAY, NATIVE, NATIVE_ONLY, THROTTLED, native_status, status_of
from .envelopes import encode
from .moments import local
from .wire import Reply

if TYPE_CHECKING:
    from .answers import Answer
    from .desk import Desk


class NativeError(Exception):
    """A call that is refused. ``code`` may be empty; ``status`` only where it is not the code's own."""

    def __init__(self, code: str, text: str | None = None, status: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.text = {**NATIVE, **NATIVE_ONLY}.get(code, "") if text is None else text
        self.status = status

    def entry(self) -> dict[str, str]:
        """Return the two keys."""
        return {"error": self.code, "error_description": self.text}


@dataclass(frozen=True, slots=True)
class Found:
    """What a call returns. ``total``, ``next``: of a page."""

    result: Any
    total: int | None = None
    next: int | None = None
    workflow_id: str | None = None
    erased: bool = False


class Words:
    """Builds replies by the switches of the scenario."""

    def __init__(self, desk: Desk) -> None:
        self._switches = desk.scenario.native.switches
        self._operating = desk.operating
        self._general = desk.scenario.switches
        self._skew = self._general.clock_skew_seconds

    def ok(self, found: Found, *, started: float, bill: tuple[str, str]) -> Reply:
        """Build a success; ``started``: when the call began, seconds since 1970."""
        payload: dict[str, Any] = {"result": found.result}
        if found.next is not None:
            payload["next"] = found.next
        if found.total is not None:
            payload["total"] = found.total
        payload["time"] = self.times(started, bill)
        return Reply(status=200, body=encode(payload), workflow_id=found.workflow_id, erased=found.erased)

    def times(self, started: float, bill: tuple[str, str], *, inner: bool = False) -> dict[str, Any]:
        """Return the ``time`` object of a call that ends now; ``inner``: of a command in a batch."""
        now = time.time()
        told: dict[str, Any] = {
            "start": round(started + self._skew, 6),
            "finish": round(now + self._skew, 6),
            "duration": round(now - started, 9),
            "processing": round(now - started, 9),
            "date_start": self.stamp(started),
            "date_finish": self.stamp(now),
        }
        said = self._switches.operating_in_time
        if said == "sent" or (said == "not_in_batches" and not inner):
            operating, reset = self._operating.told(bill, now)
            told["operating_reset_at"] = math.ceil(reset + self._skew)
            told["operating"] = round(operating, 9)
        return told

    def stamp(self, epoch: float) -> str:
        """Return a moment as the portal writes it: whole seconds, its own zone, its own clock."""
        return local(epoch, self._general).isoformat()

    def error(self, error: NativeError) -> Reply:
        """Build a refusal."""
        status = native_status(error.code, self._switches.statuses) if error.status is None else error.status
        throttled = error.code in THROTTLED
        wait = self._switches.retry_after if throttled else None
        headers = () if wait is None else (("Retry-After", str(math.ceil(wait))),)
        return Reply(status=status, body=encode(error.entry()), headers=headers, code=error.code, throttled=throttled)

    def scripted(self, answer: Answer) -> Reply:
        """Build the error that a fault rule spells out."""
        return self.error(scripted(answer))


def scripted(answer: Answer) -> NativeError:
    """Return the error of a fault rule as the portal itself says it; a code of the gateway's keeps its name and status."""
    options = answer.options
    code, status = options["code"], options["status"]
    if code == "BITRIX_ERROR":
        return NativeError(options["b24Code"] or "", options["message"] or NATIVE_ONLY[""], status)
    if code in GATEWAY:
        return NativeError(code, options["message"] or GATEWAY[code][1], status or status_of(code))
    return NativeError(code, options["message"], status)

"""The envelope of the native dialect: ``{"result": …, "time": …}`` or ``{"error": …, "error_description": …}``. Pure.

What it proves about a start is the table of bitrix24-api.md 4.3; everything that it does not name is in doubt. Nothing here
raises on any answer, whatever its body holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bulkstart.gateways.bodies import WORKFLOW_ID, decode, redirected, retry_after, seconds_of, text_of, without_envelope
from bulkstart.gateways.codes import native_answer
from bulkstart.model import Answer, InDoubt, Json, Started, Verdict
from bulkstart.operating import Spent

_OK = 200


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, opened. ``failed``: what it proves where it is not a plain success; ``payload`` is empty where it is no object."""

    payload: Mapping[str, Any] = field(default_factory=dict)
    failed: Verdict | None = None

    @property
    def result(self) -> Json:
        """``result`` of a success, else ``None``."""
        return None if self.failed else self.payload.get("result")


def opened(answer: Answer, *, oauth: bool) -> Reply:
    """Open an answer. ``oauth``: the token can be renewed, and the portal's address stands in another setting."""
    setting = "BULKSTART_PORTAL_URL" if oauth else "BULKSTART_WEBHOOK_URL"
    if 300 <= answer.status < 400:  # noqa: PLR2004
        return Reply(failed=redirected(answer, setting))
    payload = decode(answer.body)
    if not isinstance(payload, dict):
        return Reply(failed=without_envelope(answer, f"there is no Bitrix24 REST at this address: check {setting}"))
    if "error" in payload:
        return Reply(payload, error_verdict(payload, answer, oauth=oauth))
    if answer.status != _OK:
        return Reply(payload, without_envelope(answer, f"there is no Bitrix24 REST at this address: check {setting}"))
    return Reply(payload)


def error_verdict(entry: object, answer: Answer, *, oauth: bool) -> Verdict:
    """What ``{"error", "error_description"}`` proves, of a whole answer or of one command of a batch; odd shapes prove nothing."""
    code = entry.get("error") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(code, str) or code.isspace():
        return InDoubt(f"HTTP_{answer.status}", "an error without the portal's own code; it may have started")
    if entry.get("result"):
        return InDoubt(code.strip() or "BAD_ANSWER", "the answer says both success and an error; it may have started")
    message = text_of(entry.get("error_description")) or "the portal gave no reason"
    return native_answer(code.strip(), message, status=answer.status, renewable=oauth, after=retry_after(answer))


def started(result: Json) -> Started | InDoubt:
    """What the result of a start proves: a non-empty text is the workflow's id, kept to the letter (1.3)."""
    if isinstance(result, str) and WORKFLOW_ID.fullmatch(result):
        return Started(result)
    return InDoubt("BAD_ANSWER", f"the portal said success, but gave no workflow id: {str(result)[:60]!r}; it may have started")


def read_start(answer: Answer, *, oauth: bool) -> Verdict:
    """What the answer to one start proves."""
    reply = opened(answer, oauth=oauth)
    return reply.failed or started(reply.result)


def read_time(answer: Answer) -> Spent:
    """``time`` of an answer: operating time and duration where the portal tells them; error bodies have none."""
    payload = decode(answer.body)
    return spent_of(payload.get("time") if isinstance(payload, dict) else None)


def spent_of(time: object) -> Spent:
    """One ``time`` object. The reset is measured on the portal's own clock, from ``finish``, so that ours does not matter."""
    if not isinstance(time, dict):
        return Spent()
    resets, finish = seconds_of_epoch(time.get("operating_reset_at")), seconds_of_epoch(time.get("finish"))
    return Spent(
        operating=seconds_of(time.get("operating")),
        reset_in=max(0.0, resets - finish) if resets and finish else None,
        duration=seconds_of(time.get("duration")),
    )


def seconds_of_epoch(value: object) -> float | None:
    """A Unix time as a number; ``None`` where it is none of this century."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 1e9 <= value < 1e11 else None  # noqa: PLR2004  NaN and infinity fail both comparisons

"""The gateway's envelopes (VDOC:errors): ``{"success": true, "data": …}`` and ``{"success": false, "error": {…}}``."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any

from .codes import GATEWAY, HINTS, NO_DOCUMENT, RETRY_AFTER, status_of, text_of
from .wire import Reply

if TYPE_CHECKING:
    from .answers import Answer
    from .portal import Refusal

_BY_CODE = object()


def plain_number(value: float) -> int | float:
    """Write a number as JSON clients expect it: without ``.0``."""
    return int(value) if value == int(value) else round(value, 3)


def encode(payload: Any) -> bytes:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


class Envelopes:
    """Builds replies in the scenario's language."""

    def __init__(self, language: str, *, empty_b24_code: bool) -> None:
        self._language = language
        self._empty_b24_code = empty_b24_code

    def ok(self, found: Any, *, meta: dict[str, Any] | None = None, status: int = 200) -> Reply:
        payload = {"success": True, "data": found}
        return Reply(status=status, body=encode(payload if meta is None else {**payload, "meta": meta}))

    def started(self, workflow_id: str) -> Reply:
        body = f'{{"success":true,"data":{{"workflowId":"{workflow_id}"}}}}'.encode()
        return Reply(status=201, body=body, workflow_id=workflow_id)

    def error(
        self,
        code: str,
        message: str | None = None,
        *,
        status: int | None = None,
        b24_code: str | None = None,
        retry_after: Any = _BY_CODE,
        body: bool = True,
        header: bool = True,
        more: dict[str, Any] | None = None,
        throttled: bool = False,
    ) -> Reply:
        """Build an error envelope; status, message and retry time are the code's own unless given.

        ``body``, ``header``: whether the retry time is said there.
        """
        error: dict[str, Any] = {
            "code": code,
            "message": (text_of(code, self._language) if code in GATEWAY else code) if message is None else message,
        }
        if code == "BITRIX_ERROR" and (b24_code or self._empty_b24_code):
            error["b24Code"] = b24_code or ""
        elif b24_code is not None and code != "BITRIX_ERROR":
            error["b24Code"] = b24_code
        if code in HINTS:
            error["hint"] = HINTS[code]
        seconds = RETRY_AFTER.get(code) if retry_after is _BY_CODE else retry_after
        headers: tuple[tuple[str, str], ...] = ()
        if seconds is not None and body:
            error["retryAfter"] = plain_number(seconds)
        if seconds is not None and header:
            headers = (("Retry-After", str(math.ceil(seconds - 1e-9))),)
        payload = {"success": False, "error": {**error, **(more or {})}}
        return Reply(
            status=status_of(code) if status is None else status,
            body=encode(payload),
            headers=headers,
            code=code,
            throttled=throttled,
        )

    def refusal(self, refusal: Refusal, *, missing: str) -> Reply:
        """Relay the portal's own no, as the gateway relays it. ``missing``: what it makes of a missing document."""
        if refusal.denied:
            return self.error("BITRIX_ACCESS_DENIED")
        if refusal.missing and missing == "ENTITY_NOT_FOUND":
            return self.error("ENTITY_NOT_FOUND")
        if refusal.missing and missing == "localised":
            return self.error("BITRIX_ERROR", NO_DOCUMENT[self._language], b24_code="")
        return self.error("BITRIX_ERROR", refusal.text, b24_code=refusal.code)

    def scripted(self, answer: Answer) -> Reply:
        """Build the error that a fault rule spells out."""
        options = answer.options
        if options["code"] not in GATEWAY and options["status"] is None:  # a code of the portal's own, relayed
            return self.error("BITRIX_ERROR", options["message"], b24_code=options["code"])
        more = {name: options[name] for name in ("hint", "userMessage") if options[name] is not None}
        return self.error(
            options["code"],
            options["message"],
            status=options["status"],
            b24_code=options["b24Code"],
            retry_after=options.get("retryAfter", _BY_CODE),
            header=options["retry_after_header"],
            more=more,
            throttled=options["code"] == "RATE_LIMITED",
        )

    def warned(self, reply: Reply) -> Reply:
        """Repeat the same error with ``error.warning`` in it (VDOC:errors: repeated identical errors)."""
        payload = json.loads(reply.body)
        payload["error"]["warning"] = (
            "Одна и та же ошибка повторяется: проверьте код клиента"
            if self._language == "ru"
            else "The same error keeps repeating: the client most likely has a bug"
        )
        return dataclasses.replace(reply, body=encode(payload))

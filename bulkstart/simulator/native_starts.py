"""``bizproc.workflow.start``: what the portal understands of a call, and what it says (bitrix24-api 1.3, 4.3)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from . import php
from .document_types import known, of_document
from .exchange import Attempt, Ended
from .native_words import Found, NativeError
from .portal import Refusal
from .runs import METHOD

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from .desk import Desk
    from .exchange import Exchange
    from .native_keys import Caller

FIELDS = ("templateId", "entityType", "entityId", "parameters", "documentId")
_NAMES = ("TEMPLATE_ID", "DOCUMENT_ID", "PARAMETERS", "AUTH")


class NativeStarts:
    """The start method, alone or in a batch."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._native = desk.scenario.native

    def understood(self, fields: dict[str, Any], query: dict[str, Any]) -> dict[str, Any]:
        """Return a start's fields as the ledger keeps them: numbers as the portal casts them, ``None`` for what it cannot read."""
        sent = php.upper(fields)
        wins = php.upper(query).get("DOCUMENT_ID")
        document = wins if isinstance(wins, dict | list) else sent.get("DOCUMENT_ID")
        entity = self._entity(document)
        template = sent.get("TEMPLATE_ID")
        return {
            "templateId": None if php.empty(template) else php.whole(template),
            "entityType": None if isinstance(entity, Refusal) else entity[0],
            "entityId": None if isinstance(entity, Refusal) else entity[1],
            "parameters": sent.get("PARAMETERS"),
            "documentId": document,
        }

    def unknown(self, fields: dict[str, Any]) -> NativeError | None:
        """Complain about fields that a start does not have; a real portal says nothing (``unknown_fields``)."""
        others = [name for name in fields if name.upper() not in _NAMES]
        if not others or self._native.switches.unknown_fields == "ignored":
            return None
        return NativeError("ERROR_ARGUMENT", f"The sandbox knows no field {', '.join(others)} of {METHOD}")

    def attempt(self, exchange: Exchange, understood: dict[str, Any], caller: Caller, **more: Any) -> Attempt:
        """Make an attempt of understood fields; ``more``: number, bill, rule, committed, answer, command, position."""
        allowed = caller.admin or caller.may_start
        document = self._entity(understood["documentId"])
        return Attempt(exchange, understood, understood["templateId"] or 0, document, allowed=allowed, **more)

    def _entity(self, document: Any) -> tuple[str, int] | Refusal:
        said = [item for _, item in php.items(document)]
        if len(said) != 3 or not all(isinstance(item, str | int) and item for item in said):
            return Refusal("", "Wrong DOCUMENT_ID!")
        module, entity, third = (str(item) for item in said)
        if not known(module, entity):
            return Refusal("", "Incorrect document type!")
        found = of_document(module, entity, third, bare=self._native.switches.bare_document_ids)
        return Refusal("", "Wrong DOCUMENT_ID!") if found is None else (found[0].name, found[1])

    # ------------------------------------------------------------------------------------------ performing

    def perform(self, attempt: Attempt, limit: float) -> Ended | Coroutine[Any, Any, Ended]:
        """Run the start; raises NativeError for what is refused before anything ran. ``limit``: seconds until the cut."""
        if attempt.committed is False:
            raise NativeError("", "Wrong DOCUMENT_ID!")
        if attempt.fields["templateId"] is None:
            raise NativeError("ERROR_WRONG_WORKFLOW_ID", "Empty TEMPLATE_ID")
        plan = self._desk.runs.decide(attempt)
        if isinstance(plan, Refusal):
            if plan.denied and attempt.allowed and self._native.switches.unreadable_entity != "ACCESS_DENIED":
                raise NativeError("", "Wrong DOCUMENT_ID!")
            raise NativeError(plan.code, plan.text)
        return self._desk.runs.run(attempt, plan, limit)

    async def performed(self, attempt: Attempt, limit: float) -> Ended:
        """Run the start as ``perform`` does, and wait for its end."""
        if attempt.exchange.commit_after and attempt.command is None:
            await asyncio.sleep(attempt.exchange.commit_after)
        ended = self.perform(attempt, limit)
        return ended if isinstance(ended, Ended) else await ended

    @staticmethod
    def said(ended: Ended) -> Found:
        """Return the id; raises NativeError for an activity that threw in mid-run."""
        if ended.workflow_id is None:
            raise NativeError("", ended.broken)
        return Found(ended.workflow_id, workflow_id=ended.workflow_id)

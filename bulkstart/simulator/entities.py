"""CRM entities: search, list, get, and the batch that does the same many times (VDOC:entity-api, filtering, batch)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .documents import IdSet
from .queries import ValidationError, json_body, meta_of, paging, query, select, shorter

if TYPE_CHECKING:
    from collections.abc import Callable

    from .envelopes import Envelopes
    from .exchange import Exchange
    from .portal import Portal
    from .switches import Switches
    from .wire import Reply

ENTITIES = {"deals": "deal", "leads": "lead", "contacts": "contact", "companies": "company"}


class Entities:
    """The entity endpoints. ``templates`` lists templates for a batch."""

    def __init__(
        self, switches: Switches, portal: Portal, envelopes: Envelopes, templates: Callable[[dict[str, Any]], Reply]
    ) -> None:
        self._switches = switches
        self._portal = portal
        self._say = envelopes
        self._templates = templates

    def entity(self, exchange: Exchange) -> Reply:
        kind, _, item = exchange.item.partition("/")
        if item:
            asked = query(exchange, ("select",))
            if not item.isdigit() or int(item) not in self._portal.readable[ENTITIES[kind]]:
                return self._say.error("ENTITY_NOT_FOUND")
            return self._say.ok(select(self._entity_row(ENTITIES[kind], int(item)), asked))
        return self._page(ENTITIES[kind], self._portal.readable[ENTITIES[kind]], query(exchange, ("select", "limit", "offset")))

    def search(self, exchange: Exchange) -> Reply:
        return self._search(ENTITIES[exchange.item], json_body(exchange))

    def _search(self, entity_type: str, asked: dict[str, Any]) -> Reply:
        for name in asked:
            if name not in ("filter", "select", "limit", "offset"):
                raise ValidationError(f"Unknown field: {name}")
        wanted = self._wanted(asked.get("filter", {}))
        found = self._portal.readable[entity_type]
        if wanted is not None:
            kept = sorted({number for number in wanted if number in found})
            found = IdSet((number, number) for number in kept)
        return self._page(entity_type, found, asked)

    def _wanted(self, condition: Any) -> list[int] | None:
        if not isinstance(condition, dict) or any(name != "id" for name in condition):
            raise ValidationError("the sandbox filters by id only")
        if "id" not in condition:
            return None
        value = condition["id"]
        if isinstance(value, dict):
            if list(value) != ["$in"] or not isinstance(value["$in"], list):
                raise ValidationError("the sandbox knows the operator $in only")
            value = value["$in"]
        else:
            value = [value]
        if len(value) > self._switches.search_in_limit:
            raise ValidationError(f"$in holds more than {self._switches.search_in_limit} values")
        if any(not str(item).isdigit() or isinstance(item, bool) for item in value):
            raise ValidationError("ids must be whole numbers")
        return [int(item) for item in value]

    def _page(self, entity_type: str, found: IdSet, asked: dict[str, Any]) -> Reply:
        offset, limit = paging(asked)
        rows = [self._entity_row(entity_type, number) for number in found.page(offset, shorter(limit, self._switches))]
        return self._say.ok([select(row, asked) for row in rows], meta=meta_of(len(found), offset + len(rows)))

    def _entity_row(self, entity_type: str, number: int) -> dict[str, Any]:
        return {
            "id": str(number) if self._switches.search_ids == "string" else number,
            "title": f"{entity_type.capitalize()} {number}",
        }

    # -------------------------------------------------------------------------------------------- batch

    def batch(self, exchange: Exchange) -> Reply:
        calls = batch_calls(exchange)
        results = {}
        for call in calls:
            reply = self._call(call)
            results[str(call["id"])] = json.loads(reply.body)
        return self._say.ok({"results": results})

    def _call(self, call: dict[str, Any]) -> Reply:
        asked = call.get("params", {})
        if call["entity"] == "bizproc-templates":
            return self._templates(asked)
        entity_type = ENTITIES[call["entity"]]
        if call["action"] == "get":
            number = call.get("entityId")
            if not isinstance(number, int) or number not in self._portal.readable[entity_type]:
                return self._say.error("ENTITY_NOT_FOUND")
            return self._say.ok(self._entity_row(entity_type, number))
        return self._search(entity_type, asked)


def batch_calls(exchange: Exchange) -> list[dict[str, Any]]:
    """Read the calls of a batch; one that the sandbox does not do, above all a start, refuses the whole batch (VDOC:batch)."""
    asked = json_body(exchange)
    calls = asked.get("calls")
    if list(asked) != ["calls"] or not isinstance(calls, list) or not 1 <= len(calls) <= 50:
        raise ValidationError("calls must be a list of 1 to 50 calls")
    for call in calls:
        if not isinstance(call, dict) or not {"id", "entity", "action"} <= set(call) <= {
            "id",
            "entity",
            "action",
            "entityId",
            "params",
        }:
            raise ValidationError("each call needs id, entity, action and may have entityId and params")
        known = (call["entity"] in ENTITIES and call["action"] in ("list", "get", "search")) or (
            call["entity"] == "bizproc-templates" and call["action"] == "list"
        )
        if not known or not isinstance(call.get("params", {}), dict):
            raise ValidationError(f"call {call['id']}: {call['entity']}.{call['action']} is not available in a batch")
    return calls

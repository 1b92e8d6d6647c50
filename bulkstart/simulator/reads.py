"""The gateway's own endpoints beside the start: who am I, signing in again, templates, running workflows, stopping."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from .answers import HANG
from .answers import answer as answer_of
from .document_types import named
from .envelopes import Envelopes, plain_number
from .moments import listed, local
from .queries import ValidationError, meta_of, paging, query, select, shorter
from .wire import Reply

if TYPE_CHECKING:
    from .exchange import Exchange, RunClock
    from .keys import KeyRing
    from .portal import Portal, Workflow
    from .scenario import Scenario
    from .templates import Template


class Reads:
    """Endpoints that start nothing; each raises ValidationError for what it does not know."""

    def __init__(self, scenario: Scenario, portal: Portal, envelopes: Envelopes, clock: RunClock, ring: KeyRing) -> None:
        self._scenario = scenario
        self._switches = scenario.switches
        self._portal = portal
        self._say = envelopes
        self._clock = clock
        self._ring = ring
        self._opened = time.time()

    # ---------------------------------------------------------------------------------------------- key

    def me(self, exchange: Exchange) -> Reply:
        said = self._scenario.me.answer
        query(exchange, ())
        if said == "not_found":
            return self._say.error("ROUTE_NOT_FOUND")
        if said == "malformed":
            return self._say.ok(["me"], meta={"note": "not the documented shape"})
        if said == "not_json":
            return Reply(status=200, body=b"me: ok", content_type="text/plain")
        if said == "hang" and exchange.answer.carries:
            exchange.answer = HANG
        return self._say.ok(self._about(exchange))

    def _about(self, exchange: Exchange) -> dict[str, Any]:
        assert exchange.holder is not None
        key, named, limit = exchange.holder.key, self._scenario.portal, self._scenario.limits.portal
        about: dict[str, Any] = {
            "type": {"vibe_api_": "api_key", "vibe_app_": "authorization_key", "vibe_live_": "management"}[key.kind],
            "keyPrefix": key.key[:13],
            "expiresAt": self._expires(),
        }
        if named is not None:
            words = {name: value for name, value in (("domain", named.domain), ("name", named.name)) if value is not None}
            about["portal"] = words if self._scenario.me.portal_form == "object" else named.domain
        about["user"] = {"id": 1, "name": "Sandbox User", "admin": True}
        about["scopes"] = list(key.scopes)
        stated = self._scenario.me.requests_per_second
        if isinstance(stated, str):
            stated = limit.rate if limit else None
        if stated is not None:
            about["rateLimit"] = {"requestsPerSecond": plain_number(stated)}
        return about

    def _expires(self) -> str | None:
        seconds = self._scenario.me.expires_in_seconds
        return None if seconds is None else local(self._opened + seconds, self._switches).isoformat()

    def oauth(self, exchange: Exchange) -> Reply:
        asked = query(exchange, ("app_key", "state"))
        app_key, state = asked.get("app_key", ""), asked.get("state", "")
        if exchange.item == "authorize":
            if not self._ring.authorize(app_key, state):
                raise ValidationError("app_key must be a renewable vibe_app_ key and state at least 16 characters")
            return Reply(status=200, body=b"<html><body>Signed in.</body></html>", content_type="text/html; charset=utf-8")
        session = self._ring.poll(app_key, state, exchange.clock)
        if session is None:
            return self._say.error("ENTITY_NOT_FOUND")
        waiting = {"status": "pending"}
        payload = waiting if session == "pending" else {"status": "complete", "access_token": session, "expires_in": 86399}
        return Reply(status=200, body=json.dumps(payload).encode())

    # ---------------------------------------------------------------------------------------- templates

    def templates(self, exchange: Exchange) -> Reply:
        assert exchange.holder is not None
        if self._switches.template_listing == "OAUTH_REQUIRED" and exchange.holder.key.kind == "vibe_api_":
            return self._say.error("OAUTH_REQUIRED")
        asked = query(exchange, ("select", "limit", "offset"))
        return self.template_page(asked)

    def template_page(self, asked: dict[str, Any]) -> Reply:
        offset, limit = paging(asked)
        found = self._portal.templates(self._clock.at(time.monotonic()))
        rows = [self._template_row(template) for template in found[offset : offset + shorter(limit, self._switches)]]
        return self._say.ok([select(row, asked) for row in rows], meta=meta_of(len(found), offset + len(rows)))

    def _template_row(self, template: Template) -> dict[str, Any]:
        kind = named(template.entity_type)
        assert kind is not None
        row: dict[str, Any] = {
            "id": str(template.id) if self._switches.template_ids == "string" else template.id,
            "name": template.name or f"Template {template.id}",
            "documentType": kind.triple,
            "moduleId": kind.module,
            "entity": kind.entity,
            "systemCode": None,
            "active": template.active,
            "autoExecute": template.auto_execute,
            "modified": template.modified,
        }
        if self._switches.template_fields == "native":
            row = {_native_name(name): value for name, value in row.items()}
        key = self._switches.template_parameters_key
        if key is not None and template.parameters is not None:
            row[key] = list(template.parameters) if isinstance(template.parameters, tuple) else template.parameters
        return row

    # ---------------------------------------------------------------------------------------- workflows

    def running(self, exchange: Exchange) -> Reply:
        asked = query(exchange, ("templateId", "startedBy", "offset"))
        if self._switches.list_denied is not None:
            return self._say.scripted(answer_of(self._switches.list_denied))
        offset, limit = paging({**asked, "limit": self._switches.list_page})
        now = time.monotonic()
        found = self._portal.running(now)
        if "templateId" in asked:
            found = [item for item in found if str(item.template_id) == asked["templateId"]]
        if "startedBy" in asked and asked["startedBy"] != "0":
            found = []
        page = found[offset : offset + shorter(limit, self._switches)]
        rows = [self._workflow_row(item, now) for item in page]
        return self._say.ok(rows, meta=meta_of(len(found), offset + len(rows)))

    def _workflow_row(self, workflow: Workflow, now: float) -> dict[str, Any]:
        owned = now < workflow.answered
        kind = named(workflow.entity_type)
        assert kind is not None
        row: dict[str, Any] = {
            "ID": workflow.id,
            "MODIFIED": listed(self._portal.modified(workflow, now), self._switches),
            "OWNED_UNTIL": listed(workflow.started + 300, self._switches) if owned else None,
            "MODULE_ID": kind.module,
            "ENTITY": kind.entity,
            "DOCUMENT_ID": f"{kind.prefix}{workflow.entity_id}",
            "STARTED": listed(workflow.started, self._switches),
            "STARTED_BY": "0",
            "TEMPLATE_ID": str(workflow.template_id),
        }
        return {_camel_name(name): value for name, value in row.items()} if self._switches.list_fields == "camel" else row

    def delete(self, exchange: Exchange) -> Reply:
        asked = query(exchange, ("force", "status"))
        if asked.get("force", "false") not in ("true", "false"):
            raise ValidationError("force must be true or false")
        erased = asked.get("force") == "true" and self._switches.force_erases
        if not self._portal.stop(exchange.item, time.monotonic(), erase=erased):
            return self._say.error("ENTITY_NOT_FOUND")
        return Reply(status=204, erased=erased)


def _native_name(name: str) -> str:
    return "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in name)


def _camel_name(name: str) -> str:
    first, *others = name.lower().split("_")
    return first + "".join(word.capitalize() for word in others)

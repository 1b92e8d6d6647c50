"""The native methods that start nothing: templates, instances, tasks, items, and what one may know of oneself (bitrix24-api 8.15 to 8.17)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from . import php
from .answers import answer as answer_of
from .document_types import named, of_number
from .documents import IdSet
from .moments import listed
from .native_about import About
from .native_rows import PAGE, Listing, paged
from .native_words import Found, NativeError, scripted

if TYPE_CHECKING:
    from collections.abc import Callable

    from .desk import Desk
    from .native_keys import Caller
    from .native_words import Words
    from .portal import Duty, Workflow
    from .templates import Template

    Read = Callable[[Caller, dict[str, Any]], Found]

_TEMPLATES = Listing(
    tuple(
        "ID MODULE_ID ENTITY DOCUMENT_TYPE AUTO_EXECUTE NAME DESCRIPTION TEMPLATE PARAMETERS VARIABLES CONSTANTS MODIFIED"
        " IS_MODIFIED USER_ID SYSTEM_CODE".split()
    ),
    ("ID",),
    ("ID", "ASC"),
    ("MODIFIED",),
)
_INSTANCES = Listing(
    tuple("ID MODIFIED OWNED_UNTIL MODULE_ID ENTITY DOCUMENT_ID STARTED STARTED_BY TEMPLATE_ID".split()),
    ("ID", "MODIFIED", "OWNED_UNTIL"),
    ("MODIFIED", "DESC"),
    ("MODIFIED", "OWNED_UNTIL", "STARTED"),
)
_TASKS = Listing(
    tuple(
        "ID WORKFLOW_ID DOCUMENT_NAME DESCRIPTION NAME MODIFIED WORKFLOW_STARTED WORKFLOW_STARTED_BY OVERDUE_DATE"
        " WORKFLOW_TEMPLATE_ID WORKFLOW_TEMPLATE_NAME WORKFLOW_STATE STATUS USER_ID USER_STATUS MODULE_ID ENTITY DOCUMENT_ID"
        " ACTIVITY ACTIVITY_NAME PARAMETERS DOCUMENT_URL".split()
    ),
    ("ID", "WORKFLOW_ID", "DOCUMENT_NAME", "NAME", "ENTITY", "DOCUMENT_ID", "DOCUMENT_URL"),
    ("ID", "DESC"),
    ("MODIFIED", "WORKFLOW_STARTED", "OVERDUE_DATE"),
)
_SAME, _BOUNDS = ("", "=", "@"), (">", ">=", "<", "<=")
_LARGEST = 2**63 - 1


class NativeReads:
    """Each method is given who asks and the fields that were sent; raises NativeError."""

    def __init__(self, desk: Desk, words: Words) -> None:
        self._desk = desk
        self._portal = desk.portal
        self._switches = desk.scenario.native.switches
        self._general = desk.scenario.switches
        about = About(desk, words)
        self.methods: dict[str, Read] = {
            "bizproc.workflow.template.list": self.templates,
            "bizproc.workflow.instances": self.instances,
            "bizproc.workflow.instance.list": self.instances,
            "bizproc.workflow.terminate": lambda caller, fields: self.stop(caller, fields, erase=False),
            "bizproc.workflow.kill": lambda caller, fields: self.stop(caller, fields, erase=True),
            "bizproc.task.list": self.tasks,
            "crm.item.list": self.items,
            **about.methods,
        }

    # ------------------------------------------------------------------------------------------ workflows

    def templates(self, caller: Caller, fields: dict[str, Any]) -> Found:
        if not caller.admin:
            raise NativeError("ACCESS_DENIED", status=self._switches.template_denied)
        found = self._portal.templates(self._desk.clock.at(time.monotonic()))
        return _TEMPLATES.page([self._template(template) for template in found], php.upper(fields), self._switches)

    def _template(self, template: Template) -> dict[str, Any]:
        kind = named(template.entity_type)
        assert kind is not None
        parameters = list(template.parameters) if isinstance(template.parameters, tuple) else template.parameters
        return {
            "ID": str(template.id),
            "MODULE_ID": kind.module,
            "ENTITY": kind.entity,
            "DOCUMENT_TYPE": kind.triple if self._switches.template_document_type == "triple" else kind.code,
            "AUTO_EXECUTE": str(template.auto_execute),
            "NAME": template.name or f"Template {template.id}",
            "DESCRIPTION": "",
            "TEMPLATE": [{"Type": "SequentialWorkflowActivity", "Name": "Template", "Properties": {}, "Children": []}],
            "PARAMETERS": parameters,
            "VARIABLES": [],
            "CONSTANTS": [],
            "MODIFIED": template.modified,
            "IS_MODIFIED": "N",
            "USER_ID": "1",
            "SYSTEM_CODE": None,
        }

    def instances(self, caller: Caller, fields: dict[str, Any]) -> Found:
        if self._general.list_denied is not None:
            raise scripted(answer_of(self._general.list_denied))
        if not caller.admin:
            raise NativeError("ACCESS_DENIED")
        now = time.monotonic()
        rows = [self._instance(workflow, now) for workflow in self._portal.running(now)]
        return _INSTANCES.page(rows, php.upper(fields), self._switches)

    def _instance(self, workflow: Workflow, now: float) -> dict[str, Any]:
        kind = named(workflow.entity_type)
        assert kind is not None
        return {
            "ID": workflow.id,
            "MODIFIED": listed(self._portal.modified(workflow, now), self._general),
            "OWNED_UNTIL": listed(workflow.started + 300, self._general) if now < workflow.answered else None,
            "MODULE_ID": kind.module,
            "ENTITY": kind.entity,
            "DOCUMENT_ID": f"{kind.prefix}{workflow.entity_id}",
            "STARTED": listed(workflow.started, self._general),
            "STARTED_BY": "0",
            "TEMPLATE_ID": str(workflow.template_id),
        }

    def stop(self, caller: Caller, fields: dict[str, Any], *, erase: bool) -> Found:
        if not caller.admin:
            raise NativeError("ACCESS_DENIED")
        name = php.upper(fields).get("ID")
        if php.empty(name):
            raise NativeError("ERROR_WRONG_WORKFLOW_ID", "Empty workflow instance ID")
        stopped = self._portal.stop(str(name), time.monotonic(), erase=erase)
        unknown = self._switches.unknown_workflow
        if not stopped and unknown != "true":
            code = unknown if unknown != "empty" else ""
            raise NativeError(code, "Workflow instance not found")
        return Found(result=True, erased=erase and stopped)

    def tasks(self, caller: Caller, fields: dict[str, Any]) -> Found:
        sent, now = php.upper(fields), time.monotonic()
        wanted = dict(php.items(sent.get("FILTER"))).get("USER_ID", caller.user)
        if not caller.admin and str(wanted) != str(caller.user):
            raise NativeError("ACCESS_DENIED")
        duties = self._portal.tasks(now)
        mine = [duty for duty in duties if caller.admin or duty.task.user == caller.user]
        return _TASKS.page([self._task(duty, now) for duty in mine], sent, self._switches)

    def _task(self, duty: Duty, now: float) -> dict[str, Any]:
        workflow, template = duty.workflow, self._portal.template(duty.workflow.template_id)
        owner = self._instance(workflow, now)
        name = f"{workflow.entity_type.capitalize()} {workflow.entity_id}"
        return {
            "ID": str(duty.id),
            "WORKFLOW_ID": workflow.id,
            "DOCUMENT_NAME": name,
            "DESCRIPTION": "",
            "NAME": duty.task.name,
            "MODIFIED": owner["MODIFIED"],
            "WORKFLOW_STARTED": owner["STARTED"],
            "WORKFLOW_STARTED_BY": "0",
            "OVERDUE_DATE": None,
            "WORKFLOW_TEMPLATE_ID": str(workflow.template_id),
            "WORKFLOW_TEMPLATE_NAME": (template.name if template else None) or f"Template {workflow.template_id}",
            "WORKFLOW_STATE": "Running" if workflow.ends > now else "Completed",
            "STATUS": "1" if duty.done else "0",
            "USER_ID": str(duty.task.user),
            "USER_STATUS": "1" if duty.done else "0",
            "MODULE_ID": owner["MODULE_ID"],
            "ENTITY": owner["ENTITY"],
            "DOCUMENT_ID": owner["DOCUMENT_ID"],
            "ACTIVITY": "ApproveActivity",
            "ACTIVITY_NAME": f"A{duty.id}",
            "PARAMETERS": {},
            "DOCUMENT_URL": f"/crm/{workflow.entity_type}/details/{workflow.entity_id}/",
        }

    # ---------------------------------------------------------------------------------------------- items

    def items(self, _caller: Caller, fields: dict[str, Any]) -> Found:
        for name in fields:
            if name not in ("entityTypeId", "select", "filter", "order", "start", "auth", "useOriginalUfNames"):
                raise NativeError("ERROR_ARGUMENT", f"The sandbox knows no field {name} of crm.item.list")
        kind = of_number(php.whole(fields.get("entityTypeId")))
        if kind is None:
            raise NativeError("NOT_FOUND")
        found = self._portal.readable[kind.name]
        for key, wanted in php.items(fields.get("filter")):
            found = _narrowed(found, key, wanted)
        start = php.whole(fields.get("start"))
        names = [str(name) for _, name in php.items(fields.get("select"))] or ["id", "title"]
        rows = [
            {"id": number, "title": f"{kind.name.capitalize()} {number}", "entityTypeId": kind.number}
            for number in found.page(max(0, start), PAGE)
        ]
        shown = rows if "*" in names else [{name: row[name] for name in row if name in {*names, "id"}} for row in rows]
        return paged(shown, start, len(found), wrapped="items")


def _narrowed(found: IdSet, key: str, wanted: Any) -> IdSet:
    """Keep what one condition on ``id`` lets through. Raises NativeError for any other condition."""
    operator = key[:-2]
    values = [item for _, item in php.items(wanted)] if isinstance(wanted, dict | list) else [wanted]
    numbers = [int(str(item)) for item in values if str(item).isdigit()]
    if key[-2:].lower() != "id" or operator not in (*_SAME, *_BOUNDS) or len(numbers) < len(values):
        raise NativeError("ERROR_ARGUMENT", f"The sandbox filters items by whole ids only, not by {key}")
    if operator in _SAME:
        return IdSet((number, number) for number in numbers if number in found)
    bound = max(numbers, default=0)
    low = bound + (operator == ">") if operator.startswith(">") else 0
    high = bound - (operator == "<") if operator.startswith("<") else _LARGEST
    return found - IdSet([*([(0, low - 1)] if low else []), *([(high + 1, _LARGEST)] if high < _LARGEST else [])])

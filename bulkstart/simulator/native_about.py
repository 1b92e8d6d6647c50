"""What one may know of oneself and of the portal: profile, rights, scope, methods, plan, clock (bitrix24-api 1.10)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from . import php
from .native_scenario import PLANS
from .native_words import Found, NativeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .desk import Desk
    from .native_keys import Caller
    from .native_words import Words

METHODS = (
    "bizproc.workflow.start",
    "bizproc.workflow.template.list",
    "bizproc.workflow.instances",
    "bizproc.workflow.instance.list",
    "bizproc.workflow.terminate",
    "bizproc.workflow.kill",
    "bizproc.task.list",
    "crm.item.list",
    "profile",
    "user.current",
    "user.admin",
    "scope",
    "method.get",
    "app.info",
    "server.time",
    "batch",
)
"""Every native method of the sandbox."""


class About:
    """Methods that anybody may call."""

    def __init__(self, desk: Desk, words: Words) -> None:
        self._native = desk.scenario.native
        self._language = desk.scenario.language
        self._words = words
        self.methods: dict[str, Callable[[Caller, dict[str, Any]], Found]] = {
            "profile": self.profile,
            "user.current": self.user,
            "user.admin": lambda caller, _: Found(caller.admin),
            "scope": self.scope,
            "method.get": self.method,
            "app.info": self.app,
            "server.time": lambda *_: Found(words.stamp(time.time())),
        }

    @staticmethod
    def profile(caller: Caller, _fields: dict[str, Any]) -> Found:
        return Found(
            {
                "ID": str(caller.user),
                "ADMIN": caller.admin,
                "NAME": "Sandbox",
                "LAST_NAME": "User",
                "PERSONAL_GENDER": "",
                "TIME_ZONE": "",
            }
        )

    @staticmethod
    def user(caller: Caller, _fields: dict[str, Any]) -> Found:
        return Found(
            {"ID": str(caller.user), "ACTIVE": True, "NAME": "Sandbox", "LAST_NAME": "User", "EMAIL": "user@sandbox.example"}
        )

    @staticmethod
    def scope(caller: Caller, fields: dict[str, Any]) -> Found:
        everything = not php.empty(php.upper(fields).get("FULL"))
        return Found(
            sorted({*caller.scopes, "crm", "bizproc", "user", "task", "disk", "lists"}) if everything else list(caller.scopes)
        )

    def method(self, caller: Caller, fields: dict[str, Any]) -> Found:
        name = php.upper(fields).get("NAME")
        if not isinstance(name, str) or not name:
            raise NativeError("ERROR_ARGUMENT")
        exists = name in METHODS
        on_plan = not (name.startswith("bizproc.") and self._native.plan == "no_bizproc")
        return Found({"isExisting": exists, "isAvailable": exists and on_plan and not caller.lacks(name)})

    def app(self, caller: Caller, _fields: dict[str, Any]) -> Found:
        if caller.application is None:
            raise NativeError("ACCESS_DENIED", "Application context required", status=400)
        family = PLANS[self._native.plan][2]
        return Found(
            {
                "ID": 1,
                "CODE": caller.application.client_id,
                "VERSION": 1,
                "STATUS": "L",
                "INSTALLED": True,
                "PAYMENT_EXPIRED": "N",
                "DAYS": None,
                "LANGUAGE_ID": self._language,
                "LICENSE": f"{self._language}_{family}",
                "LICENSE_TYPE": family,
                "LICENSE_FAMILY": family,
            }
        )

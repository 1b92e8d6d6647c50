"""What the portal makes of a start's parameters: it checks nothing (bitrix24-api 1.5), it stores and, here and there, reads."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .switches import Switches

_PORTAL_DATE = re.compile(r"^\d{2}\.\d{2}\.\d{4}( \d{2}:\d{2}(:\d{2})?)?$")


def effective(definitions: Mapping[str, Any], sent: Mapping[str, Any], switches: Switches, *, relayed: bool) -> dict[str, Any]:
    """Return what a workflow works with: raw values, defaults only for absent keys, users and dates as the engine reads them.

    ``relayed``: by the gateway, which may change them on the way.
    """
    passed = switches.parameters_passed if relayed else "unchanged"
    if passed == "dropped":
        sent = {}
    values: dict[str, Any] = {}
    for name, definition in definitions.items():
        if definition.get("Default") not in (None, ""):
            values[name] = definition["Default"]
    for name, value in sent.items():
        values[name] = _as_text(value) if passed == "strings" else value
    return {
        name: _understood(str(definitions.get(name, {}).get("Type", "")).lower(), value, switches)
        for name, value in values.items()
    }


def _as_text(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _understood(kind: str, value: Any, switches: Switches) -> Any:
    if isinstance(value, list):
        return [_understood(kind, item, switches) for item in value]
    if kind == "user":
        return _user(value)
    if kind in ("date", "datetime") and isinstance(value, str):
        return value if _readable_date(value, switches.date_formats) else ""
    return value


def _user(value: Any) -> Any:
    """``user_14`` is user 14; a bare ``14`` is user *group* 14 (CORE:CBPHelper)."""
    said = str(value)
    if said.startswith("user_") and said[5:].isdigit():
        return f"user {said[5:]}"
    return f"group {said}" if said.isdigit() else value


def _readable_date(value: str, formats: str) -> bool:
    portal = bool(_PORTAL_DATE.match(value))
    if formats == "portal":
        return portal
    try:
        (datetime if "T" in value or " " in value else date).fromisoformat(value)
    except ValueError:
        return portal and formats == "any"
    return True

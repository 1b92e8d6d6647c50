"""What PHP makes of a request's fields, and of an answer's arrays: a native portal shows through in both (bitrix24-api 1.3, 1.9)."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl

_BRACKETS = re.compile(r"\[([^\]]*)\]")
_LEADING = re.compile(r"[ \t\n\r\v\f]*([+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)")


def pairs(text: str) -> dict[str, Any]:
    """Read ``a=1&b[]=2&c[x][0]=3`` as PHP does: brackets nest, ``[]`` counts on, what looks like a list becomes one."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        head, bracket, rest = name.partition("[")
        steps = _BRACKETS.findall(bracket + rest) if bracket and "]" in rest else []
        _put(found, [re.sub(r"[ .]", "_", head), *steps], value)
    return {name: _settled(value) for name, value in found.items()}


def _put(place: dict[str, Any], steps: list[str], value: str) -> None:
    step = steps[0]
    if not step:
        step = str(1 + max((int(name) for name in place if name.isdigit()), default=-1))
    if len(steps) == 1:
        place[step] = value
        return
    inner = place.get(step)
    if not isinstance(inner, dict):
        inner = place[step] = {}
    _put(inner, steps[1:], value)


def _settled(value: Any) -> Any:
    return encoded({name: _settled(inner) for name, inner in value.items()}) if isinstance(value, dict) else value


def encoded(found: dict[str, Any]) -> dict[str, Any] | list[Any]:
    """Return what ``json_encode`` makes of an array: ``[]`` of an empty one, a list of one with the keys 0, 1, 2 and so on."""
    return list(found.values()) if list(found) == [str(number) for number in range(len(found))] else found


def items(value: Any) -> list[tuple[str, Any]]:
    """Return keys and values of an array, whether it came as an object or as a list."""
    if isinstance(value, dict):
        return list(value.items())
    return [(str(number), item) for number, item in enumerate(value)] if isinstance(value, list) else []


def empty(value: Any) -> bool:
    """``empty()``: absent, ``""``, ``"0"``, 0, false, and an empty array."""
    return value in (None, "", "0", 0, False) or (isinstance(value, dict | list) and not value)


def whole(value: Any) -> int:
    """``(int)``: ``"12abc"`` is 12, ``"abc"`` is 0, an array is 1."""
    if isinstance(value, str):
        match = _LEADING.match(value)
        value = float(match[1]) if match and re.search(r"[.eE]", match[1]) else int(match[1]) if match else 0
    if isinstance(value, dict | list):
        return 1 if value else 0
    try:
        number = int(value or 0)
    except (OverflowError, ValueError):
        return 0
    return number if abs(number) < 2**63 else 0


def upper(fields: dict[str, Any]) -> dict[str, Any]:
    """``array_change_key_case``: top-level names in upper case, the last one of twins stays."""
    return {name.upper(): value for name, value in fields.items()}


def body_fields(content_type: str, body: bytes) -> dict[str, Any]:
    """Read a body by what it is announced as; one that is neither JSON nor a form, or is broken, has no fields."""
    kind = content_type.lower().split(";")[0].strip()
    text = body.decode("utf-8", "replace")
    if kind == "application/x-www-form-urlencoded":
        return pairs(text)
    if kind != "application/json":
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return dict(items(found))

"""What the reading endpoints have in common: query parameters, bodies, pages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from .wire import no_constant

if TYPE_CHECKING:
    from .exchange import Exchange
    from .switches import Switches

_PAGE, _MOST = 50, 5000


class ValidationError(Exception):
    """The request has a field, parameter or value that this endpoint does not know."""


def query(exchange: Exchange, known: tuple[str, ...]) -> dict[str, Any]:
    asked = dict(parse_qsl(exchange.head.query, keep_blank_values=True))
    for name in asked:
        if name not in known:
            raise ValidationError(f"Unknown query parameter: {name}")
    return asked


def json_body(exchange: Exchange) -> dict[str, Any]:
    query(exchange, ())
    try:
        asked = json.loads(exchange.body.decode(), parse_constant=no_constant)
    except (ValueError, RecursionError):
        raise ValidationError("The body is not JSON") from None
    if not isinstance(asked, dict):
        raise ValidationError("The body must be an object")
    return asked


def paging(asked: dict[str, Any]) -> tuple[int, int]:
    values = []
    for name, default, low, high in (("offset", 0, 0, 10**9), ("limit", _PAGE, 1, _MOST)):
        said = str(asked.get(name, default))
        if not said.isdigit() or not low <= int(said) <= high:
            raise ValidationError(f"{name} must be a whole number from {low} to {high}")
        values.append(int(said))
    return values[0], values[1]


def select(row: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    wanted = asked.get("select")
    names = wanted.split(",") if isinstance(wanted, str) else wanted
    return row if not names else {name: value for name, value in row.items() if name in names}


def meta_of(total: int, reached: int) -> dict[str, Any]:
    return {"total": total, "hasMore": reached < total}


def shorter(limit: int, switches: Switches) -> int:
    """How many rows a page of ``limit`` really holds."""
    return max(1, limit // 2) if switches.short_pages else limit

"""Which entities exist: how each dialect is asked for many ids in one request (bitrix24-api.md 1.8, 1.9). Pure.

What is missing in an answer is absent, or not readable by this user; the portal does not tell the two apart. An answer that holds
ids nobody asked for was not filtered, and tells nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from bulkstart.gateways.batch import LARGEST, flat, maps_of
from bulkstart.gateways.bodies import decode
from bulkstart.gateways.documents import kind_of
from bulkstart.gateways.envelope import opened
from bulkstart.model import ENTITY_TYPES, Answer, HttpCall, Json

VIBECODE_IDS: Final = 500
"""Ids in one search of the Vibecode gateway."""
PAGE: Final = 50
"""Ids in one ``crm.item.list``, which gives no longer page."""
NATIVE_IDS: Final = PAGE * LARGEST
_PATHS: Final = dict(zip(ENTITY_TYPES, ("deals", "leads", "contacts", "companies"), strict=True))
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Existing:
    """What an answer tells of the ids asked for: those that it shows, and those that it tells nothing of.

    ``whole``: it is known to show all that there are; else its page may have been cut.
    """

    found: frozenset[int] = frozenset()
    untold: frozenset[int] = frozenset()
    whole: bool = False


def vibecode_call(entity_type: str, ids: Sequence[int]) -> HttpCall | None:
    """One search by id; ``None`` for an entity type that cannot be asked for."""
    path = _PATHS.get(entity_type)
    asked = {"filter": {"id": {"$in": list(ids)}}, "select": ["id"], "limit": len(ids)}
    return HttpCall("POST", f"/{path}/search", body=json.dumps(asked).encode()) if path else None


def read_vibecode(ids: Sequence[int], answer: Answer) -> Existing | None:
    """The ids that a search shows; ``None`` where the answer is no list of entities that were asked for."""
    payload = decode(answer.body)
    if answer.status != _OK or not isinstance(payload, dict) or payload.get("success") is not True:
        return None
    found = _ids_of(payload.get("data"))
    meta = payload.get("meta")
    total = meta.get("total") if isinstance(meta, dict) else None
    return Existing(found, whole=total == len(found)) if found is not None and found <= set(ids) else None


def native_call(entity_type: str, ids: Sequence[int]) -> HttpCall | None:
    """One batch of ``crm.item.list``, 50 ids each; ``start`` -1 spares the count. ``None`` for what is no CRM entity."""
    kind = kind_of(entity_type)
    if kind is None or kind.entity_type_id is None:
        return None
    commands = {}
    for place, page in enumerate(_pages(ids)):
        asked = {"entityTypeId": kind.entity_type_id, "select": ["id"], "filter": {"@id": page}, "start": -1}
        pairs = (pair for name, value in asked.items() for pair in flat(name, value))
        commands[f"p{place}"] = "crm.item.list?" + "&".join(
            f"{quote(name, safe='[]')}={quote(value, safe='')}" for name, value in pairs
        )
    return HttpCall("POST", "/batch", body=json.dumps({"halt": 0, "cmd": commands}).encode())


def read_native(ids: Sequence[int], answer: Answer, *, oauth: bool) -> Existing | None:
    """The ids that a batch of lists shows; a list that failed, or that shows other ids, tells nothing of its own."""
    maps = maps_of(opened(answer, oauth=oauth).result)
    if maps is None:
        return None
    found: set[int] = set()
    untold: set[int] = set()
    for place, page in enumerate(_pages(ids)):
        shown = _items(maps[0].get(f"p{place}"))
        if shown is None or not shown <= set(page):
            untold |= set(page)
        else:
            found |= shown
    return Existing(frozenset(found), frozenset(untold), whole=True) if len(untold) < len(ids) else None


def _pages(ids: Sequence[int]) -> list[list[int]]:
    return [list(ids[at : at + PAGE]) for at in range(0, len(ids), PAGE)]


def _items(result: Json) -> frozenset[int] | None:
    return _ids_of(result.get("items")) if isinstance(result, dict) else None


def _ids_of(rows: Json) -> frozenset[int] | None:
    """The ids of a list of entities; ``None`` where it is none. Ids come as numbers or as texts."""
    if isinstance(rows, Mapping):  # some lists come under keys
        rows = list(rows.values())
    if not isinstance(rows, list):
        return None
    ids = [_id(row) for row in rows]
    return None if None in ids else frozenset(number for number in ids if number is not None)


def _id(row: Any) -> int | None:
    value = (row.get("id") or row.get("ID")) if isinstance(row, dict) else None
    digits = str(value)
    known = not isinstance(value, bool) and digits.isascii() and digits.isdigit() and len(digits) < 19  # noqa: PLR2004  beyond any id
    return int(digits) if known else None

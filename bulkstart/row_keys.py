"""The key of a row: by it the journal knows a start across runs, whatever became of the sheet (design.md 3). Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import cast

from bulkstart.model import Json, StartRequest


def _same(value: Json) -> str:
    """One text for values that mean the same in a cell: ``12``, ``12.0`` and ``"12"`` are one intent."""
    kind = type(value)
    if kind is str:
        return cast("str", value)
    if kind is int:
        return str(value)
    if kind is float:
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, Sequence):
        return "\0" + _joined([_same(item) for item in value])
    return "\0" + json.dumps(value, sort_keys=True)  # true, null, objects; no cell text holds a NUL


def _joined(texts: Iterable[str]) -> str:
    """Texts as one text that no other texts give: each behind its length."""
    return "".join([f"{len(text)}:{text}" for text in texts])


@lru_cache(1024)
def _framed(*texts: str) -> str:
    """``_joined`` of texts that all rows of a sheet share."""
    return _joined(texts)


@lru_cache(1024)
def _framed_names(*names: str) -> tuple[tuple[str, str], ...]:
    """Names in order, each with its ``_joined`` self."""
    return tuple((name, _joined((name,))) for name in sorted(names))


def row_key(portal: str, request: StartRequest, campaign: str = "") -> str:
    """The key of a row: equal exactly when the same workflow is meant to start on the same entity with the same values.

    SHA-256 in hex over portal identity, template, entity type, entity id, parameters and campaign label.
    """
    number, parameters = str(request.entity_id), request.parameters
    pieces = [_framed(portal, str(request.template_id), request.entity_type), f"{len(number)}:{number}", _framed(campaign)]
    for name, framed in _framed_names(*parameters):
        value = parameters[name]
        text = value if type(value) is str else _same(value)
        pieces += (framed, f"{len(text)}:{text}")
    return hashlib.sha256("".join(pieces).encode("utf-8", "surrogatepass")).hexdigest()

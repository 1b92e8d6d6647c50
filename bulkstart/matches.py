"""Each name that a start needs, and what feeds it: a column with the reason, a constant, or nothing yet. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bulkstart.columns import ColumnMap
from bulkstart.headers import NAMES
from bulkstart.model import Column, Parameter, Template


@dataclass(frozen=True, slots=True)
class Match:
    """One name and what feeds it. ``parameter``: its definition, where the name is a parameter that the portal tells of.

    ``columns``: those that could feed it where only a person can tell.
    """

    name: str
    column: Column | None = None
    reason: str = ""
    constant: object = None
    parameter: Parameter | None = None
    columns: tuple[Column, ...] = ()


def matches(found: ColumnMap, templates: Sequence[Template]) -> tuple[Match, ...]:
    """``entityId``, ``entityType``, ``templateId``, then every parameter of ``templates``, then what was named besides."""
    defined = {parameter.name: parameter for template in templates for parameter in template.parameters or ()}
    constants = dict(found.constants)
    fed: dict[str, tuple[Column | None, str]] = {one.name: (one.column, one.reason) for one in found.parameters}
    for name, matched in zip(NAMES, (found.entity_id, found.entity_type, found.template_id), strict=True):
        if matched:
            fed[name] = (matched.column, matched.reason)
    doubts = {doubt.name: doubt.columns for doubt in found.doubts}
    names = dict.fromkeys([*NAMES, *defined, *fed, *constants, *doubts])

    def match(name: str) -> Match:
        column, reason = fed.get(name, (None, ""))
        return Match(name, column, reason, constants.get(name), defined.get(name), doubts.get(name, ()))

    return tuple(map(match, names))

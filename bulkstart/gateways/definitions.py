"""Template definitions from either dialect, in every spelling of bitrix24-api.md 1.4, to ``model.Template``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bulkstart.gateways.documents import type_of
from bulkstart.model import Parameter, Template

_TRUE = frozenset({"y", "1", "true", "yes"})


def field_of(entry: Mapping[str, Any], *names: str) -> Any:
    """The first of several spellings that is there, case ignored."""
    folded = {str(name).lower().replace("_", ""): value for name, value in entry.items()}
    return next((folded[name] for name in names if name in folded), None)


def _flag(value: object) -> bool:
    return value is True or str(value).strip().lower() in _TRUE


def _number(value: object) -> int:
    text = str(value).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else 0  # noqa: PLR2004


def read_template(entry: object) -> Template | None:
    """One row of a template list, or ``None`` where it has no usable id. Never raises."""
    if not isinstance(entry, dict) or not (number := _number(field_of(entry, "id"))):
        return None
    return Template(
        id=number,
        name=str(field_of(entry, "name") or ""),
        entity_type=type_of(field_of(entry, "documenttype"), field_of(entry, "entity")),
        parameters=read_parameters(field_of(entry, "parameters")),
        auto_execute=_number(field_of(entry, "autoexecute")),
        modified=str(field_of(entry, "modified") or ""),
    )


def read_parameters(definitions: object) -> tuple[Parameter, ...] | None:
    """PARAMETERS of a template in form order. ``[]`` means none; ``None`` (or any other shape) means not told."""
    if isinstance(definitions, list):
        if not definitions:
            return ()
        named = [(str(field_of(entry, "id", "name")), entry) for entry in definitions if isinstance(entry, dict)]
        return tuple(_parameter(name, entry) for name, entry in named if name) or None
    if not isinstance(definitions, dict):
        return None
    return tuple(_parameter(str(name), entry) for name, entry in definitions.items() if isinstance(entry, dict))


def _parameter(name: str, entry: Mapping[str, Any]) -> Parameter:
    return Parameter(
        name=name,
        label=str(field_of(entry, "name") or ""),
        type=str(field_of(entry, "type") or "string").lower(),
        required=_flag(field_of(entry, "required")),
        multiple=_flag(field_of(entry, "multiple")),
        options=_options(field_of(entry, "options")),
        default=field_of(entry, "default"),
        description=str(field_of(entry, "description") or ""),
    )


def _options(options: object) -> dict[str, str]:
    """Key to label; a list means the keys 0, 1 and so on."""
    if isinstance(options, dict):
        return {str(key): str(label) for key, label in options.items()}
    if isinstance(options, list):
        return {str(key): str(label) for key, label in enumerate(options)}
    return {}

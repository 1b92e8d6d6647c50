"""Templates in a file: the JSON that ``bulkstart templates --json`` writes, for portals that give no parameter definitions.

    {"templates": [{"id": 713, "name": "Send contract", "entity_type": "deal", "modified": "", "auto_execute": 0, "parameters": [
        {"name": "due", "label": "Due date", "type": "date", "required": true, "multiple": false,
         "options": {"key": "label"}, "default": null, "description": ""}]}]}

Only ``id`` of a template and ``name`` of a parameter are needed. ``parameters``: a list, ``[]`` for none; ``null``: not told. The
portal's own spelling is read too: ``documentType``, and ``PARAMETERS`` as an object by name (bitrix24-api.md 1.4).
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bulkstart.errors import UsageError
from bulkstart.gateways.definitions import read_template
from bulkstart.model import Parameter, Template

_MOST: Final = 64 << 20  # bytes; a portal with thousands of templates writes less
_TEXTS: Final = ("name", "label", "type", "description")
_FLAGS: Final = ("required", "multiple")


def to_json(templates: Sequence[Template]) -> dict[str, Any]:
    """What ``load`` reads."""
    return {"templates": [dataclasses.asdict(template) for template in templates]}


def load(path: str | os.PathLike[str]) -> tuple[Template, ...]:
    """The templates of a file. Raises ``UsageError`` for one that cannot be read, and for whatever stands wrong in it."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_MOST)
        found = json.loads(raw.decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"--template-file {path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--template-file {path} is no JSON in UTF-8 ({error}); bulkstart templates --json writes one") from None
    entries = found.get("templates", found if "id" in found else None) if isinstance(found, dict) else found
    entries = [entries] if isinstance(entries, dict) else entries
    if not isinstance(entries, list) or not entries:
        raise UsageError(f"--template-file {path} holds no templates; bulkstart templates --json writes such a file")
    templates = [_template(entry, f"--template-file {path}, template {place}") for place, entry in enumerate(entries, 1)]
    ids = [template.id for template in templates]
    if twice := next((number for number in ids if ids.count(number) > 1), None):
        raise UsageError(f"--template-file {path} holds template {twice} twice; leave one of them out")
    return tuple(templates)


def _template(entry: object, where: str) -> Template:
    if not isinstance(entry, dict):
        raise UsageError(f'{where}: {str(entry)[:40]!r} is no object; write {{"id": …, "parameters": […]}}')
    read = read_template(entry)
    if read is None:
        raise UsageError(f"{where} has no id, a whole number above zero")
    kind = entry.get("entity_type", entry.get("entityType"))
    if kind is not None and not isinstance(kind, str):
        raise UsageError(f"{where}: entity_type is {str(kind)[:40]!r}; write deal, lead, contact or company")
    told = entry.get("parameters")
    if isinstance(told, list):
        own = tuple(_parameter(one, f"{where} (id {read.id}), parameter {place}") for place, one in enumerate(told, 1))
        names = [parameter.name for parameter in own]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UsageError(f"{where} (id {read.id}) has the parameter {twice} twice")
        read = dataclasses.replace(read, parameters=own)
    elif told is not None and read.parameters is None:
        raise UsageError(f"{where} (id {read.id}): parameters is no list and no object")
    return dataclasses.replace(read, entity_type=kind or read.entity_type)


def _parameter(entry: object, where: str) -> Parameter:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not entry["name"]:
        raise UsageError(f"{where} has no name, a text")
    for name in _TEXTS:
        if not isinstance(entry.get(name, ""), str):
            raise UsageError(f"{where} ({entry['name']}): {name} is no text")
    for name in _FLAGS:
        if not isinstance(entry.get(name, False), bool):
            raise UsageError(f"{where} ({entry['name']}): {name} must be true or false")
    options = entry.get("options") or {}
    if not isinstance(options, Mapping) or not all(isinstance(label, str) for label in options.values()):
        raise UsageError(f"{where} ({entry['name']}): options must be an object, each key with its label")
    known = {field.name for field in dataclasses.fields(Parameter)}
    if unknown := sorted(set(entry) - known):
        raise UsageError(
            f"{where} ({entry['name']}) has {unknown[0]!r}, which means nothing here; there are {', '.join(sorted(known))}"
        )
    given = {name: value for name, value in entry.items() if name != "options"}
    given["type"] = str(given.get("type") or "string").lower()
    return Parameter(**given, options=dict(options))


def completed(templates: Sequence[Template] | None, filed: Sequence[Template]) -> tuple[tuple[Template, ...], tuple[str, ...]]:
    """The portal's templates with what the file tells where the portal tells nothing, and sentences about it.

    What the portal tells of itself always counts; ``templates`` is ``None`` where it gave no list.
    """
    known = {template.id: template for template in templates or ()}
    notes: list[str] = []
    taken: list[int] = []
    for template in filed:
        now = known.get(template.id)
        if now is None:
            known[template.id] = dataclasses.replace(template, listed=templates is None)
            taken.append(template.id)
        elif now.parameters is None and template.parameters is not None:
            kind = now.entity_type or template.entity_type
            known[template.id] = dataclasses.replace(now, parameters=template.parameters, entity_type=kind)
            taken.append(template.id)
        elif template.parameters is not None and now.parameters != template.parameters:
            notes.append(f"template {template.id}: the portal tells other parameters than the template file; the portal's count")
    if taken:
        shown = ", ".join(map(str, taken[:10])) + (f" and {len(taken) - 10} more" if len(taken) > 10 else "")  # noqa: PLR2004  as many fit a line
        notes.insert(0, f"parameters by the template file: template {shown}")
    return tuple(known.values()), tuple(notes)

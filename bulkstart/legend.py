"""What a blank sheet for a template says: its header row, and for each column what to write, with an example. Pure.

Every header is one that our own matcher takes for what it stands for; a label that it would not take becomes ``param:NAME``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

from bulkstart.cells import clean, letters_and_digits
from bulkstart.columns import match
from bulkstart.headers import ENTITY_ID, ENTITY_TYPE
from bulkstart.model import ENTITY_TYPES, Column, Parameter, Template
from bulkstart.result_columns import RESULT_COLUMNS
from bulkstart.rows import letter

_STAR: Final = " *"
_LONGEST: Final = 120  # characters of a header


@dataclass(frozen=True, slots=True)
class Entry:
    """One column of the sheet. ``choices`` are its drop-down, ``strict`` where nothing else may be written; ``shape`` a number format."""

    header: str
    name: str
    type: str
    how: str
    example: str
    required: bool = False
    several: bool = False
    choices: tuple[str, ...] = ()
    strict: bool = True
    shape: str = "General"
    default: str = ""
    description: str = ""
    options: tuple[tuple[str, str], ...] = ()
    """Key and label of each choice."""
    own: bool = False
    """Whether it is a column of ours, no parameter."""


_TEXT: Final = "@"
_HOW: Final = {
    "string": ("text, kept as it is written", "any text", _TEXT),
    "text": ("text of several lines, kept as it is written", "any text", _TEXT),
    "int": ("a whole number", "5", "0"),
    "integer": ("a whole number", "5", "0"),
    "double": ("a number", "1234.56", "General"),
    "bool": ("yes or no", "yes", "General"),
    "boolean": ("yes or no", "yes", "General"),
    "date": ("a date", "2026-12-31", "yyyy-mm-dd"),
    "datetime": ("a date with its time", "2026-12-31 10:00", "yyyy-mm-dd hh:mm"),
    "user": ("the user's id on the portal", "user_14", "General"),
    "file": ("the id of a file on the portal", "1024", "0"),
    "money": ("an amount with its currency", "300|RUB", _TEXT),
    "ufmoney": ("an amount with its currency", "300|RUB", _TEXT),
    "ufcrm": ("D_ (deal), L_ (lead), C_ (contact) or CO_ (company) and the id", "D_5141", _TEXT),
    "eecrm": ("D_ (deal), L_ (lead), C_ (contact) or CO_ (company) and the id", "D_5141", _TEXT),
}
_CHOICES: Final = ("select", "internalselect")
_FLAGS: Final = ("bool", "boolean")


def entries_of(template: Template, types: Sequence[str] = ENTITY_TYPES, separator: str = ";") -> tuple[Entry, ...]:
    """The columns of a blank sheet: ``entityId``, ``entityType``, then the parameters in the order of the portal's form."""
    own = (template.entity_type,) if template.entity_type else tuple(types)
    about = f"leave it blank for {own[0]}" if template.entity_type else "what kind of entity the id is of"
    entries = (
        Entry(
            ENTITY_ID,
            ENTITY_ID,
            "id",
            f"the id of the {own[0] if template.entity_type else 'entity'}, as digits or the link to its card",
            "5141",
            required=True,
            own=True,
        ),
        Entry(ENTITY_TYPE, ENTITY_TYPE, "entity type", about, own[0], not template.entity_type, choices=own, own=True),
        *(_entry(parameter, separator) for parameter in template.parameters or ()),
    )
    return _headed(entries, template)


def _entry(parameter: Parameter, separator: str) -> Entry:
    kind = letters_and_digits(parameter.type)
    how, example, shape = _HOW.get(kind, (f"passed on as it is written (type {parameter.type})", "", _TEXT))
    choices: tuple[str, ...] = ()
    if kind in _CHOICES:
        choices = _spelled(parameter, separator if parameter.multiple else "")
        how, example, shape = ("one of the choices" if choices else "the key of a choice"), next(iter(choices), ""), _TEXT
    elif kind in _FLAGS:
        choices = ("yes", "no")
    if parameter.multiple:
        how = f"{how}; several with {separator!r} between them"
        example = f"{example}{separator}{choices[1] if len(choices) > 1 else example}" if example else ""
        shape = _TEXT
    return Entry(
        header=clean(parameter.label) or parameter.name,
        name=parameter.name,
        type=parameter.type,
        how=how,
        example=example,
        required=parameter.required and parameter.default in (None, "", [], {}),
        several=parameter.multiple,
        choices=choices,
        strict=not parameter.multiple,
        shape=shape,
        default="" if parameter.default in (None, "", [], {}) else str(parameter.default),
        description=parameter.description,
        options=tuple(parameter.options.items()),
    )


def _spelled(parameter: Parameter, separator: str) -> tuple[str, ...]:
    """How each choice is written: by its label where only one has it and it holds no separator, else by its key in brackets."""
    labels = [" ".join(clean(label).casefold().replace("ё", "е").split()) for label in parameter.options.values()]
    taken = [*labels, *(key.casefold() for key in parameter.options)]
    return tuple(
        label if _tells(label, folded, key, taken, separator) else f"[{key}]"
        for (key, label), folded in zip(parameter.options.items(), labels, strict=True)
    )


def _tells(label: str, folded: str, key: str, taken: Sequence[str], separator: str) -> bool:
    alone = taken.count(folded) == 1 + (folded == key.casefold())
    return bool(clean(label)) and alone and not (separator and separator in label)


def _headed(entries: Sequence[Entry], template: Template) -> tuple[Entry, ...]:
    """Entries under headers that our own matcher takes for them; required ones with a star."""
    first = [replace(entry, header=_marked(" ".join(entry.header.split()), entry)) for entry in entries]
    for tried in ("label", "name", "param"):
        good = _understood(first, template)
        if all(good):
            break
        if tried != "param":
            spell = "{}" if tried == "label" else "param:{}"
            first = [
                entry if fine else replace(entry, header=_marked(spell.format(entry.name), entry))
                for entry, fine in zip(first, good, strict=True)
            ]
    return tuple(first)


def _marked(header: str, entry: Entry) -> str:
    return (header if len(header) <= _LONGEST else entry.name) + (_STAR if entry.required else "")


def _understood(entries: Sequence[Entry], template: Template) -> list[bool]:
    """For each entry whether its header, among all others, feeds it and nothing else; the two of our own always do."""
    columns = [Column(index, letter(index), entry.header) for index, entry in zip(count(), entries, strict=False)]
    found = match(columns, definitions=[template.parameters], entity_types={template.entity_type} if template.entity_type else ())
    kept = [entry.header.rstrip(_STAR) in RESULT_COLUMNS for entry in entries]
    owned = {matched.column.index for matched in (found.entity_id, found.entity_type, found.template_id) if matched}
    fed = [(one.column.index, one.name) for one in found.parameters]
    places, names = [index for index, _ in fed], [name for _, name in fed]
    return [
        entry.own
        or (
            (index, entry.name) in fed
            and index not in owned
            and not kept[index]
            and places.count(index) == names.count(entry.name) == 1
        )
        for index, entry in enumerate(entries)
    ]

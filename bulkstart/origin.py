"""Where a sheet belongs: the template, portal and version that ``bulkstart new`` wrote into its hidden tab. Pure.

The sheet then needs no ``--template``; another one, or another portal, is a problem of the whole sheet, a template that was changed
since is said.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from bulkstart.headers import whole_sheet
from bulkstart.model import Problem, Template

TAB: Final = "bulkstart"
"""The name of the hidden tab."""
FIRST_TAB: Final = "Starts"
LEGEND_TAB: Final = "Legend"
"""The names of the tabs that a person sees."""
_NAMES: Final = {
    "template": "templateId",
    "name": "templateName",
    "portal": "portal",
    "modified": "modified",
    "definitions": "definitions",
}
_LONGEST: Final = 15  # digits of a template id
_LOOPBACK: Final = ("127.", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class Origin:
    """What a sheet was made for. ``modified`` is the portal's own word, ``definitions`` a digest of the parameters; ``""``: not told."""

    template: int
    name: str = ""
    portal: str = ""
    modified: str = ""
    definitions: str = ""

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Its cells in the hidden tab: names and values, all texts."""
        return [(written, str(getattr(self, field))) for field, written in _NAMES.items()]


@dataclass(frozen=True, slots=True)
class Belongs:
    """What an origin means for a run: the template to start, sentences for people, problems of the whole sheet."""

    template: int | None
    by_sheet: bool = False
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def origin_of(template: Template, portal: str) -> Origin:
    """The origin of a sheet that is made now."""
    return Origin(template.id, template.name, portal, template.modified, digest(template))


def digest(template: Template) -> str:
    """A short digest of a template's parameters; ``""`` where they are not told."""
    if template.parameters is None:
        return ""
    told = [asdict(parameter) for parameter in template.parameters]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def read_origin(cells: Mapping[str, str]) -> Origin | None:
    """The origin that the hidden tab's cells tell; ``None`` where they name no template."""
    number = cells.get("templateId", "").strip()
    if not (number.isascii() and number.isdigit() and len(number) <= _LONGEST and int(number)):
        return None
    told = {field: cells.get(written, "").strip() for field, written in _NAMES.items() if field != "template"}
    return Origin(int(number), **told)


def belongs(origin: Origin | None, given: int | None, portal: str | None, templates: Sequence[Template] | None) -> Belongs:
    """What to start: ``given`` is ``--template``, ``portal`` the identity of the portal that was met, ``templates`` its templates.

    A rehearsal on loopback is nobody's portal, and a sheet that was made there belongs to every such one.
    """
    if origin is None:
        return Belongs(given)
    called = (
        f"template {origin.template}{f' {origin.name!r}' if origin.name else ''}{f' of {origin.portal}' if origin.portal else ''}"
    )
    rehearsed = portal is not None and portal.startswith(_LOOPBACK)
    same = not (origin.portal and portal) or origin.portal == portal or (rehearsed and origin.portal.startswith(_LOOPBACK))
    if given is not None and given != origin.template:
        why = f"this sheet was made for {called}, --template says {given}; leave the option out, or delete the hidden tab {TAB!r}"
        return Belongs(given, problems=(whole_sheet("conflicting-value", why),))
    if not (same or rehearsed) and given is None:
        why = f"this sheet was made for {called}, and this portal is {portal}; say --template ID if it is meant for this one"
        return Belongs(origin.template, by_sheet=True, problems=(whole_sheet("conflicting-value", why),))
    notes = [] if given else [f"{called}: the sheet was made for it"]
    if not same:
        notes.append(
            f"the sheet was made for {origin.portal}, and this portal is {portal}: the same id may be another template there"
        )
    now = next((template for template in templates or () if template.id == origin.template), None)
    if same and now and (changed := _changed(origin, now)):
        notes.append(f"{changed}: compare its columns, or make the sheet anew with bulkstart new {origin.template}")
    return Belongs(origin.template, by_sheet=given is None, notes=tuple(notes))


def _changed(origin: Origin, now: Template) -> str:
    """How the template differs from what the sheet was made for; ``""`` where nothing says that it does."""
    if origin.modified and now.modified and origin.modified != now.modified:
        return f"template {now.id} was changed on the portal since this sheet was made ({origin.modified}, now {now.modified})"
    if origin.definitions and (told := digest(now)) and told != origin.definitions:
        return f"the parameters of template {now.id} were changed on the portal since this sheet was made"
    return ""

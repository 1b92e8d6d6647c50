"""``bulkstart new``: a template of the portal, or of a file, becomes a blank sheet."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bulkstart.conduct import in_thread
from bulkstart.errors import DeniedError, UsageError
from bulkstart.gateways.documents import NAMES
from bulkstart.legend import entries_of
from bulkstart.meeting import journal_of, line_to, meeting, with_file
from bulkstart.model import ENTITY_TYPES, Template
from bulkstart.options import Options
from bulkstart.origin import origin_of
from bulkstart.portal import Portal
from bulkstart.preflight import Met
from bulkstart.sheet_new import blank_workbook, save_new


@dataclass(frozen=True, slots=True)
class Made:
    """A blank sheet that was written. ``columns`` are its headers."""

    template: int
    path: Path
    columns: tuple[str, ...]
    notes: tuple[str, ...]


def make(wanted: str, output: str | None, portal: Portal | None, options: Options, *, dialect: str | None = None) -> Made:
    """Write a blank sheet for the template of this id or name; ``portal`` is ``None`` where a template file tells all.

    Raises ``UsageError`` (no such template, a file that is there), ``DeniedError`` (the portal gives no templates).
    """
    met = with_file(Met(None), options) if portal is None else in_thread(_met(portal, options))
    if met.templates is None:
        why = met.stop.message if met.stop else "; ".join(met.notes)
        raise DeniedError(f"the portal gives no templates ({why}); give them with --template-file")
    template = _chosen(wanted, met.templates)
    native = (portal.dialect if portal else dialect) == "native"
    entries = entries_of(template, [*NAMES[:-1]] if native else ENTITY_TYPES)
    notes = [note for note in met.notes if "template" in note]
    if template.parameters is None:
        notes.append(
            f"the portal does not tell the parameters of template {template.id}, so the sheet has no column for them; give --template-file FILE"
        )
    path = Path(output or f"template-{template.id}.xlsx")
    save_new(path, blank_workbook(entries, origin_of(template, met.identity or "")))
    return Made(template.id, path, tuple(entry.header for entry in entries), tuple(notes))


async def _met(portal: Portal, options: Options) -> Met:
    async with line_to(portal, options) as line:
        with journal_of(portal, options) as journal:
            return (await meeting(portal, line, journal, options)).met


def _chosen(wanted: str, templates: Sequence[Template]) -> Template:
    """The template of this id, else of this name. Raises ``UsageError``."""
    word = wanted.strip()
    found = [template for template in templates if str(template.id) == word]
    found = found or [template for template in templates if template.name.strip().casefold() == word.casefold()]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"the name {word!r} is that of {len(found)} templates: {', '.join(str(t.id) for t in found)}; give the id"
        )
    spelled = {text: template for template in templates for text in (template.name, str(template.id)) if text}
    near = difflib.get_close_matches(word, spelled, n=1)
    shown = ", ".join(f"{t.id} {t.name!r}" for t in templates[:8]) + (" …" if len(templates) > 8 else "")  # noqa: PLR2004  as many fit a line
    hint = f"did you mean {spelled[near[0]].id} {spelled[near[0]].name!r}?" if near else f"there are: {shown or 'none'}"
    raise UsageError(f"there is no template {word!r}; {hint}")

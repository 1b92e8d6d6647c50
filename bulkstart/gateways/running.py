"""The running list in either dialect (bitrix24-api.md 1.6): rows of text, of which only living workflows are shown. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bulkstart.gateways.definitions import field_of
from bulkstart.gateways.documents import document_of


@dataclass(frozen=True, slots=True)
class Running:
    """One living workflow. ``started`` is the portal's own text; ``document`` is ``None`` where it is none that we know."""

    workflow_id: str
    template_id: int
    document: tuple[str, int] | None
    started: str


def read_running_row(entry: object) -> Running | None:
    """One row of the list, or ``None`` where it has no id. Never raises."""
    if not isinstance(entry, dict):
        return None
    workflow_id = field_of(entry, "id")
    if not isinstance(workflow_id, str) or not workflow_id:
        return None
    template = str(field_of(entry, "templateid") or "")
    element = field_of(entry, "documentid")
    document = document_of(
        field_of(entry, "moduleid"), field_of(entry, "entity"), element[-1] if isinstance(element, list) and element else element
    )
    number = int(template) if template.isascii() and template.isdigit() and len(template) < 16 else 0  # noqa: PLR2004  beyond any id
    return Running(workflow_id, number, document, str(field_of(entry, "started") or ""))


def moment(started: str) -> float | None:
    """The Unix time of an ISO 8601 text with an offset; ``None`` for anything else: without an offset nobody knows when that was."""
    try:
        found = datetime.fromisoformat(started)
    except ValueError:
        return None
    return None if found.tzinfo is None else found.timestamp()

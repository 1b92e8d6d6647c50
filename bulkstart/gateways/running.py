"""The running list in either dialect (bitrix24-api.md 1.6): rows of text, of which only living workflows are shown. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from bulkstart.gateways.definitions import field_of

_DOCUMENT = re.compile(r"(LEAD|DEAL|CONTACT|COMPANY)_([1-9][0-9]{0,15})")
_CLASSES = {
    "lead": "CCrmDocumentLead",
    "deal": "CCrmDocumentDeal",
    "contact": "CCrmDocumentContact",
    "company": "CCrmDocumentCompany",
}


@dataclass(frozen=True, slots=True)
class Running:
    """One living workflow. ``started`` is the portal's own text; ``document`` is ``None`` where it is no CRM entity we know."""

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
    document = _document(field_of(entry, "documentid"), field_of(entry, "entity"), field_of(entry, "moduleid"))
    number = int(template) if template.isascii() and template.isdigit() and len(template) < 16 else 0  # noqa: PLR2004  beyond any id
    return Running(workflow_id, number, document, str(field_of(entry, "started") or ""))


def _document(document_id: object, entity: object, module: object) -> tuple[str, int] | None:
    """The third element names type and id; module and class must agree where they are told."""
    last = document_id[-1] if isinstance(document_id, list) and document_id else document_id
    found = _DOCUMENT.fullmatch(last) if isinstance(last, str) else None
    if found is None or module not in (None, "", "crm"):
        return None
    kind = found[1].lower()
    return None if entity not in (None, "", _CLASSES[kind]) else (kind, int(found[2]))


def moment(started: str) -> float | None:
    """The Unix time of an ISO 8601 text with an offset; ``None`` for anything else: without an offset nobody knows when that was."""
    try:
        found = datetime.fromisoformat(started)
    except ValueError:
        return None
    return None if found.tzinfo is None else found.timestamp()

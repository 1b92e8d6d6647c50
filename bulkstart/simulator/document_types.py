"""Kinds of documents (bitrix24-api 2): the sandbox's words for them, and the triples by which a portal knows them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

ENTITY_TYPES = ("deal", "lead", "contact", "company")
"""The four types of VSTART."""

FAMILIES = ("quote", "smart_invoice", "dynamic_N", "list_item", "feed_process", "drive_file", "task")
"""What native REST knows beside the four; N is an entityTypeId. Templates may name a list, a storage or a project: list_item_12."""


@dataclass(frozen=True, slots=True)
class DocumentType:
    """``code`` is the third element of a template's type; a document's third element is ``prefix`` and the id.

    ``held``: documents of this type do not say which list, storage or project holds them. ``number``: the entityTypeId, if any.
    """

    name: str
    module: str
    entity: str
    code: str
    prefix: str
    number: int | None = None
    held: bool = False

    @property
    def triple(self) -> list[str]:
        return [self.module, self.entity, self.code]

    def fits(self, other: DocumentType) -> bool:
        """Whether a template of this type takes a document of the other."""
        return self.entity == other.entity and self.module == other.module and (self.held or self.code == other.code)


_CRM = "Bitrix\\Crm\\Integration\\BizProc\\Document\\"
_FIXED = {
    kind.name: kind
    for kind in (
        DocumentType("lead", "crm", "CCrmDocumentLead", "LEAD", "LEAD_", 1),
        DocumentType("deal", "crm", "CCrmDocumentDeal", "DEAL", "DEAL_", 2),
        DocumentType("contact", "crm", "CCrmDocumentContact", "CONTACT", "CONTACT_", 3),
        DocumentType("company", "crm", "CCrmDocumentCompany", "COMPANY", "COMPANY_", 4),
        DocumentType("quote", "crm", f"{_CRM}Quote", "QUOTE", "QUOTE_", 7),
        DocumentType("smart_invoice", "crm", f"{_CRM}SmartInvoice", "SMART_INVOICE", "SMART_INVOICE_", 31),
        DocumentType("list_item", "lists", "Bitrix\\Lists\\BizprocDocumentLists", "iblock_1", "", held=True),
        DocumentType("feed_process", "lists", "BizprocDocument", "iblock_1", "", held=True),
        DocumentType("drive_file", "disk", "Bitrix\\Disk\\BizProcDocument", "STORAGE_1", "", held=True),
        DocumentType("task", "tasks", "Bitrix\\Tasks\\Integration\\Bizproc\\Document\\Task", "TASK", "", held=True),
    )
}
_DYNAMIC = f"{_CRM}Dynamic"
_HOLDERS = {"list_item": "iblock_", "feed_process": "iblock_", "drive_file": "STORAGE_", "task": "TASK_PROJECT_"}
_NUMBERED = re.compile(r"(dynamic|list_item|feed_process|drive_file|task)_([1-9][0-9]*)")
_SMALLEST_DYNAMIC = 128


def named(name: str) -> DocumentType | None:
    """Return the type of that name; ``None`` where the sandbox knows none."""
    found = _FIXED.get(name)
    if found is not None:
        return found
    match = _NUMBERED.fullmatch(name)
    if match is None:
        return None
    family, number = match[1], int(match[2])
    if family != "dynamic":
        kind = _FIXED[family]
        return DocumentType(name, kind.module, kind.entity, f"{_HOLDERS[family]}{number}", "", held=True)
    if number < _SMALLEST_DYNAMIC:
        return None
    return DocumentType(name, "crm", _DYNAMIC, f"DYNAMIC_{number}", f"DYNAMIC_{number}_", number)


def of_number(number: int) -> DocumentType | None:
    """Return the type with that entityTypeId."""
    for kind in _FIXED.values():
        if kind.number == number:
            return kind
    return named(f"dynamic_{number}")


def of_template(triple: Any) -> DocumentType | None:
    """Return the type that a template's triple names."""
    if not (isinstance(triple, list) and len(triple) == 3 and all(isinstance(item, str) for item in triple)):
        return None
    module, entity, code = triple
    for kind in _FIXED.values():
        if (kind.module, kind.entity, kind.code) == (module, entity, code):
            return kind
        if kind.held and (kind.module, kind.entity) == (module, entity) and code.startswith(_HOLDERS[kind.name]):
            return named(f"{kind.name}_{code.removeprefix(_HOLDERS[kind.name])}")
    return named(code.lower()) if entity == _DYNAMIC and module == "crm" else None


def known(module: str, entity: str) -> bool:
    """Whether any document has that class."""
    return (module, entity) == ("crm", _DYNAMIC) or any(
        (kind.module, kind.entity) == (module, entity) for kind in _FIXED.values()
    )


def of_document(module: str, entity: str, third: str, *, bare: bool = False) -> tuple[DocumentType, int] | None:
    """Return type and id of a DOCUMENT_ID, ``None`` for one that is none. ``bare``: CRM ids may lack their prefix."""
    if (module, entity) == ("crm", _DYNAMIC):
        dynamic = re.fullmatch(r"DYNAMIC_([0-9]{1,9})_([0-9]{1,18})", third)
        kind = named(f"dynamic_{int(dynamic[1])}") if dynamic else None
        return (kind, int(dynamic[2])) if dynamic and kind else None
    for kind in _FIXED.values():
        if (kind.module, kind.entity) == (module, entity):
            number = third.removeprefix(kind.prefix)
            whole = re.fullmatch(r"[0-9]{1,18}", number) and (number != third or not kind.prefix or bare)
            return (kind, int(number)) if whole else None
    return None

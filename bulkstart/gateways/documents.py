"""On what a workflow can run: entity types of the native dialect, their names for people and their document ids. Pure.

Source: bitrix24-api.md 2. A document id is a triple of module, class and element; nothing outside of ``gateways`` knows it. The
Vibecode dialect starts on the first four types only (``model.ENTITY_TYPES``).

| entity type | document id | document type of a template |
|---|---|---|
| ``lead`` ``deal`` ``contact`` ``company`` ``quote`` ``smart_invoice`` | ``crm``, class, ``DEAL_7`` | ``DEAL`` |
| ``dynamic_147`` (the smart process with entityTypeId 147) | ``crm``, class, ``DYNAMIC_147_7`` | ``DYNAMIC_147`` |
| ``list_item`` (universal list), ``feed_process`` (feed process) | ``lists``, one class each, ``7`` | ``iblock_57``, both |
| ``drive_file`` | ``disk``, class, ``7`` | ``STORAGE_3`` |
| ``task`` | ``tasks``, class, ``7`` | ``TASK``, ``TASK_PROJECT_3`` |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bulkstart.cells import clean, letters_and_digits

_FIRST_DYNAMIC: Final = 128  # the smallest entityTypeId of a smart process (1.8)
_LONGEST_ID: Final = 16  # digits; no portal has longer ids
_CRM: Final = "Bitrix\\Crm\\Integration\\BizProc\\Document\\"


@dataclass(frozen=True, slots=True)
class Kind:
    """One entity type. ``prefix`` stands before the id in a CRM document id; ``entity_type_id`` is the CRM's number for it."""

    name: str
    module: str
    entity: str
    prefix: str = ""
    entity_type_id: int | None = None


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("lead", "crm", "CCrmDocumentLead", "LEAD_", 1),
        Kind("deal", "crm", "CCrmDocumentDeal", "DEAL_", 2),
        Kind("contact", "crm", "CCrmDocumentContact", "CONTACT_", 3),
        Kind("company", "crm", "CCrmDocumentCompany", "COMPANY_", 4),
        Kind("quote", "crm", f"{_CRM}Quote", "QUOTE_", 7),
        Kind("smart_invoice", "crm", f"{_CRM}SmartInvoice", "SMART_INVOICE_", 31),
        Kind("list_item", "lists", "Bitrix\\Lists\\BizprocDocumentLists"),
        Kind("feed_process", "lists", "BizprocDocument"),
        Kind("drive_file", "disk", "Bitrix\\Disk\\BizProcDocument"),
        Kind("task", "tasks", "Bitrix\\Tasks\\Integration\\Bizproc\\Document\\Task"),
    )
}
"""Every entity type but the smart processes, which are as many as a portal has: ``dynamic_N``."""

NAMES: Final = (*KINDS, "dynamic_N")
"""What may be written as entity type, for messages."""

_WORDS: Final = {
    word: name
    for name, words in {
        "lead": "lead leads crmlead лид лиды",
        "deal": "deal deals crmdeal сделка сделки",
        "contact": "contact contacts crmcontact контакт контакты",
        "company": "company companies crmcompany компания компании",
        "quote": "quote quotes crmquote estimate estimates предложение предложения коммерческоепредложение коммерческиепредложения кп смета",
        "smart_invoice": "smartinvoice smartinvoices crmsmartinvoice invoice invoices счет счета смартсчет смартсчета",
        "list_item": """list lists listelement listelements listitem listitems universallist
            список списки элементсписка элементысписка универсальныйсписок""",
        "feed_process": "process processes feedprocess feedprocesses newsfeedprocess процесс процессы процессвленте процессывленте",
        "drive_file": "drivefile drivefiles diskfile diskfiles file files файл файлы файлдиска файлыдиска",
        "task": "task tasks задача задачи",
    }.items()
    for word in words.split()
} | {letters_and_digits(kind.entity): kind.name for kind in KINDS.values()}
_DYNAMIC_WORD: Final = re.compile(r"(?:dynamic|spa|smart[ _-]?process|смарт[ _-]?процесс)[ _№#-]{0,3}([1-9][0-9]{2,5})")
_ID: Final = re.compile(rf"[1-9][0-9]{{0,{_LONGEST_ID - 1}}}", re.ASCII)
_DYNAMIC: Final = re.compile(r"dynamic_([1-9][0-9]{2,5})", re.ASCII)
_DYNAMIC_ELEMENT: Final = re.compile(r"DYNAMIC_([1-9][0-9]{2,5})_[0-9]+", re.ASCII)
_TASK_TYPE: Final = re.compile(r"task(?:_[a-z_]+_[1-9][0-9]*)?", re.ASCII)


def named(text: str) -> str | None:
    """The entity type that a person's word means, English or Russian, in any case; ``None`` where it means none, or two.

    >>> named("Смарт-процесс 147"), named("Счёт"), named("iblock_57")
    ('dynamic_147', 'smart_invoice', None)
    """
    if found := _DYNAMIC_WORD.fullmatch(clean(text).casefold()):
        return _dynamic(found[1])
    return _WORDS.get(letters_and_digits(text))


def kind_of(entity_type: str) -> Kind | None:
    """The type by its canonical name; ``None`` where it is none that a workflow can be started on."""
    if kind := KINDS.get(entity_type):
        return kind
    found = _DYNAMIC.fullmatch(entity_type)
    if found is None or not _dynamic(found[1]):
        return None
    return Kind(entity_type, "crm", f"{_CRM}Dynamic", f"DYNAMIC_{found[1]}_", int(found[1]))


def document_id(entity_type: str, entity_id: int) -> list[str]:
    """Module, class and element, as a start wants them. Raises ``ValueError`` for a type or an id that is none.

    >>> document_id("dynamic_147", 1)[2]
    'DYNAMIC_147_1'
    """
    kind = kind_of(entity_type)
    if kind is None or type(entity_id) is not int or not _ID.fullmatch(str(entity_id)):
        raise ValueError(f"no document: {entity_type!r} {entity_id!r}")
    return [kind.module, kind.entity, f"{kind.prefix}{entity_id}"]


def document_of(module: object, entity: object, element: object) -> tuple[str, int] | None:
    """Type and id of a running row; ``None`` where it is no document that we know. Never raises.

    Lists, files and tasks are bare numbers: only the class tells them apart. Module and class must agree where they are told.
    """
    if not isinstance(element, str) or not all(told is None or isinstance(told, str) for told in (module, entity)):
        return None
    kind = _kind_of_element(element) if not _ID.fullmatch(element) else _kind_of_class(entity)
    if kind is None or module not in (None, "", kind.module) or (entity and not _same_class(entity, kind.entity)):
        return None
    number = element.removeprefix(kind.prefix)
    return (kind.name, int(number)) if _ID.fullmatch(number) and bool(kind.prefix) == (number != element) else None


def type_of(document_type: object, entity: object = None) -> str | None:
    """The entity type of a template's DOCUMENT_TYPE: a text, or a triple whose second is the class (``entity`` otherwise).

    ``iblock_57`` without a class may be a list or a feed process: ``None``, and so is what contradicts its class. A type that cannot
    be started here keeps its own word.
    """
    if isinstance(document_type, list):
        entity = document_type[1] if len(document_type) > 1 else entity
        document_type = document_type[-1] if document_type else None
    if not isinstance(document_type, str) or not (word := document_type.strip().lower()):
        return None
    if not isinstance(entity, str) or not entity:
        return None if word.startswith("iblock_") else _type_named(word)
    told = _kind_of_class(entity)
    if word.startswith("iblock_"):
        return told.name if told and told.module == "lists" else word
    kind = kind_of(_type_named(word))
    return kind.name if kind and _same_class(entity, kind.entity) else word if told is None else None


def _type_named(word: str) -> str:
    if word.startswith("storage_"):
        return "drive_file"
    return "task" if _TASK_TYPE.fullmatch(word) else word


def _dynamic(digits: str) -> str | None:
    return f"dynamic_{digits}" if int(digits) >= _FIRST_DYNAMIC else None


def _kind_of_element(element: str) -> Kind | None:
    if found := _DYNAMIC_ELEMENT.fullmatch(element):
        return kind_of(f"dynamic_{found[1]}")
    return next((kind for kind in KINDS.values() if kind.prefix and element.startswith(kind.prefix)), None)


def _kind_of_class(entity: object) -> Kind | None:
    if not isinstance(entity, str) or not entity:
        return None
    return next((kind for kind in KINDS.values() if _same_class(entity, kind.entity)), None)


def _same_class(one: object, other: str) -> bool:
    """Class names are compared as PHP does: case does not matter, nor a backslash in front."""
    return isinstance(one, str) and one.lstrip("\\").lower() == other.lower()

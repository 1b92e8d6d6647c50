"""What a spreadsheet cell is: blank, broken or filled, and which entity, entity type or template it names.

Every reader takes a raw cell and returns its value, or raises ``CellError`` with a problem code and a sentence. Nothing is
guessed: what could mean two things is asked about (traps: sheets 3, bitrix24-api 6). Texts, numbers and dates: ``values``.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from bulkstart.model import ENTITY_TYPES, DisguisedNumber, ErrorCell, RoundedNumber, UncalculatedCell

LONGEST: Final = 15
"""Digits that a spreadsheet number keeps; a longer one has been rounded, and no portal has such ids."""

_WIDTH = 40  # how many characters of a cell a message shows
_LONGEST_ID_TEXT = 300  # no id or link is longer; keeps the patterns cheap on hostile cells
_INVISIBLE: Final = dict.fromkeys((*range(0x200B, 0x2010), 0x202A, 0x202C, 0x2060, 0x2066, 0x2069, 0xFEFF))
_EXACT: Final = {"float32": 2**24, "float16": 2**11}  # from here on two whole numbers may be one
_ERRORS: Final = frozenset(
    (
        *("#N/A", "#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"),
        *("#Н/Д", "#ИМЯ?", "#ЗНАЧ!", "#ДЕЛ/0!", "#ССЫЛКА!", "#ПУСТО!", "#ЧИСЛО!"),
    )
)
_ID: Final = re.compile(r"'?([0-9]+)(?:[.,]0{1,2})?|=\"([0-9]+)\"")
_PREFIXED: Final = re.compile(r"([A-Z]+|SMART_INVOICE|DYNAMIC_[0-9]{1,6}|T[0-9A-F]{1,5})_([0-9]+)", re.IGNORECASE | re.ASCII)
_LINK: Final = re.compile(
    r"(?:(?:https?://)?([a-z0-9.-]+(?::[0-9]+)?))?/crm/(deal|lead|contact|company|quote|type/[0-9]{1,6})"
    r"/(?:details|show)/([0-9]+)/?(?:[?#]\S*)?",
    re.IGNORECASE | re.ASCII,
)
_PREFIXES: Final = {
    **{f"{kind}": kind for kind in (*ENTITY_TYPES, "quote", "smart_invoice")},
    **dict(zip(("d", "l", "c", "co", "q", "si"), (*ENTITY_TYPES, "quote", "smart_invoice"), strict=True)),
}
_TYPE_WORDS: Final = {
    **dict.fromkeys(("deal", "deals", "crmdeal", "ccrmdocumentdeal", "сделка", "сделки"), "deal"),
    **dict.fromkeys(("lead", "leads", "crmlead", "ccrmdocumentlead", "лид", "лиды"), "lead"),
    **dict.fromkeys(("contact", "contacts", "crmcontact", "ccrmdocumentcontact", "контакт", "контакты"), "contact"),
    **dict.fromkeys(("company", "companies", "crmcompany", "ccrmdocumentcompany", "компания", "компании"), "company"),
}
_ODD_IDS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), words)
    for pattern, words in (
        (r"[+\-−–]\s*[0-9.,]+", "has a sign; write a whole number above zero"),
        (r"[0-9]{1,3}(?:[\s'.,’][0-9]{3})+", "may be one number with thousands separators or several; write the digits only"),
        (r"[0-9]+(?:\s*[,;/|&+]\s*|\s+)[0-9]+(?:\s*[,;/|&+]\s*|\s+)[0-9].*", "holds several numbers; write one id in a row"),
        (r"[0-9]+(?:\s*[;/|&+]\s*|,\s+|\s+)[0-9]+", "holds two numbers; write one id in a row"),
        (
            r"[+-]?[0-9]*[.,]?[0-9]+e[+-]?[0-9]+",
            "looks like a number in exponent form whose digits are lost; export it anew as text",
        ),
        (r"[0-9]+[.,][0-9]*", "is not a whole number; write the id as digits only"),
        (r".*(?:://|/crm/).*", "is not the link of one deal, lead, contact or company; paste the link of its card, or its id"),
    )
)


class CellError(Exception):
    """A cell that cannot be read as what is asked; ``code`` is a problem code, ``message`` one sentence for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def misfit(value: object, why: str, code: str = "type-error") -> CellError:
    """Return the error that says what stands in a cell and, after it, ``why`` it does not fit and what to do."""
    return CellError(code, f"{shown(value)} {why}")


def shown(value: object) -> str:
    """Return what stands in a cell, for a message: at most about 40 characters, control characters made visible."""
    value = plain(value)
    if isinstance(value, str):
        text = repr(str(value[: 2 * _WIDTH]))
    elif isinstance(value, int) and abs(value) >= 10**_WIDTH:
        return "a number of more than 40 digits"
    elif value is None or isinstance(value, int | float | Decimal):
        text = str(value)
    elif isinstance(value, dt.date | dt.time):
        text = value.isoformat()
    else:
        return f"a cell of type {type(value).__name__}"
    return text if len(text) <= _WIDTH + 2 else text[:_WIDTH] + "…"


def letters_and_digits(text: str) -> str:
    """Return what is left of a word when case, spaces, signs and the dots of ``ё`` do not matter."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFC", text).casefold())).replace("ё", "е")


def clean(text: str) -> str:
    """Return text without invisible characters anywhere and without white space (no-break space included) around it."""
    return text.strip() if text.isascii() else text.translate(_INVISIBLE).strip()


def plain(value: object) -> object:
    """Return numpy's scalars as Python's own and every spelling of "missing" as ``None``; all else as it is."""
    kind = type(value)
    if kind is str or kind is int or value is None:
        return value
    if kind.__name__ in ("NAType", "NaTType"):
        return None
    if kind.__module__ == "numpy":
        if kind.__name__ == "datetime64":
            value = value.astype("datetime64[us]")  # type: ignore[attr-defined]  # a numpy scalar; numpy is not imported here
        if kind.__name__ in _EXACT:
            value = _short(value.item(), str(value), _EXACT[kind.__name__])  # type: ignore[attr-defined]  # likewise
        value = value.item() if getattr(value, "ndim", None) == 0 else value  # type: ignore[attr-defined]  # likewise
    if isinstance(value, float) and value != value:  # noqa: PLR0124  NaN is what differs from itself; math.isnan is slower
        return None
    return None if isinstance(value, Decimal) and value.is_nan() else value


def _short(value: float, written: str, exact: int) -> float:
    """A number of few digits: as it is written, ``0.1`` and not ``0.10000000149011612``; too large a one may be any of several."""
    return float(written) if abs(value) < exact or value in (math.inf, -math.inf) else RoundedNumber(value)


def is_blank(value: object) -> bool:
    """Tell whether nothing stands in a cell: ``None``, white space, NaN, ``pandas.NA``, ``NaT``. Error cells are not blank."""
    if type(value) is str and value[:1].isalnum():  # most cells; saves the rest
        return False
    value = plain(value)
    return value is None or (isinstance(value, str) and not isinstance(value, ErrorCell | UncalculatedCell) and not clean(value))


def filled(value: object) -> object:
    """Return the plain value of a cell that can be used at all.

    Raises ``CellError``: ``missing-cell``, ``error-cell`` (an error's text counts, as CSV files hold it), ``uncalculated-cell``.
    """
    if type(value) is str and value[:1].isalnum():  # most cells; saves the rest
        return value
    if isinstance(value, UncalculatedCell):
        raise CellError("uncalculated-cell", f"the formula {shown(value)} has no saved result; open and save it once in Excel")
    if isinstance(value, ErrorCell) or (isinstance(value, str) and "#" in value[:3] and clean(value).upper() in _ERRORS):
        raise CellError("error-cell", f"the error {shown(value)} stands here; mend its formula or write the value")
    if is_blank(value):
        raise CellError("missing-cell", "nothing stands here; fill the cell in or delete the row")
    return plain(value)


# ------------------------------------------------------------------------------------------------------------------ ids


def entity_id(value: object) -> tuple[int, str | None]:
    """Return the id of a CRM entity, and the entity type where the cell names one (``DEAL_5141``, a link to its card).

    Raises ``CellError``; what is accepted is the whole, exact id: never rounded, shortened or picked from among others.
    """
    if type(value) is int and 0 < value < 10**LONGEST:
        return value, None
    if type(value) is str and len(value) <= LONGEST and value.isascii() and value.isdigit() and value[0] != "0":
        return int(value), None
    value = filled(value)
    if not isinstance(value, str):
        return _whole(value, "an id"), None
    text = clean(value)
    if len(text) < _LONGEST_ID_TEXT:
        if (found := _PREFIXED.fullmatch(text)) and (hint := _prefix_type(found[1].lower())):
            return _digits(found[2], value, "an id"), hint
        if found := _LINK.fullmatch(text):
            kind = found[2].lower()
            return _digits(found[3], value, "an id"), f"dynamic_{int(kind[5:])}" if kind.startswith("type/") else kind
    return _from_text(text, value, "an id"), None


def template_id(value: object) -> int:
    """Return the id of a workflow template, read with the same care as ``entity_id``. Raises ``CellError``."""
    return positive(value, "a template id")


def positive(value: object, noun: str) -> int:
    """Return a whole number above zero; ``noun`` names what is asked (``"a template id"``). Raises ``CellError``."""
    value = filled(value)
    return _from_text(clean(value), value, noun) if isinstance(value, str) else _whole(value, noun)


def link_host(value: object) -> str | None:
    """Return the host (and port) that a pasted link leads to, in lower case; ``None`` where the cell names no host."""
    found = _LINK.fullmatch(clean(value)) if isinstance(value, str) and "/" in value else None
    return found[1].lower() if found and found[1] else None


def _prefix_type(prefix: str) -> str | None:
    """Return the entity type of a document id's prefix (bitrix24-api 2; the short ones of CRM bindings: 1.5)."""
    if found := re.fullmatch(r"dynamic_([0-9]+)|t([0-9a-f]+)", prefix):
        return f"dynamic_{int(found[1]) if found[1] else int(found[2], 16)}"
    return _PREFIXES.get(prefix)


def unrounded(value: object) -> None:
    """Raise ``CellError`` for a number of more digits than its column can keep: which one it was nobody knows."""
    if isinstance(value, RoundedNumber):
        raise misfit(
            value, "has more digits than a column in single precision (float32) keeps; read it as whole numbers or as text"
        )


def undisguised(value: object) -> None:
    """Raise ``CellError`` for a number that its format shows as other digits: the person saw those, the file holds these."""
    if isinstance(value, DisguisedNumber):
        seen = f"as {shown(value.shown)}" if value.shown else "as nothing"
        raise misfit(
            value, f"is what the cell holds, but its number format shows it {seen}; write what you mean in the format 'Text'"
        )


def _whole(value: object, noun: str) -> int:
    if not (isinstance(value, DisguisedNumber) and value.padded):
        undisguised(value)
    unrounded(value)
    if isinstance(value, dt.date | dt.time | dt.timedelta):
        raise misfit(value, f"is a date or time, not {noun}; format the cell as a number and write it again")
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise misfit(value, f"is not {noun}; write digits only, for example 5141")
    number = float(value) if isinstance(value, Decimal) else value
    if not -(10**LONGEST) < number < 10**LONGEST:
        raise misfit(value, f"is longer than the {LONGEST} digits that Excel keeps; write {noun} anew as text")
    if number <= 0:
        raise misfit(value, f"is not {noun}: it must be above zero", "constraint-error")
    if value != int(value):
        raise misfit(value, f"is not a whole number; write {noun} as digits only")
    return int(value)


def _from_text(text: str, value: object, noun: str) -> int:
    text = text[:_LONGEST_ID_TEXT]
    if found := _ID.fullmatch(text):
        return _digits(found[1] or found[2], value, noun)
    why = "cannot be read; write digits only, for example 5141"
    if any(sign.isdigit() and not sign.isascii() for sign in text):
        why = "holds digits other than 0 to 9; type it anew"
    else:
        why = next((words for pattern, words in _ODD_IDS if pattern.fullmatch(text)), why)
    raise misfit(value, f"is not {noun}: it {why}")


def _digits(digits: str, value: object, noun: str) -> int:
    if len(digits) > LONGEST:
        raise misfit(value, f"is longer than the {LONGEST} digits that Excel keeps; export {noun} anew as text")
    if not digits.strip("0"):
        raise misfit(value, f"is not {noun}: it must be above zero", "constraint-error")
    if digits[0] == "0":
        raise misfit(value, f"begins with a zero, which {noun} never does; did you mean {int(digits)}?")
    return int(digits)


def entity_type(value: object, *, named: Callable[[str], str | None] | None = None, names: Sequence[str] = ENTITY_TYPES) -> str:
    """Return the entity type that a cell names, in any case, English or Russian.

    ``named``: what else words may mean (``gateways.documents.named``), ``names``: what to write, for messages.

    Raises ``CellError``.
    """
    if type(value) is str and value in ENTITY_TYPES:
        return value
    value = filled(value)
    word = letters_and_digits(value) if isinstance(value, str) else ""
    if found := _TYPE_WORDS.get(word) or (named(value) if named and isinstance(value, str) else None):
        return found
    raise misfit(value, f"is not an entity type; write one of: {', '.join(names)}")

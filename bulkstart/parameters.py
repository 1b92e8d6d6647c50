"""What the portal expects of a parameter's value: one cell becomes one JSON value (bitrix24-api 1.5).

The server converts and checks nothing on a start, so each format is decided here, and what does not fit is refused.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from functools import lru_cache
from typing import Final

from bulkstart.cells import CellError, clean, entity_id, filled, is_blank, letters_and_digits, misfit, positive
from bulkstart.errors import UsageError
from bulkstart.model import Json, Parameter
from bulkstart.values import boolean, date_pattern, integer, moment, number, text

_UNSAFE: Final = re.compile(r"\{\s*=|\$result\[", re.IGNORECASE)
_CURRENCY: Final = re.compile("[A-Z]{3}")
_OFFSET: Final = re.compile(r"([+-])(0[0-9]|1[0-4]):([0-5][0-9])")
_BINDINGS: Final = {"lead": "L", "deal": "D", "contact": "C", "company": "CO", "quote": "Q", "smart_invoice": "SI"}
_FEW_OPTIONS: Final = 8  # as many are listed in a message


class Blank(Enum):
    """The type of ``BLANK``: nothing stands in the cell, so the key is left out and the template's default applies."""

    BLANK = "blank"


BLANK: Final = Blank.BLANK


@dataclass(frozen=True, slots=True)
class Formats:
    """How the sheet writes its values, and how the portal wants its dates.

    ``decimal``: ``","`` or ``"."``, needed for text with a decimal comma or thousands separators. ``date_format``: of dates
    written as text, ``%d.%m.%Y`` or ``DD.MM.YYYY``. ``separator``: between the values of one cell, for parameters declared
    multiple. The output formats are ``iso`` or a pattern; ``offset`` is the zone of date-times that name none, and of all that are
    sent by a pattern: UTC by default, never this machine's. Raises ``UsageError`` for a format that cannot be meant.
    """

    decimal: str | None = None
    date_format: str | None = None
    separator: str = ";"
    date_output: str = "iso"
    datetime_output: str = "iso"
    offset: str = "+00:00"

    def __post_init__(self) -> None:
        if self.decimal not in (None, ",", "."):
            raise UsageError(f"The decimal mark is {self.decimal!r}; it must be , or .")
        if not self.separator:
            raise UsageError("The separator of several values in one cell is empty; name one, for example ;")
        if not _OFFSET.fullmatch(self.offset):
            raise UsageError(f"The time zone is {self.offset!r}; write it as an offset, for example +03:00.")
        for pattern in (self.date_format, self.date_output, self.datetime_output):
            if pattern not in (None, "iso"):
                date_pattern(str(pattern))

    @property
    def zone(self) -> dt.timezone:
        """The offset as a time zone."""
        sign = -1 if self.offset[0] == "-" else 1
        return dt.timezone(sign * dt.timedelta(hours=int(self.offset[1:3]), minutes=int(self.offset[4:6])))


def serialise(parameter: Parameter | None, value: object, formats: Formats) -> Json | Blank:
    """Return the JSON value of one cell for a parameter, ``BLANK`` where nothing stands; ``None``: its definition is unknown.

    Raises ``CellError``: ``type-error``, ``constraint-error``, ``unsafe-text``, ``error-cell``, ``uncalculated-cell``.
    """
    if type(value) is str and value[:2] == "['" and value.endswith("]"):
        why = f"is a list that a program wrote as text; write its values with {formats.separator} between them, or give the frame itself"
        raise misfit(value, why)
    if parameter is None:
        if isinstance(value, list | tuple):
            return [_untyped(item, formats) for item in value if not is_blank(item)] or BLANK
        return BLANK if is_blank(value) else _untyped(value, formats)
    write = _writer(parameter.type)
    if parameter.multiple:
        return [write(parameter, item, formats) for item in _items(value, formats.separator)] or BLANK
    return BLANK if is_blank(value) else write(parameter, value, formats)


def with_currency(parameter: Parameter, amount: object, currency: object, formats: Formats) -> Json | Blank:
    """Return the JSON value of a money parameter whose currency stands in a cell of its own; a currency alone is no value.

    Raises ``CellError`` as ``serialise`` does, and ``conflicting-value`` where the amount names another currency itself.
    """
    if is_blank(amount) or is_blank(currency):
        return serialise(parameter, amount, formats)
    code = clean(text(currency)).upper()
    if not _CURRENCY.fullmatch(code):
        raise misfit(currency, "is not a currency; write its three letters, for example RUB")
    items = _items(amount, formats.separator) if parameter.multiple else [amount]
    whole = []
    for item in items:
        number_, _, own = clean(text(item)).partition("|")
        if own.strip() and own.strip() != code:
            raise misfit(
                item, f"names another currency than its currency column, {code}; correct one of them", "conflicting-value"
            )
        whole.append(f"{number_}|{code}")
    return serialise(parameter, whole if parameter.multiple else whole[0], formats)


def _items(value: object, separator: str) -> list[object]:
    """Return the values that stand in one cell of a multiple parameter, blank ones left out."""
    if isinstance(value, list | tuple):
        parts: Iterable[object] = value
    elif isinstance(value, str) and type(value) is str:  # an error cell is a str too, and no list
        parts = value.split(separator)
    else:
        parts = (value,)
    return [part.strip() if type(part) is str else part for part in parts if not is_blank(part)]


def _safe(words: str) -> str:
    """Return text that neither a template nor a batch takes for an expression."""
    if _UNSAFE.search(words):
        raise misfit(
            words, "holds an expression ({=… or $result[…) that the portal may evaluate; write plain text", "unsafe-text"
        )
    return words


# ------------------------------------------------------------------------------------------- one writer for each type


def _untyped(value: object, formats: Formats) -> Json:
    value = filled(value)
    if isinstance(value, bool):
        return "Y" if value else "N"
    if isinstance(value, dt.datetime):
        return _datetime(None, value, formats) if value.tzinfo or value.time() != dt.time() else _date(None, value, formats)
    if isinstance(value, dt.date):
        return _date(None, value, formats)
    return _safe(text(value)) if isinstance(value, str | dt.time) else number(value)


def _string(_: Parameter | None, value: object, formats: Formats) -> Json:
    value = filled(value)
    return _untyped(value, formats) if isinstance(value, dt.date) else _safe(text(value))


def _passed_through(_: Parameter, value: object, formats: Formats) -> Json:
    return _untyped(value, formats)


def _int(_: Parameter, value: object, formats: Formats) -> Json:
    return integer(value, formats.decimal)


def _double(_: Parameter, value: object, formats: Formats) -> Json:
    return number(value, formats.decimal)


def _bool(_: Parameter, value: object, __: Formats) -> Json:
    return "Y" if boolean(value) else "N"


def _date(_: Parameter | None, value: object, formats: Formats) -> Json:
    day = moment(value, formats.date_format).date()
    return day.isoformat() if formats.date_output == "iso" else day.strftime(date_pattern(formats.date_output))


def _datetime(_: Parameter | None, value: object, formats: Formats) -> Json:
    when = moment(value, formats.date_format)
    if formats.datetime_output != "iso":
        when = when.astimezone(formats.zone) if when.tzinfo else when  # a pattern names no zone: all times are of one
        return when.strftime(date_pattern(formats.datetime_output))
    return (when if when.tzinfo else when.replace(tzinfo=formats.zone)).isoformat(timespec="seconds")


def _select(parameter: Parameter, value: object, _: Formats) -> Json:
    """Return the key: the portal accepts a label silently, and it then matches nothing (bitrix24-api 1.5)."""
    words = clean(text(value))
    options = parameter.options
    if not options:
        return _safe(words)
    if words[:1] == "[" and words[-1:] == "]" and words[1:-1] in options:
        return words[1:-1]
    folded = _folded(words)
    keys = {key for key, label in options.items() if key == words or _folded(label) == folded}
    if len(keys) == 1:
        return keys.pop()
    if keys:
        spelled = ", ".join(f"[{key}] for {options[key]!r}" for key in sorted(keys))
        raise misfit(value, f"may mean several options; write {spelled}", "constraint-error")
    raise misfit(value, f"is not an option; {_nearest_option(words, options)}", "constraint-error")


def _folded(words: str) -> str:
    return " ".join(words.casefold().replace("ё", "е").split())


def _nearest_option(words: str, options: Mapping[str, str]) -> str:
    spellings = {_folded(spelling): spelling for key, label in options.items() for spelling in (key, label or key)}
    near = get_close_matches(_folded(words), spellings, n=1)
    if near:
        return f"did you mean {spellings[near[0]]!r}?"
    labels = [label or key for key, label in options.items()]
    more = f" and {len(labels) - _FEW_OPTIONS} more" if len(labels) > _FEW_OPTIONS else ""
    return f"write one of: {', '.join(labels[:_FEW_OPTIONS])}{more}"


def _user(_: Parameter, value: object, __: Formats) -> Json:
    """Return ``user_14``: a bare 14 would be the user *group* 14 (bitrix24-api, fact 6)."""
    value = filled(value)
    words = clean(value).casefold() if isinstance(value, str) else ""
    if re.fullmatch(r"group_[a-z0-9_]+", words):
        return words
    if "@" in words:
        raise misfit(
            value,
            "is an e-mail address, and a start takes the user's id; write it, as 14 or user_14: the address of the user's page on the portal ends in it",
        )
    try:
        return f"user_{positive(words.removeprefix('user_') or value, 'a user')}"
    except CellError as error:
        raise misfit(value, "is not a user; write the user's id, as 14 or user_14") from error


def _file(_: Parameter, value: object, __: Formats) -> Json:
    return positive(value, "the id of a file on the portal")


def _money(__: Parameter, value: object, formats: Formats) -> Json:
    words = clean(text(value))
    amount, _, currency = (part.strip() for part in words.partition("|"))
    if not amount or not _CURRENCY.fullmatch(currency):
        raise misfit(
            value,
            "is not an amount with its currency; write for example 300|RUB, or name a column of currencies with --map NAME.currency=COLUMN",
        )
    exact = re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", amount)
    return f"{amount if exact else number(amount, formats.decimal)}|{currency}"


def _binding(_: Parameter, value: object, __: Formats) -> Json:
    number_, kind = entity_id(value)
    if kind is None:
        raise misfit(
            value, "does not say what it is the id of; write D_ (deal), L_ (lead), C_ (contact) or CO_ (company) before it"
        )
    prefix = _BINDINGS.get(kind) or f"T{int(kind.removeprefix('dynamic_')):x}"
    return f"{prefix}_{number_}"


_Write = Callable[[Parameter, object, Formats], Json]
_WRITERS: Final[dict[str, _Write]] = {
    **dict.fromkeys(("string", "text"), _string),
    **dict.fromkeys(("int", "integer"), _int),
    **dict.fromkeys(("bool", "boolean"), _bool),
    **dict.fromkeys(("select", "internalselect"), _select),
    **dict.fromkeys(("money", "ufmoney"), _money),
    **dict.fromkeys(("ufcrm", "eecrm"), _binding),
    "double": _double,
    "date": _date,
    "datetime": _datetime,
    "user": _user,
    "file": _file,
}


@lru_cache(maxsize=256)
def _writer(kind: str) -> _Write:
    """Return what writes values of a type; types that no conversion table names (``UF:…``, ``E:…``, ``S:…``) pass through."""
    return _WRITERS.get(letters_and_digits(kind), _passed_through)

"""What a cell's value is as a text, a number, a yes or no, a date. Pure; raises ``CellError`` like the readers of ``cells``."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from functools import lru_cache
from typing import Final

from bulkstart.cells import LONGEST, clean, filled, misfit, undisguised, unrounded
from bulkstart.errors import UsageError
from bulkstart.model import DisguisedNumber

_LONGEST_INT: Final = 18  # digits of a whole number that was never a spreadsheet's; fits 64 bits
_YES: Final = frozenset(("yes", "y", "true", "1", "да", "истина"))
_NO: Final = frozenset(("no", "n", "false", "0", "нет", "ложь"))
_SEPARATORS: Final = {  # of thousands, by decimal mark
    ",": re.compile(r"(?<=[0-9])[ \xa0\u202f.'’](?=[0-9]{3}(?![0-9]))"),
    ".": re.compile(r"(?<=[0-9])[ \xa0\u202f,'’](?=[0-9]{3}(?![0-9]))"),
}
_ISO: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_TOKENS: Final = (("YYYY", "%Y"), ("YY", "%y"), ("MM", "%m"), ("DD", "%d"), ("HH", "%H"), ("MI", "%M"), ("SS", "%S"))


def text(value: object) -> str:
    r"""Return a cell as text: whole numbers without ``.0``, line ends as ``\n``, dates in ISO form. Raises ``CellError``."""
    value = filled(value)
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise misfit(value, "holds broken characters; type the text anew") from None
        words = str(value).replace("_x000D_", "\r")
        return words.replace("\r\n", "\n").replace("\r", "\n") if "\r" in words else words
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time() and value.tzinfo is None
        return value.date().isoformat() if midnight else value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, int | float | Decimal):
        if isinstance(value, DisguisedNumber) and value.shown.isdecimal():  # zeros in front, which a text keeps
            undisguised(value)
        return str(number(value))
    raise misfit(value, "is not a text; write it as text")


def number(value: object, decimal: str | None = None) -> int | float:
    """Return a number; whole ones as ``int``. Text needs a dot, or the ``decimal`` mark given, which allows thousands separators.

    Raises ``CellError``: booleans, NaN, infinity, exponents in text, whole numbers that Excel has rounded.
    """
    value = filled(value)
    if isinstance(value, str):
        return _text_number(clean(value), decimal)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise misfit(value, "is not a number; write digits")
    unrounded(value)
    size = float(value) if isinstance(value, Decimal) else value
    limit = 10**_LONGEST_INT if isinstance(size, int) else 10**LONGEST
    if not -limit < size < limit:
        raise misfit(value, "has more digits than are kept; write it anew as text")
    return int(value) if value == int(value) else float(value)


def _text_number(text: str, decimal: str | None) -> int | float:
    unmarked = text
    if decimal is not None:
        unmarked = _SEPARATORS[decimal].sub("", text)
        unmarked = unmarked.replace(",", ".", 1) if decimal == "," else unmarked
    found = re.fullmatch(r"([+-]?[0-9]{1,18})(\.[0-9]{1,17})?", unmarked) if len(text) < 2 * LONGEST + 10 else None
    if not found:
        advice = "write digits" if decimal or not re.search("[0-9]", text) else "write digits, or say --decimal , or --decimal ."
        raise misfit(text, f"is not a number; {advice}")
    return float(unmarked) if found[2] and found[2].strip(".0") else int(found[1])


def integer(value: object, decimal: str | None = None) -> int:
    """Return a whole number (``5``, ``5.0``, ``"5"``); ``"5.000"`` may be 5000 and needs ``decimal``. Raises ``CellError``."""
    if decimal is None and isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,3}\.[0-9]{3}", clean(value)):
        raise misfit(value, "may be a fraction or thousands; write digits, or say --decimal , or --decimal .")
    read = number(value, decimal)
    if isinstance(read, float):
        raise misfit(value, "is not a whole number; write it without a fraction")
    return read


def boolean(value: object) -> bool:
    """Return yes or no: ``TRUE``/``FALSE``, 1/0, yes/no, да/нет, истина/ложь, Y/N in any case. Raises ``CellError``."""
    value = filled(value)
    if isinstance(value, bool):
        return value
    word = clean(value).casefold() if isinstance(value, str) else ""
    if isinstance(value, int | float) and value in (0, 1):
        word = str(int(value))
    if word in _YES or word in _NO:
        return word in _YES
    raise misfit(value, "is neither yes nor no; write yes or no")


@lru_cache(maxsize=64)
def date_pattern(given: str) -> str:
    """Return the ``strptime`` pattern of a date format, which may be written as ``DD.MM.YYYY HH:MI:SS`` too.

    Raises ``UsageError`` for one that does not name day, month and year.
    """
    pattern = given
    for token, directive in _TOKENS if "%" not in given else ():
        pattern = pattern.replace(token, directive)
    sample = dt.datetime(2033, 11, 22, tzinfo=dt.UTC)
    try:
        kept = dt.datetime.strptime(sample.strftime(pattern), pattern).date() == sample.date()  # noqa: DTZ007  only the date counts
    except ValueError:
        kept = False
    if not kept:
        raise UsageError(
            f"The date format {given!r} does not name day, month and year; write for example %d.%m.%Y or DD.MM.YYYY."
        )
    return pattern


def moment(value: object, given: str | None = None) -> dt.datetime:
    """Return a date with time (midnight where the cell has none), with a zone only where the cell names one.

    Text is read by the date format ``given`` (with a time behind it or not), or as ISO 8601 unless that format begins with the
    year. Raises ``CellError`` for everything ambiguous, for numbers and for times alone.
    """
    value = filled(value)
    if isinstance(value, dt.datetime):
        return value
    if isinstance(value, dt.date):
        return dt.datetime.combine(value, dt.time())
    if not isinstance(value, str):
        raise misfit(value, "is not a date; format the column as a date and write it again")
    words = clean(value)
    pattern = date_pattern(given) if given else ""
    for layout in (pattern, f"{pattern} %H:%M:%S", f"{pattern} %H:%M") if pattern else ():
        try:
            return dt.datetime.strptime(words, layout)  # noqa: DTZ007  the sheet names no zone
        except ValueError:
            continue
    if _ISO.fullmatch(words) and not pattern.startswith("%Y"):
        try:
            return dt.datetime.fromisoformat(words)
        except ValueError:
            raise misfit(value, "is not a date: there is no such day or time") from None
    why = "it does not fit the date format" if pattern else "say how dates are written here, for example --date-format DD.MM.YYYY"
    raise misfit(value, f"cannot be read as a date; {why}")

"""What a cell of a worksheet holds: its type, its number format, its cached value. Pure."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from bulkstart.model import ErrorCell, UncalculatedCell
from bulkstart.sheet_format import as_shown, is_harmless
from bulkstart.sheet_xml import unescape

_DIGITS: Final = 15  # that Excel keeps; a longer number may have been rounded
_EXACT: Final = 10**_DIGITS
_DAY: Final = 86_400_000  # milliseconds, Excel's own precision for times
_LEAP_BUG: Final = 60  # Excel's 29 February 1900, a day that never was
_LAST_DAY: Final = 2_958_466  # behind 31 December 9999
_ZERO: Final = dt.datetime(1899, 12, 30)  # noqa: DTZ001  cells have no zone

_BUILT_IN: Final = {
    **dict.fromkeys(("14", "15", "16", "17"), "date"),
    **dict.fromkeys(("18", "19", "20", "21", "45", "47"), "time"),
    **dict.fromkeys(map(str, (*range(27, 32), 36, *range(50, 55), 57, 58)), "date"),
    **dict.fromkeys(("32", "33", "34", "35", "55", "56"), "time"),
    "22": "datetime",
    "46": "elapsed",
}
"""Number formats that a workbook refers to without spelling them out (ECMA-376 18.8.30)."""
_ODD_BUILT_IN: Final = {"9": "0%", "10": "0.00%", "11": "0.00E+00", "12": "# ?/?", "13": "# ??/??", "48": "##0.0E+0"}
"""Those that show a whole number as another text."""
DATE_KINDS: Final = frozenset(("date", "time", "elapsed", "datetime"))
STYLE_ELEMENTS: Final = frozenset(("numFmt", "xf", "cellXfs", "cellStyleXfs", "cellStyles", "dxfs"))
"""The elements of ``styles.xml`` that :func:`telling_styles` wants to see."""
_LITERALS: Final = re.compile(r'am/pm|a/p|"[^"]*"|\\.|_.|\*.|\[(?![hms]+\])[^\]]*\]', re.IGNORECASE)
_TIME_MINUTES: Final = re.compile(r"h+[^a-z]*m+|m+[^a-z]*s+")


def cell_reader(
    strings: Sequence[str], styles: Mapping[str, str], shift: int
) -> Callable[[dict[str, str], str | None, str | None], object]:
    """Return the function that makes a value of a cell's attributes, its text and its formula (ECMA-376, ST_CellType).

    ``styles`` as :func:`telling_styles` returns them; ``shift`` is 1462 days in a workbook that counts from 1904.
    """

    def read(cell: dict[str, str], text: str | None, formula: str | None) -> object:
        kind = cell.get("t")
        if not text:
            return UncalculatedCell(f"={formula}") if formula is not None and (text is None or kind != "str") else None
        if kind == "s":
            return strings[int(text)] or None
        if kind is None or kind == "n":
            number = read_number(text)
            style = styles.get(cell.get("s", ""))
            return number if style is None or isinstance(number, str) else styled(number, style, shift)
        if kind == "b":
            return text in ("1", "true")
        if kind == "e":
            return ErrorCell(text)
        return iso_date(text) if kind == "d" else unescape(text) if "_x" in text else text

    return read


def styled(number: float, style: str, shift: int) -> object:
    """Return what a number is in a style of :func:`telling_styles`: a date, or a number that may be disguised."""
    if style in DATE_KINDS:
        return read_date(number, style, shift)
    return as_shown(number, style) if isinstance(number, int) else number


def in_style(number: float, styles: Sequence[str | None], place: int, shift: int) -> object:
    """Return what a number is in the style of that place; in one that is not there it is a number."""
    if number != number:  # noqa: PLR0124  NaN is what differs from itself
        return ErrorCell("#NUM!")
    style = styles[place] if place < len(styles) else None
    return number if style is None else styled(number, style, shift)


def read_float(number: float) -> int | float:
    """Return a stored number as :func:`read_number` reads its text."""
    return int(number) if number.is_integer() and -_EXACT < number < _EXACT else number


def read_number(text: str) -> int | float | str:
    """Return a number: integral and below 10^15 an ``int``, else a ``float``; the text where it is no number."""
    if text.isdecimal() and len(text) < _DIGITS:
        return int(text)
    try:
        number = float(text)
    except ValueError:
        return text
    if number.is_integer() and -_EXACT < number < _EXACT:
        return int(number) if "_" not in text else text
    return number if "_" not in text else text


@lru_cache(4096)
def read_date(number: float, style: str, shift: int) -> object:
    """Return the date, time, datetime or duration that a number in such a format shows; the number where Excel shows none."""
    if not 0 <= number < _LAST_DAY:
        return number
    days, rest = divmod(round(number * _DAY), _DAY)
    of_day = dt.timedelta(milliseconds=rest)
    if style in ("time", "elapsed") and not days:
        return (_ZERO + of_day).time()
    if style == "elapsed":
        return dt.timedelta(days=days) + of_day
    days += shift
    if not 0 < days < _LAST_DAY or days == _LEAP_BUG:
        return number
    moment = _ZERO + dt.timedelta(days=days + (days < _LEAP_BUG)) + of_day
    return moment.date() if style == "date" and not rest else moment


def iso_date(text: str) -> object:
    """Return the date, time or datetime of an ISO 8601 text (Strict OOXML, OpenDocument); the text where it is no ISO 8601."""
    for read in (dt.date.fromisoformat, dt.time.fromisoformat, dt.datetime.fromisoformat):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def telling_styles(styles: Iterable[tuple[str, Mapping[str, str]]]) -> dict[str, str]:
    """Return which cell styles say what a number is: style number as text → kind of date, or a number format to compare with.

    Kinds of dates are ``date``, ``time``, ``elapsed``, ``datetime``. ``styles`` are the elements of ``styles.xml`` in order.
    """
    formats: dict[str, str] = {}
    found: dict[str, str] = {}
    counted = -1
    inside = False
    for kind, attributes in styles:
        if kind == "numFmt":
            formats[attributes["numFmtId"]] = attributes["formatCode"]
        elif kind in ("cellXfs", "cellStyleXfs", "cellStyles", "dxfs"):
            inside = kind == "cellXfs"
        elif kind == "xf" and inside:
            counted += 1
            if shown := telling_format(attributes.get("numFmtId", "0"), formats):
                found[str(counted)] = shown
    return found


def telling_format(number: str, formats: Mapping[str, str]) -> str | None:
    """Return the kind of date of a number format, or its code where it may disguise a number; ``None`` for harmless ones."""
    code = formats.get(number)
    if code is None:
        return _BUILT_IN.get(number) or _ODD_BUILT_IN.get(number)
    return date_kind(code) or (None if is_harmless(code) else code)


def date_kind(code: str) -> str | None:
    """Return what a number format shows: ``date``, ``time``, ``elapsed`` (``[h]:mm``), ``datetime``, or ``None`` for no date."""
    first = _LITERALS.sub("", code).partition(";")[0].lower()
    if "general" in first or not re.search("[dmyhs]", first):
        return None
    if "[" in first:
        return "elapsed"
    timed = re.search("[hs]", first) is not None
    dated = re.search("[dmy]", _TIME_MINUTES.sub("", first)) is not None
    return "datetime" if timed and dated else "time" if timed else "date"

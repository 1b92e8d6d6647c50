"""Texts that no spreadsheet program can take for a formula, and cells as texts. Pure."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Final

_STARTS: Final = "=+-@\t\r"
_FORMULA: Final = re.compile(f"'*[{re.escape(_STARTS)}]")
_QUOTED: Final = re.compile(f"'+[{re.escape(_STARTS)}]")
_NUMBER_LIKE: Final = re.compile(r"[+-][\d\s\u00a0().,-]*")


def inert_text(text: str) -> str:
    """Return a text that a CSV cell shows and never calculates: with a ``'`` before what begins with ``= + - @``, tab or CR."""
    return f"'{text}" if _FORMULA.match(text) else text


def plain_text(text: str) -> str:
    """Return the text that ``inert_text`` was given: what the six result columns of a CSV file said. The exact inverse."""
    return text[1:] if _QUOTED.match(text) else text


def looks_like_formula(text: str) -> bool:
    """Return whether a spreadsheet program might calculate a text; numbers and telephone numbers with a sign are harmless."""
    return text[:1] in _STARTS and bool(text) and not _NUMBER_LIKE.fullmatch(text)


def is_missing(cell: object) -> bool:
    """Return whether a cell of any frame is blank: ``None``, ``NaN``, ``NaT``, ``pandas.NA``, ``""``."""
    if cell is None or (isinstance(cell, str) and not cell):
        return True
    return (isinstance(cell, float) and math.isnan(cell)) or type(cell).__name__ in ("NaTType", "NAType")


def plain_value(cell: object) -> object:
    """Return a cell as a Python value: NumPy's scalars and pandas' timestamps become Python's own, a missing one ``None``."""
    if is_missing(cell):
        return None
    if type(cell).__module__ == "numpy" and hasattr(cell, "item"):
        return plain_value(cell.item())
    to_python = getattr(cell, "to_pydatetime", None) or getattr(cell, "to_pytimedelta", None)
    return to_python() if to_python else cell


def as_text(cell: object) -> str:
    """Return a cell as the text of a CSV file: ``TRUE`` and ``FALSE``, ISO dates, numbers with a dot, ``""`` where missing."""
    if isinstance(cell, str):
        return cell
    value = plain_value(cell)
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool):
        return str(value).upper()
    return value.isoformat(" ") if isinstance(value, dt.datetime) else str(value)

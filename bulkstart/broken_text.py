"""Text that was broken before it came: valid, and wrong, and about to be sent to a customer (sheets.md, trap 12). Pure.

Nothing is repaired here; what a text may have been is shown to a person.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_SUSPICIOUS: Final = re.compile("[\u0080-\u00ff\u0400-\u040f]|[\u0420\u0421][\u0080-\uffff]|\ufffd|[?]{3}")
_RUSSIAN: Final = re.compile("[а-яёА-ЯЁ]")
_ACCENTED: Final = re.compile("[\u00c0-\u00ff\u00a8\u00b8]{4,}")
_PAIRS: Final = re.compile("[\u00d0\u00d1][\u0080-\u00bf\u0152-\u02dc\u2013-\u203a\u20ac\u2122]")
_ENOUGH: Final = 2  # letters that make a Russian word
_MANY: Final = 4  # question marks and nothing else


def broken(text: str) -> str | None:
    """Return what a broken text may have been, ``""`` where its letters are lost for good; ``None`` for one that looks well."""
    if (text.isascii() and "???" not in text) or not _SUSPICIOUS.search(text):
        return None
    for attempt in (_utf8_read_as_western, _utf8_read_as_russian, _russian_read_as_western):
        found = attempt(text)
        if found is not None and found != text:
            return found
    return "" if "\ufffd" in text or (text.count("?") >= _MANY and not re.search(r"\w", text)) else None


def _utf8_read_as_western(text: str) -> str | None:
    """Half of the Russian letters end in bytes that are invisible afterwards, and get lost on the way."""
    found = _decoded(text, _western_byte, "utf-8")
    return found or (_decoded(text, _western_byte, "utf-8", "replace") if len(_PAIRS.findall(text)) > _ENOUGH else None)


def _utf8_read_as_russian(text: str) -> str | None:
    found = _decoded(text, lambda sign: sign.encode("windows-1251"), "utf-8")
    return found if found is not None and len(_RUSSIAN.findall(found)) >= _ENOUGH else None


def _russian_read_as_western(text: str) -> str | None:
    """Words of accented letters only are Russian ones: no language has four of these in a row."""
    if not _ACCENTED.search(text) or re.search("[\u00c0-\u00ff][A-Za-z]|[A-Za-z][\u00c0-\u00ff]", text):
        return None
    return _decoded(text, _western_byte, "windows-1251")


def _western_byte(sign: str) -> bytes:
    try:
        return sign.encode("windows-1252")
    except UnicodeEncodeError:
        return sign.encode("latin-1")  # the few places that windows-1252 leaves out


def _decoded(text: str, byte: Callable[[str], bytes], encoding: str, errors: str = "strict") -> str | None:
    try:
        return b"".join(map(byte, text)).decode(encoding, errors)
    except UnicodeError:
        return None

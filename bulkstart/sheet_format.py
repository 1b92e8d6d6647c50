"""Number formats: whether what a whole number's format shows is that number, and no other. Pure.

A person checks the ids that are seen. ``0,,`` shows 5141000000 as 5141, ``00000`` shows 5141 as 05141, ``"D-"0`` as D-5141.
Separators of thousands, zeros behind the decimal mark and currency signs change nothing.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Final

from bulkstart.model import DisguisedNumber

_PIECE: Final = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.?)|_(?P<width>.?)|\*(?P<fill>.?)|\[(?P<bracket>[^\]]*)\]?'
    r"|(?P<general>general)|(?P<exponent>E[+-])|(?P<sign>[0#?.,%/@;])|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION: Final = re.compile(r"([<>=]{1,2})\s*(-?\d+(?:\.\d+)?)")
_CURRENCY: Final = re.compile(r"\$([^-]*)")
_HARMLESS: Final = re.compile(r"(?:[#?]+,)*[#?]*[0#?](?:\.[0#?]*)?|general|@", re.IGNORECASE)
_LONGEST: Final = 400  # characters of a format; Excel's own limit is 255
_TESTS: Final = {
    "<": Decimal.__lt__,
    "<=": Decimal.__le__,
    ">": Decimal.__gt__,
    ">=": Decimal.__ge__,
    "=": Decimal.__eq__,
    "<>": Decimal.__ne__,
}


def is_harmless(code: str) -> bool:
    """Return whether a format shows every whole number above zero as itself, without a look at the number."""
    return not code or ("[" not in code and _HARMLESS.fullmatch(code.partition(";")[0].strip()) is not None)


@lru_cache(8192)
def as_shown(number: int, code: str) -> int:
    """Return the number; a ``DisguisedNumber`` where the format shows something else than its digits."""
    text = _display(Decimal(number), code[:_LONGEST] or "General")
    return number if shows(text, number) else DisguisedNumber(number, text.strip())


def shows(text: str, number: int) -> bool:
    """Return whether a displayed text is this whole number: its digits, perhaps grouped, with zeros as decimals or a currency."""
    bare = "".join(sign for sign in text if not sign.isspace() and unicodedata.category(sign) not in ("Sc", "Cf"))
    whole = re.fullmatch(r"(-?)(\d{1,3}(?:([.,'’])\d{3})(?:\3\d{3})*|\d+)(?:[.,]0*)?", bare, re.ASCII)
    if whole and whole[1] + re.sub(r"\D", "", whole[2]) == str(number):
        return True
    return re.fullmatch(rf"{number}(?:[.,]0*)?", bare) is not None


def _display(number: Decimal, code: str) -> str:
    """Return what a format shows of a number, without separators of thousands."""
    sections = _sections(code)
    chosen, condition = _chosen(sections, number)
    signed = "-" if number < 0 and (chosen == 0 or condition) else ""
    pieces = sections[chosen] if chosen < len(sections) else []
    if any(kind == "general" for kind, _ in pieces):
        return signed + "".join(str(abs(number)) if kind == "general" else text for kind, text in pieces if kind != "bracket")
    if not any(kind == "digit" for kind, _ in pieces):
        return "".join(
            str(number) if text == "@" and kind == "sign" else text for kind, text in pieces if kind in ("text", "sign")
        )
    if any(kind == "exponent" or (kind, text) == ("sign", "/") for kind, text in pieces):
        return f"{number:.2E}"
    return signed + _digits(abs(number), pieces)


def _sections(code: str) -> list[list[tuple[str, str]]]:
    """Return the parts between semicolons, each as pieces: ``digit``, ``text``, ``sign``, ``bracket``, ``general``, ``exponent``."""
    sections: list[list[tuple[str, str]]] = [[]]
    for found in _PIECE.finditer(code):
        kind, text = found.lastgroup or "quoted", found[found.lastgroup or "quoted"] or ""
        if kind == "sign" and text == ";":
            sections.append([])
        elif kind == "sign":
            sections[-1].append(("digit" if text in "0#?" else kind, text))
        elif kind == "bracket" and (currency := _CURRENCY.match(text)):
            sections[-1].append(("text", currency[1]))
        elif kind in ("bracket", "general", "exponent"):
            sections[-1].append((kind, text))
        elif kind not in ("width", "fill"):
            sections[-1].append(("text", text))
    return sections


def _chosen(sections: list[list[tuple[str, str]]], number: Decimal) -> tuple[int, bool]:
    """Return which section shows a number, and whether a condition said so."""
    conditions = [next((_CONDITION.match(text) for kind, text in pieces if kind == "bracket"), None) for pieces in sections]
    if any(conditions):
        for place, found in enumerate(conditions):
            if found is None or (test := _TESTS.get(found[1])) is None or test(number, Decimal(found[2])):
                return place, True
        return len(sections), True
    if number < 0:
        return (1 if len(sections) > 1 else 0), False
    return (2 if number == 0 and len(sections) > 2 else 0), False  # noqa: PLR2004  the third section is for zero


def _digits(number: Decimal, pieces: list[tuple[str, str]]) -> str:
    """Return a positive number in a section with digits: scaled, rounded, padded, its literal texts between the digits."""
    point = next((at for at, piece in enumerate(pieces) if piece == ("sign", ".")), len(pieces))
    thousands = _trailing_commas(pieces[:point]) + _trailing_commas(pieces[point:])
    percents = sum(piece == ("sign", "%") for piece in pieces)
    decimals = sum(kind == "digit" for kind, _ in pieces[point:])
    scaled = number * 100**percents / 1000**thousands
    whole, _, fraction = f"{scaled.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP):f}".partition(".")
    left = list("" if whole == "0" else whole)
    shown: list[str] = []
    remaining = sum(kind == "digit" for kind, _ in pieces[:point])
    for kind, text in reversed(pieces[:point]):
        if kind == "digit":
            remaining -= 1
            shown.append(left.pop() if left else "0" if text == "0" else "")
            if not remaining:
                shown += reversed(left)
        elif kind == "text" or text == "%":
            shown.append(text[::-1])
    behind = iter(fraction)
    tail = [
        next(behind, "") if kind == "digit" else text
        for kind, text in pieces[point:]
        if kind in ("digit", "text") or text in ".%"
    ]
    return "".join(shown)[::-1] + "".join(tail)


def _trailing_commas(pieces: list[tuple[str, str]]) -> int:
    """Count the commas behind the last digit: each divides by a thousand."""
    last = max((at for at, (kind, _) in enumerate(pieces) if kind == "digit"), default=-1)
    return sum(piece == ("sign", ",") for piece in pieces[last + 1 :]) if last >= 0 else 0

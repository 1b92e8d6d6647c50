"""Where the elements of a small XML part stand in its bytes, so that it can be changed in one place and nowhere else. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias
from xml.parsers import expat

from bulkstart.errors import SheetError

Edit: TypeAlias = tuple[int, int, bytes]
"""From, to, and what stands there afterwards."""

_TAG: Final = re.compile(rb"""<(?:[^<>"']|"[^"<]*"|'[^'<]*')*>""")
_ENCODING: Final = re.compile(rb"""(?:\xef\xbb\xbf)?<\?xml[^>]*?\sencoding\s*=\s*["']([\w.-]+)""")
_AS_UTF8: Final = (b"utf-8", b"utf8", b"us-ascii", b"ascii")


class CannotPatchError(SheetError):
    """A workbook that cannot be changed in place; the message is half a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element: ``start`` of its start tag, ``opened`` behind that tag, ``closing`` before its end tag, ``end`` behind that.

    ``prefix`` with its colon. An ``empty`` element has one tag only, and ``opened``, ``closing`` and ``end`` are the same.
    """

    name: str
    prefix: str
    attributes: Mapping[str, str]
    depth: int
    start: int
    opened: int
    closing: int
    end: int

    @property
    def empty(self) -> bool:
        return self.closing == self.end


class Document:
    """A part and its elements in document order, the root first.

    Raises ``CannotPatchError`` for another encoding than UTF-8 and for a document type, ``ExpatError`` for broken XML.
    """

    def __init__(self, xml: bytes) -> None:
        self.xml = xml
        found = _ENCODING.match(xml)
        if b"\0" in xml[:100] or (found and found[1].lower() not in _AS_UTF8):
            raise CannotPatchError("a part of it is not in UTF-8")
        self.elements = _elements(xml)

    @property
    def root(self) -> Element:
        return self.elements[0]

    def inside(self, outer: Element, name: str | None = None) -> list[Element]:
        """Return the children of an element, or those of one name."""
        return [
            one
            for one in self.elements
            if one.depth == outer.depth + 1 and outer.start < one.start < outer.end and name in (None, one.name)
        ]

    def child(self, name: str) -> Element | None:
        """Return the root's only child of that name."""
        return next(iter(self.inside(self.root, name)), None)

    def text(self, element: Element) -> bytes:
        """Return an element as it stands, tags included."""
        return self.xml[element.start : element.end]

    def appended(self, element: Element, xml: bytes) -> Edit:
        """Return the edit that puts something behind the last child of an element."""
        if not element.empty:
            return element.closing, element.closing, xml
        return element.end - 2, element.end, b">" + xml + f"</{element.prefix}{element.name}>".encode()


def edited(xml: bytes, edits: Iterable[Edit]) -> bytes:
    """Return a part with edits made; they do not overlap."""
    pieces, done = [], 0
    for start, end, text in sorted(edits, key=lambda edit: edit[:2]):
        pieces += [xml[done:start], text]
        done = end
    return b"".join([*pieces, xml[done:]])


def _elements(xml: bytes) -> list[Element]:
    parser = expat.ParserCreate()
    found: list[Element | None] = []
    open_ones: list[tuple[int, str, dict[str, str], int, int]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        at = parser.CurrentByteIndex
        open_ones.append((len(found), name, attributes, at, _behind_tag(xml, at)))
        found.append(None)

    def end(_: str) -> None:
        place, name, attributes, at, opened = open_ones.pop()
        closing = opened if xml[opened - 2 : opened] == b"/>" else parser.CurrentByteIndex
        last = opened if closing == opened and xml[opened - 2 : opened] == b"/>" else _behind_tag(xml, closing)
        prefix, colon, local = name.rpartition(":")
        found[place] = Element(local, prefix + colon, attributes, len(open_ones), at, opened, closing, last)

    def doctype(*_: object) -> None:
        raise CannotPatchError("a part of it declares a document type")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = doctype
    parser.Parse(xml, True)
    return [one for one in found if one is not None]


def _behind_tag(xml: bytes, start: int) -> int:
    tag = _TAG.match(xml, start)
    if tag is None:
        raise CannotPatchError("a part of it has tags of an unusual form")
    return tag.end()

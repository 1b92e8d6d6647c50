"""The records of an old Excel workbook (BIFF5, BIFF8), and the texts in them ([MS-XLS] 2.1.4, 2.5.294)."""

from __future__ import annotations

import codecs
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bulkstart.errors import SheetError

CONTINUE: Final = 0x3C
_WIDE, _ASIAN, _RICH = 1, 4, 8  # the flags of a text
_PAGES: Final = {
    10000: "mac_roman",
    10007: "mac_cyrillic",
    10029: "mac_latin2",
    32768: "mac_roman",
    32769: "cp1252",
    1200: "utf-16-le",
}


@dataclass(frozen=True, slots=True)
class BiffRecord:
    """One record: where it stands in the stream, its type, its bytes, and those of the records that continue it."""

    at: int
    kind: int
    body: bytes
    more: Sequence[bytes] = ()


def records(stream: bytes, at: int) -> Iterator[BiffRecord]:
    """Yield the records from a place on. Raises ``SheetError`` where the stream ends within one."""
    size = len(stream)
    while at + 4 <= size:
        kind, length = struct.unpack_from("<HH", stream, at)
        start, end = at, at + 4 + length
        body = stream[at + 4 : end]
        more = []
        while end + 4 <= size and stream[end] == CONTINUE and not stream[end + 1]:
            (length,) = struct.unpack_from("<H", stream, end + 2)
            more.append(stream[end + 4 : end + 4 + length])
            end += 4 + length
        if end > size:
            raise SheetError("it is cut off")
        yield BiffRecord(start, kind, body, more)
        at = end


def codec_of(page: int) -> str:
    """Return Python's name of a code page. Raises ``LookupError`` for one that nobody knows."""
    return codecs.lookup(_PAGES.get(page, f"cp{page}")).name


def byte_text(body: bytes, at: int, wide: int, codec: str) -> str:
    """Return a text of BIFF5: its length in ``wide`` bytes, then bytes of the code page. Raises ``UnicodeDecodeError``."""
    size = int.from_bytes(body[at : at + wide], "little")
    return body[at + wide : at + wide + size].decode(codec)


class Texts:
    """Reads texts of BIFF8 that may run on in continuing records, each of which begins with the flags anew."""

    def __init__(self, body: bytes, more: Sequence[bytes] = (), at: int = 0) -> None:
        self._blocks = [body, *more]
        self._place, self._at = 0, at

    def text(self, wide: int = 2) -> str:
        """Return the next text; its length is written in ``wide`` bytes."""
        size = int.from_bytes(self._take(wide), "little")
        flags = self._take(1)[0]
        runs = int.from_bytes(self._take(2), "little") if flags & _RICH else 0
        beside = int.from_bytes(self._take(4), "little") if flags & _ASIAN else 0
        pieces = []
        while size:
            block = self._blocks[self._place]
            if self._at >= len(block):
                flags = self._next()[0]
                self._at = 1
                continue
            width = 2 if flags & _WIDE else 1
            piece = block[self._at : self._at + width * size]
            if len(piece) < width:
                raise SheetError("a text is cut off")
            taken = len(piece) // width
            pieces.append(piece[: taken * width].decode("utf-16-le" if width > 1 else "latin-1", "surrogatepass"))
            self._at += taken * width
            size -= taken
        self._skip(4 * runs + beside)
        whole = "".join(pieces)
        if len(pieces) > 1 and not whole.isascii():  # a character of two halves may have been parted
            return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return whole

    def _take(self, size: int) -> bytes:
        if self._at >= len(self._blocks[self._place]):
            self._next()
            self._at = 0
        found = self._blocks[self._place][self._at : self._at + size]
        if len(found) < size:
            raise SheetError("a text is cut off")
        self._at += size
        return found

    def _next(self) -> bytes:
        self._place += 1
        if self._place >= len(self._blocks) or not self._blocks[self._place]:
            raise SheetError("a text is cut off")
        return self._blocks[self._place]

    def _skip(self, size: int) -> None:
        while size:
            left = len(self._blocks[self._place]) - self._at
            if left >= size:
                self._at += size
                return
            size -= left
            self._next()
            self._at = 0

"""Compound files (OLE2), the archive that an old Excel workbook lives in: its streams by name ([MS-CFB]).

Every chain of sectors is followed as far as the file has sectors, so that a loop or a hole in it is an error and never a hang.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from bulkstart.errors import SheetError

MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HEADER: Final = 512
_FIRST_TABLES: Final = 109  # of the sector tables the header names this many
_LAST: Final = 0xFFFFFFFA  # sector numbers from here on are marks: end of chain, free …
_ENTRY: Final = 128
_STREAM, _ROOT = 2, 5


class CompoundFile:
    """An open compound file. Raises ``SheetError`` for one that is broken."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        shift, short_shift = struct.unpack_from("<HH", raw, 30)
        if not (raw.startswith(MAGIC) and shift in (9, 12) and short_shift <= shift):
            raise SheetError("its header is broken")
        self._size, self._short_size = 1 << shift, 1 << short_shift
        directory, self._short_from, shorts = struct.unpack_from("<I4xII", raw, 48)
        self._table = self._read_table()
        self.streams: dict[str, tuple[int, int]] = {}
        root = (0, 0)
        listed = self._chain(directory)
        for at in range(0, len(listed) - _ENTRY + 1, _ENTRY):
            length, kind, start, size = struct.unpack_from("<HB49xII", listed, at + 64)
            name = listed[at : at + max(min(length, 64) - 2, 0)].decode("utf-16-le", "replace")
            if kind == _ROOT:
                root = (start, size)
            elif kind == _STREAM:
                self.streams.setdefault(name, (start, size))
        self._short_table = _numbers(self._chain(shorts)) if shorts < _LAST else ()
        self._shorts = self._chain(root[0])[: root[1]] if root[0] < _LAST and self._short_table else b""

    def stream(self, name: str) -> bytes:
        """Return the bytes of a stream. Raises ``KeyError`` where it is not there."""
        start, size = self.streams[name]
        if size >= self._short_from:
            found = self._chain(start)
        else:
            found = b"".join(
                self._shorts[at * self._short_size : (at + 1) * self._short_size] for at in _links(start, self._short_table)
            )
        if len(found) < size:
            raise SheetError("it is cut off")
        return found[:size]

    def _read_table(self) -> tuple[int, ...]:
        """Return which sector follows each sector."""
        count, more, extra = struct.unpack_from("<I20xII", self._raw, 44)
        tables = list(_numbers(self._raw[76 : 76 + 4 * _FIRST_TABLES]))
        most = len(self._raw) // self._size + 1
        while more < _LAST and extra and len(tables) < most + _FIRST_TABLES:
            numbers = _numbers(self._sector(more))
            tables += numbers[:-1]
            more = numbers[-1]
        named = [number for number in tables[: min(count, most)] if number < _LAST]
        return _numbers(b"".join(map(self._sector, named)))

    def _chain(self, start: int) -> bytes:
        return b"".join(map(self._sector, _links(start, self._table)))

    def _sector(self, number: int) -> bytes:
        start = max(self._size, _HEADER) + number * self._size
        found = self._raw[start : start + self._size]
        if not found:
            raise SheetError("it is cut off")
        return found


def _links(start: int, table: tuple[int, ...]) -> Iterator[int]:
    for _ in table:
        if start >= _LAST:
            return
        if start >= len(table):
            raise SheetError("a part of it is lost")
        yield start
        start = table[start]
    if table and start < _LAST:
        raise SheetError("its sectors follow each other in a circle")


def _numbers(raw: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(raw) // 4}I", raw[: len(raw) // 4 * 4])

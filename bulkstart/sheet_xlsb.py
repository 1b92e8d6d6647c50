"""Binary Excel workbooks (.xlsb): the same archive as .xlsx, with records in its parts in place of XML ([MS-XLSB] 2.1.4).

A record is a type and a length, both in bytes of seven bits each, and that many bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, Final

from bulkstart.errors import SheetError
from bulkstart.model import ErrorCell
from bulkstart.sheet_cell import in_style, read_float, telling_format
from bulkstart.sheet_package import Package
from bulkstart.sheet_tabs import Grid, Tab, TabRows
from bulkstart.sheet_xlsx import DAYS_1904
from bulkstart.sheet_xml import MAX_ROWS

ERRORS: Final = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}
"""Error values by their number ([MS-XLS] 2.5.10)."""
_ROW, _BLANK, _RK, _ERROR, _BOOL, _REAL, _STRING, _SHARED = range(8)
_FORMULA_STRING, _FORMULA_REAL, _FORMULA_BOOL, _FORMULA_ERROR = range(8, 12)
_SHORT: Final = 11  # the short forms of a cell's records, which have no column, are those numbers and eleven more
_SHORTS: Final = range(_BLANK + _SHORT, _SHARED + _SHORT + 1)
_RICH: Final = 62
_SST_ITEM, _FORMAT, _XF, _COLUMN = 19, 44, 47, 60
_END_OF_CELLS, _WORKBOOK, _SHEET = 146, 153, 156
_CELL_STYLES, _END_OF_CELL_STYLES = 617, 618
_LONGEST: Final = 100_000_000  # bytes of a record
_CHUNK: Final = 1 << 18
_HEAD: Final = 6  # bytes of a type and a length at most


class XlsbWorkbook:
    """An open binary workbook: its tabs, and what their cells refer to."""

    def __init__(self, package: Package, until: int = MAX_ROWS) -> None:
        self._package, self._until = package, until
        main = package.main_part()
        related = package.relations(main)
        self.tabs: list[Tab] = []
        self._shift = self._count = 0
        with package.open(main) as stream:
            for kind, body in records(stream):
                if kind == _WORKBOOK and body[0] & 1:
                    self._shift = DAYS_1904
                elif kind == _SHEET:
                    self._count += 1
                    relation, end = _text(body, 8)
                    name, _ = _text(body, end)
                    type_of, part = related.get(relation, ("", ""))
                    if type_of == "worksheet":  # and not a chart or an old macro sheet
                        self.tabs.append(Tab(self._count, name, body[0] == 0, part))
        self._styles = self._read_styles(package.only(related, "styles"))
        self._strings = self._read_strings(package.only(related, "sharedStrings"))

    def read(self, tab: Tab) -> TabRows:
        grid = Grid(self._until)
        number = column = 0
        with self._package.open(tab.part) as stream:
            for kind, body in records(stream):
                if kind == _ROW:
                    number, column = int.from_bytes(body[:4], "little") + 1, -1
                    if body[11] & 0x10:
                        grid.hide(number)
                elif kind <= _FORMULA_ERROR or kind == _RICH:
                    column = int.from_bytes(body[:4], "little")
                    grid.put(number, column, self._value(kind, body[4:]))
                elif kind in _SHORTS:
                    column += 1
                    grid.put(number, column, self._value(kind - _SHORT, body))
                elif kind == _COLUMN and body[16] & 1:
                    grid.hide_columns(*struct.unpack_from("<II", body))
                elif kind == _END_OF_CELLS:
                    break
        return grid.taken(tab, self._count)

    def _value(self, kind: int, body: bytes) -> object:
        """Return what a cell holds: its style in three bytes and one of flags, then the value."""
        if kind == _BLANK:
            return None
        if kind in (_STRING, _FORMULA_STRING):
            return _text(body, 4)[0] or None
        if kind == _RICH:
            return _text(body, 5)[0] or None
        if kind == _SHARED:
            return self._strings[int.from_bytes(body[4:8], "little")] or None
        if kind in (_BOOL, _FORMULA_BOOL):
            return body[4] != 0
        if kind in (_ERROR, _FORMULA_ERROR):
            return ErrorCell(ERRORS.get(body[4], "#ERROR!"))
        number = rk_number(int.from_bytes(body[4:8], "little")) if kind == _RK else struct.unpack_from("<d", body, 4)[0]
        return in_style(read_float(number), self._styles, int.from_bytes(body[:3], "little"), self._shift)

    def _read_styles(self, part: str | None) -> list[str | None]:
        formats: dict[str, str] = {}
        found: list[str | None] = []
        inside = False
        for kind, body in self._records(part):
            if kind == _FORMAT:
                formats[str(int.from_bytes(body[:2], "little"))] = _text(body, 2)[0]
            elif kind in (_CELL_STYLES, _END_OF_CELL_STYLES):
                inside = kind == _CELL_STYLES
            elif kind == _XF and inside:
                found.append(telling_format(str(int.from_bytes(body[2:4], "little")), formats))
        return found

    def _read_strings(self, part: str | None) -> list[str]:
        return [_text(body, 1)[0] for kind, body in self._records(part) if kind == _SST_ITEM]

    def _records(self, part: str | None) -> Iterator[tuple[int, bytes]]:
        if part:
            with self._package.open(part) as stream:
                yield from records(stream)


def records(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the records of a part: (type, bytes). Raises ``EOFError`` where one is cut off."""
    buffer, at = stream.read(_CHUNK), 0
    while at < len(buffer):
        if len(buffer) - at < _HEAD:
            buffer, at = buffer[at:] + stream.read(_CHUNK), 0
        kind, at = buffer[at], at + 1
        if kind & 0x80:
            kind, at = kind & 0x7F | (buffer[at] & 0x7F) << 7, at + 1
        size, place = 0, 0
        while True:
            byte, at = buffer[at], at + 1
            size |= (byte & 0x7F) << place
            place += 7
            if byte < 0x80 or place == 28:  # noqa: PLR2004  bytes of seven bits, four at most
                break
        if size > _LONGEST:
            raise SheetError(f"a record of {size:,} bytes")
        if at + size > len(buffer):
            buffer, at = buffer[at:] + stream.read(max(_CHUNK, size)), 0
            if size > len(buffer):
                raise EOFError("it is cut off")
        yield kind, buffer[at : at + size]
        at += size
        if at == len(buffer):
            buffer, at = stream.read(_CHUNK), 0


def _text(body: bytes, start: int) -> tuple[str, int]:
    """Return a text and where it ends: its length in four bytes, then UTF-16; no text has the length of -1."""
    size = int.from_bytes(body[start : start + 4], "little")
    if size == 0xFFFFFFFF:  # noqa: PLR2004  minus one
        return "", start + 4
    end = start + 4 + 2 * size
    if end > len(body):
        raise EOFError("a text is cut off")
    return body[start + 4 : end].decode("utf-16-le", "surrogatepass"), end


def rk_number(packed: int) -> float:
    """Return a number packed into four bytes: 30 bits of a double or of an integer, perhaps times a hundred ([MS-XLS] 2.5.217)."""
    number: float
    if packed & 2:
        number = float((packed >> 2) - (1 << 30 if packed & 1 << 31 else 0))
    else:
        number = struct.unpack("<d", bytes(4) + (packed & 0xFFFFFFFC).to_bytes(4, "little"))[0]
    return number / 100 if packed & 1 else number

"""Old Excel workbooks (.xls, Excel 5 to 2003): tabs, formats, and one tab's cells ([MS-XLS] 2.1.7, 2.4)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bulkstart.errors import SheetError
from bulkstart.model import ErrorCell, UncalculatedCell
from bulkstart.sheet_biff import BiffRecord, Texts, byte_text, codec_of, records
from bulkstart.sheet_cell import in_style, read_float, telling_format
from bulkstart.sheet_ole import CompoundFile
from bulkstart.sheet_tabs import Grid, Tab, TabRows
from bulkstart.sheet_xlsb import ERRORS, rk_number
from bulkstart.sheet_xlsx import DAYS_1904
from bulkstart.sheet_xml import MAX_ROWS

_BOF, _EOF, _BOUND_SHEET, _FILE_PASS, _CODE_PAGE, _DATE_MODE = 0x809, 0x0A, 0x85, 0x2F, 0x42, 0x22
_FORMAT, _XF, _SST, _RECALCULATED = 0x41E, 0xE0, 0xFC, 0x1C1
_ROW, _COLUMN, _FORMULA, _STRING, _RK, _MANY_RK = 0x208, 0x7D, 0x06, 0x207, 0x27E, 0xBD
_NUMBER, _LABEL, _RICH_LABEL, _SHARED_LABEL, _BOOL_ERROR = 0x203, 0x204, 0xD6, 0xFD, 0x205
_BIFF8: Final = 0x600
_NO_NUMBER: Final = 0xFFFF  # in the last bytes of a formula's result: it is a text, a truth, an error, or empty
_RESULT_TEXT, _RESULT_BOOL, _RESULT_ERROR, _RESULT_EMPTY = range(4)
_CALCULATE_ON_LOAD: Final = 2
_CELLS: Final = frozenset((_NUMBER, _RK, _SHARED_LABEL, _LABEL, _RICH_LABEL, _BOOL_ERROR, _FORMULA))


class XlsWorkbook:
    """An open workbook of records: its tabs, and what their cells refer to."""

    def __init__(self, raw: bytes, path: Path, until: int = MAX_ROWS) -> None:
        self._stream, self._path, self._until = _workbook_stream(raw, path), path, until
        self.tabs: list[Tab] = []
        self._shift = self._count = 0
        self._codec = "cp1252"
        self._calculated = False
        self._strings: list[str] = []
        self._formats: dict[str, str] = {}
        self._numbers: list[str] = []
        self._is_8 = True
        self._read_globals()
        self._styles = [telling_format(number, self._formats) for number in self._numbers]

    def _read_globals(self) -> None:
        for place, record in enumerate(records(self._stream, 0)):
            body = record.body
            if record.kind == _BOF and not place:
                self._is_8 = int.from_bytes(body[:2], "little") >= _BIFF8
            elif not place:
                raise SheetError("it does not begin as a workbook does")
            elif record.kind == _FILE_PASS:
                raise SheetError(
                    f"{self._path} is protected by a password; open it in Excel, save it without protection, then give that file"
                )
            elif record.kind == _CODE_PAGE:
                self._codec = codec_of(int.from_bytes(body[:2], "little")) if not self._is_8 else self._codec
            elif record.kind == _BOUND_SHEET:
                self._take_tab(body)
            elif record.kind == _SST:
                texts = Texts(body, record.more, 8)
                self._strings = [texts.text() for _ in range(int.from_bytes(body[4:8], "little"))]
            elif record.kind == _EOF:
                return
            else:
                self._take_setting(record.kind, body)
        raise SheetError("it is cut off")

    def _take_setting(self, kind: int, body: bytes) -> None:
        if kind == _DATE_MODE and body[0] & 1:
            self._shift = DAYS_1904
        elif kind == _FORMAT:
            code = Texts(body, (), 2).text() if self._is_8 else byte_text(body, 2, 1, self._codec)
            self._formats[str(int.from_bytes(body[:2], "little"))] = code
        elif kind == _XF:
            self._numbers.append(str(int.from_bytes(body[2:4], "little")))
        elif kind == _RECALCULATED:
            self._calculated = True

    def _take_tab(self, body: bytes) -> None:
        at, state, kind = struct.unpack_from("<IBB", body)
        self._count += 1
        if not kind:  # and not a chart, a macro sheet or a module
            name = Texts(body, (), 6).text(1) if self._is_8 else byte_text(body, 6, 1, self._codec)
            self.tabs.append(Tab(self._count, name, not state & 3, str(at)))

    def read(self, tab: Tab) -> TabRows:
        grid = Grid(self._until)
        waiting: tuple[int, int] | None = None
        for record in self._records(int(tab.part)):
            kind, body = record.kind, record.body
            if kind in _CELLS:
                row, column, style = struct.unpack_from("<HHH", body)
                waiting = (row + 1, column) if _awaits_text(kind, body) else None
                if not waiting:
                    grid.put(row + 1, column, self._value(record, style))
            elif kind == _MANY_RK:
                row, column = struct.unpack_from("<HH", body)
                for style, packed in struct.iter_unpack("<HI", body[4:-2]):
                    grid.put(row + 1, column, self._number(rk_number(packed), style))
                    column += 1
            elif kind == _STRING and waiting:
                grid.put(*waiting, self._text(record, 0) or None)
                waiting = None
            elif kind == _ROW and body[12] & 0x20:
                grid.hide(int.from_bytes(body[:2], "little") + 1)
            elif kind == _COLUMN and body[8] & 1:
                grid.hide_columns(*struct.unpack_from("<HH", body))
        return grid.taken(tab, self._count)

    def _records(self, at: int) -> Iterator[BiffRecord]:
        """Yield the records of a sheet without those of the charts inside it."""
        depth = 0
        for record in records(self._stream, at):
            if not depth and record.kind != _BOF:
                raise SheetError("a sheet does not begin as one does")
            depth += (record.kind == _BOF) - (record.kind == _EOF)
            if not depth:
                return
            if depth == 1:
                yield record
        raise SheetError("it is cut off")

    def _value(self, record: BiffRecord, style: int) -> object:
        kind, body = record.kind, record.body
        if kind == _SHARED_LABEL:
            return self._strings[int.from_bytes(body[6:10], "little")] or None
        if kind in (_LABEL, _RICH_LABEL):
            return self._text(record, 6) or None
        if kind == _BOOL_ERROR:
            return _error(body[6]) if body[7] else body[6] != 0
        if kind == _RK:
            return self._number(rk_number(int.from_bytes(body[6:10], "little")), style)
        if kind == _FORMULA:
            return self._result(body, style)
        return self._number(struct.unpack_from("<d", body, 6)[0], style)

    def _result(self, body: bytes, style: int) -> object:
        """Return a formula's saved result; an empty or zero one of a file that was never calculated is none."""
        if int.from_bytes(body[12:14], "little") != _NO_NUMBER:
            (number,) = struct.unpack_from("<d", body, 6)
            if not number and body[14] & _CALCULATE_ON_LOAD:
                return UncalculatedCell("=…")
            return self._number(number, style)
        if body[6] == _RESULT_BOOL:
            return body[8] != 0
        if body[6] == _RESULT_ERROR:
            return _error(body[8])
        return None if self._calculated else UncalculatedCell("=…")

    def _number(self, number: float, style: int) -> object:
        return in_style(read_float(number), self._styles, style, self._shift)

    def _text(self, record: BiffRecord, at: int) -> str:
        return Texts(record.body, record.more, at).text() if self._is_8 else byte_text(record.body, at, 2, self._codec)


def _awaits_text(kind: int, body: bytes) -> bool:
    return kind == _FORMULA and int.from_bytes(body[12:14], "little") == _NO_NUMBER and body[6] == _RESULT_TEXT


def _error(number: int) -> ErrorCell:
    return ErrorCell(ERRORS.get(number, "#ERROR!"))


def _workbook_stream(raw: bytes, path: Path) -> bytes:
    file = CompoundFile(raw)
    names = {name.casefold(): name for name in file.streams}
    for wanted in ("workbook", "book"):
        if wanted in names:
            return file.stream(names[wanted])
    if "encryptedpackage" in names:
        raise SheetError(
            f"{path} is a workbook protected by a password; open it in Excel, save it without the password, then give that file"
        )
    if "worddocument" in names:
        raise SheetError(f"{path} is a Word document (.doc), not a sheet; give a CSV file or an Excel workbook (.xlsx)")
    raise SheetError("it is an OLE document without a workbook in it")

"""Workbooks of the formats that no library here writes, record by record: .xls (BIFF8 and BIFF5 in OLE2), .xlsb, .ods; and exports as HTML."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bulkstart.model import ErrorCell

ERROR_NUMBERS = {"#NULL!": 0, "#DIV/0!": 7, "#VALUE!": 15, "#REF!": 23, "#NAME?": 29, "#NUM!": 36, "#N/A": 42}
FORMATS = {164: "dd.mm.yyyy", 165: "00000", 166: "0,,", 167: '"D-"0', 168: "#,##0", 169: "[h]:mm:ss"}
"""The cell styles of the workbooks here are 0 (General), then these in order."""
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


@dataclass(frozen=True)
class Formula:
    """A formula and its saved result; ``None``: it was never calculated."""

    result: object = None


Cell = object
Cells = Mapping[tuple[int, int], Cell]
"""(row from 1, column from 0) → value, or (value, style)."""


def table(*rows: Sequence[object]) -> dict[tuple[int, int], Cell]:
    return {(r, c): cell for r, row in enumerate(rows, 1) for c, cell in enumerate(row) if cell is not None}


def _split(cell: Cell) -> tuple[object, int]:
    return cell if isinstance(cell, tuple) else (cell, 0)  # type: ignore[return-value]  # a pair by the type above


# ------------------------------------------------------------------------------------------------------------- .xls


def compound(streams: Mapping[str, bytes], sector: int = 512) -> bytes:
    """A compound file with these streams, each padded to 4096 bytes, so that none is short."""
    shift = sector.bit_length() - 1
    bodies = {name: body.ljust(4096, b"\0") for name, body in streams.items()}
    chains: list[list[int]] = []
    count = 0
    for body in bodies.values():
        size = -(-len(body) // sector)
        chains.append(list(range(count, count + size)))
        count += size
    directory = _entry("Root Entry", 5, 0xFFFFFFFE, 0)
    for (name, body), chain in zip(bodies.items(), chains, strict=True):
        directory += _entry(name, 2, chain[0], len(body))
    directory = directory.ljust(-(-len(directory) // sector) * sector, b"\0")
    chains.append(list(range(count, count + len(directory) // sector)))
    count += len(directory) // sector
    tables, more = 1, 0
    while tables * sector // 4 < count + tables + more:
        tables += 1
        more = -(-max(tables - 109, 0) // (sector // 4 - 1))
    links = [0xFFFFFFFF] * (tables * sector // 4)
    for chain in chains:
        for here, there in zip(chain, [*chain[1:], 0xFFFFFFFE], strict=True):
            links[here] = there
    places = list(range(count, count + tables))
    beyond, width = list(range(count + tables, count + tables + more)), sector // 4 - 1
    for place in (*places, *beyond):
        links[place] = 0xFFFFFFFD if place in places else 0xFFFFFFFC
    rest = places[109:]
    extra = b"".join(
        struct.pack(f"<{width + 1}I", *[*rest[at * width : (at + 1) * width], *[0xFFFFFFFF] * width][:width], following)
        for at, following in enumerate([*beyond[1:], 0xFFFFFFFE][:more])
    )
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 62, 3, 0xFFFE, shift, 6)
    header += struct.pack("<IIIIIIIII", 0, tables, chains[-1][0], 0, 4096, 0xFFFFFFFE, 0, [*beyond, 0xFFFFFFFE][0], more)
    header += b"".join(struct.pack("<I", place) for place in [*places, *[0xFFFFFFFF] * 109][:109])
    content = b"".join(body.ljust(-(-len(body) // sector) * sector, b"\0") for body in bodies.values())
    return header.ljust(max(sector, 512), b"\0") + content + directory + struct.pack(f"<{len(links)}I", *links) + extra


def _entry(name: str, kind: int, start: int, size: int) -> bytes:
    raw = name.encode("utf-16-le")
    entry = raw.ljust(64, b"\0") + struct.pack("<HBB", len(raw) + 2, kind, 1) + struct.pack("<III", *[0xFFFFFFFF] * 3)
    return entry + bytes(36) + struct.pack("<IIxxxx", start, size)


def record(kind: int, body: bytes = b"") -> bytes:
    """One record of BIFF; one that is too long runs on in records that continue it."""
    pieces = [body[at : at + 8224] for at in range(0, len(body), 8224)] or [b""]
    return b"".join(struct.pack("<HH", 0x3C if at else kind, len(piece)) + piece for at, piece in enumerate(pieces))


def wide(text: str, size: int = 2) -> bytes:
    raw = text.encode("utf-16-le")
    return (len(raw) // 2).to_bytes(size, "little") + b"\1" + raw


def shared_texts(texts: Sequence[str]) -> bytes:
    """The record of shared texts; one that runs on says in each continuing record anew that it is wide."""
    blocks = [bytearray(struct.pack("<II", len(texts), len(texts)))]
    for text in texts:
        raw = text.encode("utf-16-le")
        if len(blocks[-1]) + 3 > 8224:
            blocks.append(bytearray())
        blocks[-1] += struct.pack("<HB", len(raw) // 2, 1)
        while raw:
            room = (8224 - len(blocks[-1])) // 2 * 2
            blocks[-1] += raw[:room]
            raw = raw[room:]
            if raw:
                blocks.append(bytearray(b"\1"))
    return b"".join(record(0x3C if place else 0xFC, bytes(block)) for place, block in enumerate(blocks))


def biff8(
    tabs: Mapping[str, Cells],
    *,
    states: Mapping[str, int] | None = None,
    hidden: Iterable[int] = (),
    columns: Iterable[int] = (),
    date1904: bool = False,
    calculated: bool = True,
    settings: bytes = b"",
) -> bytes:
    """The stream of a workbook of Excel 97 to 2003."""
    texts: list[str] = []
    sheets = [_biff8_sheet(cells, texts, set(hidden), columns) for cells in tabs.values()]
    first = record(0x809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 0)) + settings
    first += record(0x22, struct.pack("<H", date1904)) + (record(0x1C1, bytes(8)) if calculated else b"")
    first += b"".join(record(0x41E, struct.pack("<H", number) + wide(code)) for number, code in FORMATS.items())
    first += b"".join(record(0xE0, struct.pack("<HH16x", 0, number)) for number in (0, *FORMATS))
    shared = shared_texts(texts)
    named = [wide(name, 1) for name in tabs]
    length = len(first) + sum(10 + len(name) for name in named) + len(shared) + 4
    for name, raw, sheet in zip(tabs, named, sheets, strict=True):
        first += record(0x85, struct.pack("<IBB", length, (states or {}).get(name, 0), 0) + raw)
        length += len(sheet)
    return first + shared + record(0x0A) + b"".join(sheets)


def _biff8_sheet(cells: Cells, texts: list[str], hidden: set[int], columns: Iterable[int]) -> bytes:
    pieces = [record(0x809, struct.pack("<HHHHII", 0x600, 0x10, 0, 0, 0, 0))]
    pieces += [record(0x7D, struct.pack("<HHHHHH", column, column, 0, 0, 1, 0)) for column in columns]
    pieces += [record(0x208, struct.pack("<HHHHHHI", row - 1, 0, 9, 255, 0, 0, 0x20)) for row in sorted(hidden)]
    pieces += [_biff8_cell(row - 1, column, *_split(cell), texts) for (row, column), cell in cells.items()]
    return b"".join(pieces) + record(0x0A)


def _biff8_cell(row: int, column: int, value: object, style: int, texts: list[str]) -> bytes:
    at = struct.pack("<HHH", row, column, style)
    if isinstance(value, Formula):
        body, behind = _result(value.result)
        return record(0x06, at + body + struct.pack("<HIH", 0, 0, 0)) + behind
    if isinstance(value, ErrorCell):
        return record(0x205, at + bytes((ERROR_NUMBERS[value], 1)))
    if isinstance(value, str):
        texts.append(value)
        return record(0xFD, at + struct.pack("<I", len(texts) - 1))
    if isinstance(value, bool):
        return record(0x205, at + bytes((value, 0)))
    if isinstance(value, int) and abs(value) < 1 << 29:
        return record(0x27E, at + struct.pack("<I", (value << 2 | 2) & 0xFFFFFFFF))
    return record(0x203, at + struct.pack("<d", value))


def _result(value: object) -> tuple[bytes, bytes]:
    if isinstance(value, ErrorCell):
        return struct.pack("<BxBxxxH", 2, ERROR_NUMBERS[value], 0xFFFF), b""
    if isinstance(value, str):
        return struct.pack("<B5xH", 0, 0xFFFF), record(0x207, wide(value))
    if isinstance(value, bool):
        return struct.pack("<BxBxxxH", 1, value, 0xFFFF), b""
    return (struct.pack("<B5xH", 3, 0xFFFF) if value is None else struct.pack("<d", value)), b""


def biff5(rows: Sequence[Sequence[str]], codec: str, page: int) -> bytes:
    """The stream of a workbook of Excel 5 or 95 whose cells are texts of a code page."""
    first = record(0x809, struct.pack("<HHHH", 0x500, 5, 0, 0)) + record(0x42, struct.pack("<H", page))
    name = "Лист1".encode(codec)
    first += record(0x85, struct.pack("<IBBB", len(first) + 11 + len(name) + 4, 0, 0, len(name)) + name) + record(0x0A)
    sheet = record(0x809, struct.pack("<HHHH", 0x500, 0x10, 0, 0))
    for row, texts in enumerate(rows):
        for column, text in enumerate(texts):
            raw = text.encode(codec)
            sheet += record(0x204, struct.pack("<HHHH", row, column, 0, len(raw)) + raw)
    return first + sheet + record(0x0A)


def xls(path: Path, tabs: Cells | Mapping[str, Cells], **kept: object) -> Path:
    """Write a workbook of Excel 97 to 2003: one tab ``Deals``, or by name."""
    named = tabs if all(isinstance(name, str) for name in tabs) else {"Deals": tabs}
    path.write_bytes(compound({"Workbook": biff8(named, **kept)}))  # type: ignore[arg-type]  # by the line above
    return path


# ------------------------------------------------------------------------------------------------------------ .xlsb


def xlsb_record(kind: int, body: bytes = b"") -> bytes:
    head = bytes((kind,)) if kind < 128 else bytes((kind & 0x7F | 0x80, kind >> 7))
    size = len(body)
    while size > 127:
        head += bytes((size & 0x7F | 0x80,))
        size >>= 7
    return head + bytes((size,)) + body


def xlsb_text(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")


def xlsb(
    path: Path,
    tabs: Cells | Mapping[str, Cells],
    *,
    states: Mapping[str, int] | None = None,
    hidden: Iterable[int] = (),
    columns: Iterable[int] = (),
    date1904: bool = False,
    parts: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a binary workbook: one tab ``Deals``, or by name."""
    named: Mapping[str, Cells] = tabs if all(isinstance(name, str) for name in tabs) else {"Deals": tabs}  # type: ignore[assignment, dict-item]  # likewise
    texts: list[str] = []
    contents: dict[str, bytes] = {}
    main = xlsb_record(131) + xlsb_record(153, struct.pack("<III", date1904, 0, 0)) + xlsb_record(143)
    related = ""
    for n, (name, cells) in enumerate(named.items(), 1):
        main += xlsb_record(156, struct.pack("<II", (states or {}).get(name, 0), n) + xlsb_text(f"rId{n}") + xlsb_text(name))
        contents[f"xl/worksheets/sheet{n}.bin"] = _xlsb_sheet(cells, texts, set(hidden), columns)
        related += f'<Relationship Id="rId{n}" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet{n}.bin"/>'
    contents["xl/workbook.bin"] = main + xlsb_record(144) + xlsb_record(132)
    related += f'<Relationship Id="s" Type="{_RELATIONS}/styles" Target="styles.bin"/>'
    related += f'<Relationship Id="t" Type="{_RELATIONS}/sharedStrings" Target="sharedStrings.bin"/>'
    contents["xl/_rels/workbook.bin.rels"] = f'<Relationships xmlns="{_PACKAGE}">{related}</Relationships>'.encode()
    top = f'<Relationship Id="r" Type="{_RELATIONS}/officeDocument" Target="xl/workbook.bin"/>'
    contents["_rels/.rels"] = f'<Relationships xmlns="{_PACKAGE}">{top}</Relationships>'.encode()
    contents["[Content_Types].xml"] = b"<Types/>"
    styles = b"".join(xlsb_record(44, struct.pack("<H", number) + xlsb_text(code)) for number, code in FORMATS.items())
    styles = xlsb_record(278) + xlsb_record(615, struct.pack("<I", len(FORMATS))) + styles + xlsb_record(616)
    styles += xlsb_record(626, struct.pack("<I", 1)) + xlsb_record(47, struct.pack("<HH12x", 0xFFFF, 14)) + xlsb_record(627)
    xfs = b"".join(xlsb_record(47, struct.pack("<HH12x", 0, number)) for number in (0, *FORMATS))
    contents["xl/styles.bin"] = (
        styles + xlsb_record(617, struct.pack("<I", 1 + len(FORMATS))) + xfs + xlsb_record(618) + xlsb_record(279)
    )
    strings = b"".join(xlsb_record(19, b"\0" + xlsb_text(text)) for text in texts)
    contents["xl/sharedStrings.bin"] = xlsb_record(159, struct.pack("<II", len(texts), len(texts))) + strings + xlsb_record(160)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in (contents | dict(parts or {})).items():
            package.writestr(name, content)
    return path


def _xlsb_sheet(cells: Cells, texts: list[str], hidden: set[int], columns: Iterable[int]) -> bytes:
    places = [*cells] or [(1, 0)]
    size = struct.pack("<IIII", 0, max(row for row, _ in places) - 1, 0, max(column for _, column in places))
    pieces = [xlsb_record(129), xlsb_record(147, bytes(15)), xlsb_record(148, size), xlsb_record(390)]
    pieces += [xlsb_record(60, struct.pack("<IIIIH", column, column, 0, 0, 1)) for column in columns]
    pieces += [xlsb_record(391), xlsb_record(145)]
    last = 0
    for row, column in sorted(cells):
        if row != last:
            flags = 0x10 if row in hidden else 0
            pieces.append(xlsb_record(0, struct.pack("<IIHBBBI", row - 1, 0, 300, 0, flags, 0, 0)))
            last = row
        value, style = _split(cells[row, column])
        pieces.append(_xlsb_cell(struct.pack("<II", column, style), value, texts))
    return b"".join(pieces) + xlsb_record(146) + xlsb_record(130)


def _xlsb_cell(at: bytes, value: object, texts: list[str]) -> bytes:
    if isinstance(value, Formula):
        result = value.result
        if isinstance(result, str) and not isinstance(result, ErrorCell):
            return xlsb_record(8, at + xlsb_text(result) + bytes(10))
        kind, body = (11, bytes((ERROR_NUMBERS[result],))) if isinstance(result, ErrorCell) else (9, struct.pack("<d", result))
        return xlsb_record(kind, at + body + bytes(10))
    if isinstance(value, ErrorCell):
        return xlsb_record(3, at + bytes((ERROR_NUMBERS[value],)))
    if isinstance(value, str):
        texts.append(value)
        return xlsb_record(7, at + struct.pack("<I", len(texts) - 1))
    if isinstance(value, bool):
        return xlsb_record(4, at + bytes((value,)))
    if isinstance(value, int) and abs(value) < 1 << 29:
        return xlsb_record(2, at + struct.pack("<I", (value << 2 | 2) & 0xFFFFFFFF))
    return xlsb_record(5, at + struct.pack("<d", value))


# ------------------------------------------------------------------------------------------------------- .ods, HTML

_ODS = "urn:oasis:names:tc:opendocument:xmlns"
ODS_HEADER = (
    "<table:table-row><table:table-cell office:value-type='string'><text:p>ID</text:p></table:table-cell></table:table-row>"
)


def ods_content(rows: str | Mapping[str, str], styles: str = "", before: str = "") -> str:
    tabs = {"Deals": rows} if isinstance(rows, str) else rows
    tables = "".join(
        f'<table:table table:name="{name}" table:style-name="s{name}">{content}</table:table>' for name, content in tabs.items()
    )
    return (
        f'<?xml version="1.0"?>{before}<office:document-content xmlns:office="{_ODS}:office:1.0" xmlns:table="{_ODS}:table:1.0" '
        f'xmlns:text="{_ODS}:text:1.0" xmlns:style="{_ODS}:style:1.0" '
        'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0">'
        f"<office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"
    )


def ods(
    path: Path, rows: str | Mapping[str, str] = "", *, content: str | bytes = "", manifest: str = "<x/>", styles: str = ""
) -> Path:
    """Write an OpenDocument spreadsheet whose tables hold these ``table-row`` elements (one table ``Deals``, or by name)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        package.writestr("content.xml", content or ods_content(rows, styles))
        package.writestr("META-INF/manifest.xml", manifest)
    return path


def ods_row(*cells: str, more: str = "") -> str:
    """A row; a cell is a text, or what stands in the tag behind ``table-cell``, then ``>``, then its display text."""
    made = []
    for cell in cells:
        attributes, found, text = cell.partition(">") if ">" in cell else ("office:value-type='string'", ">", cell)
        made.append(f"<table:table-cell {attributes}{found}<text:p>{text}</text:p></table:table-cell>")
    return f"<table:table-row {more}>{''.join(made)}</table:table-row>"


META = '<meta http-equiv="Content-type" content="text/html;charset=UTF-8" />'


def bitrix_html(headers: Sequence[str], rows: Iterable[Sequence[str]], end: str = "</tbody></table>") -> str:
    """What "Export to Excel" writes (sheets 1.1)."""
    head = "".join(f"<th>{header}</th>" for header in headers)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'{META}<table border="1"><thead><tr>{head}</tr></thead><tbody>{body}{end}'

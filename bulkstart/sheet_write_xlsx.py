"""Results as a plain workbook: typed cells, coloured status, and a tab ``Failed rows`` that can be fed back as it is.

Own code instead of a writing library: numbers keep all their digits (openpyxl writes 16), no text can become a formula or an
error, characters that XML cannot hold are escaped as Excel does, and 100,000 × 14 cells take seconds instead of a quarter minute.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO
from xml.sax.saxutils import quoteattr

from bulkstart.errors import SheetError
from bulkstart.result_columns import Status
from bulkstart.sheet_cell_xml import HEADER_STYLE, STYLES, CellWriter
from bulkstart.sheet_colours import rules
from bulkstart.sheet_grid import header_text, letter
from bulkstart.sheet_layout import Layout, Table
from bulkstart.sheet_text import as_text
from bulkstart.sheet_xml import MAX_COLUMNS, MAX_ROWS

FAILED_TAB = "Failed rows"
FAILED = frozenset({Status.INVALID, Status.REFUSED, Status.GAVE_UP, Status.NOT_ATTEMPTED})
"""What may be fed back after mending: never what started, what is in doubt, or what repeats another row."""

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_MACRO = "application/vnd.ms-excel.sheet.macroEnabled.main+xml"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_NARROWEST, _WIDEST, _TELLING_ROWS = 9, 48, 200
_BLOCK = 500


@dataclass(frozen=True, slots=True)
class _Tab:
    name: str
    table: Table
    layout: Layout


def write_workbook(file: BinaryIO, table: Table, layout: Layout, *, macros: bool = False) -> list[str]:
    """Write a results table as a workbook of two tabs; return notes about texts that had to be cut.

    ``macros``: say that macros may be in it, as a file named ``.xlsm`` must; there are none.
    """
    last = layout.numbers[-1] if len(layout.numbers) else layout.header_row
    if last > MAX_ROWS or layout.places[-1] >= MAX_COLUMNS:
        raise SheetError(
            f"the results need more than the {MAX_ROWS:,} rows or {MAX_COLUMNS:,} columns of a workbook: write .csv with -o"
        )
    tabs = [_Tab(layout.tab, table, layout)]
    if table.results:
        failed = _failed(table)
        name = FAILED_TAB if layout.tab.casefold() != FAILED_TAB.casefold() else f"{FAILED_TAB} 2"
        tabs.append(_Tab(name, failed, Layout(1, range(2, len(failed) + 2), layout.places)))
    writer = CellWriter()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as package:
        for name, text in _small_parts([tab.name for tab in tabs], _MACRO if macros else f"{_TYPE}.sheet.main+xml"):
            package.writestr(name, _XML + text)
        for number, tab in enumerate(tabs, 1):
            with package.open(f"xl/worksheets/sheet{number}.xml", "w") as part:
                pieces = _worksheet(tab, writer)
                while block := "".join(islice(pieces, _BLOCK)):
                    part.write(block.encode())
    return writer.notes()


def _failed(table: Table) -> Table:
    statuses = table.columns[table.own]
    kept = [place for place, status in enumerate(statuses) if as_text(status) in FAILED]
    return Table(table.headers, table.own, tuple([column[place] for place in kept] for column in table.columns))


def _worksheet(tab: _Tab, writer: CellWriter) -> Iterator[str]:
    """Yield the parts of a worksheet in the order that its schema demands."""
    table, layout = tab.table, tab.layout
    first, last = layout.header_row, (layout.numbers[-1] if len(layout.numbers) else layout.header_row)
    yield f'{_XML}<worksheet xmlns="{_MAIN}"><dimension ref="A1:{letter(layout.places[-1])}{last}"/>'
    yield '<sheetViews><sheetView workbookViewId="0">'
    yield f'<pane ySplit="{first}" topLeftCell="A{first + 1}" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
    yield f'<sheetFormatPr defaultRowHeight="15"/><cols>{"".join(_widths(table, layout))}</cols><sheetData>'
    for number, cells in layout.above:
        yield writer.row(number, enumerate(cells))
    yield writer.row(first, zip(layout.places, table.headers, strict=True), HEADER_STYLE)
    for number, cells in zip(layout.numbers, zip(*table.columns, strict=True), strict=True):
        yield writer.row(number, zip(layout.places, cells, strict=True))
    yield "</sheetData>"
    if table.results and len(table):
        yield rules(f"{letter(layout.places[table.own])}{first + 1}:{letter(layout.places[table.own])}{last}")
    yield '<pageMargins left="0.7" right="0.7" top="0.75" bottom="0.75" header="0.3" footer="0.3"/></worksheet>'


def _widths(table: Table, layout: Layout) -> Iterable[str]:
    for place, header, cells in zip(layout.places, table.headers, table.columns, strict=True):
        longest = max(len(header), *(len(as_text(cell)) for cell in cells[:_TELLING_ROWS]), 0) + 2
        yield f'<col min="{place + 1}" max="{place + 1}" width="{min(max(longest, _NARROWEST), _WIDEST)}" customWidth="1"/>'


def _small_parts(names: Sequence[str], main: str) -> Iterator[tuple[str, str]]:
    """Yield the parts beside the worksheets: content types, relations, the workbook with its tabs, the styles."""
    numbered = list(enumerate(names, 1))
    sheets = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPE}.worksheet+xml"/>' for n, _ in numbered
    )
    types = (
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="{main}"/>'
        f'{sheets}<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>'
    )
    yield "[Content_Types].xml", f'<Types xmlns="{_PACKAGE}/content-types">{types}</Types>'
    start = f'<Relationships xmlns="{_PACKAGE}/relationships">'
    yield (
        "_rels/.rels",
        f'{start}<Relationship Id="rId1" Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    )
    tabs = "".join(f'<sheet name={quoteattr(header_text(name))} sheetId="{n}" r:id="rId{n}"/>' for n, name in numbered)
    yield "xl/workbook.xml", f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{tabs}</sheets></workbook>'
    related = "".join(
        f'<Relationship Id="rId{n}" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n, _ in numbered
    )
    styles = f'<Relationship Id="rId{len(names) + 1}" Type="{_RELATIONS}/styles" Target="styles.xml"/>'
    yield "xl/_rels/workbook.xml.rels", f"{start}{related}{styles}</Relationships>"
    yield "xl/styles.xml", STYLES

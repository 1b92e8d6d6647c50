"""A workbook with what no writing library keeps: shapes, a chart, a pivot table, a slicer, x14 features, macros, comments."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.formatting.rule import CellIsRule
from openpyxl.styles import Font, PatternFill
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.table import Table

SHEET = "xl/worksheets/sheet2.xml"
"""The part of the tab ``Deals``, the second of three."""
HEADER_ROW = 3
ROWS = 40
_X14 = (
    '<extLst><ext xmlns:x14="http://schemas.microsoft.com/office/spreadsheetml/2009/9/main" uri="{CCE6A557-97BC-4b89-ADB6-D9C93CAAB3DF}">'
    '<x14:dataValidations xmlns:xm="http://schemas.microsoft.com/office/excel/2006/main" count="1"><x14:dataValidation type="list">'
    "<x14:formula1><xm:f>Legend!$A$1:$A$3</xm:f></x14:formula1><xm:sqref>C4:C43</xm:sqref></x14:dataValidation></x14:dataValidations>"
    '</ext><ext xmlns:x14="http://schemas.microsoft.com/office/spreadsheetml/2009/9/main" uri="{78C0D931-6437-407d-A8EE-F0AAD7539E65}">'
    '<x14:conditionalFormattings><x14:conditionalFormatting xmlns:xm="http://schemas.microsoft.com/office/excel/2006/main">'
    '<x14:cfRule type="dataBar" priority="17" id="{0}"/><xm:sqref>D4:D43</xm:sqref></x14:conditionalFormatting></x14:conditionalFormattings>'
    "</ext></extLst>"
)
_SHAPE = (
    "<xdr:twoCellAnchor><xdr:from><xdr:col>7</xdr:col><xdr:colOff>0</xdr:colOff><xdr:row>1</xdr:row><xdr:rowOff>0</xdr:rowOff></xdr:from>"
    '<xdr:to><xdr:col>9</xdr:col><xdr:colOff>5</xdr:colOff><xdr:row>5</xdr:row><xdr:rowOff>0</xdr:rowOff></xdr:to><xdr:sp macro="">'
    '<xdr:nvSpPr><xdr:cNvPr id="9" name="Press me"/><xdr:cNvSpPr/></xdr:nvSpPr><xdr:spPr/></xdr:sp><xdr:clientData/></xdr:twoCellAnchor>'
)
OTHER_PARTS = {
    "xl/vbaProject.bin": bytes(range(256)) * 20,
    "xl/slicers/slicer1.xml": b'<slicers xmlns="http://schemas.microsoft.com/office/spreadsheetml/2009/9/main"/>',
    "xl/pivotCache/pivotCacheDefinition1.xml": b"<pivotCacheDefinition/>",
    "xl/threadedComments/threadedComment1.xml": b"<ThreadedComments/>",
    "xl/calcChain.xml": b'<calcChain><c r="F4" i="2"/></calcChain>',
    "customXml/item1.xml": b"<anything/>",
    "xl/media/image1.png": b"\x89PNG\r\n" + bytes(5000),
    "docProps/custom.xml": b"<Properties/>",
}


def rich(path: Path) -> Path:
    """Write the workbook: a merged title, the header of ``Deals`` in row 3, 40 rows below it, other tabs before and behind."""
    book = Workbook()
    first: Any = book.active
    first.title = "Legend"
    first["A1"] = "no"
    deals: Any = book.create_sheet("Deals")
    deals["A1"] = "Deals of May"
    deals.merge_cells("A1:F1")
    for column, name in enumerate(("ID", "Code", "Kind", "Sum", "Name", "Twice"), 1):
        deals.cell(HEADER_ROW, column, name).font = Font(bold=True)
    for row in range(HEADER_ROW + 1, HEADER_ROW + 1 + ROWS):
        cells = (5000 + row, f"000{row}", "a", row / 8, f"Имя <&> {row}", f"=D{row}*2")
        for column, value in enumerate(cells, 1):
            deals.cell(row, column, value)
        deals.cell(row, 1).number_format = "0.00"
    deals["I2"] = "a stray note"
    deals.freeze_panes = "B4"
    deals.auto_filter.ref = "A3:F43"
    deals.row_dimensions[7].hidden = True
    deals.protection.sheet = True
    deals["A4"].comment = Comment("look", "me")
    deals.conditional_formatting.add("D4:D43", CellIsRule("greaterThan", ["3"], fill=PatternFill(bgColor="FF0000")))
    deals.add_data_validation(DataValidation(type="whole", sqref="A4:A43"))
    chart = BarChart()
    chart.add_data(Reference(deals, min_col=4, min_row=4, max_row=43))
    deals.add_chart(chart, "B46")
    deals.column_dimensions.group("L", "XFD", hidden=True)
    last = book.create_sheet("Side")
    last.append(["x", "y"])
    last.append([1, 2])
    last.add_table(Table(displayName="T1", ref="A1:B2"))
    book.defined_names["Ids"] = DefinedName("Ids", attr_text="Deals!$A$4:$A$43")
    raw = io.BytesIO()
    book.save(raw)
    _enriched(raw, path)
    return path


def _enriched(raw: io.BytesIO, path: Path) -> None:
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            text = source.read(entry)
            if entry.filename == SHEET:
                text = re.sub(rb"<f>(D(\d+)\*2)</f><v ?/>", lambda m: b"<f>%s</f><v>%d</v>" % (m[1], int(m[2]) // 4), text)
                text = text.replace(b"</worksheet>", _X14.encode() + b"</worksheet>")
            if entry.filename == "xl/drawings/drawing1.xml":
                text = re.sub(
                    rb"(<(?:xdr:)?wsDr[^>]*>)", rb"\1" + _SHAPE.encode(), text.replace(b"<wsDr ", b'<wsDr xmlns:xdr="u" ')
                )
            target.writestr(entry, text)
        for name, content in OTHER_PARTS.items():
            target.writestr(name, content)


def parts(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as package:
        assert package.testzip() is None
        assert len(package.namelist()) == len(set(package.namelist()))
        return {entry.filename: package.read(entry) for entry in package.infolist()}

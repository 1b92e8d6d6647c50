"""Workbooks written by hand, part by part, for what no writing library would write."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"

HEADER = '<row r="1"><c r="A1" t="inlineStr"><is><t>ID</t></is></c><c r="B1" t="inlineStr"><is><t>Title</t></is></c></row>'
STYLES = (
    f'<styleSheet xmlns="{_MAIN}"><numFmts count="2"><numFmt numFmtId="164" formatCode="dd.mm.yyyy"/>'
    '<numFmt numFmtId="165" formatCode="[h]:mm:ss"/></numFmts>'
    '<cellStyleXfs count="1"><xf numFmtId="14"/></cellStyleXfs>'
    '<cellXfs count="5"><xf/><xf numFmtId="164"/><xf numFmtId="22"/><xf numFmtId="21"/><xf numFmtId="165"/></cellXfs>'
    "</styleSheet>"
)
"""Cell styles 1 date, 2 datetime, 3 time, 4 elapsed."""


def worksheet(rows: str, before: str = "") -> str:
    return f'<?xml version="1.0"?>{before}<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData></worksheet>'


def workbook(
    path: Path,
    rows: str | Mapping[str, str],
    *,
    states: Mapping[str, str] | None = None,
    strings: str | None = None,
    date1904: bool = False,
    parts: Mapping[str, str | bytes] | None = None,
    compression: int = zipfile.ZIP_DEFLATED,
) -> Path:
    """Write a workbook whose tabs hold these ``row`` elements (one tab ``Deals``, or by name); ``parts`` add or replace parts."""
    tabs = {"Deals": rows} if isinstance(rows, str) else rows
    states = states or {}
    listed = "".join(
        f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}" state="{states.get(name, "visible")}"/>'
        for n, name in enumerate(tabs, 1)
    )
    related = "".join(
        f'<Relationship Id="rId{n}" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in range(1, len(tabs) + 1)
    )
    related += f'<Relationship Id="rId98" Type="{_RELATIONS}/styles" Target="styles.xml"/>'
    main = f'<Relationship Id="r" Type="{_RELATIONS}/officeDocument" Target="/xl/workbook.xml"/>'
    first = f'<workbookPr date1904="{date1904:d}"/>'
    contents: dict[str, str | bytes] = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}">{main}</Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}">{first}<sheets>{listed}</sheets></workbook>',
        "xl/styles.xml": STYLES,
        **{f"xl/worksheets/sheet{n}.xml": worksheet(content) for n, content in enumerate(tabs.values(), 1)},
    }
    if strings is not None:
        related += f'<Relationship Id="rId99" Type="{_RELATIONS}/sharedStrings" Target="sharedStrings.xml"/>'
        contents["xl/sharedStrings.xml"] = f'<sst xmlns="{_MAIN}">{strings}</sst>'
    contents["xl/_rels/workbook.xml.rels"] = f'<Relationships xmlns="{_PACKAGE}">{related}</Relationships>'
    with zipfile.ZipFile(path, "w", compression) as package:
        for name, content in (contents | dict(parts or {})).items():
            package.writestr(name, content)
    return path

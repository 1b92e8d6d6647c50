"""Excel workbooks (.xlsx, .xlsm, Strict OOXML): tabs, date formats, and one tab's rows."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

from bulkstart.errors import SheetError
from bulkstart.sheet_cell import STYLE_ELEMENTS, cell_reader, telling_styles
from bulkstart.sheet_package import Package
from bulkstart.sheet_tabs import Tab, TabRows, clear_errors, pick
from bulkstart.sheet_xml import MAX_ROWS, Worksheet, elements, shared_strings

__all__ = ["DAYS_1904", "Tab", "TabRows", "XlsxWorkbook", "read_tab"]

DAYS_1904: Final = 1462
"""Days between the two epochs that a workbook may count from."""


def read_tab(path: Path, wanted: str | int | None, until: int = MAX_ROWS) -> TabRows:
    """Return the rows of one tab: the one asked for by name or number, else the first visible one that holds two rows or more.

    Rows behind ``until`` are left out.

    Raises ``SheetError``: no workbook, protected, damaged or hostile, no such tab, no tab with rows.
    """
    with clear_errors(path), zipfile.ZipFile(path) as archive:
        return pick(XlsxWorkbook(Package(archive, path), until), wanted, path)


def tab_names(path: Path) -> list[str]:
    """Return the names of all tabs that hold cells, hidden ones too. Raises ``SheetError`` like :func:`read_tab`."""
    with clear_errors(path), zipfile.ZipFile(path) as archive:
        return [tab.name for tab in XlsxWorkbook(Package(archive, path), 0).tabs]


class XlsxWorkbook:
    """An open workbook of XML parts: its tabs, and what their cells refer to."""

    def __init__(self, package: Package, until: int = MAX_ROWS) -> None:
        self._package, self._until = package, until
        self._main = package.main_part()
        if not self._main.startswith("xl/") or self._main not in package.parts:
            raise SheetError(
                f"{package.path} is {package.foreign_kind()}; open it in Excel and save it as 'Excel workbook (.xlsx)', or as CSV"
            )
        self._related = package.relations(self._main)
        self.tabs: list[Tab] = []
        self._shift = 0
        self._count = 0
        self._strings: list[str] | None = None
        self._styles: dict[str, str] = {}
        self._read_main()

    def read(self, tab: Tab) -> TabRows:
        if self._strings is None:
            self._strings = self._shared_strings()
        worksheet = Worksheet(self._until)
        try:
            with self._package.open(tab.part) as stream:
                worksheet.read(stream, cell_reader(self._strings, self._styles, self._shift))
        except SheetError as error:
            raise SheetError(f"tab {tab.name!r}: {error}") from error
        return TabRows(tab, self._count, worksheet.rows, tuple(worksheet.hidden), tuple(worksheet.hidden_columns))

    def _read_main(self) -> None:
        with self._package.open(self._main) as stream:
            for kind, attributes in elements(stream):
                if kind == "workbookPr" and attributes.get("date1904") in ("1", "true", "on"):
                    self._shift = DAYS_1904
                elif kind == "sheet":
                    self._count += 1
                    relation, part = self._related.get(attributes["id"], ("", ""))
                    if relation == "worksheet":  # and not a chart or an old macro sheet
                        self.tabs.append(
                            Tab(self._count, attributes["name"], attributes.get("state", "visible") == "visible", part)
                        )
        styles = self._package.only(self._related, "styles")
        if styles:
            with self._package.open(styles) as stream:
                self._styles = telling_styles(elements(stream, only=STYLE_ELEMENTS))

    def _shared_strings(self) -> list[str]:
        part = self._package.only(self._related, "sharedStrings")
        if not part:
            return []
        with self._package.open(part) as stream:
            return shared_strings(stream)

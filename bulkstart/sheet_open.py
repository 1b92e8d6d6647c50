"""A workbook of any format, told by its bytes: one tab's rows."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bulkstart.errors import SheetError
from bulkstart.sheet_html import HtmlDocument
from bulkstart.sheet_ods import OdsWorkbook
from bulkstart.sheet_package import Package
from bulkstart.sheet_tabs import TabRows, Workbook, clear_errors, pick
from bulkstart.sheet_xls import XlsWorkbook
from bulkstart.sheet_xlsb import XlsbWorkbook
from bulkstart.sheet_xlsx import XlsxWorkbook
from bulkstart.sheet_xml import MAX_ROWS


def open_tab(
    path: Path, kind: str, wanted: str | int | None, *, encoding: str | None = None, until: int = MAX_ROWS
) -> tuple[str, TabRows]:
    """Return the format of a workbook (``xlsx``, ``xlsb``, ``ods``, ``xls``, ``html``) and the rows of one of its tabs.

    ``kind`` as ``sheet_bytes.format_of`` returns it; ``wanted`` a tab's name or number, default the first visible one that holds
    two rows or more; ``encoding`` is of an HTML table; rows behind ``until`` are left out. Raises ``SheetError``.
    """
    with clear_errors(path), _opened(path, kind, encoding, until) as (found, workbook):
        return found, pick(workbook, wanted, path)


@contextmanager
def _opened(path: Path, kind: str, encoding: str | None, until: int) -> Iterator[tuple[str, Workbook]]:
    if kind == "ole":
        yield "xls", XlsWorkbook(path.read_bytes(), path, until)
    elif kind == "html":
        yield "html", HtmlDocument(path.read_bytes(), path, encoding, until)
    else:
        with zipfile.ZipFile(path) as archive:
            yield _packed(Package(archive, path), until)


def _packed(package: Package, until: int) -> tuple[str, Workbook]:
    if "content.xml" in package.parts:
        kind = package.beginning("mimetype").strip() if "mimetype" in package.parts else b""
        if kind and b"spreadsheet" not in kind:
            raise SheetError(f"{package.path} is an OpenDocument file, but no spreadsheet; give a CSV file or a workbook")
        return "ods", OdsWorkbook(package, until)
    if package.main_part().endswith(".bin"):
        return "xlsb", XlsbWorkbook(package, until)
    return "xlsx", XlsxWorkbook(package, until)

"""What a file is, by its first bytes and never by its name; and the sentence for what cannot be read."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from bulkstart.errors import SheetError

MAX_CSV_BYTES = 500_000_000
MAX_WORKBOOK_BYTES = 300_000_000
MAX_OLD_BYTES = 100_000_000
"""Of .xls workbooks and HTML tables, which are held in memory."""

_AS_XLSX = "open it in Excel and save it as 'Excel workbook (.xlsx)', then give that file"
_NOT_A_SHEET = (
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"GIF8", "a picture (GIF)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"{\\rtf", "a text document (RTF)"),
    (b"SQLite format 3", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
)
_OLD_EXCEL = ((b"\x09\x00\x04\x00", "2"), (b"\x09\x02\x06\x00", "3"), (b"\x09\x04\x06\x00", "4"), (b"\x09\x08", "5"))
_MARKUP = tuple(
    f"<{tag}".encode() for tag in ("html", "head", "meta", "style", "body", "table", "thead", "tbody", "tr", "!doctype html")
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BOM = b"\xef\xbb\xbf"


def format_of(path: Path) -> str:
    """Return ``"csv"``, ``"zip"`` or ``"ole"`` (workbooks, as far as the first bytes tell), or ``"html"``.

    Raises ``SheetError`` for a path that is no readable file, for one that is too big, and for every other format.
    """
    size = _size(path)
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(_OLE):
        return _within(path, size, MAX_OLD_BYTES, "ole")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _within(path, size, MAX_WORKBOOK_BYTES, "zip")
    if _plain(head).startswith(_MARKUP):
        return _within(path, size, MAX_OLD_BYTES, "html")
    refusal = _refusal(head)
    if refusal:
        raise SheetError(f"{path} is {refusal}")
    return _within(path, size, MAX_CSV_BYTES, "csv")


def digest_of(path: Path) -> str:
    """Return a text that another content of a file has not."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def _size(path: Path) -> int:
    if path.name.startswith("~$"):
        raise SheetError(
            f"{path} is the lock file that Excel keeps while a workbook is open; give the workbook itself: {path.name[2:]}"
        )
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise SheetError(f"{path} is a folder; give a file in it")
        if not stat.S_ISREG(status.st_mode):
            raise SheetError(f"{path} is not a regular file; give a CSV file or an Excel workbook")
        if not os.access(path, os.R_OK):
            raise SheetError(f"{path} may not be read by you; ask its owner, or copy it to a folder of your own")
    except FileNotFoundError:
        raise SheetError(f"{path} does not exist; check the name and the folder") from None
    except (OSError, ValueError) as error:
        raise SheetError(f"{path} cannot be opened: {error}") from error
    if not status.st_size:
        raise SheetError(f"{path} is empty (0 bytes): it has no data rows; export or save it again")
    return status.st_size


def _within(path: Path, size: int, limit: int, kind: str) -> str:
    if size > limit:
        raise SheetError(f"{path} has {size:,} bytes, more than the {limit:,} that are read; split it into several files")
    return kind


def _refusal(head: bytes) -> str | None:
    """Return what the bytes are and what to do, or ``None`` where they may be text."""
    for magic, name in _NOT_A_SHEET:
        if head.startswith(magic):
            return f"{name}, not a sheet; give a CSV file or an Excel workbook (.xlsx)"
    for magic, version in _OLD_EXCEL:
        if head.startswith(magic):
            return f"a workbook of Excel {version} (.xls), which is not read; {_AS_XLSX}"
    text = _plain(head)
    if text.startswith((b"<?xml", b"<workbook", b"<ss:workbook")):
        spreadsheet = b"urn:schemas-microsoft-com:office:spreadsheet" in text
        return f"{'an Excel 2003 XML spreadsheet' if spreadsheet else 'an XML document'}, which is not read; {_AS_XLSX}"
    if text.startswith((b'{"', b"[{")):
        return "JSON, not a sheet; give a CSV file or an Excel workbook (.xlsx)"
    if text.startswith(b"mime-version:"):
        return f"a web archive (MHTML), which is not read; {_AS_XLSX}"
    return None


def _plain(head: bytes) -> bytes:
    """Return the first bytes without BOM, white space and capitals; of UTF-16, every second one."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head[2:].replace(b"\0", b"")
    return head.removeprefix(_BOM).lstrip().lower()

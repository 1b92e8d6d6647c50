"""Excel workbooks (.xlsx, .xlsm, Strict OOXML): the package, its tabs, its date formats, and one tab's rows."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from xml.parsers.expat import ExpatError

from bulkstart.errors import SheetError
from bulkstart.sheet_cell import cell_reader, date_styles
from bulkstart.sheet_grid import Rows
from bulkstart.sheet_xml import MAX_ROWS, Worksheet, elements, shared_strings

MAX_UNPACKED = 1_500_000_000
MAX_RATIO = 200
_SMALL = 20_000_000  # bytes unpacked; below it no ratio is dangerous, and harmless files of blanks reach high ones
_MAX_PARTS = 20_000
_DAYS_1904 = 1462
_DAMAGED: Final = (
    *(zipfile.BadZipFile, zlib.error, ExpatError, KeyError, ValueError, IndexError, EOFError, OverflowError),
    *(NotImplementedError, RuntimeError, MemoryError, OSError, StopIteration),
)
"""What the standard library raises on broken packages: unknown compression, wrong check sums, encrypted parts, bad XML …"""


@dataclass(frozen=True, slots=True)
class Tab:
    """One worksheet of a workbook. ``number`` counts all tabs from 1, hidden ones too, in the workbook's order."""

    number: int
    name: str
    visible: bool
    part: str


@dataclass(frozen=True, slots=True)
class TabRows:
    """What one tab holds. ``hidden``: the numbers of its hidden rows that are not blank."""

    tab: Tab
    tabs: int
    rows: Rows
    hidden: tuple[int, ...] = ()


def read_tab(path: Path, wanted: str | int | None, until: int = MAX_ROWS) -> TabRows:
    """Return the rows of one tab: the one asked for by name or number, else the first visible one that holds two rows or more.

    Rows behind ``until`` are left out.

    Raises ``SheetError``: no workbook, protected, damaged or hostile, no such tab, no tab with rows.
    """
    with _clear_errors(path), zipfile.ZipFile(path) as package:
        workbook = _Workbook(package, path, until)
        if wanted is not None:
            return workbook.read(_choose(workbook.tabs, wanted, path))
        for tab in workbook.tabs:
            if tab.visible and len((found := workbook.read(tab)).rows) > 1:
                return found
        raise SheetError(f"{path} has no data rows: no visible tab holds a header and a row below it ({_listing(workbook.tabs)})")


def tab_names(path: Path) -> list[str]:
    """Return the names of all tabs that hold cells, hidden ones too. Raises ``SheetError`` like :func:`read_tab`."""
    with _clear_errors(path), zipfile.ZipFile(path) as package:
        return [tab.name for tab in _Workbook(package, path, 0).tabs]


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    """Turn whatever a broken package makes the standard library raise into one sentence."""
    try:
        yield
    except SheetError as error:
        if str(error).startswith(str(path)):
            raise
        raise SheetError(f"{path} is refused: {error}; save it again in Excel") from error
    except PermissionError:
        raise SheetError(f"{path} may not be read now; close it in Excel, or copy it, and try again") from None
    except _DAMAGED as error:
        raise SheetError(
            f"{path} is a damaged workbook ({error}); open it in Excel, let Excel repair it, and save it again"
        ) from error


def _choose(tabs: list[Tab], wanted: str | int, path: Path) -> Tab:
    """A name goes before a number, an exact name before one in another case (Excel's tab names know no case)."""
    text = str(wanted).strip()
    exact = [tab for tab in tabs if tab.name == str(wanted)]
    alike = [tab for tab in tabs if tab.name.strip().casefold() == text.casefold()]
    numbered = [tab for tab in tabs if str(tab.number) == text]
    for tab in (*exact, *alike, *numbered):
        return tab
    raise SheetError(f"{path} has no tab {wanted!r}; its tabs are {_listing(tabs)}; choose one with --tab")


def _listing(tabs: list[Tab]) -> str:
    return ", ".join(f"{tab.number} {tab.name!r}{'' if tab.visible else ' (hidden)'}" for tab in tabs) or "none"


class _Workbook:
    """An open package: its parts by normalised name, its tabs, and what their cells refer to."""

    def __init__(self, package: zipfile.ZipFile, path: Path, until: int) -> None:
        self._package, self._path, self._until = package, path, until
        self._parts = {_part_name(entry.filename): entry for entry in package.infolist()}
        self._check_size(package.infolist())
        self._main = self._main_part()
        self._related = self._relations(self._main)
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
            with self._open(tab.part) as stream:
                worksheet.read(stream, cell_reader(self._strings, self._styles, self._shift))
        except SheetError as error:
            raise SheetError(f"tab {tab.name!r}: {error}") from error
        return TabRows(tab, self._count, worksheet.rows, tuple(worksheet.hidden))

    def _check_size(self, entries: list[zipfile.ZipInfo]) -> None:
        """Refuse what would unpack to more than memory should hold, before anything is unpacked (libraries 12)."""
        unpacked = sum(entry.file_size for entry in entries)
        swollen = any(entry.file_size > max(_SMALL, MAX_RATIO * entry.compress_size) for entry in entries)
        if unpacked > MAX_UNPACKED or len(entries) > _MAX_PARTS or swollen:
            raise SheetError(
                f"it would unpack to {unpacked:,} bytes in {len(entries):,} parts, more than any honest sheet of its size"
            )
        if any(entry.flag_bits & 1 for entry in entries):
            raise SheetError(f"{self._path} is protected by a password; save it without one, then give that file")

    def _main_part(self) -> str:
        main = next((target for kind, target in self._relations("").values() if kind == "officeDocument"), "xl/workbook.xml")
        if main.endswith(".bin"):
            raise SheetError(
                f"{self._path} is a binary workbook (.xlsb), which is not read yet; save it in Excel as 'Excel workbook (.xlsx)'"
            )
        if not main.startswith("xl/") or main not in self._parts:
            raise SheetError(
                f"{self._path} is {self._other_kind()}; open it in Excel and save it as 'Excel workbook (.xlsx)', or as CSV"
            )
        return main

    def _other_kind(self) -> str:
        if "content.xml" in self._parts:
            return "an OpenDocument file (.ods), which is not read yet"
        kinds = {"word/": "a Word document", "ppt/": "a PowerPoint document", "index/": "an Apple Numbers document"}
        return next(
            (name for start, name in kinds.items() if any(part.startswith(start) for part in self._parts)),
            "a zip archive, not a workbook",
        )

    def _relations(self, part: str) -> dict[str, tuple[str, str]]:
        """Return what a part refers to inside the package: relation id → (last word of the type, part name)."""
        folder, name = posixpath.split(part)
        source = posixpath.join(folder, "_rels", f"{name}.rels")
        if source not in self._parts:
            return {}
        with self._open(source) as stream:
            found = [attributes for kind, attributes in elements(stream) if kind == "Relationship"]
        return {
            one["Id"]: (
                one["Type"].rpartition("/")[2],
                _part_name(posixpath.normpath(posixpath.join("/", folder, one["Target"]))),
            )
            for one in found
            if one.get("TargetMode") != "External"
        }

    def _read_main(self) -> None:
        with self._open(self._main) as stream:
            for kind, attributes in elements(stream):
                if kind == "workbookPr" and attributes.get("date1904") in ("1", "true", "on"):
                    self._shift = _DAYS_1904
                elif kind == "sheet":
                    self._count += 1
                    relation, part = self._related.get(attributes["id"], ("", ""))
                    if relation == "worksheet":  # and not a chart or an old macro sheet
                        self.tabs.append(
                            Tab(self._count, attributes["name"], attributes.get("state", "visible") == "visible", part)
                        )
        styles = self._only("styles")
        if styles:
            with self._open(styles) as stream:
                self._styles = date_styles(elements(stream))

    def _shared_strings(self) -> list[str]:
        part = self._only("sharedStrings")
        if not part:
            return []
        with self._open(part) as stream:
            return shared_strings(stream)

    def _only(self, relation: str) -> str | None:
        """Return the part that the workbook refers to as its styles or its shared strings, if it is there."""
        return next((part for kind, part in self._related.values() if kind == relation and part in self._parts), None)

    def _open(self, part: str) -> IO[bytes]:
        return self._package.open(self._parts[part])


def _part_name(name: str) -> str:
    """Part names know no case, and some writers use backslashes."""
    return name.replace("\\", "/").lstrip("/").lower()

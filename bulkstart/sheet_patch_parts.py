"""The parts of a workbook around its worksheets, changed by a few bytes each: a tab more, the formats of colours, the type."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple
from xml.sax.saxutils import quoteattr

from bulkstart.errors import SheetError
from bulkstart.result_columns import result_places
from bulkstart.sheet_colours import FORMATS
from bulkstart.sheet_grid import SEARCHED_ROWS, column_index, header_text
from bulkstart.sheet_rows import RowStream
from bulkstart.sheet_spans import CannotPatchError, Document, Element, edited
from bulkstart.sheet_write_xlsx import FAILED_TAB
from bulkstart.sheet_xlsx import read_tab

_TYPES: Final = "[content_types].xml"
_WORKBOOK_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
_MACRO_TYPE: Final = "application/vnd.ms-excel.sheet.macroEnabled.main+xml"
_SHEET_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"
_AREA: Final = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})(?::\$?([A-Z]{1,3})\$?(\d{1,7}))?")
_ANCHOR: Final = re.compile(
    rb"<(?:[\w.-]+:)?(oneCell|twoCell)Anchor.*?<(?:[\w.-]+:)?from>\s*<(?:[\w.-]+:)?col>\s*(\d+).*?"
    rb"(?:<(?:[\w.-]+:)?to>\s*<(?:[\w.-]+:)?col>\s*(\d+)|<(?:[\w.-]+:)?ext\s[^<>]*?cx=\"(\d+)\")",
    re.DOTALL,
)
_COLUMN_WIDTH: Final = 609_600  # of a column in a drawing's units (EMU) where nobody changed it
_BEFORE_FORMATS: Final = ("numFmts", "fonts", "fills", "borders", "cellStyleXfs", "cellXfs", "cellStyles")


class Area(NamedTuple):
    """Columns from 0 and rows from 1, all inclusive."""

    left: int
    top: int
    right: int
    bottom: int


class _Relation(NamedTuple):
    id: str
    type: str
    part: str

    @property
    def kind(self) -> str:
        return self.type.rpartition("/")[2]


def area(reference: str) -> Area | None:
    """Return the cells that ``A1`` or ``A1:C5`` names, ``None`` for what names none."""
    found = _AREA.fullmatch(reference.strip())
    if found is None:
        return None
    left, top = column_index(found[1]), int(found[2])
    return Area(left, top, column_index(found[3]) if found[3] else left, int(found[4]) if found[4] else top)


class Book:
    """A workbook whose parts are changed: ``changed`` by part name, ``added`` by the name in the archive, ``removed``.

    Raises ``CannotPatchError`` where the workbook is signed, or has macros that a file named ``.xlsx`` may not have.
    """

    def __init__(self, archive: zipfile.ZipFile, path: Path, tab: str, *, macros: bool) -> None:
        self.entries = {part_name(entry.filename): entry for entry in archive.infolist()}
        self.changed: dict[str, bytes] = {}
        self.removed: set[str] = set()
        self._archive, self._path, self._tab = archive, path, tab
        if any(part.startswith("_xmlsignatures/") for part in self.entries):
            raise CannotPatchError("it is signed, and a changed copy would not be")
        self._main = next((one.part for one in self._relations("") if one.kind == "officeDocument"), "xl/workbook.xml")
        self._book, self._types = self.document(self._main), self.document(_TYPES)
        self._related = self._relations(self._main)
        self._name_the_kind(macros=macros)
        self._sheets = {one.attributes["name"]: self._part_of(one) for one in self._listed()}
        if tab not in self._sheets:
            raise CannotPatchError(f"it has no tab {tab!r} any more")
        self.part = self._sheets[tab]

    def open(self, part: str) -> IO[bytes]:
        return self._archive.open(self.entries[part])

    def document(self, part: str) -> Document:
        """Return a small part as it is by now."""
        return Document(self.changed.get(part) or self._archive.read(self.entries[part]))

    def taken(self) -> Iterator[range]:
        """Yield the columns that tables, pivot tables, charts, pictures and shapes of the tab stand over."""
        for one in self._relations(self.part):
            if one.part not in self.entries:
                continue
            if one.kind in ("table", "pivotTable"):
                root = self.document(one.part)
                holder = root.root if one.kind == "table" else root.child("location")
                found = area(holder.attributes.get("ref", "")) if holder else None
                if found:
                    yield range(found.left, found.right + 1)
            elif one.kind == "drawing":
                for kind, start, end, width in _ANCHOR.findall(self._archive.read(self.entries[one.part])):
                    last = int(end or 0) if kind == b"twoCell" else int(start) + int(width or 0) // _COLUMN_WIDTH
                    yield range(int(start), last + 1)

    def failed_tab(self) -> str:
        """Return the part of the tab ``Failed rows``, an old one or a new one; one that is not ours is left alone."""
        names = {name.casefold(): part for name, part in self._sheets.items()}
        for number in range(1, len(names) + 2):
            name = FAILED_TAB if number == 1 else f"{FAILED_TAB} {number}"
            part = names.get(name.casefold())
            if part is None:
                return self._add_tab(name)
            if part != self.part and self._is_ours(name, part):
                folder, file = posixpath.split(part)
                self.removed.add(f"{folder}/_rels/{file}.rels")
                return part
        raise CannotPatchError(f"it has too many tabs named {FAILED_TAB}")

    def formats(self) -> int | None:
        """Return the number of the first of our colours among the workbook's formats; ``None`` where it has no styles at all."""
        styles = next((one.part for one in self._related if one.kind == "styles" and one.part in self.entries), None)
        if styles is None:
            return None
        document = self.document(styles)
        own = [_prefixed(text, document.root.prefix).encode() for text in FORMATS]
        formats = document.child("dxfs")
        there = [document.text(one) for one in document.inside(formats)] if formats else []
        for place in range(len(there) - len(own), -1, -1):
            if there[place : place + len(own)] == own:
                return place
        if formats:
            tag = document.xml[formats.start : formats.opened]
            counted = re.sub(rb'\scount="\d+"', f' count="{len(there) + len(own)}"'.encode(), tag)
            if formats.empty:
                counted = counted[:-2] + b">"
            start, end, text = document.appended(formats, b"".join(own))
            edits = (
                [(formats.start, formats.opened, counted + text)]
                if formats.empty
                else [(formats.start, formats.opened, counted), (start, end, text)]
            )
        else:
            name = f"{document.root.prefix}dxfs"
            text = f'<{name} count="{len(own)}">'.encode() + b"".join(own) + f"</{name}>".encode()
            before = [one.end for one in document.inside(document.root) if one.name in _BEFORE_FORMATS]
            at = max(before, default=document.root.opened)
            edits = [(at, at, text)]
        self.changed[styles] = edited(document.xml, edits)
        return len(there)

    def _relations(self, part: str) -> list[_Relation]:
        folder, name = posixpath.split(part)
        source = posixpath.join(folder, "_rels", f"{name}.rels")
        if source not in self.entries:
            return []
        document = self.document(source)
        return [
            _Relation(
                one.attributes["Id"],
                one.attributes["Type"],
                part_name(posixpath.normpath(posixpath.join("/", folder, one.attributes["Target"]))),
            )
            for one in document.inside(document.root, "Relationship")
            if one.attributes.get("TargetMode") != "External"
        ]

    def _listed(self) -> list[Element]:
        sheets = self._book.child("sheets")
        return self._book.inside(sheets, "sheet") if sheets else []

    def _part_of(self, sheet: Element) -> str:
        wanted = next((value for key, value in sheet.attributes.items() if key.endswith(":id")), None)
        return next((one.part for one in self._related if one.id == wanted), "")

    def _override(self, part: str) -> Element | None:
        found = self._types.inside(self._types.root, "Override")
        return next((one for one in found if part_name(one.attributes["PartName"]) == part), None)

    def _name_the_kind(self, *, macros: bool) -> None:
        """Make the type of the workbook the one that its new name demands (a template becomes a workbook)."""
        one = self._override(self._main)
        if one is None:
            return
        kind = one.attributes["ContentType"]
        if "macroenabled" in kind.lower() and not macros:
            raise CannotPatchError("its macros may not be in a file named .xlsx (give a name that ends in .xlsm with -o)")
        wanted = _MACRO_TYPE if macros else _WORKBOOK_TYPE
        if kind != wanted:
            tag = self._types.text(one).replace(kind.encode(), wanted.encode())
            self._change(_TYPES, edited(self._types.xml, [(one.start, one.end, tag)]))

    def _change(self, part: str, xml: bytes) -> None:
        self.changed[part] = xml
        if part == _TYPES:
            self._types = Document(xml)

    def _add_tab(self, name: str) -> str:
        listed = self._listed()
        sheets, like = self._book.child("sheets"), next(one for one in listed if one.attributes["name"] == self._tab)
        related = self.document(posixpath.join(*self._rels_of(self._main)))
        number = next(n for n in range(1, len(self.entries) + 2) if self._new_part(n) not in self.entries)
        part, new_id = self._new_part(number), f"rIdFailedRows{number}"
        reference = next(key for key in like.attributes if key.endswith(":id"))
        new_sheet_id = 1 + max(int(one.attributes.get("sheetId", 0)) for one in listed)
        bound = "".join(f" {key}={quoteattr(value)}" for key, value in like.attributes.items() if key.startswith("xmlns"))
        tag = f'<{like.prefix}sheet{bound} name={quoteattr(name)} sheetId="{new_sheet_id}" {reference}="{new_id}"/>'
        if sheets is None:
            raise CannotPatchError("it lists no tabs")
        self._change(self._main, edited(self._book.xml, [self._book.appended(sheets, tag.encode())]))
        kind = next(one.type for one in self._related if one.part == self.part)
        target = posixpath.relpath(part, posixpath.dirname(self._main))
        tag = f'<{related.root.prefix}Relationship Id="{new_id}" Type="{kind}" Target="{target}"/>'
        self._change("/".join(self._rels_of(self._main)), edited(related.xml, [related.appended(related.root, tag.encode())]))
        tag = f'<{self._types.root.prefix}Override PartName="/{part}" ContentType="{_SHEET_TYPE}"/>'
        self._change(_TYPES, edited(self._types.xml, [self._types.appended(self._types.root, tag.encode())]))
        return part

    @staticmethod
    def _rels_of(part: str) -> tuple[str, str, str]:
        folder, name = posixpath.split(part)
        return folder, "_rels", f"{name}.rels"

    def _new_part(self, number: int) -> str:
        return f"{posixpath.dirname(self._main)}/worksheets/sheet{number}.xml"

    def _is_ours(self, name: str, part: str) -> bool:
        """Whether a tab holds results and no formula that other parts know of."""
        try:
            rows = read_tab(self._path, name, until=SEARCHED_ROWS).rows
            if not any(result_places([header_text(cell) for cell in cells]) for _, cells in rows):
                return False
            with self.open(part) as stream:
                found = RowStream(stream)
                return not any(found.tags.formula.search(block) for block in found.blocks())
        except SheetError:
            return False


def part_name(name: str) -> str:
    """Part names know no case, and some writers use backslashes."""
    return name.replace("\\", "/").lstrip("/").lower()


def _prefixed(xml: str, prefix: str) -> str:
    return re.sub("<(/?)", rf"<\1{prefix}", xml) if prefix else xml

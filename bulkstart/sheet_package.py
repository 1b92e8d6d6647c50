"""A workbook's zip archive: its parts by name, what they refer to, and the bombs among them."""

from __future__ import annotations

import posixpath
import zipfile
from pathlib import Path
from typing import IO, Final

from bulkstart.errors import SheetError
from bulkstart.sheet_xml import elements

MAX_UNPACKED: Final = 1_500_000_000
_SWOLLEN: Final = ((20_000_000, 200), (100_000_000, 50))
"""Bytes unpacked, and how many times the packed ones they may be from there on; harmless small files of blanks reach high ratios."""
_MAX_PARTS: Final = 20_000


class Package:
    """An open archive. ``parts`` by normalised name. Raises ``SheetError`` for bombs and for encrypted parts."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self.path = path
        self.parts = {part_name(entry.filename): entry for entry in archive.infolist()}
        self._archive = archive
        self._check_size(archive.infolist())

    def open(self, part: str) -> IO[bytes]:
        """Open a part. Raises ``KeyError`` where it is not there, and what ``zipfile`` raises."""
        return self._archive.open(self.parts[part])

    def beginning(self, part: str) -> bytes:
        """Return the first million bytes of a part."""
        with self.open(part) as stream:
            return stream.read(1_000_000)

    def main_part(self) -> str:
        """Return the part that the archive names as its document; the usual one where it names none."""
        return next((target for kind, target in self.relations("").values() if kind == "officeDocument"), "xl/workbook.xml")

    def relations(self, part: str) -> dict[str, tuple[str, str]]:
        """Return what a part refers to inside the package: relation id → (last word of the type, part name)."""
        folder, name = posixpath.split(part)
        source = posixpath.join(folder, "_rels", f"{name}.rels")
        if source not in self.parts:
            return {}
        with self.open(source) as stream:
            found = [attributes for kind, attributes in elements(stream) if kind == "Relationship"]
        return {
            one["Id"]: (
                one["Type"].rpartition("/")[2],
                part_name(posixpath.normpath(posixpath.join("/", folder, one["Target"]))),
            )
            for one in found
            if one.get("TargetMode") != "External"
        }

    def only(self, related: dict[str, tuple[str, str]], relation: str) -> str | None:
        """Return the one part that is referred to as such, if it is there."""
        return next((part for kind, part in related.values() if kind == relation and part in self.parts), None)

    def foreign_kind(self) -> str:
        """Return what an archive is that holds no workbook."""
        kinds = {"word/": "a Word document", "ppt/": "a PowerPoint document", "index/": "an Apple Numbers document"}
        return next(
            (name for start, name in kinds.items() if any(part.startswith(start) for part in self.parts)),
            "a zip archive, not a workbook",
        )

    def _check_size(self, entries: list[zipfile.ZipInfo]) -> None:
        """Refuse what would unpack to more than memory should hold, before anything is unpacked (libraries 12)."""
        unpacked = sum(entry.file_size for entry in entries)
        swollen = any(entry.file_size > max(size, ratio * entry.compress_size) for entry in entries for size, ratio in _SWOLLEN)
        if unpacked > MAX_UNPACKED or len(entries) > _MAX_PARTS or swollen:
            raise SheetError(
                f"it would unpack to {unpacked:,} bytes in {len(entries):,} parts, more than any honest sheet of its size"
            )
        if any(entry.flag_bits & 1 for entry in entries):
            raise SheetError(f"{self.path} is protected by a password; save it without one, then give that file")


def part_name(name: str) -> str:
    """Part names know no case, and some writers use backslashes."""
    return name.replace("\\", "/").lstrip("/").lower()

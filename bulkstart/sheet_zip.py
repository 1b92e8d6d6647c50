"""Copies the parts of a zip archive byte for byte, without unpacking them."""

from __future__ import annotations

import copy
import struct
import zipfile
from typing import BinaryIO, Final, cast

_LOCAL: Final = struct.Struct("<4s22xHH")
_DESCRIPTOR: Final = 0x08  # the flag that sizes stand behind the bytes: here they are known
_ZIP64: Final = 1
_BLOCK: Final = 1 << 20


def copy_part(source: BinaryIO, entry: zipfile.ZipInfo, package: zipfile.ZipFile) -> None:
    """Copy one part with its packed bytes as they stand, its name, date and attributes, to the end of an archive being written.

    Raises ``zipfile.BadZipFile`` where the part is not where the archive's directory says.
    """
    source.seek(entry.header_offset)
    header = source.read(_LOCAL.size)
    if len(header) != _LOCAL.size or not header.startswith(b"PK\x03\x04"):
        raise zipfile.BadZipFile(f"no part {entry.filename!r} where it should be")
    _, name, extra = _LOCAL.unpack(header)
    source.seek(name + extra, 1)
    own = copy.copy(entry)
    own.flag_bits &= ~_DESCRIPTOR
    own.extra = _without_zip64(entry.extra)
    target = cast("BinaryIO", package.fp)
    own.header_offset = package.start_dir
    target.seek(package.start_dir)
    target.write(own.FileHeader())
    _copy(source, target, own)
    package.start_dir = target.tell()
    package.filelist.append(own)
    package.NameToInfo[own.filename] = own


def _copy(source: BinaryIO, target: BinaryIO, entry: zipfile.ZipInfo) -> None:
    left = entry.compress_size
    while left:
        block = source.read(min(left, _BLOCK))
        if not block:
            raise zipfile.BadZipFile(f"part {entry.filename!r} is cut off")
        target.write(block)
        left -= len(block)


def _without_zip64(extra: bytes) -> bytes:
    """Return an entry's extra fields without the one of its sizes, which is written anew where it is needed."""
    kept, at = b"", 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        if kind != _ZIP64:
            kept += extra[at : at + 4 + size]
        at += 4 + size
    return kept

from __future__ import annotations

import random
import struct

import pytest

from bulkstart.errors import SheetError
from bulkstart.sheet_ole import CompoundFile
from tests.old_files import compound


@pytest.mark.parametrize("sector", [512, 4096])
def test_streams_are_found_by_name(sector: int) -> None:
    streams = {"Workbook": bytes(range(256)) * 40, "Other": b"x" * 5000}
    file = CompoundFile(compound(streams, sector))
    assert {name: file.stream(name) for name in file.streams} == streams


def test_long_files_name_their_tables_in_sectors_of_their_own() -> None:
    long = random.Random(1).randbytes(17_000_000)
    assert CompoundFile(compound({"Workbook": long, "Other": b"x" * 5000})).stream("Workbook") == long


def test_a_short_stream_lies_in_the_root_entry() -> None:
    raw = bytearray(compound({"Workbook": b"w" * 5000, "Small": b"s" * 4096}))
    directory = 512 + struct.unpack_from("<I", raw, 48)[0] * 512
    small = struct.unpack_from("<I", raw, directory + 2 * 128 + 116)[0]
    raw[512 * (1 + small) :][:64] = b""
    raw[512 * (1 + small) + 64 : 512 * (1 + small) + 128] = b"t" * 64
    struct.pack_into("<II", raw, directory + 116, small, 4096)  # the root's own stream: that of "Small"
    struct.pack_into("<II", raw, directory + 2 * 128 + 116, 1, 100)  # "Small" itself: 100 bytes from its second short sector
    table_at = 512 + struct.unpack_from("<I", raw, 76)[0] * 512
    free = struct.unpack_from("<I", raw, 48)[0] + 2
    raw += bytes(512)
    last = (len(raw) - 512) // 512 - 1
    assert last >= free
    struct.pack_into("<64I", raw, 512 * (last + 1), 0xFFFFFFFF, 2, 0xFFFFFFFE, *[0xFFFFFFFF] * 61)
    struct.pack_into("<I", raw, table_at + 4 * last, 0xFFFFFFFE)
    struct.pack_into("<I", raw, 60, last)
    assert CompoundFile(bytes(raw)).stream("Small") == b"t" * 64 + b"s" * 36


def test_sectors_in_a_circle_are_an_error_and_no_hang() -> None:
    raw = bytearray(compound({"Workbook": b"w" * 6000}))
    table_at = 512 + struct.unpack_from("<I", raw, 76)[0] * 512
    struct.pack_into("<I", raw, table_at + 4 * 3, 0)
    with pytest.raises(SheetError, match="circle"):
        CompoundFile(bytes(raw)).stream("Workbook")


def test_sector_tables_in_a_circle_are_no_hang() -> None:
    raw = bytearray(compound({"Workbook": b"w" * 6000}))
    raw += struct.pack("<128I", *[7] * 127, len(raw) // 512 - 1)
    struct.pack_into("<II", raw, 68, len(raw) // 512 - 2, 5)
    struct.pack_into("<I", raw, 44, 1000)
    assert CompoundFile(bytes(raw)).stream("Workbook") == b"w" * 6000, "what is needed stands in the first table"


@pytest.mark.parametrize("size", [0, 8, 70, 600, 3000, 6000])
def test_what_is_cut_off_is_an_error(size: int) -> None:
    raw = compound({"Workbook": b"w" * 6000})
    with pytest.raises((SheetError, struct.error, IndexError, KeyError)):
        CompoundFile(raw[:size]).stream("Workbook")


def test_any_changed_byte_is_read_or_refused_in_time() -> None:
    chance = random.Random(6)
    whole = compound({"Workbook": b"w" * 6000})
    for _ in range(500):
        raw = bytearray(whole)
        for _ in range(3):
            raw[chance.choice((chance.randrange(512), chance.randrange(len(raw))))] = chance.randrange(256)
        try:
            found = CompoundFile(bytes(raw)).stream("Workbook")
        except (SheetError, struct.error, IndexError, KeyError):
            continue
        assert len(found) <= len(raw)

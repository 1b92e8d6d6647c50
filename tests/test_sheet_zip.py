from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from bulkstart.sheet_zip import copy_part


def _copied(path: Path) -> bytes:
    made = io.BytesIO()
    with path.open("rb") as raw, zipfile.ZipFile(raw) as source, zipfile.ZipFile(made, "w") as target:
        for entry in source.infolist():
            copy_part(raw, entry, target)
        target.writestr("new.txt", "new")
    return made.getvalue()


class _Pipe(io.RawIOBase):
    """What cannot be sought: zipfile writes the sizes behind each part then."""

    def __init__(self) -> None:
        self.got = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.got += bytes(data)  # type: ignore[call-overload]
        return len(bytes(data))  # type: ignore[call-overload]


@pytest.mark.parametrize("streamed", [False, True])
def test_parts_keep_bytes_packing_names_dates_and_attributes(tmp_path: Path, *, streamed: bool) -> None:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe if streamed else tmp_path / "a.zip", "w") as made:
        for number, (name, packing) in enumerate(
            [("xl/лист.xml", zipfile.ZIP_DEFLATED), ("a\\b.bin", zipfile.ZIP_STORED), ("c.xml", zipfile.ZIP_BZIP2), ("d/", 0)]
        ):
            entry = zipfile.ZipInfo(name, (2001, 2, 3, 4, 5, 6))
            entry.compress_type, entry.external_attr, entry.comment = packing, number << 16, b"c"
            made.writestr(entry, f"{name} " * 1000 if number < 3 else "")
    if streamed:
        (tmp_path / "a.zip").write_bytes(pipe.got)
    copy = zipfile.ZipFile(io.BytesIO(_copied(tmp_path / "a.zip")))
    assert copy.testzip() is None
    with zipfile.ZipFile(tmp_path / "a.zip") as source:
        for before, after in zip(source.infolist(), copy.infolist(), strict=False):
            assert copy.read(after) == source.read(before)
            for name in ("filename", "date_time", "external_attr", "comment", "compress_type", "compress_size", "CRC"):
                assert getattr(before, name) == getattr(after, name)
    assert copy.read("new.txt") == b"new"


def test_a_part_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr("a", "x" * 100)
    raw = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(raw.replace(b"PK\x03\x04", b"PK\x03\x05", 1))
    with pytest.raises(zipfile.BadZipFile, match="should be"):
        _copied(tmp_path / "a.zip")

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from bulkstart.errors import SheetError
from bulkstart.sheet_bytes import format_of

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"\x09\x08\x10\x00\x00\x06\x05\x00", "Excel 5"),
        (b"<?xml version='1.0'?><Workbook xmlns='urn:schemas-microsoft-com:office:spreadsheet'>", "2003 XML"),
        (b"<?xml version='1.0'?><deals/>", "an XML document"),
        (b'{"result": []}', "JSON"),
        (b"%PDF-1.7", "PDF"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"MIME-Version: 1.0", "web archive"),
    ],
)
def test_what_is_no_sheet_is_named_by_its_bytes_whatever_its_name(tmp_path: Path, head: bytes, said: str) -> None:
    for name in ("deals.xlsx", "deals.csv", "deals.xls"):
        (tmp_path / name).write_bytes(head)
        with pytest.raises(SheetError, match=said) as caught:
            format_of(tmp_path / name)
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (OLE, "ole"),
        (b"\xef\xbb\xbf<meta http-equiv='Content-type'/><table><tr>", "html"),
        (b"\n <HTML><body>", "html"),
        ("\ufeff<table>".encode("utf-16-le"), "html"),
        ("\ufeffID\tTitle\n".encode("utf-16-le"), "csv"),
        (b"PK\x03\x04", "zip"),
    ],
)
def test_the_format_is_told_by_the_bytes_whatever_the_name(tmp_path: Path, head: bytes, kind: str) -> None:
    for name in ("deals.xlsx", "deals.csv", "deals.xls"):
        (tmp_path / name).write_bytes(head)
        assert format_of(tmp_path / name) == kind


@pytest.mark.parametrize("text", ["ID;Title\n1;<a href='x'>y</a>\n", "<b>ID</b>;Title\n", "[x],ID\n", "BMW,ID\n"])
def test_markup_in_a_cell_does_not_make_a_csv_file_html(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.xls").write_text(text)
    assert format_of(tmp_path / "x.xls") == "csv"


def test_a_zip_is_a_workbook_until_its_parts_are_seen(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.csv", "w") as package:
        package.writestr("a", "b")
    assert format_of(tmp_path / "x.csv") == "zip"


def test_paths_that_cannot_be_read_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "~$deals.xlsx").write_bytes(b"x")
    for path, said in (
        (tmp_path / "none.xlsx", "does not exist"),
        (tmp_path, "is a folder"),
        (tmp_path / "empty.csv", "is empty"),
        (tmp_path / "~$deals.xlsx", r"lock file .* deals\.xlsx"),
        (Path("a\0b"), "cannot be opened|does not exist"),
    ):
        with pytest.raises(SheetError, match=said):
            format_of(path)


def test_a_device_is_no_sheet() -> None:
    with pytest.raises(SheetError, match="regular file"):
        format_of(Path("/dev/null"))


def test_a_file_that_is_too_big_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    with path.open("wb") as file:
        file.write(b"ID;Title\n")
        file.truncate(600_000_000)
    with pytest.raises(SheetError, match="600,000,000 bytes"):
        format_of(path)

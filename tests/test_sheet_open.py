from __future__ import annotations

import random
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from bulkstart.errors import SheetError
from bulkstart.sheet import read_sheet, write_sheet
from bulkstart.sheet_bytes import format_of
from bulkstart.sheet_open import open_tab
from tests.old_files import bitrix_html, ods, ods_row, table, xls, xlsb
from tests.sheet_files import HEADER, workbook

CELLS = table(("ID", "T"), (5141, "a"), (5142, "b"), (5143, "c"))
ROWS = "".join(
    ods_row(f"office:value-type='float' office:value='{n}'>{n}", text) for n, text in ((5141, "a"), (5142, "b"), (5143, "c"))
)


def _file(kind: str, folder: Path, name: str = "deals.xls") -> Path:
    path = folder / name
    if kind == "html":
        path.write_text(bitrix_html(("ID", "T"), [["5141", "a"], ["5142", "b"], ["5143", "c"]]), encoding="utf-8-sig")
    elif kind == "xlsx":
        rows = "".join(f'<row r="{n}"><c r="A{n}"><v>{5139 + n}</v></c></row>' for n in (2, 3, 4))
        workbook(path, HEADER + rows)
    else:
        {"xls": xls, "xlsb": xlsb}[kind](path, CELLS) if kind != "ods" else ods(path, ods_row("ID", "T") + ROWS)
    return path


@pytest.mark.parametrize("name", ["deals.xlsx", "deals.xls", "deals.csv", "deals"])
@pytest.mark.parametrize("kind", ["xlsx", "xlsb", "xls", "ods", "html"])
def test_the_bytes_decide_and_never_the_name(tmp_path: Path, kind: str, name: str) -> None:
    frame = read_sheet(_file(kind, tmp_path, name))
    assert frame.attrs["sheet"].format == kind
    assert frame["ID"].map(str).tolist() == ["5141", "5142", "5143"]


@pytest.mark.parametrize("kind", ["xlsb", "xls", "ods", "html"])
def test_results_are_a_plain_workbook_in_place_and_one_line_says_so(tmp_path: Path, kind: str) -> None:
    path = _file(kind, tmp_path)
    before = path.read_bytes()
    frame = read_sheet(path)
    frame["note"] = "x"
    notes = write_sheet(frame, tmp_path / "out.xlsx", source=path)
    assert [note for note in notes if "plain workbook" in note and kind in note] == notes[:1]
    again = read_sheet(tmp_path / "out.xlsx")
    assert (again.to_numpy().tolist(), again.index.tolist()) == (frame.to_numpy().tolist(), frame.index.tolist())
    assert path.read_bytes() == before


def test_rows_behind_the_last_wanted_one_are_left_out(tmp_path: Path) -> None:
    for kind in ("xlsb", "xls", "ods", "html"):
        path = _file(kind, tmp_path)
        assert [number for number, _ in open_tab(path, format_of(path), None, until=2)[1].rows] == [1, 2]


def test_documents_that_are_no_spreadsheet_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.ods", "w") as package:
        package.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        package.writestr("content.xml", "<x/>")
    with pytest.raises(SheetError, match="no spreadsheet"):
        read_sheet(tmp_path / "x.ods")


def _mangled(raw: bytes, chance: random.Random) -> bytes:
    changed = bytearray(raw)
    for _ in range(chance.randrange(1, 12) if raw else 0):
        if not changed:
            break
        at = chance.randrange(len(changed))
        if chance.random() < 0.2:
            del changed[at : at + chance.randrange(1, 40)]
        else:
            changed[at] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
    return bytes(changed) or b"x"


@pytest.mark.parametrize("kind", ["xlsb", "xls", "ods", "html"])
def test_any_mangled_file_is_read_or_refused_in_one_sentence(tmp_path: Path, kind: str) -> None:
    chance = random.Random(kind)
    path = _file(kind, tmp_path)
    raw = path.read_bytes()
    packed = {}
    if kind in ("xlsb", "ods"):
        with zipfile.ZipFile(path) as package:
            packed = {name: package.read(name) for name in package.namelist()}
    for _ in range(300):
        if packed:  # within the archive, where its check sums do not help
            name = chance.choice([name for name, content in packed.items() if content])
            with zipfile.ZipFile(path, "w") as package:
                for part, content in packed.items():
                    package.writestr(part, _mangled(content, chance) if part == name else content)
        else:
            path.write_bytes(_mangled(raw, chance))
        with suppress(SheetError):
            read_sheet(path)

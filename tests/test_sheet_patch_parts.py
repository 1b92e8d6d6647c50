from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bulkstart.sheet_colours import FORMATS
from bulkstart.sheet_patch_parts import Area, Book, area, part_name
from bulkstart.sheet_spans import CannotPatchError
from tests.rich_workbook import rich
from tests.sheet_files import HEADER, workbook

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
ROWS = HEADER + '<row r="2"><c r="A2"><v>1</v></c></row>'
STYLES = "xl/styles.xml"


@contextmanager
def book_of(path: Path, tab: str = "Deals", *, macros: bool = False) -> Iterator[Book]:
    with zipfile.ZipFile(path) as archive:
        yield Book(archive, path, tab, macros=macros)


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("A1", Area(0, 1, 0, 1)),
        ("$B$3:AA17", Area(1, 3, 26, 17)),
        ("A:C", None),
        ("Sheet!A1", None),
        ("", None),
    ],
)
def test_areas_are_read(reference: str, found: Area | None) -> None:
    assert area(reference) == found


def test_part_names_know_no_case_and_no_backslashes() -> None:
    assert part_name("\\xl\\Workbook.XML") == part_name("xl/workbook.xml") == "xl/workbook.xml"


@pytest.mark.parametrize(
    ("formats", "first", "count"),
    [
        ('<cellXfs count="1"><xf/></cellXfs>', 0, "4"),
        ('<cellXfs count="1"><xf/></cellXfs><dxfs count="0"/><colors/>', 0, "4"),
        ('<dxfs count="1"><dxf><font/></dxf></dxfs><tableStyles/>', 1, "5"),
        (f'<dxfs count="5"><dxf/>{"".join(FORMATS)}</dxfs>', 1, "5"),
    ],
)
def test_colours_are_added_behind_the_workbooks_own_formats_once(tmp_path: Path, formats: str, first: int, count: str) -> None:
    path = workbook(tmp_path / "d.xlsx", ROWS, parts={STYLES: f"<styleSheet {MAIN}>{formats}</styleSheet>"})
    with book_of(path) as book:
        assert book.formats() == first
        document = book.document(STYLES)
        assert book.formats() == first
        assert book.document(STYLES).xml == document.xml
    dxfs = document.child("dxfs")
    assert dxfs is not None
    assert dxfs.attributes["count"] == count
    assert [document.text(one).decode() for one in document.inside(dxfs)][first:] == list(FORMATS)
    assert [one.name for one in document.inside(document.root)] in (
        ["cellXfs", "dxfs"],
        ["cellXfs", "dxfs", "colors"],
        ["dxfs"],
        ["dxfs", "tableStyles"],
    )


def test_a_workbook_without_styles_gets_no_colours(tmp_path: Path) -> None:
    with book_of(workbook(tmp_path / "d.xlsx", ROWS, parts={"xl/_rels/workbook.xml.rels": "<Relationships/>"})) as book:
        assert book.formats() is None


def test_the_new_tab_is_listed_last_with_numbers_that_are_free(tmp_path: Path) -> None:
    with book_of(rich(tmp_path / "d.xlsx")) as book:
        part = book.failed_tab()
        assert part == "xl/worksheets/sheet4.xml"
        workbook_part, related = book.document("xl/workbook.xml"), book.document("xl/_rels/workbook.xml.rels")
        types = book.document("[content_types].xml")
    sheets = workbook_part.child("sheets")
    assert sheets is not None
    listed = [one.attributes for one in workbook_part.inside(sheets)]
    assert listed[-1]["name"] == "Failed rows"
    assert len({one["sheetId"] for one in listed}) == 4
    target = {one.attributes["Id"]: one.attributes["Target"] for one in related.inside(related.root)}
    assert target[next(value for key, value in listed[-1].items() if key.endswith(":id"))] == "worksheets/sheet4.xml"
    assert [one.attributes["PartName"] for one in types.inside(types.root, "Override")][-1] == f"/{part}"


def test_columns_under_tables_pivots_and_drawings_are_taken(tmp_path: Path) -> None:
    with book_of(rich(tmp_path / "d.xlsx")) as book:
        assert range(7, 10) in list(book.taken())  # the shape
    with book_of(tmp_path / "d.xlsx", "Side") as book:
        assert list(book.taken()) == [range(2)]


def test_what_may_not_be_changed_is_said(tmp_path: Path) -> None:
    signed = workbook(tmp_path / "s.xlsx", ROWS, parts={"_xmlsignatures/sig1.xml": "<Signature/>"})
    with pytest.raises(CannotPatchError, match="signed"), book_of(signed):
        pass
    with pytest.raises(CannotPatchError, match="no tab 'Won'"), book_of(workbook(tmp_path / "d.xlsx", ROWS), "Won"):
        pass


def test_the_kind_of_the_workbook_follows_its_new_name(tmp_path: Path) -> None:
    kinds = {}
    for macros in (False, True):
        types = '<Types><Override PartName="/XL/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>'
        with book_of(workbook(tmp_path / "d.xlsx", ROWS, parts={"[Content_Types].xml": types}), macros=macros) as book:
            found = book.document("[content_types].xml")
            kinds[macros] = found.inside(found.root)[0].attributes["ContentType"]
    assert kinds[False].endswith("spreadsheetml.sheet.main+xml")
    assert kinds[True] == "application/vnd.ms-excel.sheet.macroEnabled.main+xml"

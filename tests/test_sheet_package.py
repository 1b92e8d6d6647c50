from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from bulkstart.errors import SheetError
from bulkstart.sheet_package import Package, part_name


def _package(path: Path, parts: dict[str, str | bytes]) -> Package:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return Package(zipfile.ZipFile(path), path)


def test_part_names_know_no_case_and_no_backslash(tmp_path: Path) -> None:
    assert part_name(r"\XL\Workbook.XML") == "xl/workbook.xml"
    assert _package(tmp_path / "x", {r"XL\Workbook.xml": "abc"}).beginning("xl/workbook.xml") == b"abc"


def test_relations_lead_to_parts_and_never_outside(tmp_path: Path) -> None:
    rels = (
        '<R><Relationship Id="a" Type="u/officeDocument" Target="xl/w.xml"/>'
        '<Relationship Id="b" Type="u/image" Target="http://127.0.0.1/x" TargetMode="External"/></R>'
    )
    inner = '<R><Relationship Id="s" Type="u/styles" Target="../S.xml"/><Relationship Id="t" Type="u/x" Target="/xl/t.xml"/></R>'
    package = _package(tmp_path / "x", {"_rels/.rels": rels, "xl/w.xml": "", "xl/_rels/w.xml.rels": inner, "s.xml": ""})
    assert package.main_part() == "xl/w.xml"
    assert package.relations("") == {"a": ("officeDocument", "xl/w.xml")}
    related = package.relations("xl/w.xml")
    assert related == {"s": ("styles", "s.xml"), "t": ("x", "xl/t.xml")}
    assert (package.only(related, "styles"), package.only(related, "x")) == ("s.xml", None)


@pytest.mark.parametrize(
    ("size", "refused"), [(19_000_000, False), (21_000_000, True)], ids=["small and harmless", "swollen two hundred times"]
)
def test_a_part_that_swells_is_refused_from_a_size_on(tmp_path: Path, size: int, refused: bool) -> None:
    if not refused:
        _package(tmp_path / "x", {"a": bytes(size)})
        return
    with pytest.raises(SheetError, match="would unpack to"):
        _package(tmp_path / "x", {"a": bytes(size)})


def test_a_hundred_million_bytes_may_swell_less(tmp_path: Path) -> None:
    piece = bytes(range(256)) * 4 + bytes(80_000)
    with pytest.raises(SheetError, match="would unpack to"):
        _package(tmp_path / "x", {"a": piece * 1_300})


def test_foreign_archives_are_named(tmp_path: Path) -> None:
    kinds = {"word/document.xml": "Word", "Index/Document.iwa": "Numbers", "a.txt": "a zip archive"}
    for name, said in kinds.items():
        assert said in _package(tmp_path / "x", {name: ""}).foreign_kind()

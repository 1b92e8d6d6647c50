"""Any workbook with anything in it: results come into it, twice, and nothing else of it changes (issue 6, property tests)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkstart.model import Outcome
from bulkstart.result_columns import RESULT_COLUMNS, Status
from bulkstart.results import results_frame
from bulkstart.sheet import read_sheet, write_sheet
from bulkstart.sheet_write_xlsx import FAILED
from tests.rich_workbook import OTHER_PARTS, parts
from tests.sheet_files import workbook, worksheet

MAIN = "xl/worksheets/sheet1.xml"
CHANGED = {MAIN, "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "[Content_Types].xml", "xl/styles.xml"}
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
TYPES = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>'
X14 = (
    '<extLst><ext xmlns:x14="u" uri="{78C0D931-6437-407d-A8EE-F0AAD7539E65}"><x14:conditionalFormattings><x14:conditionalFormatting>'
    '<x14:cfRule type="dataBar" priority="3" id="{0}"/></x14:conditionalFormatting></x14:conditionalFormattings></ext></extLst>'
)
BEHIND = {  # elements behind the rows, in the order that a worksheet has them
    "protection": '<sheetProtection sheet="1" objects="1"/>',
    "filter": '<autoFilter ref="A1:D9"/>',
    "merged": '<mergeCells count="1"><mergeCell ref="B30:C31"/></mergeCells>',
    "colours": '<conditionalFormatting sqref="B2:B9"><cfRule type="expression" dxfId="0" priority="9"><formula>1</formula></cfRule></conditionalFormatting>',
    "validation": '<dataValidations count="1"><dataValidation type="whole" sqref="A2:A9"/></dataValidations>',
    "links": f'<hyperlinks><hyperlink {_R} ref="B2" r:id="rId5"/></hyperlinks>',
    "drawing": f'<drawing {_R} r:id="rId1"/>',
    "notes": f'<legacyDrawing {_R} r:id="rId2"/>',
    "x14": X14,
}
RELATED = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Type="u/drawing" Target="../drawings/drawing1.xml"/>'
    '<Relationship Id="rId2" Type="u/vmlDrawing" Target="../drawings/vml1.vml"/>'
    '<Relationship Id="rId3" Type="u/pivotTable" Target="../pivotTables/pivotTable1.xml"/>'
    '<Relationship Id="rId4" Type="u/table" Target="../tables/table1.xml"/>'
    '<Relationship Id="rId5" Type="u/hyperlink" Target="https://example.org/" TargetMode="External"/></Relationships>'
)
PICTURES = {
    "xl/worksheets/_rels/sheet1.xml.rels": RELATED.encode(),
    "xl/drawings/drawing1.xml": b'<xdr:wsDr xmlns:xdr="u"><xdr:twoCellAnchor><xdr:from><xdr:col>5</xdr:col></xdr:from><xdr:to><xdr:col>7</xdr:col></xdr:to>'
    b'<xdr:sp macro="Run"><xdr:txBody>Press me</xdr:txBody></xdr:sp></xdr:twoCellAnchor></xdr:wsDr>',
    "xl/drawings/vml1.vml": b"<xml/>",
    "xl/charts/chart1.xml": b"<c:chartSpace/>",
    "xl/pivotTables/pivotTable1.xml": b'<pivotTableDefinition xmlns="u"><location ref="J3:K9"/></pivotTableDefinition>',
    "xl/tables/table1.xml": b'<table xmlns="u" id="1" ref="A1:D9" displayName="T"/>',
}
CELLS = (
    '<c r="{}" s="1"><v>46022</v></c>',
    '<c r="{}"><v>5</v></c>',
    '<c r="{}" t="inlineStr"><is><t xml:space="preserve"> &lt;a> r="B7" </t></is></c>',
    '<c r="{}" t="inlineStr"><is><r><rPr><b/></rPr><t>bold</t></r><r><t> text</t></r></is></c>',
    '<c r="{}" s="2" t="s"><v>1</v></c>',
    '<c r="{}"><f>A2*2</f><v>10</v></c>',
    '<c r="{}" cm="1"><f t="array" ref="{}">SUM(A2:A3)</f><v>3</v></c>',
    '<c r="{}" t="e"><v>#REF!</v></c>',
    '<c r="{}" t="b" vm="1"><v>1</v></c>',
    '<c r="{}" s="4"/>',
    "",
)
STRINGS = "<si><t>zero</t></si><si><r><t>shared </t></r><r><t>text</t></r></si>"
HEADER = '<row r="1" spans="1:4">{}</row>'.format(
    "".join(
        f'<c r="{name}1" t="inlineStr"><is><t>{text}</t></is></c>'
        for name, text in zip("ABCD", ("ID", "One", "Two", "Six"), strict=True)
    )
)
STATUSES = [Status.STARTED, Status.REFUSED, Status.INVALID, Status.IN_DOUBT, Status.NOT_ATTEMPTED]
_row = st.tuples(st.lists(st.sampled_from(range(len(CELLS))), min_size=3, max_size=3), st.integers(0, 2), st.booleans())
_outcomes = st.lists(st.sampled_from(STATUSES), min_size=8, max_size=8)


def rows_xml(rows: list[tuple[list[int], int, bool]]) -> str:
    pieces, number = [HEADER], 1
    for place, (cells, gap, spanned) in enumerate(rows):
        number += 1 + gap
        names = [f"{name}{number}" for name in "BCD"]
        made = "".join(CELLS[cell].replace("{}", name) for cell, name in zip(cells, names, strict=True))
        spans = ' spans="1:4" ht="20" customHeight="1"' if spanned else ""
        pieces.append(f'<row r="{number}"{spans}><c r="A{number}"><v>{7000 + place}</v></c>{made}</row>')
    return "".join(pieces)


def outcome(place: int, status: Status) -> Outcome:
    if status is Status.STARTED:
        return Outcome(place, status, f"69f0.{place:04}", attempts=1, started_at="2026-11-22T06:00:00.123+00:00")
    return Outcome(place, status, "", "CODE_" + status[:3], f"no <{place}> & =1+1, " + "long " * (place % 3), place)


def own_cells(xml: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """Every cell of the analyst's own columns, as it stands."""
    found = re.findall(rb'<c r="([A-D])([0-9]+)"[^>]*?(?:/>|>.*?</c>)', xml)
    whole = [one[0] for one in re.finditer(rb'<c r="[A-D][0-9]+"[^>]*?(?:/>|>.*?</c>)', xml)]
    return [(*place, text) for place, text in zip(found, whole, strict=True)]


def put(frame: pd.DataFrame, statuses: list[Status], target: Path, source: Path) -> pd.DataFrame:
    results = results_frame(frame, [outcome(place, statuses[place]) for place in range(len(frame))])
    notes = write_sheet(results, target, source=source)
    assert not [note for note in notes if "plain workbook" in note], notes
    return results


def same(found: pd.DataFrame, results: pd.DataFrame) -> None:
    for name in RESULT_COLUMNS:
        shown = found[name] if name in found else [""] * len(found)
        assert ["" if cell is None else cell for cell in shown] == results[name].tolist(), name


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(_row, min_size=1, max_size=8),
    behind=st.sets(st.sampled_from(sorted(BEHIND))),
    others=st.dictionaries(st.sampled_from(sorted(OTHER_PARTS)), st.binary(max_size=200), max_size=8),
    pictures=st.booleans(),
    macros=st.booleans(),
    statuses=_outcomes,
    later=_outcomes,
)
def test_results_come_and_are_replaced_and_nothing_else_changes(
    tmp_path: Path, rows: Any, behind: set[str], others: dict[str, bytes], pictures: bool, macros: bool, statuses: Any, later: Any
) -> None:
    ending = ".xlsm" if macros else ".xlsx"
    kept = [text for name, text in BEHIND.items() if name in behind and (pictures or name not in ("drawing", "notes", "links"))]
    tail = "".join(kept)
    xml = worksheet(rows_xml(rows)).replace("</worksheet>", f"{tail}</worksheet>")
    contents: dict[str, str | bytes] = {"[Content_Types].xml": TYPES, MAIN: xml, **(PICTURES if pictures else {}), **others}
    source = workbook(tmp_path / f"d{ending}", {"Deals": "", "Side": HEADER}, strings=STRINGS, parts=contents)
    frame = read_sheet(source, tab="Deals")
    first = put(frame, statuses, tmp_path / f"r{ending}", source)
    before, once = parts(source), parts(tmp_path / f"r{ending}")
    assert {name for name in before if before[name] != once.get(name)} <= CHANGED
    assert own_cells(once[MAIN]) == own_cells(before[MAIN])
    assert all(text.encode() in once[MAIN] for text in kept)
    found = read_sheet(tmp_path / f"r{ending}", tab="Deals")
    pd.testing.assert_frame_equal(found.iloc[:, : frame.shape[1]], frame, check_exact=True)
    same(found, first)
    second = put(found, later, tmp_path / f"s{ending}", tmp_path / f"r{ending}")
    twice = parts(tmp_path / f"s{ending}")
    assert {name for name in once if once[name] != twice.get(name)} <= {MAIN, "xl/worksheets/sheet3.xml"}
    assert own_cells(twice[MAIN]) == own_cells(before[MAIN])
    again = read_sheet(tmp_path / f"s{ending}", tab="Deals")
    pd.testing.assert_frame_equal(again.iloc[:, : frame.shape[1]], frame, check_exact=True)
    same(again, second)
    failed = [place for place, status in enumerate(second["startStatus"]) if status in FAILED]
    if failed:
        listed = read_sheet(tmp_path / f"s{ending}", tab="Failed rows", header_row=1)
        own = [place for place, name in enumerate(frame.columns) if name in listed]
        assert listed[list(frame.columns[own])].to_numpy().tolist() == frame.iloc[failed, own].to_numpy().tolist()
        assert listed["errorMessage"].tolist() == [text or None for text in second["errorMessage"].iloc[failed]]

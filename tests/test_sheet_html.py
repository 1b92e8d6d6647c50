"""HTML tables named .xls, those of Bitrix24's own export above all (sheets 1.1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from bulkstart.errors import SheetError
from bulkstart.sheet import read_sheet
from bulkstart.sheet_html import HtmlDocument
from tests.old_files import META, bitrix_html

DEALS = ("ID", "Название сделки", "Сумма")


def _rows(text: str | bytes, tab: int = 1) -> list[tuple[int, list[object]]]:
    raw = text.encode() if isinstance(text, str) else text
    document = HtmlDocument(raw, Path("deals.xls"))
    return [*document.read(document.tabs[tab - 1]).rows]


@pytest.mark.parametrize("bom", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("name", ["DEAL_20240902_5ab3da86_66d5acadf1077.xls", "deals.csv", "deals.xlsx"])
def test_an_export_is_read_whatever_its_name(tmp_path: Path, bom: bytes, name: str) -> None:
    text = bitrix_html(DEALS, [["7915", "Договор &laquo;А&raquo; &amp; Б", "5000000|RUB"], ["7911", "007", "0.00"]])
    (tmp_path / name).write_bytes(bom + text.encode())
    frame = read_sheet(tmp_path / name)
    assert frame.to_numpy().tolist() == [["7915", "Договор «А» & Б", "5000000|RUB"], ["7911", "007", "0.00"]]
    assert (frame.index.tolist(), frame.attrs["sheet"].format, frame.attrs["ragged"]) == ([2, 3], "html", {})
    assert any("an HTML table, whatever the file's name says" in note for note in frame.attrs["sheet"].notes)


def test_a_box_portal_writes_windows_1251(tmp_path: Path) -> None:
    text = bitrix_html(DEALS, [["7915", "Сделка", "1"]]).replace("UTF-8", "windows-1251")
    assert _rows(text.encode("windows-1251"))[1][1][1] == "Сделка"
    (tmp_path / "d.xls").write_bytes(text.replace("windows-1251", "UTF-8").encode("windows-1251"))
    assert read_sheet(tmp_path / "d.xls").iloc[0, 1] == "Сделка", "declared wrongly, and told by its bytes"
    (tmp_path / "d.xls").write_bytes(text.encode("koi8-r"))
    assert read_sheet(tmp_path / "d.xls", encoding="koi8-r").iloc[0, 1] == "Сделка"


def test_utf_16_is_told_by_its_bom() -> None:
    assert _rows(bitrix_html(DEALS, [["1", "Ж", ""]]).encode("utf-16"))[1] == (2, ["1", "Ж", ""])


@pytest.mark.parametrize(
    ("comment", "shown"),
    [
        ("a<br>b", "a\nb"),
        ("<b>bold</b> &lt;i&gt;", "bold <i>"),
        ("<table><tr><td>x</td><td>7</td></tr><tr><td>y</td></tr></table>", "x  7   y"),
        ("<table><table><tr><td>x</td></tr></table></table>", "x"),
        ("a < b > c", "a < b > c"),
        ("<!-- hidden --><style>td{}</style>seen", "seen"),
        ('<a href="x>y" title=\'a"b\'>link</a>', "link"),
        ('<img alt="5" 3">', ""),
        ("</p></div></b>", ""),
        ("<table><tr><td>never ended</td></tr>", "never ended"),
        ("&#1046;&nbsp;&unknown;", "Ж\u00a0&unknown;"),
    ],
)
def test_raw_html_in_a_comment_makes_no_rows_and_moves_no_cells(comment: str, shown: str) -> None:
    rows = _rows(bitrix_html(("ID", "Комментарий", "Сумма"), [["7915", comment, "1"], ["7911", "x", "2"]]))
    assert [number for number, _ in rows] == [1, 2, 3]
    assert (rows[1][1][0], rows[1][1][2], rows[2][1]) == ("7915", "1", ["7911", "x", "2"])
    assert " ".join(str(rows[1][1][1]).split()) == " ".join(shown.split())


@pytest.mark.parametrize(
    "comment",
    [
        "x</td><td>7</td>",
        "x</td></tr><tr><td>6</td><td>y",
        "x<tr><td>6",
        "x</table>",
        "<!-- never ended",
        '<a href="never ended>',
        "<style>never ended",
        "<table><tr><td>never ended",
    ],
)
def test_html_that_breaks_a_row_is_refused_or_marks_the_row(tmp_path: Path, comment: str) -> None:
    text = bitrix_html(("ID", "Комментарий", "Сумма"), [["7915", comment, "1"], ["7911", "x", "2"]])
    (tmp_path / "d.xls").write_text(text, encoding="utf-8")
    try:
        frame = read_sheet(tmp_path / "d.xls")
    except SheetError:
        return
    whole = {
        tuple(map(str, row)) for number, row in zip(frame.index, frame.to_numpy().tolist(), strict=True) if number not in frame.attrs["ragged"]
    }  # fmt: skip
    assert whole <= {("7915", comment, "1"), ("7911", "x", "2")}
    assert frame.attrs["ragged"], "a row that is not as it was is marked"


def test_an_export_cut_off_between_rows_is_read_and_said(tmp_path: Path) -> None:
    (tmp_path / "d.xls").write_text(bitrix_html(DEALS, [["7915", "a", "1"], ["7911", "b", "2"]], end=""), encoding="utf-8")
    frame = read_sheet(tmp_path / "d.xls")
    assert (frame["ID"].tolist(), frame.attrs["ragged"]) == (["7915", "7911"], {})
    assert any("CUT OFF in or behind row 3" in note for note in frame.attrs["sheet"].notes)


def test_no_place_to_cut_an_export_makes_another_id(tmp_path: Path) -> None:
    text = bitrix_html(DEALS, [["7915", "a", "1"], ["7911", "b&amp;", "2"]])
    for end in range(text.index("7915"), len(text)):
        (tmp_path / "d.xls").write_text(text[:end], encoding="utf-8")
        try:
            frame = read_sheet(tmp_path / "d.xls")
        except SheetError:
            continue
        for number, cells in zip(frame.index, frame.to_numpy().tolist(), strict=True):
            if number in frame.attrs["ragged"]:
                assert cells[0] in ("", "7915", "7911")
            else:
                assert cells in (["7915", "a", "1"], ["7911", "b&", "2"])


def test_spans_keep_columns_in_place() -> None:
    text = (
        "<table><tr><td colspan=3>Title</td></tr><tr><th>ID</th><th>T</th><th>S</th></tr>"
        '<tr><td rowspan="2">7</td><td>a</td><td>1</td></tr><tr><td>b</td><td>2</td></tr><tr><td>8</td><td>c</td><td>3</td></tr></table>'
    )
    assert [row for _, row in _rows(text)] == [
        ["Title", "", ""],
        ["ID", "T", "S"],
        ["7", "a", "1"],
        ["", "b", "2"],
        ["8", "c", "3"],
    ]


def test_hidden_rows_are_told_and_left_out_on_demand(tmp_path: Path) -> None:
    text = "<table><tr><th>ID</th></tr><tr style='height:0; display:none'><td>1</td></tr><tr><td>2</td></tr></table>"
    (tmp_path / "d.xls").write_text(text)
    assert read_sheet(tmp_path / "d.xls")["ID"].tolist() == ["1", "2"]
    assert read_sheet(tmp_path / "d.xls", visible_only=True)["ID"].tolist() == ["2"]


def test_tables_are_tabs_and_the_first_with_rows_is_taken(tmp_path: Path) -> None:
    text = "<html><table><tr><td>logo</td></tr></table><TABLE><TR><TH>ID<TH>T<TR><TD>1<TD>a</TABLE></html>"
    (tmp_path / "d.xls").write_text(text)
    frame = read_sheet(tmp_path / "d.xls")
    assert (frame.attrs["sheet"].tab, frame.to_numpy().tolist()) == ("table 2", [["1", "a"]])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<html><body>Список</body></html>", "without a table"),
        (META, "without a table"),
        (bitrix_html(DEALS, []), "no data rows"),
        ("<table><tr><td>" + "x" * 1_000_001, "a text of more than"),
        ("<table>" + "<tr><td colspan=1000>x</td></tr>" * 20_100, "more than 20,000,000 cells"),
    ],
)
def test_what_is_no_table_is_said(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "d.xls").write_text(text, encoding="utf-8")
    with pytest.raises(SheetError, match=said):
        read_sheet(tmp_path / "d.xls")


def test_an_empty_list_is_a_plain_sentence(tmp_path: Path) -> None:
    (tmp_path / "deals.xls").write_text("Список сделок пуст!", encoding="utf-8-sig")
    with pytest.raises(SheetError, match="no data rows"):
        read_sheet(tmp_path / "deals.xls")

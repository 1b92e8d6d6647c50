from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bulkstart.result_columns import RESULT_COLUMNS
from bulkstart.sheet import plain_text, read_sheet, write_sheet


def _results(frame: pd.DataFrame, *, message: str = "", workflow: str = "w1") -> pd.DataFrame:
    kept = frame[[name for name in frame.columns if name not in RESULT_COLUMNS]].copy()
    for name, value in zip(RESULT_COLUMNS, ("started", workflow, "", message, 1, "2026-11-21T10:00:00+00:00"), strict=True):
        kept[name] = value
    kept.attrs = frame.attrs
    return kept


def _round(folder: Path, raw: bytes, *, message: str = "", safe_csv: bool = False, **options: str) -> tuple[bytes, list[str]]:
    (folder / "deals.csv").write_bytes(raw)
    frame = read_sheet(folder / "deals.csv", **options)  # type: ignore[arg-type]  # tested one by one
    notes = write_sheet(_results(frame, message=message), folder / "r.csv", source=folder / "deals.csv", safe_csv=safe_csv)
    return (folder / "r.csv").read_bytes(), notes


SIX = ";".join(RESULT_COLUMNS)
ONE = "started;w1;;{};1;2026-11-21T10:00:00+00:00"


def test_title_rows_and_blank_rows_stay_in_place(tmp_path: Path) -> None:
    raw, notes = _round(tmp_path, b"Deals of May;;\n\nID;Title;\n1;a;\n\n2;b;\n")
    expected = f"Deals of May;;\n\nID;Title;{SIX}\n1;a;{ONE.format('')}\n\n2;b;{ONE.format('')}\n"
    assert (raw.decode(), notes) == (expected, [])


@pytest.mark.parametrize(
    ("encoding", "bom"),
    [("windows-1251", b""), ("utf-8", b"\xef\xbb\xbf"), ("utf-8", b""), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"")],
)
def test_encoding_bom_delimiter_and_line_ends_are_kept(tmp_path: Path, encoding: str, bom: bytes) -> None:
    text = "ID\tНазвание сделки\r\n1\tПоставка оборудования\r\n"
    raw, notes = _round(tmp_path, bom + text.encode(encoding), message="Нет прав")
    assert raw.startswith(bom)
    lines = raw[len(bom) :].decode(encoding).split("\r\n")
    assert lines[0] == "ID\tНазвание сделки\t" + "\t".join(RESULT_COLUMNS)
    assert lines[1].startswith("1\tПоставка оборудования\tstarted\t")
    assert "Нет прав" in lines[1]
    assert notes == []


def test_cells_keep_their_blanks_quotes_and_line_breaks(tmp_path: Path) -> None:
    text = 'ID;Title;Note\n" 1 ";"say ""a;b""";"x\r\ny"\n00042; ;z\rz\n'.replace("z\rz", '"z\rz"')
    raw, _ = _round(tmp_path, text.encode())
    assert raw.decode().startswith(f'ID;Title;Note;{SIX}\n 1 ;"say ""a;b""";"x\r\ny";started;')
    assert '\n00042; ;"z\rz";started;' in raw.decode()


def test_a_file_that_quotes_everything_stays_so(tmp_path: Path) -> None:
    raw, _ = _round(tmp_path, b'"ID","T"\n"1","a"\n')
    assert (
        raw
        == b'"ID","T",'
        + ",".join(f'"{name}"' for name in RESULT_COLUMNS).encode()
        + b'\n"1","a","started","w1","","","1","2026-11-21T10:00:00+00:00"\n'
    )


def test_a_sep_line_stays_first(tmp_path: Path) -> None:
    assert _round(tmp_path, b"sep=|\r\nID|T\r\n1|a\r\n")[0].startswith(b"sep=|\r\nID|T|startStatus|")


def test_old_results_give_way_to_the_new_ones_at_the_right(tmp_path: Path) -> None:
    old = f"Title of it;;;;;;;;\nID;{SIX};T\n1;refused;;CODE;why;3;;a\n"
    raw, _ = _round(tmp_path, old.encode())
    assert raw.decode() == f"Title of it;\nID;T;{SIX}\n1;a;{ONE.format('')}\n".replace("Title of it;", "Title of it;;")


def test_results_of_results_are_the_same_file(tmp_path: Path) -> None:
    first, _ = _round(tmp_path, b"Deals\n\nID;Title\n1;a\n\n2;b\n", delimiter=";")
    assert _round(tmp_path, first)[0] == first


def test_text_that_the_encoding_cannot_hold_makes_the_file_utf8_with_bom(tmp_path: Path) -> None:
    raw, notes = _round(tmp_path, "ID;Название сделки поставки\n1;Поставка\n".encode("windows-1251"), message="→")
    assert raw.startswith(b"\xef\xbb\xbf")
    assert "Поставка;started" in raw.decode()
    assert notes == ["written as UTF-8 with BOM, since windows-1251 has no character for '→'"]


@pytest.mark.parametrize("message", ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "'=x"])
def test_no_result_cell_can_become_a_formula_and_all_are_read_back(tmp_path: Path, message: str) -> None:
    raw, notes = _round(tmp_path, b"ID;T\n1;a\n", message=message)
    assert notes == []
    (tmp_path / "again.csv").write_bytes(raw)
    cell = read_sheet(tmp_path / "again.csv")["errorMessage"].tolist()[0]
    assert cell[0] == "'"
    assert plain_text(cell) == message


def test_own_cells_that_look_like_formulas_are_kept_and_counted(tmp_path: Path) -> None:
    source = b'ID;T\n1;"=HYPERLINK(""x"")"\n2;-5\n3;@cmd\n'
    raw, notes = _round(tmp_path, source)
    assert b'\n1;"=HYPERLINK(""x"")";' in raw
    assert notes == ["2 cells of your own columns look like formulas to Excel: they are kept; --safe-csv puts a ' before each"]
    raw, notes = _round(tmp_path, source, safe_csv=True)
    assert b"\n1;\"'=HYPERLINK" in raw
    assert b"\n2;-5;" in raw
    assert b"\n3;'@cmd;" in raw
    assert notes[0].endswith("each has a ' before it now")


def test_surplus_cells_of_a_row_move_behind_the_results(tmp_path: Path) -> None:
    raw, notes = _round(tmp_path, b"ID;T\n1;a;b;c\n2;d\n3\n")
    lines = raw.decode().split("\n")
    assert lines[1] == f"1;a;{ONE.format('')};b;c"
    assert lines[3] == f"3;;{ONE.format('')}"
    assert notes == ["rows with fewer cells than the header were filled with blanks: 4"]
    (tmp_path / "again.csv").write_bytes(raw)
    assert read_sheet(tmp_path / "again.csv").attrs["ragged"] == {2: 10}


def test_without_a_source_it_is_utf8_with_bom_and_commas(tmp_path: Path) -> None:
    frame = pd.DataFrame([[1, None, 2.5]], columns=["ID", "T", "Sum"])
    assert write_sheet(frame, tmp_path / "r.csv") == []
    assert (tmp_path / "r.csv").read_bytes() == b"\xef\xbb\xbfID,T,Sum\r\n1,,2.5\r\n"
    write_sheet(frame, tmp_path / "r.tsv")
    assert (tmp_path / "r.tsv").read_bytes() == b"\xef\xbb\xbfID\tT\tSum\r\n1\t\t2.5\r\n"

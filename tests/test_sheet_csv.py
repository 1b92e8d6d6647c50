from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.errors import SheetError
from bulkstart.sheet_csv import Dialect, detect, records

PATH = Path("deals.csv")
RUSSIAN = "ID;Название сделки;Сумма\r\n5141;Поставка оборудования;12,50\r\n5143;Обслуживание принтеров;7,00\r\n"


def _detect(raw: bytes, **options: str | None) -> Dialect:
    return detect(raw, PATH, **({"encoding": None, "delimiter": None} | options), known=lambda text: text == "ID")


def _fields(raw: bytes, **options: str | None) -> list[list[str]]:
    return [record.fields for record in records(raw, _detect(raw, **options), PATH)]


@pytest.mark.parametrize(
    ("encoding", "bom", "found"),
    [
        ("utf-8", b"", "utf-8"),
        ("utf-8", b"\xef\xbb\xbf", "utf-8"),
        ("windows-1251", b"", "windows-1251"),
        ("utf-16-le", b"\xff\xfe", "utf-16-le"),
        ("utf-16-be", b"\xfe\xff", "utf-16-be"),
        ("utf-16-le", b"", "utf-16-le"),
        ("utf-16-be", b"", "utf-16-be"),
        ("utf-32-le", b"\xff\xfe\x00\x00", "utf-32-le"),
    ],
)
def test_the_encoding_is_found_by_bom_then_utf8_then_russian_letters(encoding: str, bom: bytes, found: str) -> None:
    raw = bom + RUSSIAN.encode(encoding)
    dialect = _detect(raw)
    assert (dialect.encoding, dialect.bom, dialect.delimiter) == (found, bom, ";")
    assert _fields(raw)[1] == ["5141", "Поставка оборудования", "12,50"]


@pytest.mark.parametrize("encoding", ["koi8-r", "cp866", "mac-cyrillic"])
def test_another_russian_encoding_is_a_question_and_never_a_guess(encoding: str) -> None:
    with pytest.raises(SheetError, match=r"line 1: neither UTF-8 nor Russian windows-1251.*--encoding"):
        _detect(RUSSIAN.encode(encoding))
    assert _fields(RUSSIAN.encode(encoding), encoding=encoding)[0][1] == "Название сделки"


def test_a_few_letters_in_the_wrong_case_are_no_russian_word() -> None:
    with pytest.raises(SheetError, match="--encoding"):
        _detect("ID;Имя\n1;Пётр\n".encode("koi8-r"))


@pytest.mark.parametrize("text", ["ID;España\n1;São Paulo\n2;Düsseldorf\n", "ID;Name\n1;Jürgen Größer\n"])
def test_western_letters_are_not_taken_for_russian_ones(text: str) -> None:
    with pytest.raises(SheetError, match="--encoding"):
        _detect(text.encode("windows-1252"))


def test_utf8_is_checked_over_the_whole_file() -> None:
    raw = b"ID;Title\n" + b"1;plain\n" * 50_000 + "2;Düsseldorf\n".encode("windows-1252")
    with pytest.raises(SheetError, match="line 50002"):
        _detect(raw)


def test_bytes_that_are_the_same_in_both_windows_encodings_need_no_question() -> None:
    assert _fields("ID;Sum\n1;1\u00a0234,50\n".encode("windows-1252"))[1] == ["1", "1\u00a0234,50"]


def test_few_russian_letters_are_a_guess_that_is_said() -> None:
    assert _detect("ID;Имя\n1;Ян\n".encode("windows-1251")).guess == "Имя"
    assert not _detect(RUSSIAN.encode("windows-1251")).guess


@pytest.mark.parametrize(
    ("raw", "encoding", "said"),
    [
        (RUSSIAN.encode("windows-1251"), "utf-8", "line 1: not valid utf-8"),
        (b"\xef\xbb\xbf" + RUSSIAN.encode(), "windows-1251", "first bytes"),
        (b"ID\n1\n", "klingon", "no encoding"),
        (b"ID\n1\n", "rot13", "no encoding"),
        (b"ID;T\n1;\x98\n", "windows-1251", "line 2: not valid"),
    ],
)
def test_a_wrong_override_is_refused(raw: bytes, encoding: str, said: str) -> None:
    with pytest.raises(SheetError, match=said):
        _detect(raw, encoding=encoding)


def test_nul_bytes_are_no_text() -> None:
    with pytest.raises(SheetError, match="line 2: a NUL byte"):
        _detect(b"ID;Title and more of it\n1;\x00\x00b\n")


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("ID,Title\n1,a\n", ","),
        ("ID;Sum\n1;2,50\n2;3,50\n3;4,50\n", ";"),
        ("Code;Name;Sum\n1;a;2,50\n2;b;3,50\n", ";"),
        ("ID\tTitle, long\n1\ta, b\n", "\t"),
        ("ID|Title\n1|a\n", "|"),
        ('Report of May, all deals\n\nID;"a;b";c\n1;"x,y,z";2\n', ";"),
        ("ID\n1\n2\n", ","),
        ('Title;ID\n"one, two;\nthree";1\n', ";"),
    ],
)
def test_the_delimiter_is_found_over_whole_records(text: str, delimiter: str) -> None:
    assert _detect(text.encode()).delimiter == delimiter


@pytest.mark.parametrize(("given_", "taken"), [("|", "|"), ("tab", "\t"), ("\\t", "\t"), ("Semicolon", ";"), ("^", "^")])
def test_a_delimiter_can_be_given(given_: str, taken: str) -> None:
    assert _detect(b"ID,Title\n1,a\n", delimiter=given_).delimiter == taken


@pytest.mark.parametrize("given_", ["::", '"', "\n"])
def test_what_cannot_be_a_delimiter_is_refused(given_: str) -> None:
    with pytest.raises(SheetError, match="delimiter"):
        _detect(b"ID,Title\n", delimiter=given_)


def test_a_sep_line_is_obeyed_and_no_row() -> None:
    raw = b"sep=|\r\nID|Title;x\r\n1|a\r\n"
    dialect = _detect(raw)
    assert (dialect.delimiter, dialect.sep) == ("|", "sep=|\r\n")
    assert next((record.number, record.line, record.fields) for record in records(raw, dialect, PATH)) == (
        1,
        2,
        ["ID", "Title;x"],
    )


@pytest.mark.parametrize(
    ("text", "quoted"), [('"ID";"T"\r\n"1";"a"\r\n', True), ('"ID";"T";\n', True), ('ID;"T"\n', False), ("ID;T\n", False)]
)
def test_the_quoting_style_is_that_of_the_first_record(text: str, quoted: bool) -> None:
    assert _detect(text.encode(), delimiter=";").quoted is quoted


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_kept(end: str) -> None:
    raw = end.join(("ID;T", "1;a", "2;b", "")).encode()
    assert _detect(raw).terminator == end
    assert _fields(raw) == [["ID", "T"], ["1", "a"], ["2", "b"]]


def test_only_real_line_ends_end_a_line() -> None:
    assert _fields("ID;T\n1;a\u2028b\x0bc\x85d\n".encode())[1] == ["1", "a\u2028b\x0bc\x85d"]


def test_records_are_numbered_with_blank_ones_and_know_their_lines() -> None:
    raw = b'ID;T\n1;"a\nb"\n\n;\n2;c\n'
    assert [(r.number, r.line, r.fields) for r in records(raw, _detect(raw), PATH)] == [
        (1, 1, ["ID", "T"]),
        (2, 2, ["1", "a\nb"]),
        (3, 4, []),
        (4, 5, ["", ""]),
        (5, 6, ["2", "c"]),
    ]


def test_a_quote_that_never_closes_is_refused_with_the_line_where_it_opens() -> None:
    raw = b'ID;T\n1;a\n2;"b\n' + b"3;c\n" * 20
    with pytest.raises(SheetError, match="line 3: a quote"):
        _fields(raw)


def test_a_quote_that_swallows_more_than_a_cell_can_hold_is_refused_too() -> None:
    raw = b'ID;T\n1;a\n2;"b\n' + b"3;some text\n" * 20_000
    with pytest.raises(SheetError, match="line 3"):
        _fields(raw)


def test_a_stray_quote_is_read_as_excel_does_and_marked() -> None:
    raw = b'ID;T\n1;"19" screen"\n2;b\n3;5" pipe\n'
    found = list(records(raw, _detect(raw), PATH))
    assert [(record.fields, record.misquoted) for record in found[1:]] == [
        (["1", '19 screen"'], True),
        (["2", "b"], False),
        (["3", '5" pipe'], False),
    ]


def test_a_second_bom_is_no_part_of_the_first_header() -> None:
    assert _fields(b'\xef\xbb\xbf\xef\xbb\xbf"ID";T\n1;a\n')[0] == ["ID", "T"]


@given(st.binary(max_size=300))
def test_any_bytes_are_records_or_a_clear_refusal(raw: bytes) -> None:
    try:
        found = _fields(raw)
    except SheetError as error:
        found = [[str(error)]]
    assert all(isinstance(cell, str) for fields in found for cell in fields)


@given(
    rows=st.lists(st.lists(st.text(alphabet="aЖ1 ,'=", max_size=4), min_size=1, max_size=4), min_size=2, max_size=6),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    start=st.sampled_from(["", "\ufeff", "sep=;\n"]),
)
def test_a_file_without_quotes_is_read_as_one_with_quotes_is(tmp_path_factory, rows, end, start):
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    text = start + "ID;b\n" + end.join(";".join(row) for row in rows) + end
    dialect = detect(text.encode(), path, encoding="utf-8", delimiter=";", known=lambda _: False)
    plain = list(records(text.encode(), dialect, path))
    quoted = list(records((text + '"end"' + end).encode(), dialect, path))
    assert plain == quoted[: len(plain)]
    assert [record.fields for record in quoted[len(plain) :]] == [["end"]]

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.errors import SheetError
from bulkstart.sheet_biff import Texts, byte_text, codec_of, records
from tests.old_files import record, shared_texts, wide


def test_records_come_with_those_that_continue_them() -> None:
    stream = record(0x203, b"a") + record(0xFC, b"x" * 20_000) + record(0x0A)
    found = list(records(stream, 0))
    assert [(one.kind, len(one.body), [*map(len, one.more)]) for one in found] == [
        (0x203, 1, []),
        (0xFC, 8224, [8224, 3552]),
        (0x0A, 0, []),
    ]
    assert [one.at for one in found] == [0, 5, 5 + 20_000 + 12]


def test_a_record_that_is_cut_off_is_an_error() -> None:
    with pytest.raises(SheetError, match="cut off"):
        list(records(record(0x203, b"abc")[:-1], 0))


def test_narrow_rich_and_asian_texts() -> None:
    body = b"\3\0\0abc" + b"\2\0\x0d\1\0\4\0\0\0" + "Жэ".encode("utf-16-le") + bytes(8) + wide("end")
    texts = Texts(body)
    assert [texts.text() for _ in range(3)] == ["abc", "Жэ", "end"]


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=6000), max_size=6))
def test_texts_come_back_over_the_borders_of_records(given_texts: list[str]) -> None:
    (found,) = list(records(shared_texts(given_texts), 0))
    texts = Texts(found.body, found.more, 8)
    assert [texts.text() for _ in given_texts] == given_texts


@pytest.mark.parametrize("body", [b"", b"\5\0", b"\5\0\0abc", b"\1\0\1a", b"\1\0\x08", b"\0\0\x04\xff\xff\xff\xff"])
def test_a_text_that_is_cut_off_is_an_error(body: bytes) -> None:
    with pytest.raises(SheetError, match="cut off"):
        Texts(body).text()


def test_code_pages() -> None:
    assert (codec_of(1251), codec_of(10007), codec_of(32768)) == ("cp1251", "mac-cyrillic", "mac-roman")
    with pytest.raises(LookupError):
        codec_of(7)
    assert byte_text(b"\2\xc6\xc7z", 0, 1, "cp1251") == "ЖЗ"

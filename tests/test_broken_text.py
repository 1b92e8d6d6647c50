from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.broken_text import broken

WORDS = ["Сделка с клиентом", "Москва", "Ёлка", "Договор №7 от 01.02.2026 — «Альфа»"]


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("as_read", ["latin-1", "windows-1251"])
def test_utf_8_that_was_read_as_something_else_is_seen(words: str, as_read: str) -> None:
    try:
        text = words.encode().decode(as_read)
    except UnicodeDecodeError:  # windows-1251 leaves one byte out
        text = words.replace("И", "И").encode().decode(as_read, "ignore")
        assert broken(text) != text
        return
    assert broken(text) == words


@pytest.mark.parametrize("words", ["Калининград", "Москва, Тверская 7"])
def test_windows_1251_that_was_read_as_western_is_seen(words: str) -> None:
    assert broken(words.encode("windows-1251").decode("windows-1252")) == words


def test_what_lost_its_invisible_bytes_is_seen_too() -> None:
    text = "Сделка с клиентом".encode().decode("latin-1")
    seen = broken("".join(sign for sign in text if sign.isprintable() or sign == " "))
    assert seen is not None
    assert "\ufffd" in seen


@pytest.mark.parametrize("text", ["???? ??????", "Имя \ufffd\ufffd", "????", "????, ???"])
def test_letters_that_are_lost_are_seen(text: str) -> None:
    assert broken(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        *WORDS, "", "Really???", "Что???", "café", "Müller & Söhne", "naïveté", "Ångström", "Здравствуйте!", "В»", "Р…", "СССР «РСФСР»",
        "РУП «Сигнал»", "Ўзбекистон", "Ђорђе", "Їжак", "日本語", "100 °C ± 5 µm", "½ × ¼", "à â é", "ÀÉ", "😀", "5 000 ₽", "§ 7", "«Ё»",
    ],
)  # fmt: skip
def test_honest_text_is_left_alone(text: str) -> None:
    assert broken(text) is None


@given(st.text("абвгдежзийклмнопрстуфхцчшщъыьэюяАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЭЮЯ ,.-«»№0123456789", max_size=40))
def test_no_russian_text_is_called_broken(text: str) -> None:
    assert broken(text) is None

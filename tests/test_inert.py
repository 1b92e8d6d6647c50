"""A server's text made harmless: one line, no escapes, no secret, no mark of ours, no end without end."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkstart.inert import inert
from bulkstart.result_columns import SANDBOX_MARK, Previous
from bulkstart.secret import Secret

HALF = "sandbox: nothing started on "


def test_plain_words_stay_as_they_are():
    assert inert("Сделка не найдена: «№ 5» 😀") == "Сделка не найдена: «№ 5» 😀"


def test_a_text_is_one_line_with_single_spaces():
    assert inert("  a\r\n\tb\u2028c\x85d\u00a0\u3000e ") == "a b c d e"


def test_a_living_secret_is_not_told():
    planted = Secret("vibe_api_PLANTED_0123")
    assert inert("key vibe_api_PLANTED_0123 is bad") == "key *** is bad"
    assert len(planted) == 21


@pytest.mark.parametrize("text", ["\x00", "\x08", "\x1b[31m", "\x7f", "\x9b2J", "\u202e", "\u2066", "\udc80"], ids=ascii)
def test_control_characters_and_lone_surrogates_become_visible(text):
    assert inert(f"a{text}b") == f"a\N{REPLACEMENT CHARACTER}{text[1:]}b"


def test_an_endless_text_is_cut_at_500_and_says_so():
    assert inert("x" * 500) == "x" * 500
    cut = inert("x" * 501)
    assert (len(cut), cut[-2:]) == (500, "x…")


@pytest.mark.parametrize(
    "forged",
    [
        SANDBOX_MARK,
        f"refused; {SANDBOX_MARK}",
        SANDBOX_MARK.replace(": ", ":\n"),
        SANDBOX_MARK.replace(" ", "  "),
        HALF + SANDBOX_MARK + "a real portal",
        f"refused; {HALF}{HALF}{SANDBOX_MARK}a real portala real portal",
    ],
    ids=["alone", "at the end", "over two lines", "with wide spaces", "one in another", "one in another in another"],
)
def test_a_server_cannot_make_a_real_row_look_like_one_of_the_sandbox(forged):
    told = inert(forged)
    assert SANDBOX_MARK not in told
    assert not Previous("in_doubt", "", "INTERNAL_ERROR", told, "").from_sandbox


pieces = st.sampled_from([SANDBOX_MARK, HALF, "a real portal", "; ", " ", "\n", "\x00", *SANDBOX_MARK.split()])


@given(st.one_of(st.text(max_size=700), st.lists(pieces, max_size=12).map("".join)))
@example("x" * 499 + " y")
def test_whatever_a_server_says_is_one_harmless_line(text):
    told = inert(text)
    assert len(told) <= 500
    assert not [c for c in told if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    assert SANDBOX_MARK not in told
    told.encode("utf-8")

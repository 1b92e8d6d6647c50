"""What stands in the page is escaped, bounded, and holds no secret."""

from __future__ import annotations

from bulkstart.notebook import tags
from bulkstart.secret import Secret

EVIL = '<img src=x onerror="alert(1)">&\x1b[31m'


def test_nothing_that_a_sheet_or_a_server_says_becomes_html():
    shown = [
        tags.escaped(EVIL),
        tags.note(EVIL),
        tags.faint(EVIL),
        tags.heading(1, EVIL),
        tags.table([EVIL], [[EVIL]], label=EVIL),
        tags.code(EVIL, [(EVIL, EVIL)]),
        tags.chips([(EVIL, 1, EVIL)]),
        tags.link(EVIL, EVIL, "text/csv", "QQ=="),
    ]
    for html in shown:
        assert "<img" not in html
        assert 'onerror="' not in html
        assert "\x1b" not in html


def test_a_secret_is_hidden_even_where_a_text_is_cut():
    secret = Secret("vibe_api_0123456789abcdef")
    long = "x" * (tags.LONGEST - 10) + secret.reveal()
    for html in (tags.escaped(long), tags.note(long), tags.code("code", [("Python", long)])):
        assert "vibe_api" not in html
        assert "0123456789" not in html
    assert "***" in tags.note(long)


def test_a_long_cell_is_cut_and_a_sentence_is_shown_whole():
    assert len(tags.escaped("x" * 5000)) == tags.LONGEST
    sentence = "word " * 100
    assert tags.note(sentence).count("word") == 100
    assert len(tags.note("x" * 100_000)) < 20 * tags.LONGEST


def test_a_table_can_be_scrolled_by_keyboard_and_is_tinted_by_status():
    html = tags.table(["status"], [["started"], ["refused"], ["other"]], label="Results", tints=["started", "refused", "other"])
    assert 'tabindex="0"' in html
    assert 'aria-label="Results"' in html
    assert html.count("<tr style=") == 2


def test_spaces_that_cannot_be_printed_are_spaces():
    assert tags.escaped("a\u00a0b\tc\x07") == "a b c\N{REPLACEMENT CHARACTER}"


def test_an_empty_text_is_no_box():
    assert tags.note("") == ""
    assert tags.faint("") == ""
    assert tags.code("code", [("Python", ""), ("CLI", "")]) == ""


def test_text_has_the_theme_s_colour_and_no_fixed_one_on_a_fixed_ground():
    assert "color: #" not in tags.STYLE
    assert "background: #" not in tags.STYLE
    assert "--jp-ui-font-color1" in tags.STYLE

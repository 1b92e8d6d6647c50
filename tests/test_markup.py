"""HTML by construction: text stays text, whatever it is."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from bulkstart.markup import Markup, joined, tag, text
from bulkstart.secret import Secret


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[object] = []
        self.said = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, attrs))

    def handle_data(self, data):
        self.said += data


def seen(markup: str) -> Seen:
    found = Seen()
    found.feed(markup)
    found.close()
    return found


@given(st.text())
def test_no_text_becomes_an_element_or_an_attribute(value):
    found = seen(tag("p", value, title=value))
    assert [name for name, _ in found.tags] == ["p"]
    assert [name for name, _ in found.tags[0][1]] == ["title"]
    text(value).encode("utf-8")  # it can always be written


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_a_text_is_read_as_it_was_written(value):
    assert seen(tag("p", value)).said == value


def test_control_characters_and_turns_of_direction_can_be_seen():
    assert text("a\x1b[31m\u202eb\ud800\nc") == "a\ufffd[31m\ufffdb\ufffd c"


def test_a_living_secret_is_never_shown():
    secret = Secret("vibe_api_0123456789")
    assert "0123456789" not in tag("p", f"key {secret.reveal()}", title=secret.reveal())


def test_markup_is_taken_as_it_is_and_nothing_is_nothing():
    assert joined([Markup("<b>"), "<b>", None, (1, ["x"])]) == "<b>&lt;b&gt;1x"
    assert (
        tag("a", "x", class_="c", data_kind=1, hidden=True, title=None, open=False) == '<a class="c" data-kind="1" hidden>x</a>'
    )
    assert tag("br") == "<br>"

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.sheet_spans import CannotPatchError, Document, edited

XML = b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?>\n<!-- <a/> --><x:a xmlns:x="u"><x:b c="a>b" /><b>\xd0\xb0<c></c></b></x:a>\n'


def test_elements_are_found_where_they_stand() -> None:
    document = Document(XML)
    assert [(one.prefix, one.name, one.depth, document.text(one)) for one in document.elements] == [
        ("x:", "a", 0, XML[XML.index(b"<x:a") :].strip()),
        ("x:", "b", 1, b'<x:b c="a>b" />'),
        ("", "b", 1, b"<b>\xd0\xb0<c></c></b>"),
        ("", "c", 2, b"<c></c>"),
    ]
    assert [one.empty for one in document.elements] == [False, True, False, False]
    assert document.inside(document.root, "b") == list(document.elements[1:3])


def test_children_are_appended_to_elements_with_and_without_an_end_tag() -> None:
    document = Document(XML)
    edits = [document.appended(one, b"!") for one in document.elements]
    assert edited(XML, edits).endswith(b'<x:b c="a>b" >!</x:b><b>\xd0\xb0<c>!</c>!</b>!</x:a>\n')


@pytest.mark.parametrize(
    "xml",
    [
        XML.replace(b"UTF-8", b"windows-1251"),
        "<a/>".encode("utf-16"),
        b"<!DOCTYPE a><a/>",
    ],
)
def test_what_cannot_be_changed_byte_for_byte_is_said(xml: bytes) -> None:
    with pytest.raises(CannotPatchError):
        Document(xml)


@given(st.recursive(st.text("ab \n&é", max_size=3), lambda inner: st.lists(inner, max_size=3), max_leaves=12))
def test_an_edit_changes_its_place_only(tree: object) -> None:
    def xml(node: object) -> bytes:
        if isinstance(node, str):
            return node.replace("&", "&amp;").encode()
        assert isinstance(node, list)
        return b"<t a='>'/>" if not node else b"<t>" + b"".join(map(xml, node)) + b"</t>"

    whole = b"<r>" + xml(tree) + b"</r>"
    document = Document(whole)
    for one in document.elements:
        text = document.text(one)
        assert text.startswith((b"<r", b"<t"))
        assert whole[: one.start] + text + whole[one.end :] == whole
        assert edited(whole, [(one.start, one.end, text)]) == whole
        assert Document(text).elements[0].name == one.name

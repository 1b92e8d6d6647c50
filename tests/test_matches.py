"""Each name that a start needs, with what feeds it."""

from __future__ import annotations

from bulkstart.columns import match
from bulkstart.matches import matches
from bulkstart.model import Column, Parameter, Template

NOTE = Parameter("note", "Note", required=True)
KIND = Parameter("kind", "Kind")
TEMPLATES = (Template(713, "Plain", "deal", (NOTE, KIND)),)


def found(headers, **options):
    columns = [Column(index, chr(ord("A") + index), header) for index, header in enumerate(headers)]
    return {one.name: one for one in matches(match(columns, definitions=[(NOTE, KIND)], **options), TEMPLATES)}


def test_names_come_in_order_with_column_and_reason():
    told = found(["ID", "Note", "Mine"])
    assert list(told) == ["entityId", "entityType", "templateId", "note", "kind"]
    assert (told["entityId"].column.letter, told["entityId"].reason) == ("A", "header known")
    assert (told["note"].column.letter, told["note"].parameter) == ("B", NOTE)
    assert told["kind"].column is None


def test_a_constant_and_a_chosen_column_are_told():
    told = found(["ID", "Mine"], values={"kind": "nda"}, mapped={"note": "Mine"})
    assert told["kind"].constant == "nda"
    assert (told["note"].column.header, told["note"].reason) == ("Mine", "--map")


def test_a_doubt_names_the_columns_that_it_is_about():
    assert [column.letter for column in found(["ID", "ID"])["entityId"].columns] == ["A", "B"]


def test_a_name_that_no_definition_has_is_told_too():
    columns = [Column(0, "A", "ID"), Column(1, "B", "param:odd")]
    told = matches(match(columns, definitions=[None]), ())
    assert [one.name for one in told] == ["entityId", "entityType", "templateId", "odd"]

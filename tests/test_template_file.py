"""``--template-file``: what ``templates --json`` writes is read back, faults are named, and the portal's own word counts."""

from __future__ import annotations

import json

import pytest

from bulkstart.errors import UsageError
from bulkstart.model import Parameter, Template
from bulkstart.template_file import completed, load, to_json

TEMPLATES = (
    Template(
        713,
        "Contract",
        "deal",
        (Parameter("kind", "Вид", "select", required=True, options={"a": "А"}, default="a"), Parameter("tags", multiple=True)),
        2,
        "2026-01-01",
    ),
    Template(714, "Other", None, ()),
    Template(715, "Untold"),
)


def written(tmp_path, found):
    path = tmp_path / "t.json"
    path.write_text(found if isinstance(found, str) else json.dumps(found), encoding="utf-8")
    return path


def test_what_was_written_is_read_back(tmp_path):
    assert load(written(tmp_path, {"exitCode": 0, **to_json(TEMPLATES)})) == TEMPLATES


def test_one_template_or_a_bare_list_will_do(tmp_path):
    entry = to_json(TEMPLATES)["templates"][0]
    assert load(written(tmp_path, entry)) == load(written(tmp_path, [entry])) == TEMPLATES[:1]


def test_the_portals_own_spelling_is_read(tmp_path):
    row = {
        "ID": "713",
        "NAME": "Contract",
        "DOCUMENT_TYPE": ["crm", "CCrmDocumentDeal", "DEAL"],
        "PARAMETERS": {"due": {"Name": "Due", "Type": "date", "Required": "Y", "Multiple": "0", "Options": "", "Default": ""}},
    }
    (template,) = load(written(tmp_path, [row]))
    assert (template.id, template.entity_type) == (713, "deal")
    assert template.parameters is not None
    assert [(p.name, p.label, p.type, p.required) for p in template.parameters] == [("due", "Due", "date", True)]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ("{", "no JSON"),
        ("[]", "holds no templates"),
        ('{"a": 1}', "holds no templates"),
        ("7", "holds no templates"),
        ("[7]", "is no object"),
        ('[{"name": "x"}]', "has no id"),
        ('[{"id": 7}, {"id": 7}]', "twice"),
        ('[{"id": 7, "parameters": 5}]', "no list"),
        ('[{"id": 7, "parameters": [{}]}]', "has no name"),
        ('[{"id": 7, "parameters": [{"name": "a"}, {"name": "a"}]}]', "twice"),
        ('[{"id": 7, "parameters": [{"name": "a", "required": "yes"}]}]', "true or false"),
        ('[{"id": 7, "parameters": [{"name": "a", "options": ["x"]}]}]', "an object"),
        ('[{"id": 7, "parameters": [{"name": "a", "type": 5}]}]', "no text"),
        ('[{"id": 7, "parameters": [{"name": "a", "requird": true}]}]', "means nothing"),
        ('[{"id": 7, "entity_type": 5}]', "entity_type"),
    ],
)
def test_whatever_stands_wrong_is_named(tmp_path, found, words):
    with pytest.raises(UsageError, match=words):
        load(written(tmp_path, found))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path / "none.json")


def test_the_file_speaks_only_where_the_portal_is_silent():
    told, untold = Template(1, "Told", "deal", (Parameter("p"),)), Template(2, "Untold", "lead")
    filed = (
        Template(1, "x", "deal", (Parameter("q"),)),
        Template(2, "y", "deal", (Parameter("r"),)),
        Template(3, "z", "deal", ()),
    )
    found, notes = completed((told, untold), filed)
    assert found[0] == told
    assert found[1] == Template(2, "Untold", "lead", (Parameter("r"),))
    assert (found[2].id, found[2].listed) == (3, False)
    assert "template 2, 3" in notes[0]
    assert "the portal's count" in notes[1]


def test_without_a_list_of_the_portal_the_file_is_the_list():
    found, _ = completed(None, TEMPLATES)
    assert found == TEMPLATES

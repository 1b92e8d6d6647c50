"""Scenario files: the page and the code agree, and every mistake is one sentence that names file, key and what is allowed."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from bulkstart import simulator
from bulkstart.simulator import ScenarioError
from bulkstart.simulator.answers import CARRYING, HIDING
from bulkstart.simulator.default import DEFAULT
from bulkstart.simulator.documents import IdSet
from bulkstart.simulator.faults import ENDPOINTS, Rule
from bulkstart.simulator.scenario import Key, Scenario, load
from bulkstart.simulator.switches import Switches
from bulkstart.simulator.templates import Template

FOLDER = Path(simulator.__file__).parent
PAGE = (FOLDER / "SCENARIOS.md").read_text(encoding="utf-8")
FACTS = (FOLDER / "FACTS.md").read_text(encoding="utf-8")
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_page_is_a_scenario(example):
    load(example)


def test_the_page_has_an_example_for_every_section():
    used = {key for example in EXAMPLES for key in example}
    assert used == {field.name for field in dataclasses.fields(Scenario)}


@pytest.mark.parametrize("cls", [Scenario, Key, Template, Rule, Switches])
def test_the_page_names_every_key(cls):
    names = {field.metadata["name"] or field.name for field in dataclasses.fields(cls)}
    assert {name for name in names if f"`{name}`" not in PAGE} == set()


def test_the_page_names_every_answer_and_endpoint():
    assert {name for name in (*CARRYING, *HIDING) if f"`{name}`" not in PAGE} == set()
    assert {name for name in ENDPOINTS if f'"{name}"' not in PAGE} == set()


def test_every_switch_stands_in_the_facts():
    assert {field.name for field in dataclasses.fields(Switches) if f"`{field.name}`" not in FACTS} == set()


def test_the_first_value_of_each_switch_on_the_page_is_its_default():
    rows = dict(re.findall(r"^\| `(\w+)` \| [\d–]+ \| (.+?) \|$", PAGE, re.MULTILINE))
    for field in dataclasses.fields(Switches):
        if field.name in rows and field.name != "upstream_seconds":
            first = re.match(r"`?([^`:,;(]+)`?", rows[field.name])[1].strip()
            found = rows[field.name].split("`")[1] if rows[field.name].startswith("`") else first
            default = list(field.default) if isinstance(field.default, tuple) else field.default
            assert json.loads(found) == (int(default) if isinstance(default, float) else default), field.name


def test_the_default_scenario_is_the_one_on_the_page():
    default = load()
    assert json.loads(json.dumps(DEFAULT)) == DEFAULT
    rows = re.findall(r"^\| (\d{3}) \| (.+?) \| (\w+) \| (.+?) \|$", PAGE.split("## 14.")[1].split("## 15.")[0], re.MULTILINE)
    assert [(template.id, template.name, template.entity_type) for template in default.templates] == [
        (int(number), name, kind) for number, name, kind, _ in rows
    ]
    for template, (_, _, _, described) in zip(default.templates, rows, strict=True):
        assert all(f"`{name}`" in described for name in template.definitions)
    assert default.limits.portal.rate == default.limits.portal.burst == 10
    assert (default.limits.platform.requests, default.limits.platform.seconds) == (300, 60)
    assert default.error_loop.after == 5


@pytest.mark.parametrize(
    ("scenario", "complaint"),
    [
        ({"limit": {}}, "unknown key 'limit'; allowed are comment, connections"),
        ([], "must be an object, not []"),
        ({"limits": {"portal": {"rate": 1}}}, "limits.portal: the key 'burst' is required"),
        ({"limits": {"portal": {"rate": 0, "burst": 1}}}, "limits.portal.rate: must be a number above 0"),
        ({"limits": {"platform": {"requests": 1.5}}}, "limits.platform.requests: must be a whole number from 1"),
        ({"seed": True}, "seed: must be a whole number"),
        ({"language": "de"}, 'language: must be one of "en", "ru", not "de"'),
        ({"faults": {}}, "faults: must be a list"),
        ({"faults": [{"nth": 1}]}, "faults[0]: the key 'answer' is required"),
        ({"faults": [{"answer": "normal"}, {"answer": "bang"}]}, "faults[1].answer: must be one of normal, delay"),
        ({"faults": [{"answer": {"kind": "delay"}}]}, "faults[0].answer: the key 'seconds' is required for 'delay'"),
        (
            {"faults": [{"answer": {"kind": "hang", "seconds": 1}}]},
            "faults[0].answer: unknown key 'seconds' for 'hang'; allowed are kind",
        ),
        ({"faults": [{"answer": {"kind": "error", "code": "ODD"}}]}, "the key 'status' is required"),
        ({"faults": [{"answer": {"kind": "status", "status": 200, "json": 1, "text": "x"}}]}, "either 'json' or 'text'"),
        ({"faults": [{"nth": 0, "answer": "hang"}]}, "faults[0].nth: must be a whole number from 1"),
        ({"faults": [{"between": [1], "answer": "hang"}]}, "faults[0].between: must be [from, to]"),
        ({"faults": [{"probability": 2, "answer": "hang"}]}, "faults[0].probability: must be a number from 0 to 1"),
        ({"faults": [{"on": "me", "committed": True, "answer": "hang"}]}, "'committed' is allowed with 'on': 'start' only"),
        ({"faults": [{"on": "any", "entities": [1], "answer": "hang"}]}, "are allowed with 'on': 'start' only"),
        ({"faults": [{"committed": True, "answer": "reset_before_reading"}]}, "contradicts itself"),
        ({"faults": [{"committed": "yes", "answer": "hang"}]}, 'must be one of true, false, "as_it_would"'),
        ({"keys": []}, "keys: must hold at least one entry"),
        ({"keys": [{"key": "sk_1"}]}, "'key' must begin with one of vibe_api_, vibe_app_, vibe_live_"),
        ({"keys": [{"key": "vibe_api_1", "session": "x"}]}, "'session' is allowed for vibe_app_ keys only"),
        ({"keys": [{"key": "vibe_api_1"}, {"key": "vibe_api_1"}]}, "keys: an entry stands there twice"),
        ({"templates": [{"id": 1}, {"id": 1}]}, "templates: an entry stands there twice"),
        ({"templates": [{"id": 1, "documentType": "invoice"}]}, "templates[0].documentType: must be one of deal"),
        ({"templates": [{"id": 1, "run_seconds": [2, 1]}]}, "templates[0].run_seconds: must be [low, high]"),
        ({"templates": [{"id": 1, "parameters": "x"}]}, "'parameters' must be an object, [] or null"),
        ({"templates": [{"id": 1, "parameters": {"a": "string"}}]}, "'parameters' must map each name to an object"),
        ({"templates": [{"id": 1, "fails": {"at_step": 3, "steps": 2, "message": ""}}]}, "'at_step' must not be above 'steps'"),
        ({"documents": {"missing": {"invoice": [1]}}}, "documents.missing: unknown key 'invoice'; allowed are deal"),
        (
            {"documents": {"missing": {"deal": [[2, 1]]}}},
            "documents.missing.deal: must be a list of ids and [first, last] ranges",
        ),
        ({"outages": [{"from": 2, "to": 1}]}, "'from' must be before 'to'"),
        (
            {"switches": {"template_paths": ["/x"]}},
            "switches.template_paths: must be a list of one or both of /v1/bizproc-templates",
        ),
        ({"switches": {"magic": True}}, "switches: unknown key 'magic'"),
        ({"portal": {"domain": 5}}, "portal.domain: must be text, not 5"),
        ({"switches": {"gzip": 1}}, "switches.gzip: must be true or false, not 1"),
        ({"switches": {"list_denied": "NO"}}, 'switches.list_denied: must be a named error code of the page, not "NO"'),
        ({"others": [{"at": 1, "templateId": 1, "entityType": "deal"}]}, "others[0]: the key 'entityId' is required"),
        ({"me": {"expires_in_seconds": "1"}}, "me.expires_in_seconds: must be a number from"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, scenario, complaint):
    path = tmp_path / "my scenario.json"
    path.write_text(json.dumps(scenario))
    with pytest.raises(ScenarioError) as caught:
        load(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert complaint in said
    assert "\n" not in said
    assert said.endswith(".")


@pytest.mark.parametrize("content", [b"{", b"\xff", b'{"seed": 1, "seed": 2}', b"[1, "])
def test_what_is_no_json_is_one_sentence(tmp_path, content):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(ScenarioError, match="not a JSON file in UTF-8"):
        load(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ScenarioError, match="cannot be read"):
        load(tmp_path / "none.json")


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    path = tmp_path / "bom.json"
    path.write_bytes(b'\xef\xbb\xbf{"seed": 3}')
    assert load(path).seed == 3


def test_sets_of_ids_are_sets():
    found = IdSet([(5, 7), (1, 1), (7, 9), (2, 2)])
    assert found.intervals == [(1, 2), (5, 9)]
    assert [number for number in range(12) if number in found] == [1, 2, 5, 6, 7, 8, 9]
    assert len(found) == 7
    assert (found - IdSet([(2, 5), (8, 8), (20, 30)])).intervals == [(1, 1), (6, 7), (9, 9)]
    assert (found | IdSet([(3, 4)])).intervals == [(1, 9)]
    assert list(found.page(1, 3)) == [2, 5, 6]
    assert list(found.page(6, 9)) == [9]
    assert list(found.page(7, 9)) == []

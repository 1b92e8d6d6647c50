"""The native half of scenario files: the page, the facts and the code agree, and mistakes are one sentence."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from bulkstart import simulator
from bulkstart.simulator import ScenarioError
from bulkstart.simulator.codes import NATIVE, NATIVE_ONLY, STATUS
from bulkstart.simulator.native_about import METHODS
from bulkstart.simulator.native_scenario import PLANS, STATES, Application, Native, State, Webhook
from bulkstart.simulator.native_switches import NativeSwitches
from bulkstart.simulator.scenario import load
from bulkstart.simulator.templates import Task

FOLDER = Path(simulator.__file__).parent
PAGE = (FOLDER / "SCENARIOS.md").read_text(encoding="utf-8")
SECTIONS = PAGE.split("## 17. ")[1]
FACTS = (FOLDER / "FACTS.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("cls", [Native, Webhook, Application, State, NativeSwitches])
def test_the_page_names_every_key(cls):
    names = {field.metadata["name"] or field.name for field in dataclasses.fields(cls)}
    assert {name for name in names if f"`{name}`" not in SECTIONS} == set()


def test_the_page_names_every_key_of_a_task():
    assert {field.name for field in dataclasses.fields(Task) if field.name not in PAGE} == set()


def test_the_page_names_every_plan_state_method_and_code():
    assert {word for word in (*PLANS, *STATES) if f'"{word}"' not in SECTIONS} == set()
    assert {name for name in METHODS if f"`{name}`" not in SECTIONS} == set()
    assert {code for code in NATIVE_ONLY if code and f"`{code}`" not in PAGE} == set()
    assert set(STATUS) <= {*NATIVE, *NATIVE_ONLY}


def test_every_switch_stands_in_the_facts():
    assert {field.name for field in dataclasses.fields(NativeSwitches) if f"`{field.name}`" not in FACTS} == set()


def test_the_first_value_of_each_switch_on_the_page_is_its_default():
    rows = dict(re.findall(r"^\| `(\w+)` \| [\d–]+ \| (.+?) \|$", PAGE.split("## 18. ")[1], re.MULTILINE))
    assert set(rows) == {field.name for field in dataclasses.fields(NativeSwitches)}
    for field in dataclasses.fields(NativeSwitches):
        said = re.match(r"`([^`]+)`|([^`:,;(]+)", rows[field.name])
        assert json.loads((said[1] or said[2]).strip()) == field.default, field.name


def test_the_defaults_on_the_page_are_the_defaults():
    for row in re.findall(r"^\| `client_id`.*$", SECTIONS, re.MULTILINE):
        first = Application()
        assert all(
            f"`{value}`" in row for value in (first.client_id, first.client_secret, first.access_token, first.refresh_token)
        )
    assert [(hook.user, hook.code) for hook in Native().webhooks] == [(1, "sandboxcode0123456789")]
    assert load().limits.native == "plan"
    assert (load().limits.operating.seconds, load().limits.operating.window) == (480, 600)


@pytest.mark.parametrize(
    ("native", "complaint"),
    [
        ({"webhook": []}, "native: unknown key 'webhook'; allowed are applications, durations"),
        ({"plan": "gold"}, 'native.plan: must be one of "other", "enterprise"'),
        ({"webhooks": [{}]}, "native.webhooks[0]: the key 'code' is required"),
        ({"webhooks": [{"code": "short"}]}, "native.webhooks[0].code: must be at least 8 letters"),
        ({"webhooks": [{"code": "same0123456789"}] * 2}, "native: webhooks: an entry stands there twice"),
        ({"applications": [{}, {}]}, "native: applications: an entry stands there twice"),
        ({"applications": [{"refresh": "never"}]}, 'native.applications[0].refresh: must be one of "normal"'),
        ({"states": [{"is": "gone"}]}, 'native.states[0].is: must be one of "renamed"'),
        ({"states": [{}]}, "native.states[0]: the key 'is' is required"),
        ({"switches": {"magic": 1}}, "native.switches: unknown key 'magic'"),
        ({"durations": {"profile": "long"}}, "native.durations.profile: must be a number"),
        ({"request_seconds": 0}, "native.request_seconds: must be a number above 0"),
    ],
)
def test_mistakes_are_one_sentence(native, complaint):
    with pytest.raises(ScenarioError) as caught:
        load({"native": native})
    assert complaint in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ({"on": "start", "commands": 3, "answer": "close"}, "'commands' is allowed with 'on': 'batch' only"),
        ({"on": "list", "committed": True, "answer": "close"}, "'committed' is allowed with 'on': 'start' only"),
        ({"on": "oauth", "commit_after": 1, "answer": "close"}, "'commit_after' is allowed with 'on': 'start' only"),
        ({"dialect": "soap", "answer": "close"}, 'faults[0].dialect: must be one of "vibecode", "native"'),
        ({"answer": {"kind": "error", "code": "NEVER_HEARD_OF"}}, "the key 'status' is required"),
    ],
)
def test_mistakes_in_rules_are_one_sentence(rule, complaint):
    with pytest.raises(ScenarioError) as caught:
        load({"faults": [rule]})
    assert complaint in str(caught.value)


def test_the_bucket_is_off_by_plan_or_spelled_out():
    assert load({}).limits.native is None
    with pytest.raises(ScenarioError, match=r"limits\.native: must be an object"):
        load({"limits": {"native": "off"}})
    assert load({"limits": {"native": {"rate": 20, "burst": 50}}}).limits.native.burst == 50

"""Each behaviour that the pages mark ``[?]`` is a switch of the sandbox (SCENARIOS.md 12): under every value a run ends truthful.

The run of each case: ten rows, among them two on one document, one on an entity that is not there, parameters of several types,
one start cut by the gateway's own patience, and one answer lost after its commit.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tests.conftest import run


def parameter(kind: str, **more: str) -> dict[str, str]:
    return {"Name": "", "Description": "", "Type": kind, "Required": "0", "Multiple": "0", "Options": "", "Default": "", **more}


PARAMETERS: dict[str, Any] = {
    "mark": parameter("string"),
    "amount": parameter("double"),
    "copies": parameter("int"),
    "due": parameter("date"),
    "urgent": parameter("bool"),
    "tags": parameter("string", Multiple="1"),
}
FRAME = pd.DataFrame(
    {
        "entityId": [1, 1, 2, 3, 13, 4, 5, 6, 7, 8],
        "templateId": [713] * 7 + [714] + [713] * 2,
        "param:mark": list("abcdefghij"),
        "param:amount": [None, 1.5, 10.25, None, 3, 4, 5, 6, 7, 8],
        "param:copies": [1, 2, 3, None, 5, 6, 7, 8, 9, 10],
        "param:due": ["2026-12-01"] * 9 + [None],
        "param:urgent": [True, False, None, True, False, True, False, True, False, True],
        "param:tags": ["x"] * 10,
    },
    dtype=object,
)
"""Entity 13 is not there; row 8 runs a slow template; the start of row 4 (deal 3) loses its answer after the commit."""

SCENARIO: dict[str, Any] = {
    "templates": [
        {"id": 713, "name": "Quick", "documentType": "deal", "parameters": PARAMETERS, "life_seconds": 20},
        {"id": 714, "name": "Slow", "documentType": "deal", "parameters": PARAMETERS, "run_seconds": 0.4},
    ],
    "documents": {"missing": {"deal": [13]}},
    "limits": {"portal": {"rate": 500, "burst": 500}, "platform": {"requests": 500, "seconds": 10}},
    "faults": [{"entities": [3], "committed": True, "answer": "close"}],
}

VALUES: dict[str, list[Any]] = {
    "cut_rolls_back": [False, True],
    "disconnect_stops_run": [False, True],
    "disconnect_drops_queued": [False, True],
    "upstream_retry_every": [0, 3],
    "upstream_seconds": [60, 0.2],
    "upstream_answer": ["BITRIX_UNAVAILABLE", "html_502", "html_504", "reset"],
    "parameters_passed": ["unchanged", "strings", "dropped"],
    "parameters_not_object": ["dropped", "refused"],
    "template_paths": [
        ["/v1/bizproc-templates", "/v1/entities/bizproc-templates"],
        ["/v1/bizproc-templates"],
        ["/v1/entities/bizproc-templates"],
    ],
    "template_listing": ["open", "OAUTH_REQUIRED"],
    "template_fields": ["camel", "native"],
    "template_parameters_key": ["parameters", "PARAMETERS", None],
    "template_ids": ["number", "string"],
    "missing_entity": ["BITRIX_ERROR", "ENTITY_NOT_FOUND", "localised"],
    "b24_code_when_empty": ["empty", "absent"],
    "platform_limit_by": ["all", "key", "ip"],
    "list_page": [50, 1],
    "list_fields": ["native", "camel"],
    "force_erases": [True, False],
    "date_formats": ["any", "iso", "portal"],
    "refused_count": [False, True],
    "limit_text": [None, "Zu viele Prozesse"],
    "id_before_run": [False, True],
    "listed_while_running": [True, False],
    "clock_skew_seconds": [0, -3600, 86400],
    "started_form": ["offset", "utc", "naive"],
    "date_header": [True, False],
    "list_denied": [None, "BITRIX_ACCESS_DENIED", "ACCESS_DENIED"],
    "gzip": [False, True],
    "idempotency_key": ["ignored", "refused"],
    "short_pages": [False, True],
    "modified_moves": [False, True],
    "search_ids": ["number", "string"],
    "search_in_limit": [500, 1],
    "batch_cost": ["one", "each"],
    "ip_denied_code": ["IP_NOT_ALLOWED"],
}
WITH: dict[str, dict[str, Any]] = {
    "cut_rolls_back": {"upstream_seconds": 0.2},
    "upstream_answer": {"upstream_seconds": 0.2},
}
"""What else must hold for a switch to be seen at all."""

DEFAULTS = {name: values[0] for name, values in VALUES.items()}
CASES = [(name, value) for name, values in VALUES.items() for value in values if value != DEFAULTS[name]]
"""The defaults together are one case more; ``cut_rolls_back`` and ``upstream_answer`` are seen with both values all the same."""
CASES += [(name, DEFAULTS[name]) for name in WITH]


def switched(name: str, value: Any, **scenario: Any):
    switches = {name: value, **WITH.get(name, {})}
    return run(
        {**SCENARIO, "switches": switches, **scenario},
        FRAME,
        template=None,
        entity_type="deal",
        max_unknown=3,
        timeout=3.0,
        halt_doubts=0,
    )


def test_the_table_names_every_switch():
    from dataclasses import fields  # noqa: PLC0415  beside its use

    from bulkstart.simulator.switches import Switches  # noqa: PLC0415  the one look at the sandbox's own words

    assert set(VALUES) == {entry.name for entry in fields(Switches)}


def test_with_every_switch_at_its_default_each_row_is_told_as_it_is():
    ran = run({**SCENARIO, "switches": DEFAULTS}, FRAME, template=None, entity_type="deal", max_unknown=3, halt_doubts=0)
    assert ran.statuses == ["started"] * 3 + ["in_doubt", "refused"] + ["started"] * 5
    assert ran.code == 5


@pytest.mark.parametrize(("name", "value"), CASES, ids=lambda value: str(value)[:40])
def test_under_each_value_of_a_switch_a_run_ends_truthful(name, value):
    ran = switched(name, value)
    lost = ran.results.loc[3]
    assert lost["startStatus"] == "in_doubt"
    assert ran.code == 5
    missing = "in_doubt" if value == "localised" else "refused"
    assert ran.statuses[4] == missing
    cut = name in WITH or name == "upstream_seconds"
    assert ran.statuses[7] == ("in_doubt" if cut else "started")
    assert ran.statuses[:3] + ran.statuses[5:7] + ran.statuses[8:] == ["started"] * 7


@pytest.mark.parametrize("drops", [False, True])
@pytest.mark.parametrize("timed_out", ["run", "drop"])
def test_a_start_that_waited_too_long_in_the_gateway_is_in_doubt(timed_out, drops):
    queue = {"parallel": 1, "seconds": 0.3, "timed_out": timed_out}
    slow = [{"id": 713, "documentType": "deal", "run_seconds": 0.25}]
    scenario = {"templates": slow, "limits": {"queue": queue}, "switches": {"disconnect_drops_queued": drops}}
    ran = run(scenario, rows=6, max_unknown=3, halt_doubts=0, halt_same=0)
    assert set(ran.statuses) == {"started", "in_doubt"}
    assert set(ran.codes) == {"", "QUEUE_TIMEOUT"}


@pytest.mark.parametrize("stops", [False, True])
def test_a_client_that_lost_patience_does_not_know_what_became_of_the_start(stops):
    slow = [{"id": 713, "documentType": "deal", "run_seconds": 0.6}]
    ran = run({"templates": slow, "switches": {"disconnect_stops_run": stops}}, rows=2, timeout=0.3)
    assert set(ran.statuses) == {"in_doubt"}
    assert set(ran.codes) == {"READ_TIMEOUT"}


@pytest.mark.parametrize("text", [None, "Zu viele Prozesse"])
def test_a_full_document_is_a_doubt_since_its_text_is_localised(text):
    busy = [{"templateId": 713, "entityType": "deal", "entityId": 5}] * 2
    ran = run({"running": busy, "limits": {"per_document": 2}, "language": "ru", "switches": {"limit_text": text}})
    assert ran.statuses[4] in ("in_doubt", "not_attempted")  # never sent where the running list could be read beforehand
    assert not [line for line in ran.commits() if line["entityId"] == 5]


def test_an_address_that_the_key_does_not_allow_stops_the_run():
    keys = [{"key": "vibe_api_here_0123456789", "allowed_ips": ["10.0.0.1"]}]
    ran = run({"keys": keys, "switches": {"ip_denied_code": "IP_NOT_ALLOWED"}})
    assert not ran.commits()
    assert set(ran.statuses) <= {"not_attempted", "in_doubt"}

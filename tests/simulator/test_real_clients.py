"""Published Bitrix24 clients, as they are, against the sandbox: they work as they do in the field, their faults included.

They run in a process of their own, under the interpreter that ``BULKSTART_PEERS_PYTHON`` names, or under this one: it needs
fast-bitrix24, b24pysdk, b24api, and trustme for the certificate that b24pysdk insists on.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.simulator.rest_talk import Rest

SCRIPT = Path(__file__).with_name("peers.py")
PYTHON = os.environ.get("BULKSTART_PEERS_PYTHON", sys.executable)
CLIENTS = ["fast_bitrix24", "b24pysdk", "b24api"]
HOW = "install fast-bitrix24, b24pysdk, b24api and trustme, or name an interpreter that has them in BULKSTART_PEERS_PYTHON"
LIVING = [{"id": 713, "name": "Contract", "life_seconds": None}]
PLAN = {"native": {"rate": 2, "burst": 50}}


def rows(count, template=713):
    return [
        {"template": template, "entity": number, "parameters": {"note": f"ü & {number}=100%"}} for number in range(1, count + 1)
    ]


def told(rest, client, deed, starts=(), timeout=60):
    """What the program that calls the client holds in its hands."""
    task = json.dumps({"webhook": rest.sandbox.webhook_url, "rows": list(starts)})
    ran = subprocess.run([PYTHON, SCRIPT, client, deed], input=task, capture_output=True, text=True, timeout=timeout, check=False)
    assert ran.returncode == 0, f"{HOW}: {ran.stderr[-500:]}"
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found.get("failed") not in ("ModuleNotFoundError", "ImportError"), f"{HOW}: {found['said']}"
    return found


@pytest.fixture
def portal(open_rest):
    """A portal of the smaller plan, without a limit on one document."""

    def make(**scenario):
        limits = {**PLAN, "per_document": 0, **scenario.pop("limits", {})}
        return open_rest({"templates": LIVING, **scenario, "limits": limits})

    return make


def duplicates(rest):
    return sum(count - 1 for count in Counter(rest.committed()).values())


@pytest.mark.parametrize("client", CLIENTS)
def test_one_start(portal, client):
    rest = portal()
    found = told(rest, client, "start", rows(1))
    line = rest.sandbox.commits()[0]
    assert found == {"result": line["workflowId"]}
    assert (line["entityId"], line["entityType"], line["templateId"]) == (1, "deal", 713)
    assert line["parameters"] == {"note": "ü & 1=100%"}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_hundred_and_twenty_starts_in_batches(portal, client):
    rest = portal()
    found = told(rest, client, "batch", rows(120))["result"]
    by_entity = {line["entityId"]: line["workflowId"] for line in rest.sandbox.commits()}
    assert len(rest.sandbox.commits()) == len(by_entity) == 120
    assert all(line["parameters"] == {"note": f"ü & {line['entityId']}=100%"} for line in rest.sandbox.commits())
    if client == "b24pysdk":
        assert found == {"result": {f"r{entity}": name for entity, name in by_entity.items()}, "result_error": {}}
    elif client == "b24api":
        assert found == [by_entity[entity] for entity in range(1, 121)]
    else:
        assert sorted(found) == sorted(by_entity.values())  # in order of arrival, not of rows
    assert [line["on"] for line in rest.lines("arrival")] == ["batch"] * 3


@pytest.mark.parametrize("client", CLIENTS)
def test_all_that_runs_and_all_templates(portal, client):
    rest = portal(templates=[*LIVING, {"id": 714, "documentType": "lead", "parameters": []}])
    started = {rest.start(number).result: f"DEAL_{number}" for number in range(1, 31)}
    rest.batch({f"c{number}": _command(number) for number in range(31, 81)})
    started |= {line["workflowId"]: f"DEAL_{line['entityId']}" for line in rest.sandbox.commits()}
    listed = told(rest, client, "running")["result"]
    assert {row["ID"]: row["DOCUMENT_ID"] for row in listed} == started
    assert {row["TEMPLATE_ID"] for row in listed} == {"713"}
    templates = told(rest, client, "templates")["result"]
    assert sorted(templates, key=lambda row: row["ID"]) == [
        {"ID": "713", "NAME": "Contract"},
        {"ID": "714", "NAME": "Template 714"},
    ]


def _command(number):
    document = f"DOCUMENT_ID[0]=crm&DOCUMENT_ID[1]=CCrmDocumentDeal&DOCUMENT_ID[2]=DEAL_{number}"
    return f"bizproc.workflow.start?TEMPLATE_ID=713&{document}"


# ------------------------------------------------------------------------------------------------ their faults


@pytest.mark.parametrize(("client", "done"), [("fast_bitrix24", 59), ("b24pysdk", 59), ("b24api", 29)])
def test_one_bad_row(portal, client, done):
    rest = portal(documents={"missing": {"deal": [30]}})
    found = told(rest, client, "batch", rows(60))
    assert len(rest.sandbox.commits()) == done  # b24api halts at the first error
    if client == "b24pysdk":
        assert len(found["result"]["result"]) == 59
        assert list(found["result"]["result_error"]) == ["r30"]
    else:
        assert "Wrong DOCUMENT_ID!" in found["said"]  # and not one id of those that were started


@pytest.mark.parametrize(("client", "twice"), [("fast_bitrix24", 50), ("b24pysdk", 0), ("b24api", 50)])
def test_a_lost_answer(portal, client, twice):
    rest = portal(faults=[{"on": "batch", "nth": 1, "committed": True, "answer": "close"}])
    found = told(rest, client, "batch", rows(60))
    assert duplicates(rest) == twice
    assert ("result" in found) == (twice > 0)  # who repeats says nothing of it; who does not, gives up


def test_b24api_repeats_a_batch_that_the_operating_limit_met(portal):
    rest = portal(faults=[{"nth": 12, "committed": False, "answer": "OPERATION_TIME_LIMIT"}])
    assert len(told(rest, "b24api", "batch", rows(30))["result"]) == 30
    assert duplicates(rest) == 11


def test_b24pysdk_reports_what_the_operating_limit_met_and_leaves_it(portal):
    slow = [{"id": 713, "run_seconds": 0.02}]
    rest = portal(templates=slow, limits={"operating": {"seconds": 0.19, "window": 600}})
    found = told(rest, "b24pysdk", "batch", rows(20))["result"]
    assert (len(found["result"]), len(found["result_error"])) == (10, 10)
    assert duplicates(rest) == 0


@pytest.mark.parametrize("client", ["b24pysdk", "b24api"])
def test_a_full_bucket_is_waited_for(portal, client):
    rest = portal(faults=[{"nth": 1, "committed": False, "answer": "QUERY_LIMIT_EXCEEDED"}])
    found = told(rest, client, "start", rows(1))
    assert found == {"result": rest.sandbox.commits()[0]["workflowId"]}
    assert [line["code"] for line in rest.lines("answer")] == ["QUERY_LIMIT_EXCEEDED", None]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_portal_that_was_renamed(portal, client):
    second = portal()
    elsewhere = f"http://127.0.0.1:{second.sandbox.port}"
    rest = portal(native={"states": [{"is": "renamed", "location": elsewhere}]})
    assert "failed" in told(rest, client, "start", rows(1))
    assert rest.sandbox.commits() == second.sandbox.commits() == []
    followed = [
        (line["method"], line["call"], line["digest"] == rest.lines("arrival")[0]["digest"]) for line in second.lines("arrival")
    ]
    assert followed == ([("GET", "batch", False)] if client == "fast_bitrix24" else [])  # with the code, without the body


def test_the_talk_of_these_tests_agrees_with_the_clients(portal):
    """Our own client is no better known to the sandbox than theirs: the same row, the same line."""
    rest = portal()
    kept = []
    for send in (
        lambda: rest.start(1, note="ü & 1=100%"),
        *(lambda client=client: told(rest, client, "start", rows(1)) for client in CLIENTS),
    ):
        send()
        line = rest.sandbox.commits()[-1]
        kept.append([line[key] for key in ("templateId", "entityType", "entityId", "documentId", "effective")])
    assert kept == [kept[0]] * 4
    assert isinstance(rest, Rest)

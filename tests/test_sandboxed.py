"""The embedded sandbox: a portal whose ledger is the truth, and a journal of its own that ends with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import bulkstart
from bulkstart.errors import UsageError
from bulkstart.result_columns import SANDBOX_MARK
from bulkstart.simulator.reading import ScenarioError
from tests.conftest import FAST, PLAIN, deals, starts

SCENARIO = {"templates": [PLAIN]}
ONE = {"template": 713, **FAST}


def test_a_sandbox_writes_into_no_journal_but_its_own():
    with bulkstart.sandbox(SCENARIO) as portal:
        bulkstart.start(deals(2), portal=portal, **ONE)
        assert portal.journal.exists()
    assert not Path(os.environ["BULKSTART_JOURNAL"]).exists()
    assert bulkstart.runs().empty


def test_a_journal_that_is_named_wins_over_the_sandboxs_own(tmp_path):
    with bulkstart.sandbox(SCENARIO) as portal:
        bulkstart.start(deals(1), portal=portal, journal=tmp_path / "mine.sqlite", **ONE)
        assert not portal.journal.exists()
    assert (tmp_path / "mine.sqlite").exists()


def test_two_sandboxes_know_nothing_of_each_other():
    with bulkstart.sandbox(SCENARIO) as one, bulkstart.sandbox(SCENARIO) as other:
        assert (one.base_url, one.journal) != (other.base_url, other.journal)
        for portal in (one, other):
            assert bulkstart.start(deals(1), portal=portal, **ONE)["startStatus"].tolist() == ["started"]
            assert len(starts(portal.ledger(), "commit")) == 1


def test_a_sandbox_is_loopback_and_says_what_it_is_and_no_key():
    with bulkstart.sandbox(SCENARIO) as portal:
        assert (portal.is_sandbox, portal.loopback) == (True, True)
        key = next(iter(portal.headers.values())).reveal()
        assert key.startswith("vibe_")
        assert key not in repr(portal)


def test_the_ledger_tells_arrival_commit_and_answer_in_order_and_stays_readable():
    with bulkstart.sandbox(SCENARIO) as portal:
        results = bulkstart.start(deals(1), portal=portal, **ONE)
    told = [line["kind"] for line in portal.ledger() if line["on"] == "start"]
    assert told == ["arrival", "commit", "answer"]
    assert starts(portal.ledger(), "commit")[0]["workflowId"] == results["workflowId"][0]
    assert results["errorMessage"].tolist() == [SANDBOX_MARK]


def test_a_sandbox_ends_with_its_block_though_the_block_fails():
    folders = []

    def fail():
        with bulkstart.sandbox(SCENARIO) as portal:
            bulkstart.start(deals(1), portal=portal, **ONE)
            folders.append(portal.journal.parent)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not folders[0].exists()


def test_a_scenario_with_an_unknown_key_is_said_at_once():
    with pytest.raises(ScenarioError, match="nonsense"), bulkstart.sandbox({"nonsense": 1}):
        pass


APPLICATION = {"native": {"applications": [{}]}}


@pytest.mark.parametrize(("dialect", "spoken"), [("vibecode", "vibecode"), ("native", "native"), ("oauth", "native")])
def test_a_sandbox_is_met_by_the_api_that_is_asked_for(dialect, spoken):
    with bulkstart.sandbox({**SCENARIO, **APPLICATION}, dialect=dialect) as portal:
        assert (portal.dialect, portal.is_sandbox, portal.loopback) == (spoken, True, True)
        assert bulkstart.start(deals(1), portal=portal, **ONE)["startStatus"].tolist() == ["started"]
        assert {line["dialect"] for line in portal.ledger()} == {spoken}
        assert bulkstart.templates(portal)["id"].tolist() == [713]


@pytest.mark.parametrize(
    ("dialect", "scenario"), [("rest", {}), ("oauth", {}), ("native", {"native": {"webhooks": []}}), ("", {})]
)
def test_an_api_that_the_scenario_lacks_is_said(dialect, scenario):
    with pytest.raises(UsageError, match="dialect"), bulkstart.sandbox({**SCENARIO, **scenario}, dialect=dialect):
        pass


def test_the_dialect_of_an_own_sandbox_can_be_given_in_python():
    results = bulkstart.start(deals(1), sandbox=True, dialect="native", template=720, **FAST)
    assert results["startStatus"].tolist() == ["started"]

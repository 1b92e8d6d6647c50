"""Which rows a report shows, and what it tells a person to do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.evidence import MATCHED
from bulkstart.journal_past import PastRow, PastRun
from bulkstart.model import Outcome, StartRequest
from bulkstart.report_rows import Account, card, chosen, entity, what_to_do, where_to_look
from bulkstart.result_columns import Status

PORTAL = "acme.bitrix24.ru"


def run_with(*outcomes, **more):
    """A run whose rows stand as told, and as the journal has them."""
    rows = tuple(
        PastRow(o, str(o.position + 2), f"key-{o.position}", StartRequest(713, "deal", o.position + 1, {})) for o in outcomes
    )
    past = PastRun("run-1", 1000.0, PORTAL, "vibecode", "deals.xlsx", "713", "", {}, "deals.results.xlsx", live=False, rows=rows)
    return Account(replace(past, **more), list(outcomes), [])


def row(position, status, code="", message="", workflow_id=""):
    return Outcome(position, status, workflow_id, code, message, 1)


ALL = [
    row(0, Status.STARTED, workflow_id="w0"),
    row(1, Status.ALREADY_STARTED, workflow_id="w1", message="started before, in run run-0"),
    row(2, Status.STARTED, workflow_id="w2", message=MATCHED),
    row(3, Status.ALREADY_STARTED, workflow_id="w3", message=f"started before, in run run-0; {MATCHED}"),
    row(4, Status.REFUSED, "BITRIX_ERROR", "no"),
    row(5, Status.IN_DOUBT, "TIMEOUT", "lost"),
    row(6, Status.NOT_ATTEMPTED, "RUN_STOPPED", "stopped"),
]


def test_rows_are_told_apart():
    account = run_with(*ALL)
    assert account.counts == {"started": 2, "already_started": 2, "refused": 1, "in_doubt": 1, "not_attempted": 1}
    assert [o.position for o in account.not_started()] == [4, 6]
    assert [o.position for o in account.remarked()] == [2, 3]
    assert next((status, code) for status, code, _ in account.groups()) == (Status.IN_DOUBT, "TIMEOUT")


def test_in_a_living_run_what_nobody_settled_is_open_and_no_failure():
    waiting = row(6, Status.NOT_ATTEMPTED, "CLAIMED_BY_RUN", "run-1 works on it")
    account = run_with(*ALL[:6], replace(waiting, error_code=""), live=True)
    account = Account(account.past, [*ALL[:6], waiting], [])
    assert account.counts["open"] == 1
    assert "not_attempted" not in account.counts
    assert [o.position for o in account.not_started()] == [4]
    assert [command for _, command in account.next_steps("")] == ["bulkstart report run-1", "bulkstart stop run-1"]


def test_the_next_steps_are_those_that_the_rows_need():
    steps = [command for _, command in run_with(*ALL).next_steps("my results.xlsx", ["--journal", "j.sqlite"])]
    assert steps == [
        "bulkstart resume run-1 --journal j.sqlite",
        "bulkstart reconcile run-1 --journal j.sqlite",
        "bulkstart resume run-1 --release-doubts --journal j.sqlite",
        "bulkstart 'my results.xlsx'",
        "bulkstart undo run-1 --dry-run --journal j.sqlite",
    ]
    assert [command for _, command in run_with(ALL[1]).next_steps("")] == []
    limited = row(0, Status.NOT_ATTEMPTED, "LIMIT", "behind it")
    assert [command for _, command in run_with(limited).next_steps("")] == []
    assert [command for _, command in run_with(row(0, Status.INVALID, "type-error", "x"), sheet="").next_steps("")] == [
        "bulkstart.start(frame, portal=portal, …)"
    ]


@given(st.lists(st.sampled_from(["A", "B", "C", "D"]), max_size=60), st.integers(1, 40))
def test_what_is_shown_is_bounded_in_order_and_of_every_kind(codes, most):
    outcomes = [row(n, Status.REFUSED, code, "no") for n, code in enumerate(codes)]
    found = chosen(outcomes, most)
    assert len(found) == min(most, len(outcomes))
    assert [o.position for o in found] == sorted({o.position for o in found})
    if most >= len(set(codes)):
        assert {o.error_code for o in found} == set(codes)


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("deal", "/crm/deal/details/7/"),
        ("quote", "/crm/quote/details/7/"),
        ("dynamic_1036", "/crm/type/1036/details/7/"),
        ("task", None),
        ("list_item", None),
        ("smart_invoice", None),
        ('deal" onclick="x', None),
    ],
)
def test_a_card_is_linked_where_its_address_is_known(kind, address):
    past = run_with(ALL[0]).past
    request = StartRequest(713, kind, 7, {})
    assert card(past, PastRow(ALL[0], "2", "key", request)) == (address and f"https://{PORTAL}{address}")


@pytest.mark.parametrize(
    "portal", ["127.0.0.1:8018", "https://gateway#ab12", "javascript:alert(1)", "a.b/c", "a.b\n", "1.2.3.4", "", "x"]
)
def test_only_a_domain_is_ever_linked(portal):
    past = replace(run_with(ALL[0]).past, portal=portal)
    assert card(past, past.rows[0]) is None


def test_a_row_without_a_request_is_told_as_far_as_it_goes():
    bare = PastRow(ALL[4], "6", "", None)
    assert entity(bare) == ""
    assert card(run_with(ALL[0]).past, bare) is None
    assert where_to_look(bare, sent=False)
    assert "template 713, one that began" in where_to_look(run_with(ALL[0]).past.rows[0], sent=True)


def test_advice_that_the_message_holds_already_is_not_said_twice():
    assert what_to_do(ALL[4]).startswith("nothing was started")
    assert what_to_do(replace(ALL[4], error_message=f"no; {what_to_do(ALL[4])}")) == ""

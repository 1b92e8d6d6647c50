"""States that close a portal: renamed, under maintenance, blocked, deleted, unconfirmed, unpaid, without bizproc."""

import pytest

from tests.simulator.rest_talk import START, Rest, command


def closed(open_rest, **state):
    return open_rest({"native": {"states": [state]}})


def test_a_renamed_portal_redirects_with_the_same_path(open_rest):
    rest = closed(open_rest, **{"is": "renamed"}, location="https://new.bitrix24.example/")
    answer = rest.start(1)
    assert (answer.status, answer.body) == (302, b"")
    assert answer.headers["location"] == f"https://new.bitrix24.example{rest.root}{START}"
    queried = rest.send(f"{rest.root}profile?x=1", verb="GET", kind=None)
    assert queried.headers["location"].endswith("/profile?x=1")
    assert rest.sandbox.commits() == []


def test_what_stands_in_front_comes_before_the_rate_and_costs_none(open_rest):
    limits = {"native": {"rate": 0.001, "burst": 1}}
    rest = open_rest({"native": {"states": [{"is": "renamed", "methods": ["profile"]}]}, "limits": limits})
    assert [rest.call("profile").status for _ in range(3)] == [302] * 3
    assert [rest.call("scope").status, rest.call("scope").status, rest.call("profile").status] == [200, 503, 302]


@pytest.mark.parametrize(("status", "seen"), [(None, 503), (200, 200)])
def test_a_page_of_maintenance(open_rest, status, seen):
    answer = closed(open_rest, **{"is": "maintenance"}, status=status).start(1)
    assert (answer.status, answer.headers["content-type"]) == (seen, "text/html")
    assert b"maintenance" in answer.body


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("OVERLOAD_LIMIT", (503, "OVERLOAD_LIMIT", "REST API is blocked due to overload.")),
        ("PORTAL_DELETED", (500, "PORTAL_DELETED", "Portal was deleted")),
        ("PAYMENT_REQUIRED", (401, "PAYMENT_REQUIRED", "Payment required")),
        ("METHOD_CONFIRM_WAITING", (401, "METHOD_CONFIRM_WAITING", "Waiting for confirmation")),
        ("METHOD_CONFIRM_DENIED", (401, "METHOD_CONFIRM_DENIED", "Method call denied")),
        ("commercial_plans", (403, "ACCESS_DENIED", "REST API is available only on commercial plans")),
        ("https_required", (400, "INVALID_REQUEST", "Https required.")),
        ("no_bizproc", (404, "ERROR_METHOD_NOT_FOUND", "Method not found!")),
    ],
)
def test_what_a_closed_portal_says(open_rest, word, said):
    rest = closed(open_rest, **{"is": word})
    assert rest.start(1).said == said
    assert rest.sandbox.commits() == []
    assert closed(open_rest, **{"is": word}, status=418).start(1).said == (418, *said[1:])


@pytest.mark.parametrize(("word", "known"), [("OVERLOAD_LIMIT", False), ("PAYMENT_REQUIRED", True), ("commercial_plans", True)])
def test_some_states_are_told_to_anybody_and_some_only_to_whom_the_portal_knows(open_rest, word, known):
    rest = closed(open_rest, **{"is": word})
    stranger = rest.send(f"/rest/1/stranger0123456789/{START}", b"{}").said[1]
    assert (stranger == "INVALID_CREDENTIALS") == known


def test_a_state_begins_with_so_many_starts_and_ends_in_time(open_rest, until):
    rest = open_rest({"native": {"states": [{"is": "OVERLOAD_LIMIT", "after_starts": 3, "to": 0.3}]}})
    assert [rest.start(number).status for number in range(1, 6)] == [200, 200, 200, 503, 503]
    assert until(lambda: rest.start(6).status == 200)


def test_a_state_may_close_some_methods_only(open_rest):
    rest = closed(open_rest, **{"is": "METHOD_CONFIRM_WAITING"}, methods=[START])
    assert rest.start(1).said[1] == "METHOD_CONFIRM_WAITING"
    assert rest.call("profile").status == 200
    found = rest.batch({"s": command(1), "p": "profile"}).result
    assert found["result_error"]["s"]["error"] == "METHOD_CONFIRM_WAITING"
    assert list(found["result"]) == ["p"]


@pytest.mark.parametrize(("plan", "code"), [("free", "ACCESS_DENIED"), ("no_bizproc", "ERROR_METHOD_NOT_FOUND")])
def test_a_plan_may_close_starts(open_rest, plan, code):
    rest = open_rest({"native": {"plan": plan}})
    assert rest.start(1).said[1] == code
    assert rest.call("profile").status == (403 if plan == "free" else 200)
    if plan == "no_bizproc":
        assert rest.call("method.get", name=START).result == {"isExisting": True, "isAvailable": False}
        found = rest.batch({"s": command(1)}).result
        assert found["result_error"]["s"]["error"] == "ERROR_METHOD_NOT_FOUND"


@pytest.mark.parametrize(
    ("word", "status", "code", "b24_code"),
    [
        ("OVERLOAD_LIMIT", 422, "BITRIX_ERROR", "OVERLOAD_LIMIT"),
        ("PORTAL_DELETED", 422, "BITRIX_ERROR", "PORTAL_DELETED"),
        ("no_bizproc", 422, "BITRIX_ERROR", "ERROR_METHOD_NOT_FOUND"),
        ("renamed", 502, "BITRIX_UNAVAILABLE", None),
        ("maintenance", 502, "BITRIX_UNAVAILABLE", None),
    ],
)
def test_what_closes_the_portal_shows_through_the_gateway(open_portal, word, status, code, b24_code):
    talk = open_portal({"native": {"states": [{"is": word, "after_starts": 1}]}})
    assert talk.start(1).status == 201
    refused = talk.start(2)
    assert (refused.status, refused.code, refused.error.get("b24Code")) == (status, code, b24_code)
    assert talk.ask("GET", "/me").status == 200
    assert talk.committed() == [1]
    assert Rest(talk.sandbox).start(3).status != 200


def test_a_fault_rule_may_start_on_a_closed_portal(open_portal):
    scenario = {"native": {"states": [{"is": "OVERLOAD_LIMIT"}]}, "faults": [{"committed": True, "answer": "normal"}]}
    talk = open_portal(scenario)
    assert talk.start(1).status == 201

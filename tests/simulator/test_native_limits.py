"""Native limits: the leaky bucket of a plan, operating time with both readings for batches, durations and the cut."""

import http.client
import json
import time

import pytest

from bulkstart.simulator.allowances import Operating
from bulkstart.simulator.limits import OperatingBudgets
from tests.simulator.rest_talk import DEAL, START, Rest, command

BUSY = (503, "QUERY_LIMIT_EXCEEDED", "Too many requests")
SPENT = (429, "OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit.")


def test_the_bucket_holds_so_many_and_leaks_so_fast(open_rest, until):
    rest = open_rest({"limits": {"native": {"rate": 5, "burst": 3}}})
    assert [rest.start(number).status for number in range(1, 6)] == [200, 200, 200, 503, 503]
    refused = rest.start(9)
    assert refused.said == BUSY
    assert "retry-after" not in refused.headers
    assert until(lambda: rest.start(10).status == 200)
    assert [line["throttled"] for line in rest.lines("answer")][:6] == [False] * 3 + [True] * 3


@pytest.mark.parametrize(("plan", "burst"), [("other", 50), ("enterprise", 250)])
def test_a_plan_has_its_bucket(open_rest, plan, burst):
    rest = open_rest({"native": {"plan": plan}, "limits": {"native": "plan"}})
    begun = time.monotonic()
    answers = [rest.call("server.time").status for _ in range(burst + 5 * 4 + 2)]
    leaked = (time.monotonic() - begun) * {"other": 2, "enterprise": 5}[plan]
    assert burst <= answers.count(200) <= burst + leaked + 1
    assert answers[:burst] == [200] * burst


def test_every_request_counts_a_batch_once_and_a_refresh_never(open_rest):
    rest = open_rest({"limits": {"native": {"rate": 0.001, "burst": 4}}, "native": {"applications": [{}]}})
    assert rest.call("profile").status == 200
    assert rest.batch({f"c{number}": "profile" for number in range(50)}).status == 200
    assert rest.send("/oauth/token/", b"").status == 400
    assert rest.send("/rest/1/wrongwrong/profile", b"{}").status == 401
    assert rest.call("no.such.method").status == 404
    assert rest.call("profile").said == BUSY
    assert rest.send("/rest/1/wrongwrong/no.such", b"{}").said == BUSY


def test_both_dialects_have_buckets_of_their_own(open_portal):
    talk = open_portal({"limits": {"native": {"rate": 0.001, "burst": 1}, "portal": {"rate": 0.001, "burst": 2}}})
    rest = Rest(talk.sandbox)
    assert [rest.start(1).status, rest.start(2).status] == [200, 503]
    assert [talk.start(3).status, talk.start(4).status, talk.start(5).status] == [201, 201, 429]


def test_a_bucket_may_be_kept_for_each_credential(open_rest):
    hooks = [{"code": "first0123456789"}, {"user": 2, "code": "second0123456789"}]
    native = {"webhooks": hooks, "switches": {"bucket_by": "credential"}}
    rest = open_rest({"limits": {"native": {"rate": 0.001, "burst": 1}}, "native": native})
    paths = ["/rest/1/first0123456789/profile", "/rest/2/second0123456789/profile"]
    assert [rest.send(path, b"{}").status for path in (*paths, *paths)] == [200, 200, 503, 503]


def test_a_bucket_may_be_kept_for_each_address(open_rest):
    rest = open_rest(
        {"limits": {"native": {"rate": 0.001, "burst": 1}}, "native": {"switches": {"bucket_by": "ip", "retry_after": 3}}}
    )
    other = http.client.HTTPConnection("127.0.0.1", rest.sandbox.port, source_address=("127.0.0.2", 0))  # Linux, Windows
    other.request("POST", f"{rest.root}profile", b"{}", {"Content-Type": "application/json"})
    assert [other.getresponse().status, rest.call("profile").status] == [200, 200]
    assert rest.call("profile").headers["retry-after"] == "3"
    other.close()


def test_refused_requests_may_fill_the_bucket_too(open_rest, until):
    def waited(**switches):
        rest = open_rest({"limits": {"native": {"rate": 10, "burst": 1}}, "switches": switches})
        assert rest.call("profile").status == 200
        begun = time.monotonic()
        for _ in range(5):
            rest.call("profile")
        until(lambda: rest.call("profile").status == 200 or time.monotonic() > begun + 1)
        return time.monotonic() - begun

    assert waited() < waited(refused_count=True)


def test_another_program_may_eat_the_allowance(open_rest):
    foreign = [{"from": 0, "rate": 50}]
    rest = open_rest({"limits": {"native": {"rate": 100, "burst": 5, "foreign": foreign, "changes": [{"at": 0.1, "rate": 1}]}}})
    assert rest.start(1).status == 200
    deadline = time.monotonic() + 0.4
    while time.monotonic() < deadline:
        rest.call("profile")
    assert rest.call("profile").status == 503


# ------------------------------------------------------------------------------------------- operating time


def test_budgets_are_told_in_seconds_and_reset_when_the_oldest_basket_falls_out():
    budgets, bill, other = OperatingBudgets(Operating(seconds=48, window=60)), ("m", "webhook 1"), ("m", "webhook 2")
    assert budgets.told(bill, 1000.0) == (0, 1060)
    budgets.use(bill, 1003.0, 30)  # the basket from 1002 to 1008
    budgets.use(bill, 1009.0, 30)
    assert budgets.told(bill, 1010.0) == (60, 1062)
    assert budgets.exhausted(bill, 1061.9)
    assert not budgets.exhausted(other, 1061.9)
    assert budgets.told(bill, 1062.0) == (30, 1068)
    assert not budgets.exhausted(bill, 1062.0)


def test_the_call_that_crosses_completes_and_the_next_is_refused_until_the_reset(open_rest, until):
    slow = [{"id": 713, "run_seconds": 0.1}]
    rest = open_rest({"templates": slow, "limits": {"operating": {"seconds": 0.15, "window": 2}}})
    answers = [rest.start(number) for number in range(1, 4)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].said == SPENT
    told = [answer.json["time"]["operating"] for answer in answers[:2]]
    assert told == [pytest.approx(0.1), pytest.approx(0.2)]
    assert answers[1].json["time"]["duration"] >= 0.1
    reset = answers[1].json["time"]["operating_reset_at"]
    assert 0 < reset - time.time() <= 3
    assert rest.call("profile").status == 200  # another method
    until(lambda: rest.start(5).status == 200, seconds=4)
    assert time.time() >= reset - 1.2  # whole seconds, rounded up
    assert rest.committed() == [1, 2, 5]


def test_each_credential_and_the_gateway_have_budgets_of_their_own(open_portal):
    slow = [{"id": 713, "run_seconds": 0.05}]
    hooks = [{"code": "first0123456789"}, {"user": 2, "code": "second0123456789"}]
    talk = open_portal(
        {"templates": slow, "limits": {"operating": {"seconds": 0.04, "window": 600}}, "native": {"webhooks": hooks}}
    )
    rest = Rest(talk.sandbox)
    body = json.dumps({"TEMPLATE_ID": 713, "DOCUMENT_ID": DEAL}).encode()
    assert [rest.start(1).status, rest.start(2).status] == [200, 429]
    assert [rest.send(f"/rest/2/second0123456789/{START}", body).status for _ in range(2)] == [200, 429]
    assert [talk.start(3).status, talk.start(4).status] == [201, 422]


def test_reading_uses_operating_time_too(open_rest):
    native = {"durations": {"crm.item.list": 0.05}}
    rest = open_rest({"native": native, "limits": {"operating": {"seconds": 0.04, "window": 600}}})
    answers = [rest.call("crm.item.list", entityTypeId=2) for _ in range(2)]
    assert answers[0].json["time"]["operating"] == pytest.approx(0.05)
    assert answers[1].said == SPENT
    assert rest.start(1).status == 200


@pytest.mark.parametrize(
    ("said", "alone", "inside"), [("sent", True, True), ("omitted", False, False), ("not_in_batches", True, False)]
)
def test_operating_may_be_missing_from_the_times(open_rest, said, alone, inside):
    rest = open_rest({"native": {"switches": {"operating_in_time": said}}})
    single = rest.call("profile").json["time"]
    inner = rest.batch({"a": "profile"}).result["result_time"]["a"]
    for found, wanted in ((single, alone), (inner, inside)):
        assert ("operating" in found) == ("operating_reset_at" in found) == wanted
        assert found["duration"] >= 0


def test_a_batch_uses_the_time_of_its_methods(open_rest):
    slow = [{"id": 713, "run_seconds": 0.05}]
    rest = open_rest({"templates": slow, "limits": {"operating": {"seconds": 0.12, "window": 600}}})
    found = rest.batch({f"c{number}": command(number) for number in range(1, 6)}).result
    assert list(found["result"]) == ["c1", "c2", "c3"]
    assert found["result_error"] == {
        name: {"error": "OPERATION_TIME_LIMIT", "error_description": SPENT[2]} for name in ("c4", "c5")
    }
    assert [found["result_time"][name]["operating"] for name in ("c1", "c2", "c3")] == [
        pytest.approx(used) for used in (0.05, 0.1, 0.15)
    ]
    assert rest.start(9).said == SPENT
    assert rest.batch({"c": "profile"}).status == 200
    assert rest.committed() == [1, 2, 3]


def test_a_batch_may_use_time_of_its_own(open_rest):
    slow = [{"id": 713, "run_seconds": 0.05}]
    native = {"switches": {"batch_operating": "batch"}}
    rest = open_rest({"templates": slow, "native": native, "limits": {"operating": {"seconds": 0.12, "window": 600}}})
    found = rest.batch({f"c{number}": command(number) for number in range(1, 6)}).result
    assert found["result_error"] == []
    assert {told["operating"] for told in found["result_time"].values()} == {0}
    assert rest.batch({"c": "profile"}).said == SPENT
    assert rest.start(9).status == 200


# ------------------------------------------------------------------------------------------------- the cut


@pytest.mark.parametrize(("answer", "status"), [("html_504", 504), ("html_502", 502)])
def test_a_start_that_takes_too_long_is_cut_and_runs_on(open_rest, answer, status):
    native = {"request_seconds": 0.1, "switches": {"cut_answer": answer}}
    rest = open_rest({"templates": [{"id": 713, "run_seconds": 3, "life_seconds": None}], "native": native})
    begun = time.monotonic()
    cut = rest.start(5)
    assert time.monotonic() - begun >= 0.1
    assert (cut.status, cut.headers["content-type"]) == (status, "text/html")
    assert rest.committed() == [5]
    owned = rest.call("bizproc.workflow.instances", SELECT=["ID", "OWNED_UNTIL"]).result[0]
    assert (owned["ID"], owned["OWNED_UNTIL"] is None) == (rest.sandbox.commits()[0]["workflowId"], False)


def test_reading_is_cut_too_and_goes_on(open_rest, until):
    native = {"request_seconds": 0.05, "durations": {"bizproc.workflow.kill": 0.15}}
    rest = open_rest({"templates": [{"id": 713, "life_seconds": None}], "native": native})
    name = rest.start(1).result
    assert rest.call("bizproc.workflow.kill", ID=name).status == 504
    assert rest.call("bizproc.workflow.instances").json["total"] == 1
    assert until(lambda: rest.call("bizproc.workflow.instances").json["total"] == 0)


def test_a_cut_may_be_a_reset(open_rest):
    native = {"request_seconds": 0.05, "switches": {"cut_answer": "reset"}}
    rest = open_rest({"templates": [{"id": 713, "run_seconds": 0.2}], "native": native})
    with pytest.raises(ConnectionError):
        rest.start(5)
    assert rest.committed() == [5]


def test_a_cut_start_may_leave_nothing(open_rest):
    rest = open_rest(
        {
            "templates": [{"id": 713, "run_seconds": 0.2}],
            "native": {"request_seconds": 0.05},
            "switches": {"cut_rolls_back": True},
        }
    )
    assert rest.start(5).status == 504
    assert rest.sandbox.commits() == []


def test_the_id_may_come_before_the_run(open_rest):
    rest = open_rest({"templates": [{"id": 713, "run_seconds": 3}], "switches": {"id_before_run": True}})
    begun = time.monotonic()
    assert rest.start(5).status == 200
    assert time.monotonic() - begun < 1


def test_a_client_that_has_gone_changes_nothing_unless_it_does(open_rest, until):
    def gone(**switches):
        rest = open_rest({"templates": [{"id": 713, "run_seconds": 0.15}], "switches": switches})
        with pytest.raises(TimeoutError):
            rest.start(5, timeout=0.05)
        until(lambda: rest.lines("answer"))
        return rest.committed()

    assert gone() == [5]
    assert gone(disconnect_stops_run=True) == []

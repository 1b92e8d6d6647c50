"""The limits: exact against the ledger's own times, and in virtual time."""

import itertools
import math
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.simulator.allowances import Change, Foreign, Operating, PlatformLimit, PortalLimit
from bulkstart.simulator.limits import LeakyBucket, OperatingBudget, SlidingWindow


def replay_bucket(times, rate, burst):
    """An independent leaky bucket: which requests at these moments are refused."""
    level, last, refused = 0.0, times[0], []
    for moment in times:
        level, last = max(0.0, level - (moment - last) * rate), moment
        refused.append(level + 1 > burst + 1e-9)
        level += 0 if refused[-1] else 1
    return refused


def replay_window(times, requests, seconds):
    accepted, refused = [], []
    for moment in times:
        refused.append(len([earlier for earlier in accepted if moment - earlier < seconds]) >= requests)
        if not refused[-1]:
            accepted.append(moment)
    return refused


def hammer(talk, count, paths=("/me",), threads=2):
    """Requests as fast as they go, from several connections."""
    numbers = itertools.cycle(paths)

    def work():
        for _ in range(count // threads):
            talk.ask("GET", next(numbers))

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def decisions(talk):
    arrivals = sorted(talk.lines("arrival"), key=lambda line: line["n"])
    throttled = {line["n"]: line["throttled"] for line in talk.lines("answer")}
    return [line["mono"] for line in arrivals], [throttled[line["n"]] for line in arrivals]


def test_the_portal_limit_is_exact_and_counts_every_request(open_portal):
    talk = open_portal({"limits": {"portal": {"rate": 100, "burst": 7}}})
    hammer(talk, 300, ["/me", "/workflows", "/deals/1", "/nowhere"])
    times, throttled = decisions(talk)
    assert throttled == replay_bucket(times, 100, 7)
    assert 7 <= throttled.count(False) < 300


def test_the_platform_window_is_exact(open_portal):
    talk = open_portal({"limits": {"platform": {"requests": 5, "seconds": 0.02}}})
    hammer(talk, 300)
    times, throttled = decisions(talk)
    assert throttled == replay_window(times, 5, 0.02)
    assert 5 < throttled.count(False) < 300


def test_both_limits_at_once_are_asked_in_order(open_portal):
    talk = open_portal({"limits": {"platform": {"requests": 3, "seconds": 60}, "portal": {"rate": 0.01, "burst": 2}}})
    replies = [talk.start(entity) for entity in range(1, 6)]
    assert [reply.status for reply in replies] == [201, 201, 429, 429, 429]
    assert [reply.error["retryAfter"] > 10 for reply in replies[2:]] == [False, True, True]  # the portal's 2 s, then the window's


@pytest.mark.parametrize(("refusal", "status"), [("RATE_LIMITED", 429), ("BITRIX_UNAVAILABLE", 502)])
def test_the_portal_limit_has_two_faces_and_starts_nothing(open_portal, refusal, status):
    talk = open_portal({"limits": {"portal": {"rate": 0.01, "burst": 1, "refusal": refusal}}})
    assert talk.start(1).status == 201
    reply = talk.start(2)
    assert (reply.status, reply.code, reply.error["retryAfter"], reply.headers["retry-after"]) == (status, refusal, 2, "2")
    assert talk.committed() == [1]
    assert talk.lines("answer")[1]["throttled"] is True


@pytest.mark.parametrize("limit", ["portal", "platform"])
@pytest.mark.parametrize(("header", "body"), [(True, False), (False, True), (False, False)])
def test_retry_times_can_be_left_unsaid(open_portal, limit, header, body):
    said = {"retry_after_header": header, "retry_after_body": body}
    shape = {"rate": 0.01, "burst": 1, **said} if limit == "portal" else {"requests": 1, "seconds": 60, **said}
    talk = open_portal({"limits": {limit: shape}})
    reply = [talk.start(1), talk.start(2)][1]
    assert ("retry-after" in reply.headers, "retryAfter" in reply.error) == (header, body)


def test_an_exact_retry_time_is_exact(open_portal):
    talk = open_portal({"limits": {"portal": {"rate": 4, "burst": 1, "retry_after": "exact"}}})
    reply = [talk.start(1), talk.start(2)][1]
    first, second = [line["mono"] for line in talk.lines("arrival")]
    assert reply.error["retryAfter"] == pytest.approx(0.25 - (second - first), abs=0.002)
    assert reply.headers["retry-after"] == "1"


@pytest.mark.parametrize("reset", ["epoch", "seconds"])
def test_rate_limit_headers_count_down(open_portal, reset):
    talk = open_portal({"limits": {"platform": {"requests": 2, "seconds": 30, "reset": reset}}})
    before = time.time()
    replies = [talk.ask("GET", "/me") for _ in range(3)]
    assert [reply.headers["x-ratelimit-limit"] for reply in replies] == ["2"] * 3
    assert [reply.headers["x-ratelimit-remaining"] for reply in replies] == ["1", "0", "0"]
    seconds = [int(reply.headers["x-ratelimit-reset"]) - (before if reset == "epoch" else 0) for reply in replies]
    assert all(29 <= left <= 32 for left in seconds)
    assert replies[2].error["retryAfter"] == 30


def test_a_bucket_can_say_what_is_left_in_it(open_portal):
    talk = open_portal({"limits": {"portal": {"rate": 0.1, "burst": 3, "headers": True}}})
    before = time.time()
    replies = [talk.ask("GET", "/me") for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 200, 429]
    assert [reply.headers["x-ratelimit-limit"] for reply in replies] == ["3"] * 4
    assert [reply.headers["x-ratelimit-remaining"] for reply in replies] == ["2", "1", "0", "0"]
    assert 28 <= int(replies[3].headers["x-ratelimit-reset"]) - before <= 60


def test_headers_can_be_off(open_portal):
    talk = open_portal({"limits": {"platform": {"headers": False}}})
    assert not [name for name in talk.ask("GET", "/me").headers if name.startswith("x-ratelimit")]


@pytest.mark.parametrize(("by", "status"), [("all", 429), ("key", 200), ("ip", 429)])
def test_the_window_is_kept_for_everybody_or_for_each_key(open_portal, by, status):
    keys = [{"key": "vibe_api_one_0123456789"}, {"key": "vibe_api_two_0123456789"}]
    talk = open_portal({"keys": keys, "limits": {"platform": {"requests": 1}}, "switches": {"platform_limit_by": by}})
    assert talk.ask("GET", "/me").status == 200
    talk.key = keys[1]["key"]
    assert talk.ask("GET", "/me").status == status


def test_a_wrong_key_counts_for_the_window_but_not_for_the_portal(open_portal):
    talk = open_portal({"limits": {"platform": {"requests": 3, "seconds": 60}, "portal": {"rate": 0.01, "burst": 1}}})
    wrong = {"X-Api-Key": "vibe_api_wrong"}
    assert [talk.ask("GET", "/me", headers=wrong).status for _ in range(2)] == [401, 401]
    assert [talk.ask("GET", "/me").status for _ in range(2)] == [200, 429]


def test_a_key_can_have_a_limit_of_its_own(open_portal):
    talk = open_portal({"keys": [{"key": "vibe_api_slow_012345678", "requests_per_second": 0.5}]})
    assert [talk.ask("GET", "/me").status for _ in range(3)] == [200, 429, 429]


@pytest.mark.parametrize(("cost", "status"), [("one", 200), ("each", 429)])
def test_a_batch_costs_one_request_or_one_for_each_call(open_portal, cost, status):
    talk = open_portal({"limits": {"portal": {"rate": 0.01, "burst": 5}}, "switches": {"batch_cost": cost}})
    calls = [{"id": number, "entity": "deals", "action": "get", "entityId": 1} for number in range(6)]
    assert talk.ask("POST", "/batch", {"calls": calls}).status == status


def test_refused_requests_may_fill_the_bucket_too(open_portal):
    def accepted(counted):
        talk = open_portal({"limits": {"portal": {"rate": 100, "burst": 2}}, "switches": {"refused_count": counted}})
        hammer(talk, 150)
        return decisions(talk)[1].count(False)

    assert accepted(counted=True) < accepted(counted=False)


# ----------------------------------------------------------------------------------------------- virtual time


@given(st.lists(st.floats(0, 2), max_size=60), st.floats(0.5, 20), st.integers(1, 10))
def test_the_bucket_equals_its_definition(gaps, rate, burst):
    times = list(itertools.accumulate([5.0, *gaps]))
    bucket = LeakyBucket(PortalLimit(rate=rate, burst=float(burst)))
    assert [not bucket.take(moment, None) for moment in times] == replay_bucket(times, rate, burst)


@given(st.lists(st.integers(0, 2000), max_size=60), st.integers(1, 10), st.integers(500, 10_000))
def test_the_window_equals_its_definition(gaps, requests, milliseconds):
    times = list(itertools.accumulate([5000, *gaps]))  # whole numbers: no rounding at the edges
    window = SlidingWindow(PlatformLimit(requests=requests, seconds=milliseconds))
    assert [not window.take(moment) for moment in times] == replay_window(times, requests, milliseconds)


@given(st.lists(st.floats(0, 2), max_size=60), st.integers(1, 10), st.floats(0.5, 10))
def test_the_window_never_holds_more_than_it_may(gaps, requests, seconds):
    times = list(itertools.accumulate([5.0, *gaps]))
    window = SlidingWindow(PlatformLimit(requests=requests, seconds=seconds))
    kept = [moment for moment in times if window.take(moment)]
    for moment in kept:
        assert len([other for other in kept if moment - seconds < other - 1e-9 and other <= moment]) <= requests


def fill(bucket, now, origin):
    taken = 0
    while bucket.take(now, origin):
        taken += 1
    return taken


def test_a_changed_limit_holds_from_its_moment_on():
    bucket = LeakyBucket(PortalLimit(rate=10, burst=10, changes=(Change(at=5, rate=2, burst=4),)))
    assert fill(bucket, 100, 100.0) == 10
    assert fill(bucket, 104.9, 100.0) == 10
    assert fill(bucket, 110, 100.0) == 4
    assert fill(bucket, 111, 100.0) == 2


def test_changes_wait_for_the_first_start():
    bucket = LeakyBucket(PortalLimit(rate=10, burst=10, changes=(Change(at=5, burst=1),)))
    assert fill(bucket, 1000, None) == 10


def test_foreign_load_eats_the_allowance():
    bucket = LeakyBucket(PortalLimit(rate=10, burst=10, foreign=(Foreign(start=2, end=4, rate=8),)))
    assert fill(bucket, 100, 100.0) == 10
    assert fill(bucket, 102, 100.0) == 10
    assert fill(bucket, 103, 100.0) == 2  # only 2/s are left
    assert fill(bucket, 104, 100.0) == 2
    assert fill(bucket, 105, 100.0) == 10


def test_a_foreign_load_above_the_rate_shuts_everybody_out():
    bucket = LeakyBucket(PortalLimit(rate=10, burst=10, foreign=(Foreign(start=0, end=3, rate=15),)))
    assert fill(bucket, 102, 100.0) == 0
    assert bucket.wait(102, 100.0) == pytest.approx(1.1)
    assert fill(bucket, 103.101, 100.0) == 1


@given(st.integers(1, 10), st.floats(0.1, 5), st.floats(0, 8))
def test_waiting_as_long_as_told_is_enough_and_not_too_long(burst, rate, moment):
    limit = PortalLimit(
        rate=rate, burst=float(burst), changes=(Change(at=2, rate=3 * rate),), foreign=(Foreign(start=1, end=3, rate=rate / 2),)
    )
    bucket = LeakyBucket(limit)
    fill(bucket, 50 + moment, 50.0)
    wait = bucket.wait(50 + moment, 50.0)
    assert not bucket.take(50 + moment + wait * 0.99, 50.0)
    assert bucket.take(50 + moment + wait + 1e-6, 50.0)


def test_the_operating_budget_is_checked_before_and_freed_basket_by_basket():
    budget = OperatingBudget(Operating(seconds=10, window=100))
    budget.use(0, 6)
    assert not budget.exhausted(9)
    budget.use(9, 6)  # the call that crosses completes
    assert budget.exhausted(12)
    assert budget.exhausted(99.9)
    assert not budget.exhausted(100)


# ---------------------------------------------------------------------------------------------- further limits


def test_only_so_many_workflows_run_on_one_document(open_portal, until):
    alive = [{"id": 713, "life_seconds": 0.3}]
    talk = open_portal({"templates": alive, "limits": {"per_document": 2}, "language": "ru"})
    assert [talk.start(5).status for _ in range(3)] == [201, 201, 422]
    refused = talk.start(5)
    assert (refused.code, refused.error["b24Code"]) == ("BITRIX_ERROR", "")
    assert "одновременно" in refused.error["message"]
    assert talk.start(6).status == 201
    assert until(lambda: talk.start(5).status == 201)


def test_the_limit_for_one_document_can_be_off_and_its_text_set(open_portal):
    alive = [{"id": 713, "life_seconds": None}]
    free = open_portal({"templates": alive, "limits": {"per_document": 0}})
    assert {free.start(5).status for _ in range(5)} == {201}
    said = open_portal({"templates": alive, "limits": {"per_document": 1}, "switches": {"limit_text": "Слишком много (1)"}})
    assert [said.start(5).status, said.start(5).error["message"]] == [201, "Слишком много (1)"]


@pytest.mark.parametrize(
    ("said", "status", "code"), [("BITRIX_ERROR", 422, "BITRIX_ERROR"), ("RATE_LIMITED", 429, "RATE_LIMITED")]
)
def test_the_operating_limit_shows_through(open_portal, said, status, code):
    slow = [{"id": 713, "run_seconds": 0.05}]
    talk = open_portal({"templates": slow, "limits": {"operating": {"seconds": 0.08, "window": 600, "answer": said}}})
    replies = [talk.start(entity) for entity in (1, 2, 3)]
    assert [reply.status for reply in replies] == [201, 201, status]
    assert replies[2].code == code
    assert talk.committed() == [1, 2]


def together(talk, entities, **options):
    """Start all of these at once; their answers by entity."""
    found = {}

    def work(entity):
        found[entity] = talk.start(entity, **options)

    threads = [threading.Thread(target=work, args=(entity,)) for entity in entities]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_the_queue_lets_so_many_run_at_once(open_portal):
    slow = [{"id": 713, "run_seconds": 0.1}]
    talk = open_portal({"templates": slow, "limits": {"queue": {"parallel": 2}}})
    assert {reply.status for reply in together(talk, range(1, 7)).values()} == {201}
    begun = sorted(line["mono"] for line in talk.lines("commit"))
    assert [round((moment - begun[0]) / 0.1) for moment in begun] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("then", ["drop", "run"])
def test_what_waited_too_long_is_answered_and_dropped_or_run_all_the_same(open_portal, until, then):
    slow = [{"id": 713, "run_seconds": 0.2}]
    queue = {"parallel": 1, "seconds": 0.05, "timed_out": then, "retry_after": 9}
    talk = open_portal({"templates": slow, "limits": {"queue": queue}})
    replies = together(talk, (1, 2))
    late = next(reply for reply in replies.values() if reply.status != 201)
    assert (late.status, late.code, late.error["retryAfter"]) == (504, "QUEUE_TIMEOUT", 9)
    if then == "run":
        assert until(lambda: sorted(talk.committed()) == [1, 2])
    else:
        assert talk.start(3).status == 201
        assert len(talk.committed()) == 2


def test_a_queue_may_say_nothing_about_time(open_portal):
    slow = [{"id": 713, "run_seconds": 0.2}]
    talk = open_portal({"templates": slow, "limits": {"queue": {"parallel": 1, "seconds": 0, "retry_after": None}}})
    late = next(reply for reply in together(talk, (1, 2)).values() if reply.status == 504)
    assert "retryAfter" not in late.error


def test_waiting_is_never_forever():
    bucket = LeakyBucket(PortalLimit(rate=1, burst=1, foreign=(Foreign(start=0, end=None, rate=2),)))
    assert bucket.wait(10, 0.0) == 3600
    assert math.isfinite(bucket.wait(10, None))

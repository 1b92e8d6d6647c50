"""What the documents leave open: each switch in all its positions. Those of reading endpoints stand beside these."""

import socket
import threading

import pytest

SLOW = [{"id": 713, "run_seconds": 0.2, "life_seconds": 60}]
PARAMETERS = {
    "who": {"Name": "Who", "Type": "user", "Default": "user_1"},
    "day": {"Name": "Day", "Type": "date", "Default": ""},
    "count": {"Name": "Count", "Type": "int"},
    "names": {"Name": "Names", "Type": "user", "Multiple": "1"},
}


def effective(open_portal, sent, **switches):
    talk = open_portal({"templates": [{"id": 713, "parameters": PARAMETERS}], "switches": switches})
    assert talk.start(1, parameters=sent).status == 201
    return talk.sandbox.commits()[0]["effective"]


def leave(talk, *, after=0.0):
    """Send a start and go away."""
    with socket.create_connection(("127.0.0.1", talk.sandbox.port)) as opened:
        opened.sendall(talk.request_bytes(5))
        threading.Event().wait(after)


# ------------------------------------------------------------------------------- cut, left, queued, doubled


@pytest.mark.parametrize(("said", "status"), [("BITRIX_UNAVAILABLE", 502), ("html_502", 502), ("html_504", 504), ("reset", None)])
@pytest.mark.parametrize("rolls_back", [False, True])
def test_a_start_that_takes_too_long_is_cut_and_goes_on(open_portal, said, status, rolls_back):
    talk = open_portal(
        {"templates": SLOW, "switches": {"upstream_seconds": 0.05, "upstream_answer": said, "cut_rolls_back": rolls_back}}
    )
    if status is None:
        with pytest.raises(ConnectionResetError):
            talk.start(5)
    else:
        reply = talk.start(5)
        assert reply.status == status
        assert reply.body.startswith(b"<html" if said.startswith("html") else b'{"success":false')
    assert talk.committed() == ([] if rolls_back else [5])
    assert talk.lines("answer")[0]["mono"] - talk.lines("arrival")[0]["mono"] < 0.15


@pytest.mark.parametrize("stops", [False, True])
def test_a_client_that_leaves_may_or_may_not_stop_the_work(open_portal, until, stops):
    talk = open_portal({"templates": SLOW, "switches": {"disconnect_stops_run": stops}})
    leave(talk)
    until(lambda: talk.lines("answer"))
    assert talk.committed() == ([] if stops else [5])
    assert talk.lines("answer")[0]["done"] == "gone"
    assert talk.start(6).status == 201


@pytest.mark.parametrize("drops", [False, True])
def test_a_queued_start_runs_although_its_client_left_or_is_dropped(open_portal, until, drops):
    talk = open_portal({"templates": SLOW, "limits": {"queue": {"parallel": 1}}, "switches": {"disconnect_drops_queued": drops}})
    first = threading.Thread(target=talk.start, args=(1,))
    first.start()
    until(talk.committed)
    leave(talk)
    first.join()
    assert talk.start(9).status == 201
    assert talk.committed() == ([1, 9] if drops else [1, 5, 9])


def test_behind_one_answer_there_may_be_two_starts(open_portal):
    talk = open_portal({"switches": {"upstream_retry_every": 2}})
    ids = [talk.start(entity).json["data"]["workflowId"] for entity in (1, 2, 3, 4)]
    commits = talk.sandbox.commits()
    assert [line["entityId"] for line in commits] == [1, 2, 2, 3, 4, 4]
    assert [line["cause"] for line in commits] == ["start", "start", "gateway_retry"] * 2
    assert ids == [commits[place]["workflowId"] for place in (0, 2, 3, 5)]
    assert len({line["workflowId"] for line in commits}) == 6


@pytest.mark.parametrize("before", [False, True])
def test_the_id_may_come_before_the_run(open_portal, before):
    talk = open_portal({"templates": SLOW, "switches": {"id_before_run": before}})
    assert talk.start(1).status == 201
    arrival, commit, answer = talk.lines()
    assert commit["mono"] - arrival["mono"] < 0.1
    assert (answer["mono"] - commit["mono"] < 0.1) is before


@pytest.mark.parametrize("listed", [True, False])
def test_a_workflow_may_be_listed_while_its_request_runs(open_portal, until, listed):
    talk = open_portal({"templates": SLOW, "switches": {"listed_while_running": listed}})
    running = threading.Thread(target=talk.start, args=(1,))
    running.start()
    until(talk.committed)
    rows = talk.ask("GET", "/workflows").json["data"]
    running.join()
    assert [bool(row["OWNED_UNTIL"]) for row in rows] == ([True] if listed else [])
    assert len(talk.ask("GET", "/workflows").json["data"]) == 1


# ------------------------------------------------------------------------------------------------- parameters


def test_the_portal_checks_nothing_and_reads_users_its_own_way(open_portal):
    assert effective(open_portal, {"who": 14, "names": ["user_2", "3"], "odd": {"a": None}, "count": "x"}) == {
        "who": "group 14",
        "names": ["user 2", "group 3"],
        "odd": {"a": None},
        "count": "x",
    }


def test_defaults_stand_in_for_absent_keys_only(open_portal):
    assert effective(open_portal, {}) == {"who": "user 1"}
    assert effective(open_portal, {"who": ""}) == {"who": ""}
    assert effective(open_portal, {"who": None}) == {"who": None}


def test_parameters_may_be_passed_in_other_ways(open_portal):
    sent = {"who": "user_3", "count": 5, "names": [1, 2]}
    assert effective(open_portal, sent, parameters_passed="strings")["count"] == "5"
    assert effective(open_portal, sent, parameters_passed="dropped") == {"who": "user 1"}


@pytest.mark.parametrize(
    ("formats", "readable"),
    [("any", [True, True, True, False]), ("iso", [True, False, True, False]), ("portal", [False, True, False, False])],
)
def test_date_formats(open_portal, formats, readable):
    days = ["2026-12-31", "31.12.2026", "2026-12-31T10:00:00+03:00", "soon"]
    found = [effective(open_portal, {"day": day}, date_formats=formats)["day"] for day in days]
    assert found == [day if good else "" for day, good in zip(days, readable, strict=True)]


@pytest.mark.parametrize(("said", "status"), [("dropped", 201), ("refused", 400)])
def test_parameters_that_are_no_object(open_portal, said, status):
    talk = open_portal({"switches": {"parameters_not_object": said}})
    assert talk.start(1, parameters=["a"]).status == status


# ----------------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("said", "status", "code", "text"),
    [
        ("BITRIX_ERROR", 422, "BITRIX_ERROR", "Wrong DOCUMENT_ID!"),
        ("ENTITY_NOT_FOUND", 404, "ENTITY_NOT_FOUND", "Элемент не найден"),
        ("localised", 422, "BITRIX_ERROR", "Элемент не найден или доступ к нему запрещён."),
    ],
)
def test_a_missing_entity(open_portal, said, status, code, text):
    talk = open_portal({"language": "ru", "documents": {"missing": {"any": [7]}}, "switches": {"missing_entity": said}})
    reply = talk.start(7)
    assert (reply.status, reply.code, reply.error["message"]) == (status, code, text)


@pytest.mark.parametrize(("said", "there"), [("empty", True), ("absent", False)])
def test_an_empty_native_code_may_be_absent(open_portal, said, there):
    talk = open_portal({"documents": {"missing": {"any": [7]}}, "switches": {"b24_code_when_empty": said}})
    assert ("b24Code" in talk.start(7).error) is there
    assert talk.start(1, 999).error["b24Code"] == "ERROR_WRONG_WORKFLOW_ID"


def test_a_template_can_break_in_mid_run(open_portal):
    fails = {"at_step": 2, "steps": 3, "message": "Mail server refused", "entities": [[1, 2]]}
    talk = open_portal({"templates": [{"id": 713, "fails": fails}]})
    replies = [talk.start(entity) for entity in (1, 2, 3)]
    assert [reply.status for reply in replies] == [422, 422, 201]
    assert (replies[0].error["b24Code"], replies[0].error["message"]) == ("", "Mail server refused")
    assert [(line["entityId"], line["steps_done"], line["complete"]) for line in talk.sandbox.commits()] == [
        (1, 1, False),
        (2, 1, False),
        (3, None, True),
    ]


def test_breaking_can_be_a_matter_of_chance(open_portal):
    fails = {"at_step": 1, "steps": 1, "message": "x", "probability": 0.5}
    talk = open_portal({"templates": [{"id": 713, "fails": fails}]})
    seen = [talk.start(entity).status for entity in range(1, 61)]
    assert 10 < seen.count(422) < 50


@pytest.mark.parametrize(("said", "status"), [("ignored", 201), ("refused", 400)])
def test_an_idempotency_key_protects_from_nothing(open_portal, said, status):
    talk = open_portal({"switches": {"idempotency_key": said}, "limits": {"per_document": 0}})
    headers = {**talk.headers(), "Idempotency-Key": "same"}
    assert [talk.start(1, headers=headers).status for _ in range(2)] == [status, status]
    assert talk.committed() == ([1, 1] if status == 201 else [])


@pytest.mark.parametrize("gzip", [True, False])
def test_answers_are_compressed_where_the_client_accepts_it(open_portal, gzip):
    talk = open_portal({"switches": {"gzip": gzip}})
    reply = talk.ask("GET", "/me", headers={**talk.headers(), "Accept-Encoding": "gzip, deflate"})
    assert reply.headers.get("content-encoding") == ("gzip" if gzip else None)
    assert "content-encoding" not in talk.ask("GET", "/me", headers={**talk.headers(), "Accept-Encoding": "identity"}).headers


def test_the_portals_clock_may_be_wrong(open_portal):
    lasting = [{"id": 713, "life_seconds": None}]
    ahead = open_portal({"templates": lasting, "switches": {"clock_skew_seconds": 7200}})
    right = open_portal({"templates": lasting})
    stamps = []
    for talk in (ahead, right):
        talk.start(1)
        reply = talk.ask("GET", "/workflows")
        stamps.append((reply.json["data"][0]["STARTED"], reply.headers["date"]))
    assert stamps[0][0] > stamps[1][0]
    assert stamps[0][1] != stamps[1][1]


def test_run_times_are_drawn_by_the_seed(open_portal):
    def run_times(seed):
        talk = open_portal({"seed": seed, "templates": [{"id": 713, "run_seconds": [0.0, 0.06]}]})
        for entity in range(1, 6):
            talk.start(entity)
        commits, answers = talk.lines("commit"), talk.lines("answer")
        return [answer["mono"] - commit["mono"] for commit, answer in zip(commits, answers, strict=True)]

    first, second = run_times(3), run_times(3)
    assert first == pytest.approx(second, abs=0.02)
    assert max(first) - min(first) > 0.01

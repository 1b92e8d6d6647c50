"""Batches: sequential, halt, fifty, empty maps, references, the cut with a prefix of commits, and what the ledger keeps."""

import json
import threading
import time

import pytest

from tests.simulator.rest_talk import START, command

LEAD = {"id": 714, "documentType": "lead"}


def test_starts_run_in_order_and_each_answer_stands_under_its_key(open_rest):
    rest = open_rest()
    answer = rest.batch({f"r{number}": command(number, note=f"ü {number}&=%") for number in (5, 3, 9)})
    found = answer.result
    assert list(found) == ["result", "result_error", "result_total", "result_next", "result_time"]
    assert [found[name] for name in ("result_error", "result_total", "result_next")] == [[], [], []]
    commits = rest.sandbox.commits()
    assert [(line["command"], line["position"], line["entityId"]) for line in commits] == [
        ("r5", 1, 5),
        ("r3", 2, 3),
        ("r9", 3, 9),
    ]
    assert found["result"] == {line["command"]: line["workflowId"] for line in commits}
    assert [line["parameters"]["note"] for line in commits] == ["ü 5&=%", "ü 3&=%", "ü 9&=%"]
    assert set(found["result_time"]) == {"r5", "r3", "r9"}
    assert "operating" in answer.json["time"]


@pytest.mark.parametrize("form", ["object", "list", "form", "get"])
def test_a_batch_in_its_forms(open_rest, form):
    rest = open_rest()
    if form == "object":
        answer = rest.batch({"a": command(1), "b": command(2)})
    elif form == "list":
        answer = rest.batch([command(1), command(2)])
    else:
        inner = [
            command(number).replace("%", "%25").replace("&", "%26").replace("?", "%3F").replace("=", "%3D") for number in (1, 2)
        ]
        text = f"halt=0&cmd[a]={inner[0]}&cmd[b]={inner[1]}"
        answer = rest.form("batch", text) if form == "form" else rest.send(f"{rest.root}batch?{text}", verb="GET", kind=None)
    assert answer.result["result_error"] == []
    assert len(answer.result["result"]) == 2
    assert rest.committed() == [1, 2]


def test_numeric_keys_come_back_as_lists_where_nothing_is_missing(open_rest):
    rest = open_rest()
    found = rest.batch([command(1), command(2), command(3, template=999)]).result
    assert isinstance(found["result"], list)
    assert list(found["result_error"]) == ["2"]
    found = rest.batch([command(1, template=999), command(2)]).result
    assert list(found["result"]) == ["1"]
    assert isinstance(found["result_error"], list)
    kept = open_rest({"native": {"switches": {"numeric_keys": "object"}}}).batch([command(1)]).result
    assert list(kept["result"]) == ["0"]
    assert kept["result_error"] == []


def test_every_command_has_its_own_error(open_rest):
    rest = open_rest({"documents": {"missing": {"deal": [13]}}, "templates": [{"id": 713}, LEAD]})
    commands = {
        "missing": command(13),
        "mismatch": command(1, template=714),
        "none": command(1, template=999),
        "empty": START,
        "nested": "batch?cmd[a]=profile",
        "unknown": "crm.deal.list",
        "good": command(7),
    }
    answer = rest.batch(commands)
    assert answer.status == 200
    errors = {name: (said["error"], said["error_description"]) for name, said in answer.result["result_error"].items()}
    assert errors == {
        "missing": ("", "Wrong DOCUMENT_ID!"),
        "mismatch": ("", "Template type and DOCUMENT_ID mismatch!"),
        "none": ("ERROR_WRONG_WORKFLOW_ID", "Template not found"),
        "empty": ("ERROR_WRONG_WORKFLOW_ID", "Empty TEMPLATE_ID"),
        "nested": ("ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage"),
        "unknown": ("ERROR_METHOD_NOT_FOUND", "Method not found!"),
    }
    assert list(answer.result["result"]) == ["good"]


@pytest.mark.parametrize(("halt", "run"), [(0, [1, 3]), ("0", [1, 3]), (1, [1]), (True, [1])])
def test_halt_stops_at_the_first_error(open_rest, halt, run):
    rest = open_rest({"documents": {"missing": {"deal": [2]}}})
    found = rest.batch({f"c{number}": command(number) for number in (1, 2, 3)}, halt=halt).result
    assert list(found["result_error"]) == ["c2"]
    assert rest.committed() == run
    assert list(found["result"]) == [f"c{number}" for number in run]


def test_the_first_fifty_run_and_the_surplus_fails(open_rest):
    rest = open_rest()
    found = rest.batch({f"c{number}": command(number) for number in range(1, 54)}).result
    assert len(found["result"]) == 50
    assert {name: said["error"] for name, said in found["result_error"].items()} == dict.fromkeys(
        ["c51", "c52", "c53"], "ERROR_BATCH_LENGTH_EXCEEDED"
    )
    assert rest.committed() == list(range(1, 51))
    assert len(rest.lines("arrival")[0]["starts"]) == 50


def test_a_batch_that_is_too_long_may_be_refused_as_a_whole(open_rest):
    rest = open_rest({"native": {"switches": {"batch_surplus": "whole"}}})
    assert rest.batch([command(1)] * 51).said == (400, "ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded")
    assert rest.sandbox.commits() == []
    assert len(rest.batch([command(1)] * 50).result["result"]) == 50


@pytest.mark.parametrize("cmd", [None, {}, [], "profile"])
def test_a_batch_without_commands_is_refused_loudly(open_rest, cmd):
    assert open_rest().batch(cmd).said[:2] == (400, "ERROR_ARGUMENT")


def test_lists_in_a_batch_tell_total_and_next(open_rest):
    rest = open_rest({"templates": [{"id": number} for number in range(1, 61)]})
    found = rest.batch({"t": "bizproc.workflow.template.list?SELECT[]=ID&start=0", "p": "profile"}).result
    assert (found["result_total"], found["result_next"]) == ({"t": 60}, {"t": 50})
    assert len(found["result"]["t"]) == 50


def test_results_of_earlier_commands_are_put_in_where_they_are_referred_to(open_rest):
    rest = open_rest({"templates": [{"id": 713, "parameters": {"note": {"Type": "string"}}}]})
    commands = {
        "who": "profile",
        "items": "crm.item.list?entityTypeId=2&filter[@id][]=5141",
        "start": command(
            "$result[items][items][0][id]", who="$result[who][ID]", note="by $result[who][NAME]!", none="$result[no][such]"
        ),
    }
    found = rest.batch(commands).result
    assert found["result_error"] == []
    line = rest.sandbox.commits()[0]
    assert line["entityId"] == 5141
    assert line["parameters"] == {"who": "1", "note": "by Sandbox!", "none": None}
    assert line["effective"] == line["parameters"]
    assert rest.lines("arrival")[0]["starts"][0]["parameters"]["note"] == "by $result[who][NAME]!"


def test_references_may_be_replaced_only_where_they_are_everything(open_rest):
    rest = open_rest({"native": {"switches": {"result_references": "whole"}}})
    rest.batch({"who": "profile", "start": command(1, a="$result[who][ID]", b="by $result[who][ID]")})
    assert rest.sandbox.commits()[0]["parameters"] == {"a": "1", "b": "by $result[who][ID]"}


def test_an_activity_that_throws_is_an_error_of_its_command(open_rest):
    fails = {"at_step": 1, "steps": 1, "message": "No mail", "entities": [2]}
    rest = open_rest({"templates": [{"id": 713, "fails": fails}]})
    found = rest.batch({f"c{number}": command(number) for number in (1, 2, 3)}).result
    assert found["result_error"] == {"c2": {"error": "", "error_description": "No mail"}}
    assert [(line["entityId"], line["complete"]) for line in rest.sandbox.commits()] == [(1, True), (2, False), (3, True)]


def test_a_missing_scope_refuses_the_command_not_the_batch(open_rest):
    rest = open_rest({"native": {"webhooks": [{"code": "noscope0123456789", "scopes": ["crm"]}]}})
    found = rest.batch({"s": command(1), "i": "crm.item.list?entityTypeId=2&filter[id]=1"}).result
    assert found["result_error"]["s"]["error"] == "insufficient_scope"
    assert found["result"]["i"] == {"items": [{"id": 1, "title": "Deal 1"}]}


# ------------------------------------------------------------------------------------------------- the cut


@pytest.mark.parametrize("said", ["stops", "goes_on"])
def test_a_batch_that_takes_too_long_is_cut_behind_a_prefix_of_its_starts(open_rest, until, said):
    native = {"request_seconds": 0.25, "switches": {"batch_cut": said}}
    rest = open_rest({"templates": [{"id": 713, "run_seconds": 0.1}], "native": native})
    begun = time.monotonic()
    answer = rest.batch({f"c{number}": command(number) for number in range(1, 7)})
    assert time.monotonic() - begun >= 0.25
    assert (answer.status, answer.headers["content-type"]) == (504, "text/html")
    done = rest.committed()
    assert done == [1, 2, 3][: len(done)] != []
    if said == "goes_on":
        assert until(lambda: rest.committed() == [1, 2, 3, 4, 5, 6])
    else:
        threading.Event().wait(0.4)
        assert rest.committed() == done
    assert "results" not in rest.lines("answer")[0]


def test_a_start_that_the_cut_meets_may_leave_nothing(open_rest):
    rest = open_rest(
        {
            "templates": [{"id": 713, "run_seconds": 0.1}],
            "native": {"request_seconds": 0.25},
            "switches": {"cut_rolls_back": True},
        }
    )
    assert rest.batch({f"c{number}": command(number) for number in range(1, 7)}).status == 504
    assert rest.committed() in ([1], [1, 2])  # the third would have ended behind the cut


def test_a_client_that_has_gone_leaves_the_batch_running_unless_it_stops(open_rest, until):
    def gone(**switches):
        rest = open_rest({"templates": [{"id": 713, "run_seconds": 0.05}], "switches": switches})
        with pytest.raises(TimeoutError):
            rest.batch({f"c{number}": command(number) for number in range(1, 5)}, timeout=0.08)
        until(lambda: rest.lines("answer"))
        return rest.committed()

    assert gone() == [1, 2, 3, 4]
    assert gone(disconnect_stops_run=True) == [1]


def test_a_batch_takes_as_long_as_its_starts_together(open_rest):
    rest = open_rest({"templates": [{"id": 713, "run_seconds": 0.05}]})
    answer = rest.batch({f"c{number}": command(number) for number in range(1, 6)})
    assert answer.json["time"]["duration"] >= 0.25
    assert all(0.05 <= told["duration"] < 0.2 for told in answer.result["result_time"].values())


# ---------------------------------------------------------------------------------------------- the ledger


def test_the_ledger_has_one_arrival_and_one_answer_for_a_batch_and_a_commit_for_each_start(open_rest, tmp_path):
    book = tmp_path / "ledger.jsonl"
    rest = open_rest({"documents": {"missing": {"deal": [2]}}}, ledger=book)
    rest.batch({"a": command(1, x="y"), "p": "profile", "b": command(2), "c": command(3)})
    arrival, first, second, answer = [json.loads(line) for line in book.read_text().splitlines()]
    assert [line["kind"] for line in (arrival, first, second, answer)] == ["arrival", "commit", "commit", "answer"]
    assert {line["n"] for line in (arrival, first, second, answer)} == {1}
    assert (arrival["on"], arrival["call"], first["on"], answer["on"]) == ("batch", "batch", "start", "batch")
    deal = ["crm", "CCrmDocumentDeal"]
    assert arrival["starts"] == [
        {
            "command": key,
            "position": position,
            "templateId": 713,
            "entityType": "deal",
            "entityId": entity,
            "parameters": parameters,
            "documentId": [*deal, f"DEAL_{entity}"],
        }
        for key, position, entity, parameters in (("a", 1, 1, {"x": "y"}), ("b", 3, 2, None), ("c", 4, 3, None))
    ]
    assert (first["command"], first["position"], second["command"], second["position"]) == ("a", 1, "c", 4)
    assert answer["results"] == [
        {"command": "a", "position": 1, "workflowId": first["workflowId"]},
        {"command": "p", "position": 2},
        {"command": "b", "position": 3, "code": ""},
        {"command": "c", "position": 4, "workflowId": second["workflowId"]},
    ]


def test_the_run_clock_begins_with_the_first_batch_that_starts_something(open_rest, until):
    states = [{"is": "maintenance", "from": 0.1}]
    rest = open_rest({"native": {"states": states}})
    rest.batch({"p": "profile"})
    threading.Event().wait(0.15)
    assert rest.batch({"p": "profile"}).status == 200
    assert rest.batch({"s": command(1)}).status == 200
    assert until(lambda: rest.call("profile").status == 503)

"""Several starts in one request: how they are written, and whose answer is whose (bitrix24-api.md 1.9)."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.gateways import batch
from bulkstart.gateways.batch import batch_call, fits_batch, keys_of, read_batch, read_times
from bulkstart.model import Answer, Busy, Denied, InDoubt, Refused, Started, StartRequest
from bulkstart.operating import Spent
from tests.test_envelope import CODES, error, json_values

ROWS = [StartRequest(713, "deal", 5), StartRequest(713, "deal", 5, {"mark": "b"}), StartRequest(714, "dynamic_147", 6)]
KEYS = keys_of(ROWS)
IDS = ["66e81a641752f8.56521481", "66e81a641752f8.56521482", "66e81a641752f8.56521483"]


def read(body, status=200, *, rows=ROWS, oauth=False):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_batch(rows, Answer(status, {}, raw), oauth=oauth)


def maps(results, errors):
    return {"result": {"result": results, "result_error": errors, "result_total": [], "result_next": [], "result_time": []}}


def plain(command):
    """What the portal makes of a command: its method, and its parameters as PHP reads brackets, all texts."""
    method, _, query = command.partition("?")
    found: dict[str, object] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, strict_parsing=True):
        place, *path = [part.rstrip("]") for part in name.split("[")]
        inner = found
        for step in path:
            inner = inner.setdefault(place, {})
            place = step
        inner[place] = value
    return method, found


def test_a_batch_never_halts_and_names_each_command_with_a_letter_first():
    call = batch_call(ROWS)
    body = json.loads(call.body)
    assert (call.method, call.path, call.query) == ("POST", "/batch", ())
    assert set(body) == {"halt", "cmd"}
    assert body["halt"] == 0
    assert list(body["cmd"]) == KEYS
    assert len(set(KEYS)) == len(KEYS)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", key) for key in KEYS)


def test_a_command_holds_the_same_as_a_start_of_its_own():
    parameters = {"who": ["user_1", "user_2"], "n": 5, "x": 1.5, "text": "Ж & ?=#+%[]\n$x", "map": {"a": "b"}}
    (command,) = json.loads(batch_call([StartRequest(1, "quote", 7, parameters)]).body)["cmd"].values()
    assert command.startswith("bizproc.workflow.start?TEMPLATE_ID=1&DOCUMENT_ID[0]=crm&DOCUMENT_ID[1]=")
    method, found = plain(command)
    assert method == "bizproc.workflow.start"
    assert found["TEMPLATE_ID"] == "1"
    assert list(found["DOCUMENT_ID"].values()) == ["crm", "Bitrix\\Crm\\Integration\\BizProc\\Document\\Quote", "QUOTE_7"]
    assert found["PARAMETERS"] == {
        "who": {"0": "user_1", "1": "user_2"}, "n": "5", "x": "1.5", "text": "Ж & ?=#+%[]\n$x", "map": {"a": "b"},
    }  # fmt: skip
    assert "PARAMETERS" not in plain(json.loads(batch_call(ROWS[:1]).body)["cmd"][KEYS[0]])[1]


@given(st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True), st.text(max_size=20), max_size=3))
def test_no_text_that_is_let_into_a_batch_is_changed_or_leaks_into_another_field(parameters):
    request = StartRequest(1, "deal", 7, parameters)
    if fits_batch(request):
        (command,) = json.loads(batch_call([request]).body)["cmd"].values()
        assert plain(command)[1].get("PARAMETERS", {}) == parameters
        assert unquote(command).lower().count("$result[") == 0


@pytest.mark.parametrize(
    "parameters",
    [
        {"a": "$result[r0][ID]"},
        {"a": "x $RESULT[r0]"},
        {"a": ["ok", "$result[r0]"]},
        {"a": {"b": "$result[r0]"}},
        {"a": True},
        {"a": None},
        {"a": []},
        {"a": {}},
        {"a": ["x", None]},
        {"a[b]": "x"},
        {"a b": "x"},
        {"$result[r0]": "x"},
        {"": "x"},
        {"a": {"b]": "x"}},
        {"a": "\ud800"},
        {"a": "x\0y"},
    ],
    ids=repr,
)
def test_a_start_that_would_mean_something_else_in_a_batch_goes_alone(parameters):
    request = StartRequest(1, "deal", 7, parameters)
    assert not fits_batch(request)
    with pytest.raises(ValueError, match="do not fit"):
        batch_call([request, ROWS[0]])


def test_more_than_fifty_or_none_are_no_batch():
    assert batch.LARGEST == 50
    for rows in ([], [ROWS[0]] * 51):
        with pytest.raises(ValueError, match="do not fit"):
            batch_call(rows)
    assert len(json.loads(batch_call([ROWS[0]] * 50).body)["cmd"]) == 50


def test_each_commands_answer_goes_to_its_own_row():
    found = read(maps({KEYS[2]: IDS[2], KEYS[0]: IDS[0]}, {KEYS[1]: error("", "Wrong DOCUMENT_ID!")}))
    assert found[0] == Started(IDS[0])
    assert isinstance(found[1], Refused)
    assert found[2] == Started(IDS[2])


def test_an_empty_map_may_come_as_a_list():
    assert read(maps(dict(zip(KEYS, IDS, strict=True)), [])) == [Started(workflow_id) for workflow_id in IDS]
    errors = {key: error("ACCESS_DENIED") for key in KEYS}
    assert read(maps([], errors)) == [Denied("ACCESS_DENIED", "text")] * 3


@pytest.mark.parametrize(
    ("inner", "verdict"),
    [
        (error("ACCESS_DENIED"), Denied("ACCESS_DENIED", "text")),
        (error("ERROR_WRONG_WORKFLOW_ID"), Refused("ERROR_WRONG_WORKFLOW_ID", "text", template_gone=True)),
        (error("operation_time_limit"), Busy("OPERATION_TIME_LIMIT", "text", throttled=True, after=60.0)),
        (error("QUERY_LIMIT_EXCEEDED"), Busy("QUERY_LIMIT_EXCEEDED", "text", throttled=True)),
        (error("expired_token"), Busy("expired_token", "text")),
        (error("OVERLOAD_LIMIT"), Denied("OVERLOAD_LIMIT", "text", exit_code=6)),
        (
            error("ERROR_BATCH_LENGTH_EXCEEDED"),
            Busy("ERROR_BATCH_LENGTH_EXCEEDED", "the portal takes fewer starts in one request"),
        ),
        (error("ERROR_CORE"), InDoubt("ERROR_CORE", "text")),
        (error("", "лимит 2"), InDoubt("BITRIX_ERROR", "лимит 2")),
    ],
)
def test_an_error_of_a_command_means_what_it_means_alone(inner, verdict):
    assert read(maps({KEYS[0]: IDS[0]}, {KEYS[1]: inner}), oauth=True)[1] == verdict


def test_a_command_in_neither_map_is_in_doubt_and_so_is_one_in_both():
    found = read(maps({KEYS[0]: IDS[0], KEYS[1]: IDS[1]}, {KEYS[1]: error("ACCESS_DENIED")}))
    assert found[0] == Started(IDS[0])
    assert [type(verdict) for verdict in found[1:]] == [InDoubt, InDoubt]


@pytest.mark.parametrize("result", [None, "", 5, True, [], {}, {"id": IDS[0]}])
def test_a_result_that_is_no_id_is_in_doubt(result):
    assert isinstance(read(maps({KEYS[0]: result}, []))[0], InDoubt)


def test_one_id_for_two_rows_proves_nothing_for_either():
    found = read(maps({KEYS[0]: IDS[0], KEYS[1]: IDS[0], KEYS[2]: IDS[2]}, []))
    assert [type(verdict) for verdict in found] == [InDoubt, InDoubt, Started]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b'{"result": {"result": {"r0'),
        (200, b"<html>"),
        (504, b"<html>"),
        (500, error("INTERNAL_SERVER_ERROR")),
        (400, error("ERROR_BATCH_LENGTH_EXCEEDED")),
        (201, maps(dict(zip(KEYS, IDS, strict=True)), [])),
        (200, {"result": []}),
        (200, {"result": IDS[0]}),
        (200, maps(IDS, [])),
        (200, maps({}, [error("ACCESS_DENIED")])),
        (200, maps({"0": IDS[0]}, [])),
        (200, maps({**dict(zip(KEYS, IDS, strict=True)), "r3_713_9": "x"}, [])),
        (200, maps({"r0_713_99": IDS[0], KEYS[1]: IDS[1]}, [])),
        (200, {**maps(dict(zip(KEYS, IDS, strict=True)), []), "error": ""}),
    ],
)
def test_an_answer_that_cannot_be_read_or_is_another_requests_leaves_every_row_in_doubt(status, body):
    assert [type(verdict) for verdict in read(body, status)] == [InDoubt] * 3


def test_what_refuses_the_whole_request_says_nothing_of_its_rows():
    assert read(error("QUERY_LIMIT_EXCEEDED"), 503) == [Busy("QUERY_LIMIT_EXCEEDED", "text", throttled=True)] * 3
    assert read(error("expired_token"), 401, oauth=True) == [Busy("expired_token", "text")] * 3
    assert read(error("ACCESS_DENIED"), 403) == [Denied("ACCESS_DENIED", "text")] * 3
    assert [type(verdict) for verdict in read(b"", 302)] == [Denied] * 3
    for busy in (*read(b"<html>", 413), *read(error("ERROR_ARGUMENT"), 400), *read(error("ERROR_BATCH_METHOD_NOT_ALLOWED"), 405)):
        assert isinstance(busy, Busy)
        assert not busy.throttled


def test_the_time_of_each_command_is_its_own_and_the_requests_comes_last():
    body = maps(dict(zip(KEYS, IDS, strict=True)), [])
    body["result"]["result_time"] = {KEYS[1]: {"operating": 7, "duration": 1}, KEYS[2]: 5}
    body["time"] = {"operating": 9, "duration": 3}
    found = read_times(ROWS, Answer(200, {}, json.dumps(body).encode()))
    assert found == [Spent(), Spent(7.0, None, 1.0), Spent(), Spent(9.0, None, None)]
    assert read_times(ROWS, Answer(200, {}, b"[]")) == [Spent()] * 4


inner = st.dictionaries(st.sampled_from([*KEYS, "r9"]), json_values | st.sampled_from([*IDS, *map(error, CODES)]), max_size=4)


@given(
    status=st.sampled_from([200, 200, 200, 400, 503, 302, 101, 599]),
    body=st.binary(max_size=40)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.builds(lambda results, errors: json.dumps(maps(results, errors)).encode(), inner | json_values, inner | json_values),
    oauth=st.booleans(),
)
def test_reading_never_raises_and_claims_only_starts_that_stand_under_their_own_key(status, body, oauth):
    answer = Answer(status, {}, body)
    found = read_batch(ROWS, answer, oauth=oauth)
    assert len(found) == len(read_times(ROWS, answer)) - 1 == len(ROWS)
    for key, verdict in zip(KEYS, found, strict=True):
        if isinstance(verdict, Started):
            result = json.loads(body)["result"]
            assert status == 200
            assert result["result"][key] == verdict.workflow_id
            assert key not in (result["result_error"] or {})


@given(code=st.text(min_size=1, max_size=20).filter(lambda code: not set("_-") & set(code)))
def test_an_unknown_code_of_a_command_is_in_doubt(code):
    assert isinstance(read(maps([], {KEYS[0]: error(code, "Access denied!")}))[0], InDoubt)

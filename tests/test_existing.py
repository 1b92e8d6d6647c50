"""Which entities exist, decoded: only a good answer to the very ids tells anything, and no answer raises."""

from __future__ import annotations

import json
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.gateways.existing import Existing, native_call, read_native, read_vibecode, vibecode_call
from bulkstart.model import Answer

IDS = list(range(1, 121))


def answer(payload, status=200):
    return Answer(status, {}, json.dumps(payload).encode())


def test_one_search_asks_vibecode_for_all_ids():
    call = vibecode_call("company", IDS)
    assert call is not None
    assert (call.method, call.path) == ("POST", "/companies/search")
    assert json.loads(call.body or b"") == {"filter": {"id": {"$in": IDS}}, "select": ["id"], "limit": 120}


def test_one_batch_asks_natively_for_all_ids_fifty_at_a_time():
    call = native_call("smart_invoice", IDS)
    assert call is not None
    commands = json.loads(call.body or b"")["cmd"]
    assert list(commands) == ["p0", "p1", "p2"]
    assert "entityTypeId=31" in commands["p0"]
    assert "start=-1" in commands["p0"]
    ids = [pair.partition("=")[2] for text in commands.values() for pair in unquote(text).split("&") if "@id" in pair]
    assert [int(number) for number in ids] == IDS


@pytest.mark.parametrize(("call", "kind"), [(vibecode_call, "quote"), (native_call, "task"), (native_call, "list_item")])
def test_what_cannot_be_asked_for_is_not_asked_for(call, kind):
    assert call(kind, [1]) is None


def test_a_smart_process_is_asked_for_by_its_number():
    call = native_call("dynamic_147", [5])
    assert call is not None
    assert "entityTypeId=147" in json.loads(call.body or b"")["cmd"]["p0"]


@pytest.mark.parametrize("rows", [[{"id": 2}], [{"id": "2"}], {"0": {"ID": "2"}}])
def test_ids_come_as_numbers_or_texts(rows):
    assert read_vibecode([1, 2], answer({"success": True, "data": rows})) == Existing(frozenset({2}))
    inner = {"result": {"result": {"p0": {"items": rows}}, "result_error": []}}
    assert read_native([1, 2], answer(inner), oauth=False) == Existing(frozenset({2}), whole=True)


@pytest.mark.parametrize(("total", "whole"), [(1, True), (2, False), (None, False), ("1", False)])
def test_a_page_is_whole_where_the_total_says_so(total, whole):
    payload = {"success": True, "data": [{"id": 2}], "meta": {"total": total}}
    assert read_vibecode([1, 2], answer(payload)) == Existing(frozenset({2}), whole=whole)


@pytest.mark.parametrize(
    "payload",
    [
        {"success": False, "data": []},
        {"data": []},
        {"success": True, "data": None},
        {"success": True, "data": [{"id": 3}]},
        {"success": True, "data": [{"title": "x"}]},
        {"success": True, "data": [7]},
    ],
)
def test_an_answer_that_was_not_filtered_or_is_no_list_tells_nothing(payload):
    assert read_vibecode([1, 2], answer(payload)) is None


def test_a_list_that_failed_tells_nothing_of_its_own_ids_only():
    inner = {
        "result": {"result": {"p0": {"items": [{"id": 7}]}, "p2": {"items": [{"id": 1}]}}, "result_error": {"p1": {"error": "X"}}}
    }
    found = read_native(IDS, answer(inner), oauth=False)
    assert found == Existing(frozenset({7}), frozenset(range(51, 121)), whole=True)


def test_a_batch_of_which_nothing_is_left_tells_nothing():
    assert (
        read_native([1], answer({"result": {"result": [], "result_error": {"p0": {"error": "ACCESS_DENIED"}}}}), oauth=False)
        is None
    )


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["success", "data", "result", "result_error", "items", "p0", "id", "error"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(anything, st.sampled_from([200, 302, 403, 500]))
def test_no_answer_raises_and_none_makes_up_an_id(payload, status):
    for found in (read_vibecode([1, 2], answer(payload, status)), read_native([1, 2], answer(payload, status), oauth=True)):
        assert found is None or (found.found | found.untold) <= {1, 2}

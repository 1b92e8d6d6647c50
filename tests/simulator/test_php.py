"""What PHP makes of fields and arrays."""

import pytest

from bulkstart.simulator import php


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("a=1&a=2", {"a": "2"}),
        ("a[]=1&a[]=2", {"a": ["1", "2"]}),
        ("a[0]=1&a[1]=2&b[1]=x", {"a": ["1", "2"], "b": {"1": "x"}}),
        ("a[x][y]=1&a[x][z]=2", {"a": {"x": {"y": "1", "z": "2"}}}),
        ("a[5]=x&a[]=y", {"a": {"5": "x", "6": "y"}}),
        ("a.b=1&c d=2", {"a_b": "1", "c_d": "2"}),
        ("a[b.c]=1", {"a": {"b.c": "1"}}),
        ("a[=1", {"a": "1"}),
        ("a=%D0%B9+x&b", {"a": "й x", "b": ""}),
        ("a=1&a[x]=2", {"a": {"x": "2"}}),
        ("x=%5B1%5D&y=$result[a][b]", {"x": "[1]", "y": "$result[a][b]"}),
    ],
)
def test_pairs(text, found):
    assert php.pairs(text) == found


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("12abc", 12),
        (" 7", 7),
        ("-3", -3),
        ("1e3", 1000),
        ("1.9", 1),
        ("abc", 0),
        ("", 0),
        (None, 0),
        (True, 1),
        (2.9, 2),
        ([], 0),
        ([5], 1),
        ({"a": 1}, 1),
        (float("inf"), 0),
        (float("nan"), 0),
        ("9" * 30, 0),
    ],
)
def test_whole_numbers(value, number):
    assert php.whole(value) == number


@pytest.mark.parametrize("value", [None, "", "0", 0, 0.0, False, [], {}])
def test_what_is_empty(value):
    assert php.empty(value)


@pytest.mark.parametrize("value", ["00", " ", "a", 1, True, [0], {"a": 0}])
def test_what_is_not_empty(value):
    assert not php.empty(value)


def test_arrays_as_json():
    assert php.encoded({}) == []
    assert php.encoded({"0": "a", "1": "b"}) == ["a", "b"]
    assert php.encoded({"1": "a"}) == {"1": "a"}
    assert php.encoded({"1": "a", "0": "b"}) == {"1": "a", "0": "b"}
    assert php.items(["x"]) == [("0", "x")]
    assert php.items("x") == []


@pytest.mark.parametrize(
    ("kind", "body", "found"),
    [
        ("application/json", b'{"a": 1}', {"a": 1}),
        ("application/json; charset=utf-8", b'["x"]', {"0": "x"}),
        ("application/json", b"{", {}),
        ("application/json", b"[" * 100_000, {}),
        ("application/x-www-form-urlencoded; charset=UTF-8", b"a[]=1", {"a": ["1"]}),
        ("", b'{"a": 1}', {}),
        ("text/plain", b"a=1", {}),
    ],
)
def test_bodies(kind, body, found):
    assert php.body_fields(kind, body) == found

"""What makes no sense is said before anything is sent, and defaults are those of the interface."""

from __future__ import annotations

import dataclasses

import pytest

from bulkstart.batching import Batching
from bulkstart.errors import UsageError
from bulkstart.options import Options, StartOptions, options_of


def test_defaults_are_those_of_the_interface():
    options = Options()
    assert (options.canary, options.max_unknown, options.batch) == (3, 10, "auto")
    assert (options.halt_doubts, options.halt_same, options.halt_percent) == (3, 5, 20.0)
    assert not any((options.polite, options.skip_invalid, options.dry_run, options.allow_changed, options.campaign))
    assert (options.limit, options.rate, options.burst, options.deadline, options.timeout) == (None,) * 5


@pytest.mark.parametrize("name", ["template", "limit", "max_unknown", "rate", "burst", "deadline", "timeout"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_what_must_be_positive_is_refused_and_named_as_an_option(name, value):
    with pytest.raises(UsageError, match="--" + name.replace("_", "-")):
        Options(**{name: value})


@pytest.mark.parametrize("name", ["canary", "halt_doubts", "halt_same", "halt_percent"])
def test_zero_turns_a_bar_off_and_less_is_refused(name):
    assert getattr(Options(**{name: 0}), name) == 0
    for value in (-1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="--" + name.replace("_", "-")):
            Options(**{name: value})


@pytest.mark.parametrize(
    "given",
    [
        {"decimal": ";"},
        {"batch": 11},
        {"batch": "many"},
        {"burst": 0.5},
        {"template": "713"},
        {"limit": "10"},
        {"limit": 2.5},
        {"canary": "3"},
        {"rate": "fast"},
    ],
)
def test_a_value_that_makes_no_sense_is_a_usage_error(given):
    with pytest.raises(UsageError):
        options_of(given)


@pytest.mark.parametrize("word", ["deal", "Deal", " lead ", "contact", "company"])
def test_entity_types_of_the_gateway_are_taken(word):
    assert Options(entity_type=word).entity_type == word


def test_a_name_that_is_no_option_is_said_with_those_that_are():
    with pytest.raises(UsageError, match="skip_invalid"):
        options_of({"skip_invalids": True})


def test_the_typed_keywords_are_exactly_the_options():
    assert set(StartOptions.__annotations__) == {entry.name for entry in dataclasses.fields(Options)}


def test_every_option_of_the_interface_that_concerns_a_start_can_be_given_in_python():
    wanted = {
        "template",
        "entity_type",
        "columns",
        "values",
        "decimal",
        "date_format",
        "limit",
        "dry_run",
        "skip_invalid",
        "canary",
    }
    wanted |= {"rate", "burst", "polite", "max_unknown", "batch", "halt_doubts", "halt_same", "halt_percent", "per_document"}
    wanted |= {"campaign", "allow_changed", "reconcile", "probe_running", "journal", "deadline", "timeout"}
    assert wanted - set(StartOptions.__annotations__) == set()


@pytest.mark.parametrize(
    ("batch", "most", "found"),
    [
        ("auto", 50, Batching(10, 10)),
        ("auto", 1, Batching(1, 10)),
        ("off", 50, Batching(1, 10, auto=False)),
        (1, 1, Batching(1, 10, auto=False)),
        ("7", 50, Batching(7, 10, auto=False)),
    ],
)
def test_batch_says_how_many_rows_share_a_request_on_a_portal_that_takes_so_many(batch, most, found):
    assert Options(batch=batch).batching(most) == found


@pytest.mark.parametrize(("most", "what"), [(1, "no batch for starts"), (50, "50 at most")])
def test_more_than_the_portal_takes_is_refused(most, what):
    with pytest.raises(UsageError, match=what):
        Options(batch=60, max_unknown=100).batching(most)


@pytest.mark.parametrize(
    ("batch", "what"),
    [
        (11, "--max-unknown 10"),
        *((batch, "--batch must be") for batch in (0, "-1", "1" * 40, "many", 1.5, True)),
    ],
)
def test_any_other_batch_is_refused_with_its_reason(batch, what):
    with pytest.raises(UsageError, match=what):
        Options(batch=batch)
